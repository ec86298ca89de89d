//! Errors of Google: `google.rpc.Status` inside `error`, alone, inside an array, or raw in the middle of a stream.
//!
//! The text alone misleads here: every quota, that of a minute as well as that of a day, "exceeded your current
//! quota", and a wrong key is a 400. The details tell: `ErrorInfo.reason`, `QuotaFailure`, `RetryInfo`.

use serde_json::Value;

use crate::protocol::openai_chat;
use crate::protocol::upstream_error::{ErrorKind, UpstreamError};

/// Reads the body of an error answer. `status` is that of the head; `None` for an error inside a stream. Never fails:
/// what is not Google's shape is read as any vendor's.
pub fn parse_error(status: Option<u16>, body: &[u8]) -> UpstreamError {
    // Reads message, code, status and `RetryInfo`, arrays included, and what texts tell.
    let mut error = openai_chat::parse_error(status, body);
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let told = google_error(&value);
        if let Some(kind) = told.and_then(|it| kind(it, error.kind)) {
            error.kind = kind;
        }
        if let Some(reason) = told.and_then(reason) {
            error.code = Some(reason.to_owned());
        }
    }
    error
}

/// Whether a body is an error in Google's own shape: with a word for its `status`, and without a `type`.
pub fn is_error(body: &Value) -> bool {
    google_error(body).is_some_and(|it| {
        it.get("status").is_some_and(Value::is_string) && it.get("type").is_none()
    })
}

fn google_error(value: &Value) -> Option<&Value> {
    let value = match value {
        Value::Array(entries) => entries.first()?,
        other => other,
    };
    value.get("error").filter(|it| it.is_object())
}

fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn reason(error: &Value) -> Option<&str> {
    details(error).find_map(|it| it.get("reason")?.as_str())
}

/// What Google's own words say; `None` leaves what was `read` from the text and the status.
fn kind(error: &Value, read: ErrorKind) -> Option<ErrorKind> {
    if let ErrorKind::ContextTooLong { .. } = read {
        return None;
    }
    match reason(error) {
        Some("API_KEY_INVALID" | "ACCESS_TOKEN_EXPIRED" | "ACCESS_TOKEN_TYPE_UNSUPPORTED") => {
            return Some(ErrorKind::Auth);
        }
        Some("BILLING_DISABLED") => return Some(ErrorKind::Credit),
        Some(
            "API_KEY_SERVICE_BLOCKED"
            | "API_KEY_HTTP_REFERRER_BLOCKED"
            | "API_KEY_IP_ADDRESS_BLOCKED"
            | "SERVICE_DISABLED"
            | "CONSUMER_INVALID"
            | "CONSUMER_SUSPENDED"
            | "IAM_PERMISSION_DENIED",
        ) => return Some(ErrorKind::Permission),
        Some(_) | None => {}
    }
    let word = error.get("status").and_then(Value::as_str)?;
    Some(match word {
        "RESOURCE_EXHAUSTED" => exhausted(error, read),
        "UNAUTHENTICATED" => ErrorKind::Auth,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::ModelNotFound,
        "UNAVAILABLE" => ErrorKind::Overloaded,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "CANCELLED" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" => ErrorKind::Server,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => match read
        {
            ErrorKind::Auth | ErrorKind::TooLarge | ErrorKind::Credit => return None,
            _ => ErrorKind::InvalidRequest,
        },
        _ => return None,
    })
}

