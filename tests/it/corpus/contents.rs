//! The rules that Gemini enforces on a conversation, checked on a translated body.

use serde_json::Value;

/// Panics, naming `what`, unless the body keeps the rules: the user begins, roles alternate, a turn with calls is
/// followed by as many responses in the same order and responses stand nowhere else, every part holds exactly one
/// thing, no text is empty but a signed one, names are of the charset and length that are accepted.
pub fn check(what: &str, body: &Value) {
    let turns = body["contents"].as_array().expect("contents");
    let mut open: Vec<(String, Value)> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let at = format!("{what}: turn {index}: {turn}");
        let role = turn["role"].as_str().expect("role");
        assert_eq!(role, if index % 2 == 0 { "user" } else { "model" }, "{at}");
        let parts = turn["parts"].as_array().expect("parts");
        assert!(!parts.is_empty(), "{at}");
        let mut responses = Vec::new();
        let mut others = false;
        let mut calls = Vec::new();
        for part in parts {
            one_thing(part, &at);
            if let Some(call) = part.get("functionCall") {
                assert_eq!(role, "model", "{at}");
                assert!(call["args"].is_object(), "{at}");
                calls.push((name(&call["name"], &at), call["id"].clone()));
            }
            if let Some(response) = part.get("functionResponse") {
                assert_eq!(role, "user", "{at}");
                assert!(!others, "responses come first: {at}");
                assert_eq!(response["response"].as_object().unwrap().len(), 1, "{at}");
                for inner in response["parts"].as_array().into_iter().flatten() {
                    one_thing(inner, &at);
                    assert!(inner.get("text").is_none(), "{at}");
                }
                responses.push((name(&response["name"], &at), response["id"].clone()));
            } else {
                others = true;
            }
        }
        assert_eq!(responses, open, "{at}");
        open = calls;
    }
    assert!(open.is_empty(), "{what}: {open:?} unanswered at the end");
    tools(what, body);
}

fn one_thing(part: &Value, at: &str) {
    let things = [
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
    ];
    let held = things
        .iter()
        .filter(|key| part.get(**key).is_some())
        .count();
    assert_eq!(held, 1, "{at}: {part}");
    let signed = part["thoughtSignature"].is_string();
    assert!(part["text"] != "" || signed, "empty text: {at}");
    assert!(
        part.get("thoughtSignature").is_none() || part["thoughtSignature"] != "",
        "{at}"
    );
}

fn tools(what: &str, body: &Value) {
    let mut names = Vec::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        assert_eq!(tool.as_object().unwrap().len(), 1, "{what}: {tool}");
        for function in tool["functionDeclarations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let name = name(&function["name"], what);
            assert!(!names.contains(&name), "{what}: {name} twice");
            names.push(name);
            let both =
                ["parameters", "parametersJsonSchema"].map(|key| function.get(key).is_some());
            assert_ne!(both, [true, true], "{what}: {function}");
        }
    }
    let choice = &body["toolConfig"]["functionCallingConfig"];
    assert!(
        choice.is_null() || !names.is_empty(),
        "{what}: a choice without functions"
    );
    for chosen in choice["allowedFunctionNames"]
        .as_array()
        .into_iter()
        .flatten()
    {
        assert!(
            names.iter().any(|it| chosen == it),
            "{what}: {chosen} is not there"
        );
    }
    let thinking = &body["generationConfig"]["thinkingConfig"];
    assert!(
        thinking["thinkingBudget"].is_null() || thinking["thinkingLevel"].is_null(),
        "{what}"
    );
}

fn name(name: &Value, at: &str) -> String {
    let name = name.as_str().expect("name");
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let plain = |c: char| first(c) || c.is_ascii_digit() || ".:-".contains(c);
    assert!(
        name.len() <= 64 && name.starts_with(first) && name.chars().all(plain),
        "name {name:?}: {at}"
    );
    name.to_owned()
}
