//! What an error means, read from machine codes and types, from texts, and from the status, in this order; texts that
//! are more telling than a type (a prompt that is too long, money that is gone) come first.

use std::time::Duration;

use crate::protocol::upstream_error::{ErrorKind, ErrorParts};

/// Codes and types that name the meaning by themselves, in lower case.
const KIND_BY_WORD: &[(&str, ErrorKind)] = &[
    ("overloaded_error", ErrorKind::Overloaded),
    ("server_is_overloaded", ErrorKind::Overloaded),
    ("slow_down", ErrorKind::Overloaded),
    ("engine_overloaded_error", ErrorKind::Overloaded),
    ("insufficient_system_resource", ErrorKind::Overloaded),
    ("insufficient_quota", ErrorKind::Credit),
    ("exceeded_current_quota_error", ErrorKind::Credit),
    ("billing_error", ErrorKind::Credit),
    ("billing_hard_limit_reached", ErrorKind::Credit),
    ("billing_not_active", ErrorKind::Credit),
    ("insufficient_balance", ErrorKind::Credit),
    ("insufficient_user_quota", ErrorKind::Credit),
    ("enforced_spend_limit_reached", ErrorKind::Credit),
    ("payment_required", ErrorKind::Credit),
    ("rate_limit_error", ErrorKind::RateLimited),
    ("rate_limit_exceeded", ErrorKind::RateLimited),
    ("rate_limit_reached_error", ErrorKind::RateLimited),
    ("ratelimitreached", ErrorKind::RateLimited),
    ("too_many_requests", ErrorKind::RateLimited),
    ("invalid_api_key", ErrorKind::Auth),
    ("authentication_error", ErrorKind::Auth),
    ("invalid_authentication_error", ErrorKind::Auth),
    ("unauthorized", ErrorKind::Auth),
    ("permission_error", ErrorKind::Permission),
    ("permission_denied", ErrorKind::Permission),
    ("insufficient_permissions", ErrorKind::Permission),
    ("model_not_found", ErrorKind::ModelNotFound),
    ("deploymentnotfound", ErrorKind::ModelNotFound),
    ("request_too_large", ErrorKind::TooLarge),
    ("timeout_error", ErrorKind::Timeout),
];

/// Texts that say the money is gone, in lower case. They come with 400, 402, 403 and 429 alike.
const CREDIT_TEXTS: &[&str] = &[
    "insufficient credit",
    "insufficient balance",
    "insufficient quota",
    "insufficient account balance",
    "insufficient_quota",
    "not enough credit",
    "credit balance is too low",
    "exceeded your current quota",
    "requires more credits",
    "run out of credits",
    "out of credits",
    "no credits",
    "billing hard limit",
    "spend limit",
    "spending limit",
    "specified api usage limit",
    "balance is insufficient",
    "account is in arrears",
    "please recharge",
    "余额不足",
];

/// Texts that say the provider has no capacity, in lower case.
const OVERLOAD_TEXTS: &[&str] = &[
    "overloaded",
    "no available provider",
    "server is busy",
    "at capacity",
    "over capacity",
];

/// Texts that say a key is wrong although the status is another, in lower case (xAI, Gemini: 400).
const AUTH_TEXTS: &[&str] = &[
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "api_key_invalid",
    "invalid x-api-key",
    "no auth credentials found",
];

pub(super) fn kind_of(parts: &ErrorParts) -> ErrorKind {
    let mut text = String::new();
    for part in [&parts.message, &parts.detail].into_iter().flatten() {
        text.push_str(&part.to_ascii_lowercase());
        text.push(' ');
    }
    let word = |it: &Option<String>| it.as_deref().unwrap_or_default().to_ascii_lowercase();
    let words = [word(&parts.code), word(&parts.error_type)];
    if may_be_context(parts.status)
        && let Some(kind) = context_too_long(&text, &words)
    {
        return kind;
    }
    // A limit that is reached because the money is gone says so in the text; its type only says "rate limit".
    // Gemini opens its limits per minute with the same words, but then says when to come back.
    let client_side = parts.status.is_none_or(|it| it < 500);
    if client_side && contains_any(&text, CREDIT_TEXTS) && !text.contains("please retry in") {
        return ErrorKind::Credit;
    }
    let named = words.iter().find_map(|word| {
        KIND_BY_WORD
            .iter()
            .find_map(|(known, kind)| (known == word).then_some(*kind))
    });
    if let Some(kind) = named {
        return kind;
    }
    if client_side && contains_any(&text, AUTH_TEXTS) {
        return ErrorKind::Auth;
    }
    if contains_any(&text, OVERLOAD_TEXTS) && parts.status.is_none_or(|it| it == 429 || 500 <= it) {
        return ErrorKind::Overloaded;
    }
    kind_by_status(parts.status, &words, &text)
}

