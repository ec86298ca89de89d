//! The rules that Anthropic enforces on a conversation, checked on a translated body.

use serde_json::Value;

/// Panics, naming `what`, unless the body keeps the rules: the user speaks first and roles alternate, instructions
/// stand behind the user, every call is answered once in the next message before anything else is said there, no text
/// is blank, thinking is signed and not the last word, ids come once, names fit, inputs and roots of schemas are
/// objects, and there are four cache marks at most.
pub fn check(what: &str, body: &Value) {
    let messages = body["messages"].as_array().expect("messages");
    let mut ids: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut before = "";
    for (index, message) in messages.iter().enumerate() {
        let at = format!("{what}: message {index}: {message}");
        let role = message["role"].as_str().expect("role");
        let allowed = match before {
            "" => &["user"][..],
            "user" => &["assistant", "system"],
            "assistant" => &["user"],
            _ => &["assistant"],
        };
        assert!(allowed.contains(&role), "{role} after {before:?}: {at}");
        let blocks = message["content"].as_array().expect("content");
        assert!(!blocks.is_empty(), "empty: {at}");
        let answered = blocks
            .iter()
            .take_while(|it| it["type"] == "tool_result")
            .map(|it| it["tool_use_id"].as_str().expect("tool_use_id"));
        let mut answered: Vec<&str> = answered.collect();
        let results = blocks
            .iter()
            .filter(|it| it["type"] == "tool_result")
            .count();
        assert_eq!(answered.len(), results, "results come first: {at}");
        answered.sort_unstable();
        open.sort_unstable();
        assert_eq!(answered, open, "results and calls: {at}");
        open.clear();
        for block in blocks {
            self::block(block, role, &at);
            if block["type"] == "tool_use" {
                let id = block["id"].as_str().expect("id");
                assert!(!ids.contains(&id), "id {id:?} twice: {at}");
                ids.push(id);
                open.push(id);
            }
        }
        let last = &blocks[blocks.len() - 1]["type"];
        assert!(last != "thinking" && last != "redacted_thinking", "{at}");
        before = role;
    }
    assert!(open.is_empty(), "{what}: {open:?} unanswered at the end");
    if before == "assistant" {
        let last = &messages[messages.len() - 1]["content"];
        if let Some(text) = last[last.as_array().unwrap().len() - 1]["text"].as_str() {
            assert_eq!(text.trim_end(), text, "{what}");
        }
    }
    tools(what, body, !ids.is_empty());
    let marks = body.to_string().matches("\"cache_control\":").count();
    assert!(marks <= 4, "{what}: {marks} marks");
}

fn block(block: &Value, role: &str, at: &str) {
    let kind = block["type"].as_str().expect("type");
    match kind {
        "text" => {
            let text = block["text"].as_str().expect("text");
            assert!(!text.trim().is_empty(), "blank: {at}");
        }
        "thinking" | "redacted_thinking" => {
            let seal = block["signature"].as_str().or(block["data"].as_str());
            let seal = seal.expect("a seal");
            assert!(!seal.is_empty() && !seal.starts_with("pm1."), "{at}");
            assert!(block.get("cache_control").is_none(), "{at}");
            assert_eq!(role, "assistant", "{at}");
        }
        "tool_use" => {
            assert_eq!(role, "assistant", "{at}");
            assert!(block["input"].is_object(), "{at}");
            let id = block["id"].as_str().expect("id");
            assert!(plain(id, 128), "id {id:?}: {at}");
            name(&block["name"], at);
        }
        "tool_result" => {
            let content = block["content"].as_array();
            if block["is_error"] == true {
                let content = content.unwrap_or_else(|| panic!("says nothing: {at}"));
                assert!(content.iter().all(|it| it["type"] == "text"), "{at}");
            }
            for part in content
                .into_iter()
                .flatten()
                .filter(|it| it["type"] == "text")
            {
                self::block(part, role, at);
            }
        }
        "image" | "document" | "search_result" => assert_eq!(role, "user", "{at}"),
        _ => {}
    }
    if role == "system" {
        assert_eq!(kind, "text", "{at}");
    }
}

fn tools(what: &str, body: &Value, called: bool) {
    let tools = body["tools"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = Vec::new();
    for tool in tools {
        if tool.get("input_schema").is_some() {
            assert_eq!(tool["input_schema"]["type"], "object", "{what}");
            name(&tool["name"], what);
        }
        if let Some(name) = tool["name"].as_str() {
            assert!(!names.contains(&name), "{what}: {name} twice");
            names.push(name);
        }
    }
    let declared = body["tools"].is_array();
    assert!(declared || !called, "{what}: calls without tools");
    match &body["tool_choice"] {
        Value::Null => {}
        choice => {
            assert!(declared, "{what}: tool_choice without tools");
            if choice["type"] == "tool" {
                assert!(names.contains(&choice["name"].as_str().unwrap()), "{what}");
            }
        }
    }
}

fn name(name: &Value, at: &str) {
    let name = name.as_str().expect("name");
    assert!(plain(name, 128), "name {name:?}: {at}");
}

fn plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
