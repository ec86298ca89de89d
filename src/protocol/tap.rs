//! What listens to an answer that is relayed untouched: Anthropic's fast tap, or the decoder of another dialect, looked
//! at and not written on.

use crate::protocol::answer::Told;
use crate::protocol::anthropic::{BodyTap, StreamTap};
use crate::protocol::openai_responses;
use crate::protocol::translate::{AnswerContext, BodyTranslator, Observer};
use crate::protocol::upstream_error::{StreamError, UpstreamError};
use crate::types::Dialect;

/// What listens to one stream.
#[derive(Debug)]
pub enum Tap {
    /// Anthropic events.
    Anthropic(StreamTap),
    /// Events of another dialect.
    Other(Observer),
}

impl Tap {
    /// A tap at the start of a stream.
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Anthropic => Tap::Anthropic(StreamTap::new()),
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => {
                Tap::Other(Observer::new(dialect))
            }
        }
    }

    /// Listens to the next piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), StreamError> {
        match self {
            Tap::Anthropic(tap) => tap.push(piece).map_err(StreamError::from),
            Tap::Other(observer) => {
                observer.push(piece);
                Ok(())
            }
        }
    }

    /// Before the first content, an error inside the stream or an unreadable event means: ask another provider.
    pub fn check_unseen(&self) -> Result<(), StreamError> {
        match self {
            Tap::Anthropic(tap) => match tap.error() {
                Some(error) => Err(StreamError::Upstream(Box::new(error.clone()))),
                None if tap.is_malformed() => Err(StreamError::Malformed("an event of the stream")),
                None => Ok(()),
            },
            Tap::Other(observer) => observer.broken().cloned().map_or(Ok(()), Err),
        }
    }

    /// The stream has ended; an error when the answer had not.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        match self {
            Tap::Anthropic(tap) => {
                tap.finish()?;
                match tap.error() {
                    Some(error) => Err(StreamError::Upstream(Box::new(error.clone()))),
                    None if !tap.is_complete() => Err(StreamError::Truncated),
                    None => Ok(()),
                }
            }
            Tap::Other(observer) => observer.finish(),
        }
    }

    /// The commit point was passed.
    pub fn has_content(&self) -> bool {
        match self {
            Tap::Anthropic(tap) => tap.has_content(),
            Tap::Other(observer) => observer.has_content(),
        }
    }

    /// The answer's own end has been seen.
    pub fn is_complete(&self) -> bool {
        match self {
            Tap::Anthropic(tap) => tap.is_complete(),
            Tap::Other(observer) => observer.is_complete(),
        }
    }

    /// The provider's error inside the stream.
    pub fn error(&self) -> Option<&UpstreamError> {
        match self {
            Tap::Anthropic(tap) => tap.error(),
            Tap::Other(observer) => observer.broken().and_then(StreamError::upstream),
        }
    }

    /// What the answer has told so far.
    pub fn told(&self) -> Told {
        match self {
            Tap::Anthropic(tap) => Told {
                usage: tap.usage(),
                stop_reason: tap.stop_reason().map(str::to_owned),
                output_estimate: None,
                wrapping: None,
            },
            Tap::Other(observer) => Told::facts(observer.facts()),
        }
    }
}

/// What a whole answer told, or why it is none.
pub fn whole_told(dialect: Dialect, body: &[u8]) -> Result<Told, StreamError> {
    if dialect != Dialect::Anthropic {
        if dialect == Dialect::OpenAiResponses && openai_responses::is_under_way(body) {
            return Ok(Told::default());
        }
        let mut reader = BodyTranslator::new(AnswerContext::between(dialect, dialect));
        reader.push(body)?;
        return Ok(Told::facts(reader.finish()?.facts));
    }
    match BodyTap::read(body) {
        BodyTap::Message { usage, stop_reason } => Ok(Told {
            usage,
            stop_reason,
            output_estimate: None,
            wrapping: None,
        }),
        BodyTap::Error(error) => Err(StreamError::Upstream(error)),
        BodyTap::NotMessage => Err(StreamError::Malformed("the body is no message")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_of_an_answer_in_the_background_is_an_answer() {
        let body = r#"{"id":"resp_1","object":"response","status":"queued","output":[]}"#;
        assert!(whole_told(Dialect::OpenAiResponses, body.as_bytes()).is_ok());
        let failed = body.replace("queued", "failed");
        assert!(whole_told(Dialect::OpenAiResponses, failed.as_bytes()).is_err());
    }
}
