//! Canonical request → body of `POST /chat/completions`.
//!
//! Hints that change nothing about what the answer says (`cache_control`, `defer_loading`, `eager_input_streaming`,
//! `thinking.display`, `diagnostics`, `betas`), the client's attribution line in the system prompt, and reasoning that
//! another vendor signed are left out without a word: every request has some, and a loss that is always there tells
//! nobody anything. Everything else that cannot be said is a loss.

use std::borrow::Cow;

use serde_json::Value;

use crate::protocol::canonical::{
    JsonFormat, LossKind, Losses, Outbound, Problem, Request, TranslateError,
};
use crate::types::quirks::{JsonAnswers, Prefill, UserField};

use super::conversation;
use super::names::{Names, hex, sent_model, shown};
use super::profile::Profile;
use super::reasoning;
use super::schema;
use super::tools;
use super::wire_request as wire;

/// Most stop sequences that are accepted.
const MAX_STOP: usize = 4;
/// Most alternatives of a token that are told.
const MAX_LOGPROBS: u64 = 20;
/// Longest `user`, `safety_identifier` and `prompt_cache_key`, and longest name of an answer's schema.
const MAX_ID: usize = 64;

/// Writes `request` for `model` at an upstream that takes what `profile` says.
///
/// The only refusals are a request for a message thread and a conversation without content.
pub fn outbound(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    let mut names = Names::default();
    let fast = leftovers(request, losses)?;
    let tools = tools::tools(request, profile, &mut names, losses);
    let (tool_choice, forced) = tools::choice(request, profile, &mut names, losses);
    let (response_format, instruction) = match &request.format {
        Some(format) => response_format(format, profile, losses),
        None => (None, None),
    };
    let written = conversation::write(request, profile, instruction, &mut names, losses);
    if !written.has_content {
        return Err(TranslateError::Field {
            path: "messages".to_owned(),
            problem: Problem::Empty("message with content"),
        });
    }
    let limit = max_tokens(request, profile, losses);
    let (max_tokens, max_completion_tokens) = if profile.max_completion_tokens {
        (None, limit)
    } else {
        (limit, None)
    };
    let mut sampling = Sampling { profile, losses };
    let [temperature, top_p] = [
        ("temperature", &request.temperature),
        ("top_p", &request.top_p),
    ]
    .map(|(path, value)| sampling.keep(path, value.as_ref(), profile.sampling));
    let top_k = sampling.keep("top_k", request.top_k.as_ref(), profile.top_k);
    let stop = sampling.stop(&request.stop_sequences);
    let told = profile.sampling && profile.logprobs;
    let logprobs = sampling.keep("logprobs", request.logprobs.as_ref(), told);
    let verbosity = request.verbosity.as_ref();
    let verbosity = verbosity.filter(|it| profile.verbosity || *it != "medium");
    let verbosity = sampling.keep("verbosity", verbosity, profile.verbosity);
    let continues = written.prefill && profile.prefill == Prefill::ContinueFinal;
    let user = user(request, profile);
    let body = wire::Request {
        model: sent_model(model),
        messages: written.messages,
        max_tokens,
        max_completion_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        stream: request.stream,
        stream_options: (request.stream && profile.stream_usage).then_some(wire::StreamOptions {
            include_usage: true,
        }),
        parallel_tool_calls: tools::parallel(request, profile, losses),
        tools,
        tool_choice,
        thinking: reasoning::ask(request, profile, forced, losses),
        response_format,
        user: user.plain,
        safety_identifier: user.safety,
        prompt_cache_key: user.cache_key,
        service_tier: service_tier(request, fast, profile, losses),
        verbosity: verbosity.map(String::as_str),
        logprobs: logprobs.map(|_| true),
        top_logprobs: logprobs.map(|wanted| MAX_LOGPROBS.min(*wanted)),
        add_generation_prompt: continues.then_some(false),
        continue_final_message: continues.then_some(true),
    };
    Ok(Outbound {
        body: serde_json::to_vec(&body).map_err(TranslateError::Json)?,
        names: names.into_tool_names(),
        headers: Vec::new(),
        prewarm: request.max_tokens == Some(0),
    })
}

/// Reports what has no place; whether `speed: "fast"` is among it, which has one at some providers.
pub(crate) fn leftovers(request: &Request, losses: &mut Losses) -> Result<bool, TranslateError> {
    let mut fast = false;
    for (key, value) in request.rest.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "thread" => return Err(TranslateError::ThreadUnsupported),
            "cache_control" | "diagnostics" | "betas" => {}
            "speed" => fast = value == "fast",
            _ => losses.add(shown(key), LossKind::Dropped),
        }
    }
    Ok(fast)
}

pub(crate) fn max_tokens(request: &Request, profile: &Profile, losses: &mut Losses) -> Option<u64> {
    let wanted = request.max_tokens?;
    if wanted == 0 {
        losses.add("max_tokens", LossKind::Raised);
        return Some(1);
    }
    match profile.max_output {
        Some(most) if most < wanted => {
            losses.add("max_tokens", LossKind::Lowered);
            Some(most)
        }
        Some(_) | None => Some(wanted),
    }
}

