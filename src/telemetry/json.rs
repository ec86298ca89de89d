//! Log lines for machines: one JSON object a line, `timestamp`, `level`, `target`, `message`, then the fields.

use std::fmt::Write;

use serde_json::Map;
use serde_json::Value as Json;

use crate::telemetry::access_line::ACCESS_MESSAGE;
use crate::telemetry::access_line::ACCESS_TARGET;
use crate::telemetry::fields;
use crate::telemetry::line::Line;
use crate::telemetry::timestamp::rfc3339;

/// One line, its line feed included.
pub(super) fn render(line: &Line) -> String {
    let message = match line.target.as_str() {
        ACCESS_TARGET => ACCESS_MESSAGE,
        _ => &line.message,
    };
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), rfc3339(line.time).into());
    object.insert("level".to_owned(), line.level.as_str().into());
    object.insert("target".to_owned(), line.target.as_str().into());
    object.insert("message".to_owned(), message.into());
    for (key, value) in &line.fields {
        if let Some(old) = old_name(&line.target, key) {
            object.insert(old.to_owned(), value.clone());
        }
        let taken = object.contains_key(key);
        let prefix = if taken { "field." } else { "" };
        object.insert(format!("{prefix}{key}"), value.clone());
    }
    let mut text = visible(Json::Object(object).to_string());
    text.push('\n');
    text
}

/// What a field was called in the logs of the system we succeed, for what people have made to read those: `request_id`
/// on every line of a request, `response_time`, in milliseconds, on its last one.
fn old_name(target: &str, key: &str) -> Option<&'static str> {
    match key {
        fields::REQUEST_ID => Some("request_id"),
        fields::DURATION_MS if target == ACCESS_TARGET => Some("response_time"),
        _ => None,
    }
}

/// JSON itself lets DEL and the C1 controls through, which move a terminal's cursor as well as the others do.
fn visible(json: String) -> String {
    if !json.chars().any(char::is_control) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
