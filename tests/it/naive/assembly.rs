//! Reads any Anthropic stream the way a simple client does, without judging it, and checks the order of events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The message that a stream comes to; unlike [`read_stream`](super::anthropic::read_stream) it takes what recordings
/// hold besides the grammar.
pub fn put_together(bytes: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut inputs: BTreeMap<usize, String> = BTreeMap::new();
    for data in datas(bytes) {
        match data["type"].as_str().unwrap() {
            "message_start" => {
                inputs.clear();
                message = data["message"].clone();
            }
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let index = usize::try_from(data["index"].as_u64().unwrap()).unwrap();
                let delta = &data["delta"];
                if let Some(piece) = delta["partial_json"].as_str() {
                    inputs.entry(index).or_default().push_str(piece);
                }
                apply(&mut message["content"][index], delta);
            }
            "message_delta" => {
                overwrite(&mut message, &data["delta"]);
                overwrite(&mut message["usage"], &data["usage"]);
                let mut rest = data.clone();
                for key in ["type", "delta", "usage"] {
                    rest.as_object_mut().unwrap().remove(key);
                }
                overwrite(&mut message, &rest);
            }
            // Some recordings hold the next answer as well.
            "message_stop" => break,
            _ => {}
        }
    }
    for (index, input) in inputs.into_iter().filter(|(_, it)| !it.is_empty()) {
        // A call that was cut by `max_tokens`.
        let broken = |_| json!({ "_raw": input.trim() });
        message["content"][index]["input"] = serde_json::from_str(&input).unwrap_or_else(broken);
    }
    message
}

fn datas(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn apply(block: &mut Value, delta: &Value) {
    for field in [
        "text",
        "thinking",
        "signature",
        "content",
        "encrypted_content",
    ] {
        if let Some(piece) = delta[field].as_str() {
            let begun = block[field].as_str().unwrap_or_default();
            block[field] = json!(format!("{begun}{piece}"));
        }
    }
    if delta["type"] == "citations_delta" {
        if !block["citations"].is_array() {
            block["citations"] = json!([]);
        }
        let citations = block["citations"].as_array_mut().unwrap();
        citations.push(delta["citation"].clone());
    }
}

fn overwrite(known: &mut Value, news: &Value) {
    for (key, value) in news.as_object().unwrap() {
        if !value.is_null() || known.get(key).is_none() {
            known[key] = value.clone();
        }
    }
}

/// Checks that events come in the order of the grammar, named as their data, and that no delta is empty.
pub fn check_order(what: &str, bytes: &[u8]) {
    let mut blocks = 0;
    let mut allowed = vec!["message_start"];
    for event in String::from_utf8(bytes.to_vec())
        .unwrap()
        .split_terminator("\n\n")
    {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name, "{what}");
        assert!(allowed.contains(&name), "{what}: {name} not in {allowed:?}");
        if name.starts_with("content_block") {
            assert_eq!(data["index"], blocks, "{what}");
        }
        let told = data["delta"].as_object().into_iter().flatten();
        if name == "content_block_delta" {
            assert!(told.into_iter().all(|(_, it)| *it != ""), "{what}: {data}");
        }
        allowed = match name {
            "message_start" => vec!["content_block_start", "message_delta"],
            "content_block_stop" => {
                blocks += 1;
                vec!["content_block_start", "message_delta"]
            }
            "content_block_start" | "content_block_delta" => {
                vec!["content_block_delta", "content_block_stop"]
            }
            "message_delta" => vec!["message_stop"],
            _ => vec!["nothing"],
        };
    }
    assert_eq!(allowed, ["nothing"], "{what}: no end");
}
