//! Counts of input tokens across dialects: how a provider is asked for one, and how a client is told.
//!
//! Anthropic counts at `/v1/messages/count_tokens` (<https://platform.claude.com/docs/en/api/messages-count-tokens>),
//! OpenAI at `/v1/responses/input_tokens` (types of the vendor's SDK, seen 2026-11-24), Gemini at `:countTokens`. Chat
//! Completions has no such call.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::canonical::{Losses, Outbound, Request, TranslateError};
use crate::protocol::profile::Profile;
use crate::protocol::translate::request::{canonical, outbound};
use crate::protocol::{anthropic, gemini};
use crate::types::Dialect;

/// The fields that Anthropic's count takes; it refuses others.
const ANTHROPIC_FIELDS: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "context_management",
    "mcp_servers",
];
/// The fields that the count of Responses takes.
const RESPONSES_FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
];

/// What [`count_call`] needs to know besides the request itself.
#[derive(Clone, Copy, Debug)]
pub struct CountContext<'a> {
    /// The client's dialect.
    pub client: Dialect,
    /// The model to ask the provider for.
    pub model: &'a str,
    /// What the provider takes, and so its dialect.
    pub profile: &'a Profile,
}

/// Reads the body of a client's call for a count.
pub fn countable(client: Dialect, body: &[u8]) -> Result<Request, TranslateError> {
    let losses = &mut Losses::default();
    match client {
        Dialect::Anthropic => anthropic::count_tokens(body, losses),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => {
            canonical(client, body, losses)
        }
    }
}

/// Translates a client's call for a count; `None` when the provider's dialect has none.
pub fn count_call(body: &[u8], ctx: CountContext<'_>) -> Result<Option<Outbound>, TranslateError> {
    if let Profile::OpenAiChat(_) = ctx.profile {
        return Ok(None);
    }
    let (request, losses) = (countable(ctx.client, body)?, &mut Losses::default());
    let whole = |losses| outbound(&request, ctx.model, ctx.profile, losses);
    let outbound = match ctx.profile {
        Profile::Anthropic(_) => with_only(ANTHROPIC_FIELDS, whole(losses)?)?,
        Profile::OpenAiResponses(_) => with_only(RESPONSES_FIELDS, whole(losses)?)?,
        Profile::Gemini(profile) => {
            gemini::count_tokens_body(&request, ctx.model, profile, losses)?
        }
        Profile::OpenAiChat(_) => return Ok(None),
    };
    Ok(Some(outbound))
}

/// A request with these of its fields and no others.
fn with_only(fields: &[&str], mut outbound: Outbound) -> Result<Outbound, TranslateError> {
    let sent: HashMap<&str, &RawValue> =
        serde_json::from_slice(&outbound.body).map_err(TranslateError::Json)?;
    let mut body = Vec::with_capacity(outbound.body.len());
    for field in fields {
        let Some(value) = sent.get(field) else {
            continue;
        };
        body.push(if body.is_empty() { b'{' } else { b',' });
        body.push(b'"');
        body.extend_from_slice(field.as_bytes());
        body.extend_from_slice(b"\":");
        body.extend_from_slice(value.get().as_bytes());
    }
    body.push(b'}');
    outbound.body = body;
    Ok(outbound)
}

/// The count in a provider's answer; `None` when there is none.
pub fn counted(provider: Dialect, answer: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Counted {
        input_tokens: u64,
    }
    match provider {
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            let answer: Counted = serde_json::from_slice(answer).ok()?;
            Some(answer.input_tokens)
        }
        Dialect::Gemini => gemini::counted(answer),
    }
}

/// A count as a client of that dialect is told it.
pub fn count_answer(client: Dialect, tokens: u64) -> String {
    match client {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            format!("{{\"object\":\"response.input_tokens\",\"input_tokens\":{tokens}}}")
        }
        Dialect::Anthropic | Dialect::Gemini => format!("{{\"input_tokens\":{tokens}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::canonical::ToolNames;
    use crate::protocol::profile::Overrides;

    #[test]
    fn only_what_a_count_takes_is_sent_untouched() {
        let outbound = Outbound {
            body: br#"{"model":"m","max_tokens":5,"stream":true,"messages":[{"content":1.50}],"temperature":1,"tools":[]}"#.to_vec(),
            headers: vec![("anthropic-beta", "b".to_owned())],
            names: ToolNames::default(),
            prewarm: false,
        };
        let call = with_only(ANTHROPIC_FIELDS, outbound).unwrap();
        let expected = r#"{"model":"m","messages":[{"content":1.50}],"tools":[]}"#;
        assert_eq!(String::from_utf8(call.body).unwrap(), expected);
        assert_eq!(call.headers, [("anthropic-beta", "b".to_owned())]);
    }

    #[test]
    fn counts_are_read_and_told_in_every_dialect() {
        for (dialect, answer) in [
            (
                Dialect::Anthropic,
                r#"{"input_tokens":14,"context_management":{}}"#,
            ),
            (
                Dialect::OpenAiResponses,
                r#"{"object":"response.input_tokens","input_tokens":14}"#,
            ),
            (Dialect::Gemini, r#"{"totalTokens":14}"#),
        ] {
            assert_eq!(counted(dialect, answer.as_bytes()), Some(14), "{dialect}");
            assert_eq!(counted(dialect, b"{}"), None);
            assert_eq!(counted(dialect, b"<html>"), None);
        }
        for client in [Dialect::Anthropic, Dialect::OpenAiResponses] {
            let told = count_answer(client, 14);
            assert_eq!(counted(client, told.as_bytes()), Some(14), "{told}");
        }
    }

    #[test]
    fn chat_completions_has_no_call_for_a_count() {
        let profile = Profile::of(Dialect::OpenAiChat, "a.b", "m", &Overrides::default());
        let ctx = CountContext {
            client: Dialect::Anthropic,
            model: "m",
            profile: &profile,
        };
        assert!(matches!(count_call(b"{}", ctx), Ok(None)));
    }
}
