//! Answers to canonical events: frame by frame, or a whole body at once.

use crate::protocol::canonical::{DecodeContext, Event, Usage};
use crate::protocol::frame::Frame;
use crate::protocol::upstream_error::StreamError;

/// The state of one answer.
#[derive(Debug)]
pub struct Decode {}

impl Decode {
    /// A decoder at the start of an answer.
    pub fn new(_ctx: DecodeContext) -> Self {
        Decode {}
    }

    /// Takes the next frame of a stream. After an error, and after the end, further frames are ignored.
    pub fn push(&mut self, _frame: Frame<'_>, _out: &mut Vec<Event>) -> Result<(), StreamError> {
        Err(StreamError::Truncated)
    }

    /// Ends a stream whose connection ended. `Truncated` when the answer had not.
    pub fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), StreamError> {
        Err(StreamError::Truncated)
    }

    /// Reads a whole body instead of a stream.
    pub fn body(&mut self, _body: &[u8], _out: &mut Vec<Event>) -> Result<(), StreamError> {
        Err(StreamError::Truncated)
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        None
    }
}
