//! What is said in each dialect: by clients, by good providers, and by faulty ones up to where they fail.

use pointsman::types::Dialect;
use serde_json::{Value, json};

use crate::support::answers;
use crate::support::client::Request;
use crate::support::setup::Provider;

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In one piece.
    Json,
    /// As a stream of events.
    Sse,
}

/// What an error inside an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something broke at the provider's.
    Broken,
    /// It has no capacity.
    Overloaded,
    /// The key asked too often.
    Limited,
    /// The key is wrong.
    Refused,
    /// The money of the key is gone.
    Credit,
}

impl Trouble {
    /// Type and text, as Anthropic and OpenAI say it.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Trouble::Broken => ("api_error", "server_error", "poison: internal error"),
            Trouble::Overloaded => ("overloaded_error", "overloaded_error", "poison: Overloaded"),
            Trouble::Limited => (
                "rate_limit_error",
                "rate_limit_exceeded",
                "poison: too fast",
            ),
            Trouble::Refused => ("authentication_error", "invalid_api_key", "poison: bad key"),
            Trouble::Credit => (
                "billing_error",
                "insufficient_quota",
                "poison: Your credit balance is too low",
            ),
        }
    }
}

impl Trouble {
    /// Code and status, as Google says it.
    fn of_google(self) -> (u16, &'static str) {
        match self {
            Trouble::Broken => (500, "INTERNAL"),
            Trouble::Overloaded => (503, "UNAVAILABLE"),
            Trouble::Limited => (429, "RESOURCE_EXHAUSTED"),
            Trouble::Refused => (401, "UNAUTHENTICATED"),
            Trouble::Credit => (402, "FAILED_PRECONDITION"),
        }
    }
}

/// What is asked, in a client's dialect.
pub fn ask(client: Dialect, shape: Shape, model: &str, session: &str) -> Request {
    let stream = shape == Shape::Sse;
    let body = json!({"model": model, "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": format!("question of {session}")}]});
    let path = match client {
        Dialect::OpenAiChat => "/v1/chat/completions",
        _ => "/v1/messages",
    };
    Request::post(path, body.to_string()).header("x-claude-code-session-id", session)
}

/// A provider of a dialect.
pub fn provider(dialect: Dialect, name: &str, url: &str) -> Provider {
    match dialect {
        Dialect::Anthropic => Provider::anthropic(name, url),
        Dialect::OpenAiChat => Provider::openai(name, url),
        Dialect::OpenAiResponses => Provider::responses(name, url),
        Dialect::Gemini => Provider::gemini(name, url),
    }
}

/// A whole answer.
pub fn good(dialect: Dialect, shape: Shape, text: &str) -> String {
    match shape {
        Shape::Json => body(dialect, text),
        Shape::Sse => [
            begin(dialect),
            says(dialect, text),
            closing(dialect, text),
            end(dialect, text),
        ]
        .concat(),
    }
}

/// A whole answer in one piece.
pub fn body(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::message(text),
        Dialect::OpenAiChat => answers::completion(text),
        Dialect::OpenAiResponses => response("completed", &json!([item(text)])).to_string(),
        Dialect::Gemini => gemini(text, Some("STOP")).to_string(),
    }
}

/// What a stream says before there is content.
pub fn begin(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => [answers::start(), answers::ping(), answers::open_text()].concat(),
        Dialect::OpenAiChat => {
            answers::completion_chunk(&json!({"role": "assistant", "content": ""}), None)
        }
        Dialect::OpenAiResponses => {
            let created = json!({"response": response("in_progress", &json!([]))});
            let mut empty = item("");
            empty["content"] = json!([]);
            let added = json!({"output_index": 0, "item": empty});
            let part = json!({"part": {"type": "output_text", "annotations": [], "text": ""}});
            [
                responses("response.created", created),
                responses("response.output_item.added", added),
                responses("response.content_part.added", part),
            ]
            .concat()
        }
        Dialect::Gemini => format!("data: {}\n\n", gemini("", None)),
    }
}

/// A piece of content.
pub fn says(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::delta(text),
        Dialect::OpenAiChat => answers::completion_chunk(&json!({"content": text}), None),
        Dialect::OpenAiResponses => responses("response.output_text.delta", json!({"delta": text})),
        Dialect::Gemini => format!("data: {}\n\n", gemini(text, None)),
    }
}

