//! Errors of OpenAI-type providers: reads the shapes of all vendors into [`UpstreamError`], and writes OpenAI's shape.
//!
//! Shapes seen (recorded 2026): `{"error":{"message","type","param","code"}}` with `code` a word or a number,
//! `{"error":"text"}` (xAI, Ollama), `{"message"}` (vLLM, Mistral, with `"object":"error"`), `{"detail":"text"}` and
//! `{"detail":[{"loc","msg"}]}` (Mistral, FastAPI), plain text and HTML.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{Fault, FaultKind};
use crate::protocol::upstream_error::{
    ErrorKind, ErrorParts, TOO_LONG_MARK, UpstreamError, parse_wait,
};

/// Text of an error page that is kept, in characters: enough to recognise it, too little to flood a client.
const MAX_RAW_CHARS: usize = 400;

/// Reads the body of an error answer. `status` is that of the head; `None` for an error inside a stream. Never fails:
/// what is not understood becomes the message.
pub fn parse_error(status: Option<u16>, body: &[u8]) -> UpstreamError {
    let mut parts = match serde_json::from_slice::<Value>(body) {
        // Gemini's endpoint wraps its error in an array.
        Ok(Value::Array(items)) => items
            .into_iter()
            .next()
            .map_or_else(ErrorParts::default, parts),
        Ok(value) => parts(value),
        Err(_) => ErrorParts {
            message: raw_text(body),
            ..ErrorParts::default()
        },
    };
    parts.status = status.filter(|it| 400 <= *it).or(parts.status);
    parts.into_error()
}

fn parts(body: Value) -> ErrorParts {
    match body {
        Value::Object(mut body) => match body.remove("error") {
            Some(Value::Object(error)) => from_object(error),
            Some(Value::String(message)) => ErrorParts {
                message: Some(message),
                ..from_object(body)
            },
            _ => from_object(body),
        },
        Value::String(message) => ErrorParts {
            message: Some(message),
            ..ErrorParts::default()
        },
        _ => ErrorParts::default(),
    }
}

fn from_object(mut error: serde_json::Map<String, Value>) -> ErrorParts {
    let message = error
        .get("message")
        .and_then(words)
        .or_else(|| error.get("detail").and_then(words))
        .or_else(|| error.get("msg").and_then(words));
    let code = error.get("code").and_then(words);
    let status = ["status_code", "code", "status", "http_code"]
        .iter()
        .find_map(|key| error.get(*key).and_then(http_status));
    let error_type = error
        .get("type")
        .and_then(words)
        .or_else(|| error.get("status").and_then(words));
    let detail = error.remove("metadata").and_then(|metadata| {
        let raw = metadata.get("raw")?;
        words(raw).or_else(|| Some(raw.to_string()))
    });
    // Google's `RetryInfo`.
    let after = error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|it| parse_wait(it.get("retryDelay")?.as_str()?));
    ErrorParts {
        status,
        message,
        after,
        error_type: error_type.filter(|it| it.parse::<u16>().is_err()),
        code,
        param: error.get("param").and_then(words),
        detail,
    }
}

/// The text of a value: a string, a number, or the `msg` of a list of validation errors.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter_map(validation_text).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(object) => object.get("message").and_then(words),
        Value::String(_) | Value::Null | Value::Bool(_) => None,
    }
}

/// One of FastAPI's `{"loc":["body","temperature"],"msg":"…"}`.
fn validation_text(item: &Value) -> Option<String> {
    let message = match item {
        Value::String(text) => return Some(text.clone()),
        _ => item.get("msg").or_else(|| item.get("message"))?.as_str()?,
    };
    let place: Vec<String> = item
        .get("loc")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        .collect();
    Some(if place.is_empty() {
        message.to_owned()
    } else {
        format!("{}: {message}", place.join("."))
    })
}

fn http_status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    u16::try_from(number)
        .ok()
        .filter(|it| (400..600).contains(it))
}

fn raw_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_RAW_CHARS).collect())
}

