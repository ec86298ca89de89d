//! Looks into Anthropic answers that are relayed untouched: whether content was shown, what was counted, how it ended.
//!
//! Nothing is changed and nothing is refused that a client could still use: unknown events and blocks are fine. Once
//! content has been seen, deltas are recognised by their event name alone and cost no parsing.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::protocol::anthropic::error::parse_error;
use crate::protocol::canonical::Usage;
use crate::protocol::frame::{Frame, FrameTooLarge, SseDecoder};
use crate::protocol::upstream_error::UpstreamError;

/// Watches one stream.
#[derive(Debug, Default)]
pub struct StreamTap {
    frames: SseDecoder,
    seen: Seen,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    stage: Stage,
    ping: bool,
    usage: Option<Usage>,
    stop_reason: Option<String>,
    error: Option<Box<UpstreamError>>,
    malformed: bool,
}

/// How far the message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Waiting,
    Started,
    Content,
    Complete,
}

impl StreamTap {
    /// A tap at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next bytes. Fails only when one event is too large to be watched.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameTooLarge> {
        let StreamTap { frames, seen } = self;
        frames.push(bytes, |frame| {
            seen.frame(frame);
            Ok(())
        })
    }

    /// Ends the stream: an event without its blank line is looked at as well.
    pub fn finish(&mut self) -> Result<(), FrameTooLarge> {
        let StreamTap { frames, seen } = self;
        frames.finish(|frame| {
            seen.frame(frame);
            Ok(())
        })
    }

    /// `message_start` was seen.
    pub fn has_started(&self) -> bool {
        Stage::Started <= self.seen.stage
    }

    /// The commit point: a delta that is not empty, a block that holds something by itself, or the end of an empty
    /// answer. Not `message_start`, `ping` or an error.
    pub fn has_content(&self) -> bool {
        Stage::Content <= self.seen.stage
    }

    /// A `ping` was seen: the upstream keeps its clients alive by itself.
    pub fn has_ping(&self) -> bool {
        self.seen.ping
    }

    /// `message_stop` was seen: the answer is whole.
    pub fn is_complete(&self) -> bool {
        self.seen.stage == Stage::Complete
    }

    /// Tokens as counted so far: `message_start`, overwritten by what each `message_delta` says.
    pub fn usage(&self) -> Option<Usage> {
        self.seen.usage
    }

    /// Why the message ended, in the vendor's word.
    pub fn stop_reason(&self) -> Option<&str> {
        self.seen.stop_reason.as_deref()
    }

    /// The error that came inside the stream, if one did.
    pub fn error(&self) -> Option<&UpstreamError> {
        self.seen.error.as_deref()
    }

    /// An event of a known name was not readable. The client may still cope, so this is for the log, unless nothing
    /// has been shown yet.
    pub fn is_malformed(&self) -> bool {
        self.seen.malformed
    }
}

/// The fields of all events that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventData<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<MessageHead<'a>>,
    #[serde(borrow)]
    content_block: Option<BlockHead<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<WireUsage>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessageHead<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<WireUsage>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockHead<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partial_json: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
}

/// `usage` of Anthropic; fields that are absent leave what is known.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "count")]
    thinking_tokens: Option<u64>,
}

/// A count of tokens however it is written: `10.0` is ten, and what is no count at all is unknown. An odd number must
/// not make an answer unreadable that the client can read.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a count"
    )]
    let whole = |float: f64| (0.0..9e15).contains(&float).then_some(float as u64);
    Ok(value.as_u64().or_else(|| value.as_f64().and_then(whole)))
}

impl WireUsage {
    /// What is known, overwritten by what is said here.
    pub fn apply(&self, known: Option<Usage>) -> Usage {
        let known = known.unwrap_or_default();
        let thinking = self
            .output_tokens_details
            .as_ref()
            .and_then(|it| it.thinking_tokens);
        Usage {
            input: self.input_tokens.unwrap_or(known.input),
            cache_read: self.cache_read_input_tokens.unwrap_or(known.cache_read),
            cache_creation: self
                .cache_creation_input_tokens
                .unwrap_or(known.cache_creation),
            output: self.output_tokens.unwrap_or(known.output),
            thinking: thinking.or(known.thinking),
        }
    }
}

