//! The rules that OpenAI enforces on a conversation, checked on a translated body.

use serde_json::Value;

/// Panics, naming `what`, unless the body keeps the rules: each call of an assistant message is answered by exactly
/// one tool message right behind it, tool messages stand nowhere else, ids and names are of the charset and length
/// that are accepted, and roles alternate.
pub fn check(what: &str, body: &Value) {
    let messages = body["messages"].as_array().expect("messages");
    let mut open: Vec<&str> = Vec::new();
    let mut before = "";
    for (index, message) in messages.iter().enumerate() {
        let at = format!("{what}: message {index}: {message}");
        let role = message["role"].as_str().expect("role");
        if role == "tool" {
            let id = message["tool_call_id"].as_str().expect("tool_call_id");
            let place = open.iter().position(|one| *one == id);
            open.remove(place.unwrap_or_else(|| panic!("no such open call: {at}")));
            assert!(!said(&message["content"]).is_empty(), "empty: {at}");
            before = role;
            continue;
        }
        assert!(open.is_empty(), "{open:?} unanswered before {at}");
        if matches!(role, "user" | "assistant") {
            assert_ne!(before, role, "roles do not alternate: {at}");
        }
        if role == "assistant" {
            open = calls(message, &at);
            assert!(
                !open.is_empty() || !said(&message["content"]).is_empty(),
                "empty: {at}"
            );
        } else {
            assert!(message.get("tool_calls").is_none(), "{at}");
            assert_ne!(message["content"], Value::Null, "{at}");
        }
        before = role;
    }
    assert!(open.is_empty(), "{what}: {open:?} unanswered at the end");
    for tool in body["tools"].as_array().into_iter().flatten() {
        name(&tool["function"]["name"], what);
        assert_eq!(tool["function"]["parameters"]["type"], "object", "{what}");
    }
    match &body["tool_choice"] {
        Value::Null => {}
        choice => {
            assert!(
                body["tools"].is_array(),
                "{what}: tool_choice without tools"
            );
            if choice.is_object() {
                name(&choice["function"]["name"], what);
            }
        }
    }
}

fn calls<'a>(message: &'a Value, at: &str) -> Vec<&'a str> {
    let mut ids = Vec::new();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let id = call["id"].as_str().expect("id");
        assert!((1..=40).contains(&id.len()) && plain(id), "id {id:?}: {at}");
        assert!(!ids.contains(&id), "id {id:?} twice: {at}");
        name(&call["function"]["name"], at);
        let arguments = call["function"]["arguments"].as_str().expect("arguments");
        let arguments: Value = serde_json::from_str(arguments).expect("arguments are JSON");
        assert!(arguments.is_object(), "{at}");
        ids.push(id);
    }
    ids
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

/// The text of a message's content.
pub fn said(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .map(|part| part["text"].as_str().unwrap_or("(media)"))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}
