//! Watches an answer that is relayed untouched, for dialects without a tap of their own: it is decoded like any other,
//! and the events are only looked at.

use crate::protocol::canonical::{DecodeContext, StopReason, Usage};
use crate::protocol::translate::AnswerFacts;
use crate::protocol::translate::reader::Reader;
use crate::protocol::upstream_error::StreamError;
use crate::types::Dialect;

/// What watches one answer.
#[derive(Debug)]
pub struct Observer {
    reader: Reader,
    facts: AnswerFacts,
    broken: Option<StreamError>,
}

impl Observer {
    /// An observer at the start of an answer of that dialect.
    pub fn new(provider: Dialect) -> Self {
        Observer {
            reader: Reader::new(provider, DecodeContext::default()),
            facts: AnswerFacts::default(),
            broken: None,
        }
    }

    /// Looks at the next bytes. What cannot be read is remembered and ends the looking, not the relaying.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() && !self.is_complete() {
            self.broken = self.reader.push(bytes).err();
            self.observe();
        }
    }

    /// The answer has ended. `Truncated` when it was cut.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        if self.is_complete() {
            return Ok(());
        }
        if self.broken.is_none() {
            self.broken = self.reader.finish().err();
            self.observe();
        }
        match &self.broken {
            // The client has the very bytes and judges them itself; that we could not follow says nothing.
            Some(StreamError::Malformed(_) | StreamError::TooMuch(_) | StreamError::Frame(_))
                if self.has_content() =>
            {
                Ok(())
            }
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn observe(&mut self) {
        for event in self.reader.events.drain(..) {
            self.facts.observe(&event);
        }
    }

    /// The commit point was passed.
    pub fn has_content(&self) -> bool {
        self.facts.has_content || self.reader.has_unshown()
    }

    /// The answer is whole.
    pub fn is_complete(&self) -> bool {
        self.facts.stop.is_some()
    }

    /// Why it cannot be read on.
    pub fn broken(&self) -> Option<&StreamError> {
        self.broken.as_ref()
    }

    /// Tokens as the provider counted them so far.
    pub fn usage(&self) -> Option<Usage> {
        self.facts.usage.or_else(|| self.reader.usage())
    }

    /// What was seen of the answer so far.
    pub fn facts(&self) -> AnswerFacts {
        self.facts.with_usage(self.usage())
    }

    /// Why the answer ended; `None` until it has.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.facts.stop
    }
}
