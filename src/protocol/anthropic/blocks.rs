//! Content blocks: wire → canonical. Unknown types are kept as they stood; known types that are malformed are errors.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, Problem, ToolResult, ToolResultPart,
    ToolUse, TranslateError,
};

use super::field::{self, Path};
use super::own_blocks;
use super::wire_request as wire;

/// Documents inside documents. The API knows one level.
const MAX_DEPTH: usize = 4;

/// The content of one message.
#[derive(Default)]
pub(super) struct Content {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// `cache_control` by index of its block.
    pub controls: Vec<(usize, Value)>,
}

/// Reads a string, which is one text block, or a list of blocks.
pub(super) fn content(
    raw: &RawValue,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Content, TranslateError> {
    if field::is_string(raw) {
        return Ok(Content {
            blocks: vec![Block::Text(field::read(raw, at, field::STRING)?)],
            controls: Vec::new(),
        });
    }
    let mut content = Content::default();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Block<'_> = field::object(raw, at)?;
        content.blocks.push(block(raw, &wire, at, losses, 0)?);
        if let Some(control) = wire.cache_control {
            let control = field::object(control, at.key("cache_control"))?;
            content.controls.push((index, control));
        }
    }
    Ok(content)
}

fn block(
    raw: &RawValue,
    wire: &wire::Block<'_>,
    at: Path<'_>,
    losses: &mut Losses,
    depth: usize,
) -> Result<Block, TranslateError> {
    let kind = field::string(wire.kind, at.key("type"))?;
    Ok(match kind.as_str() {
        "text" => Block::Text(field::string(wire.text, at.key("text"))?),
        "image" => match image(wire, at)? {
            Some(source) => Block::Image(source),
            None => unknown(kind, raw),
        },
        "document" => match document(wire, at, losses, depth)? {
            Some(source) => Block::Document {
                source,
                title: field::optional_string(wire.title, at.key("title"))?,
                context: field::optional_string(wire.context, at.key("context"))?,
            },
            None => unknown(kind, raw),
        },
        "search_result" => search_result(wire, at, losses)?,
        "thinking" => Block::Thinking {
            text: field::string(wire.thinking, at.key("thinking"))?,
            // Clients that met an unsigned block may leave the field out.
            signature: field::optional_string(wire.signature, at.key("signature"))?
                .unwrap_or_default(),
        },
        "redacted_thinking" => Block::RedactedThinking {
            data: field::string(wire.data, at.key("data"))?,
        },
        "tool_use" => Block::ToolUse(ToolUse {
            id: field::string(wire.id, at.key("id"))?,
            name: field::string(wire.name, at.key("name"))?,
            input: input(wire.input, at.key("input"))?,
        }),
        "tool_result" => Block::ToolResult(ToolResult {
            tool_use_id: field::string(wire.tool_use_id, at.key("tool_use_id"))?,
            content: tool_result(wire.content, at.key("content"), losses, depth)?,
            is_error: field::optional(wire.is_error, at.key("is_error"), field::BOOLEAN)?
                .unwrap_or_default(),
        }),
        _ => unknown(kind, raw),
    })
}

/// A block as it stood; what we made up ourselves for the sake of this dialect is what was found.
fn unknown(kind: String, raw: &RawValue) -> Block {
    match own_blocks::text(&kind, raw) {
        Some(text) => Block::Text(text),
        None => Block::Unknown {
            kind,
            raw: raw.to_owned(),
        },
    }
}

fn input(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Box<RawValue>, TranslateError> {
    match raw {
        Some(raw) => Ok(raw.to_owned()),
        // An aborted call may come back without one.
        None => RawValue::from_string(String::from("{}"))
            .map_err(|error| at.error(Problem::Json(error))),
    }
}

fn tool_result(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
    depth: usize,
) -> Result<Vec<ToolResultPart>, TranslateError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    if field::is_string(raw) {
        let text = field::read(raw, at, field::STRING)?;
        return Ok(vec![ToolResultPart::Text(text)]);
    }
    let mut parts = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Block<'_> = field::object(raw, at)?;
        parts.push(tool_result_part(raw, &wire, at, losses, depth)?);
    }
    Ok(parts)
}

