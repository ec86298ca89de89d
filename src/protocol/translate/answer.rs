//! A provider's answer for a client of another dialect, for each of the four cases: the client wants a stream or a body,
//! the provider gives a stream or a body.

use crate::error::Fault;
use crate::protocol::anthropic::OutputEstimate;
use crate::protocol::canonical::{DecodeContext, EncodeContext, Event, StopReason, Usage};
use crate::protocol::translate::reader::Reader;
use crate::protocol::translate::writer::{StreamWriter, WholeWriter};
use crate::protocol::upstream_error::StreamError;
use crate::types::Dialect;

/// What must be known to answer a client from a provider of another dialect.
#[derive(Clone, Debug)]
pub struct AnswerContext {
    /// The provider's dialect.
    pub provider: Dialect,
    /// The client's dialect.
    pub client: Dialect,
    /// For the reader of the provider's answer.
    pub decode: DecodeContext,
    /// For the writer of the client's.
    pub encode: EncodeContext,
}

impl AnswerContext {
    /// A context that knows nothing of the request.
    pub fn between(provider: Dialect, client: Dialect) -> Self {
        AnswerContext {
            provider,
            client,
            decode: DecodeContext::default(),
            encode: EncodeContext::default(),
        }
    }

    /// The same, for a message of that id in answer to a request for `model`.
    pub fn named(mut self, model: &str, message_id: &str, input_estimate: u64) -> Self {
        message_id.clone_into(&mut self.decode.seed);
        message_id.clone_into(&mut self.encode.message_id);
        model.clone_into(&mut self.encode.model);
        self.encode.input_estimate = input_estimate;
        self
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
    output: OutputEstimate,
}

impl AnswerFacts {
    /// Our estimate of the tokens seen, for a provider that counts none.
    pub fn output_estimate(&self) -> u64 {
        self.output.tokens()
    }

    pub(super) fn with_usage(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }

    pub(super) fn observe(&mut self, event: &Event) {
        self.output.observe(event);
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(_)
            | Event::Text(_)
            | Event::Citation(_)
            | Event::Logprobs(_)
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

/// A provider's answer to a client that streams.
#[derive(Debug)]
pub struct StreamTranslator {
    reader: Reader,
    writer: StreamWriter,
    facts: AnswerFacts,
    failed: bool,
}

impl StreamTranslator {
    /// A translator at the start of an answer.
    pub fn new(ctx: AnswerContext) -> Self {
        StreamTranslator {
            reader: Reader::new(ctx.provider, ctx.decode),
            writer: StreamWriter::new(ctx.client, ctx.encode),
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

    /// The error that ends the client's stream after what was written, where its dialect has more to say than one
    /// event that stands alone.
    pub fn fail(&mut self, fault: &Fault) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.writer.fail(fault, &mut out).then_some(out)
    }

    fn encode_events(&mut self, out: &mut Vec<u8>) {
        for event in self.reader.events.drain(..) {
            self.facts.observe(&event);
            self.writer.push(&event, out);
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
        self.facts.usage.or_else(|| self.reader.usage())
    }

    /// What was seen of the answer so far.
    pub fn facts(&self) -> AnswerFacts {
        self.facts.with_usage(self.usage())
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
    writer: WholeWriter,
    facts: AnswerFacts,
}

impl BodyTranslator {
    /// A translator at the start of an answer.
    pub fn new(ctx: AnswerContext) -> Self {
        BodyTranslator {
            reader: Reader::new(ctx.provider, ctx.decode),
            writer: WholeWriter::new(ctx.client, ctx.encode),
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
            body: self.writer.finish()?,
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
            self.writer.push(&event)?;
        }
        Ok(())
    }
}

/// A provider's JSON body as one message.
pub fn body_answer(body: &[u8], ctx: AnswerContext) -> Result<WholeAnswer, StreamError> {
    let mut translator = BodyTranslator::new(ctx);
    translator.reader.expect_body();
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
    translator.reader.expect_body();
    translator.push(body, out)?;
    translator.finish(out)?;
    Ok(translator.facts)
}
