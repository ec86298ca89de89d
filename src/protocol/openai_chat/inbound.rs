//! Body of a client's request to a canonical one. Accepts what OpenAI accepts, and what clients of compatible
//! providers send; what the canonical model has no place for becomes a loss here, what a provider has no word for
//! becomes one there.
//!
//! Left out without a word, because they change nothing about what the answer says: [`HINTS`],
//! `stream_options.include_obfuscation`, `web_search_options.search_context_size`, `detail` of pictures, `name` of tool
//! messages and `prefix` of assistant messages. Unknown fields inside messages are not looked at; unknown top-level
//! fields travel in `rest`.

mod assistant;
mod messages;
mod options;
mod parts;
mod reasoning;
mod tools;
mod wire;

use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{Losses, Request, TranslateError};

/// Top-level fields that shape what a vendor keeps, bills, routes or guesses ahead, not what its model says.
const HINTS: [&str; 15] = [
    "store",
    "metadata",
    "prediction",
    "prompt_cache_options",
    "prompt_cache_retention",
    // The voice, for answers that are spoken; those are refused by `modalities`.
    "audio",
    // Groq: where the reasoning stands in its own answers.
    "reasoning_format",
    // OpenRouter.
    "provider",
    "models",
    "route",
    "transforms",
    "preset",
    "session_id",
    "trace",
    // LiteLLM.
    "num_retries",
];

/// Reads a client's request.
///
/// Errors name the field: `messages.3.content.0.type: input should be …`.
pub fn inbound(body: &[u8], losses: &mut Losses) -> Result<Request, TranslateError> {
    let wire = read(body)?;
    options::refuse(&wire, losses)?;
    let talk = messages::conversation(wire.messages, losses)?;
    let tools = tools::tools(&wire, losses)?;
    let mut cache_breakpoints = talk.breakpoints;
    cache_breakpoints.extend(tools.breakpoints);
    let (thinking, effort) = options::thought(&wire, losses)?;
    let older_functions = wire.functions.is_some() && wire.tools.is_none();
    let parallel_tool_calls = options::flag(wire.parallel_tool_calls, "parallel_tool_calls")?;
    let number = |raw, key| field::optional(raw, Path::root(key), field::NUMBER);
    let text = |raw, key| field::optional_string(raw, Path::root(key));
    Ok(Request {
        model: field::string(wire.model, Path::root("model"))?,
        max_tokens: options::max_tokens(&wire)?,
        system: talk.system,
        messages: talk.messages,
        tools: tools.client,
        server_tools: tools.server,
        tool_choice: tools.choice,
        // An answer has room for one call in the older form.
        parallel_tool_calls: parallel_tool_calls.or(older_functions.then_some(false)),
        older_functions,
        stop_sequences: options::stop(wire.stop)?,
        temperature: number(wire.temperature, "temperature")?,
        top_p: number(wire.top_p, "top_p")?,
        top_k: number(wire.top_k, "top_k")?,
        seed: number(wire.seed, "seed")?,
        presence_penalty: number(wire.presence_penalty, "presence_penalty")?,
        frequency_penalty: number(wire.frequency_penalty, "frequency_penalty")?,
        logprobs: options::logprobs(&wire)?,
        verbosity: text(wire.verbosity, "verbosity")?,
        cache_key: text(wire.prompt_cache_key, "prompt_cache_key")?,
        thinking,
        effort,
        format: options::format(wire.response_format, losses)?,
        user: text(wire.safety_identifier, "safety_identifier")?.or(text(wire.user, "user")?),
        service_tier: text(wire.service_tier, "service_tier")?,
        stream: options::flag(wire.stream, "stream")?.unwrap_or_default(),
        stream_usage: options::stream_usage(&wire)?,
        cache_breakpoints,
        rest: rest(wire.rest),
        ..Request::default()
    })
}

fn read(body: &[u8]) -> Result<wire::Request<'_>, TranslateError> {
    // One fast look at all bytes spares a slow one at each string.
    let read = match simdutf8::basic::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| match error.classify() {
        Category::Data => Path::root("body").expected("an object that names no field twice"),
        Category::Io | Category::Syntax | Category::Eof => TranslateError::Json(error),
    })
}

fn rest(mut rest: Map<String, Value>) -> Map<String, Value> {
    rest.retain(|key, value| !value.is_null() && !HINTS.contains(&key.as_str()));
    rest
}

#[cfg(test)]
mod tests;
