//! Canonical request → body of `generateContent` and `streamGenerateContent`.
//!
//! Left out without a word, because it changes nothing about what the answer says: `cache_control` and the cache key
//! (Gemini caches prefixes by itself), `defer_loading`, `eager_input_streaming`, `diagnostics`, `betas`, the end user's
//! id, the client's attribution line in the system prompt, and reasoning that another vendor signed. Safety settings
//! are not sent: those of the account hold. Everything else that cannot be said is a loss.

use crate::protocol::canonical::{LossKind, Losses, Outbound, Problem, Request, TranslateError};
use crate::protocol::openai_chat::names::shown;

use super::conversation;
use super::generation::{self, Answer};
use super::names::Names;
use super::profile::Profile;
use super::tools;
use super::wire_request as wire;

/// Writes `request` for a model that takes what `profile` says. The model itself stands in the call's address.
///
/// The only refusals are a request for a message thread and a conversation without content.
pub fn outbound(
    request: &Request,
    _model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    let mut names = Names::default();
    let body = body(request, profile, &mut names, losses)?;
    Ok(Outbound {
        body: serde_json::to_vec(&body).map_err(TranslateError::Json)?,
        headers: Vec::new(),
        names: names.into_tool_names(),
        prewarm: request.max_tokens == Some(0),
    })
}

/// The body as a value, for calls and for counting.
pub(super) fn body<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> Result<wire::Request<'a>, TranslateError> {
    leftovers(request, losses)?;
    let tools = tools::tools(request, profile, names, losses);
    let answer = Answer::of(
        request.format.as_ref(),
        profile,
        !tools.list.is_empty(),
        losses,
    );
    let instruction = answer.instruction.clone();
    let written = conversation::write(request, profile, instruction, names, losses);
    if written.contents.is_empty() {
        return Err(TranslateError::Field {
            path: "messages".to_owned(),
            problem: Problem::Empty("message with content"),
        });
    }
    Ok(wire::Request {
        system_instruction: written.system,
        contents: written.contents,
        tools: tools.list,
        tool_config: tools.config,
        generation_config: generation::config(request, profile, answer, losses),
    })
}

/// Reports what has no place.
fn leftovers(request: &Request, losses: &mut Losses) -> Result<(), TranslateError> {
    for (key, _) in request.rest.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "thread" => return Err(TranslateError::ThreadUnsupported),
            "cache_control" | "diagnostics" | "betas" => {}
            _ => losses.add(shown(key), LossKind::Dropped),
        }
    }
    let tier = request.service_tier.as_deref();
    if tier.is_some_and(|tier| !matches!(tier, "auto" | "default" | "standard_only")) {
        losses.add("service_tier", LossKind::Dropped);
    }
    if request
        .verbosity
        .as_deref()
        .is_some_and(|it| it != "medium")
    {
        losses.add("verbosity", LossKind::NoPlace);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
