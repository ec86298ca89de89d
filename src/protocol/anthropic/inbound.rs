//! Request bytes → canonical request. Accepts what the real API accepts, and a little more; what the canonical model
//! has no place for becomes a loss here, what a target has no word for becomes one there.

use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::protocol::canonical::{
    CacheAt, CacheBreakpoint, Effort, JsonFormat, LossKind, Losses, Message, Problem, Request,
    Role, Thinking, TranslateError,
};

use super::blocks;
use super::field::{self, Path};
use super::tools;
use super::wire_request as wire;

/// Reads the body of `POST /v1/messages`.
///
/// Errors name the field in the API's own manner: `max_tokens: field required`.
pub fn messages(body: &[u8], losses: &mut Losses) -> Result<Request, TranslateError> {
    let request = read(body, losses)?;
    if request.max_tokens.is_none() {
        return Err(Path::root("max_tokens").error(Problem::Missing));
    }
    Ok(request)
}

/// Reads the body of `POST /v1/messages/count_tokens`, which is the same without `max_tokens`.
pub fn count_tokens(body: &[u8], losses: &mut Losses) -> Result<Request, TranslateError> {
    read(body, losses)
}

fn read(body: &[u8], losses: &mut Losses) -> Result<Request, TranslateError> {
    let wire: wire::Request<'_> =
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data => Path::root("body").expected("an object that names no field twice"),
            Category::Io | Category::Syntax | Category::Eof => TranslateError::Json(error),
        })?;
    let model = field::string(wire.model, Path::root("model"))?;
    let max_tokens = field::optional(wire.max_tokens, Path::root("max_tokens"), field::COUNT)?;
    let mut cache_breakpoints = Vec::new();
    let system = system(wire.system, &mut cache_breakpoints)?;
    let messages = conversation(wire.messages, &mut cache_breakpoints, losses)?;
    let tools = tools::tools(wire.tools, &mut cache_breakpoints, losses)?;
    let (tool_choice, parallel_tool_calls) = tools::choice(wire.tool_choice)?;
    let (effort, format) = output(&wire, losses)?;
    let number = |raw, key| field::optional(raw, Path::root(key), field::NUMBER);
    Ok(Request {
        model,
        max_tokens,
        system,
        messages,
        tools: tools.client,
        server_tools: tools.server,
        tool_choice,
        parallel_tool_calls,
        stop_sequences: field::optional(
            wire.stop_sequences,
            Path::root("stop_sequences"),
            "a valid list of strings",
        )?
        .unwrap_or_default(),
        temperature: number(wire.temperature, "temperature")?,
        top_p: number(wire.top_p, "top_p")?,
        top_k: number(wire.top_k, "top_k")?,
        thinking: thinking(wire.thinking, losses)?,
        effort,
        format,
        user: user(wire.metadata)?,
        service_tier: field::optional_string(wire.service_tier, Path::root("service_tier"))?,
        stream: field::optional(wire.stream, Path::root("stream"), field::BOOLEAN)?
            .unwrap_or_default(),
        cache_breakpoints,
        rest: wire.rest,
        ..Request::default()
    })
}

fn system(
    raw: wire::Raw<'_>,
    breakpoints: &mut Vec<CacheBreakpoint>,
) -> Result<Vec<String>, TranslateError> {
    let at = Path::root("system");
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    if field::is_string(raw) {
        return Ok(vec![field::read(raw, at, field::STRING)?]);
    }
    let mut texts = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let block: wire::Block<'_> = field::object(raw, at)?;
        texts.push(field::string(block.text, at.key("text"))?);
        if let Some(control) = block.cache_control {
            breakpoints.push(CacheBreakpoint {
                at: CacheAt::System(index),
                control: field::object(control, at.key("cache_control"))?,
            });
        }
    }
    Ok(texts)
}

