//! A message: parts of text with their sources and log probabilities, or a refusal.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::canonical::Citation;

use super::fields::{Fields, object};
use super::{Place, Sink, Status, added};

/// A message that grows.
#[derive(Debug)]
pub(super) struct Message {
    place: Place,
    /// The finished parts as JSON, separated by commas.
    parts: Vec<u8>,
    /// How many parts there are, the open one included.
    count: u64,
    open: Part,
}

/// The open part.
#[derive(Debug, Default)]
struct Part {
    text: String,
    /// Entries as JSON, separated by commas.
    logprobs: Vec<u8>,
    citations: Vec<Citation>,
    /// Bytes of the citations.
    cited: usize,
}

impl Message {
    /// An empty message.
    pub fn new(place: Place, sink: &mut impl Sink) -> Self {
        added(&place, &item(&place, "in_progress", &[]), sink);
        Message {
            place,
            parts: Vec::new(),
            count: 0,
            open: Part::default(),
        }
    }

    /// Opens a part of text.
    pub fn part_start(&mut self, sink: &mut impl Sink) {
        self.count = self.count.saturating_add(1);
        let empty = text_part("", &[], &[]);
        sink.event("response.content_part.added", |out| {
            self.tell(out);
            out.json("part", &empty);
        });
    }

    /// Adds text to the open part.
    pub fn text(&mut self, text: &str, sink: &mut impl Sink) {
        self.open.text.push_str(text);
        sink.event("response.output_text.delta", |out| {
            self.tell(out);
            out.text("delta", text);
            out.list("logprobs", &[]);
        });
    }

    /// Adds a source to the open part. It is told when the part closes, because only then it is known what it spans.
    pub fn citation(&mut self, citation: &Citation) {
        if citation.url.is_some() {
            let texts = [&citation.url, &citation.title];
            let bytes: usize = texts.into_iter().flatten().map(String::len).sum();
            self.open.cited = self.open.cited.saturating_add(bytes);
            self.open.citations.push(citation.clone());
        }
    }

    /// Adds log probabilities to the open part. The text they belong to has been told, so they come in a delta without.
    pub fn logprobs(&mut self, logprobs: &RawValue, sink: &mut impl Sink) {
        let entries = entries(logprobs);
        if entries.is_empty() {
            return;
        }
        if !self.open.logprobs.is_empty() {
            self.open.logprobs.push(b',');
        }
        self.open.logprobs.extend_from_slice(&entries);
        sink.event("response.output_text.delta", |out| {
            self.tell(out);
            out.text("delta", "");
            out.list("logprobs", &entries);
        });
    }

    /// Closes the open part.
    pub fn part_stop(&mut self, sink: &mut impl Sink) {
        let part = std::mem::take(&mut self.open);
        let mut annotations = Vec::new();
        for (index, citation) in (0u64..).zip(&part.citations) {
            let annotation = annotation(citation, &part.text);
            sink.event("response.output_text.annotation.added", |out| {
                self.tell(out);
                out.number("annotation_index", index);
                out.json("annotation", &annotation);
            });
            if 0 < index {
                annotations.push(b',');
            }
            annotations.extend_from_slice(&annotation);
        }
        sink.event("response.output_text.done", |out| {
            self.tell(out);
            out.text("text", &part.text);
            out.list("logprobs", &part.logprobs);
        });
        let json = text_part(&part.text, &annotations, &part.logprobs);
        self.part_done(&json, sink);
    }

    /// A part that tells why the model, or a filter, declined.
    pub fn refusal(&mut self, words: &str, sink: &mut impl Sink) {
        self.count = self.count.saturating_add(1);
        let part = |words| object(("type", "refusal"), |out| out.text("refusal", words));
        let empty = part("");
        sink.event("response.content_part.added", |out| {
            self.tell(out);
            out.json("part", &empty);
        });
        sink.event("response.refusal.delta", |out| {
            self.tell(out);
            out.text("delta", words);
        });
        sink.event("response.refusal.done", |out| {
            self.tell(out);
            out.text("refusal", words);
        });
        self.part_done(&part(words), sink);
    }

    fn part_done(&mut self, part: &[u8], sink: &mut impl Sink) {
        sink.event("response.content_part.done", |out| {
            self.tell(out);
            out.json("part", part);
        });
        if !self.parts.is_empty() {
            self.parts.push(b',');
        }
        self.parts.extend_from_slice(part);
    }

    /// The whole item as JSON.
    pub fn finished(self, status: Status) -> Vec<u8> {
        item(&self.place, status.word(), &self.parts)
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        let open = &self.open;
        self.parts
            .len()
            .saturating_add(open.text.len())
            .saturating_add(open.logprobs.len())
            .saturating_add(open.cited)
    }

    fn tell(&self, out: &mut Fields<'_>) {
        self.place.tell(out);
        out.number("content_index", self.count.saturating_sub(1));
    }
}

fn item(place: &Place, status: &str, parts: &[u8]) -> Vec<u8> {
    object(("id", &place.id), |out| {
        out.text("type", "message");
        out.text("status", status);
        out.list("content", parts);
        out.text("role", "assistant");
    })
}

fn text_part(text: &str, annotations: &[u8], logprobs: &[u8]) -> Vec<u8> {
    object(("type", "output_text"), |out| {
        out.list("annotations", annotations);
        out.list("logprobs", logprobs);
        out.text("text", text);
    })
}

/// A source without a span is one of all the text of its block.
fn annotation(citation: &Citation, text: &str) -> Vec<u8> {
    let (start, end) = citation.span.unwrap_or_else(|| {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        (0, length)
    });
    object(("type", "url_citation"), |out| {
        out.number("start_index", start);
        out.number("end_index", end);
        out.text("title", citation.title.as_deref().unwrap_or_default());
        out.text("url", citation.url.as_deref().unwrap_or_default());
    })
}

/// The entries of a list of log probabilities as JSON, separated by commas. Bytes and alternatives, which Chat
/// Completions leaves null where there are none, are lists here.
fn entries(logprobs: &RawValue) -> Vec<u8> {
    let entries: Vec<Value> = serde_json::from_str(logprobs.get()).unwrap_or_default();
    let mut out = Vec::new();
    for mut entry in entries {
        let alternatives = entry.get_mut("top_logprobs").and_then(Value::as_array_mut);
        for alternative in alternatives.into_iter().flatten() {
            list_if_null(alternative, "bytes");
        }
        list_if_null(&mut entry, "bytes");
        list_if_null(&mut entry, "top_logprobs");
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(entry.to_string().as_bytes());
    }
    out
}

fn list_if_null(entry: &mut Value, key: &str) {
    if let Some(entry) = entry.as_object_mut()
        && entry.get(key).is_none_or(Value::is_null)
    {
        entry.insert(key.to_owned(), json!([]));
    }
}
