//! What comes in from one attempt: its head judged, its body read, and, when it is no answer, why.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};

use super::zed;
use crate::error::{Fault, FaultKind};
use crate::protocol::answer::{AnswerReader, Reading, Told};
use crate::protocol::errors;
use crate::protocol::translate::{self, AnswerContext, Asked};
use crate::protocol::upstream_error::{StreamError, UpstreamError};
use crate::types::Dialect;

/// The content type of a stream.
const EVENTS: &str = "text/event-stream; charset=utf-8";
/// Longest body of an error answer that is kept and relayed, bytes.
const MAX_ERROR_BYTES: usize = 1024 * 1024;

/// Response headers that stop here besides the hop-by-hop ones.
const STOPPED: [&str; 5] = [
    "set-cookie",
    "server",
    "alt-svc",
    "strict-transport-security",
    "content-length",
];
/// Which web pages may read an answer of ours is not for a provider to say.
const STOPPED_FAMILY: &str = "access-control-";
/// Hop-by-hop headers (RFC 9110 §7.6.1 and common practice).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is expected of an attempt.
pub struct Expect {
    /// What the answer becomes.
    pub shape: Shape,
    /// What it comes in.
    pub wrapped: Option<Wrapped>,
}

/// An answer that comes in lines of Zed's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// What is spoken within.
    pub within: Dialect,
    /// The service was told that we know how it ends a stream.
    pub knows_end: bool,
}

/// What the answer becomes.
pub enum Shape {
    /// The same dialect: the client's own words come back untouched.
    Same {
        /// Which.
        dialect: Dialect,
        /// Whether the client asked for a stream.
        stream: bool,
        /// The request, for an answer in the other form.
        asked: Box<Asked>,
    },
    /// Another dialect.
    Translated {
        /// Whether the client asked for a stream.
        stream: bool,
        /// What the translation needs to know of the request.
        context: Box<AnswerContext>,
    },
    /// Passed on unread.
    Raw,
}

/// An error answer of a provider, whole.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, those that stop here already gone.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What it says, where that is not said in the dialect spoken.
    pub read: Option<Box<UpstreamError>>,
}

impl Refused {
    /// What it says, in whatever words; `dialect` is what is spoken there.
    pub fn error(&self, dialect: Dialect) -> UpstreamError {
        match &self.read {
            Some(error) => error.as_ref().clone(),
            None => errors::parse(dialect, Some(self.status.as_u16()), &self.body),
        }
    }
}

enum State {
    Waiting(Expect),
    Reading(AnswerReader),
    Error(StatusCode, HeaderMap, BytesMut),
    Over,
}

/// What has come in from one attempt.
pub struct Incoming {
    state: State,
    wrapped: Option<Wrapped>,
    finished: bool,
    fresh_connection_taken: bool,
    fault: Option<Fault>,
    refused: Option<Refused>,
    /// When the head came.
    pub head_at: Option<Instant>,
    /// When the last byte came.
    pub last_byte_at: Option<Instant>,
}

impl Incoming {
    /// Nothing yet.
    pub fn new(expect: Expect) -> Self {
        Incoming {
            wrapped: expect.wrapped,
            state: State::Waiting(expect),
            finished: false,
            fresh_connection_taken: false,
            fault: None,
            refused: None,
            head_at: None,
            last_byte_at: None,
        }
    }

    /// Whether a byte of the answer has come.
    pub fn has_begun(&self) -> bool {
        self.head_at.is_some()
    }

    /// Takes the one repeat on a fresh connection.
    pub fn take_fresh_connection(&mut self) -> bool {
        !std::mem::replace(&mut self.fresh_connection_taken, true)
    }

    /// Whether that repeat was taken.
    pub fn took_fresh_connection(&self) -> bool {
        self.fresh_connection_taken
    }

    /// Records why there is no answer; the first reason stays.
    pub fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Whether there is no more of an answer to come.
    pub fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Why there is no answer.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// The provider's error answer, if that is what came.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// What the answer told about itself.
    pub fn told(&self) -> Told {
        match &self.state {
            State::Reading(reader) => reader.told(),
            State::Waiting(_) | State::Error(..) | State::Over => Told::default(),
        }
    }

    /// The provider's error that the client has already been told of, in the provider's own words.
    pub fn relayed_error(&self) -> Option<Fault> {
        let State::Reading(reader) = &self.state else {
            return None;
        };
        let error = reader.relayed_error()?;
        Some(Fault::new(error.fault_kind(None), error.message.clone()))
    }

