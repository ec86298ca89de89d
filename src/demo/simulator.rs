//! One simulated provider: which path is answered how, and which call fails.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::demo::anthropic;
use crate::demo::asked::{Asked, tokens};
use crate::demo::http::Request;
use crate::demo::openai;
use crate::demo::reply::Reply;
use crate::types::Dialect;

/// Every so manieth inference call to the flaky provider fails.
const FAILS_EVERY: u64 = 3;
/// Length of the random part of ids.
const ID_CHARS: usize = 24;

/// What is sent back.
#[derive(Debug)]
pub(super) enum Answer {
    /// A head and a JSON body.
    Whole {
        status: u16,
        /// The provider's own id of the request: name and value of a header.
        request_id: (&'static str, String),
        body: Value,
    },
    /// A 200 and a stream of events, a pause before each piece but the first.
    Stream {
        /// As above.
        request_id: (&'static str, String),
        pieces: Vec<String>,
    },
    /// A head, and then the connection is reset. Without the head, on a connection that was used before, the reset
    /// would be taken for that of a stale connection, whose quiet repeat is nothing to show.
    Reset {
        /// As above.
        request_id: (&'static str, String),
        /// Whether it is the head of a stream.
        streamed: bool,
    },
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The status 529.
    Overloaded,
    /// A reset right behind the head.
    Reset,
    /// An error after a 200 where a stream is asked for, else the status 500.
    Midway,
}

/// A simulated provider; its calls are counted as long as the process lives.
pub(super) struct Simulator {
    dialect: Dialect,
    calls: AtomicU64,
}

impl Simulator {
    /// The one that speaks `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Simulator {
            dialect,
            calls: AtomicU64::new(0),
        }
    }

    /// Answers one request.
    pub fn answer(&self, request: &Request) -> Answer {
        let id = random_id();
        match (self.dialect, request.method.as_str(), request.path.as_str()) {
            (Dialect::Anthropic, "POST", "/v1/messages") => self.message(&request.body, &id),
            (Dialect::Anthropic, "POST", "/v1/messages/count_tokens") => {
                let count = json!({"input_tokens": tokens(request.body.len())});
                self.whole(200, &id, count)
            }
            (Dialect::Anthropic, "GET", "/v1/models") => self.whole(200, &id, anthropic::models()),
            (Dialect::OpenAiChat, "POST", "/v1/chat/completions") => {
                self.completion(&request.body, &id)
            }
            (Dialect::OpenAiChat, "GET", "/v1/models") => self.whole(200, &id, openai::models()),
            _ => self.refuse(404, "not_found_error", "no such path here", &id),
        }
    }

    /// Refuses a request that cannot be read.
    pub fn refuse_unreadable(&self, status: u16, message: &str) -> Answer {
        self.refuse(status, "invalid_request_error", message, &random_id())
    }

    fn message(&self, body: &[u8], id: &str) -> Answer {
        let Some(asked) = Asked::read(body) else {
            return self.refuse_body(id);
        };
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match failure(call) {
            Some(Failure::Overloaded) => self.whole(529, id, anthropic::overloaded(id)),
            Some(Failure::Reset) => Answer::Reset {
                request_id: self.request_id(id),
                streamed: asked.stream,
            },
            Some(Failure::Midway) if asked.stream => {
                self.stream(id, anthropic::broken_stream(&asked, id))
            }
            Some(Failure::Midway) => {
                self.refuse(500, "api_error", "Internal server error (simulated)", id)
            }
            None => {
                let reply = Reply::to(&asked, self.dialect);
                if asked.stream {
                    self.stream(id, anthropic::stream(&asked, &reply, id))
                } else {
                    self.whole(200, id, anthropic::message(&asked, &reply, id))
                }
            }
        }
    }

    fn completion(&self, body: &[u8], id: &str) -> Answer {
        let Some(asked) = Asked::read(body) else {
            return self.refuse_body(id);
        };
        let reply = Reply::to(&asked, self.dialect);
        if asked.stream {
            self.stream(id, openai::stream(&asked, &reply, id))
        } else {
            self.whole(200, id, openai::completion(&asked, &reply, id))
        }
    }

    fn refuse_body(&self, id: &str) -> Answer {
        let message = "the body is not a JSON object with messages";
        self.refuse(400, "invalid_request_error", message, id)
    }

    fn refuse(&self, status: u16, kind: &str, message: &str, id: &str) -> Answer {
        let body = match self.dialect {
            Dialect::Anthropic => anthropic::error(kind, message, id),
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => {
                openai::error(kind, message)
            }
        };
        self.whole(status, id, body)
    }

    fn whole(&self, status: u16, id: &str, body: Value) -> Answer {
        Answer::Whole {
            status,
            request_id: self.request_id(id),
            body,
        }
    }

    fn stream(&self, id: &str, pieces: Vec<String>) -> Answer {
        Answer::Stream {
            request_id: self.request_id(id),
            pieces,
        }
    }

    fn request_id(&self, id: &str) -> (&'static str, String) {
        let name = match self.dialect {
            Dialect::Anthropic => "request-id",
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => "x-request-id",
        };
        (name, format!("req_{id}"))
    }
}

/// How the call of this number, counted from 1, fails: the kinds take turns.
fn failure(call: u64) -> Option<Failure> {
    if !call.is_multiple_of(FAILS_EVERY) {
        return None;
    }
    Some(match call / FAILS_EVERY % 3 {
        1 => Failure::Overloaded,
        2 => Failure::Reset,
        _ => Failure::Midway,
    })
}

fn random_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(ID_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_third_call_fails_and_the_kinds_take_turns() {
        let failures: Vec<_> = (1..=12).map(failure).collect();
        let (overloaded, reset, midway) = (
            Some(Failure::Overloaded),
            Some(Failure::Reset),
            Some(Failure::Midway),
        );
        assert_eq!(
            failures,
            [
                None, None, overloaded, None, None, reset, None, None, midway, None, None,
                overloaded
            ]
        );
    }
}
