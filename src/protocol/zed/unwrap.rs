//! An answer of the service, opened: its lines (NDJSON) in, server-sent events of the dialect within out, as the model's
//! maker would have sent them.
//!
//! A line is `{"event": …}` or `{"status": …}`, or, where the service knows no statuses, the event itself. Events leave
//! as they came, byte for byte.
//!
//! Where the service was told that we know `stream_ended`, an answer without it was cut, whatever its last event says
//! (so do the service's own clients since 2026). So that nobody takes the answer within for whole before that word has
//! come, everything from its own end on is held back until then.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::frame::limit::{MAX_EVENT_BYTES, MAX_HELD_BYTES};
use crate::protocol::frame::{FrameTooLarge, write_frame};
use crate::protocol::upstream_error::StreamError;
use crate::protocol::zed::status::{self, Status, Told};
use crate::types::Dialect;

/// How the lines of an answer are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Each is an event.
    Events,
    /// Each is an event or a status.
    Statuses,
    /// The same, and one of them is the end.
    StatusesAndEnd,
}

/// Opens one answer.
#[derive(Debug)]
pub struct Unwrap {
    within: Dialect,
    lines: Lines,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Everything from the inner end on, until it may go.
    held: Vec<u8>,
    state: State,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The answer within is under way.
    Under,
    /// It has said its last word.
    Said,
    /// All has been handed out; what follows is ignored.
    Ended,
    /// An error was given; what follows is ignored.
    Failed,
}

impl Unwrap {
    /// Nothing read of an answer with events of this dialect.
    pub fn new(within: Dialect, lines: Lines) -> Self {
        Unwrap {
            within,
            lines,
            line: Vec::new(),
            held: Vec::new(),
            state: State::Under,
            told: Told::default(),
        }
    }

    /// What was told besides the answer.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// The same, for what the head of the answer says.
    pub fn told_mut(&mut self) -> &mut Told {
        &mut self.told
    }

    /// Takes the next bytes and appends the events that they complete. After an error what was appended is still good,
    /// and nothing more will be.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), StreamError> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.is_over() {
                return Ok(());
            }
            let (line, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            self.take(line, out)?;
        }
        if !self.is_over() {
            self.keep(rest)?;
        }
        Ok(())
    }

    /// The service has nothing more.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), StreamError> {
        if self.is_over() {
            return Ok(());
        }
        self.take(&[], out)?;
        if self.is_over() {
            return Ok(());
        }
        if self.told.tool_limit && self.state == State::Under {
            return self.fail(StreamError::Upstream(Box::new(status::tool_limit())));
        }
        if self.lines == Lines::StatusesAndEnd {
            return self.fail(StreamError::Truncated);
        }
        self.end(out);
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Failed)
    }

    fn fail(&mut self, error: StreamError) -> Result<(), StreamError> {
        self.state = State::Failed;
        Err(error)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), StreamError> {
        if MAX_EVENT_BYTES < self.line.len() + piece.len() {
            return self.fail(FrameTooLarge.into());
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// A line that ends here.
    fn take(&mut self, end: &[u8], out: &mut Vec<u8>) -> Result<(), StreamError> {
        if self.line.is_empty() {
            if MAX_EVENT_BYTES < end.len() {
                return self.fail(FrameTooLarge.into());
            }
            return self.read(end, out);
        }
        self.keep(end)?;
        let mut line = std::mem::take(&mut self.line);
        let read = self.read(&line, out);
        line.clear();
        self.line = line;
        read
    }

    fn read(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), StreamError> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.fail(StreamError::Malformed("a line that is no text"));
        };
        if self.lines == Lines::Events {
            return self.event(text, out);
        }
        match serde_json::from_str(text) {
            Ok(Line {
                event: Some(event), ..
            }) => self.event(event.get(), out),
            Ok(Line {
                status: Some(status),
                ..
            }) => self.status(status.get(), out),
            Ok(_) => self.fail(StreamError::Malformed(
                "a line that is neither event nor status",
            )),
            Err(_) => self.fail(StreamError::Malformed("a line that is no JSON")),
        }
    }

    fn status(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), StreamError> {
        match status::read(text) {
            Status::Queued(at) => self.told.queued_at = Some(at),
            Status::Started => self.told.started = true,
            Status::Usage(usage) => self.told.usage = Some(usage),
            Status::ToolLimit => self.told.tool_limit = true,
            Status::Other => {}
            Status::Failed(error) => {
                self.told.failed.clone_from(&error.code);
                return self.fail(StreamError::Upstream(error));
            }
            Status::Ended if self.told.tool_limit && self.state == State::Under => {
                return self.fail(StreamError::Upstream(Box::new(status::tool_limit())));
            }
            Status::Ended => {
                self.told.ended = true;
                self.end(out);
            }
        }
        Ok(())
    }

    fn event(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), StreamError> {
        let Ok(head) = serde_json::from_str::<Head<'_>>(text) else {
            return self.fail(StreamError::Malformed("an event that is no object"));
        };
        if head.is_last(self.within) {
            self.state = State::Said;
        }
        let waits = self.lines == Lines::StatusesAndEnd && self.state == State::Said;
        let into = if waits { &mut self.held } else { out };
        write_frame(head.name(self.within), &one_line(text), into);
        if MAX_HELD_BYTES < self.held.len() {
            return self.fail(StreamError::TooMuch("events behind the end of the answer"));
        }
        Ok(())
    }

    /// The service's own end: what was held back goes, and whoever reads Chat Completions gets the word that ends them.
    fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        if self.within == Dialect::OpenAiChat && self.state == State::Said {
            write_frame("", b"[DONE]", out);
        }
        self.state = State::Ended;
    }
}

/// A line of who tells statuses.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

/// What an event is called, and whether it ends its answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    choices: Option<Vec<Ending<'a>>>,
    #[serde(borrow)]
    candidates: Option<Vec<Ending<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ending<'a> {
    #[serde(borrow, alias = "finishReason")]
    finish_reason: Option<Cow<'a, str>>,
}

impl Head<'_> {
    /// The name in front of the event, in dialects that have one there.
    fn name(&self, within: Dialect) -> &str {
        let plain = |it: &&str| {
            it.len() <= 100
                && it
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-'))
        };
        match within {
            Dialect::Anthropic | Dialect::OpenAiResponses => {
                self.kind.as_deref().filter(plain).unwrap_or_default()
            }
            Dialect::OpenAiChat | Dialect::Gemini => "",
        }
    }

    /// An event with which the answer is whole; errors are no such end.
    fn is_last(&self, within: Dialect) -> bool {
        let any = |list: &Option<Vec<Ending<'_>>>| {
            let mut all = list.iter().flatten();
            all.any(|it| it.finish_reason.is_some())
        };
        match within {
            Dialect::Anthropic => self.kind.as_deref() == Some("message_stop"),
            Dialect::OpenAiResponses => matches!(
                self.kind.as_deref(),
                Some("response.completed" | "response.incomplete")
            ),
            Dialect::OpenAiChat => any(&self.choices),
            Dialect::Gemini => any(&self.candidates),
        }
    }
}

/// Carriage returns between the tokens of an event would end its line.
fn one_line(text: &str) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(text.replace('\r', " ").into_bytes())
}

#[cfg(test)]
mod tests;