/// What follows the content up to why the model stopped.
fn closing(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => {
            let all = answers::finish();
            let stop = all.find("event: message_stop").unwrap();
            all[..stop].to_owned()
        }
        Dialect::OpenAiChat => answers::completion_chunk(&json!({}), Some("stop")),
        Dialect::OpenAiResponses => {
            let item = item(text);
            let part = json!({"part": item["content"][0]});
            [
                responses("response.output_text.done", json!({"text": text})),
                responses("response.content_part.done", part),
                responses(
                    "response.output_item.done",
                    json!({"output_index": 0, "item": item}),
                ),
            ]
            .concat()
        }
        Dialect::Gemini => String::new(),
    }
}

/// The end of the answer.
fn end(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::event("message_stop", r#"{"type":"message_stop"}"#),
        Dialect::OpenAiChat => answers::completion_end(),
        Dialect::OpenAiResponses => {
            let whole = response("completed", &json!([item(text)]));
            responses("response.completed", json!({"response": whole}))
        }
        Dialect::Gemini => format!("data: {}\n\n", gemini("", Some("STOP"))),
    }
}

/// What follows the content of an answer that says `text`.
pub fn rest(dialect: Dialect, text: &str) -> String {
    closing(dialect, text) + &end(dialect, text)
}

/// An event of OpenAI Responses.
fn responses(kind: &str, fields: Value) -> String {
    let mut data = json!({"type": kind, "sequence_number": 0, "item_id": "msg_1", "output_index": 0,
        "content_index": 0});
    let Value::Object(fields) = fields else {
        panic!("fields of an event");
    };
    data.as_object_mut().unwrap().extend(fields);
    answers::event(kind, &data.to_string())
}

/// An item of OpenAI Responses that says `text`.
fn item(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": text}]})
}

fn response(status: &str, output: &Value) -> Value {
    let usage = json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14});
    json!({"id": "resp_chaos", "object": "response", "created_at": 1_760_000_000, "status": status,
        "model": "gpt-chaos", "output": output, "error": null, "incomplete_details": null, "usage": usage})
}

/// A piece of a Gemini answer.
fn gemini(text: &str, finish: Option<&str>) -> Value {
    let parts = if text.is_empty() {
        json!([])
    } else {
        json!([{"text": text}])
    };
    let candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0,
        "finishReason": finish});
    json!({"candidates": [candidate], "usageMetadata":
        {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}})
}

/// Something that keeps a stream open and says nothing.
pub fn sign_of_life(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => answers::ping(),
        _ => ": OPENROUTER PROCESSING\n\n".to_owned(),
    }
}

/// An event that is no JSON.
pub fn nonsense(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => "event: content_block_delta\ndata: {poison\n\n".to_owned(),
        Dialect::OpenAiResponses => {
            "event: response.output_text.delta\ndata: {poison\n\n".to_owned()
        }
        Dialect::OpenAiChat | Dialect::Gemini => "data: {poison\n\n".to_owned(),
    }
}

/// An error as a body.
pub fn error_body(dialect: Dialect, trouble: Trouble) -> String {
    let (anthropic, openai, text) = trouble.words();
    match dialect {
        Dialect::Anthropic => answers::error_body(anthropic, text),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({"error": {"message": text, "type": openai, "param": null, "code": openai}})
                .to_string()
        }
        Dialect::Gemini => {
            let (code, status) = trouble.of_google();
            json!({"error": {"code": code, "message": text, "status": status}}).to_string()
        }
    }
}

/// An error as an event of a stream.
pub fn error_event(dialect: Dialect, trouble: Trouble) -> String {
    let (anthropic, openai, text) = trouble.words();
    match dialect {
        Dialect::Anthropic => answers::error_event(anthropic, text),
        Dialect::OpenAiResponses => {
            let mut failed = response("failed", &json!([]));
            failed["error"] = json!({"code": openai, "message": text});
            responses("response.failed", json!({"response": failed}))
        }
        Dialect::OpenAiChat | Dialect::Gemini => {
            format!("data: {}\n\n", error_body(dialect, trouble))
        }
    }
}
