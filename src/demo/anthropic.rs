//! The Anthropic Messages side: answers, streams and errors as the vendor writes them.
//!
//! <https://docs.anthropic.com/en/api/messages-streaming>, checked November 2026: one block open at a time, indexes
//! without gaps, cumulative usage in `message_delta`, an `event:` line before every `data:` line.

use serde_json::{Value, json};

use crate::demo::asked::Asked;
use crate::demo::reply::{Reply, Stop, TOOL_COMMAND, TOOL_PURPOSE};

/// The models that are listed; any other name is served as well.
const MODELS: [(&str, &str); 3] = [
    ("claude-opus-4-1", "Simulated Opus"),
    ("claude-sonnet-4-5", "Simulated Sonnet"),
    ("claude-haiku-4-5", "Simulated Haiku"),
];

/// The whole answer.
pub(super) fn message(asked: &Asked, reply: &Reply, id: &str) -> Value {
    let mut content = vec![json!({"type": "text", "text": reply.text})];
    if reply.stop == Stop::Tool {
        content.push(tool_use(id, &tool_input()));
    }
    json!({
        "id": format!("msg_{id}"),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": stop_reason(reply.stop),
        "stop_sequence": null,
        "usage": usage(asked, reply.output_tokens),
    })
}

/// The same answer as a stream, in the pieces in which it is sent: one word each.
pub(super) fn stream(asked: &Asked, reply: &Reply, id: &str) -> Vec<String> {
    let mut pieces = vec![opening(asked, id)];
    let text = json!({"type": "text", "text": ""});
    pieces.push(block_start(0, &text) + &event(&json!({"type": "ping"})));
    for word in reply.words() {
        pieces.push(delta(0, &json!({"type": "text_delta", "text": word})));
    }
    let mut last = block_stop(0);
    if reply.stop == Stop::Tool {
        pieces.push(last + &block_start(1, &tool_use(id, &json!({}))));
        let input = tool_input().to_string();
        for part in input.split_inclusive(',') {
            let part = json!({"type": "input_json_delta", "partial_json": part});
            pieces.push(delta(1, &part));
        }
        last = block_stop(1);
    }
    last += &event(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(reply.stop), "stop_sequence": null},
        "usage": usage(asked, reply.output_tokens),
    }));
    pieces.push(last + &event(&json!({"type": "message_stop"})));
    pieces
}

/// A stream that begins well and then reports, inside its 200, that the provider is overloaded.
pub(super) fn broken_stream(asked: &Asked, id: &str) -> Vec<String> {
    vec![opening(asked, id), event(&overloaded(id))]
}

/// The error of a provider that has too much to do.
pub(super) fn overloaded(id: &str) -> Value {
    error("overloaded_error", "Overloaded (simulated)", id)
}

/// An error body, or the data of an error event.
pub(super) fn error(kind: &str, message: &str, id: &str) -> Value {
    json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": format!("req_{id}"),
    })
}

/// The answer of `GET /v1/models`.
pub(super) fn models() -> Value {
    let data: Vec<Value> = MODELS
        .iter()
        .map(|(id, name)| {
            json!({"type": "model", "id": id, "display_name": name, "created_at": "2026-01-01T00:00:00Z"})
        })
        .collect();
    let ends = (MODELS.first(), MODELS.last());
    let name = |it: Option<&(&'static str, &str)>| it.map(|it| it.0);
    json!({"data": data, "first_id": name(ends.0), "last_id": name(ends.1), "has_more": false})
}

fn opening(asked: &Asked, id: &str) -> String {
    event(&json!({
        "type": "message_start",
        "message": {
            "id": format!("msg_{id}"),
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage(asked, 1),
        },
    }))
}

fn block_start(index: usize, block: &Value) -> String {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: &Value) -> String {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn block_stop(index: usize) -> String {
    event(&json!({"type": "content_block_stop", "index": index}))
}

fn event(data: &Value) -> String {
    let name = data.get("type").and_then(Value::as_str).unwrap_or("error");
    format!("event: {name}\ndata: {data}\n\n")
}

fn tool_use(id: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": "Bash", "input": input})
}

fn tool_input() -> Value {
    json!({"command": TOOL_COMMAND, "description": TOOL_PURPOSE})
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tool => "tool_use",
    }
}

fn usage(asked: &Asked, output_tokens: usize) -> Value {
    json!({
        "input_tokens": asked.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    })
}