/// The status and `error.type` and `error.code` under which an OpenAI client is told of a fault of ours or of the
/// last candidate.
pub fn status_and_type(kind: &FaultKind) -> (u16, &'static str, Option<&'static str>) {
    use FaultKind::*;
    let bad = "invalid_request_error";
    match kind {
        InvalidRequest | Untranslatable => (400, bad, None),
        Unauthenticated => (401, bad, Some("invalid_api_key")),
        Forbidden => (403, "insufficient_permissions", None),
        UnknownPath => (404, bad, None),
        MethodNotAllowed(_) => (405, bad, None),
        ModelNotFound | UpstreamModelNotFound => (404, bad, Some("model_not_found")),
        TooLarge => (413, "request_too_large", None),
        UnsupportedCoding => (415, bad, None),
        UnknownExpectation => (417, bad, None),
        RequestTimeout => (408, bad, None),
        Overloaded | Stopping | NoEndpoint => (503, "server_error", None),
        RateLimited { .. } => (429, "rate_limit_exceeded", Some("rate_limit_exceeded")),
        BudgetExceeded => (429, "insufficient_quota", Some("insufficient_quota")),
        Cancelled => (499, bad, None),
        UpstreamRejected { status } => (*status, bad, None),
        UpstreamAuth { .. } | CredentialsDead => (502, "server_error", None),
        UpstreamCredit { .. } => (429, "insufficient_quota", Some("insufficient_quota")),
        UpstreamLimited { .. } => (429, "rate_limit_exceeded", Some("rate_limit_exceeded")),
        UpstreamOverloaded { .. } => (503, "server_error", Some("server_is_overloaded")),
        UpstreamContextTooLong => (400, bad, Some("context_length_exceeded")),
        UpstreamStatus { status } => (*status, "server_error", None),
        UpstreamBadAnswer | UpstreamUnreachable | UpstreamEgress | UpstreamStaleConnection => {
            (502, "server_error", None)
        }
        UpstreamTimeout(_) => (504, "server_error", None),
        Internal => (500, "server_error", None),
    }
}

/// The status, `error.type`, `error.code` and message under which a client of an OpenAI dialect is told what a provider
/// of another dialect answered.
pub fn translate_error(error: &UpstreamError) -> (u16, &'static str, Option<&'static str>, String) {
    let bad = "invalid_request_error";
    let (status, error_type, code) = match error.kind {
        ErrorKind::Overloaded => (503, "server_error", Some("server_is_overloaded")),
        ErrorKind::RateLimited => (429, "rate_limit_exceeded", Some("rate_limit_exceeded")),
        ErrorKind::Credit => (429, "insufficient_quota", Some("insufficient_quota")),
        // The provider's key is not the client's: 401 would send the user to look for another one.
        ErrorKind::Auth | ErrorKind::Permission => (502, "server_error", None),
        ErrorKind::ContextTooLong { .. } => (400, bad, Some("context_length_exceeded")),
        ErrorKind::ModelNotFound => (404, bad, Some("model_not_found")),
        ErrorKind::TooLarge => (413, "request_too_large", None),
        ErrorKind::Timeout => (504, "server_error", None),
        ErrorKind::InvalidRequest => match error.http_status() {
            status @ (409 | 422) => (status, bad, None),
            _ => (400, bad, None),
        },
        ErrorKind::Server => match error.http_status() {
            529 => (503, "server_error", Some("server_is_overloaded")),
            status @ 500.. => (status, "server_error", None),
            _ => (500, "server_error", None),
        },
    };
    (status, error_type, code, message_for_openai(error))
}

/// The message for a client that knows OpenAI's wordings: some compact on `maximum context length` alone.
fn message_for_openai(error: &UpstreamError) -> String {
    const KNOWN: [&str; 3] = [
        "maximum context length",
        "context_length_exceeded",
        "context window",
    ];
    let text = &error.message;
    let ErrorKind::ContextTooLong { tokens, maximum } = error.kind else {
        return text.clone();
    };
    match (tokens, maximum) {
        _ if KNOWN.iter().any(|it| text.contains(it)) => text.clone(),
        (Some(tokens), Some(maximum)) => format!(
            "this model's maximum context length is {maximum} tokens, and the messages have {tokens} tokens; shorten the messages"
        ),
        _ => format!("the messages exceed the model's maximum context length: {text}"),
    }
}

/// The text of a fault for a client that knows OpenAI's wordings. A fault speaks in those of Anthropic, which its own
/// clients match on.
pub(crate) fn words_for(fault: &Fault) -> Cow<'_, str> {
    if !matches!(fault.kind, FaultKind::UpstreamContextTooLong) {
        return Cow::Borrowed(&fault.public);
    }
    let text = fault.public.strip_prefix(TOO_LONG_MARK);
    let text = text.and_then(|it| it.strip_suffix(')'));
    let text = text.unwrap_or(&fault.public);
    let mut error = parse_error(Some(400), text.as_bytes());
    if !matches!(error.kind, ErrorKind::ContextTooLong { .. }) {
        error.kind = ErrorKind::ContextTooLong {
            tokens: None,
            maximum: None,
        };
        text.clone_into(&mut error.message);
    }
    Cow::Owned(message_for_openai(&error))
}

/// An error body in OpenAI's shape: `{"error":{"message","type","param","code"}}`.
pub fn error_body(
    error_type: &str,
    message: &str,
    param: Option<&str>,
    code: Option<&str>,
) -> Vec<u8> {
    let body = serde_json::json!({
        "error": { "message": message, "type": error_type, "param": param, "code": code }
    });
    body.to_string().into_bytes()
}

/// An error inside a stream in OpenAI's shape; nothing follows it, `[DONE]` least of all.
pub fn error_event(error_type: &str, message: &str, code: Option<&str>, out: &mut Vec<u8>) {
    crate::protocol::frame::write_frame("", &error_body(error_type, message, None, code), out);
}

#[cfg(test)]
mod tests;
