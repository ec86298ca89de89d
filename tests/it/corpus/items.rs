//! The rules that providers of OpenAI Responses enforce on input items, checked on a translated body.

use std::collections::HashSet;

use serde_json::Value;

/// Panics, naming `what`, unless the body keeps the rules: each call is answered by exactly one output of its kind
/// before anything but another call or reasoning follows, outputs answer calls, reasoning is followed by what the
/// model said or did, ids and names are of the charset and length that are accepted, nothing is empty, nothing is
/// kept at the provider.
pub fn check(what: &str, body: &Value) {
    let input = body["input"].as_array().expect("input");
    assert!(!input.is_empty(), "{what}: no input");
    assert_eq!(body["store"], false, "{what}");
    let mut open: Vec<(&str, String)> = Vec::new();
    let mut thought = false;
    let mut settling = false;
    for (index, item) in input.iter().enumerate() {
        let at = format!("{what}: item {index}: {item}");
        let kind = item["type"].as_str().expect("type");
        let answers = kind.ends_with("_output");
        assert!(!thought || !answers, "reasoning without its item: {at}");
        settling &= answers;
        match kind {
            "message" => {
                assert!(open.is_empty(), "{open:?} unanswered before {at}");
                let role = item["role"].as_str().expect("role");
                assert!(!thought || role == "assistant", "reasoning: {at}");
                parts(&item["content"], role == "assistant", &at);
                thought = false;
            }
            "reasoning" => {
                assert!(open.is_empty() || !settling, "{at}");
                let sealed = item["encrypted_content"].as_str();
                assert!(sealed.is_some() || item["content"].is_array(), "{at}");
                assert!(item["summary"].is_array(), "{at}");
                thought = true;
            }
            "function_call" | "custom_tool_call" => {
                let id = item["call_id"].as_str().expect("call_id");
                assert!((1..=64).contains(&id.len()) && plain(id), "{at}");
                name(&item["name"], &at);
                if kind == "function_call" {
                    let arguments = item["arguments"].as_str().expect("arguments");
                    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
                    assert!(arguments.is_object(), "{at}");
                }
                open.push((id, format!("{kind}_output")));
                thought = false;
            }
            _ if answers => {
                let id = item["call_id"].as_str().expect("call_id");
                let place = open.iter().position(|one| one.0 == id && one.1 == kind);
                open.remove(place.unwrap_or_else(|| panic!("no such open call: {at}")));
                match &item["output"] {
                    Value::String(text) => assert!(!text.is_empty(), "{at}"),
                    list => parts(list, false, &at),
                }
                settling = true;
            }
            _ => panic!("unknown: {at}"),
        }
    }
    assert!(open.is_empty() && !thought, "{what}: {open:?} at the end");
    tools(what, body);
}

fn parts(content: &Value, output: bool, at: &str) {
    let parts = content.as_array().expect("parts");
    assert!(!parts.is_empty(), "empty: {at}");
    for part in parts {
        let kind = part["type"].as_str().expect("type");
        assert_eq!(kind == "output_text", output, "{at}");
        match kind {
            "input_text" | "output_text" => assert_ne!(part["text"], "", "{at}"),
            "input_image" => assert!(part["image_url"].is_string(), "{at}"),
            "input_file" => {
                let by_data = part["file_data"].is_string() && part["filename"].is_string();
                let by_address = part["file_url"].is_string() && part["filename"].is_null();
                assert!(by_data != by_address, "{at}");
            }
            _ => panic!("unknown part: {at}"),
        }
    }
}

fn tools(what: &str, body: &Value) {
    let mut seen = HashSet::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        let kind = tool["type"].as_str().expect("type");
        assert!(seen.insert((kind, tool["name"].as_str())), "{what}: {tool}");
        if matches!(kind, "function" | "custom") {
            name(&tool["name"], what);
        }
        if kind == "function" {
            assert_eq!(tool["parameters"]["type"], "object", "{what}");
            assert!(tool["strict"].is_boolean(), "{what}: strict is not said");
        }
    }
    if !body["tool_choice"].is_null() {
        assert!(!seen.is_empty(), "{what}: tool_choice without tools");
    }
}

fn name(name: &Value, at: &str) {
    let name = name.as_str().expect("name");
    assert!(
        (1..=64).contains(&name.len()) && plain(name),
        "name {name:?}: {at}"
    );
}

fn plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// All that is said to the model.
pub fn said(body: &Value) -> String {
    let mut said = body["instructions"].as_str().unwrap_or_default().to_owned();
    for item in body["input"].as_array().into_iter().flatten() {
        for content in [&item["content"], &item["output"]] {
            match content {
                Value::String(text) => said = said + "\n" + text,
                Value::Array(parts) => {
                    for part in parts {
                        said = said + "\n" + part["text"].as_str().unwrap_or("(media)");
                    }
                }
                _ => {}
            }
        }
    }
    said
}
