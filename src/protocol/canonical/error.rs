//! Why a request cannot be translated. Everything that can be sent in some lesser form is a loss instead.

use thiserror::Error;

/// Why a request cannot be translated: the client's fault, a 400.
#[derive(Debug, Error)]
pub enum TranslateError {
    /// The body is not JSON.
    #[error("the request body is not valid JSON: {0}")]
    Json(serde_json::Error),
    /// A field is missing or is not what it should be.
    #[error("{path}: {problem}")]
    Field {
        /// The field, dotted: `messages.3.content.0.type`.
        path: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The client uses server-side threads, which no other dialect has. Dropping the field would lose the history:
    /// with it the client sends only its newest message. It falls back to the full history on exactly this refusal,
    /// recognised by [`TranslateError::error_code`].
    #[error("thread: message threads are not supported by this endpoint; send the full history")]
    ThreadUnsupported,
    /// The client refers to what its provider keeps (`previous_response_id`, `conversation`, `background`, a stored
    /// prompt); no other provider has it. Names the field.
    #[error("{0}: kept by the provider, and no other provider has it; send the full input instead")]
    KeptElsewhere(&'static str),
    /// The client asks for something that cannot be had here, in any lesser form (`n` above 1, audio). Names the
    /// field and the reason.
    #[error("{path}: {reason}")]
    Unsupported {
        /// The field, dotted.
        path: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// Nobody calls us in that dialect.
    #[error("requests of this dialect are not taken")]
    NotAClient,
}

/// What is wrong with a field.
#[derive(Debug, Error)]
pub enum Problem {
    /// It is not there.
    #[error("field required")]
    Missing,
    /// It has another type or value.
    #[error("input should be {0}")]
    Expected(&'static str),
    /// It is empty.
    #[error("at least one {0} is required")]
    Empty(&'static str),
    /// It is nested more deeply than anyone means to.
    #[error("nested too deeply")]
    TooDeep,
    /// It is JSON by its outline only: nested too deeply, half a surrogate pair, a number out of range.
    #[error("{0}")]
    Json(serde_json::Error),
}

impl TranslateError {
    /// The stable code for `error.details.error_code` of an Anthropic error body, where clients match on one.
    pub fn error_code(&self) -> Option<&'static str> {
        match self {
            TranslateError::ThreadUnsupported => Some("thread_unsupported_request"),
            TranslateError::Json(_)
            | TranslateError::Field { .. }
            | TranslateError::KeptElsewhere(_)
            | TranslateError::Unsupported { .. }
            | TranslateError::NotAClient => None,
        }
    }
}
