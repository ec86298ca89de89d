//! How clients are told of limits: an error that says which and until when, and headers in their own dialect.

use std::time::{Duration, SystemTime};

use http::HeaderName;
use http::HeaderValue;

use crate::access::limits::counters::{Denied, Left, Standing};
use crate::error::{Fault, FaultKind};
use crate::types::Dialect;
use crate::types::calendar::rfc3339;

/// After so long somebody else's request may have ended.
const SHORTLY: Duration = Duration::from_secs(1);

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Fault {
        let limited =
            |after: Duration, text: String| Fault::new(FaultKind::RateLimited { after }, text);
        match denied {
            Denied::Requests { most, wait } => limited(
                wait,
                format!(
                    "this key may make {most} requests a minute; try again in {} s",
                    up(wait)
                ),
            ),
            Denied::Tokens { most, wait } => limited(
                wait,
                format!(
                    "this key may use {most} tokens a minute; try again in {} s",
                    up(wait)
                ),
            ),
            Denied::Concurrency { most } => limited(
                SHORTLY,
                format!("this key may have {most} requests at once; try again when one has ended"),
            ),
            Denied::Budget(reached) => {
                let (span, cap) = (reached.span.word(), reached.cap);
                let resets = rfc3339(reached.resets);
                let text = format!(
                    "the {span} budget of this key, {cap}, is used up; it resets at {resets}"
                );
                Fault::new(FaultKind::BudgetExceeded, text)
            }
        }
    }
}

/// Whole seconds, rounded up: who comes back a moment too early is refused once more.
fn up(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(0 < wait.subsec_nanos())).max(1)
}

/// What is left of the limits a minute, as a client of that dialect expects it.
pub fn headers(
    standing: &Standing,
    dialect: Dialect,
    wall: SystemTime,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut all = Vec::new();
    for (what, left) in [("requests", standing.requests), ("tokens", standing.tokens)] {
        let Some(left) = left else { continue };
        let lines = match dialect {
            Dialect::Anthropic | Dialect::Gemini => anthropic(what, left, wall),
            Dialect::OpenAiChat | Dialect::OpenAiResponses => openai(what, left),
        };
        for (name, value) in lines {
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                all.push((name, value));
            }
        }
    }
    all
}

fn anthropic(what: &str, left: Left, wall: SystemTime) -> [(String, String); 3] {
    let full = wall + Duration::from_secs(left.full_in.as_secs().min(86_400) + 1);
    [
        ("limit", left.most.to_string()),
        ("remaining", left.left.to_string()),
        (
            "reset",
            rfc3339(if left.full_in.is_zero() { wall } else { full }),
        ),
    ]
    .map(|(name, value)| (format!("anthropic-ratelimit-{what}-{name}"), value))
}

fn openai(what: &str, left: Left) -> [(String, String); 3] {
    [
        ("limit", left.most.to_string()),
        ("remaining", left.left.to_string()),
        ("reset", span(left.full_in)),
    ]
    .map(|(name, value)| (format!("x-ratelimit-{name}-{what}"), value))
}

/// `6m0s`, `1.5s`, `20ms`: as OpenAI writes it.
fn span(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match (minutes, time.as_secs()) {
        (0, 0) => format!("{}ms", time.as_millis()),
        (0, _) => format!("{seconds}.{}s", time.subsec_millis() / 100),
        _ => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::limits::budget::{Reached, Span};
    use crate::types::{Day, MicroUsd};

    #[test]
    fn a_refusal_says_which_limit_and_until_when() {
        let wait = Duration::from_millis(2_100);
        let rate = Fault::from(Denied::Requests { most: 60, wait });
        assert_eq!(rate.kind, FaultKind::RateLimited { after: wait });
        assert!(rate.public.ends_with("try again in 3 s"), "{}", rate.public);
        let budget = Fault::from(Denied::Budget(Reached {
            span: Span::Day,
            cap: MicroUsd(20_000_000),
            resets: Day::parse("2026-11-21").unwrap().start(),
        }));
        assert_eq!(
            budget.public,
            "the daily budget of this key, $20.00, is used up; it resets at 2026-11-21T00:00:00Z"
        );
    }

    #[test]
    fn headers_are_in_the_callers_words() {
        let left = Left {
            most: 60,
            left: 59,
            full_in: Duration::from_millis(1_500),
        };
        let standing = Standing {
            requests: Some(left),
            tokens: None,
        };
        let wall = Day::parse("2026-11-20").unwrap().start();
        let lines = |dialect| -> Vec<String> {
            let headers = headers(&standing, dialect, wall);
            let line = |(name, value): &(HeaderName, HeaderValue)| {
                format!("{name}: {}", value.to_str().unwrap())
            };
            headers.iter().map(line).collect()
        };
        assert_eq!(
            lines(Dialect::Anthropic),
            [
                "anthropic-ratelimit-requests-limit: 60",
                "anthropic-ratelimit-requests-remaining: 59",
                "anthropic-ratelimit-requests-reset: 2026-11-20T00:00:02Z",
            ]
        );
        assert_eq!(
            lines(Dialect::OpenAiResponses),
            [
                "x-ratelimit-limit-requests: 60",
                "x-ratelimit-remaining-requests: 59",
                "x-ratelimit-reset-requests: 1.5s",
            ]
        );
        for (millis, text) in [
            (0, "0ms"),
            (20, "20ms"),
            (59_900, "59.9s"),
            (360_000, "6m0s"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