struct Sampling<'b> {
    profile: &'b Profile,
    losses: &'b mut Losses,
}

impl Sampling<'_> {
    fn keep<'a, T>(&mut self, path: &str, value: Option<&'a T>, accepted: bool) -> Option<&'a T> {
        if value.is_some() && !accepted {
            self.losses.add(path, LossKind::NotAccepted);
        }
        value.filter(|_| accepted)
    }

    fn stop<'a>(&mut self, sequences: &'a [String]) -> Vec<&'a str> {
        let path = "stop_sequences";
        if sequences.is_empty() {
            return Vec::new();
        }
        if !self.profile.stop {
            self.losses.add(path, LossKind::NotAccepted);
            return Vec::new();
        }
        if MAX_STOP < sequences.len() {
            self.losses.add(path, LossKind::CutShort);
        }
        sequences
            .iter()
            .take(MAX_STOP)
            .map(String::as_str)
            .collect()
    }
}

/// The format of the answer, and what to tell the model where the format alone does not.
pub(crate) fn response_format(
    format: &JsonFormat,
    profile: &Profile,
    losses: &mut Losses,
) -> (Option<wire::ResponseFormat>, Option<String>) {
    let path = "output_config.format";
    let Some(schema) = &format.schema else {
        return (Some(wire::ResponseFormat::JsonObject), None);
    };
    match profile.json {
        JsonAnswers::Object => {
            losses.add(path, LossKind::AsInstruction);
            let instruction = format!(
                "Answer with a single JSON object that matches this JSON Schema, and with nothing else:\n{schema}"
            );
            (Some(wire::ResponseFormat::JsonObject), Some(instruction))
        }
        JsonAnswers::Schema => {
            let mut closed = schema.clone();
            schema::close_objects(&mut closed);
            let wanted = format.strict != Some(false);
            let strict = wanted && schema::is_strict(&closed);
            if wanted && !strict {
                losses.add(path, LossKind::NotStrict);
            }
            let json_schema = wire::JsonSchema {
                name: answer_name(format.name.as_deref()),
                schema: if strict { closed } else { schema.clone() },
                strict,
            };
            (Some(wire::ResponseFormat::JsonSchema { json_schema }), None)
        }
    }
}

fn answer_name(name: Option<&str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = name
        .unwrap_or_default()
        .chars()
        .take(MAX_ID)
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    if name.is_empty() {
        "answer".to_owned()
    } else {
        name
    }
}

/// The end user's id, in the fields this provider has for it, and what ties requests together for its cache: the
/// client's own key, or else the session inside that id.
#[derive(Default)]
pub(crate) struct User<'a> {
    pub plain: Option<Cow<'a, str>>,
    pub safety: Option<Cow<'a, str>>,
    pub cache_key: Option<Cow<'a, str>>,
}

pub(crate) fn user<'a>(request: &'a Request, profile: &Profile) -> User<'a> {
    let id = request.user.as_deref().filter(|id| !id.is_empty());
    let short = |text: Cow<'a, str>| {
        if text.len() <= MAX_ID {
            text
        } else {
            Cow::Owned(hex(&text, MAX_ID))
        }
    };
    let mut user = User::default();
    match profile.user {
        UserField::Nowhere => {}
        UserField::User => user.plain = id.map(|id| short(id.into())),
        UserField::SafetyIdentifier => user.safety = id.map(|id| short(id.into())),
    }
    if profile.prompt_cache_key {
        let own = request.cache_key.as_deref().filter(|key| !key.is_empty());
        let of_session = || id.map(|id| session(id).map_or(Cow::Borrowed(id), Cow::Owned));
        user.cache_key = own.map(Cow::Borrowed).or_else(of_session).map(short);
    }
    user
}

/// The session inside Claude Code's user id: a JSON text, or `user_…_account_…_session_…`.
fn session(id: &str) -> Option<String> {
    if let Ok(Value::Object(fields)) = serde_json::from_str(id) {
        return fields.get("session_id")?.as_str().map(str::to_owned);
    }
    let (_, session) = id.rsplit_once("_session_")?;
    (!session.is_empty()).then(|| session.to_owned())
}

pub(crate) fn service_tier(
    request: &Request,
    fast: bool,
    profile: &Profile,
    losses: &mut Losses,
) -> Option<&'static str> {
    let wanted = request.service_tier.as_deref();
    if !profile.service_tier {
        if fast {
            losses.add("speed", LossKind::Dropped);
        }
        // A service without tiers gives the default one.
        if wanted.is_some_and(|tier| !matches!(tier, "auto" | "default")) {
            losses.add("service_tier", LossKind::Dropped);
        }
        return None;
    }
    match wanted {
        _ if fast => Some("priority"),
        Some("auto") => Some("auto"),
        Some("standard_only" | "default") => Some("default"),
        Some("flex") => Some("flex"),
        Some("priority") => Some("priority"),
        Some("scale") => Some("scale"),
        Some(_) => {
            losses.add("service_tier", LossKind::UnknownWord);
            None
        }
        None => None,
    }
}

#[cfg(test)]
mod tests;
