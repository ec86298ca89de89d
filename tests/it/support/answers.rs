//! Requests and answers in the shapes of recorded traffic, with our own words in them.

use serde_json::json;

use super::script::Act;
use super::script::Gate;
use super::wire::chunk;

/// The model most journeys ask for.
pub const MODEL: &str = "claude-sonnet-4-5";

/// An Anthropic request.
pub fn ask(text: &str) -> String {
    format!(
        r#"{{"model":"{MODEL}","max_tokens":64,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

/// The same, wanting a stream.
pub fn ask_stream(text: &str) -> String {
    ask(text).replacen('{', r#"{"stream":true,"#, 1)
}

/// An Anthropic request of exactly `size` bytes.
pub fn ask_sized(size: usize, stream: bool) -> String {
    let frame = if stream { ask_stream("") } else { ask("") };
    let filler: String = (b'a'..=b'z')
        .map(char::from)
        .cycle()
        .take(size - frame.len())
        .collect();
    if stream {
        ask_stream(&filler)
    } else {
        ask(&filler)
    }
}

/// An Anthropic answer in one piece.
pub fn message(text: &str) -> String {
    format!(
        r#"{{"id":"msg_01Journey","type":"message","role":"assistant","model":"{MODEL}","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":11,"output_tokens":3}}}}"#
    )
}

/// An act that answers with [`message`].
pub fn says(text: &str) -> Act {
    Act::answer(200, &[("request-id", "req_upstream")], message(text))
}

/// An event of a stream.
pub fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// `message_start`.
pub fn start() -> String {
    event(
        "message_start",
        &format!(
            r#"{{"type":"message_start","message":{{"id":"msg_01Journey","type":"message","role":"assistant","model":"{MODEL}","content":[],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":11,"output_tokens":1}}}}}}"#
        ),
    )
}

/// `ping`.
pub fn ping() -> String {
    event("ping", r#"{"type": "ping"}"#)
}

/// Opens the text block.
pub fn open_text() -> String {
    event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    )
}

/// A piece of text.
pub fn delta(text: &str) -> String {
    event(
        "content_block_delta",
        &format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        ),
    )
}

/// Closes the text block and the message.
pub fn finish() -> String {
    [
        event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
        event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}"#,
        ),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ]
    .concat()
}

/// A whole stream that says `text`.
pub fn stream(text: &str) -> String {
    [start(), open_text(), ping(), delta(text), finish()].concat()
}

/// An act that streams `text`.
pub fn streams(text: &str) -> Act {
    Act::events(stream(text))
}

/// An Anthropic error body.
pub fn error_body(kind: &str, text: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":"{text}"}},"request_id":"req_upstream"}}"#
    )
}

/// An act that refuses in Anthropic's words.
pub fn refuses(status: u16, kind: &str, text: &str) -> Act {
    Act::answer(
        status,
        &[("request-id", "req_upstream")],
        error_body(kind, text),
    )
}

/// An `error` event inside a stream.
pub fn error_event(kind: &str, text: &str) -> String {
    event(
        "error",
        &format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{text}"}}}}"#),
    )
}

/// The act that streams `events` without ending, for steps to follow.
pub fn begins(events: &[String]) -> Act {
    Act::stream().send(chunk(events.concat().as_bytes()))
}

/// An act that streams a first word, and the rest when the test says so.
pub fn streams_until(gate: &Gate) -> Act {
    begins(&[start(), open_text(), delta("on")])
        .wait(gate)
        .data(finish())
        .end()
}

/// An OpenAI answer in one piece.
pub fn completion(text: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-journey","object":"chat.completion","created":1760000000,"model":"gpt-journey","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"finish_reason":"stop","logprobs":null}}],"usage":{{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}}}"#
    )
}

/// One chunk of an OpenAI stream.
pub fn completion_chunk(delta: &serde_json::Value, finish: Option<&str>) -> String {
    let data = json!({
        "id": "chatcmpl-journey", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": "gpt-journey",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}],
    });
    format!("data: {data}\n\n")
}

/// The end of an OpenAI stream: usage and `[DONE]`.
pub fn completion_end() -> String {
    let usage = json!({
        "id": "chatcmpl-journey", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": "gpt-journey", "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    });
    format!("data: {usage}\n\ndata: [DONE]\n\n")
}

/// A whole OpenAI stream that says `text` word by word.
pub fn completion_stream(text: &str) -> String {
    let mut out = completion_chunk(&json!({"role": "assistant", "content": ""}), None);
    for word in text.split_inclusive(' ') {
        out.push_str(&completion_chunk(&json!({"content": word}), None));
    }
    out.push_str(&completion_chunk(&json!({}), Some("stop")));
    out.push_str(&completion_end());
    out
}
