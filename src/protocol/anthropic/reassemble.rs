//! An Anthropic stream put together to the message it builds up, for a client that asked for a body and got a stream.
//!
//! Strings are joined as they are written, escapes and all, and fields nobody knows yet are kept; see
//! [`stream_of`](crate::protocol::anthropic::stream_of) for the other direction.

use crate::protocol::anthropic::body::tool_input;
use crate::protocol::anthropic::error::parse_error;
use crate::protocol::anthropic::raw_object::{MAX_MEMBERS, RawObject};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::frame::{Frame, SseDecoder};
use crate::protocol::upstream_error::StreamError;

/// Gathers the events of one stream.
#[derive(Debug, Default)]
pub struct Reassemble {
    frames: SseDecoder,
    gathered: Gathered,
}

/// What has been gathered.
#[derive(Debug, Default)]
struct Gathered {
    /// The message as it began, overwritten by what its end says.
    message: Option<RawObject>,
    /// The blocks before the open one, as JSON, separated by commas.
    content: Vec<u8>,
    open: Option<Block>,
    /// Bytes kept so far.
    kept: usize,
    complete: bool,
}

/// The block that deltas go to.
#[derive(Debug)]
pub(super) struct Block {
    index: Option<String>,
    /// As it opened, but for fields that a delta replaced.
    opened: RawObject,
    /// Strings that grow, by the name of their field, still escaped and without quotes.
    grown: Vec<(String, String)>,
    /// Text of a tool's input.
    input: String,
    /// As JSON, separated by commas.
    citations: String,
}

impl Reassemble {
    /// Nothing gathered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. `Upstream` for an error inside the stream, `TooMuch` beyond [`MAX_MESSAGE_BYTES`],
    /// `Malformed` for events that make no message.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        let Reassemble { frames, gathered } = self;
        frames.push(bytes, |frame| gathered.frame(frame))
    }

    /// `message_stop` was seen: the message is whole, and what follows does not matter.
    pub fn is_complete(&self) -> bool {
        self.gathered.complete
    }

    /// The message as JSON. `Truncated` when the stream ended before it.
    pub fn finish(mut self) -> Result<Vec<u8>, StreamError> {
        let Reassemble { frames, gathered } = &mut self;
        frames.finish(|frame| gathered.frame(frame))?;
        self.gathered.into_message()
    }
}

impl Gathered {
    fn frame(&mut self, frame: Frame<'_>) -> Result<(), StreamError> {
        if self.complete || frame.event == b"ping" {
            return Ok(());
        }
        if frame.event == b"error" {
            return Err(upstream(frame.data));
        }
        let Some(event) = RawObject::read(frame.data) else {
            return match frame.event {
                b""
                | b"message_start"
                | b"content_block_start"
                | b"content_block_delta"
                | b"content_block_stop"
                | b"message_delta"
                | b"message_stop" => Err(StreamError::Malformed("an event of the stream")),
                _ => Ok(()),
            };
        };
        match event.string("type").as_deref() {
            Some("message_start") => self.message_start(&event),
            Some("content_block_start") => self.block_start(&event),
            Some("content_block_delta") => self.delta(&event),
            Some("content_block_stop") => {
                self.close();
                Ok(())
            }
            Some("message_delta") => self.message_delta(event),
            Some("message_stop") => {
                self.close();
                self.complete = true;
                Ok(())
            }
            Some("error") => Err(upstream(frame.data)),
            _ if event.get("error").is_some() => Err(upstream(frame.data)),
            _ => Ok(()),
        }
    }

    /// A second start, observed with providers that repeat a call of their own, begins anew.
    fn message_start(&mut self, event: &RawObject) -> Result<(), StreamError> {
        let message = event
            .object("message")
            .ok_or(StreamError::Malformed("a message_start without message"))?;
        *self = Gathered {
            message: Some(message),
            ..Gathered::default()
        };
        self.keep(event.get("message").map_or(0, str::len))
    }

    fn block_start(&mut self, event: &RawObject) -> Result<(), StreamError> {
        self.close();
        let opened = event
            .object("content_block")
            .ok_or(StreamError::Malformed("a block that is no object"))?;
        let index = event.get("index").map(str::to_owned);
        self.open = Some(Block::opened(index, opened));
        self.keep(event.get("content_block").map_or(0, str::len))
    }

    fn delta(&mut self, event: &RawObject) -> Result<(), StreamError> {
        let open = self.open.as_mut();
        let open = open
            .filter(|it| it.index.as_deref() == event.get("index"))
            .ok_or(StreamError::Malformed(
                "a delta of a block that is not open",
            ))?;
        let delta = event
            .object("delta")
            .ok_or(StreamError::Malformed("a delta that is no object"))?;
        open.apply(&delta)?;
        self.keep(event.get("delta").map_or(0, str::len))
    }

