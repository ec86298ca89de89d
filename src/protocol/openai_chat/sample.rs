//! For tests: an Anthropic request as some upstream gets it.

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
    /// `role: text` of each message, tool calls as their ids.
    pub fn turns(&self) -> Vec<String> {
        let turn = |message: &Value| {
            let role = message["role"].as_str().unwrap();
            let text = match &message["content"] {
                Value::String(text) => text.clone(),
                Value::Null => "-".to_owned(),
                parts => parts
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|part| part["text"].as_str().unwrap_or("(media)"))
                    .collect::<Vec<_>>()
                    .join("|"),
            };
            let calls: Vec<&str> = message["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|call| call["id"].as_str().unwrap())
                .collect();
            if calls.is_empty() {
                format!("{role}: {text}")
            } else {
                format!("{role}: {text} {calls:?}")
            }
        };
        self.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(turn)
            .collect()
    }
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
