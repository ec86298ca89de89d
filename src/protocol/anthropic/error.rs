//! Errors in Anthropic's shape: `{"type":"error","error":{"type","message"},"request_id"}`, written and read.
//!
//! Which status and type a fault gets is one table, [`status_and_type`]. Error bodies of an Anthropic-type provider
//! are relayed as they are and never come here.

use serde_json::Value;

use crate::error::FaultKind;
use crate::protocol::frame::write_frame;
use crate::protocol::gemini;
use crate::protocol::upstream_error::{ErrorKind, ErrorParts, UpstreamError};

/// The status and `error.type` under which a client is told of a fault.
pub fn status_and_type(kind: &FaultKind) -> (u16, &'static str) {
    use FaultKind::*;
    match kind {
        InvalidRequest | Untranslatable => (400, "invalid_request_error"),
        Unauthenticated => (401, "authentication_error"),
        Forbidden => (403, "permission_error"),
        UnknownPath | ModelNotFound | UpstreamModelNotFound => (404, "not_found_error"),
        MethodNotAllowed(_) => (405, "invalid_request_error"),
        TooLarge => (413, "request_too_large"),
        UnsupportedCoding => (415, "invalid_request_error"),
        UnknownExpectation => (417, "invalid_request_error"),
        RequestTimeout => (408, "timeout_error"),
        Overloaded | Stopping | NoEndpoint => (503, "api_error"),
        RateLimited { .. } => (429, "rate_limit_error"),
        BudgetExceeded => (429, "billing_error"),
        Cancelled => (499, "api_error"),
        UpstreamRejected { status } => (*status, type_for_status(*status)),
        // The provider's key is not the client's: 401 would send the user to a login that cannot help.
        UpstreamAuth { .. } | CredentialsDead => (502, "api_error"),
        UpstreamCredit { .. } => (402, "billing_error"),
        UpstreamLimited { .. } => (429, "rate_limit_error"),
        UpstreamOverloaded { .. } => (529, "overloaded_error"),
        UpstreamContextTooLong => (400, "invalid_request_error"),
        UpstreamStatus { status } => (*status, type_for_status(*status)),
        UpstreamBadAnswer | UpstreamUnreachable | UpstreamEgress | UpstreamStaleConnection => {
            (502, "api_error")
        }
        UpstreamTimeout(_) => (504, "timeout_error"),
        Internal => (500, "api_error"),
    }
}

/// Anthropic's `error.type` for a status.
pub fn type_for_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The status, `error.type` and message under which a client is told what a provider of another dialect answered.
pub fn translate_error(error: &UpstreamError) -> (u16, &'static str, String) {
    let (status, error_type) = match error.kind {
        ErrorKind::Overloaded => (529, "overloaded_error"),
        ErrorKind::RateLimited => (429, "rate_limit_error"),
        ErrorKind::Credit => (402, "billing_error"),
        ErrorKind::Auth | ErrorKind::Permission => (502, "api_error"),
        ErrorKind::ContextTooLong { .. } => (400, "invalid_request_error"),
        ErrorKind::ModelNotFound => (404, "not_found_error"),
        ErrorKind::TooLarge => (413, "request_too_large"),
        ErrorKind::Timeout => (504, "timeout_error"),
        ErrorKind::InvalidRequest => match error.http_status() {
            409 => (409, "conflict_error"),
            _ => (400, "invalid_request_error"),
        },
        ErrorKind::Server => match error.http_status() {
            status @ 500.. => (status, type_for_status(status)),
            _ => (500, "api_error"),
        },
    };
    (status, error_type, error.message_for_anthropic())
}

/// An error body. `request_id` is ours, or the provider's where its answer is relayed.
pub fn error_body(error_type: &str, message: &str, request_id: Option<&str>) -> Vec<u8> {
    let error = serde_json::json!({ "type": error_type, "message": message });
    in_envelope(&error, request_id)
}

/// An error body with a stable code in `error.details`, which clients match on: the tool runners of the vendor's SDKs
/// fall back from threads to the full history on nothing else.
pub fn coded_error_body(
    error_type: &str,
    message: &str,
    request_id: Option<&str>,
    code: &str,
) -> Vec<u8> {
    let details = serde_json::json!({ "error_code": code });
    let error = serde_json::json!({ "type": error_type, "message": message, "details": details });
    in_envelope(&error, request_id)
}

fn in_envelope(error: &Value, request_id: Option<&str>) -> Vec<u8> {
    let mut body = serde_json::json!({ "type": "error", "error": error });
    if let (Some(id), Some(body)) = (request_id, body.as_object_mut()) {
        body.insert("request_id".to_owned(), Value::String(id.to_owned()));
    }
    body.to_string().into_bytes()
}

/// An error inside a stream, after the head was sent; nothing follows it, `message_stop` least of all.
pub fn error_event(error_type: &str, message: &str, request_id: Option<&str>, out: &mut Vec<u8>) {
    write_frame("error", &error_body(error_type, message, request_id), out);
}

/// Reads an error body or the data of an `error` event. `status` is that of the head; `None` inside a stream. Never
/// fails: what is not Anthropic's shape is read as Google's, which Vertex AI speaks, or as any vendor's.
pub fn parse_error(status: Option<u16>, body: &[u8]) -> UpstreamError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if gemini::is_error(&value) {
        return gemini::parse_error(status, body);
    }
    let Value::Object(mut body_object) = value else {
        return crate::protocol::openai_chat::parse_error(status, body);
    };
    let Some(Value::Object(error)) = body_object.remove("error") else {
        return crate::protocol::openai_chat::parse_error(status, body);
    };
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let error_type = text("type");
    let code = error
        .get("details")
        .and_then(|it| it.get("error_code"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    ErrorParts {
        status: status
            .filter(|it| 400 <= *it)
            .or_else(|| error_type.as_deref().and_then(status_for_type)),
        message: text("message"),
        error_type,
        code,
        ..ErrorParts::default()
    }
    .into_error()
}

/// The status that goes with an `error.type`, for errors that arrive without one.
fn status_for_type(error_type: &str) -> Option<u16> {
    Some(match error_type {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
