//! Canonical request → body of `POST /v1/messages`, for clients of other dialects.
//!
//! Hints that change nothing about what the answer says (`prompt_cache_key`, `cache_control` of the whole request,
//! `diagnostics`, `betas`, `store`), settings that have their default value, and reasoning that another vendor signed
//! or nobody did, are left out without a word: every request has some, and a loss that is always there tells nobody
//! anything. Everything else that cannot be said is a loss.
//!
//! Bodies are written for `anthropic-version: 2023-06-01`; the newer version takes no sampling settings at all.

mod base64;
mod cache;
mod content;
mod conversation;
mod names;
mod reasoning;
mod schema;
mod tools;
mod wire;

use std::borrow::Cow;

use serde_json::Number;

use crate::protocol::canonical::{LossKind, Losses, Outbound, Problem, Request, TranslateError};

use self::cache::Marks;
use self::names::{Names, pseudonym, shown};
use self::reasoning::{Asked, Circumstances};
use self::schema::Room;
use super::Profile;
use super::profile::{Sampling, sent_model};

/// Betas that a body needs are named in this header.
const BETA: &str = "anthropic-beta";
/// For files of the vendor's store.
const FILES_BETA: &str = "files-api-2025-04-14";
/// For models whose name asks for a million tokens of context.
const LONG_CONTEXT_BETA: &str = "context-1m-2025-08-07";
/// Longest `metadata.user_id`, bytes.
const MAX_USER: usize = 256;
/// Least `top_p` that goes with thinking.
const LEAST_TOP_P: f64 = 0.95;

/// Writes `request` for `model` at a provider that takes what `profile` says.
///
/// The only refusals are a request for a message thread and a conversation without content.
pub fn outbound(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    leftovers(request, losses)?;
    let mut names = Names::new(profile.tool_name);
    let mut room = Room::new();
    let marks = Marks::of(request);
    let (format, instruction) = answer_format(request, profile, &mut room, losses);
    let mut tools = tools::tools(request, profile, &marks, &mut room, &mut names, losses);
    let (tool_choice, forced) = tools::choice(request, profile, &tools, &mut names, losses);
    let mut written =
        conversation::write(request, profile, instruction, &marks, &mut names, losses);
    if written.messages.is_empty() {
        return Err(TranslateError::Field {
            path: "messages".to_owned(),
            problem: Problem::Empty("message with content"),
        });
    }
    let at = Circumstances {
        max_tokens: max_tokens(request, profile, losses),
        forced,
        loop_without_thought: written.loop_without_thought(),
    };
    let asked = reasoning::ask(request, profile, at, losses);
    written.end(profile.prefill && !asked.thinks(), losses);
    if profile.cache && marks.is_empty() {
        cache::mark(&mut tools.tools, &mut written.system, &mut written.messages);
    }
    let betas = betas(model, written.files, &tools.betas);
    let sampling = sampling(request, profile, &asked, losses);
    let body = wire::Request {
        model: sent_model(model),
        max_tokens: asked.max_tokens,
        tools: tools.tools,
        system: written.system,
        messages: written.messages,
        tool_choice,
        thinking: asked.thinking,
        output_config: wire::OutputConfig {
            effort: asked.effort,
            format,
        },
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: stop(request, losses),
        metadata: user(request),
        service_tier: service_tier(request, losses),
        stream: request.stream,
    };
    Ok(Outbound {
        body: serde_json::to_vec(&body).map_err(TranslateError::Json)?,
        headers: betas,
        names: names.into_tool_names(),
        // `max_tokens: 0` is this dialect's own way of warming the cache.
        prewarm: false,
    })
}

/// Reports what has no place.
fn leftovers(request: &Request, losses: &mut Losses) -> Result<(), TranslateError> {
    for (key, _) in request.rest.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "thread" => return Err(TranslateError::ThreadUnsupported),
            "cache_control" | "diagnostics" | "betas" | "store" => {}
            _ => losses.add(shown(key), LossKind::Dropped),
        }
    }
    let is_set =
        |number: &Option<Number>| number.as_ref().is_some_and(|it| it.as_f64() != Some(0.0));
    let settings = [
        ("seed", request.seed.is_some()),
        ("presence_penalty", is_set(&request.presence_penalty)),
        ("frequency_penalty", is_set(&request.frequency_penalty)),
        ("logprobs", request.logprobs.is_some()),
        (
            "verbosity",
            request
                .verbosity
                .as_deref()
                .is_some_and(|it| it != "medium"),
        ),
    ];
    for (path, _) in settings.into_iter().filter(|(_, is_set)| *is_set) {
        losses.add(path, LossKind::NoPlace);
    }
    Ok(())
}

fn max_tokens(request: &Request, profile: &Profile, losses: &mut Losses) -> u64 {
    match (request.max_tokens, profile.max_output) {
        (None, _) => profile.default_output,
        (Some(wanted), Some(most)) if most < wanted => {
            losses.add("max_tokens", LossKind::Lowered);
            most
        }
        (Some(wanted), _) => wanted,
    }
}

