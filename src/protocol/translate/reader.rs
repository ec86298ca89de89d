//! Where a provider's answer becomes events, whatever its dialect, and whether it is a stream or, from providers that do
//! not mind what was asked, a whole body.

use crate::protocol::canonical::{DecodeContext, Event, Usage};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::frame::{Frame, SseDecoder};
use crate::protocol::upstream_error::StreamError;
use crate::protocol::{anthropic, gemini, openai_chat, openai_responses};
use crate::types::Dialect;

/// The reader of one answer.
#[derive(Debug)]
pub(super) struct Reader {
    frames: SseDecoder,
    decode: Decode,
    /// What was read and not taken yet.
    pub events: Vec<Event>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Nothing but spaces has come.
    Unknown,
    Stream,
    /// A JSON body, gathered.
    Body(Vec<u8>),
}

impl Reader {
    /// A reader at the start of an answer.
    pub fn new(provider: Dialect, ctx: DecodeContext) -> Self {
        Reader {
            frames: match provider {
                Dialect::Gemini => SseDecoder::gathering_bare_json(),
                Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                    SseDecoder::new()
                }
            },
            decode: Decode::new(provider, ctx),
            events: Vec::new(),
            form: Form::Unknown,
        }
    }

    /// What follows is a body, whatever it looks like.
    pub fn expect_body(&mut self) {
        self.form = Form::Body(Vec::new());
    }

    /// Reads on; the events are in `self.events`, those before an error included.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        if let Form::Unknown = self.form {
            match bytes.iter().find(|byte| !is_json_space(**byte)) {
                None => {}
                Some(b'{' | b'[') => self.form = Form::Body(Vec::new()),
                Some(b'<') => return Err(StreamError::Malformed("a page instead of a stream")),
                Some(_) => self.form = Form::Stream,
            }
        }
        if let Form::Body(body) = &mut self.form {
            body.extend_from_slice(bytes);
            return if body.len() <= MAX_MESSAGE_BYTES {
                Ok(())
            } else {
                Err(StreamError::TooMuch("the whole message"))
            };
        }
        let Reader {
            frames,
            decode,
            events,
            ..
        } = self;
        frames.push(bytes, |frame| decode.push(frame, events))
    }

    /// Ends the answer. `Truncated` when it was cut.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        let Reader {
            frames,
            decode,
            events,
            form,
        } = self;
        if let Form::Body(body) = form {
            return decode.body(&std::mem::take(body), events);
        }
        frames.finish(|frame| decode.push(frame, events))?;
        decode.finish(events)
    }

    /// Whether something came that is content to a client of the provider's own dialect alone.
    pub fn has_unshown(&self) -> bool {
        match &self.decode {
            Decode::OpenAiResponses(it) => it.has_unshown(),
            Decode::Anthropic(_) | Decode::OpenAiChat(_) | Decode::Gemini(_) => false,
        }
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.decode.usage()
    }
}

/// Fewer than ASCII has: what else stands before a brace makes it no JSON, however the bytes are cut.
fn is_json_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The decoder of a dialect.
#[derive(Debug)]
enum Decode {
    Anthropic(Box<anthropic::Decode>),
    OpenAiChat(Box<openai_chat::Decode>),
    OpenAiResponses(Box<openai_responses::Decode>),
    Gemini(Box<gemini::Decode>),
}

impl Decode {
    fn new(provider: Dialect, ctx: DecodeContext) -> Self {
        match provider {
            Dialect::Anthropic => Decode::Anthropic(Box::new(anthropic::Decode::new(ctx))),
            Dialect::OpenAiChat => Decode::OpenAiChat(Box::new(openai_chat::Decode::new(ctx))),
            Dialect::OpenAiResponses => {
                Decode::OpenAiResponses(Box::new(openai_responses::Decode::new(ctx)))
            }
            Dialect::Gemini => Decode::Gemini(Box::new(gemini::Decode::new(ctx))),
        }
    }

    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self {
            Decode::Anthropic(it) => it.push(frame, out),
            Decode::OpenAiChat(it) => it.push(frame, out),
            Decode::OpenAiResponses(it) => it.push(frame, out),
            Decode::Gemini(it) => it.push(frame, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self {
            Decode::Anthropic(it) => it.finish(out),
            Decode::OpenAiChat(it) => it.finish(out),
            Decode::OpenAiResponses(it) => it.finish(out),
            Decode::Gemini(it) => it.finish(out),
        }
    }

    fn body(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self {
            Decode::Anthropic(it) => it.body(body, out),
            Decode::OpenAiChat(it) => it.body(body, out),
            Decode::OpenAiResponses(it) => it.body(body, out),
            Decode::Gemini(it) => it.body(body, out),
        }
    }

    fn usage(&self) -> Option<Usage> {
        match self {
            Decode::Anthropic(it) => it.usage(),
            Decode::OpenAiChat(it) => it.usage(),
            Decode::OpenAiResponses(it) => it.usage(),
            Decode::Gemini(it) => it.usage(),
        }
    }
}