fn kind_by_status(status: Option<u16>, words: &[String; 2], text: &str) -> ErrorKind {
    match status {
        Some(401) => ErrorKind::Auth,
        Some(402) => ErrorKind::Credit,
        Some(403) => ErrorKind::Permission,
        Some(404) => ErrorKind::ModelNotFound,
        Some(408 | 504) => ErrorKind::Timeout,
        Some(413) => ErrorKind::TooLarge,
        Some(429) => ErrorKind::RateLimited,
        Some(529) => ErrorKind::Overloaded,
        Some(400..=499) if text.contains("model") && text.contains("does not exist") => {
            ErrorKind::ModelNotFound
        }
        Some(400..=499) => ErrorKind::InvalidRequest,
        Some(_) => ErrorKind::Server,
        None => {
            let invalid = |word: &String| {
                word.starts_with("invalid")
                    || word == "badrequesterror"
                    || word == "not_found_error"
            };
            if text.contains("rate limit") {
                ErrorKind::RateLimited
            } else if words.iter().any(invalid) {
                ErrorKind::InvalidRequest
            } else {
                ErrorKind::Server
            }
        }
    }
}

/// The wait in `Please try again in 1.3s`, `Please retry in 48.9s`, `try again in 6m0s`.
pub(super) fn wait_in_text(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let markers = ["try again in ", "retry in ", "retry after "];
    let (_, rest) = markers.iter().find_map(|it| text.split_once(it))?;
    parse_wait(rest)
}

/// A duration such as `48s`, `1.3 seconds`, `250ms`, `1h6m0.5s` at the start of a text; at most a day.
pub(crate) fn parse_wait(text: &str) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let mut seconds = None;
    let mut rest = text;
    loop {
        let digits = rest
            .find(|it: char| !it.is_ascii_digit() && it != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let Ok(number) = number.parse::<f64>() else {
            break;
        };
        let after = after.trim_start_matches(' ');
        let letters = after
            .find(|it: char| !it.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let unit = match unit {
            "ms" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => break,
        };
        seconds = Some(seconds.unwrap_or(0.0) + number * unit);
        rest = after;
    }
    seconds.and_then(|it| Duration::try_from_secs_f64(it.min(DAY)).ok())
}

fn contains_any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

/// Statuses under which a text about length is about the prompt.
fn may_be_context(status: Option<u16>) -> bool {
    matches!(status, None | Some(400 | 413 | 422 | 429 | 500))
}

/// Recognises every vendor's way of saying that the prompt is too long. `text` is in lower case.
fn context_too_long(text: &str, words: &[String; 2]) -> Option<ErrorKind> {
    let (tokens, maximum) = if text.contains("prompt is too long") {
        // Anthropic: `prompt is too long: 3333404 tokens > 200000 maximum`.
        (
            number_after(text, "prompt is too long:"),
            number_after(text, ">"),
        )
    } else if text.contains("maximum context length") {
        // OpenAI, DeepSeek, vLLM, OpenRouter: `maximum context length is N tokens. However, you requested (about) M`.
        let asked = number_after(text, "you requested about")
            .or_else(|| number_after(text, "you requested"))
            .or_else(|| number_after(text, "your messages resulted in"))
            .or_else(|| number_after(text, "your request has"))
            .or_else(|| number_after(text, "your prompt contains at least"))
            .or_else(|| number_after(text, "your prompt contains"));
        (asked, number_after(text, "maximum context length is"))
    } else if text.contains("input token count") && text.contains("exceeds") {
        // Gemini: `The input token count (N) exceeds the maximum number of tokens allowed (M).`
        (
            number_after(text, "input token count"),
            number_after(text, "tokens allowed"),
        )
    } else if text.contains("maximum prompt length is") {
        // xAI: `This model's maximum prompt length is 131072 but the request contains 1000005 tokens.`
        (
            number_after(text, "request contains"),
            number_after(text, "maximum prompt length is"),
        )
    } else if contains_any(text, CONTEXT_TEXTS)
        || words
            .iter()
            .any(|word| CONTEXT_WORDS.contains(&word.as_str()))
    {
        (None, None)
    } else {
        return None;
    };
    Some(ErrorKind::ContextTooLong { tokens, maximum })
}

/// Texts without usable numbers, in lower case.
const CONTEXT_TEXTS: &[&str] = &[
    "exceeds the context window",
    "exceed context window",
    "exceeds the model's context",
    "exceed context limit",
    "context length exceeded",
    "context_length_exceeded",
    "context window exceeded",
    "prompt too long",
    "input is too long",
    "input too long",
    "prompt is longer than",
    "total length of all messages is too long",
    "too large for model with",
    "reduce the length of the messages",
    "range of input length should be",
    "exceeded model token limit",
    "longer than the model's context length",
    "capability_rejected: prompt_too_long",
];

/// Codes and types, in lower case.
const CONTEXT_WORDS: &[&str] = &[
    "context_length_exceeded",
    "too_many_prompt_tokens",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "string_above_max_context",
    "exceed_context_size_error",
];

/// The first number after `marker`, if nothing but spaces and brackets stand between; `1,048,576` is one number.
fn number_after(text: &str, marker: &str) -> Option<u64> {
    let (_, rest) = text.split_once(marker)?;
    let rest = rest.trim_start_matches([' ', '(', '\n', '~']);
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != ',')
        .unwrap_or(rest.len());
    let digits: String = rest
        .get(..end)?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}
