//! What is told about the text of an answer: its sources, and how likely its tokens were. It belongs to the block of
//! text that is open; what comes before the text does waits for it.

use serde_json::value::RawValue;

use super::{Blocks, Open};
use crate::protocol::canonical::{Citation, Event};
use crate::protocol::upstream_error::StreamError;

impl Blocks {
    /// Adds how likely the last tokens of the text were: a list of entries.
    pub fn logprobs(&mut self, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let inside = raw
            .get()
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'));
        if inside.is_none_or(|it| it.trim().is_empty()) {
            return Ok(());
        }
        let bytes = raw.get().len();
        self.about_text(Event::Logprobs(raw.to_owned()), bytes, out)
    }

    /// Adds a source of the text. The part that rests on it is counted through all of the answer's text, which is the
    /// open block's as long as there is no other.
    pub fn source(
        &mut self,
        mut source: Citation,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if 1 < self.texts {
            source.span = None;
        }
        let texts = [&source.url, &source.title, &source.cited_text];
        let bytes = texts.into_iter().flatten().map(String::len).sum();
        self.about_text(Event::Citation(Box::new(source)), bytes, out)
    }

    fn about_text(
        &mut self,
        event: Event,
        bytes: usize,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if self.open == Open::Text && self.queue.is_empty() {
            out.push(event);
            return Ok(());
        }
        self.hold(bytes)?;
        self.untold_bytes = self.untold_bytes.saturating_add(bytes);
        self.untold.push(event);
        Ok(())
    }
}
