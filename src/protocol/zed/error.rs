//! Refusals of the service, read: its own, and those of the models' makers that it passes on.
//!
//! A maker's error comes with a code that begins with `upstream_http_` and says the maker's status: in
//! `upstream_status`, in the code itself (`upstream_http_429`), or, where the code ends in `_error`, as the status of the
//! answer. The answer's own status may be 500 in all cases.

use std::time::Duration;

use serde::Deserialize;

use crate::protocol::upstream_error::{ErrorKind, ErrorParts, UpstreamError};

/// What a maker's error is called.
const UPSTREAM: &str = "upstream_http_";
/// Longest wait that is believed.
const MAX_WAIT: f64 = 86_400.0;
/// Characters of a body that is no JSON.
const MAX_TEXT: usize = 500;

/// A refusal as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusal<'a> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
    /// The token has ended, or says what is no longer so.
    pub token_ended: bool,
    /// Which allowance of the plan is used up.
    pub limit_resource: Option<&'a str>,
    /// The account's plan.
    pub plan: Option<&'a str>,
    /// Older versions than this are not served.
    pub minimum_version: Option<&'a str>,
}

/// Reads a refusal.
pub fn parse_error(refusal: &Refusal<'_>) -> UpstreamError {
    let read: Option<Body> = serde_json::from_slice(refusal.body).ok();
    let text = || {
        let text = String::from_utf8_lossy(refusal.body);
        let text: String = text.trim().chars().take(MAX_TEXT).collect();
        (!text.is_empty()).then_some(text)
    };
    let of_makers = read.as_ref().is_some_and(Body::is_of_maker);
    let message = match &read {
        Some(body) => body.message.clone(),
        None => text(),
    };
    if let Some(known) = own(refusal, of_makers) {
        let (status, kind, fallback) = known;
        return UpstreamError {
            status: Some(status),
            kind,
            // Where we are told what is wrong better than in words that mean another client, that is what we say.
            message: fallback
                .unwrap_or_else(|| message.unwrap_or_else(|| "no reason given".to_owned())),
            error_type: None,
            code: read.and_then(|it| it.code),
            param: None,
            after: None,
        };
    }
    let body = read.unwrap_or_default();
    of_parts(Parts {
        status: Some(refusal.status),
        code: body.code,
        message,
        upstream_status: body.upstream_status,
        retry_after: body.retry_after,
    })
}

/// What the head alone says: status, meaning, and our own words where they are better than the service's.
fn own(refusal: &Refusal<'_>, of_makers: bool) -> Option<(u16, ErrorKind, Option<String>)> {
    if refusal.token_ended {
        let text = "the service refuses its token, also a new one";
        return Some((401, ErrorKind::Auth, Some(text.to_owned())));
    }
    if let Some(version) = refusal.minimum_version {
        let text = format!(
            "the service serves no version before {version}: an operator must set `zed_config.version`"
        );
        return Some((503, ErrorKind::Server, Some(text)));
    }
    if of_makers {
        return None;
    }
    match (refusal.status, refusal.limit_resource) {
        (402, _) => Some((402, ErrorKind::Credit, None)),
        (403, Some(resource)) => {
            let plan = refusal.plan.unwrap_or("this");
            let text = format!("the allowance of {resource} of plan {plan} is used up");
            Some((402, ErrorKind::Credit, Some(text)))
        }
        (401, _) => Some((401, ErrorKind::Auth, None)),
        _ => None,
    }
}

/// `{"code","message","upstream_status"?,"retry_after"?}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    upstream_status: Option<u16>,
    retry_after: Option<f64>,
}

impl Body {
    fn is_of_maker(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|it| it.starts_with(UPSTREAM))
    }
}

/// A failure, wherever it was told.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The status of the answer; none inside a stream.
    pub status: Option<u16>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub upstream_status: Option<u16>,
    /// Seconds.
    pub retry_after: Option<f64>,
}

/// What a failure means.
pub(super) fn of_parts(parts: Parts) -> UpstreamError {
    let status = match &parts.code {
        Some(code) => status_of(code, parts.upstream_status, parts.status),
        None => parts
            .upstream_status
            .filter(|it| plausible(*it))
            .or(parts.status),
    };
    let after = parts.retry_after.filter(|it| 0.0 <= *it && *it <= MAX_WAIT);
    let read = ErrorParts {
        status,
        message: parts.message,
        error_type: None,
        code: parts.code,
        param: None,
        after: after.map(Duration::from_secs_f64),
        detail: None,
    };
    read.into_error()
}

