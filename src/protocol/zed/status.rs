//! What the service says of a request between its events. Statuses that nobody knows are no reason to stop.

use serde_json::Value;

use crate::protocol::upstream_error::{ErrorKind, UpstreamError};
use crate::protocol::zed::error;

/// What was told of a request, apart from its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its last place in a queue.
    pub queued_at: Option<u64>,
    /// It was begun.
    pub started: bool,
    /// What of the plan is used.
    pub usage: Option<UsageTold>,
    /// The prompt has used all the tool calls it may have.
    pub tool_limit: bool,
    /// The word for what went wrong.
    pub failed: Option<String>,
    /// The stream has ended in order.
    pub ended: bool,
}

/// What of the plan is used, in requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageTold {
    /// Requests made.
    pub amount: u64,
    /// Requests allowed; `None` is no limit.
    pub limit: Option<u64>,
}

/// One status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Queued(u64),
    Started,
    Usage(UsageTold),
    ToolLimit,
    Ended,
    Failed(Box<UpstreamError>),
    /// One that is not known here.
    Other,
}

/// Reads a status: a word, or an object with one member that is called by it.
pub(super) fn read(text: &str) -> Status {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Status::Other;
    };
    let (word, of) = match &value {
        Value::String(word) => (word.as_str(), &Value::Null),
        Value::Object(members) => match members.iter().next() {
            Some((word, of)) => (word.as_str(), of),
            None => return Status::Other,
        },
        _ => return Status::Other,
    };
    match word {
        "queued" => Status::Queued(whole(of.get("position")).unwrap_or(0)),
        "started" => Status::Started,
        "usage_updated" => usage(of).map_or(Status::Other, Status::Usage),
        "tool_use_limit_reached" => Status::ToolLimit,
        "stream_ended" => Status::Ended,
        "failed" => Status::Failed(Box::new(failed(of))),
        _ => Status::Other,
    }
}

/// `{"amount":n,"limit":{"limited":n}|"unlimited"}`.
fn usage(of: &Value) -> Option<UsageTold> {
    Some(UsageTold {
        amount: whole(of.get("amount"))?,
        limit: of.get("limit").and_then(|it| whole(it.get("limited"))),
    })
}

/// `{"code","message","request_id","retry_after"}`.
fn failed(of: &Value) -> UpstreamError {
    let text = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    error::of_parts(error::Parts {
        status: None,
        code: text("code"),
        message: text("message"),
        upstream_status: None,
        retry_after: of.get("retry_after").and_then(Value::as_f64),
    })
}

fn whole(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_u64)
}

/// What an answer comes to that ended because no tool may be called any more.
pub(super) fn tool_limit() -> UpstreamError {
    UpstreamError {
        status: Some(429),
        kind: ErrorKind::RateLimited,
        message: "the prompt has used all the tool calls that the service allows".to_owned(),
        error_type: None,
        code: Some("tool_use_limit_reached".to_owned()),
        param: None,
        after: Some(std::time::Duration::from_secs(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_both_generations_are_read_and_others_are_let_pass() {
        let usage = |amount, limit| Status::Usage(UsageTold { amount, limit });
        for (text, expected) in [
            (r#"{"queued":{"position":3}}"#, Status::Queued(3)),
            (r#""started""#, Status::Started),
            (
                r#"{"usage_updated":{"amount":7,"limit":{"limited":500}}}"#,
                usage(7, Some(500)),
            ),
            (
                r#"{"usage_updated":{"amount":7,"limit":"unlimited"}}"#,
                usage(7, None),
            ),
            (r#"{"usage_updated":7}"#, Status::Other),
            (r#""tool_use_limit_reached""#, Status::ToolLimit),
            (r#"{"tool_use_limit_reached":null}"#, Status::ToolLimit),
            (r#""stream_ended""#, Status::Ended),
            (r#"{"dreaming":{"of":"sheep"}}"#, Status::Other),
            ("{}", Status::Other),
            ("7", Status::Other),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_failure_keeps_its_word_and_its_wait() {
        let text = r#"{"failed":{"code":"upstream_http_429","message":"slow down","request_id":"7f","retry_after":2.5}}"#;
        let Status::Failed(error) = read(text) else {
            panic!("no failure");
        };
        assert_eq!(error.kind, ErrorKind::RateLimited);
        assert_eq!(error.code.as_deref(), Some("upstream_http_429"));
        assert_eq!(error.after.unwrap().as_millis(), 2500);
    }
}
