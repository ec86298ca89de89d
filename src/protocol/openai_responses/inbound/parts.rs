//! Parts of a message's content and of a tool's output: text, pictures, files.

use serde_json::value::RawValue;

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, Problem, ToolResultPart, TranslateError,
};

use super::wire;

/// The blocks of a message: a string, which is one text, or a list of parts. Empty text says nothing and is a 400
/// with some providers, so it is left out.
pub(super) fn blocks(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Block>, TranslateError> {
    let raw = field::required(raw, at)?;
    if field::is_string(raw) {
        let text: String = field::read(raw, at, field::STRING)?;
        return Ok(text_block(text).into_iter().collect());
    }
    let mut blocks = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        blocks.extend(part(raw, at.index(index), losses)?);
    }
    Ok(blocks)
}

/// What a tool gave: a string or a list of parts.
pub(super) fn output(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<ToolResultPart>, TranslateError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let blocks = blocks(Some(raw), at, losses)?;
    Ok(blocks.into_iter().filter_map(result_part).collect())
}

/// Texts only, as instructions are; anything else among them is lost.
pub(super) fn texts(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<String>, TranslateError> {
    let mut texts = Vec::new();
    for (index, block) in blocks(raw, at, losses)?.into_iter().enumerate() {
        match block {
            Block::Text(text) => texts.push(text),
            Block::Image(_)
            | Block::Document { .. }
            | Block::SearchResult { .. }
            | Block::Thinking { .. }
            | Block::RedactedThinking { .. }
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Unknown { .. } => losses.add(at.index(index).bracketed(), LossKind::Dropped),
        }
    }
    Ok(texts)
}

fn result_part(block: Block) -> Option<ToolResultPart> {
    match block {
        Block::Text(text) => Some(ToolResultPart::Text(text)),
        Block::Image(source) => Some(ToolResultPart::Image(source)),
        Block::Document { source, title, .. } => Some(ToolResultPart::Document { source, title }),
        // Parts never become these.
        Block::SearchResult { .. }
        | Block::Thinking { .. }
        | Block::RedactedThinking { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Unknown { .. } => None,
    }
}

fn part(
    raw: &RawValue,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Block>, TranslateError> {
    let wire: wire::Part<'_> = field::object(raw, at)?;
    let kind = field::string(wire.kind, at.key("type"))?;
    match kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let text = field::string(wire.text, at.key("text"))?;
            Ok(text_block(text))
        }
        "refusal" => {
            let text = field::string(wire.refusal, at.key("refusal"))?;
            Ok(text_block(text))
        }
        "input_image" => image(&wire, at).map(|it| Some(Block::Image(it))),
        "input_file" => document(&wire, at).map(Some),
        "input_audio" => Err(TranslateError::Unsupported {
            path: at.dotted(),
            reason: "audio cannot be sent to this model; send its words as text",
        }),
        _ => {
            losses.add(at.bracketed(), LossKind::UnknownType);
            Ok(None)
        }
    }
}

fn text_block(text: String) -> Option<Block> {
    (!text.is_empty()).then_some(Block::Text(text))
}

fn image(wire: &wire::Part<'_>, at: Path<'_>) -> Result<ImageSource, TranslateError> {
    if let Some(url) = field::optional_string(wire.image_url, at.key("image_url"))? {
        return Ok(match data_url(&url) {
            Some((media_type, data)) => ImageSource::Base64 {
                media_type: match media_type {
                    "" => "image/png".to_owned(),
                    // Some cameras and clients write it so; Anthropic refuses it.
                    "image/jpg" => "image/jpeg".to_owned(),
                    it => it.to_owned(),
                },
                data: data.to_owned(),
            },
            None => ImageSource::Url(url),
        });
    }
    match field::optional_string(wire.file_id, at.key("file_id"))? {
        Some(id) => Ok(ImageSource::File(id)),
        None => Err(at.key("image_url").error(Problem::Missing)),
    }
}

fn document(wire: &wire::Part<'_>, at: Path<'_>) -> Result<Block, TranslateError> {
    let text = |raw, key| field::optional_string(raw, at.key(key));
    let title = text(wire.filename, "filename")?;
    let source = if let Some(data) = text(wire.file_data, "file_data")? {
        match data_url(&data) {
            Some((media_type, data)) => DocumentSource::Base64 {
                media_type: media_type.to_owned(),
                data: data.to_owned(),
            },
            // Bare base64 is taken for the one kind of file that all models read.
            None => DocumentSource::Base64 {
                media_type: "application/pdf".to_owned(),
                data,
            },
        }
    } else if let Some(url) = text(wire.file_url, "file_url")? {
        DocumentSource::Url(url)
    } else if let Some(id) = text(wire.file_id, "file_id")? {
        DocumentSource::File(id)
    } else {
        return Err(at.key("file_data").error(Problem::Missing));
    };
    Ok(Block::Document {
        source,
        title,
        context: None,
    })
}

/// Media type and base64 of a `data:` URL; `None` for any other.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    // Parameters such as `;charset=utf-8` belong to the text, not to its type.
    let media_type = head.split(';').next().unwrap_or_default();
    Some((media_type, data))
}
