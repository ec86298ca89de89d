//! Every recorded Anthropic answer read into events: checked against the grammar and a naive reader, cut anywhere,
//! written again and read again.

use pointsman::protocol::anthropic::Decode;
use pointsman::protocol::canonical::{BlockStart, DecodeContext, EncodeContext, Event};
use pointsman::protocol::frame::SseDecoder;
use pointsman::protocol::upstream_error::StreamError;
use serde_json::{Value, json};

use crate::corpus::recordings;
use crate::naive::anthropic::{facts, joined, read_stream};
use crate::naive::assembly::put_together;

fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Result<(), StreamError>) {
    let mut frames = SseDecoder::new();
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| frames.push(piece, |frame| decode.push(frame, &mut out)));
    }
    let ended = ended
        .and_then(|()| frames.finish(|frame| decode.push(frame, &mut out)))
        .and_then(|()| decode.finish(&mut out));
    (out, ended)
}

fn decode_body(body: &[u8]) -> (Vec<Event>, Result<(), StreamError>) {
    let mut out = Vec::new();
    let ended = Decode::new(DecodeContext::default()).body(body, &mut out);
    (out, ended)
}

/// What the events say, in the shape of a message; panics where they break the grammar.
fn told(name: &str, events: &[Event]) -> Value {
    let mut content: Vec<Value> = Vec::new();
    let mut open = false;
    let mut message = json!({});
    for (at, event) in events.iter().enumerate() {
        let delta = !matches!(
            event,
            Event::Start { .. } | Event::BlockStart(_) | Event::Finish { .. }
        );
        assert_eq!(delta, open && delta, "{name}: {event:?} outside a block");
        match event {
            Event::Start { id, model } => {
                assert_eq!(at, 0, "{name}");
                message["id"] = json!(id);
                message["model"] = json!(model);
            }
            Event::BlockStart(block) => {
                assert!(!std::mem::replace(&mut open, true), "{name}: nested blocks");
                content.push(opened(block));
            }
            Event::Text(text) => grow(&mut content, "text", text),
            Event::Thinking(text) => grow(&mut content, "thinking", text),
            Event::Signature(text) => {
                assert!(matches!(events[at + 1], Event::BlockStop), "{name}");
                grow(&mut content, "signature", text);
            }
            Event::ToolArguments(text) => grow(&mut content, "input", text),
            Event::Citation(_) => {
                let last = content.last_mut().unwrap();
                last["citations"] = json!(last["citations"].as_u64().unwrap_or(0) + 1);
            }
            Event::Logprobs(_) => panic!("{name}: log probabilities"),
            Event::BlockStop => open = false,
            Event::Finish { stop, usage, .. } => {
                assert!(!open && at + 1 == events.len(), "{name}");
                message["stop_reason"] = json!(stop.as_anthropic());
                let usage = usage.unwrap_or_else(|| panic!("{name}: no usage"));
                message["usage"] = json!([
                    usage.input,
                    usage.cache_creation,
                    usage.cache_read,
                    usage.output
                ]);
            }
        }
    }
    message["content"] = json!(content);
    message
}

fn opened(block: &BlockStart) -> Value {
    let value = |raw: &str| serde_json::from_str::<Value>(raw).unwrap();
    match block {
        BlockStart::Text => json!({"type": "text", "text": ""}),
        BlockStart::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
        BlockStart::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        BlockStart::ToolUse { id, name } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": ""})
        }
        BlockStart::ServerToolUse { id, name, input } => {
            json!({"type": "server_tool_use", "id": id, "name": name, "input": value(input.get())})
        }
        BlockStart::ServerToolResult {
            tool_use_id,
            kind,
            content,
        } => json!({"type": kind, "tool_use_id": tool_use_id, "content": value(content.get())}),
        BlockStart::Unknown(raw) => value(raw.get()),
    }
}

fn grow(content: &mut [Value], key: &str, piece: &str) {
    assert!(!piece.is_empty());
    let block = content.last_mut().unwrap();
    block[key] = json!(block[key].as_str().unwrap().to_owned() + piece);
}