/// A status that an error may have.
fn plausible(status: u16) -> bool {
    (400..600).contains(&status)
}

fn status_of(code: &str, upstream: Option<u16>, own: Option<u16>) -> Option<u16> {
    let Some(rest) = code.strip_prefix(UPSTREAM) else {
        return own;
    };
    if let Some(told) = upstream.filter(|it| plausible(*it)) {
        return Some(told);
    }
    // Inside a stream there is no other word for it: the maker's service is at fault.
    let without = own.filter(|it| plausible(*it)).or(Some(502));
    if rest.ends_with("error") {
        return without;
    }
    rest.parse().ok().filter(|it| plausible(*it)).or(without)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FaultKind;

    fn read(status: u16, body: &str) -> UpstreamError {
        parse_error(&Refusal {
            status,
            body: body.as_bytes(),
            ..Refusal::default()
        })
    }

    fn kind(error: &UpstreamError) -> FaultKind {
        error.fault_kind(None)
    }

    #[test]
    fn a_makers_error_means_what_it_means_there() {
        let after = |seconds| Some(Duration::from_secs_f64(seconds));
        for (status, body, expected) in [
            (
                500,
                r#"{"code":"upstream_http_error","message":"Received an error from the Anthropic API: reset","upstream_status":503}"#,
                FaultKind::UpstreamStatus { status: 503 },
            ),
            (
                500,
                r#"{"code":"upstream_http_429","message":"Upstream Anthropic rate limit exceeded.","retry_after":30.5}"#,
                FaultKind::UpstreamLimited { after: after(30.5) },
            ),
            (
                500,
                r#"{"code":"upstream_http_529","message":"busy"}"#,
                FaultKind::UpstreamOverloaded { after: None },
            ),
            (
                500,
                r#"{"message":"a refusal is no success","upstream_status":200}"#,
                FaultKind::UpstreamStatus { status: 500 },
            ),
            (
                502,
                r#"{"code":"upstream_http_error","message":"gone"}"#,
                FaultKind::UpstreamStatus { status: 502 },
            ),
            (
                500,
                r#"{"code":"upstream_http_400","message":"prompt is too long: 200913 tokens > 200000 maximum"}"#,
                FaultKind::UpstreamContextTooLong,
            ),
            (
                500,
                r#"{"code":"upstream_http_400","message":"messages.1: invalid"}"#,
                FaultKind::UpstreamRejected { status: 400 },
            ),
            (
                500,
                r#"{"code":"upstream_http_what","message":"odd"}"#,
                FaultKind::UpstreamStatus { status: 500 },
            ),
            (
                400,
                r#"{"code":"invalid_request","message":"no such field"}"#,
                FaultKind::UpstreamRejected { status: 400 },
            ),
            (429, "slow down", FaultKind::UpstreamLimited { after: None }),
            (503, "<html>", FaultKind::UpstreamStatus { status: 503 }),
            (500, "", FaultKind::UpstreamStatus { status: 500 }),
        ] {
            assert_eq!(kind(&read(status, body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn money_plans_tokens_and_versions_are_told_by_the_head() {
        let plain = Refusal {
            status: 403,
            body: b"no",
            ..Refusal::default()
        };
        let limited = Refusal {
            limit_resource: Some("model_requests"),
            plan: Some("zed_free"),
            ..plain
        };
        let error = parse_error(&limited);
        assert_eq!(kind(&error), FaultKind::UpstreamCredit { status: 402 });
        assert!(error.message.contains("zed_free"), "{}", error.message);
        assert_eq!(
            kind(&read(402, "")),
            FaultKind::UpstreamCredit { status: 402 }
        );
        assert_eq!(
            kind(&parse_error(&plain)),
            FaultKind::UpstreamAuth { status: 403 }
        );
        let ended = Refusal {
            status: 400,
            token_ended: true,
            ..plain
        };
        assert_eq!(
            kind(&parse_error(&ended)),
            FaultKind::UpstreamAuth { status: 401 }
        );
        let old = Refusal {
            status: 426,
            minimum_version: Some("0.230.0"),
            ..plain
        };
        let error = parse_error(&old);
        assert_eq!(kind(&error), FaultKind::UpstreamStatus { status: 503 });
        assert!(error.message.contains("0.230.0"), "{}", error.message);
    }

    #[test]
    fn a_wait_that_no_clock_could_hold_is_none() {
        for wait in ["-1", "1e300", "\"soon\""] {
            let body =
                format!(r#"{{"code":"upstream_http_429","message":"m","retry_after":{wait}}}"#);
            assert_eq!(read(500, &body).after, None, "{wait}");
        }
    }
}