    /// How it ended, and what it cost: everything here overwrites what the start said.
    fn message_delta(&mut self, mut event: RawObject) -> Result<(), StreamError> {
        let message = self
            .message
            .as_mut()
            .ok_or(StreamError::Malformed("a message_delta before its message"))?;
        let kept = event.members().map(|(_, value)| value.len()).sum();
        event.remove("type");
        if let Some(usage) = event.object("usage") {
            let mut known = message.object("usage").unwrap_or_default();
            known.update(usage);
            message.set("usage", json_of(&known));
        }
        event.remove("usage");
        let mut delta = event.object("delta").unwrap_or_default();
        delta.remove("type");
        event.remove("delta");
        message.update(delta);
        message.update(event);
        if MAX_MEMBERS < message.len() {
            return Err(StreamError::TooMuch("fields of a message"));
        }
        self.keep(kept)
    }

    /// Closes the open block; one that was cut by `max_tokens` may never have been closed by the stream.
    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if !self.content.is_empty() {
            self.content.push(b',');
        }
        open.into_block().push_json(&mut self.content);
    }

    fn keep(&mut self, bytes: usize) -> Result<(), StreamError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept <= MAX_MESSAGE_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("the whole message"))
        }
    }

    fn into_message(self) -> Result<Vec<u8>, StreamError> {
        if !self.complete {
            return Err(StreamError::Truncated);
        }
        let mut message = self
            .message
            .ok_or(StreamError::Malformed("a stream without message_start"))?;
        let content = String::from_utf8(self.content)
            .map_err(|_| StreamError::Malformed("text that is not UTF-8"))?;
        message.set("content", format!("[{content}]"));
        let mut out = Vec::with_capacity(content.len() + 1024);
        message.push_json(&mut out);
        Ok(out)
    }
}

impl Block {
    /// A block as it opens.
    pub fn opened(index: Option<String>, opened: RawObject) -> Self {
        Block {
            index,
            opened,
            grown: Vec::new(),
            input: String::new(),
            citations: String::new(),
        }
    }

    /// Takes a delta in. `Malformed` and `TooMuch` as of the whole stream.
    pub fn apply(&mut self, delta: &RawObject) -> Result<(), StreamError> {
        match delta.string("type").as_deref() {
            Some("input_json_delta") => {
                let piece = delta
                    .string("partial_json")
                    .ok_or(StreamError::Malformed("an input_json_delta without text"))?;
                self.input.push_str(&piece);
            }
            Some("citations_delta") => {
                if let Some(citation) = delta.get("citation") {
                    push_to_list(&mut self.citations, citation);
                }
            }
            // `text_delta`, `thinking_delta`, `signature_delta`, and those to come: strings grow the block's field of
            // the same name, anything else replaces it.
            _ => {
                for (key, value) in delta.members().filter(|(key, _)| *key != "type") {
                    match inside_quotes(value) {
                        Some(piece) => self.grow(key, piece),
                        None => drop(self.opened.set(key, value)),
                    }
                }
            }
        }
        if self.grown.len() + self.opened.len() <= MAX_MEMBERS {
            Ok(())
        } else {
            Err(StreamError::TooMuch("fields of a block"))
        }
    }

    fn grow(&mut self, key: &str, piece: &str) {
        if let Some((_, text)) = self.grown.iter_mut().find(|(name, _)| name == key) {
            text.push_str(piece);
            return;
        }
        let begun = self
            .opened
            .get(key)
            .and_then(inside_quotes)
            .unwrap_or_default();
        self.grown.push((key.to_owned(), format!("{begun}{piece}")));
    }

    /// The block as it is in a message.
    pub fn into_block(self) -> RawObject {
        let mut block = self.opened;
        for (key, text) in self.grown {
            block.set(&key, format!("\"{text}\""));
        }
        if !self.input.trim().is_empty() {
            block.set("input", tool_input(&self.input));
        } else if block.get("input").is_none()
            && block.string("type").as_deref() == Some("tool_use")
        {
            block.set("input", "{}");
        }
        if !self.citations.is_empty() {
            let begun = block.get("citations").unwrap_or_default();
            let begun = begun.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            let mut list = begun.unwrap_or_default().trim().to_owned();
            push_to_list(&mut list, &self.citations);
            block.set("citations", format!("[{list}]"));
        }
        block
    }
}

/// What stands between the quotes of a JSON string, escapes as written.
fn inside_quotes(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

fn push_to_list(list: &mut String, element: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(element);
}

fn json_of(object: &RawObject) -> String {
    let mut out = Vec::new();
    object.push_json(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn upstream(data: &[u8]) -> StreamError {
    StreamError::Upstream(Box::new(parse_error(None, data)))
}

#[cfg(test)]
mod tests;