/// A message as the vendor's SDKs read it, in the same shape.
fn expected(message: &Value) -> Value {
    let mut content = message["content"].as_array().unwrap().clone();
    for block in &mut content {
        let fields = block.as_object_mut().unwrap();
        let kind = fields["type"].as_str().unwrap().to_owned();
        // The caller of a tool has no place.
        if kind != "mcp_tool_result" && kind.ends_with("_tool_result")
            || kind.ends_with("tool_use") && kind != "mcp_tool_use"
        {
            fields.remove("caller");
        }
        match fields.remove("citations") {
            Some(Value::Array(all)) if kind == "text" && !all.is_empty() => {
                fields.insert("citations".to_owned(), json!(all.len()));
            }
            _ => {}
        }
        if kind == "thinking" {
            fields.entry("signature").or_insert_with(|| json!(""));
        }
    }
    content.retain(|it| it["text"] != "" && !(it["thinking"] == "" && it["signature"] == ""));
    let count = |key: &str| message["usage"][key].as_u64().unwrap_or(0);
    json!({
        "id": message["id"],
        "model": message["model"],
        "content": content,
        "stop_reason": message["stop_reason"],
        "usage": [
            count("input_tokens"),
            count("cache_creation_input_tokens"),
            count("cache_read_input_tokens"),
            count("output_tokens")
        ],
    })
}

/// Block by block, so that a failure can be read.
fn same_message(name: &str, told: &Value, expected: &Value) {
    let blocks = |it: &Value| it["content"].as_array().unwrap().clone();
    for (told, expected) in blocks(told).iter().zip(&blocks(expected)) {
        assert_eq!(told, expected, "{name}");
    }
    assert_eq!(blocks(told).len(), blocks(expected).len(), "{name}");
    assert_eq!(told, expected, "{name}");
}

/// Tool inputs as values, where they are whole.
fn settled(mut message: Value) -> Value {
    for block in message["content"].as_array_mut().unwrap() {
        if block["type"] == "tool_use" && block["input"].is_string() {
            let text = block["input"].as_str().unwrap();
            block["input"] = match serde_json::from_str::<Value>(text) {
                Ok(value) => value,
                Err(_) if text.is_empty() => json!({}),
                Err(_) => json!({ "_raw": text }),
            };
        }
    }
    message
}

/// The events without what Anthropic's dialect cannot be told by others, or tells anew.
fn comparable(events: &[Event]) -> String {
    let kept = events
        .iter()
        .filter(|it| !matches!(it, Event::Citation(_) | Event::Start { .. }));
    format!("{:?}", kept.collect::<Vec<_>>())
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut encode = pointsman::protocol::anthropic::Encode::new(EncodeContext {
        message_id: "msg_again".to_owned(),
        ..EncodeContext::default()
    });
    let mut out = Vec::new();
    for event in events {
        encode.push(event, &mut out);
    }
    out
}

fn written_whole(events: &[Event]) -> Vec<u8> {
    let mut whole = pointsman::protocol::anthropic::Assemble::new(EncodeContext::default());
    for event in events {
        whole.push(event).unwrap();
    }
    whole.finish().unwrap()
}

/// Pieces of text joined: a body has no pieces.
fn joined_pieces(events: Vec<Event>) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(Event::Text(all)), Event::Text(piece))
            | (Some(Event::Thinking(all)), Event::Thinking(piece))
            | (Some(Event::ToolArguments(all)), Event::ToolArguments(piece)) => {
                all.push_str(&piece);
            }
            (_, Event::Citation(_)) => {}
            (_, event) => out.push(event),
        }
    }
    out
}

