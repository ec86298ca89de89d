//! Canonical events to a stream for the client.

use crate::protocol::canonical::{EncodeContext, Event};

/// The state of one answer.
#[derive(Debug)]
pub struct Encode {}

impl Encode {
    /// An encoder at the start of an answer.
    pub fn new(_ctx: EncodeContext) -> Self {
        Encode {}
    }

    /// Appends what one event becomes.
    pub fn push(&mut self, _event: &Event, _out: &mut Vec<u8>) {}
}
