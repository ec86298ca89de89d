//! Answers of Anthropic-type providers to canonical events: frame by frame, or a whole body at once.
//!
//! The stream is close to the canonical grammar already; `decode/blocks.rs` takes care of what is not. Usage is
//! cumulative: what `message_start` counted is overwritten by what each `message_delta` says. The end is
//! `message_stop`; a stream that ends otherwise was cut, and is never closed as if complete. Providers that imitate
//! the dialect add `[DONE]`, leave out `event:` lines or stop reasons, and send the start twice; all that is borne.
//!
//! Left out without a word: `caller` of tool calls, `container`, `context_management`, `diagnostics`, the category of a
//! refusal, and empty blocks of text.

mod blocks;
mod citation;
mod whole;
mod wire;

use crate::protocol::canonical::{DecodeContext, Event, StopReason, Usage};
use crate::protocol::frame::Frame;
use crate::protocol::upstream_error::StreamError;

use self::blocks::Blocks;
use super::error::parse_error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No message has begun.
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
    blocks: Blocks,
    message_id: Option<String>,
    ending: Ending,
    usage: Option<Usage>,
}

/// How the message ended, as far as told.
#[derive(Debug, Default)]
struct Ending {
    stop: Option<StopReason>,
    stop_sequence: Option<String>,
    explanation: Option<String>,
}

impl Decode {
    /// A decoder at the start of an answer.
    pub fn new(ctx: DecodeContext) -> Self {
        Decode {
            phase: Phase::Waiting,
            blocks: Blocks::new(ctx.names, &ctx.seed),
            message_id: None,
            ending: Ending::default(),
            usage: None,
        }
    }

    /// Takes the next frame of a stream. After an error, and after the end, further frames are ignored.
    pub fn push(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if matches!(self.phase, Phase::Done | Phase::Failed) {
            return Ok(());
        }
        let given = self.frame(frame, out);
        if given.is_err() {
            self.phase = Phase::Failed;
        }
        given
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
        let read = self.whole(body, out);
        if read.is_err() {
            self.phase = Phase::Failed;
        }
        read
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" || frame.event == b"ping" {
            return Ok(());
        }
        if frame.event == b"error" {
            return Err(upstream(data));
        }
        let object = data.starts_with(b"{").then_some(data);
        let event = object.and_then(|it| serde_json::from_slice::<wire::Event<'_>>(it).ok());
        let Some(event) = event else {
            return match frame.event {
                b""
                | b"message_start"
                | b"content_block_start"
                | b"content_block_delta"
                | b"content_block_stop"
                | b"message_delta"
                | b"message_stop" => Err(StreamError::Malformed("an event of the stream")),
                // Events yet unknown may have any form.
                _ => Ok(()),
            };
        };
        self.event(event, data, out)
    }

    fn event(
        &mut self,
        event: wire::Event<'_>,
        data: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let begun = self.phase == Phase::Streaming;
        match event.kind.as_deref() {
            Some("message_start") => {
                let message = event.message.ok_or(StreamError::Malformed(
                    "a message_start without its message",
                ))?;
                self.message_start(message, out)
            }
            Some(
                "content_block_start"
                | "content_block_delta"
                | "content_block_stop"
                | "message_delta"
                | "message_stop",
            ) if !begun => Err(StreamError::Malformed("an event before message_start")),
            Some("content_block_start") => {
                let block = event.content_block.ok_or(StreamError::Malformed(
                    "a content_block_start without block",
                ))?;
                self.blocks.start(event.index, block, out)
            }
            Some("content_block_delta") => {
                let delta = event.delta.ok_or(StreamError::Malformed(
                    "a content_block_delta without delta",
                ))?;
                self.blocks.delta(event.index, delta, data, out)
            }
            Some("content_block_stop") => self.blocks.stop(event.index, out),
            Some("message_delta") => {
                self.count(event.usage);
                if let Some(delta) = event.delta {
                    self.ending.take(delta.end());
                }
                Ok(())
            }
            Some("message_stop") => self.complete(out),
            Some("error") => Err(upstream(data)),
            _ if event.error.is_some() => Err(upstream(data)),
            _ => Ok(()),
        }
    }

    /// A second start of the same message is an echo of a broken proxy between; of another, its stream is spliced.
    fn message_start(
        &mut self,
        message: wire::Message<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if self.phase == Phase::Streaming {
            return if self.message_id == message.id {
                Ok(())
            } else {
                Err(StreamError::Malformed("a second message in one stream"))
            };
        }
        self.begin(message, out)
    }

    /// What a message says by itself: all of a body; of a stream, usually no more than its id.
    fn begin(
        &mut self,
        mut message: wire::Message<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        self.phase = Phase::Streaming;
        self.message_id.clone_from(&message.id);
        self.ending.take(message.end());
        out.push(Event::Start {
            id: message.id,
            model: message.model,
        });
        self.count(message.usage);
        for block in message.content.unwrap_or_default() {
            self.blocks.start(None, block, out)?;
            self.blocks.stop(None, out)?;
        }
        Ok(())
    }

    fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let message: wire::Message<'_> = serde_json::from_slice(body)
            .map_err(|_| StreamError::Malformed("a body that is no message"))?;
        if message.error.is_some() || message.kind.as_deref() == Some("error") {
            return Err(upstream(body));
        }
        if message.content.is_none() {
            return Err(StreamError::Malformed("a message without content"));
        }
        self.begin(message, out)?;
        self.complete(out)
    }

    fn count(&mut self, usage: Option<wire::Usage>) {
        if let Some(usage) = usage {
            self.usage = Some(usage.apply(self.usage));
        }
    }

    fn complete(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.blocks.finish(out)?;
        self.phase = Phase::Done;
        let stop = match self.ending.stop {
            Some(StopReason::ToolUse) if !self.blocks.any_call() => StopReason::EndTurn,
            Some(StopReason::EndTurn) | None if self.blocks.any_direct_call() => {
                StopReason::ToolUse
            }
            Some(stop) => stop,
            None => StopReason::EndTurn,
        };
        let ending = std::mem::take(&mut self.ending);
        out.push(Event::Finish {
            stop,
            stop_sequence: ending
                .stop_sequence
                .filter(|_| stop == StopReason::StopSequence),
            explanation: ending.explanation.filter(|_| stop == StopReason::Refusal),
            usage: self.usage,
        });
        Ok(())
    }
}

impl Ending {
    /// There may be several; what a later one does not say, an earlier one did.
    fn take(&mut self, end: wire::End) {
        if let Some(word) = end.reason {
            self.stop = Some(stop_reason(&word));
        }
        self.stop_sequence = end.sequence.or(self.stop_sequence.take());
        let explanation = end.details.and_then(|it| it.explanation);
        self.explanation = explanation.or(self.explanation.take());
    }
}

fn stop_reason(word: &str) -> StopReason {
    match word {
        // A compaction that was asked for ends where the context did.
        "max_tokens" | "compaction" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindowExceeded,
        // Words to come mean an end.
        _ => StopReason::EndTurn,
    }
}

fn upstream(data: &[u8]) -> StreamError {
    StreamError::Upstream(Box::new(parse_error(None, data)))
}

#[cfg(test)]
mod tests;
