//! What a provider says when it fails: one shape for the error bodies and in-band errors of all vendors, and what
//! they mean. Readers of the shapes are in `openai_chat/error.rs` and `anthropic/error.rs`; policy is in `proxy/`.
//!
//! Vendors agree on little: statuses are missing inside streams, codes are numbers or words, and the meaning often
//! stands in the text alone; `meaning.rs` reads it.

use std::time::Duration;

use thiserror::Error;

use crate::error::FaultKind;
use crate::protocol::frame::FrameTooLarge;

mod meaning;

pub(crate) use meaning::parse_wait;
use meaning::{kind_of, wait_in_text};

/// What an error of a provider means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The provider as a whole has no capacity.
    Overloaded,
    /// This credential asked too often.
    RateLimited,
    /// This credential has no money or quota left.
    Credit,
    /// The credential is wrong.
    Auth,
    /// The credential is right but may not do this.
    Permission,
    /// The prompt does not fit the context window; the numbers are tokens, where the text tells them.
    ContextTooLong {
        /// Tokens of the prompt.
        tokens: Option<u64>,
        /// Tokens that fit.
        maximum: Option<u64>,
    },
    /// The provider does not know the model.
    ModelNotFound,
    /// The body is too large in bytes.
    TooLarge,
    /// The provider gave up waiting for itself.
    Timeout,
    /// The request is at fault in some other way.
    InvalidRequest,
    /// The provider is at fault in some other way.
    Server,
}

/// An error of a provider, whatever its shape was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the provider reported: {message}")]
pub struct UpstreamError {
    /// The HTTP status, of the head or as the body tells it; `None` when neither did.
    pub status: Option<u16>,
    /// What it means.
    pub kind: ErrorKind,
    /// The provider's text. Never empty.
    pub message: String,
    /// The provider's `type`, in its own words.
    pub error_type: Option<String>,
    /// The provider's `code`, as text.
    pub code: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
    /// How long the body asks us to wait; a `retry-after` header, which it does not know, is the better source.
    pub after: Option<Duration>,
}

/// Why an answer could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// One event is too large.
    #[error(transparent)]
    Frame(#[from] FrameTooLarge),
    /// Something is not of the dialect; names it.
    #[error("the provider's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The provider reported an error inside the answer.
    #[error(transparent)]
    Upstream(#[from] Box<UpstreamError>),
    /// The stream ended before the answer did.
    #[error("the provider's stream was cut before its end")]
    Truncated,
    /// More would have to be held in memory than a limit allows; names what.
    #[error("the provider's answer passes a limit of memory: {0}")]
    TooMuch(&'static str),
}

impl StreamError {
    /// The error the provider reported, if that is what happened.
    pub fn upstream(&self) -> Option<&UpstreamError> {
        match self {
            StreamError::Upstream(error) => Some(error),
            StreamError::Frame(_)
            | StreamError::Malformed(_)
            | StreamError::Truncated
            | StreamError::TooMuch(_) => None,
        }
    }

    /// What to do about it, in the words of the retry policy.
    pub fn fault_kind(&self) -> FaultKind {
        match self {
            StreamError::Upstream(error) => error.fault_kind(None),
            StreamError::Frame(_)
            | StreamError::Malformed(_)
            | StreamError::Truncated
            | StreamError::TooMuch(_) => FaultKind::UpstreamBadAnswer,
        }
    }
}

/// The raw parts of an error, before their meaning is known.
#[derive(Debug, Default)]
pub(crate) struct ErrorParts {
    pub status: Option<u16>,
    pub message: Option<String>,
    pub error_type: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
    pub after: Option<Duration>,
    /// Further text that tells the meaning but is not the message, such as `metadata.raw` of OpenRouter.
    pub detail: Option<String>,
}

impl ErrorParts {
    /// Finds the meaning.
    pub fn into_error(self) -> UpstreamError {
        let kind = kind_of(&self);
        let told = self.message.as_deref().and_then(wait_in_text);
        UpstreamError {
            status: self.status,
            kind,
            message: self
                .message
                .filter(|it| !it.trim().is_empty())
                .or(self.detail)
                .or_else(|| self.error_type.clone())
                .or_else(|| self.code.clone())
                .unwrap_or_else(|| "the provider gave no reason".to_owned()),
            error_type: self.error_type,
            code: self.code,
            param: self.param,
            after: self.after.or(told),
        }
    }
}

/// Stands in front of a provider's own words, in brackets, where the prompt is too long by nobody knows how much: a
/// mark that Claude Code compacts on.
pub(crate) const TOO_LONG_MARK: &str = "capability_rejected: prompt_too_long (";

impl UpstreamError {
    /// The status that tells this error best: the provider's own, or the usual one of its kind.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(match self.kind {
            ErrorKind::Overloaded => 529,
            ErrorKind::RateLimited => 429,
            ErrorKind::Credit => 402,
            ErrorKind::Auth => 401,
            ErrorKind::Permission => 403,
            ErrorKind::ContextTooLong { .. } | ErrorKind::InvalidRequest => 400,
            ErrorKind::ModelNotFound => 404,
            ErrorKind::TooLarge => 413,
            ErrorKind::Timeout => 504,
            ErrorKind::Server => 500,
        })
    }

    /// What to do about it, in the words of the retry policy; `after` is what the head said about waiting, the body's
    /// word counts where it said nothing.
    pub fn fault_kind(&self, after: Option<Duration>) -> FaultKind {
        let status = self.http_status();
        let after = after.or(self.after);
        match self.kind {
            ErrorKind::Overloaded => FaultKind::UpstreamOverloaded { after },
            ErrorKind::RateLimited => FaultKind::UpstreamLimited { after },
            ErrorKind::Credit => FaultKind::UpstreamCredit { status },
            ErrorKind::Auth | ErrorKind::Permission => FaultKind::UpstreamAuth { status },
            ErrorKind::ContextTooLong { .. } => FaultKind::UpstreamContextTooLong,
            ErrorKind::ModelNotFound => FaultKind::UpstreamModelNotFound,
            ErrorKind::TooLarge | ErrorKind::InvalidRequest => {
                FaultKind::UpstreamRejected { status }
            }
            ErrorKind::Timeout | ErrorKind::Server => FaultKind::UpstreamStatus { status },
        }
    }

    /// The message for a client that knows Anthropic's wordings: one that Claude Code compacts on when the prompt is
    /// too long, the provider's own text otherwise.
    pub fn message_for_anthropic(&self) -> String {
        match self.kind {
            ErrorKind::ContextTooLong {
                tokens: Some(tokens),
                maximum: Some(maximum),
            } => format!("prompt is too long: {tokens} tokens > {maximum} maximum"),
            ErrorKind::ContextTooLong { .. } if self.message.contains("prompt is too long") => {
                self.message.clone()
            }
            ErrorKind::ContextTooLong { .. } => {
                format!("{TOO_LONG_MARK}{})", self.message)
            }
            ErrorKind::Overloaded
            | ErrorKind::RateLimited
            | ErrorKind::Credit
            | ErrorKind::Auth
            | ErrorKind::Permission
            | ErrorKind::ModelNotFound
            | ErrorKind::TooLarge
            | ErrorKind::Timeout
            | ErrorKind::InvalidRequest
            | ErrorKind::Server => self.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