/// Events whose data must be readable.
const KNOWN: [&[u8]; 5] = [
    b"",
    b"message_start",
    b"content_block_start",
    b"content_block_delta",
    b"message_delta",
];

impl Seen {
    fn frame(&mut self, frame: Frame<'_>) {
        match frame.event {
            b"content_block_delta" if Stage::Content <= self.stage => {}
            b"content_block_stop" => {}
            b"ping" => self.ping = true,
            b"error" => self.error(frame.data),
            event => self.data(event, frame.data),
        }
    }

    /// An event whose data must be read.
    fn data(&mut self, name: &[u8], data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<EventData<'_>>(data) else {
            self.malformed |= KNOWN.contains(&name);
            return;
        };
        match &*event.kind {
            "message_start" => {
                self.reach(Stage::Started);
                if let Some(usage) = event.message.and_then(|it| it.usage) {
                    self.usage = Some(usage.apply(self.usage));
                }
            }
            "content_block_start" if event.block_shows() => {
                self.reach(Stage::Content);
            }
            "content_block_delta" if event.delta_shows() => {
                self.reach(Stage::Content);
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.usage = Some(usage.apply(self.usage));
                }
                if let Some(stop) = event.delta.and_then(|it| it.stop_reason) {
                    self.stop_reason = Some(stop.into_owned());
                    self.reach(Stage::Content);
                }
            }
            "message_stop" => self.reach(Stage::Complete),
            "ping" => self.ping = true,
            "error" => self.error(data),
            _ if event.error.is_some() => self.error(data),
            _ => {}
        }
    }

    fn reach(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
    }

    fn error(&mut self, data: &[u8]) {
        if self.error.is_none() {
            self.error = Some(Box::new(parse_error(None, data)));
        }
    }
}

impl EventData<'_> {
    fn block_shows(&self) -> bool {
        self.content_block
            .as_ref()
            .is_none_or(BlockHead::has_content)
    }

    fn delta_shows(&self) -> bool {
        self.delta.as_ref().is_none_or(Delta::has_content)
    }
}

impl BlockHead<'_> {
    /// Text and thinking start empty and are filled by deltas; every other block, known or not, says something by
    /// being there.
    fn has_content(&self) -> bool {
        match &*self.kind {
            "text" => self.text.as_deref().is_some_and(|it| !it.is_empty()),
            "thinking" => self.thinking.as_deref().is_some_and(|it| !it.is_empty()),
            _ => true,
        }
    }
}

impl Delta<'_> {
    /// A delta of an unknown kind counts: it would not be sent for nothing.
    fn has_content(&self) -> bool {
        let known = [
            &self.text,
            &self.thinking,
            &self.partial_json,
            &self.signature,
        ];
        let mut texts = known.into_iter().flatten().peekable();
        texts.peek().is_none() || texts.any(|it| !it.is_empty())
    }
}

/// What a whole JSON answer turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyTap {
    /// A message.
    Message {
        /// Tokens, where they were counted.
        usage: Option<Usage>,
        /// Why it ended, in the vendor's word.
        stop_reason: Option<String>,
    },
    /// An error, whatever the status said.
    Error(Box<UpstreamError>),
    /// Something else: not JSON, cut, or of another dialect.
    NotMessage,
}

impl BodyTap {
    /// Looks at a whole body that came with a success.
    pub fn read(body: &[u8]) -> Self {
        let Ok(head) = serde_json::from_slice::<MessageHead<'_>>(body) else {
            return BodyTap::NotMessage;
        };
        match head.kind.as_deref() {
            Some("message") => BodyTap::Message {
                usage: head.usage.map(|it| it.apply(None)),
                stop_reason: head.stop_reason.map(Cow::into_owned),
            },
            Some("error") => BodyTap::Error(Box::new(parse_error(None, body))),
            _ if head.error.is_some() => BodyTap::Error(Box::new(parse_error(None, body))),
            _ => BodyTap::NotMessage,
        }
    }
}

#[cfg(test)]
mod tests;