/// The format of the answer, or else what to tell the model.
fn answer_format<'a>(
    request: &'a Request,
    profile: &Profile,
    room: &mut Room,
    losses: &mut Losses,
) -> (Option<wire::Format<'a>>, Option<String>) {
    let path = "output_config.format";
    let Some(format) = &request.format else {
        return (None, None);
    };
    let Some(schema) = &format.schema else {
        losses.add(path, LossKind::AsInstruction);
        let instruction = "Answer with a single JSON object, and with nothing else.";
        return (None, Some(instruction.to_owned()));
    };
    if let Some((closed, simplified)) = room.answer(schema).filter(|_| profile.structured) {
        if simplified {
            losses.add(path, LossKind::SchemaSimplified);
        }
        let schema = if closed == *schema {
            Cow::Borrowed(schema)
        } else {
            Cow::Owned(closed)
        };
        let kind = "json_schema";
        return (Some(wire::Format { kind, schema }), None);
    }
    losses.add(path, LossKind::AsInstruction);
    let instruction = format!(
        "Answer with a single JSON value that matches this JSON Schema, and with nothing else:\n{schema}"
    );
    (None, Some(instruction))
}

/// The settings of sampling that are sent.
#[derive(Default)]
struct Sampled<'a> {
    temperature: Option<Number>,
    top_p: Option<&'a Number>,
    top_k: Option<&'a Number>,
}

/// A model that takes none accepts the default values, which change nothing; thinking narrows what is accepted.
fn sampling<'a>(
    request: &'a Request,
    profile: &Profile,
    asked: &Asked,
    losses: &mut Losses,
) -> Sampled<'a> {
    let value = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
    let mut refuse = |path, number: &Option<Number>| {
        if number.is_some() && value(number) != Some(1.0) {
            losses.add(path, LossKind::NotAccepted);
        }
    };
    if profile.sampling == Sampling::Nothing {
        refuse("temperature", &request.temperature);
        refuse("top_p", &request.top_p);
        refuse("top_k", &request.top_k);
        return Sampled::default();
    }
    let mut sampled = Sampled {
        temperature: request.temperature.clone(),
        top_p: request.top_p.as_ref(),
        top_k: request.top_k.as_ref(),
    };
    if asked.thinks() {
        refuse("temperature", &request.temperature);
        refuse("top_k", &request.top_k);
        sampled.temperature = None;
        sampled.top_k = None;
        if value(&request.top_p).is_some_and(|it| it < LEAST_TOP_P) {
            refuse("top_p", &request.top_p);
            sampled.top_p = None;
        }
    } else if profile.sampling == Sampling::OneOfTwo && sampled.top_p.is_some() {
        // The one that says something stays.
        if value(&request.temperature) == Some(1.0) {
            sampled.temperature = None;
        } else if sampled.temperature.is_some() {
            refuse("top_p", &request.top_p);
            sampled.top_p = None;
        }
    }
    if value(&sampled.temperature).is_some_and(|it| 1.0 < it) {
        losses.add("temperature", LossKind::Lowered);
        sampled.temperature = Some(Number::from(1));
    }
    sampled
}

/// Sequences of nothing but white space are refused.
fn stop<'a>(request: &'a Request, losses: &mut Losses) -> Vec<&'a str> {
    let all = request.stop_sequences.iter().map(String::as_str);
    let kept: Vec<&str> = all.filter(|it| !it.trim().is_empty()).collect();
    if kept.len() < request.stop_sequences.len() {
        losses.add("stop_sequences", LossKind::NotAccepted);
    }
    kept
}

/// The end user's id. Who they are must not be told: an address of theirs goes as its hash, and so does what is too
/// long.
fn user(request: &Request) -> Option<wire::Metadata<'_>> {
    let user = request.user.as_deref().filter(|it| !it.is_empty())?;
    let user_id = if is_address(user) || MAX_USER < user.len() {
        Cow::Owned(pseudonym(user))
    } else {
        Cow::Borrowed(user)
    };
    Some(wire::Metadata { user_id })
}

fn is_address(user: &str) -> bool {
    user.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !user.contains(char::is_whitespace)
    })
}

fn service_tier(request: &Request, losses: &mut Losses) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        // Priority is used where the account has it.
        "auto" | "priority" => Some("auto"),
        "default" | "standard_only" => Some("standard_only"),
        _ => {
            losses.add("service_tier", LossKind::UnknownWord);
            None
        }
    }
}

fn betas(model: &str, files: bool, of_tools: &[&'static str]) -> Vec<(&'static str, String)> {
    let long = sent_model(model) != model;
    let mut betas: Vec<&str> = of_tools.to_vec();
    betas.extend(files.then_some(FILES_BETA));
    betas.extend(long.then_some(LONG_CONTEXT_BETA));
    betas.sort_unstable();
    betas.dedup();
    if betas.is_empty() {
        Vec::new()
    } else {
        vec![(BETA, betas.join(","))]
    }
}

#[cfg(test)]
mod tests;
