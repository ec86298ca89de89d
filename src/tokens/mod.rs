//! How many tokens a request has, counted here: for `count_tokens` when no provider can be asked, and for estimates.
//!
//! Pure and synchronous. A count of a large body takes tens of milliseconds, so callers use a blocking thread. The
//! vocabularies are part of the binary; nothing is ever downloaded. Reading order: body (`content`), text
//! (`vocabulary`), pictures (`image`), what a model family adds (`family`).

mod base64;
mod content;
mod family;
mod image;
mod vocabulary;

use thiserror::Error;

use crate::tokens::family::Family;
use crate::tokens::vocabulary::{Encoding, Vocabularies};

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
    pub fn count_messages_request(&self, body: &[u8], model: &str) -> Result<u64, CountError> {
        content::count(&self.vocabularies, Family::of(model), body)
    }

    /// Tokens of plain text for a model nobody named: a fair guess for any of them.
    pub fn estimate_text(&self, text: &str) -> u64 {
        let mut meter = self.vocabularies.meter(Encoding::O200k);
        meter.add(text);
        meter.tokens()
    }
}

/// Tokens of a request body of this many bytes, without reading it: JSON in English and code has a token for about
/// every four bytes (our estimate). For usage that is corrected later, such as that of `message_start`.
pub fn quick_estimate(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(vocabulary::BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests;
