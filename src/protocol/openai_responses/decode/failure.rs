//! Errors inside an answer: the `error` event, a failed response, a body that is an error.

use serde_json::{Map, Value};

use crate::protocol::openai_chat::parse_error;
use crate::protocol::openai_responses::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

/// What the codes begin with that say the request is at fault, though nothing else does.
const CLIENT_CODES: [&str; 6] = [
    "image_",
    "empty_image",
    "unsupported_image",
    "failed_to_download",
    "bio_policy",
    "misalignment_policy",
];

/// An `error` event, whose error stands in `error` or is the event itself, or a body that is an error.
pub(super) fn error(data: &[u8]) -> StreamError {
    let mut fields: Map<String, Value> = match serde_json::from_slice(data) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => return Box::new(parse_error(None, data)).into(),
    };
    // The type of the event is not one of the error.
    if fields.get("type").is_some_and(|it| it == "error") && !fields.contains_key("error") {
        fields.shift_remove("type");
    }
    told(&Value::Object(fields))
}

/// A failed response.
pub(super) fn failed(response: &wire::Response<'_>) -> StreamError {
    let mut error: Map<String, Value> = wire::lenient(response.error);
    let code = error
        .get("code")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if CLIENT_CODES.iter().any(|start| code.starts_with(start)) {
        error
            .entry("type")
            .or_insert_with(|| Value::from("invalid_request_error"));
    }
    if !error.contains_key("message") {
        error.insert("message".to_owned(), Value::from("the response failed"));
    }
    told(&serde_json::json!({ "error": error }))
}

fn told(body: &Value) -> StreamError {
    Box::new(parse_error(None, body.to_string().as_bytes())).into()
}
