//! A whole Anthropic message as the stream it would have been, for a client that asked for one and got a body.
//!
//! Nothing is interpreted beyond what the grammar of streams needs: values keep their text, and blocks and fields
//! nobody knows yet go along. The way back is [`Reassemble`](crate::protocol::anthropic::Reassemble).

use serde_json::value::RawValue;

use crate::protocol::anthropic::raw_object::RawObject;
use crate::protocol::anthropic::text::{push_json_string, push_number, push_single_line};
use crate::protocol::frame::write_frame;
use crate::protocol::upstream_error::StreamError;

/// What a message without `usage` gets: clients read the counters of a stream without asking whether they are there.
const NO_USAGE: &str = r#"{"input_tokens":0,"output_tokens":0}"#;

/// Fields that a stream tells at its end, inside `delta` of `message_delta`.
const AT_THE_END: [&str; 4] = ["stop_reason", "stop_sequence", "stop_details", "container"];

/// The events of a stream that says what `message` says. `Malformed` for what is no message.
pub fn stream_of(message: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut start = RawObject::read(message)
        .filter(|it| it.string("type").as_deref() == Some("message"))
        .ok_or(StreamError::Malformed("the body is no message"))?;
    let content = start
        .set("content", "[]")
        .ok_or(StreamError::Malformed("a message without content"))?;
    let blocks: Vec<&RawValue> = serde_json::from_str(&content)
        .map_err(|_| StreamError::Malformed("the content of a message"))?;
    let end = end_of(&mut start);

    let mut out = Vec::with_capacity(message.len() + 1024 + 512 * blocks.len());
    let mut data = br#"{"type":"message_start","message":"#.to_vec();
    start.push_json(&mut data);
    data.push(b'}');
    write_frame("message_start", &data, &mut out);
    for (index, block) in (0..).zip(blocks) {
        push_block(index, block.get(), &mut out)?;
    }
    write_frame("message_delta", &end, &mut out);
    write_frame("message_stop", br#"{"type":"message_stop"}"#, &mut out);
    Ok(out)
}

/// Moves what a stream tells at its end out of its start, and returns it as the data of `message_delta`.
fn end_of(start: &mut RawObject) -> Vec<u8> {
    let mut delta = RawObject::default();
    for key in ["stop_reason", "stop_sequence"] {
        if start.get(key).is_none() {
            start.set(key, "null");
        }
    }
    for key in AT_THE_END {
        if start.get(key).is_some() {
            let value = start.set(key, "null").unwrap_or_default();
            delta.set(key, value);
        }
    }
    if start.get("usage").is_none_or(|it| it == "null") {
        start.set("usage", NO_USAGE);
    }
    let mut data = br#"{"type":"message_delta","delta":"#.to_vec();
    delta.push_json(&mut data);
    data.extend_from_slice(b",\"usage\":");
    push_single_line(start.get("usage").unwrap_or(NO_USAGE), &mut data);
    if let Some(edits) = start.remove("context_management") {
        data.extend_from_slice(b",\"context_management\":");
        push_single_line(&edits, &mut data);
    }
    data.push(b'}');
    data
}

/// One block: opened empty, filled by deltas, closed. Blocks that no delta fills are whole when they open.
fn push_block(index: u64, raw: &str, out: &mut Vec<u8>) -> Result<(), StreamError> {
    let mut block = RawObject::read(raw.as_bytes())
        .ok_or(StreamError::Malformed("a content block that is no object"))?;
    let mut deltas = Vec::new();
    match block.string("type").as_deref() {
        Some("text") => {
            deltas.extend(take_string(&mut block, "text").map(|it| ("text_delta", "text", it)));
            let citations = take_citations(&mut block);
            deltas.extend(
                citations
                    .into_iter()
                    .map(|it| ("citations_delta", "citation", it)),
            );
        }
        Some("thinking") => {
            let thinking = take_string(&mut block, "thinking");
            deltas.extend(thinking.map(|it| ("thinking_delta", "thinking", it)));
            let signature = take_string(&mut block, "signature");
            deltas.extend(signature.map(|it| ("signature_delta", "signature", it)));
        }
        Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
            let input = take_input(&mut block);
            deltas.extend(input.map(|it| ("input_json_delta", "partial_json", it)));
        }
        _ => {}
    }
    let mut data = head("content_block_start", index);
    data.extend_from_slice(b",\"content_block\":");
    block.push_json(&mut data);
    data.push(b'}');
    write_frame("content_block_start", &data, out);
    for (kind, field, value) in deltas {
        let mut data = head("content_block_delta", index);
        data.extend_from_slice(format!(r#","delta":{{"type":"{kind}","{field}":"#).as_bytes());
        push_single_line(&value, &mut data);
        data.extend_from_slice(b"}}");
        write_frame("content_block_delta", &data, out);
    }
    let mut data = head("content_block_stop", index);
    data.push(b'}');
    write_frame("content_block_stop", &data, out);
    Ok(())
}

fn head(kind: &str, index: u64) -> Vec<u8> {
    let mut data = format!(r#"{{"type":"{kind}","index":"#).into_bytes();
    push_number(index, &mut data);
    data
}

/// Empties a string member. `None` when it is empty, absent or no string.
fn take_string(block: &mut RawObject, key: &str) -> Option<Box<str>> {
    let holds_text = |value: &str| value.starts_with('"') && value != "\"\"";
    block.get(key).filter(|it| holds_text(it))?;
    block.set(key, "\"\"")
}

/// Empties the list of citations.
fn take_citations(block: &mut RawObject) -> Vec<Box<str>> {
    let list = block.get("citations").unwrap_or_default();
    let Ok(citations) = serde_json::from_str::<Vec<Box<RawValue>>>(list) else {
        return Vec::new();
    };
    block.set("citations", "[]");
    citations.into_iter().map(Box::<str>::from).collect()
}

/// Empties the input of a tool and returns its text as a JSON string.
fn take_input(block: &mut RawObject) -> Option<Box<str>> {
    let inner = block.get("input")?.strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return None;
    }
    let input = block.set("input", "{}")?;
    let mut quoted = Vec::with_capacity(input.len() + 16);
    push_json_string(&input, &mut quoted);
    String::from_utf8(quoted).ok().map(String::into_boxed_str)
}

#[cfg(test)]
mod tests;