/// A quota of a minute comes back by itself; that of a day is gone, whatever `RetryInfo` says (it speaks of seconds
/// there too, observed).
fn exhausted(error: &Value, read: ErrorKind) -> ErrorKind {
    let mut limits = details(error)
        .filter_map(|it| it.get("violations")?.as_array())
        .flatten()
        .filter_map(|it| it.get("quotaId")?.as_str())
        .peekable();
    if limits.peek().is_some() {
        return if limits.any(|it| it.contains("PerDay")) {
            ErrorKind::Credit
        } else {
            ErrorKind::RateLimited
        };
    }
    let waits = details(error).any(|it| it.get("retryDelay").is_some());
    let limited = reason(error) == Some("RATE_LIMIT_EXCEEDED");
    match read {
        ErrorKind::Credit if !waits && !limited => ErrorKind::Credit,
        _ => ErrorKind::RateLimited,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn read(status: Option<u16>, error: &Value) -> UpstreamError {
        let alone = json!({ "error": error }).to_string();
        let wrapped = json!([{ "error": error }]).to_string();
        let read = parse_error(status, alone.as_bytes());
        assert_eq!(read, parse_error(status, wrapped.as_bytes()));
        read
    }

    #[test]
    fn googles_words_tell_what_happened() {
        use ErrorKind::*;
        for (code, word, message, kind, http) in [
            (
                400,
                "INVALID_ARGUMENT",
                "Request contains an invalid argument.",
                InvalidRequest,
                400,
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
                InvalidRequest,
                400,
            ),
            (
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
                Auth,
                401,
            ),
            (
                403,
                "PERMISSION_DENIED",
                "The caller does not have permission",
                Permission,
                403,
            ),
            (
                404,
                "NOT_FOUND",
                "models/x is not found for API version v1beta",
                ModelNotFound,
                404,
            ),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "Resource has been exhausted (e.g. check quota).",
                RateLimited,
                429,
            ),
            (
                499,
                "CANCELLED",
                "The operation was cancelled.",
                Server,
                499,
            ),
            (
                500,
                "INTERNAL",
                "An internal error has occurred.",
                Server,
                500,
            ),
            (
                503,
                "UNAVAILABLE",
                "The model is overloaded. Please try again later.",
                Overloaded,
                503,
            ),
            (
                504,
                "DEADLINE_EXCEEDED",
                "Deadline expired before operation could complete.",
                Timeout,
                504,
            ),
        ] {
            let error = json!({"code": code, "message": message, "status": word});
            for status in [Some(code), None] {
                let read = read(status, &error);
                assert_eq!((read.kind, read.http_status()), (kind, http), "{word}");
                assert_eq!(read.message, message);
                assert_eq!(read.error_type.as_deref(), Some(word));
            }
        }
    }

    #[test]
    fn a_wrong_key_is_no_bad_request() {
        let error = json!({"code": 400, "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT", "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]});
        assert_eq!(read(Some(400), &error).kind, ErrorKind::Auth);
        assert_eq!(
            read(Some(400), &error).code.as_deref(),
            Some("API_KEY_INVALID")
        );
        let terse = json!({"code": 400, "message": "Bad.", "status": "INVALID_ARGUMENT", "details": [
            {"reason": "API_KEY_INVALID"}]});
        assert_eq!(read(Some(400), &terse).kind, ErrorKind::Auth);
        let disabled = json!({"code": 403, "message": "Not used before.", "status": "PERMISSION_DENIED",
            "details": [{"reason": "SERVICE_DISABLED"}]});
        assert_eq!(read(Some(403), &disabled).kind, ErrorKind::Permission);
    }

    #[test]
    fn quotas_of_a_minute_and_of_a_day_are_told_apart() {
        let quota = |id: &str, message: &str| {
            json!({"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]})
        };
        let text = "You exceeded your current quota, please check your plan.";
        let minute = read(
            Some(429),
            &quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", text),
        );
        assert_eq!(minute.kind, ErrorKind::RateLimited);
        assert_eq!(minute.after, Some(Duration::from_millis(34_400)));
        let day = read(
            Some(429),
            &quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", text),
        );
        assert_eq!(day.kind, ErrorKind::Credit);
        let wait = json!({"code": 429, "status": "RESOURCE_EXHAUSTED",
            "message": format!("{text} Please retry in 48.93s.")});
        let wait = read(None, &wait);
        assert_eq!(wait.kind, ErrorKind::RateLimited);
        assert_eq!(wait.after, Some(Duration::from_secs_f64(48.93)));
        let bare = json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": text});
        assert_eq!(read(Some(429), &bare).kind, ErrorKind::Credit);
    }

    #[test]
    fn a_prompt_that_is_too_long_tells_its_numbers() {
        let error = json!({"code": 400, "status": "INVALID_ARGUMENT", "message":
            "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."});
        let read = read(Some(400), &error);
        assert_eq!(
            read.message_for_anthropic(),
            "prompt is too long: 1250074 tokens > 1048576 maximum"
        );
    }

    #[test]
    fn anything_else_is_read_as_any_vendors() {
        let page = parse_error(Some(502), b"<html>Bad gateway</html>");
        assert_eq!((page.kind, page.status), (ErrorKind::Server, Some(502)));
        assert_eq!(parse_error(None, b"").kind, ErrorKind::Server);
        let odd = json!({"code": 418, "message": "m", "status": "NEW_WORD", "details": "none"});
        assert_eq!(read(Some(418), &odd).kind, ErrorKind::InvalidRequest);
    }
}
