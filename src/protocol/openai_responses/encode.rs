//! Canonical events to OpenAI's stream of server-sent events.
//!
//! Grammar (recorded 2026): `response.created response.in_progress item* (response.completed | response.incomplete)`,
//! where an item is `response.output_item.added … response.output_item.done`, one at a time; every event has its
//! `event:` line and a `sequence_number` from 0; there is no `[DONE]`. Codex takes items from `output_item.done` and
//! uses deltas for show; the SDKs take the whole from the last event. So all that was said is held until the end: an
//! answer beyond [`MAX_MESSAGE_BYTES`] is failed in the stream, because half an item must not pass for a whole one.

use crate::protocol::canonical::{EncodeContext, Event};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;

use super::items::answer::{State, error_fields, response};
use super::items::{Ending, Fields, Items, Sink};

/// The state of one answer.
#[derive(Debug)]
pub struct Encode {
    items: Items,
    sequence: u64,
    state: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `response.created` has not been written.
    Before,
    Inside,
    /// The last event has been written.
    After,
}

/// A sign of life: a comment, which the SDKs and Codex skip.
pub const PING: &[u8] = b": ping\n\n";

impl Encode {
    /// An encoder at the start of an answer.
    pub fn new(ctx: EncodeContext) -> Self {
        Encode {
            items: Items::new(ctx),
            sequence: 0,
            state: Stage::Before,
        }
    }

    /// Appends what one event becomes. Nothing follows the end of the answer, or its failure.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.state == Stage::After {
            return;
        }
        if let Event::Start { .. } = event {
            self.start(out);
        }
        let mut sink = Stream {
            out,
            sequence: &mut self.sequence,
        };
        let ending = self.items.push(event, &mut sink);
        if MAX_MESSAGE_BYTES < self.items.held() {
            self.fail("server_error", None, "the answer is too large", out);
        } else if let Some(ending) = ending {
            self.end(&ending, out);
        }
    }

    /// Ends the answer with an error instead; nothing follows. For after content was shown.
    pub fn fail(&mut self, error_type: &str, code: Option<&str>, message: &str, out: &mut Vec<u8>) {
        if self.state == Stage::After {
            return;
        }
        if self.state == Stage::Before {
            self.start(out);
        }
        self.state = Stage::After;
        let mut sink = Stream {
            out,
            sequence: &mut self.sequence,
        };
        let output = self.items.finished();
        write_failure(
            &self.items.ctx,
            output,
            (error_type, code, message),
            &mut sink,
        );
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, Stage::Before);
        self.state = Stage::Inside;
        let state = State::InProgress;
        let json = response(&self.items.ctx, state, &[]);
        let mut sink = Stream {
            out,
            sequence: &mut self.sequence,
        };
        for kind in ["response.created", state.event()] {
            sink.event(kind, |out| out.json("response", &json));
        }
    }

    fn end(&mut self, ending: &Ending, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, Stage::Inside);
        self.state = Stage::After;
        let state = State::Ended(ending);
        let json = response(&self.items.ctx, state, self.items.finished());
        let mut sink = Stream {
            out,
            sequence: &mut self.sequence,
        };
        sink.event(state.event(), |out| out.json("response", &json));
    }
}

/// An error inside a stream that is not of our writing, after the head was sent; nothing follows it. Codex reads `code`:
/// `context_length_exceeded` makes it compact, `insufficient_quota` give up, `rate_limit_exceeded` with "try again in
/// 1.3s" in the message wait, anything else repeat.
pub fn error_event(error_type: &str, message: &str, code: Option<&str>, out: &mut Vec<u8>) {
    let mut sequence = 0;
    let mut sink = Stream {
        out,
        sequence: &mut sequence,
    };
    let ctx = EncodeContext::default();
    write_failure(&ctx, &[], (error_type, code, message), &mut sink);
}

fn write_failure(
    ctx: &EncodeContext,
    output: &[u8],
    (error_type, code, message): (&str, Option<&str>, &str),
    sink: &mut Stream<'_>,
) {
    sink.event("error", |out| error_fields(error_type, code, message, out));
    let state = State::Failed {
        // What OpenAI says when it has no other word.
        code: code.unwrap_or("server_error"),
        message,
    };
    let json = response(ctx, state, output);
    sink.event(state.event(), |out| out.json("response", &json));
}

/// Writes events as they happen.
struct Stream<'a> {
    out: &'a mut Vec<u8>,
    sequence: &'a mut u64,
}

impl Sink for Stream<'_> {
    fn event(&mut self, kind: &'static str, fields: impl FnOnce(&mut Fields<'_>)) {
        let out = &mut *self.out;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        let mut members = Fields::after(out);
        members.number("sequence_number", *self.sequence);
        fields(&mut members);
        out.extend_from_slice(b"}\n\n");
        *self.sequence = self.sequence.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
