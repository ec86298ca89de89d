//! A message of the answer: its parts become text blocks, one for each.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::protocol::canonical::{BlockStart, Citation, Event};
use crate::protocol::openai_chat::surrogate::Joiner;
use crate::protocol::openai_responses::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

use super::search::Searches;
use super::shown::Shown;

/// Parts of one message.
const MAX_PARTS: usize = 1024;

/// One message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The part whose block is open.
    open: Option<u64>,
    parts: BTreeMap<u64, Part>,
}

/// What of one part was shown.
#[derive(Debug, Default)]
struct Part {
    shown: Shown,
    annotations: usize,
    logprobs: bool,
    joiner: Joiner,
}

impl Message {
    /// Adds text to a part; opens its block when there is something to show.
    pub fn text(
        &mut self,
        index: u64,
        text: &str,
        repaired: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        let text = self.part(index)?.joiner.join(text, repaired).into_owned();
        self.show(index, text, out)
    }

    fn show(&mut self, index: u64, text: String, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        self.part(index)?.shown.add(&text);
        if self.open != Some(index) {
            self.close(out);
            self.open = Some(index);
            out.push(Event::BlockStart(BlockStart::Text));
        }
        out.push(Event::Text(text));
        Ok(())
    }

    /// A part is whole: adds what of it was not shown.
    pub fn whole(
        &mut self,
        index: u64,
        part: &wire::Part<'_>,
        repaired: bool,
        searches: &mut Searches,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if let Some(text) = part.text.get().or(part.refusal.get()) {
            let known = self.part(index)?;
            // The whole has no cut characters but its own.
            known.joiner = Joiner::default();
            let whole = Joiner::default().join(text, repaired).into_owned();
            let missing = known.shown.missing(&whole).to_owned();
            self.show(index, missing, out)?;
        }
        let seen = self.part(index)?.annotations;
        let annotations: Vec<&RawValue> = wire::lenient(part.annotations);
        for annotation in annotations.into_iter().skip(seen) {
            self.annotation(index, annotation, searches, out)?;
        }
        if !self.part(index)?.logprobs {
            self.logprobs(index, part.logprobs, out)?;
        }
        Ok(())
    }

    /// A source for what a part says.
    pub fn annotation(
        &mut self,
        index: u64,
        raw: &RawValue,
        searches: &mut Searches,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let part = self.part(index)?;
        part.annotations = part.annotations.saturating_add(1);
        let annotation: wire::Annotation<'_> = wire::lenient(Some(raw));
        let Some(citation) = citation(&annotation) else {
            return Ok(());
        };
        if let Some(url) = &citation.url {
            searches.found(url, citation.title.as_deref());
        }
        // Of a part whose block is closed, the source is known as one of the search's results at least.
        if self.open == Some(index) {
            out.push(Event::Citation(Box::new(citation)));
        }
        Ok(())
    }

    /// How likely the tokens were.
    pub fn logprobs(
        &mut self,
        index: u64,
        raw: Option<&RawValue>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let Some(raw) = raw.filter(|it| it.get().starts_with('[') && 2 < it.get().len()) else {
            return Ok(());
        };
        if self.open == Some(index) {
            self.part(index)?.logprobs = true;
            out.push(Event::Logprobs(raw.to_owned()));
        }
        Ok(())
    }

    /// Closes the open block.
    pub fn close(&mut self, out: &mut Vec<Event>) {
        if self.open.take().is_some() {
            out.push(Event::BlockStop);
        }
    }

    fn part(&mut self, index: u64) -> Result<&mut Part, StreamError> {
        if MAX_PARTS <= self.parts.len() && !self.parts.contains_key(&index) {
            return Err(StreamError::TooMuch("parts of a message"));
        }
        Ok(self.parts.entry(index).or_default())
    }
}

fn citation(annotation: &wire::Annotation<'_>) -> Option<Citation> {
    let text = |it: Option<&str>| it.map(str::to_owned);
    let span = annotation.start_index.0.zip(annotation.end_index.0);
    match annotation.kind.get() {
        Some("url_citation") => Some(Citation {
            url: text(Some(annotation.url.get()?)),
            title: text(annotation.title.get()),
            span,
            ..Citation::default()
        }),
        Some("file_citation" | "container_file_citation") => Some(Citation {
            title: text(Some(annotation.filename.get()?)),
            span,
            ..Citation::default()
        }),
        _ => None,
    }
}
