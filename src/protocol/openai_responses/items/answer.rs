//! The object around the items: `response`, as it begins, ends and fails.

use serde_json::Value;

use crate::protocol::anthropic::text::{push_json_string, push_number};
use crate::protocol::canonical::{EncodeContext, StopReason, Usage};

use super::fields::{Fields, object};

/// How an answer ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol::openai_responses) struct Ending {
    pub verdict: Verdict,
    pub usage: Usage,
}

/// What the end means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::openai_responses) enum Verdict {
    /// `completed`.
    Done,
    /// `incomplete`: the limit of tokens.
    CutShort,
    /// `incomplete`: nothing was said because a filter stood before it.
    Filtered,
}

impl Verdict {
    /// A refusal that is told, in the text or as an explanation, is a complete answer: clients would repeat an
    /// incomplete one.
    pub fn of(stop: StopReason, said_something: bool, explanation: Option<&str>) -> Self {
        match stop {
            StopReason::MaxTokens | StopReason::ContextWindowExceeded => Verdict::CutShort,
            StopReason::Refusal if !said_something && explanation.is_none() => Verdict::Filtered,
            StopReason::Refusal
            | StopReason::EndTurn
            | StopReason::StopSequence
            | StopReason::ToolUse
            | StopReason::PauseTurn => Verdict::Done,
        }
    }
}

/// How an answer stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol::openai_responses) enum State<'a> {
    /// It begins.
    InProgress,
    /// It has ended.
    Ended(&'a Ending),
    /// It broke.
    Failed { code: &'a str, message: &'a str },
}

impl State<'_> {
    fn status(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Failed { .. } => "failed",
            State::Ended(ending) => match ending.verdict {
                Verdict::Done => "completed",
                Verdict::CutShort | Verdict::Filtered => "incomplete",
            },
        }
    }

    /// The event that tells it.
    pub fn event(self) -> &'static str {
        match self {
            State::InProgress => "response.in_progress",
            State::Failed { .. } => "response.failed",
            State::Ended(ending) => match ending.verdict {
                Verdict::Done => "response.completed",
                Verdict::CutShort | Verdict::Filtered => "response.incomplete",
            },
        }
    }
}

/// The message's id without its kind.
pub(super) fn id_suffix(ctx: &EncodeContext) -> &str {
    let id = ctx.message_id.as_str();
    id.strip_prefix("msg_").unwrap_or(id)
}

/// The response as JSON; `output` are items separated by commas.
pub(in crate::protocol::openai_responses) fn response(
    ctx: &EncodeContext,
    state: State<'_>,
    output: &[u8],
) -> Vec<u8> {
    let id = format!("resp_{}", id_suffix(ctx));
    object(("id", &id), |out| {
        out.text("object", "response");
        out.number("created_at", ctx.created);
        out.text("status", state.status());
        out.json("background", b"false");
        out.json("error", &error(state));
        out.json("incomplete_details", incomplete_details(state));
        let mut echo = |names: &[(&str, &str)]| {
            for (name, default) in names {
                match ctx.echo.get(*name) {
                    Some(value) if !value.is_null() => out.json(name, &text_of(value)),
                    _ => out.json(name, default.as_bytes()),
                }
            }
        };
        echo(&ECHOED);
        out.text("model", &ctx.model);
        out.list("output", output);
        // Nothing is kept here, so nothing was before.
        out.json("previous_response_id", b"null");
        match state {
            State::Ended(ending) => usage(&ending.usage, out),
            State::InProgress | State::Failed { .. } => out.json("usage", b"null"),
        }
    })
}

/// What is repeated of the request, and what it is when the request did not say.
const ECHOED: [(&str, &str); 18] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", "\"default\""),
    ("store", "false"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

fn text_of(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn error(state: State<'_>) -> Vec<u8> {
    match state {
        State::Failed { code, message } => {
            object(("code", code), |out| out.text("message", message))
        }
        State::InProgress | State::Ended(_) => b"null".to_vec(),
    }
}

fn incomplete_details(state: State<'_>) -> &'static [u8] {
    match state {
        State::Ended(ending) => match ending.verdict {
            Verdict::CutShort => br#"{"reason":"max_output_tokens"}"#,
            Verdict::Filtered => br#"{"reason":"content_filter"}"#,
            Verdict::Done => b"null",
        },
        State::InProgress | State::Failed { .. } => b"null",
    }
}

/// Tokens in OpenAI's way of counting: what the cache had is part of the input.
fn usage(usage: &Usage, out: &mut Fields<'_>) {
    let mut json = Vec::new();
    let input = usage.prompt();
    let thinking = usage.thinking.unwrap_or_default();
    for (text, number) in [
        ("{\"input_tokens\":", input),
        (
            ",\"input_tokens_details\":{\"cached_tokens\":",
            usage.cache_read,
        ),
        (",\"cache_write_tokens\":", usage.cache_creation),
        ("},\"output_tokens\":", usage.output),
        (
            ",\"output_tokens_details\":{\"reasoning_tokens\":",
            thinking,
        ),
        ("},\"total_tokens\":", input.saturating_add(usage.output)),
    ] {
        json.extend_from_slice(text.as_bytes());
        push_number(number, &mut json);
    }
    json.push(b'}');
    out.json("usage", &json);
}

/// The `error` event: flat, as the SDKs' types have it, and with the object that was recorded, on which they stop.
pub(in crate::protocol::openai_responses) fn error_fields(
    error_type: &str,
    code: Option<&str>,
    message: &str,
    out: &mut Fields<'_>,
) {
    let mut code_json = Vec::new();
    match code {
        Some(code) => push_json_string(code, &mut code_json),
        None => code_json.extend_from_slice(b"null"),
    }
    let fields = |out: &mut Fields<'_>| {
        out.json("code", &code_json);
        out.text("message", message);
        out.json("param", b"null");
    };
    fields(out);
    out.json("error", &object(("type", error_type), fields));
}
