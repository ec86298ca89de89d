//! Canonical request → body of `POST /responses`.
//!
//! Nothing is kept at the provider: `store` is false, no id of an earlier answer is ever sent, and sealed reasoning is
//! asked for and given back instead. Left out without a word are hints that change nothing about what the answer says
//! (`cache_control` where there is no place for it, `defer_loading`, `thinking.display`, `diagnostics`, `betas`), the
//! client's attribution line in the system prompt, and reasoning of another vendor. Everything else that cannot be
//! said is a loss.
//!
//! Traps: `strict` of a function is true unless it says otherwise; fewer than 16 output tokens are a 400; hosted tools
//! exclude effort `minimal`; `json_object` wants the word JSON in the input, the instructions do not count.

mod assistant;
mod conversation;
mod recall;
mod tools;

use std::borrow::Cow;

use serde_json::Number;

use crate::protocol::canonical::{
    LossKind, Losses, Outbound, Problem, Request, Thinking, TranslateError,
};
use crate::protocol::openai_chat::names::{Names, hex, sent_model};
use crate::protocol::openai_chat::outbound as chat;
use crate::protocol::openai_chat::wire_request as chat_wire;
use crate::protocol::openai_chat::{reasoning, tools::parallel};

use super::Profile;
use super::wire_request as wire;

/// Most alternatives of a token that are told.
const MAX_LOGPROBS: u64 = 20;
/// Longest `prompt_cache_key`.
const MAX_KEY: usize = 64;
/// Makes the input speak of JSON, without which `json_object` is refused.
const JSON_PLEASE: &str = "Answer with a single JSON object.";

/// Writes `request` for `model` at a provider that takes what `profile` says.
///
/// The only refusals are a request for a message thread and a conversation without content.
pub fn outbound(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    let mut names = Names::default();
    let fast = chat::leftovers(request, losses)?;
    no_place(request, losses);
    let tools = tools::tools(request, profile, &mut names, losses);
    let (tool_choice, forced) = tools::choice(request, profile, &tools, &mut names, losses);
    let (format, instruction) = match &request.format {
        Some(format) => chat::response_format(format, &profile.base, losses),
        None => (None, None),
    };
    let mut written = conversation::write(request, profile, instruction, &mut names, losses);
    if !written.has_content {
        return Err(TranslateError::Field {
            path: "messages".to_owned(),
            problem: Problem::Empty("message with content"),
        });
    }
    if let Some(chat_wire::ResponseFormat::JsonObject) = format {
        written.input.insert(0, developer(JSON_PLEASE));
    }
    let hosted = !tools.hosted.is_empty();
    let reasoning = thought(request, profile, forced, hosted, losses);
    let sampling = Sampling::of(request, profile, losses);
    let user = chat::user(request, &profile.base);
    let body = wire::Request {
        model: sent_model(model),
        instructions: written.instructions,
        input: written.input,
        max_output_tokens: max_tokens(request, profile, losses),
        max_tool_calls: tools.max_calls.filter(|_| tools.hosted.len() == 1),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_logprobs: sampling.logprobs,
        stream: request.stream,
        store: false,
        include: include(request, profile, &tools, &sampling),
        tools: tools.list,
        tool_choice,
        parallel_tool_calls: parallel(request, &profile.base, losses),
        reasoning,
        text: wire::Text {
            format: format.map(flat_format),
            verbosity: verbosity(request, profile, losses),
        },
        user: user.plain,
        safety_identifier: user.safety,
        prompt_cache_key: cache_key(request, profile).or(user.cache_key),
        service_tier: chat::service_tier(request, fast, &profile.base, losses),
    };
    Ok(Outbound {
        body: serde_json::to_vec(&body).map_err(TranslateError::Json)?,
        headers: Vec::new(),
        names: names.into_tool_names(),
        prewarm: request.max_tokens == Some(0),
    })
}

/// How tokens are chosen and told, as far as the model lets itself be told.
struct Sampling<'a> {
    temperature: Option<&'a Number>,
    top_p: Option<&'a Number>,
    logprobs: Option<u64>,
}

