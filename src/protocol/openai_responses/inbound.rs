//! Body of a client's request to a canonical one. Accepts what the real API accepts, and a little more.
//!
//! What only the vendor keeps (`previous_response_id`, `conversation`, `prompt`, `background`, referenced and compacted
//! items) is refused: without it the model would answer another question than was asked. Gone without a word, because
//! the answer stays the same: `store`, `stream_options`, `include` but for log probabilities, how summaries of reasoning
//! should look (all of it is shown, for it has to come back), hints for caches, `detail` of pictures.

mod calls;
mod items;
mod options;
mod parts;
mod reasoning;
mod server_tools;
mod tools;
mod wire;

use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{Losses, Request, TranslateError};

/// Reads the body of `POST /v1/responses`.
pub fn inbound(body: &[u8], losses: &mut Losses) -> Result<Request, TranslateError> {
    let wire: wire::Request<'_> =
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data => Path::root("body").expected("an object that names no field twice"),
            Category::Io | Category::Syntax | Category::Eof => TranslateError::Json(error),
        })?;
    refuse_what_is_kept(&wire)?;
    let model = field::string(wire.model, Path::root("model"))?;
    let mut tools = tools::Tools::default();
    tools.read(wire.tools, Path::root("tools"), losses)?;
    let conversation = items::conversation(&wire, &mut tools, losses)?;
    let tool_choice = tools.choice(wire.tool_choice, losses)?;
    let echo = echo(&wire)?;
    let mut request = Request {
        model,
        system: conversation.system,
        messages: conversation.messages,
        tools: tools.client,
        native: tools.native,
        server_tools: tools.server,
        tool_choice,
        echo,
        ..Request::default()
    };
    options::read(&wire, &mut request, losses)?;
    request.rest = wire.rest;
    request.rest.retain(|key, _| !HINTS.contains(&key.as_str()));
    Ok(request)
}

/// Fields that change nothing about the answer.
const HINTS: [&str; 4] = [
    "client_metadata",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options",
];

fn refuse_what_is_kept(wire: &wire::Request<'_>) -> Result<(), TranslateError> {
    for (raw, name) in [
        (wire.previous_response_id, "previous_response_id"),
        (wire.conversation, "conversation"),
        (wire.prompt, "prompt"),
    ] {
        if raw.is_some() {
            return Err(TranslateError::KeptElsewhere(name));
        }
    }
    let background = Path::root("background");
    match field::optional(wire.background, background, field::BOOLEAN)? {
        Some(true) => Err(TranslateError::KeptElsewhere("background")),
        Some(false) | None => Ok(()),
    }
}

/// What the answer repeats of the request.
fn echo(wire: &wire::Request<'_>) -> Result<Map<String, Value>, TranslateError> {
    let fields: [(&'static str, Option<&RawValue>); 17] = [
        ("instructions", wire.instructions),
        ("max_output_tokens", wire.max_output_tokens),
        ("max_tool_calls", wire.max_tool_calls),
        ("metadata", wire.metadata),
        ("parallel_tool_calls", wire.parallel_tool_calls),
        ("prompt_cache_key", wire.prompt_cache_key),
        ("reasoning", wire.reasoning),
        ("safety_identifier", wire.safety_identifier),
        ("service_tier", wire.service_tier),
        ("store", wire.store),
        ("temperature", wire.temperature),
        ("text", wire.text),
        ("tool_choice", wire.tool_choice),
        ("tools", wire.tools),
        ("top_logprobs", wire.top_logprobs),
        ("top_p", wire.top_p),
        ("truncation", wire.truncation),
    ];
    let mut echo = Map::new();
    for (name, raw) in fields {
        if let Some(value) = field::optional(raw, Path::root(name), "a valid value")? {
            echo.insert(name.to_owned(), value);
        }
    }
    if let Some(user) = field::optional_string(wire.user, Path::root("user"))? {
        echo.insert("user".to_owned(), Value::String(user));
    }
    Ok(echo)
}

#[cfg(test)]
mod tests;
