//! For tests: an Anthropic request as a Gemini model gets it.

use serde_json::{Value, json};

use crate::protocol::anthropic;
use crate::protocol::canonical::{Losses, TranslateError};

use super::{Profile, outbound};
use crate::protocol::canonical::Outbound;

pub(super) struct Sent {
    pub body: Value,
    pub lost: Vec<String>,
    pub outbound: Outbound,
}

impl Sent {
    /// `role: part|part` of each turn: texts as they are, calls as `>id name`, responses as `<id name`.
    pub fn turns(&self) -> Vec<String> {
        let part = |part: &Value| {
            let words = |key: &str, sign: &str| {
                let it = part.get(key)?;
                let name = it["name"].as_str().unwrap();
                Some(format!("{sign}{} {name}", it["id"].as_str().unwrap_or("-")))
            };
            words("functionCall", ">")
                .or_else(|| words("functionResponse", "<"))
                .or_else(|| part["text"].as_str().map(str::to_owned))
                .unwrap_or_else(|| "(media)".to_owned())
        };
        let turns = self.body["contents"].as_array().unwrap().iter();
        turns
            .map(|turn| {
                let parts: Vec<String> =
                    turn["parts"].as_array().unwrap().iter().map(part).collect();
                format!("{}: {}", turn["role"].as_str().unwrap(), parts.join("|"))
            })
            .collect()
    }
}

/// A model of each kind at Google's own address.
pub(super) fn model(name: &str) -> Profile {
    Profile::guess("generativelanguage.googleapis.com", name)
}

pub(super) fn try_send(body: &Value, profile: &Profile) -> Result<Sent, TranslateError> {
    let mut losses = Losses::default();
    let request = anthropic::messages(body.to_string().as_bytes(), &mut losses).unwrap();
    let outbound = outbound(&request, "m", profile, &mut losses)?;
    Ok(Sent {
        body: serde_json::from_slice(&outbound.body).unwrap(),
        lost: losses.kept().iter().map(ToString::to_string).collect(),
        outbound,
    })
}

pub(super) fn send(body: &Value, profile: &Profile) -> Sent {
    try_send(body, profile).unwrap()
}

/// A smallest request with these fields over it.
pub(super) fn with(fields: Value) -> Value {
    let mut body = json!({"model": "claude", "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}]});
    let Value::Object(fields) = fields else {
        panic!("no fields: {fields}");
    };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// A request with these messages, each a role and a content.
pub(super) fn talk(messages: &[(&str, Value)]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    with(json!({"messages": messages}))
}

pub(super) fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "Run", "input": {}})
}

pub(super) fn result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": text})
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}
