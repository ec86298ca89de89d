//! Reasoning of earlier turns that goes back to the provider.
//!
//! What the provider sealed (`encrypted_content`) comes back in our envelope and is restored without its id: with
//! `store: false` an id means nothing to it, and some providers change ids from event to event (recorded 2026). All
//! other reasoning is another vendor's and is left out, but for models that want to read their own plain text again.

use serde_json::{Map, Value};

use crate::protocol::canonical::Block;
use crate::protocol::envelope::{self, ReasoningKind};
use crate::protocol::openai_chat::Replay;
use crate::protocol::openai_chat::names::hex;
use crate::protocol::openai_responses::Profile;
use crate::protocol::openai_responses::wire_request::{Item, Part};

/// Hex digits of the id made up for a reasoning item in plain text.
const ID_DIGITS: usize = 32;

/// The reasoning item that a block restores; `None` when this provider does not want it.
pub(super) fn item<'a>(block: &'a Block, profile: &Profile) -> Option<Item<'a>> {
    let (text, seal) = match block {
        Block::Thinking { text, signature } => (text.as_str(), signature.as_str()),
        Block::RedactedThinking { data } => ("", data.as_str()),
        Block::Text(_)
        | Block::Image(_)
        | Block::Document { .. }
        | Block::SearchResult { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Unknown { .. } => return None,
    };
    let opened = envelope::open(seal)?;
    match opened.kind {
        ReasoningKind::Responses if profile.sealed_reasoning => sealed(opened.payload, text),
        ReasoningKind::Content | ReasoningKind::Details | ReasoningKind::Responses => {
            plain(text, profile)
        }
        ReasoningKind::Gemini | ReasoningKind::Anthropic | ReasoningKind::AnthropicRedacted => None,
    }
}

fn sealed<'a>(payload: &str, text: &'a str) -> Option<Item<'a>> {
    let mut fields: Map<String, Value> = serde_json::from_str(payload).ok()?;
    let Some(Value::String(encrypted)) = fields.remove("encrypted_content") else {
        return None;
    };
    if encrypted.is_empty() {
        return None;
    }
    let summary = match fields.remove("summary") {
        Some(Value::Array(parts)) => parts.into_iter().filter_map(summary_part).collect(),
        _ if text.is_empty() => Vec::new(),
        _ => vec![Part::SummaryText { text: text.into() }],
    };
    Some(Item::Reasoning {
        id: None,
        summary,
        content: Vec::new(),
        encrypted_content: Some(encrypted),
    })
}

fn summary_part<'a>(part: Value) -> Option<Part<'a>> {
    let Value::Object(mut fields) = part else {
        return None;
    };
    match fields.remove("text") {
        Some(Value::String(text)) => Some(Part::SummaryText { text: text.into() }),
        _ => None,
    }
}

fn plain<'a>(text: &'a str, profile: &Profile) -> Option<Item<'a>> {
    match profile.base.replay {
        Replay::Content { .. } if !text.is_empty() => Some(Item::Reasoning {
            id: Some(format!("rs_{}", hex(text, ID_DIGITS))),
            summary: Vec::new(),
            content: vec![Part::ReasoningText { text: text.into() }],
            encrypted_content: None,
        }),
        Replay::Content { .. } | Replay::Nothing | Replay::Details => None,
    }
}
