//! What a provider says when it fails: one shape for the error bodies and in-band errors of all vendors, and what
//! they mean. Readers of the shapes are in `openai_chat/error.rs` and `anthropic/error.rs`; policy is in `proxy/`.
//!
//! Vendors agree on little: statuses are missing inside streams, codes are numbers or words, and the meaning often
//! stands in the text alone. So the meaning is read in this order: machine code or type, then text, then status.

use std::time::Duration;

use thiserror::Error;

use crate::error::FaultKind;
use crate::protocol::frame::FrameTooLarge;

/// What an error of a provider means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The provider as a whole has no capacity.
    Overloaded,
    /// This credential asked too often.
    RateLimited,
    /// This credential has no money or quota left.
    Credit,
    /// The credential is wrong.
    Auth,
    /// The credential is right but may not do this.
    Permission,
    /// The prompt does not fit the context window; the numbers are tokens, where the text tells them.
    ContextTooLong {
        /// Tokens of the prompt.
        tokens: Option<u64>,
        /// Tokens that fit.
        maximum: Option<u64>,
    },
    /// The provider does not know the model.
    ModelNotFound,
    /// The body is too large in bytes.
    TooLarge,
    /// The provider gave up waiting for itself.
    Timeout,
    /// The request is at fault in some other way.
    InvalidRequest,
    /// The provider is at fault in some other way.
    Server,
}

/// An error of a provider, whatever its shape was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the provider reported: {message}")]
pub struct UpstreamError {
    /// The HTTP status, of the head or as the body tells it; `None` when neither did.
    pub status: Option<u16>,
    /// What it means.
    pub kind: ErrorKind,
    /// The provider's text. Never empty.
    pub message: String,
    /// The provider's `type`, in its own words.
    pub error_type: Option<String>,
    /// The provider's `code`, as text.
    pub code: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
}

/// Why an answer could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// One event is too large.
    #[error(transparent)]
    Frame(#[from] FrameTooLarge),
    /// Something is not of the dialect; names it.
    #[error("the provider's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The provider reported an error inside the answer.
    #[error(transparent)]
    Upstream(#[from] Box<UpstreamError>),
    /// The stream ended before the answer did.
    #[error("the provider's stream was cut before its end")]
    Truncated,
    /// More would have to be held in memory than a limit allows; names what.
    #[error("the provider's answer passes a limit of memory: {0}")]
    TooMuch(&'static str),
}

impl StreamError {
    /// The error the provider reported, if that is what happened.
    pub fn upstream(&self) -> Option<&UpstreamError> {
        match self {
            StreamError::Upstream(error) => Some(error),
            StreamError::Frame(_)
            | StreamError::Malformed(_)
            | StreamError::Truncated
            | StreamError::TooMuch(_) => None,
        }
    }

    /// What to do about it, in the words of the retry policy.
    pub fn fault_kind(&self) -> FaultKind {
        match self {
            StreamError::Upstream(error) => error.fault_kind(None),
            StreamError::Frame(_)
            | StreamError::Malformed(_)
            | StreamError::Truncated
            | StreamError::TooMuch(_) => FaultKind::UpstreamBadAnswer,
        }
    }
}

/// The raw parts of an error, before their meaning is known.
#[derive(Debug, Default)]
pub(crate) struct ErrorParts {
    pub status: Option<u16>,
    pub message: Option<String>,
    pub error_type: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
    /// Further text that tells the meaning but is not the message, such as `metadata.raw` of OpenRouter.
    pub detail: Option<String>,
}

impl ErrorParts {
    /// Finds the meaning.
    pub fn into_error(self) -> UpstreamError {
        let kind = kind_of(&self);
        UpstreamError {
            status: self.status,
            kind,
            message: self
                .message
                .filter(|it| !it.trim().is_empty())
                .or(self.detail)
                .or_else(|| self.error_type.clone())
                .or_else(|| self.code.clone())
                .unwrap_or_else(|| "the provider gave no reason".to_owned()),
            error_type: self.error_type,
            code: self.code,
            param: self.param,
        }
    }
}

impl UpstreamError {
    /// The status that tells this error best: the provider's own, or the usual one of its kind.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(match self.kind {
            ErrorKind::Overloaded => 529,
            ErrorKind::RateLimited => 429,
            ErrorKind::Credit => 402,
            ErrorKind::Auth => 401,
            ErrorKind::Permission => 403,
            ErrorKind::ContextTooLong { .. } | ErrorKind::InvalidRequest => 400,
            ErrorKind::ModelNotFound => 404,
            ErrorKind::TooLarge => 413,
            ErrorKind::Timeout => 504,
            ErrorKind::Server => 500,
        })
    }

    /// What to do about it, in the words of the retry policy; `after` is what the head said about waiting.
    pub fn fault_kind(&self, after: Option<Duration>) -> FaultKind {
        let status = self.http_status();
        match self.kind {
            ErrorKind::Overloaded => FaultKind::UpstreamOverloaded { after },
            ErrorKind::RateLimited => FaultKind::UpstreamLimited { after },
            ErrorKind::Credit => FaultKind::UpstreamCredit { status },
            ErrorKind::Auth | ErrorKind::Permission => FaultKind::UpstreamAuth { status },
            ErrorKind::ContextTooLong { .. } => FaultKind::UpstreamContextTooLong,
            ErrorKind::ModelNotFound => FaultKind::UpstreamModelNotFound,
            ErrorKind::TooLarge | ErrorKind::InvalidRequest => {
                FaultKind::UpstreamRejected { status }
            }
            ErrorKind::Timeout | ErrorKind::Server => FaultKind::UpstreamStatus { status },
        }
    }

    /// The message for a client that knows Anthropic's wordings: one that Claude Code compacts on when the prompt is
    /// too long, the provider's own text otherwise.
    pub fn message_for_anthropic(&self) -> String {
        match self.kind {
            ErrorKind::ContextTooLong {
                tokens: Some(tokens),
                maximum: Some(maximum),
            } => format!("prompt is too long: {tokens} tokens > {maximum} maximum"),
            ErrorKind::ContextTooLong { .. } if self.message.contains("prompt is too long") => {
                self.message.clone()
            }
            ErrorKind::ContextTooLong { .. } => {
                format!("capability_rejected: prompt_too_long ({})", self.message)
            }
            ErrorKind::Overloaded
            | ErrorKind::RateLimited
            | ErrorKind::Credit
            | ErrorKind::Auth
            | ErrorKind::Permission
            | ErrorKind::ModelNotFound
            | ErrorKind::TooLarge
            | ErrorKind::Timeout
            | ErrorKind::InvalidRequest
            | ErrorKind::Server => self.message.clone(),
        }
    }
}

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

fn kind_of(parts: &ErrorParts) -> ErrorKind {
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
