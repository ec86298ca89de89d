//! Requests and answers of one dialect for another. For answers: the machines of `frame/`, `openai_chat/` and `anthropic/` put
//! together for each of the four cases (client wants a stream or a body, provider gives a stream or a body).

use crate::protocol::anthropic::{self, Assemble, Encode, EncodeContext};
use crate::protocol::canonical::{Event, Losses, StopReason, ToolNames, TranslateError, Usage};
use crate::protocol::frame::SseDecoder;
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::openai_chat::{self, Decode, DecodeContext, Profile};
use crate::protocol::upstream_error::StreamError;

/// A client's request in a provider's dialect, and what its answer has to be read with.
#[derive(Debug)]
pub struct Translation {
    /// The body to send.
    pub body: Vec<u8>,
    /// For the reader of the answer.
    pub context: AnswerContext,
    /// What could not be said.
    pub losses: Losses,
}

/// What [`request`] needs to know besides the request itself.
#[derive(Debug)]
pub struct RequestContext<'a> {
    /// The model to ask the provider for.
    pub model: &'a str,
    /// What the provider takes.
    pub profile: &'a Profile,
    /// The id of the message to come, `msg_` and letters and digits.
    pub message_id: String,
    /// Our estimate of the prompt, in tokens.
    pub input_estimate: u64,
    /// The provider only streams: ask for a stream whatever the client wants.
    pub always_stream: bool,
}

/// Translates an Anthropic request for an OpenAI-type provider.
pub fn request(body: &[u8], ctx: RequestContext<'_>) -> Result<Translation, TranslateError> {
    let mut losses = Losses::default();
    let mut request = anthropic::messages(body, &mut losses)?;
    request.stream |= ctx.always_stream;
    let outbound = openai_chat::outbound(&request, ctx.model, ctx.profile, &mut losses)?;
    let context = AnswerContext {
        client_model: request.model,
        message_id: ctx.message_id,
        input_estimate: ctx.input_estimate,
        names: outbound.names,
        stop_sequences: request.stop_sequences,
    };
    Ok(Translation {
        body: outbound.body,
        context,
        losses,
    })
}

/// What must be known to answer a client of the Anthropic dialect from an OpenAI-type provider.
#[derive(Clone, Debug, Default)]
pub struct AnswerContext {
    /// The model as the client named it.
    pub client_model: String,
    /// The id of the message, `msg_` and letters and digits; also makes tool ids of our own unique.
    pub message_id: String,
    /// Our estimate of the prompt, in tokens.
    pub input_estimate: u64,
    /// Tool names to restore.
    pub names: ToolNames,
    /// The request's stop sequences.
    pub stop_sequences: Vec<String>,
}

impl AnswerContext {
    fn split(self) -> (DecodeContext, EncodeContext) {
        let decode = DecodeContext {
            names: self.names,
            seed: self.message_id.clone(),
            stop_sequences: self.stop_sequences,
        };
        let encode = EncodeContext {
            model: self.client_model,
            message_id: self.message_id,
            input_estimate: self.input_estimate,
        };
        (decode, encode)
    }
}

/// What was seen of an answer on its way through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The commit point was passed: a delta that is not empty, the start of a tool call, or the end of an empty answer.
    pub has_content: bool,
    /// Why it ended; `None` until it has.
    pub stop: Option<StopReason>,
    /// Tokens as the provider counted them; `None` until it has, or when it never did.
    pub usage: Option<Usage>,
}

impl AnswerFacts {
    fn observe(&mut self, event: &Event) {
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(_)
            | Event::Text(_)
            | Event::Thinking(_)
            | Event::Signature(_)
            | Event::ToolArguments(_)
            | Event::BlockStop => self.has_content = true,
            Event::Finish { stop, usage, .. } => {
                self.has_content = true;
                self.stop = Some(*stop);
                self.usage = *usage;
            }
        }
    }
}

/// Where a provider's answer becomes events, be it a stream or, from providers that do not mind what was asked, a
/// whole body.
#[derive(Debug)]
struct Reader {
    frames: SseDecoder,
    decode: Decode,
    events: Vec<Event>,
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
    fn new(ctx: DecodeContext) -> Self {
        Reader {
            frames: SseDecoder::new(),
            decode: Decode::new(ctx),
            events: Vec::new(),
            form: Form::Unknown,
        }
    }