    /// The error that ends the client's stream, where it has to go on from what was written.
    pub fn last_words(&mut self, fault: &Fault) -> Option<Bytes> {
        match &mut self.state {
            State::Reading(reader) => reader.fail(fault).map(Bytes::from),
            State::Waiting(_) | State::Error(..) | State::Over => None,
        }
    }

    /// The word of Zed's service for what went wrong inside the answer.
    pub fn failure_told(&self) -> Option<String> {
        let State::Reading(reader) = &self.state else {
            return None;
        };
        let told = reader.wrapping()?;
        let limit = told.tool_limit.then(|| "tool_use_limit_reached".to_owned());
        told.failed.clone().or(limit)
    }

    /// Whether the answer's own end has been seen.
    pub fn is_complete(&self) -> bool {
        match &self.state {
            State::Reading(reader) => reader.is_complete(),
            State::Waiting(_) | State::Error(..) | State::Over => false,
        }
    }

    /// `response_filter`: the head of the final answer. Makes it the head that the client may get.
    pub fn head(&mut self, head: &mut ResponseHeader) -> Result<()> {
        let now = Instant::now();
        self.head_at = Some(now);
        self.last_byte_at = Some(now);
        let State::Waiting(expect) = std::mem::replace(&mut self.state, State::Over) else {
            return self.bad("a second response head");
        };
        let coded = head
            .headers
            .get("content-encoding")
            .is_some_and(|v| v != "identity");
        strip(head);
        if !head.status.is_success() {
            self.state = State::Error(head.status, head.headers.clone(), BytesMut::new());
            return Ok(());
        }
        if coded {
            return self.bad("a compressed answer although none was accepted");
        }
        let lines = self.wrapped.map(|it| zed::opening(it, &head.headers));
        if lines.is_some() {
            for name in zed::own_names(&head.headers) {
                head.remove_header(&name);
            }
        }
        match reading(expect, head)? {
            Some(reading) => {
                let reader = AnswerReader::new(reading);
                self.state = State::Reading(match lines {
                    Some(lines) => reader.opening(lines),
                    None => reader,
                });
            }
            None => return self.bad("an answer of another content type"),
        }
        Ok(())
    }

