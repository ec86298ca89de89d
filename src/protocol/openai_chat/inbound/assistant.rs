//! One turn of the model: what it thought, what it said, what it called, in this order.

use serde_json::value::RawValue;

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::anthropic::tool_input;
use crate::protocol::canonical::{Block, LossKind, Losses, Problem, ToolUse, TranslateError};

use super::parts::{self, Content};
use super::{reasoning, wire};

/// What [`tool_input`] puts around what is no object.
const WRAPPED: &str = "{\"_raw\":";

/// A turn of the model.
pub(super) struct Turn {
    pub content: Content,
    /// The id given to its call of the older form, which has none.
    pub legacy_call: Option<String>,
}

/// Reads an assistant message; `index` is its place in the conversation.
pub(super) fn turn(
    wire: &wire::Message<'_>,
    index: usize,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Turn, TranslateError> {
    let mut content = Content {
        blocks: reasoning::blocks(wire, at)?,
        controls: Vec::new(),
    };
    if let Some(raw) = wire.content
        && raw.get() != "\"\""
    {
        content.append(parts::content(raw, at.key("content"), losses)?);
    }
    let refusal = field::optional_string(wire.refusal, at.key("refusal"))?;
    if let Some(refusal) = refusal.filter(|it| !it.is_empty()) {
        content.push(Block::Text(refusal));
    }
    if wire.audio.is_some() {
        losses.add(at.key("audio").bracketed(), LossKind::ForeignFile);
    }
    if let Some(raw) = wire.tool_calls {
        let at = at.key("tool_calls");
        for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
            let call = call(raw, at.index(index), losses)?;
            content.push(Block::ToolUse(call));
        }
    }
    let mut legacy_call = None;
    if let Some(raw) = wire.function_call {
        let id = legacy_id(&index.to_string());
        legacy_call = Some(id.clone());
        let call = function(id, raw, at.key("function_call"), losses)?;
        content.push(Block::ToolUse(call));
    }
    content.mark(wire.cache_control, at)?;
    Ok(Turn {
        content,
        legacy_call,
    })
}

/// An id for a call of the older form, the same in every request that repeats the conversation.
pub(super) fn legacy_id(what: &str) -> String {
    format!("call_function_{what}")
}

fn call(raw: &RawValue, at: Path<'_>, losses: &mut Losses) -> Result<ToolUse, TranslateError> {
    let wire: wire::ToolCall<'_> = field::object(raw, at)?;
    let id = field::string(wire.id, at.key("id"))?;
    let kind = field::optional_string(wire.kind, at.key("type"))?;
    match kind.as_deref() {
        None | Some("function") => {
            let at = at.key("function");
            function(id, field::required(wire.function, at)?, at, losses)
        }
        Some("custom") => {
            let at = at.key("custom");
            let custom: wire::CustomCall<'_> =
                field::object(field::required(wire.custom, at)?, at)?;
            Ok(ToolUse {
                id,
                name: field::string(custom.name, at.key("name"))?,
                input: free_text(&field::string(custom.input, at.key("input"))?, at)?,
            })
        }
        Some(_) => Err(at.key("type").expected("'function' or 'custom'")),
    }
}

fn function(
    id: String,
    raw: &RawValue,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<ToolUse, TranslateError> {
    let wire: wire::Call<'_> = field::object(raw, at)?;
    Ok(ToolUse {
        id,
        name: field::string(wire.name, at.key("name"))?,
        input: arguments(wire.arguments, at.key("arguments"), losses)?,
    })
}

/// The arguments of a call: an object in a string, or, from some clients, the object itself.
fn arguments(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Box<RawValue>, TranslateError> {
    let Some(raw) = raw else {
        return raw_value("{}".to_owned(), at);
    };
    if raw.get().starts_with('{') {
        return Ok(raw.to_owned());
    }
    if !field::is_string(raw) {
        return Err(at.expected(field::STRING));
    }
    let wire::Text(text) = field::read(raw, at, field::STRING)?;
    if text.starts_with('{')
        && let Ok(object) = serde_json::from_str::<&RawValue>(&text)
    {
        return Ok(object.to_owned());
    }
    let input = tool_input(&text);
    if input.starts_with(WRAPPED) {
        losses.add(at.bracketed(), LossKind::Wrapped);
    }
    raw_value(input, at)
}

/// Free text as the canonical model carries it: an object with one string.
fn free_text(text: &str, at: Path<'_>) -> Result<Box<RawValue>, TranslateError> {
    let mut json = b"{\"input\":".to_vec();
    push_json_string(text, &mut json);
    json.push(b'}');
    raw_value(String::from_utf8(json).unwrap_or_default(), at)
}

fn raw_value(json: String, at: Path<'_>) -> Result<Box<RawValue>, TranslateError> {
    RawValue::from_string(json).map_err(|error| at.error(Problem::Json(error)))
}
