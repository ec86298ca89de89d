//! A strict reader of Anthropic streams: checks the grammar and rebuilds the message.

use serde_json::{Map, Value, json};

/// The message that a stream builds up. Panics, naming `what`, where the stream breaks the grammar.
pub fn read_stream(what: &str, bytes: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut open = None;
    let mut ended = false;
    let mut stopped = false;
    for (event, data) in events(what, bytes) {
        assert!(!stopped, "{what}: {event} after message_stop");
        assert_eq!(data["type"], event, "{what}: event line and type differ");
        match event.as_str() {
            "message_start" => {
                assert!(message.is_null(), "{what}: second message_start");
                message = data["message"].clone();
                assert_eq!(message["content"], json!([]), "{what}");
                assert!(
                    message["id"].as_str().unwrap().starts_with("msg_"),
                    "{what}"
                );
            }
            "content_block_start" => {
                assert!(
                    open.is_none() && !ended,
                    "{what}: block opens inside another"
                );
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len(), "{what}: index not dense");
                let block = data["content_block"].clone();
                if block["type"] == "tool_use" {
                    let id = block["id"].as_str().unwrap();
                    let good = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
                    assert!(!id.is_empty() && id.chars().all(good), "{what}: id {id}");
                    assert!(!block["name"].as_str().unwrap().is_empty(), "{what}");
                    assert_eq!(block["input"], json!({}), "{what}");
                }
                content.push(block);
                open = Some(Open::default());
            }
            "content_block_delta" => {
                let open = open
                    .as_mut()
                    .unwrap_or_else(|| panic!("{what}: delta without block"));
                delta(what, &mut message, &data, open);
            }
            "content_block_stop" => {
                let open = open
                    .take()
                    .unwrap_or_else(|| panic!("{what}: stop without block"));
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len() - 1, "{what}");
                let block = content.last_mut().unwrap();
                if block["type"] == "thinking" {
                    assert!(open.signed, "{what}: thinking without signature");
                    assert_ne!(block["thinking"], "", "{what}: empty thinking");
                }
                if block["type"] == "tool_use" {
                    block["input"] = Value::String(open.json);
                } else if block["type"] == "server_tool_use" {
                    block["input"] = serde_json::from_str(&open.json).unwrap();
                }
            }
            "message_delta" => {
                assert!(
                    open.is_none() && !ended,
                    "{what}: message_delta out of place"
                );
                ended = true;
                merge(&mut message, &data["delta"]);
                let usage = data["usage"].clone();
                merge(&mut message["usage"], &usage);
                assert!(message["stop_reason"].is_string(), "{what}");
            }
            "message_stop" => {
                assert!(ended, "{what}: message_stop without message_delta");
                stopped = true;
            }
            "ping" => {}
            other => panic!("{what}: unknown event {other}"),
        }
    }
    message["complete"] = Value::Bool(stopped);
    message
}

#[derive(Default)]
struct Open {
    json: String,
    signed: bool,
}

fn delta(what: &str, message: &mut Value, data: &Value, open: &mut Open) {
    let content = message["content"].as_array_mut().unwrap();
    assert_eq!(
        data["index"],
        content.len() - 1,
        "{what}: delta of another block"
    );
    let block = content.last_mut().unwrap();
    assert!(!open.signed, "{what}: delta after the signature");
    let delta = &data["delta"];
    if delta["type"] == "citations_delta" {
        cite(what, block, &delta["citation"]);
        return;
    }
    let (kind, key) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", "text"),
        "thinking_delta" => ("thinking", "thinking"),
        "signature_delta" => ("thinking", "signature"),
        "input_json_delta" => ("tool_use", "partial_json"),
        other => panic!("{what}: unknown delta {other}"),
    };
    let server = key == "partial_json" && block["type"] == "server_tool_use";
    assert!(server || block["type"] == kind, "{what}: {data}");
    let piece = delta[key].as_str().unwrap();
    assert!(!piece.is_empty(), "{what}: empty delta");
    if key == "partial_json" {
        open.json.push_str(piece);
        return;
    }
    open.signed = key == "signature";
    let text = format!("{}{piece}", block[key].as_str().unwrap());
    block[key] = Value::String(text);
}

/// A source of the text: the fields that the vendor's types demand, as the vendor's clients gather them.
fn cite(what: &str, block: &mut Value, citation: &Value) {
    assert_eq!(block["type"], "text", "{what}: {citation}");
    assert_eq!(citation["type"], "web_search_result_location", "{what}");
    assert!(
        ["cited_text", "url", "encrypted_index"]
            .iter()
            .all(|key| citation[*key].is_string()),
        "{what}: {citation}"
    );
    if block.get("citations").is_none() {
        block["citations"] = Value::Array(Vec::new());
    }
    let all = block["citations"].as_array_mut().unwrap();
    all.push(citation.clone());
}

fn merge(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else {
        panic!("objects expected");
    };
    into.extend(from.clone());
}

/// Events and their data, from bytes that must be exactly `event: …`, `data: …`, blank line.
fn events(what: &str, bytes: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(!text.contains('\r'), "{what}: CR in the output");
    let Some(text) = text.strip_suffix("\n\n") else {
        assert!(text.is_empty(), "{what}: output ends inside an event");
        return Vec::new();
    };
    text.split("\n\n")
        .map(|event| {
            let (event, data) = event
                .split_once('\n')
                .unwrap_or_else(|| panic!("{what}: {event}"));
            let event = event
                .strip_prefix("event: ")
                .unwrap_or_else(|| panic!("{what}: {event}"));
            let data = data
                .strip_prefix("data: ")
                .unwrap_or_else(|| panic!("{what}: {data}"));
            (event.to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

/// Text of all blocks of a kind, joined.
pub fn joined(message: &Value, kind: &str, key: &str) -> String {
    blocks(message, kind)
        .map(|it| it[key].as_str().unwrap())
        .collect()
}

/// All blocks of a kind.
pub fn blocks<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    message["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter(move |it| it["type"] == kind)
}

/// What an Anthropic stream says of itself: usage, stop reason, whether it is complete, the type of its error.
#[derive(Debug, Default, PartialEq)]
pub struct Facts {
    pub usage: Map<String, Value>,
    pub stop_reason: Option<String>,
    pub complete: bool,
    pub error: Option<String>,
}

/// Reads the facts of one vendor's stream, line by line.
pub fn facts(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(data) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        let usage = match data["type"].as_str() {
            Some("message_start") => &data["message"]["usage"],
            Some("message_delta") => {
                if let Some(stop) = data["delta"]["stop_reason"].as_str() {
                    facts.stop_reason = Some(stop.to_owned());
                }
                &data["usage"]
            }
            Some("message_stop") => {
                facts.complete = true;
                continue;
            }
            Some("error") => {
                facts.error = data["error"]["type"].as_str().map(str::to_owned);
                continue;
            }
            _ => continue,
        };
        let counted = usage
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, it)| it.is_u64());
        facts
            .usage
            .extend(counted.map(|(key, it)| (key.clone(), it.clone())));
    }
    facts
}