    /// Reads on; the events are in `self.events`, those before an error included.
    fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        if let Form::Unknown = self.form {
            match bytes.trim_ascii_start().first() {
                None => {}
                Some(b'{') => self.form = Form::Body(Vec::new()),
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

    fn finish(&mut self) -> Result<(), StreamError> {
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
}

/// A provider's answer to a client that streams.
#[derive(Debug)]
pub struct StreamTranslator {
    reader: Reader,
    encode: Encode,
    facts: AnswerFacts,
    failed: bool,
}

impl StreamTranslator {
    /// A translator at the start of an answer.
    pub fn new(ctx: AnswerContext) -> Self {
        let (decode, encode) = ctx.split();
        StreamTranslator {
            reader: Reader::new(decode),
            encode: Encode::new(encode),
            facts: AnswerFacts::default(),
            failed: false,
        }
    }

    /// Takes the next bytes of the provider's answer and appends what they become. After an error, what was appended
    /// is still good, and nothing more will be: the caller writes the error event, or, before any content, throws
    /// `out` away and tries elsewhere.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), StreamError> {
        if self.failed || self.is_complete() {
            return Ok(());
        }
        let read = self.reader.push(bytes);
        self.encode_events(out);
        self.failed = read.is_err();
        read
    }

    /// Ends the provider's answer. `Truncated` when it was cut.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), StreamError> {
        if self.failed || self.is_complete() {
            return Ok(());
        }
        let read = self.reader.finish();
        self.encode_events(out);
        self.failed = read.is_err();
        read
    }

    fn encode_events(&mut self, out: &mut Vec<u8>) {
        for event in self.reader.events.drain(..) {
            self.facts.observe(&event);
            self.encode.push(&event, out);
        }
    }

    /// The commit point was passed.
    pub fn has_content(&self) -> bool {
        self.facts.has_content
    }

    /// The answer is whole, `message_stop` included.
    pub fn is_complete(&self) -> bool {
        self.facts.stop.is_some()
    }

    /// Tokens as the provider counted them so far.
    pub fn usage(&self) -> Option<Usage> {
        self.facts.usage.or_else(|| self.reader.decode.usage())
    }

    /// Why the answer ended; `None` until it has.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.facts.stop
    }
}

/// A whole message for the client, and what is to be known of it.
#[derive(Clone, Debug)]
pub struct WholeAnswer {
    /// The message as JSON.
    pub body: Vec<u8>,
    /// What was seen of it.
    pub facts: AnswerFacts,
}

/// A provider's answer, streamed or not, to a client that wants one body.
#[derive(Debug)]
pub struct BodyTranslator {
    reader: Reader,
    assemble: Assemble,
    facts: AnswerFacts,
}

impl BodyTranslator {
    /// A translator at the start of an answer.
    pub fn new(ctx: AnswerContext) -> Self {
        let (decode, encode) = ctx.split();
        BodyTranslator {
            reader: Reader::new(decode),
            assemble: Assemble::new(encode),
            facts: AnswerFacts::default(),
        }
    }

    /// Takes the next bytes of the provider's answer.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.reader.push(bytes)?;
        self.gather()
    }

    /// Ends the provider's answer and gives the message.
    pub fn finish(mut self) -> Result<WholeAnswer, StreamError> {
        self.reader.finish()?;
        self.gather()?;
        Ok(WholeAnswer {
            body: self.assemble.finish()?,
            facts: self.facts,
        })
    }

    /// The answer is whole; bytes that follow do not matter.
    pub fn is_complete(&self) -> bool {
        self.facts.stop.is_some()
    }

    fn gather(&mut self) -> Result<(), StreamError> {
        for event in self.reader.events.drain(..) {
            self.facts.observe(&event);
            self.assemble.push(&event)?;
        }
        Ok(())
    }
}

/// A provider's JSON body as one message.
pub fn body_answer(body: &[u8], ctx: AnswerContext) -> Result<WholeAnswer, StreamError> {
    let mut translator = BodyTranslator::new(ctx);
    translator.reader.form = Form::Body(Vec::new());
    translator.push(body)?;
    translator.finish()
}

/// A provider's JSON body as a stream for a client that asked for one.
pub fn stream_from_body(
    body: &[u8],
    ctx: AnswerContext,
    out: &mut Vec<u8>,
) -> Result<AnswerFacts, StreamError> {
    let mut translator = StreamTranslator::new(ctx);
    translator.reader.form = Form::Body(Vec::new());
    translator.push(body, out)?;
    translator.finish(out)?;
    Ok(translator.facts)
}

#[cfg(test)]
mod tests;
