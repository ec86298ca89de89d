//! OpenRouter's `reasoning_details`: gathered piece by piece, so that the provider gets them back as they were.

use serde_json::{Map, Value};

use crate::protocol::envelope::{ReasoningKind, seal_reasoning};
use crate::protocol::frame::limit::MAX_DETAIL_BYTES;
use crate::protocol::upstream_error::StreamError;

/// The details that belong to the next envelope.
#[derive(Debug, Default)]
pub(crate) struct Details {
    items: Vec<Map<String, Value>>,
    /// Bytes taken in since the last envelope, as they stood on the wire.
    bytes: usize,
}

/// Where the readable text of a detail is.
const TEXT_KEYS: [&str; 2] = ["text", "summary"];

impl Details {
    /// Takes the details of one chunk and gives their readable text.
    pub fn add(&mut self, raw: &str) -> Result<String, StreamError> {
        self.bytes = self.bytes.saturating_add(raw.len());
        if MAX_DETAIL_BYTES < self.bytes {
            return Err(StreamError::TooMuch("reasoning details"));
        }
        let mut text = String::new();
        let Ok(Value::Array(items)) = serde_json::from_str::<Value>(raw) else {
            return Ok(text);
        };
        for item in items {
            let Value::Object(item) = item else { continue };
            for key in TEXT_KEYS {
                text.push_str(item.get(key).and_then(Value::as_str).unwrap_or_default());
            }
            self.add_item(item);
        }
        Ok(text)
    }

    /// A piece of a detail is merged into the last one of its type and index. Opaque data comes whole and never
    /// merges.
    fn add_item(&mut self, item: Map<String, Value>) {
        let opaque = item.contains_key("data");
        let same = |known: &&mut Map<String, Value>| {
            known.get("type") == item.get("type")
                && known.get("index") == item.get("index")
                && (item.get("id").is_none_or(Value::is_null) || known.get("id") == item.get("id"))
        };
        let Some(known) = self.items.iter_mut().rev().find(same).filter(|_| !opaque) else {
            self.items.push(item);
            return;
        };
        for (key, value) in item {
            match (known.get_mut(&key), value) {
                (Some(Value::String(text)), Value::String(more))
                    if TEXT_KEYS.contains(&key.as_str()) =>
                {
                    text.push_str(&more);
                }
                // A piece without a signature does not unsay the one that had it.
                (Some(Value::String(text)), Value::String(more))
                    if more.is_empty() || *text == more => {}
                (Some(_), Value::Null) => {}
                (_, value) => {
                    known.insert(key, value);
                }
            }
        }
    }

    /// Whether there is something worth keeping: text, a signature or opaque data.
    pub fn is_empty(&self) -> bool {
        let worthless = |item: &Map<String, Value>| {
            ["text", "summary", "signature", "data"].iter().all(|key| {
                item.get(*key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .is_empty()
            })
        };
        self.items.iter().all(worthless)
    }

    /// Seals what was gathered and starts anew. `shown` is the text of the thinking block that carries the envelope:
    /// a detail with exactly this text does not repeat it.
    pub fn seal(&mut self, shown: &str) -> String {
        let mut items = std::mem::take(&mut self.items);
        self.bytes = 0;
        let twin = items.iter_mut().find_map(|item| {
            let key = TEXT_KEYS.into_iter().find(|key| {
                !shown.is_empty() && item.get(*key).and_then(Value::as_str) == Some(shown)
            })?;
            Some((item, key))
        });
        if let Some((item, key)) = twin {
            item.shift_remove(key);
        }
        let payload = Value::Array(items.into_iter().map(Value::Object).collect());
        seal_reasoning(ReasoningKind::Details, &payload.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::envelope::open;

    #[test]
    fn pieces_become_the_detail_they_were_cut_from() {
        let mut details = Details::default();
        let pieces = [
            r#"[{"type":"reasoning.text","text":"","signature":"","format":"anthropic-claude-v1","index":0}]"#,
            r#"[{"type":"reasoning.text","text":"It ","format":"anthropic-claude-v1","index":0}]"#,
            r#"[{"type":"reasoning.text","text":"is.","format":"anthropic-claude-v1","index":0}]"#,
            r#"[{"type":"reasoning.text","signature":"U0lH","format":"anthropic-claude-v1","index":0}]"#,
        ];
        assert!(details.is_empty());
        let text: String = pieces.iter().map(|it| details.add(it).unwrap()).collect();
        assert_eq!(text, "It is.");
        let sealed = details.seal("It is.");
        let payload: Value = serde_json::from_str(open(&sealed).unwrap().payload).unwrap();
        assert_eq!(
            payload,
            serde_json::json!([
                {"type":"reasoning.text","signature":"U0lH","format":"anthropic-claude-v1","index":0}
            ])
        );
        assert!(details.is_empty());
    }

    #[test]
    fn opaque_data_is_never_merged_and_other_text_is_kept() {
        let mut details = Details::default();
        details
            .add(
                r#"[{"type":"reasoning.summary","summary":"S","index":0},
                    {"type":"reasoning.encrypted","data":"A","index":0},
                    {"type":"reasoning.encrypted","data":"B","index":0}]"#,
            )
            .unwrap();
        let sealed = details.seal("another text");
        let payload: Value = serde_json::from_str(open(&sealed).unwrap().payload).unwrap();
        assert_eq!(payload.as_array().unwrap().len(), 3);
        assert_eq!(payload[0]["summary"], "S");
    }

    #[test]
    fn a_flood_is_refused() {
        let mut details = Details::default();
        let big = format!(r#"[{{"data":"{}"}}]"#, "x".repeat(MAX_DETAIL_BYTES));
        assert_eq!(
            details.add(&big),
            Err(StreamError::TooMuch("reasoning details"))
        );
    }
}
