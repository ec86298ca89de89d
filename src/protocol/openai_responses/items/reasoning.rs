//! Reasoning: its text as a summary, because that is what clients show, and what proves its origin as encrypted content,
//! because that is what they send back. `inbound/reasoning.rs` reads both again.

use serde_json::{Map, Value, json};

use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::envelope::{self, ReasoningKind};

use super::fields::{Fields, object};
use super::{Place, Sink, added};

/// A reasoning item that grows.
#[derive(Debug)]
pub(super) struct Reasoning {
    place: Place,
    text: String,
    signature: String,
}

impl Reasoning {
    /// Reasoning without text.
    pub fn new(place: Place, sink: &mut impl Sink) -> Self {
        let reasoning = Reasoning {
            place,
            text: String::new(),
            signature: String::new(),
        };
        added(&reasoning.place, &reasoning.item(), sink);
        reasoning
    }

    /// Adds text.
    pub fn text(&mut self, text: &str, sink: &mut impl Sink) {
        if self.text.is_empty() {
            let empty = summary_text("");
            sink.event("response.reasoning_summary_part.added", |out| {
                self.tell(out);
                out.json("part", &empty);
            });
        }
        self.text.push_str(text);
        sink.event("response.reasoning_summary_text.delta", |out| {
            self.tell(out);
            out.text("delta", text);
        });
    }

    /// Takes what proves its origin.
    pub fn signature(&mut self, signature: &str) {
        signature.clone_into(&mut self.signature);
    }

    /// The block is over.
    pub fn stop(&mut self, sink: &mut impl Sink) {
        if self.text.is_empty() {
            return;
        }
        sink.event("response.reasoning_summary_text.done", |out| {
            self.tell(out);
            out.text("text", &self.text);
        });
        let part = summary_text(&self.text);
        sink.event("response.reasoning_summary_part.done", |out| {
            self.tell(out);
            out.json("part", &part);
        });
    }

    /// The whole item as JSON.
    pub fn finished(self) -> Vec<u8> {
        let own = original(&self.place, &self.signature, &self.text);
        own.unwrap_or_else(|| self.item())
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.text.len().saturating_add(self.signature.len())
    }

    fn item(&self) -> Vec<u8> {
        let summary = if self.text.is_empty() {
            Vec::new()
        } else {
            summary_text(&self.text)
        };
        item(
            &self.place,
            &summary,
            &sealed(&self.signature, ReasoningKind::Anthropic),
        )
    }

    fn tell(&self, out: &mut Fields<'_>) {
        self.place.tell(out);
        out.number("summary_index", 0);
    }
}

/// Opaque reasoning as JSON: an item of OpenAI's as it was, anything else sealed.
pub(super) fn redacted(place: &Place, data: &str) -> Vec<u8> {
    let own = original(place, data, "");
    own.unwrap_or_else(|| item(place, &[], &sealed(data, ReasoningKind::AnthropicRedacted)))
}

/// The vendor's own item in a seal, made whole where it was kept without what every item has, or what `text` says.
fn original(place: &Place, seal: &str, text: &str) -> Option<Vec<u8>> {
    let opened = envelope::open(seal).filter(|it| it.kind == ReasoningKind::Responses)?;
    let mut item: Map<String, Value> = serde_json::from_str(opened.payload).ok()?;
    if item.get("type").and_then(Value::as_str) != Some("reasoning") {
        return None;
    }
    // Text is kept apart from the seal: that of a summary where the item has none, else the full text of the thought.
    let of_summary = !item.contains_key("summary");
    let (field, kind) = if of_summary {
        ("summary", "summary_text")
    } else {
        ("content", "reasoning_text")
    };
    if !text.is_empty() {
        item.insert(field.to_owned(), json!([{"type": kind, "text": text}]));
    }
    for (key, value) in [("id", json!(place.id)), ("summary", json!([]))] {
        if !item.contains_key(key) {
            item.insert(key.to_owned(), value);
        }
    }
    Some(Value::Object(item).to_string().into_bytes())
}

/// What is ours already stays as it is; a signature of Anthropic's gets an envelope, so that it is told from OpenAI's.
fn sealed(signature: &str, kind: ReasoningKind) -> String {
    if signature.is_empty() || envelope::is_ours(signature) {
        signature.to_owned()
    } else {
        envelope::seal_reasoning(kind, signature)
    }
}

fn item(place: &Place, summary: &[u8], encrypted: &str) -> Vec<u8> {
    object(("id", &place.id), |out| {
        out.text("type", "reasoning");
        out.list("summary", summary);
        if !encrypted.is_empty() {
            out.text("encrypted_content", encrypted);
        }
    })
}

fn summary_text(text: &str) -> Vec<u8> {
    let mut out = b"{\"type\":\"summary_text\",\"text\":".to_vec();
    push_json_string(text, &mut out);
    out.push(b'}');
    out
}
