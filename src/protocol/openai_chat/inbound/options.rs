//! Everything but the conversation and the tools.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{Effort, JsonFormat, LossKind, Losses, Thinking, TranslateError};

use super::wire;

/// Refuses what no translation can give, and reports what no dialect but this has.
pub(super) fn refuse(wire: &wire::Request<'_>, losses: &mut Losses) -> Result<(), TranslateError> {
    let at = Path::root("n");
    match field::optional::<u64>(wire.n, at, field::COUNT)? {
        None | Some(1) => {}
        Some(0) => return Err(at.expected("1")),
        Some(_) => {
            return Err(TranslateError::Unsupported {
                path: at.dotted(),
                reason: "one choice an answer; send the request several times instead",
            });
        }
    }
    let at = Path::root("modalities");
    let modalities: Vec<String> =
        field::optional(wire.modalities, at, "a valid list of strings")?.unwrap_or_default();
    for word in modalities {
        match word.as_str() {
            "text" => {}
            "audio" => {
                return Err(TranslateError::Unsupported {
                    path: at.dotted(),
                    reason: "answers here are text; ask for 'text' only",
                });
            }
            _ => losses.add(at.bracketed(), LossKind::NoPlace),
        }
    }
    let at = Path::root("logit_bias");
    let bias: Option<Map<String, Value>> = field::optional_object(wire.logit_bias, at)?;
    if bias.is_some_and(|it| !it.is_empty()) {
        losses.add(at.bracketed(), LossKind::NoPlace);
    }
    Ok(())
}

/// A flag at the top level.
pub(super) fn flag(raw: wire::Raw<'_>, key: &'static str) -> Result<Option<bool>, TranslateError> {
    field::optional(raw, Path::root(key), field::BOOLEAN)
}

/// The limit of output tokens; the newer name counts. Local servers take `-1` for no limit.
pub(super) fn max_tokens(wire: &wire::Request<'_>) -> Result<Option<u64>, TranslateError> {
    for (raw, key) in [
        (wire.max_completion_tokens, "max_completion_tokens"),
        (wire.max_tokens, "max_tokens"),
    ] {
        let Some(raw) = raw.filter(|raw| raw.get() != "-1") else {
            continue;
        };
        let at = Path::root(key);
        let wanted = "a valid integer of 1 or more";
        return match field::read(raw, at, wanted)? {
            0 => Err(at.expected(wanted)),
            tokens => Ok(Some(tokens)),
        };
    }
    Ok(None)
}

/// One stop sequence or several.
pub(super) fn stop(raw: wire::Raw<'_>) -> Result<Vec<String>, TranslateError> {
    let at = Path::root("stop");
    let mut stop = match raw {
        None => Vec::new(),
        Some(raw) if field::is_string(raw) => vec![field::read(raw, at, field::STRING)?],
        Some(raw) => field::read(raw, at, "a valid string or list of strings")?,
    };
    stop.retain(|text: &String| !text.is_empty());
    Ok(stop)
}

/// How many alternatives of each token are wanted, if any account of tokens is.
pub(super) fn logprobs(wire: &wire::Request<'_>) -> Result<Option<u64>, TranslateError> {
    let top = field::optional(wire.top_logprobs, Path::root("top_logprobs"), field::COUNT)?;
    let wanted = flag(wire.logprobs, "logprobs")?.unwrap_or_default();
    Ok(wanted.then_some(top.unwrap_or(0)))
}

/// Whether tokens are to be counted at the end of the stream.
pub(super) fn stream_usage(wire: &wire::Request<'_>) -> Result<bool, TranslateError> {
    let (at, wish_at) = (Path::root("stream_options"), Path::root("usage"));
    let options: Option<wire::StreamOptions<'_>> = field::optional_object(wire.stream_options, at)?;
    let wish: Option<wire::UsageWish<'_>> = field::optional_object(wire.usage, wish_at)?;
    let flag = |raw, at: Path<'_>| field::optional::<bool>(raw, at, field::BOOLEAN);
    let options = flag(
        options.and_then(|it| it.include_usage),
        at.key("include_usage"),
    )?;
    let wish = flag(wish.and_then(|it| it.include), wish_at.key("include"))?;
    Ok(options.or(wish).unwrap_or_default())
}

