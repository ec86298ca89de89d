//! Reasoning items of earlier turns. What proves their origin travels in `encrypted_content`: our own envelope where the
//! reasoning came through us, an opaque value of the vendor's where it did not.

use serde_json::value::RawValue;

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{Block, LossKind, Losses, TranslateError};
use crate::protocol::envelope::{self, ReasoningKind};

use super::wire;

/// Reads a reasoning item. `None`: it is empty, or a summary that nothing vouches for, which no provider would take as
/// its model's own thinking. Full text without a seal, as models with open weights give it, is kept as plain reasoning.
pub(super) fn block(
    raw: &RawValue,
    wire: &wire::Item<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Block>, TranslateError> {
    let summary = joined(wire.summary, at.key("summary"))?;
    let seal = field::optional_string(wire.encrypted_content, at.key("encrypted_content"))?
        .filter(|it| !it.is_empty());
    let Some(seal) = seal else {
        let text = joined(wire.content, at.key("content"))?;
        if !text.is_empty() {
            let signature = envelope::seal_reasoning(ReasoningKind::Content, "");
            return Ok(Some(Block::Thinking { text, signature }));
        }
        if !summary.is_empty() {
            losses.add(at.bracketed(), LossKind::ForeignReasoning);
        }
        return Ok(None);
    };
    Ok(Some(sealed(raw, summary, seal)))
}

fn sealed(raw: &RawValue, summary: String, seal: String) -> Block {
    if !envelope::is_ours(&seal) {
        return Block::RedactedThinking {
            data: envelope::seal_reasoning(ReasoningKind::Responses, raw.get()),
        };
    }
    match envelope::open(&seal) {
        Some(opened) if opened.kind == ReasoningKind::Anthropic => Block::Thinking {
            text: summary,
            signature: opened.payload.to_owned(),
        },
        Some(opened) if opened.kind == ReasoningKind::AnthropicRedacted => {
            Block::RedactedThinking {
                data: opened.payload.to_owned(),
            }
        }
        // Another provider's: it stays sealed, and belongs to the text where there is one.
        Some(_) | None if summary.is_empty() => Block::RedactedThinking { data: seal },
        Some(_) | None => Block::Thinking {
            text: summary,
            signature: seal,
        },
    }
}

/// The texts of a summary or of a content. We write one part; two of them were two paragraphs.
fn joined(raw: wire::Raw<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let Some(raw) = raw else {
        return Ok(String::new());
    };
    let mut texts = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let part: wire::Part<'_> = field::object(raw, at)?;
        texts.push(field::string(part.text, at.key("text"))?);
    }
    Ok(texts.join("\n\n"))
}
