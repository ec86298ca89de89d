//! The OpenAI Chat Completions side: answers, streams and errors as the vendor writes them.
//!
//! <https://platform.openai.com/docs/api-reference/chat-streaming>, checked November 2026: `data:` lines only, the
//! role in the first chunk, usage in a chunk of its own if asked for, `[DONE]` at the end.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::demo::asked::Asked;
use crate::demo::reply::{Reply, Stop, TOOL_COMMAND, TOOL_PURPOSE};

/// The model that is listed; any other name is served as well.
pub(super) const MODEL: &str = "simulated-gpt";

/// The whole answer.
pub(super) fn completion(asked: &Asked, reply: &Reply, id: &str) -> Value {
    let mut message = json!({"role": "assistant", "content": reply.text, "refusal": null});
    if let (Stop::Tool, Some(message)) = (reply.stop, message.as_object_mut()) {
        message.insert(
            "tool_calls".to_owned(),
            json!([{
                "id": format!("call_{id}"),
                "type": "function",
                "function": {"name": "Bash", "arguments": arguments()},
            }]),
        );
    }
    json!({
        "id": format!("chatcmpl-{id}"),
        "object": "chat.completion",
        "created": now(),
        "model": asked.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(reply.stop),
        }],
        "usage": usage(asked, reply),
    })
}

/// The same answer as a stream, in the pieces in which it is sent: one word each.
pub(super) fn stream(asked: &Asked, reply: &Reply, id: &str) -> Vec<String> {
    let chunks = Chunks {
        asked,
        id,
        created: now(),
    };
    let opening = json!({"role": "assistant", "content": "", "refusal": null});
    let mut pieces = vec![chunks.delta(&opening, None)];
    for word in reply.words() {
        pieces.push(chunks.delta(&json!({"content": word}), None));
    }
    if reply.stop == Stop::Tool {
        let function = json!({"name": "Bash", "arguments": ""});
        let id = format!("call_{id}");
        let call = json!({"index": 0, "id": id, "type": "function", "function": function});
        pieces.push(chunks.delta(&json!({"tool_calls": [call]}), None));
        for part in arguments().split_inclusive(',') {
            let call = json!({"index": 0, "function": {"arguments": part}});
            pieces.push(chunks.delta(&json!({"tool_calls": [call]}), None));
        }
    }
    let mut last = chunks.delta(&json!({}), Some(finish_reason(reply.stop)));
    if asked.include_usage {
        last += &chunks.chunk(&json!([]), &usage(asked, reply));
    }
    pieces.push(last + "data: [DONE]\n\n");
    pieces
}

/// An error body.
pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
}

/// The answer of `GET /v1/models`.
pub(super) fn models() -> Value {
    let model = json!({"id": MODEL, "object": "model", "created": 0, "owned_by": "pointsman"});
    json!({"object": "list", "data": [model]})
}

/// What the chunks of one stream share.
struct Chunks<'a> {
    asked: &'a Asked,
    id: &'a str,
    created: u64,
}

impl Chunks<'_> {
    fn delta(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        });
        self.chunk(&json!([choice]), &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> String {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", self.id),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.asked.model,
            "choices": choices,
        });
        // The vendor names usage, null until the end, only where it was asked for.
        if let (true, Some(chunk)) = (self.asked.include_usage, chunk.as_object_mut()) {
            chunk.insert("usage".to_owned(), usage.clone());
        }
        format!("data: {chunk}\n\n")
    }
}

fn arguments() -> String {
    json!({"command": TOOL_COMMAND, "description": TOOL_PURPOSE}).to_string()
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Tool => "tool_calls",
    }
}

fn usage(asked: &Asked, reply: &Reply) -> Value {
    json!({
        "prompt_tokens": asked.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": asked.input_tokens + reply.output_tokens,
    })
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |it| it.as_secs())
}
