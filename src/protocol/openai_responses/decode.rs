//! Answers to canonical events: frame by frame, or a whole body at once.
//!
//! The state machine that reads streams. `about_items.rs` sorts events, `items.rs` puts items into line, each kind of item has a file of its own.
//! Deltas are shown as they come; the whole that follows them (`….done`, `response.output_item.done`) adds what no
//! delta told, so that providers that send only one of both are read alike. The end is `response.completed`,
//! `response.incomplete` or `response.failed`; a stream that ends otherwise was cut. Names of events are read from the
//! data, from the `event` line where the data tells none. Events and items that are not known are ignored: they cannot
//! have been asked for.

mod about_items;
mod call;
mod failure;
mod grammar;
mod items;
mod message;
mod reasoning;
mod search;
mod shown;
mod usage;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::canonical::{DecodeContext, Event, StopReason, Usage};
use crate::protocol::frame::Frame;
use crate::protocol::openai_chat::decode::says_something;
use crate::protocol::openai_chat::surrogate;
use crate::protocol::upstream_error::StreamError;

use super::wire_answer as wire;
use grammar::Grammar;
use items::Items;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of the answer has come.
    Waiting,
    /// Between `Start` and `Finish`.
    Streaming,
    /// `Finish` was given; whatever follows is ignored.
    Done,
    /// An error was given; whatever follows is ignored.
    Failed,
}

/// The state of one answer.
#[derive(Debug)]
pub struct Decode {
    phase: Phase,
    items: Items,
    refused: bool,
    /// An item came that other dialects are not shown.
    unshown: bool,
    /// The event under way had to be repaired and may hold stand-ins.
    repaired: bool,
    usage: Option<Usage>,
    grammar: Grammar,
}

impl Decode {
    /// A decoder at the start of an answer.
    pub fn new(ctx: DecodeContext) -> Self {
        Decode {
            phase: Phase::Waiting,
            items: Items::new(ctx.names, &ctx.seed),
            refused: false,
            unshown: false,
            repaired: false,
            usage: None,
            grammar: Grammar::default(),
        }
    }

    /// Takes the next frame of a stream. After an error, and after the end, further frames are ignored.
    pub fn push(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if matches!(self.phase, Phase::Done | Phase::Failed) {
            return Ok(());
        }
        let from = out.len();
        let given = self.frame(frame, out);
        self.judge(given, out, from)
    }

