//! Settings of a request: sampling, reasoning, the form of the answer.

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Effort, JsonFormat, LossKind, Losses, Request, Thinking, TranslateError,
};

use super::wire;

/// Reads the settings into `request`.
pub(super) fn read(
    wire: &wire::Request<'_>,
    request: &mut Request,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    let number = |raw, key| field::optional(raw, Path::root(key), field::NUMBER);
    let flag = |raw, key| field::optional(raw, Path::root(key), field::BOOLEAN);
    let text = |raw, key| field::optional_string(raw, Path::root(key));
    request.max_tokens = field::optional(
        wire.max_output_tokens,
        Path::root("max_output_tokens"),
        field::COUNT,
    )?;
    request.temperature = number(wire.temperature, "temperature")?;
    request.top_p = number(wire.top_p, "top_p")?;
    request.parallel_tool_calls = flag(wire.parallel_tool_calls, "parallel_tool_calls")?;
    request.stream = flag(wire.stream, "stream")?.unwrap_or_default();
    request.logprobs = logprobs(wire)?;
    let safety_identifier = text(wire.safety_identifier, "safety_identifier")?;
    request.user = safety_identifier.or(text(wire.user, "user")?);
    request.cache_key = text(wire.prompt_cache_key, "prompt_cache_key")?;
    request.service_tier = text(wire.service_tier, "service_tier")?;
    reasoning(wire.reasoning, request, losses)?;
    form(wire.text, request, losses)?;
    if wire.max_tool_calls.is_some() {
        losses.add("max_tool_calls", LossKind::Dropped);
    }
    match text(wire.truncation, "truncation")?.as_deref() {
        None | Some("disabled") => {}
        Some(_) => losses.add("truncation", LossKind::Dropped),
    }
    Ok(())
}

/// Log probabilities are asked for by `include`; how many alternatives, or that alone, by `top_logprobs`.
fn logprobs(wire: &wire::Request<'_>) -> Result<Option<u64>, TranslateError> {
    let at = Path::root("include");
    let include: Option<Vec<String>> =
        field::optional(wire.include, at, "a valid list of strings")?;
    let top: Option<u64> =
        field::optional(wire.top_logprobs, Path::root("top_logprobs"), field::COUNT)?;
    let included = include
        .into_iter()
        .flatten()
        .any(|it| it == "message.output_text.logprobs");
    Ok(match top {
        Some(top) if included || 0 < top => Some(top),
        None if included => Some(0),
        Some(_) | None => None,
    })
}

fn reasoning(
    raw: wire::Raw<'_>,
    request: &mut Request,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    let at = Path::root("reasoning");
    let Some(wire) = field::optional_object::<wire::Reasoning<'_>>(raw, at)? else {
        return Ok(());
    };
    let at = at.key("effort");
    let effort = match field::optional_string(wire.effort, at)?.as_deref() {
        None => return Ok(()),
        Some("none") => {
            request.thinking = Some(Thinking::Disabled);
            return Ok(());
        }
        Some("minimal") => Effort::Minimal,
        Some("low") => Effort::Low,
        Some("medium") => Effort::Medium,
        Some("high") => Effort::High,
        Some("xhigh") => Effort::XHigh,
        Some("max") => Effort::Max,
        Some(_) => {
            losses.add(at.bracketed(), LossKind::UnknownWord);
            return Ok(());
        }
    };
    // An effort of reasoning asks for reasoning, where other dialects have two words.
    request.thinking = Some(Thinking::Adaptive);
    request.effort = Some(effort);
    Ok(())
}

/// `text`: the form of the answer and its wordiness.
fn form(
    raw: wire::Raw<'_>,
    request: &mut Request,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    let at = Path::root("text");
    let Some(wire) = field::optional_object::<wire::Text<'_>>(raw, at)? else {
        return Ok(());
    };
    let verbosity = at.key("verbosity");
    match field::optional_string(wire.verbosity, verbosity)? {
        Some(word) if matches!(word.as_str(), "low" | "medium" | "high") => {
            request.verbosity = Some(word);
        }
        Some(_) => losses.add(verbosity.bracketed(), LossKind::UnknownWord),
        None => {}
    }
    request.format = format(wire.format, at.key("format"), losses)?;
    Ok(())
}

fn format(
    raw: wire::Raw<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<JsonFormat>, TranslateError> {
    let Some(wire) = field::optional_object::<wire::Format<'_>>(raw, at)? else {
        return Ok(None);
    };
    match field::string(wire.kind, at.key("type"))?.as_str() {
        "text" => Ok(None),
        "json_object" => Ok(Some(JsonFormat {
            name: None,
            schema: None,
            strict: None,
        })),
        "json_schema" => {
            if wire.description.is_some() {
                losses.add(at.key("description").bracketed(), LossKind::Dropped);
            }
            let schema = at.key("schema");
            let required = field::required(wire.schema, schema)?;
            Ok(Some(JsonFormat {
                name: field::optional_string(wire.name, at.key("name"))?,
                schema: Some(field::read(required, schema, "a JSON Schema")?),
                strict: field::optional(wire.strict, at.key("strict"), field::BOOLEAN)?,
            }))
        }
        _ => {
            losses.add(at.bracketed(), LossKind::UnknownType);
            Ok(None)
        }
    }
}
