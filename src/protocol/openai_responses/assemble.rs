//! Canonical events to one whole answer, for clients that do not stream.

use crate::protocol::canonical::{EncodeContext, Event};
use crate::protocol::upstream_error::StreamError;

/// Gathers events into one answer.
#[derive(Debug)]
pub struct Assemble {}

impl Assemble {
    /// An empty answer.
    pub fn new(_ctx: EncodeContext) -> Self {
        Assemble {}
    }

    /// Takes one event. `TooMuch` when the answer passes its limit.
    pub fn push(&mut self, _event: &Event) -> Result<(), StreamError> {
        Err(StreamError::Truncated)
    }

    /// The answer as JSON. `Truncated` when the events did not end.
    pub fn finish(self) -> Result<Vec<u8>, StreamError> {
        Err(StreamError::Truncated)
    }
}