impl<'a> Sampling<'a> {
    fn of(request: &'a Request, profile: &Profile, losses: &mut Losses) -> Self {
        let accepted = profile.base.sampling;
        let mut keep = |path: &str| {
            if !accepted {
                losses.add(path, LossKind::NotAccepted);
            }
            accepted
        };
        let temperature = request.temperature.as_ref();
        let top_p = request.top_p.as_ref();
        Sampling {
            temperature: temperature.filter(|_| keep("temperature")),
            top_p: top_p.filter(|_| keep("top_p")),
            logprobs: request
                .logprobs
                .filter(|_| keep("logprobs"))
                .map(|wanted| wanted.min(MAX_LOGPROBS)),
        }
    }
}

/// What the answer tells only when it is asked for.
fn include(
    request: &Request,
    profile: &Profile,
    tools: &tools::Tools<'_>,
    sampling: &Sampling<'_>,
) -> Vec<&'static str> {
    let mut include = Vec::new();
    if profile.sealed_reasoning && thinks(request) {
        include.push("reasoning.encrypted_content");
    }
    include.extend(&tools.include);
    if sampling.logprobs.is_some() {
        include.push("message.output_text.logprobs");
    }
    include
}

/// What this dialect has no field for.
fn no_place(request: &Request, losses: &mut Losses) {
    if !request.stop_sequences.is_empty() {
        losses.add("stop_sequences", LossKind::NoPlace);
    }
    for (path, value) in [
        ("top_k", &request.top_k),
        ("seed", &request.seed),
        ("presence_penalty", &request.presence_penalty),
        ("frequency_penalty", &request.frequency_penalty),
    ] {
        if value.is_some() {
            losses.add(path, LossKind::NoPlace);
        }
    }
}

fn developer(text: &'static str) -> wire::Item<'static> {
    wire::Item::Message {
        role: "developer",
        content: vec![wire::Part::InputText {
            text: text.into(),
            mark: chat_wire::Mark::default(),
        }],
    }
}

fn max_tokens(request: &Request, profile: &Profile, losses: &mut Losses) -> Option<u64> {
    let wanted = request.max_tokens?;
    let most = profile.base.max_output.unwrap_or(u64::MAX);
    let sent = wanted.max(profile.least_output).min(most);
    if wanted < sent {
        losses.add("max_tokens", LossKind::Raised);
    } else if sent < wanted {
        losses.add("max_tokens", LossKind::Lowered);
    }
    Some(sent)
}

/// Whether the model may think: most do so unasked, and what they thought has to come back with the next step.
fn thinks(request: &Request) -> bool {
    request.thinking != Some(Thinking::Disabled)
}

fn thought(
    request: &Request,
    profile: &Profile,
    forced: bool,
    hosted: bool,
    losses: &mut Losses,
) -> Option<wire::Reasoning> {
    let asked = reasoning::ask(request, &profile.base, forced, losses);
    let mut effort = asked.reasoning_effort?;
    if effort == "minimal" && hosted {
        losses.add("output_config.effort", LossKind::Raised);
        effort = "low";
    }
    Some(wire::Reasoning {
        effort,
        summary: (profile.summaries && effort != "none").then_some("auto"),
    })
}

fn flat_format(format: chat_wire::ResponseFormat) -> wire::Format {
    match format {
        chat_wire::ResponseFormat::JsonObject => wire::Format::JsonObject,
        chat_wire::ResponseFormat::JsonSchema { json_schema } => wire::Format::JsonSchema {
            name: json_schema.name,
            schema: json_schema.schema,
            strict: json_schema.strict,
        },
    }
}

fn verbosity<'a>(request: &'a Request, profile: &Profile, losses: &mut Losses) -> Option<&'a str> {
    let wanted = request.verbosity.as_deref()?;
    if !profile.verbosity {
        losses.add("verbosity", LossKind::NotAccepted);
        return None;
    }
    if !matches!(wanted, "low" | "medium" | "high") {
        losses.add("verbosity", LossKind::UnknownWord);
        return None;
    }
    Some(wanted)
}

fn cache_key<'a>(request: &'a Request, profile: &Profile) -> Option<Cow<'a, str>> {
    let key = request.cache_key.as_deref().filter(|key| !key.is_empty())?;
    if !profile.base.prompt_cache_key {
        return None;
    }
    Some(if key.len() <= MAX_KEY {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(hex(key, MAX_KEY))
    })
}

#[cfg(test)]
mod tests;
