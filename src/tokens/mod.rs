//! How many tokens a request has, counted here: for `count_tokens` when no provider can be asked, and for estimates;
//! and by how much such counts are off.
//!
//! Pure and synchronous. A count of a large body takes tens of milliseconds, so callers use a blocking thread. The
//! vocabularies are part of the binary; nothing is ever downloaded. Reading order: a body as Anthropic's clients send it
//! (`content`), any other request (`request`), what both add up (`tally`), text (`vocabulary`), pictures (`image`), what
//! a model family adds (`family`); what answers teach about all of it (`calibration`).

mod base64;
mod calibration;
mod content;
mod family;
mod image;
mod request;
mod tally;
mod vocabulary;

use thiserror::Error;

use crate::protocol::canonical::{Attachments, Request};
use crate::tokens::family::Family;
use crate::tokens::vocabulary::Vocabularies;

pub use calibration::{Accuracy, Calibration, Method, Model, ModelAccuracy, scaled};

/// Why a body could not be counted.
#[derive(Debug, Error)]
pub enum CountError {
    /// It is not text.
    #[error("body is not valid utf-8")]
    NotUtf8(#[from] simdutf8::basic::Utf8Error),
    /// It is not a Messages body.
    #[error("body is not a countable Messages request: {0}")]
    Body(#[from] serde_json::Error),
    /// It is JSON, but not an object.
    #[error("body is not a countable Messages request: expected a JSON object")]
    NotAnObject,
}

/// Counts tokens. Owns the vocabularies, each loaded when first needed (about 0.1 s); share one behind an `Arc`.
#[derive(Default)]
pub struct Counter {
    vocabularies: Vocabularies,
}

impl Counter {
    /// A counter that has loaded nothing yet.
    pub fn new() -> Self {
        Counter::default()
    }

    /// Input tokens of an Anthropic `/v1/messages` or `/v1/messages/count_tokens` body as `model` would read it.
    ///
    /// Blocks of a kind unknown to us count as the JSON they are; thinking counts nothing, because the vendor strips
    /// the thinking of earlier turns. Fails only when the outline (`messages`, `system`, `tools`) is not what the
    /// vendor documents.
    pub fn messages(&self, body: &[u8], model: &str) -> Result<Count, CountError> {
        content::count(&self.vocabularies, Family::of(model), body)
    }

    /// Input tokens of a request of any dialect as `model` would read it.
    pub fn request(&self, request: &Request, model: &str) -> Count {
        request::count(&self.vocabularies, Family::of(model), request)
    }

    /// Loads what counting for `model` takes, so that the first count need not.
    pub fn warm(&self, model: &str) {
        self.vocabularies.meter(Family::of(model).encoding);
    }
}

/// Input tokens of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Text and its frame: what a vocabulary counts, and a [`Calibration`] corrects.
    pub counted: u64,
    /// Pictures, documents, tools whose definition the vendor keeps: not counted but guessed.
    pub guessed: u64,
}

impl Count {
    /// All tokens, those counted multiplied by what a [`Calibration`] says.
    pub fn corrected(self, ratio: f64) -> u64 {
        scaled(self.counted, ratio).saturating_add(self.guessed)
    }
}

/// Tokens of a request body of this many bytes, without reading it: JSON in English and code has a token for about
/// every four bytes (our estimate). For usage that is corrected later, such as that of `message_start`.
pub fn quick_estimate(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(vocabulary::BYTES_PER_TOKEN)
}

/// Tokens of pictures and documents, without looking at them.
pub fn quick_guess(attachments: &Attachments) -> u64 {
    let images = attachments.images.saturating_mul(image::UNKNOWN_IMAGE);
    images.saturating_add(
        attachments
            .documents
            .saturating_mul(image::UNKNOWN_DOCUMENT),
    )
}

#[cfg(test)]
mod tests;