    /// `response_body_filter`: a piece of the body becomes what the client gets for it.
    pub fn body(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<()> {
        let piece = body.take().filter(|piece| !piece.is_empty());
        if piece.is_some() {
            self.last_byte_at = Some(Instant::now());
        }
        match &mut self.state {
            State::Reading(reader) => {
                let out = piece.map_or(Ok(None), |piece| reader.push(piece));
                match out {
                    Ok(out) => *body = out,
                    Err(error) => return self.stream_error(&error),
                }
                if let Some(error) = reader.take_broken() {
                    self.note_stream_error(&error);
                    return Ok(());
                }
                if end {
                    // A broken end must not take the pieces before it along: it is met again in `close`.
                    match self.finish_reading() {
                        Ok(rest) => *body = join(body.take(), rest),
                        Err(error) => self.note_stream_error(&error),
                    }
                }
            }
            State::Error(_, _, kept) => {
                if let Some(piece) = piece {
                    if MAX_ERROR_BYTES < kept.len() + piece.len() {
                        return self.bad("an endless error body");
                    }
                    kept.extend_from_slice(&piece);
                }
                if end {
                    self.close()?;
                }
            }
            State::Waiting(_) | State::Over => {}
        }
        Ok(())
    }

    /// The upstream has nothing more, told by other means than a last piece. Returns the rest for the client.
    pub fn close(&mut self) -> Result<Option<Bytes>> {
        if let State::Error(status, headers, body) = &mut self.state {
            let (status, headers, body) = (*status, std::mem::take(headers), body.split().freeze());
            self.state = State::Over;
            let mut refused = Refused {
                status,
                headers,
                body,
                read: None,
            };
            if self.wrapped.is_some() {
                refused.read = Some(Box::new(zed::read_refusal(&mut refused)));
            }
            self.refused = Some(refused);
            return Ok(None);
        }
        match self.finish_reading() {
            Ok(_) if self.fault.is_some() => Err(Error::new(ErrorType::Custom("bad answer"))),
            Ok(rest) => Ok(rest),
            Err(error) => self.stream_error(&error).map(|()| None),
        }
    }

    fn finish_reading(&mut self) -> std::result::Result<Option<Bytes>, StreamError> {
        let State::Reading(reader) = &mut self.state else {
            return Ok(None);
        };
        if std::mem::replace(&mut self.finished, true) {
            return Ok(None);
        }
        reader.finish()
    }

    fn stream_error(&mut self, error: &StreamError) -> Result<()> {
        self.note_stream_error(error);
        Err(Error::new(ErrorType::Custom("bad answer")))
    }

    fn note_stream_error(&mut self, error: &StreamError) {
        let public = match error.upstream() {
            Some(upstream) => upstream.message.clone(),
            None => "the provider's answer broke off".to_owned(),
        };
        self.fail(Fault::new(error.fault_kind(), public).with_source(error));
    }

    fn bad(&mut self, what: &'static str) -> Result<()> {
        let fault = Fault::new(
            FaultKind::UpstreamBadAnswer,
            "the provider's answer makes no sense",
        );
        self.fail(fault.with_source(what));
        Err(Error::new(ErrorType::Custom("bad answer")))
    }
}

fn join(first: Option<Bytes>, second: Option<Bytes>) -> Option<Bytes> {
    match (first, second) {
        (Some(first), Some(second)) => {
            let mut both = BytesMut::with_capacity(first.len() + second.len());
            both.extend_from_slice(&first);
            both.extend_from_slice(&second);
            Some(both.freeze())
        }
        (first, second) => first.or(second),
    }
}

/// How a good answer has to be read, by what was asked and what came; `None` when they do not fit.
fn reading(expect: Expect, head: &mut ResponseHeader) -> Result<Option<Reading>> {
    let content_type = head
        .headers
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    // Lines are opened into events.
    let lines = expect.wrapped.is_some() && !content_type.contains("html");
    let events = lines || content_type.starts_with("text/event-stream");
    let json = !lines && content_type.starts_with("application/json");
    let (stream, reading) = match expect.shape {
        Shape::Raw => return Ok(Some(Reading::PassRaw)),
        Shape::Same {
            dialect,
            stream: true,
            ..
        } if events => {
            if lines {
                head.insert_header("content-type", EVENTS)?;
            }
            return Ok(Some(Reading::PassStream(dialect)));
        }
        // Some gateways forget the content type of a whole message; its text is checked anyway.
        Shape::Same {
            dialect,
            stream: false,
            ..
        } if !events && !content_type.contains("html") => {
            return Ok(Some(Reading::PassWhole(dialect)));
        }
        Shape::Same {
            dialect,
            stream,
            asked,
        } if events || json => (stream, reshaped(dialect, stream, &asked)),
        Shape::Translated { stream, context } if events || json => {
            if stream {
                (true, Reading::ToStream(context))
            } else {
                (false, Reading::ToWhole(context))
            }
        }
        Shape::Same { .. } | Shape::Translated { .. } => return Ok(None),
    };
    let ours = if stream { EVENTS } else { "application/json" };
    head.insert_header("content-type", ours)?;
    Ok(Some(reading))
}

/// The same dialect in the other form than asked for.
fn reshaped(dialect: Dialect, stream: bool, asked: &Asked) -> Reading {
    let context = || Box::new(translate::same(dialect, asked));
    match (dialect, stream) {
        (Dialect::Anthropic, true) => Reading::StreamFromWhole,
        (Dialect::Anthropic, false) => Reading::WholeFromStream,
        (Dialect::OpenAiResponses, false) => Reading::ResponseFromStream,
        (_, true) => Reading::ToStream(context()),
        (_, false) => Reading::ToWhole(context()),
    }
}

/// Removes the headers that stop here, and those that `connection` names.
fn strip(head: &mut ResponseHeader) {
    let named: Vec<HeaderName> = head
        .headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        head.remove_header(&name);
    }
    // Most of them are absent: looking at what is there costs less than asking for each.
    let is_stopped = |name: &&HeaderName| {
        STOPPED.contains(&name.as_str())
            || is_hop_by_hop(name)
            || name.as_str().starts_with(STOPPED_FAMILY)
    };
    let stopped: Vec<HeaderName> = head.headers.keys().filter(is_stopped).cloned().collect();
    for name in stopped {
        head.remove_header(&name);
    }
}

/// Whether a header concerns one hop only.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// A header value of ours. Only called with visible ASCII; anything else becomes empty.
pub fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