fn tool_result_part(
    raw: &RawValue,
    wire: &wire::Block<'_>,
    at: Path<'_>,
    losses: &mut Losses,
    depth: usize,
) -> Result<ToolResultPart, TranslateError> {
    let kind = field::string(wire.kind, at.key("type"))?;
    let unknown = |kind| ToolResultPart::Unknown {
        kind,
        raw: raw.to_owned(),
    };
    Ok(match kind.as_str() {
        "text" => ToolResultPart::Text(field::string(wire.text, at.key("text"))?),
        "image" => match image(wire, at)? {
            Some(source) => ToolResultPart::Image(source),
            None => unknown(kind),
        },
        "document" => match document(wire, at, losses, depth)? {
            Some(source) => ToolResultPart::Document {
                source,
                title: field::optional_string(wire.title, at.key("title"))?,
            },
            None => unknown(kind),
        },
        _ => unknown(kind),
    })
}

/// `None` is a kind of source this crate does not know.
fn image(wire: &wire::Block<'_>, at: Path<'_>) -> Result<Option<ImageSource>, TranslateError> {
    let at = at.key("source");
    let source: wire::Source<'_> = field::object(field::required(wire.source, at)?, at)?;
    Ok(match field::string(source.kind, at.key("type"))?.as_str() {
        "base64" => Some(ImageSource::Base64 {
            media_type: field::string(source.media_type, at.key("media_type"))?,
            data: field::string(source.data, at.key("data"))?,
        }),
        "url" => Some(ImageSource::Url(field::string(source.url, at.key("url"))?)),
        "file" => Some(ImageSource::File(field::string(
            source.file_id,
            at.key("file_id"),
        )?)),
        _ => None,
    })
}

/// `None` is a kind of source this crate does not know.
fn document(
    wire: &wire::Block<'_>,
    at: Path<'_>,
    losses: &mut Losses,
    depth: usize,
) -> Result<Option<DocumentSource>, TranslateError> {
    if MAX_DEPTH <= depth {
        return Err(at.error(Problem::TooDeep));
    }
    if wire.citations.is_some_and(wants_citations) {
        losses.add(at.key("citations").bracketed(), LossKind::Dropped);
    }
    let at = at.key("source");
    let source: wire::Source<'_> = field::object(field::required(wire.source, at)?, at)?;
    let text = |raw, key| field::string(raw, at.key(key));
    Ok(Some(match text(source.kind, "type")?.as_str() {
        "base64" => DocumentSource::Base64 {
            media_type: text(source.media_type, "media_type")?,
            data: text(source.data, "data")?,
        },
        "text" => DocumentSource::Text(text(source.data, "data")?),
        "url" => DocumentSource::Url(text(source.url, "url")?),
        "file" => DocumentSource::File(text(source.file_id, "file_id")?),
        "content" => {
            let at = at.key("content");
            let blocks = nested(field::required(source.content, at)?, at, losses, depth)?;
            DocumentSource::Blocks(blocks)
        }
        _ => return Ok(None),
    }))
}

fn wants_citations(raw: &RawValue) -> bool {
    serde_json::from_str::<Value>(raw.get())
        .is_ok_and(|value| value.get("enabled").and_then(Value::as_bool) == Some(true))
}

fn nested(
    raw: &RawValue,
    at: Path<'_>,
    losses: &mut Losses,
    depth: usize,
) -> Result<Vec<Block>, TranslateError> {
    if field::is_string(raw) {
        return Ok(vec![Block::Text(field::read(raw, at, field::STRING)?)]);
    }
    let mut blocks = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Block<'_> = field::object(raw, at)?;
        blocks.push(block(raw, &wire, at, losses, depth.saturating_add(1))?);
    }
    Ok(blocks)
}

fn search_result(
    wire: &wire::Block<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Block, TranslateError> {
    if wire.citations.is_some_and(wants_citations) {
        losses.add(at.key("citations").bracketed(), LossKind::Dropped);
    }
    let mut text = String::new();
    let content = at.key("content");
    let entries = match wire.content {
        Some(raw) => field::list(raw, content)?,
        None => Vec::new(),
    };
    for (index, raw) in entries.into_iter().enumerate() {
        let at = content.index(index);
        let wire: wire::Block<'_> = field::object(raw, at)?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&field::string(wire.text, at.key("text"))?);
    }
    Ok(Block::SearchResult {
        title: field::string(wire.title, at.key("title"))?,
        source: field::string(wire.source, at.key("source"))?,
        text,
    })
}
