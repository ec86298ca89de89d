//! A reasoning item: its summary, or its raw text, becomes a thinking block; what the provider sealed becomes the
//! block's signature, so that it comes back with the next turn.
//!
//! The seal is whole only in `response.output_item.done`. An item whose first event shows that there will be one keeps
//! its block open until then; any other gives way to what follows (OpenRouter ends its reasoning items after the
//! answer, recorded 2025).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::canonical::{BlockStart, Event};
use crate::protocol::envelope::{ReasoningKind, seal_reasoning};
use crate::protocol::openai_chat::surrogate::Joiner;
use crate::protocol::openai_responses::wire_answer as wire;

use super::shown::Shown;

/// Which of the two texts of a reasoning item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// For people to read.
    Summary,
    /// As the model thought it.
    Raw,
}

/// How much of an item was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing.
    #[default]
    Quiet,
    /// Its block is open and holds all of its text.
    Open,
    /// Its block had to be closed without its seal.
    Cut,
    /// It went on after that, in another block.
    OpenAgain,
    /// Its seal was given.
    Sealed,
}

/// One reasoning item.
#[derive(Debug, Default)]
pub(super) struct Reasoning {
    /// The text that came first; the other one says the same again.
    source: Option<Source>,
    /// The part under way.
    part: u64,
    state: State,
    /// A seal will come.
    pub promised: bool,
    shown: Shown,
    joiner: Joiner,
}

impl Reasoning {
    /// Adds text to a part. Parts are paragraphs.
    pub fn text(
        &mut self,
        source: Source,
        part: u64,
        text: &str,
        repaired: bool,
        out: &mut Vec<Event>,
    ) {
        if *self.source.get_or_insert(source) != source || self.state == State::Sealed {
            return;
        }
        let text = self.joiner.join(text, repaired).into_owned();
        if text.is_empty() {
            return;
        }
        let text = if self.part != part && !self.shown.is_empty() {
            format!("\n\n{text}")
        } else {
            text
        };
        self.part = part;
        self.show(text, out);
    }

    fn show(&mut self, text: String, out: &mut Vec<Event>) {
        self.shown.add(&text);
        let open = match self.state {
            State::Quiet => State::Open,
            State::Cut => State::OpenAgain,
            State::Open | State::OpenAgain | State::Sealed => self.state,
        };
        if open != self.state {
            self.state = open;
            out.push(Event::BlockStart(BlockStart::Thinking));
        }
        out.push(Event::Thinking(text));
    }

    /// The item is whole: adds what was not shown, and the seal.
    pub fn whole(
        &mut self,
        item: &wire::Item<'_>,
        raw: &RawValue,
        repaired: bool,
        out: &mut Vec<Event>,
    ) {
        if self.state == State::Sealed {
            return;
        }
        let summary = paragraphs(item.summary);
        let content = paragraphs(item.content);
        let source = self.source.unwrap_or(if summary.is_empty() {
            Source::Raw
        } else {
            Source::Summary
        });
        let text = match source {
            Source::Summary => summary,
            Source::Raw => content,
        };
        self.joiner = Joiner::default();
        let text = Joiner::default().join(&text, repaired).into_owned();
        let missing = self.shown.missing(&text).to_owned();
        if !missing.is_empty() {
            self.show(missing, out);
        }
        let own_text = source == Source::Summary && self.state == State::Open;
        let sealed = item
            .encrypted_content
            .get()
            .and_then(|_| payload(raw, own_text));
        let Some(payload) = sealed else {
            self.close(out);
            return;
        };
        let seal = seal_reasoning(ReasoningKind::Responses, &payload);
        out.push(match self.state {
            State::Open | State::OpenAgain => Event::Signature(seal),
            State::Quiet | State::Cut | State::Sealed => {
                Event::BlockStart(BlockStart::RedactedThinking { data: seal })
            }
        });
        self.state = State::Sealed;
        out.push(Event::BlockStop);
    }

    /// Closes the open block without the provider's seal.
    pub fn close(&mut self, out: &mut Vec<Event>) {
        if matches!(self.state, State::Open | State::OpenAgain) {
            self.state = State::Cut;
            out.push(Event::Signature(seal_reasoning(ReasoningKind::Content, "")));
            out.push(Event::BlockStop);
        }
    }
}

fn paragraphs(raw: Option<&RawValue>) -> String {
    let parts = wire::parts(raw);
    let texts: Vec<&str> = parts.iter().filter_map(|it| it.text.get()).collect();
    texts.join("\n\n")
}

/// The item for the envelope: without what only tells of its making, and without a summary that is the block's text.
fn payload(raw: &RawValue, own_text: bool) -> Option<String> {
    let mut fields: Map<String, Value> = serde_json::from_str(raw.get()).ok()?;
    for key in ["status", "content"] {
        fields.shift_remove(key);
    }
    if own_text {
        fields.shift_remove("summary");
    }
    serde_json::to_string(&fields).ok()
}
