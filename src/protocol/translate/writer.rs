//! Where events become an answer in the client's dialect, streamed or whole.

use crate::error::Fault;
use crate::protocol::canonical::{EncodeContext, Event};
use crate::protocol::upstream_error::StreamError;
use crate::protocol::{anthropic, openai_chat, openai_responses};
use crate::types::Dialect;

/// Writes a stream.
#[derive(Debug)]
pub(super) enum StreamWriter {
    Anthropic(Box<anthropic::Encode>),
    OpenAiChat(Box<openai_chat::Encode>),
    OpenAiResponses(Box<openai_responses::Encode>),
}

impl StreamWriter {
    /// A writer at the start of an answer. Nobody calls us in Gemini's dialect; such a client would hear Anthropic.
    pub fn new(client: Dialect, ctx: EncodeContext) -> Self {
        match client {
            Dialect::Anthropic | Dialect::Gemini => {
                StreamWriter::Anthropic(Box::new(anthropic::Encode::new(ctx)))
            }
            Dialect::OpenAiChat => {
                StreamWriter::OpenAiChat(Box::new(openai_chat::Encode::new(ctx)))
            }
            Dialect::OpenAiResponses => {
                StreamWriter::OpenAiResponses(Box::new(openai_responses::Encode::new(ctx)))
            }
        }
    }

    /// Appends what one event becomes.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            StreamWriter::Anthropic(it) => it.push(event, out),
            StreamWriter::OpenAiChat(it) => it.push(event, out),
            StreamWriter::OpenAiResponses(it) => it.push(event, out),
        }
    }

    /// Ends a stream that broke off with an error that goes on from what was written, where the dialect wants that.
    pub fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        match self {
            StreamWriter::Anthropic(_) | StreamWriter::OpenAiChat(_) => false,
            StreamWriter::OpenAiResponses(it) => {
                let (error_type, code) = openai_responses::words_for(fault);
                it.fail(
                    error_type,
                    Some(code),
                    &openai_responses::text_for(fault),
                    out,
                );
                true
            }
        }
    }
}

/// Writes a whole answer.
#[derive(Debug)]
pub(super) enum WholeWriter {
    Anthropic(Box<anthropic::Assemble>),
    OpenAiChat(Box<openai_chat::Assemble>),
    OpenAiResponses(Box<openai_responses::Assemble>),
}

impl WholeWriter {
    /// A writer at the start of an answer.
    pub fn new(client: Dialect, ctx: EncodeContext) -> Self {
        match client {
            Dialect::Anthropic | Dialect::Gemini => {
                WholeWriter::Anthropic(Box::new(anthropic::Assemble::new(ctx)))
            }
            Dialect::OpenAiChat => {
                WholeWriter::OpenAiChat(Box::new(openai_chat::Assemble::new(ctx)))
            }
            Dialect::OpenAiResponses => {
                WholeWriter::OpenAiResponses(Box::new(openai_responses::Assemble::new(ctx)))
            }
        }
    }

    /// Takes one event. `TooMuch` when the answer passes its limit.
    pub fn push(&mut self, event: &Event) -> Result<(), StreamError> {
        match self {
            WholeWriter::Anthropic(it) => it.push(event),
            WholeWriter::OpenAiChat(it) => it.push(event),
            WholeWriter::OpenAiResponses(it) => it.push(event),
        }
    }

    /// The answer as JSON. `Truncated` when the events did not end.
    pub fn finish(self) -> Result<Vec<u8>, StreamError> {
        match self {
            WholeWriter::Anthropic(it) => it.finish(),
            WholeWriter::OpenAiChat(it) => it.finish(),
            WholeWriter::OpenAiResponses(it) => it.finish(),
        }
    }
}