    /// Ends a stream whose connection ended. `Truncated` when the answer had not.
    pub fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self.phase {
            Phase::Done | Phase::Failed => Ok(()),
            Phase::Waiting | Phase::Streaming => {
                self.phase = Phase::Failed;
                Err(StreamError::Truncated)
            }
        }
    }

    /// Reads a whole body instead of a stream.
    pub fn body(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let from = out.len();
        let given = self.whole_body(body, out);
        self.judge(given, out, from)
    }

    /// Whether an item came that other dialects are not shown: a picture, a call of a shell. To a client of this
    /// dialect it is content.
    pub fn has_unshown(&self) -> bool {
        self.unshown
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn judge(
        &mut self,
        given: Result<(), StreamError>,
        out: &[Event],
        from: usize,
    ) -> Result<(), StreamError> {
        debug_assert!(
            self.grammar.follows(out.get(from..).unwrap_or_default()),
            "out of order"
        );
        if given.is_err() {
            self.phase = Phase::Failed;
        }
        given
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            return Err(StreamError::Truncated);
        }
        if frame.event == b"error" {
            return Err(failure::error(data));
        }
        if let Ok(text) = simdutf8::basic::from_utf8(data)
            && let Ok(event) = serde_json::from_str::<wire::Event<'_>>(text)
        {
            return self.event(frame.event, &event, data, out);
        }
        let malformed = StreamError::Malformed("an event that is not JSON of this dialect");
        let repaired = surrogate::repair(data).ok_or(malformed.clone())?;
        let event = serde_json::from_slice::<wire::Event<'_>>(&repaired).map_err(|_| malformed)?;
        self.repaired = true;
        let given = self.event(frame.event, &event, &repaired, out);
        self.repaired = false;
        given
    }

    fn event(
        &mut self,
        line: &[u8],
        event: &wire::Event<'_>,
        data: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if !data.starts_with(b"{") {
            return Err(StreamError::Malformed("an event that is not a JSON object"));
        }
        let named = event.kind.get().map(Cow::Borrowed);
        let kind = named.unwrap_or_else(|| String::from_utf8_lossy(line));
        let bare = kind.is_empty() && (event.message.is_some() || event.detail.is_some());
        if kind == "error" || bare || says_something(event.error) {
            return Err(failure::error(data));
        }
        match kind.as_ref() {
            "" => Err(StreamError::Malformed("an event without a type")),
            "response.created" | "response.queued" | "response.in_progress" => {
                self.start(&wire::lenient(event.response), out);
                Ok(())
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                let raw = event.response.map_or("", RawValue::get);
                let response: wire::Response<'_> = serde_json::from_str(raw)
                    .map_err(|_| StreamError::Malformed("an end without its response"))?;
                self.end(&response, kind.rsplit('.').next(), out)
            }
            _ => self.content(&kind, event, out),
        }
    }

    fn start(&mut self, response: &wire::Response<'_>, out: &mut Vec<Event>) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Streaming;
            out.push(Event::Start {
                id: response.id.get().map(str::to_owned),
                model: response.model.get().map(str::to_owned),
            });
        }
    }

    fn whole_body(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let malformed = StreamError::Malformed("a body that is not JSON of this dialect");
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(StreamError::Malformed("a body that is not a JSON object"));
        }
        let repaired: Vec<u8>;
        let response: wire::Response<'_> = if let Ok(response) = serde_json::from_slice(body) {
            response
        } else {
            repaired = surrogate::repair(body).ok_or(malformed.clone())?;
            self.repaired = true;
            serde_json::from_slice(&repaired).map_err(|_| malformed)?
        };
        let bare =
            response.output.is_none() && (response.message.is_some() || response.detail.is_some());
        if response.status.get() != Some("failed") && (bare || says_something(response.error)) {
            return Err(failure::error(body));
        }
        if !matches!(response.object.get(), None | Some("response")) || response.output.is_none() {
            return Err(StreamError::Malformed("a body that is not a response"));
        }
        self.end(&response, None, out)
    }

    /// The answer has ended. `word` is the event's, for a response without a status.
    fn end(
        &mut self,
        response: &wire::Response<'_>,
        word: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if let Some(usage) = response
            .usage
            .and_then(|it| usage::canonical_usage(it.get()))
        {
            self.usage = Some(usage);
        }
        let status = match word {
            Some(word @ ("failed" | "incomplete" | "cancelled")) => word,
            _ => response.status.get().unwrap_or("completed"),
        };
        match status {
            "failed" => return Err(failure::failed(response)),
            _ if says_something(response.error) => return Err(failure::failed(response)),
            "queued" | "in_progress" => {
                return Err(StreamError::Malformed("an answer that is still being made"));
            }
            "cancelled" => return Err(StreamError::Malformed("an answer that was cancelled")),
            _ => {}
        }
        self.start(response, out);
        // The whole answer again, unless nothing of it was told.
        let output = (0_u64..).zip(response.output.iter().flatten().copied());
        if self.items.is_empty() {
            for (index, item) in output {
                self.item_done(Some(index), item, out)?;
            }
        } else {
            self.untold_calls(output.collect(), out)?;
        }
        self.items.finish(out)?;
        out.push(Event::Finish {
            stop: self.stop(status, response),
            stop_sequence: None,
            explanation: None,
            usage: self.usage,
        });
        self.phase = Phase::Done;
        Ok(())
    }

    fn stop(&self, status: &str, response: &wire::Response<'_>) -> StopReason {
        let details: wire::Incomplete<'_> = wire::lenient(response.incomplete_details);
        if status == "incomplete" {
            return match details.reason.get() {
                Some("content_filter") => StopReason::Refusal,
                Some("steered" | "max_messages") => StopReason::PauseTurn,
                // Whatever cut it, it is not whole.
                _ => StopReason::MaxTokens,
            };
        }
        if self.items.any_call() {
            StopReason::ToolUse
        } else if self.refused {
            StopReason::Refusal
        } else {
            StopReason::EndTurn
        }
    }
}

/// Whether a body is the receipt of an answer that is still being made (`background` of the request). Only its own
/// provider has it, and only a client of this dialect knows how to ask for it.
pub fn is_under_way(body: &[u8]) -> bool {
    let response: wire::Response<'_> = serde_json::from_slice(body).unwrap_or_default();
    matches!(response.status.get(), Some("queued" | "in_progress"))
}

#[cfg(test)]
mod tests;
