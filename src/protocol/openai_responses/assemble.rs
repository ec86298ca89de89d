//! Canonical events to one whole answer, for clients that do not stream: what a stream's last event would hold.

use crate::protocol::canonical::{EncodeContext, Event};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::upstream_error::StreamError;

use super::items::answer::{State, response};
use super::items::{Ending, Items, Silent};

/// Gathers events into one answer.
#[derive(Debug)]
pub struct Assemble {
    items: Items,
    ending: Option<Ending>,
}

impl Assemble {
    /// An empty answer.
    pub fn new(ctx: EncodeContext) -> Self {
        Assemble {
            items: Items::new(ctx),
            ending: None,
        }
    }

    /// Takes one event. `TooMuch` when the answer passes [`MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, event: &Event) -> Result<(), StreamError> {
        if let Some(ending) = self.items.push(event, &mut Silent) {
            self.ending = Some(ending);
        }
        if self.items.held() <= MAX_MESSAGE_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("the whole message"))
        }
    }

    /// The answer as JSON. `Truncated` when the events did not end.
    pub fn finish(self) -> Result<Vec<u8>, StreamError> {
        let ending = self.ending.ok_or(StreamError::Truncated)?;
        let state = State::Ended(&ending);
        Ok(response(&self.items.ctx, state, self.items.finished()))
    }
}
