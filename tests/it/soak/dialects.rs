//! What the soak's providers write and what its clients read, in the few events that a text needs.

use pointsman::types::Dialect;
use serde_json::{Value, json};

use crate::support::answers;
use crate::support::answers::event;

/// Everything of a stream before its content.
pub fn opening(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => answers::start() + &answers::open_text() + &answers::ping(),
        Dialect::OpenAiChat => {
            answers::completion_chunk(&json!({"role": "assistant", "content": ""}), None)
        }
        Dialect::OpenAiResponses => {
            let response = response("in_progress", &json!([]));
            let item = item("in_progress", &json!([]));
            let part = json!({"type": "output_text", "annotations": [], "text": ""});
            [
                json!({"type": "response.created", "response": response}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
                json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "part": part}),
            ]
            .iter()
            .map(named)
            .collect()
        }
        Dialect::Gemini => String::new(),
    }
}

/// A piece of text.
pub fn piece(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::delta(text),
        Dialect::OpenAiChat => answers::completion_chunk(&json!({"content": text}), None),
        Dialect::OpenAiResponses => named(&json!({"type": "response.output_text.delta",
            "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text})),
        Dialect::Gemini => format!("data: {}\r\n\r\n", gemini(text, None)),
    }
}

/// The end of a stream that said `text`.
pub fn closing(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::finish(),
        Dialect::OpenAiChat => {
            answers::completion_chunk(&json!({}), Some("stop")) + &answers::completion_end()
        }
        Dialect::OpenAiResponses => {
            let part = json!({"type": "output_text", "annotations": [], "text": text});
            let item = item("completed", &json!([part]));
            let response = response("completed", &json!([item]));
            [
                json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "text": text}),
                json!({"type": "response.content_part.done", "item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "part": part}),
                json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
                json!({"type": "response.completed", "response": response}),
            ]
            .iter()
            .map(named)
            .collect()
        }
        Dialect::Gemini => format!("data: {}\r\n\r\n", gemini("", Some("STOP"))),
    }
}

/// An answer in one piece.
pub fn body(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => answers::message(text),
        Dialect::OpenAiChat => answers::completion(text),
        Dialect::OpenAiResponses => {
            let part = json!({"type": "output_text", "annotations": [], "text": text});
            response("completed", &json!([item("completed", &json!([part]))])).to_string()
        }
        Dialect::Gemini => gemini(text, Some("STOP")).to_string(),
    }
}

/// An error in the provider's words.
pub fn error(dialect: Dialect, status: u16) -> String {
    let kind = match status {
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    match dialect {
        Dialect::Anthropic => answers::error_body(kind, "the soak says so"),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({"error": {"message": "the soak says so", "type": kind, "param": null, "code": null}})
                .to_string()
        }
        Dialect::Gemini => {
            json!({"error": {"code": status, "message": "the soak says so", "status": "UNAVAILABLE"}})
                .to_string()
        }
    }
}

fn named(data: &Value) -> String {
    event(data["type"].as_str().unwrap(), &data.to_string())
}

fn item(status: &str, content: &Value) -> Value {
    json!({"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": content})
}

fn response(status: &str, output: &Value) -> Value {
    let usage = (status == "completed").then(|| {
        json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14})
    });
    json!({"id": "resp_soak", "object": "response", "created_at": 1_760_000_000, "status": status,
        "model": "gpt-soak", "output": output, "error": null, "incomplete_details": null, "usage": usage})
}

fn gemini(text: &str, finish: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]},
        "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}})
}

/// Path of a call.
pub fn path(client: Dialect) -> &'static str {
    match client {
        Dialect::OpenAiChat => "/v1/chat/completions",
        Dialect::OpenAiResponses => "/v1/responses",
        Dialect::Anthropic | Dialect::Gemini => "/v1/messages",
    }
}

/// A call that says `text`.
pub fn request(client: Dialect, model: &str, text: &str, stream: bool) -> String {
    let body = match client {
        Dialect::OpenAiResponses => json!({"model": model, "input": text, "stream": stream}),
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::Gemini => {
            json!({"model": model, "max_tokens": 512, "stream": stream,
            "messages": [{"role": "user", "content": text}]})
        }
    };
    body.to_string()
}

/// The text of an answer in one piece; `None` for anything else.
pub fn text_of(client: Dialect, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = match client {
        Dialect::OpenAiChat => &body["choices"][0]["message"]["content"],
        Dialect::OpenAiResponses => &body["output"][0]["content"][0]["text"],
        Dialect::Anthropic | Dialect::Gemini => &body["content"][0]["text"],
    };
    text.as_str().map(str::to_owned)
}

/// What a client has made of a stream so far.
pub struct Ear {
    client: Dialect,
    bytes: Vec<u8>,
    /// Its text.
    pub text: String,
    /// Something has said that the answer is whole.
    pub ended: bool,
    /// An error event, as it came.
    pub error: Option<String>,
    /// Pings and comments.
    pub pings: usize,
    /// What does not belong into a stream.
    pub nonsense: Option<String>,
}

impl Ear {
    /// Has heard nothing yet.
    pub fn new(client: Dialect) -> Ear {
        Ear {
            client,
            bytes: Vec::new(),
            text: String::new(),
            ended: false,
            error: None,
            pings: 0,
            nonsense: None,
        }
    }

    /// Hears more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = memchr::memmem::find(&self.bytes, b"\n\n") {
            let rest = self.bytes.split_off(end + 2);
            let event = std::mem::replace(&mut self.bytes, rest);
            match String::from_utf8(event) {
                Ok(event) => self.event(&event),
                Err(error) => self.nonsense = Some(error.to_string()),
            }
        }
    }

    /// Bytes behind the last whole event.
    pub fn has_rest(&self) -> bool {
        !self.bytes.is_empty()
    }

    fn event(&mut self, event: &str) {
        let Some(data) = event.lines().find_map(|it| it.strip_prefix("data:")) else {
            self.pings += 1;
            return;
        };
        if data.trim() == "[DONE]" {
            self.ended = true;
            return;
        }
        let Ok(data) = serde_json::from_str::<Value>(data) else {
            self.nonsense = Some(event.to_owned());
            return;
        };
        let kind = data["type"].as_str().unwrap_or_default();
        let (delta, ends) = match self.client {
            Dialect::OpenAiChat => {
                let choice = &data["choices"][0];
                (
                    &choice["delta"]["content"],
                    choice["finish_reason"].is_string(),
                )
            }
            Dialect::OpenAiResponses => {
                let is_text = kind == "response.output_text.delta";
                let text = if is_text {
                    &data["delta"]
                } else {
                    &Value::Null
                };
                (text, kind == "response.completed")
            }
            Dialect::Anthropic | Dialect::Gemini => {
                let ends = kind == "message_stop" || data["delta"]["stop_reason"].is_string();
                (&data["delta"]["text"], ends)
            }
        };
        let failed = matches!(kind, "error" | "response.failed") || data["error"].is_object();
        if failed {
            self.error = Some(event.to_owned());
        } else if (self.ended || self.error.is_some()) && delta.is_string() {
            self.nonsense = Some(format!("after the end: {event}"));
        }
        self.pings += usize::from(kind == "ping");
        self.text.push_str(delta.as_str().unwrap_or_default());
        self.ended |= ends;
    }
}