/// The shape of the answer; `None` is text.
pub(super) fn format(
    raw: wire::Raw<'_>,
    losses: &mut Losses,
) -> Result<Option<JsonFormat>, TranslateError> {
    let at = Path::root("response_format");
    let Some(wire) = field::optional_object::<wire::ResponseFormat<'_>>(raw, at)? else {
        return Ok(None);
    };
    let kind_at = at.key("type");
    match field::string(wire.kind, kind_at)?.as_str() {
        "text" => Ok(None),
        "json_object" => Ok(Some(JsonFormat {
            name: None,
            schema: schema(wire.schema, at.key("schema"))?,
            strict: None,
        })),
        "json_schema" => {
            let at = at.key("json_schema");
            let wire: wire::JsonSchema<'_> =
                field::object(field::required(wire.json_schema, at)?, at)?;
            if wire.description.is_some() {
                losses.add(at.key("description").bracketed(), LossKind::Dropped);
            }
            Ok(Some(JsonFormat {
                name: field::optional_string(wire.name, at.key("name"))?,
                schema: schema(wire.schema, at.key("schema"))?,
                strict: field::optional(wire.strict, at.key("strict"), field::BOOLEAN)?,
            }))
        }
        _ => {
            losses.add(kind_at.bracketed(), LossKind::UnknownType);
            Ok(None)
        }
    }
}

fn schema(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Option<Value>, TranslateError> {
    let schema: Option<Map<String, Value>> = field::optional_object(raw, at)?;
    Ok(schema.map(Value::Object))
}

/// What a client asks of the model's thinking, in the words of the vendors.
#[derive(Default)]
struct Wish {
    effort: Option<Effort>,
    budget: Option<u64>,
    on: bool,
    off: bool,
}

/// Whether and how hard to think. A client that names an effort means a model that thinks: it thinks as it sees fit.
pub(super) fn thought(
    wire: &wire::Request<'_>,
    losses: &mut Losses,
) -> Result<(Option<Thinking>, Option<Effort>), TranslateError> {
    let mut wish = Wish::default();
    openrouter(wire, &mut wish, losses)?;
    wish.effort(
        wire.reasoning_effort,
        Path::root("reasoning_effort"),
        losses,
    )?;
    let at = Path::root("thinking");
    if let Some(thinking) = field::optional_object::<wire::Thinking<'_>>(wire.thinking, at)? {
        match field::optional_string(thinking.kind, at.key("type"))?.as_deref() {
            Some("disabled") => wish.off = true,
            Some("enabled" | "adaptive" | "auto") => wish.on = true,
            Some(_) => losses.add(at.bracketed(), LossKind::UnknownType),
            // Zhipu: `clear_thinking` alone, about what it keeps of earlier turns.
            None => {}
        }
        wish.budget(thinking.budget_tokens, at.key("budget_tokens"))?;
    }
    match flag(wire.enable_thinking, "enable_thinking")? {
        Some(true) => wish.on = true,
        Some(false) => wish.off = true,
        None => {}
    }
    wish.budget(wire.thinking_budget, Path::root("thinking_budget"))?;
    Ok(wish.resolve())
}

fn openrouter(
    wire: &wire::Request<'_>,
    wish: &mut Wish,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    // Reasoning is shown where it is; only the vendor could leave it out.
    if flag(wire.include_reasoning, "include_reasoning")? == Some(false) {
        losses.add("include_reasoning", LossKind::Dropped);
    }
    let at = Path::root("reasoning");
    let Some(reasoning) = field::optional_object::<wire::Reasoning<'_>>(wire.reasoning, at)? else {
        return Ok(());
    };
    wish.effort(reasoning.effort, at.key("effort"), losses)?;
    wish.budget(reasoning.max_tokens, at.key("max_tokens"))?;
    match field::optional(reasoning.enabled, at.key("enabled"), field::BOOLEAN)? {
        Some(true) => wish.on = true,
        Some(false) => wish.off = true,
        None => {}
    }
    if field::optional(reasoning.exclude, at.key("exclude"), field::BOOLEAN)? == Some(true) {
        losses.add(at.key("exclude").bracketed(), LossKind::Dropped);
    }
    Ok(())
}

impl Wish {
    fn effort(
        &mut self,
        raw: Option<&RawValue>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let Some(word) = field::optional_string(raw, at)? else {
            return Ok(());
        };
        let effort = match word.as_str() {
            "none" => {
                self.off = true;
                return Ok(());
            }
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::XHigh,
            "max" => Effort::Max,
            _ => {
                losses.add(at.bracketed(), LossKind::UnknownWord);
                return Ok(());
            }
        };
        self.effort = Some(effort);
        Ok(())
    }

    fn budget(&mut self, raw: Option<&RawValue>, at: Path<'_>) -> Result<(), TranslateError> {
        match field::optional(raw, at, field::COUNT)? {
            None => {}
            Some(0) => self.off = true,
            Some(tokens) => self.budget = Some(tokens),
        }
        Ok(())
    }

    fn resolve(self) -> (Option<Thinking>, Option<Effort>) {
        let thinking = match self.budget {
            _ if self.off => return (Some(Thinking::Disabled), None),
            Some(tokens) => Some(Thinking::Budget(tokens)),
            None if self.on || self.effort.is_some() => Some(Thinking::Adaptive),
            None => None,
        };
        (thinking, self.effort)
    }
}