fn conversation(
    raw: wire::Raw<'_>,
    breakpoints: &mut Vec<CacheBreakpoint>,
    losses: &mut Losses,
) -> Result<Vec<Message>, TranslateError> {
    let at = Path::root("messages");
    let entries = field::list(field::required(raw, at)?, at)?;
    if entries.is_empty() {
        return Err(at.error(Problem::Empty("message")));
    }
    let mut messages = Vec::with_capacity(entries.len());
    for (index, raw) in entries.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Message<'_> = field::object(raw, at)?;
        for (beta, key) in [
            (wire.clear_at, "clear_at"),
            (wire.output_config, "output_config"),
        ] {
            if beta.is_some() {
                losses.add(at.key(key).bracketed(), LossKind::Dropped);
            }
        }
        let role = role(wire.role, at.key("role"))?;
        let blocks = content(&wire, role, at, losses)?;
        for (block, control) in blocks.controls {
            breakpoints.push(CacheBreakpoint {
                at: CacheAt::Block {
                    message: index,
                    block,
                },
                control,
            });
        }
        messages.push(Message {
            role,
            blocks: blocks.blocks,
        });
    }
    Ok(messages)
}

fn role(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Role, TranslateError> {
    match field::string(raw, at)?.as_str() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(at.expected("'user', 'assistant' or 'system'")),
    }
}

fn content(
    wire: &wire::Message<'_>,
    role: Role,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<blocks::Content, TranslateError> {
    let at = at.key("content");
    match wire.content {
        Some(raw) => blocks::content(raw, at, losses),
        // A beta lets a system message carry settings only.
        None if role == Role::System => Ok(blocks::Content::default()),
        None => Err(at.error(Problem::Missing)),
    }
}

fn thinking(raw: wire::Raw<'_>, losses: &mut Losses) -> Result<Option<Thinking>, TranslateError> {
    let at = Path::root("thinking");
    let Some(wire) = field::optional_object::<wire::Thinking<'_>>(raw, at)? else {
        return Ok(None);
    };
    match field::string(wire.kind, at.key("type"))?.as_str() {
        "enabled" => {
            let at = at.key("budget_tokens");
            let budget = field::read(field::required(wire.budget_tokens, at)?, at, field::COUNT)?;
            Ok(Some(Thinking::Budget(budget)))
        }
        "disabled" => Ok(Some(Thinking::Disabled)),
        // "between_tools" leaves the amount to the model just the same.
        "adaptive" | "between_tools" => Ok(Some(Thinking::Adaptive)),
        _ => {
            losses.add(at.bracketed(), LossKind::UnknownType);
            Ok(None)
        }
    }
}

fn output(
    wire: &wire::Request<'_>,
    losses: &mut Losses,
) -> Result<(Option<Effort>, Option<JsonFormat>), TranslateError> {
    let at = Path::root("output_config");
    let old = format(wire.output_format, Path::root("output_format"), losses)?;
    let Some(config) = field::optional_object::<wire::OutputConfig<'_>>(wire.output_config, at)?
    else {
        return Ok((None, old));
    };
    if config.task_budget.is_some() {
        losses.add(at.key("task_budget").bracketed(), LossKind::Dropped);
    }
    let effort = effort(config.effort, at.key("effort"), losses)?;
    let format = format(config.format, at.key("format"), losses)?;
    Ok((effort, format.or(old)))
}

fn effort(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Effort>, TranslateError> {
    let Some(word) = field::optional_string(raw, at)? else {
        return Ok(None);
    };
    let effort = match word.as_str() {
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => {
            losses.add(at.bracketed(), LossKind::UnknownWord);
            return Ok(None);
        }
    };
    Ok(Some(effort))
}

fn format(
    raw: Option<&RawValue>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<JsonFormat>, TranslateError> {
    let Some(wire) = field::optional_object::<wire::Format<'_>>(raw, at)? else {
        return Ok(None);
    };
    if field::string(wire.kind, at.key("type"))? != "json_schema" {
        losses.add(at.bracketed(), LossKind::UnknownType);
        return Ok(None);
    }
    let schema = at.key("schema");
    Ok(Some(JsonFormat {
        name: field::optional_string(wire.name, at.key("name"))?,
        schema: Some(field::read::<Value>(
            field::required(wire.schema, schema)?,
            schema,
            "a JSON Schema",
        )?),
        strict: None,
    }))
}

fn user(raw: wire::Raw<'_>) -> Result<Option<String>, TranslateError> {
    let at = Path::root("metadata");
    match field::optional_object::<wire::Metadata<'_>>(raw, at)? {
        Some(metadata) => field::optional_string(metadata.user_id, at.key("user_id")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
