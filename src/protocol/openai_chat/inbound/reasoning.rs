//! What the model thought in an earlier turn, as a client sends it back: plain text in `reasoning_content` or
//! `reasoning`, or OpenRouter's `reasoning_details`, which `encode` writes as well.
//!
//! - What Anthropic signed or sealed becomes a thinking block again, so that it gets its own thinking back.
//! - What we sealed (`protocol/envelope`) comes as opaque data right behind the text it belongs to.
//! - Details of other vendors are sealed as they are, those side by side in one envelope.
//! - Plain text is sealed as such; where details have text, it is the same once more.

use serde_json::{Map, Value};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{Block, TranslateError};
use crate::protocol::envelope::{self, ReasoningKind, seal_reasoning};
use crate::protocol::openai_chat::shape::ANTHROPIC;

use super::wire;

type Detail = Map<String, Value>;

/// Reads the reasoning of an assistant message.
pub(super) fn blocks(wire: &wire::Message<'_>, at: Path<'_>) -> Result<Vec<Block>, TranslateError> {
    let text = |raw, key| field::optional_string(raw, at.key(key));
    let plain = text(wire.reasoning_content, "reasoning_content")?.filter(|it| !it.is_empty());
    let other = text(wire.reasoning, "reasoning")?.filter(|it| !it.is_empty());
    let plain = plain.or(other);
    let details = match wire.reasoning_details {
        Some(raw) => merged(raw, at.key("reasoning_details"))?,
        None => Vec::new(),
    };
    let told = details.iter().any(|it| !words(it).is_empty());
    let mut reader = Reader::default();
    for detail in details {
        reader.take(detail);
    }
    let mut blocks = reader.finish();
    if let (Some(plain), false) = (plain, told) {
        put_back(plain, &mut blocks);
    }
    Ok(blocks)
}

/// Puts text into the signed block that lacks it, where only one does, or else in front as a block of its own.
fn put_back(plain: String, blocks: &mut Vec<Block>) {
    let mut signed = blocks.iter_mut().filter_map(|block| match block {
        Block::Thinking { text, .. } => Some(text),
        _ => None,
    });
    match (signed.next(), signed.next()) {
        (Some(text), None) => *text = plain,
        _ => blocks.insert(0, content(plain)),
    }
}

fn content(text: String) -> Block {
    Block::Thinking {
        text,
        signature: seal_reasoning(ReasoningKind::Content, ""),
    }
}

/// The details, with those joined that were streamed piece by piece and not joined by the client.
fn merged(raw: &serde_json::value::RawValue, at: Path<'_>) -> Result<Vec<Detail>, TranslateError> {
    let mut details: Vec<Detail> = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let detail: Detail = field::object(raw, at.index(index))?;
        match details.last_mut() {
            Some(last) if continues(last, &detail) => join(last, detail),
            _ => details.push(detail),
        }
    }
    Ok(details)
}

/// A signature ends a text, and opaque data comes whole.
fn continues(last: &Detail, next: &Detail) -> bool {
    ["type", "index"]
        .iter()
        .all(|key| last.get(*key) == next.get(*key))
        && (next.get("id").is_none_or(Value::is_null) || last.get("id") == next.get("id"))
        && !next.contains_key("data")
        && string(last, "signature").is_empty()
}

fn join(last: &mut Detail, next: Detail) {
    for (key, value) in next {
        match (last.get_mut(&key), value) {
            (Some(Value::String(text)), Value::String(more))
                if matches!(key.as_str(), "text" | "summary") =>
            {
                text.push_str(&more);
            }
            (Some(_), Value::Null) => {}
            (_, value) => {
                last.insert(key, value);
            }
        }
    }
}

fn string<'a>(detail: &'a Detail, key: &str) -> &'a str {
    detail.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What a detail says to a reader.
fn words(detail: &Detail) -> &str {
    match string(detail, "text") {
        "" => string(detail, "summary"),
        text => text,
    }
}

/// Turns details into blocks, in their order.
#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    /// Text that may belong to the sealed detail behind it, and the index of both.
    said: Option<(String, Option<Value>)>,
    /// Details of other vendors side by side.
    foreign: Vec<Detail>,
}

impl Reader {
    fn take(&mut self, mut detail: Detail) {
        let format = string(&detail, "format");
        let anthropic = format == ANTHROPIC;
        let open = matches!(format, "" | "unknown");
        let signed = !string(&detail, "signature").is_empty();
        let text = |detail: &Detail| string(detail, "text").to_owned();
        match string(&detail, "type") {
            "reasoning.text" if anthropic && signed => {
                self.flush();
                self.blocks.push(Block::Thinking {
                    text: text(&detail),
                    signature: string(&detail, "signature").to_owned(),
                });
            }
            "reasoning.text" if open && !signed => {
                self.flush();
                self.said = Some((text(&detail), detail.remove("index")));
            }
            "reasoning.encrypted" if envelope::is_ours(string(&detail, "data")) => {
                let twin = self.said.as_ref().map(|(_, index)| index.as_ref());
                let said = if twin == Some(detail.get("index")) {
                    self.said.take().map(|(text, _)| text)
                } else {
                    None
                };
                self.flush();
                self.blocks.push(unsealed(said, string(&detail, "data")));
            }
            "reasoning.encrypted" if anthropic => {
                self.flush();
                let data = string(&detail, "data").to_owned();
                self.blocks.push(Block::RedactedThinking { data });
            }
            _ => {
                self.flush_said();
                self.foreign.push(detail);
            }
        }
    }

    fn finish(mut self) -> Vec<Block> {
        self.flush();
        self.blocks
    }

    fn flush(&mut self) {
        self.flush_said();
        if self.foreign.is_empty() {
            return;
        }
        let mut details = std::mem::take(&mut self.foreign);
        let said: Vec<&str> = details
            .iter()
            .map(words)
            .filter(|it| !it.is_empty())
            .collect();
        let text = said.join("\n");
        // The one text there is need not be said twice.
        if let [_] = said.as_slice()
            && let Some(twin) = details.iter_mut().find(|it| !words(it).is_empty())
        {
            let key = if string(twin, "text").is_empty() {
                "summary"
            } else {
                "text"
            };
            twin.shift_remove(key);
        }
        let payload = Value::Array(details.into_iter().map(Value::Object).collect());
        let seal = seal_reasoning(ReasoningKind::Details, &payload.to_string());
        self.blocks.push(if text.is_empty() {
            Block::RedactedThinking { data: seal }
        } else {
            Block::Thinking {
                text,
                signature: seal,
            }
        });
    }

    fn flush_said(&mut self) {
        if let Some((text, _)) = self.said.take()
            && !text.is_empty()
        {
            self.blocks.push(content(text));
        }
    }
}

/// The block that an envelope came from. Anthropic's own signature may be inside, from a client of another OpenAI
/// dialect.
fn unsealed(said: Option<String>, data: &str) -> Block {
    let own = envelope::open(data);
    match (own.map(|it| (it.kind, it.payload)), said) {
        (Some((ReasoningKind::Anthropic, payload)), said) => Block::Thinking {
            text: said.unwrap_or_default(),
            signature: payload.to_owned(),
        },
        (Some((ReasoningKind::AnthropicRedacted, payload)), _) => Block::RedactedThinking {
            data: payload.to_owned(),
        },
        (_, Some(text)) => Block::Thinking {
            text,
            signature: data.to_owned(),
        },
        (_, None) => Block::RedactedThinking {
            data: data.to_owned(),
        },
    }
}
