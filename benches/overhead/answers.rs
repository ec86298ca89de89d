//! What the mock upstream says: a small message, and streams of both wire formats, event by event.

use serde_json::{Value, json};

/// Events of a stream, the end mark of an OpenAI stream not counted.
pub const EVENTS: usize = 200;
/// Events of a slow stream.
pub const SLOW_EVENTS: usize = 20;

/// The events that are not text deltas: three before and three after them.
const ANTHROPIC_FRAME: usize = 6;
/// The same for OpenAI: a role before, a finish reason and the usage after.
const OPENAI_FRAME: usize = 3;

/// A small answer that is no stream.
pub fn message() -> Vec<u8> {
    let text = "The test fails because the fixture is read before it is written. ".repeat(6);
    let message = json!({
        "id": "msg_01bench", "type": "message", "role": "assistant", "model": "bench",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": usage(),
    });
    message.to_string().into_bytes()
}

/// The events of a Messages stream.
pub fn anthropic_events(count: usize) -> Vec<Vec<u8>> {
    let start = json!({
        "id": "msg_01bench", "type": "message", "role": "assistant", "model": "bench", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(),
    });
    let block = json!({"type": "text", "text": ""});
    let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
    let mut events = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "ping"}),
    ];
    events.extend((0..count - ANTHROPIC_FRAME).map(|i| {
        let delta = json!({"type": "text_delta", "text": word(i)});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 200}}),
        json!({"type": "message_stop"}),
    ]);
    let frame = |event: &Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n").into_bytes()
    };
    events.iter().map(frame).collect()
}

/// The events of a Chat Completions stream, its end mark behind the last.
pub fn openai_events(count: usize) -> Vec<Vec<u8>> {
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let role = json!({"role": "assistant", "content": ""});
    let usage = json!({"prompt_tokens": 2_000, "completion_tokens": 200, "total_tokens": 2_200});
    let mut chunks = vec![(choice(role, Value::Null), Value::Null)];
    chunks.extend((0..count - OPENAI_FRAME).map(|i| {
        let delta = json!({"content": word(i)});
        (choice(delta, Value::Null), Value::Null)
    }));
    chunks.push((choice(json!({}), json!("stop")), Value::Null));
    chunks.push((json!([]), usage));
    let frame = |(choices, usage): &(Value, Value)| {
        let chunk = json!({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000,
            "model": "bench", "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n").into_bytes()
    };
    let mut events: Vec<Vec<u8>> = chunks.iter().map(frame).collect();
    if let Some(last) = events.last_mut() {
        last.extend_from_slice(b"data: [DONE]\n\n");
    }
    events
}

/// Text deltas in the Messages stream that `openai_events` is translated to.
pub const fn translated_deltas() -> usize {
    EVENTS - OPENAI_FRAME
}

fn usage() -> Value {
    json!({
        "input_tokens": 12, "cache_creation_input_tokens": 340, "cache_read_input_tokens": 18_211,
        "output_tokens": 1,
    })
}

fn word(i: usize) -> &'static str {
    const WORDS: [&str; 8] = [
        " the",
        " function",
        " returns",
        "\n    let",
        " `Vec`",
        " early",
        ",",
        " caf\u{e9}",
    ];
    WORDS[i % WORDS.len()]
}
