//! Errors in whichever dialect: a provider's read, and a provider's or our own written for the client.

use crate::error::{Fault, FaultKind};
use crate::protocol::upstream_error::UpstreamError;
use crate::protocol::{anthropic, gemini, openai_chat, openai_responses};
use crate::types::Dialect;

/// Reads the error answer of a provider of that dialect. Whatever it is, there is an error in the end.
pub fn parse(provider: Dialect, status: Option<u16>, body: &[u8]) -> UpstreamError {
    match provider {
        Dialect::Anthropic => anthropic::parse_error(status, body),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => openai_chat::parse_error(status, body),
        Dialect::Gemini => gemini::parse_error(status, body),
    }
}

/// Whether the body of an error is in the dialect's own shape, so that a client of that dialect can read it. Anything is,
/// but for Claude on Google Cloud, where the platform answers for itself before Claude does.
pub fn is_of_its_dialect(provider: Dialect, body: &[u8]) -> bool {
    match provider {
        Dialect::Anthropic => {
            let body = serde_json::from_slice(body).unwrap_or_default();
            !gemini::is_error(&body)
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => true,
    }
}

/// A provider's error for a client of another dialect: status and body.
pub fn translated(client: Dialect, error: &UpstreamError, request_id: &str) -> (u16, Vec<u8>) {
    let (status, body) = written(client, error, request_id);
    // Some gateways make up statuses that no client knows.
    let known = (400..600).contains(&status);
    (if known { status } else { 502 }, body)
}

fn written(client: Dialect, error: &UpstreamError, request_id: &str) -> (u16, Vec<u8>) {
    match client {
        Dialect::Anthropic | Dialect::Gemini => {
            let (status, error_type, message) = anthropic::translate_error(error);
            let body = anthropic::error_body(error_type, &message, Some(request_id));
            (status, body)
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            let (status, error_type, code, message) = openai_chat::translate_error(error);
            let code = code_for(client, code);
            let body = openai_chat::error_body(error_type, &message, error.param.as_deref(), code);
            (status, body)
        }
    }
}

/// A fault of ours for a client: status and body.
pub fn fault_body(client: Dialect, fault: &Fault, request_id: &str) -> (u16, Vec<u8>) {
    match client {
        Dialect::Anthropic | Dialect::Gemini => {
            let (status, error_type) = anthropic::status_and_type(&fault.kind);
            let (text, id) = (&fault.public, Some(request_id));
            let body = match fault.code {
                Some(code) => anthropic::coded_error_body(error_type, text, id, code),
                None => anthropic::error_body(error_type, text, id),
            };
            (status, body)
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            let (status, error_type, code) = openai_chat::status_and_type(&fault.kind);
            let code = code_for(client, code);
            (
                status,
                openai_chat::error_body(error_type, &openai_chat::words_for(fault), None, code),
            )
        }
    }
}

/// A code of OpenAI's for a client of one of its dialects.
fn code_for(client: Dialect, code: Option<&'static str>) -> Option<&'static str> {
    match client {
        Dialect::OpenAiResponses => openai_responses::plain_code(code),
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::Gemini => code,
    }
}

/// A plain error of ours with that status.
pub fn status_body(client: Dialect, status: u16, text: &str, request_id: &str) -> Vec<u8> {
    let error_type = anthropic::type_for_status(status);
    match client {
        Dialect::Anthropic | Dialect::Gemini => {
            anthropic::error_body(error_type, text, Some(request_id))
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            openai_chat::error_body(error_type, text, None, None)
        }
    }
}

/// The events with which an open stream ends in an error; `error_type` is Anthropic's word for it.
pub fn stream_end(client: Dialect, error_type: &str, fault: &Fault, request_id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    match client {
        Dialect::Anthropic | Dialect::Gemini => {
            anthropic::error_event(error_type, &fault.public, Some(request_id), &mut out);
        }
        Dialect::OpenAiChat => {
            let (_, error_type, code) = openai_chat::status_and_type(&fault.kind);
            openai_chat::error_event(error_type, &openai_chat::words_for(fault), code, &mut out);
        }
        Dialect::OpenAiResponses => {
            let (error_type, code) = openai_responses::words_for(fault);
            let text = openai_responses::text_for(fault);
            openai_responses::error_event(error_type, &text, Some(code), &mut out);
        }
    }
    out
}

/// Whether a client that asked for a stream, and has been told nothing yet, is told of a fault in a stream that is
/// opened for it. `repeats_streams`: it repeats one that failed, and does not repeat a plain refusal.
pub fn opens_a_stream(client: Dialect, kind: &FaultKind, repeats_streams: bool) -> bool {
    match client {
        Dialect::OpenAiResponses => openai_responses::opens_a_stream(kind, repeats_streams),
        // The same status and words mean the same to these, wherever they are told.
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::Gemini => false,
    }
}

/// A sign of life in a stream that says nothing.
pub fn ping(client: Dialect) -> &'static [u8] {
    match client {
        Dialect::Anthropic | Dialect::Gemini => anthropic::PING,
        Dialect::OpenAiChat => openai_chat::PING,
        Dialect::OpenAiResponses => openai_responses::PING,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn told((status, body): (u16, Vec<u8>)) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["error"]["code"].clone())
    }

    #[test]
    fn codex_does_not_give_up_on_an_overloaded_provider() {
        let overloaded = Fault::new(FaultKind::UpstreamOverloaded { after: None }, "busy");
        let busy = parse(Dialect::Anthropic, Some(529), b"overloaded");
        for (client, code) in [
            (Dialect::OpenAiResponses, "server_error"),
            (Dialect::OpenAiChat, "server_is_overloaded"),
        ] {
            let expected = (503, Value::from(code));
            assert_eq!(told(fault_body(client, &overloaded, "r")), expected);
            assert_eq!(told(translated(client, &busy, "r")), expected);
        }
        let long = Fault::new(FaultKind::UpstreamContextTooLong, "too long");
        assert_eq!(
            told(fault_body(Dialect::OpenAiResponses, &long, "r")),
            (400, Value::from("context_length_exceeded"))
        );
    }

    #[test]
    fn a_prompt_that_is_too_long_is_told_in_the_clients_own_words() {
        let told = |client, public: &str| {
            let fault = Fault::new(FaultKind::UpstreamContextTooLong, public);
            let event = stream_end(client, "invalid_request_error", &fault, "req_1");
            let (_, body) = fault_body(client, &fault, "req_1");
            (
                String::from_utf8(event).unwrap(),
                String::from_utf8(body).unwrap(),
            )
        };
        let numbers = "prompt is too long: 200913 tokens > 200000 maximum";
        let marked = "capability_rejected: prompt_too_long (too much text)";
        for (public, words) in [
            (numbers, "maximum context length is 200000 tokens"),
            (marked, "maximum context length: too much text\""),
        ] {
            for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
                let (event, body) = told(client, public);
                assert!(event.contains(words), "{event}");
                assert!(body.contains(words), "{body}");
                assert!(!event.contains("capability_rejected"), "{event}");
            }
            let (event, body) = told(Dialect::Anthropic, public);
            assert!(event.contains(public) && body.contains(public));
        }
    }
}