#[test]
fn recorded_streams_are_read_written_and_read_again() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let streams = recordings::answers(&folder, "").streams;
    let mut whole = 0;
    for (name, bytes) in &streams {
        let (events, ended) = decode(&[bytes]);
        for pieces in recordings::cuts(bytes) {
            let (again, same) = decode(&pieces);
            assert_eq!(format!("{again:?}"), format!("{events:?}"), "{name}");
            assert_eq!(same, ended, "{name}");
        }
        let said = facts(bytes);
        if name.contains("spliced") {
            assert!(
                matches!(ended, Err(StreamError::Malformed(_))),
                "{name}: {ended:?}"
            );
            continue;
        }
        assert_eq!(ended.is_ok(), said.complete, "{name}: {ended:?}");
        if ended.is_err() {
            let upstream = ended.as_ref().err().and_then(StreamError::upstream);
            assert_eq!(
                upstream.and_then(|it| it.error_type.clone()),
                said.error,
                "{name}"
            );
            continue;
        }
        whole += 1;
        let message = settled(told(name, &events));
        same_message(name, &message, &expected(&first_message(bytes)));
        let out = written(&events);
        let (again, ended) = decode(&[&out]);
        assert_eq!(ended, Ok(()), "{name}");
        assert!(
            comparable(&again) == comparable(&events),
            "{name}: written, it reads differently"
        );
        let body = written_whole(&events);
        let (again, ended) = decode_body(&body);
        assert_eq!(ended, Ok(()), "{name}");
        // Of arguments cut short a body makes an object.
        if said.stop_reason.as_deref() != Some("max_tokens") {
            let comparable = |events: &[Event]| comparable(&joined_pieces(events.to_vec()));
            assert!(
                comparable(&again) == comparable(&events),
                "{name}: written, it reads differently"
            );
        }
    }
    println!("{} streams, {whole} of them whole", streams.len());
    assert!(
        100 < streams.len() && 95 < whole,
        "{} streams, {whole} whole",
        streams.len()
    );
}

/// The message up to its `message_stop`; some recordings hold several, one behind the other.
fn first_message(bytes: &[u8]) -> Value {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let end = text.find("message_stop\"").unwrap();
    let line = text[end..].find('\n').map_or(text.len(), |it| end + it);
    put_together(format!("{}\n\n", &text[..line]).as_bytes())
}

#[test]
fn recorded_bodies_are_read_written_and_read_again() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let (mut messages, mut errors, mut others) = (0, 0, 0);
    for (name, bytes) in &recordings::answers(&folder, "").bodies {
        let body: Value = serde_json::from_slice(bytes).unwrap();
        // A stream has no room for line breaks between tokens.
        let (events, ended) = decode_body(body.to_string().as_bytes());
        match (body["type"].as_str(), ended) {
            (Some("message"), Ok(())) => messages += 1,
            (Some("error"), Err(StreamError::Upstream(error))) => {
                assert_eq!(body["error"]["message"], error.message, "{name}");
                errors += 1;
                continue;
            }
            (_, Err(StreamError::Malformed(_))) if body["content"].is_null() => {
                others += 1;
                continue;
            }
            (_, ended) => panic!("{name}: {ended:?}"),
        }
        same_message(name, &settled(told(name, &events)), &expected(&body));
        if name.contains("programmatic") {
            // Who called a tool is not told again.
            continue;
        }
        let out = written(&events);
        read_back(name, &out, &body);
        let (again, ended) = decode(&[&out]);
        assert_eq!(ended, Ok(()), "{name}");
        assert!(
            comparable(&again) == comparable(&events),
            "{name}: written, it reads differently"
        );
        let (again, ended) = decode_body(&written_whole(&events));
        assert_eq!(ended, Ok(()), "{name}");
        assert!(
            comparable(&again) == comparable(&events),
            "{name}: written, it reads differently"
        );
    }
    println!("{messages} messages, {errors} errors, {others} others");
    assert!(
        150 < messages && 3 < errors && 3 < others,
        "{messages} {errors} {others}"
    );
}

/// Where nothing but text is said, the strict reader of streams agrees.
fn read_back(name: &str, out: &[u8], body: &Value) {
    let content = body["content"].as_array().unwrap();
    if content.iter().all(|it| it["type"] == "text") {
        let message = read_stream(name, out);
        assert_eq!(
            joined(&message, "text", "text"),
            joined(body, "text", "text"),
            "{name}"
        );
    }
}
