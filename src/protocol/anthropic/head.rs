//! What the proxy must know of an Anthropic request to send it on, read without parsing the rest.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;

use crate::protocol::envelope;
use crate::protocol::scan::{self, Member, ScanError};
use crate::protocol::splice::{Splice, with_comma};

/// Longest model name accepted, bytes.
const MAX_MODEL_BYTES: usize = 256;

/// Why a request cannot be sent anywhere.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// Not UTF-8.
    #[error("the request body is not valid UTF-8 (byte {0})")]
    Utf8(usize),
    /// Not JSON, or not an object.
    #[error("the request body is not valid JSON: {0}")]
    Json(#[from] ScanError),
    /// JSON, but not an object.
    #[error("the request body must be a JSON object")]
    NotAnObject,
    /// Something follows the object.
    #[error("the request body is not valid JSON: text after the end at byte {0}")]
    Trailing(usize),
    /// A required field is absent.
    #[error("{0}: field required")]
    Missing(&'static str),
    /// A field stands twice, so that its meaning is unclear.
    #[error("{0}: given more than once")]
    Twice(&'static str),
    /// A field has the wrong type or form.
    #[error("{0}: {1}")]
    Wrong(&'static str, &'static str),
}

/// The parts of a request that decide where it goes. Ranges are into the body.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The model asked for.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// The seeds' `provider: "name"` pin; an object of that name is another vendor's and no pin.
    pub pin: Option<String>,
    /// The session of the client, where `metadata.user_id` tells.
    pub session: Option<String>,
    model_at: Range<usize>,
    pin_at: Option<Range<usize>>,
    messages_at: Option<Range<usize>>,
}

impl RequestHead {
    /// Reads the head of a `/v1/messages` or `count_tokens` body.
    pub fn read(body: &[u8]) -> Result<Self, HeadError> {
        if let Err(error) = simdutf8::compat::from_utf8(body) {
            return Err(HeadError::Utf8(error.valid_up_to()));
        }
        let start = scan::skip_space(body, 0);
        if body.get(start).is_some_and(|first| *first != b'{') && scan::is_value(body, start) {
            return Err(HeadError::NotAnObject);
        }
        let (members, end) = scan::members(body, start)?;
        let end = scan::skip_space(body, end);
        if end < body.len() {
            return Err(HeadError::Trailing(end));
        }
        let model = one(body, &members, "model")?.ok_or(HeadError::Missing("model"))?;
        let messages = one(body, &members, "messages")?.ok_or(HeadError::Missing("messages"))?;
        if body.get(messages.value.start) != Some(&b'[') {
            return Err(HeadError::Wrong("messages", "must be an array"));
        }
        let stream = match one(body, &members, "stream")?.map(|m| text(body, &m.value)) {
            None | Some(b"false" | b"null") => false,
            Some(b"true") => true,
            Some(_) => return Err(HeadError::Wrong("stream", "must be true or false")),
        };
        let pin = one(body, &members, "provider")?.and_then(|m| Some((string(body, &m.value)?, m)));
        let session =
            one(body, &members, "metadata")?.and_then(|m| session_of(text(body, &m.value)));
        Ok(RequestHead {
            model: model_name(body, &model.value)?,
            stream,
            session,
            model_at: model.value.clone(),
            pin_at: pin.as_ref().map(|(_, m)| m.key.start - 1..m.value.end),
            pin: pin.map(|(name, _)| name),
            messages_at: Some(messages.value.clone()),
        })
    }

    /// The body for an Anthropic-type provider: `model` in place of the asked one, our own pin and the thinking that
    /// another dialect left behind cut out, every other byte as it was.
    pub fn rewritten(&self, body: &Bytes, model: &str) -> Bytes {
        let mut splice = Splice::default();
        if model != self.model {
            splice.replace(
                self.model_at.clone(),
                serde_json::Value::from(model).to_string(),
            );
        }
        if let Some(pin) = &self.pin_at {
            splice.cut(with_comma(body, pin.clone()));
        }
        if memchr::memmem::find(body, envelope::PREFIX.as_bytes()).is_some()
            && let Some(messages) = &self.messages_at
        {
            cut_envelopes(body, messages.start, &mut splice);
        }
        splice.apply(body)
    }
}

/// The only member called `key`.
fn one<'a>(
    body: &[u8],
    members: &'a [Member],
    key: &'static str,
) -> Result<Option<&'a Member>, HeadError> {
    let mut named = members
        .iter()
        .filter(|m| text(body, &m.key) == key.as_bytes());
    let first = named.next();
    match named.next() {
        Some(_) => Err(HeadError::Twice(key)),
        None => Ok(first),
    }
}

fn text<'a>(body: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    body.get(range.clone()).unwrap_or_default()
}

fn string(body: &[u8], range: &Range<usize>) -> Option<String> {
    serde_json::from_slice(text(body, range)).ok()
}

fn model_name(body: &[u8], range: &Range<usize>) -> Result<String, HeadError> {
    let name = string(body, range).ok_or(HeadError::Wrong("model", "must be a string"))?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(HeadError::Wrong(
            "model",
            "must be a name without control characters",
        ));
    }
    if MAX_MODEL_BYTES < name.len() {
        Err(HeadError::Wrong("model", "is longer than 256 bytes"))
    } else {
        Ok(name)
    }
}

/// The session inside `metadata.user_id`: a field of a JSON text (newer clients) or the part after `_session_`.
/// Observed with Claude Code, undocumented.
fn session_of(metadata: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct UserId {
        session_id: Option<String>,
    }
    let user_id = serde_json::from_slice::<Metadata>(metadata).ok()?.user_id?;
    if let Ok(parsed) = serde_json::from_str::<UserId>(&user_id) {
        return parsed.session_id;
    }
    let (_, session) = user_id.rsplit_once("_session_")?;
    (!session.is_empty()).then(|| session.to_owned())
}

/// Cuts thinking blocks that carry our envelope. What cannot be walked is left for the provider to judge.
fn cut_envelopes(body: &[u8], messages: usize, splice: &mut Splice) {
    let Ok((turns, _)) = scan::elements(body, messages) else {
        return;
    };
    for turn in turns {
        let Ok((members, _)) = scan::members(body, turn.start) else {
            continue;
        };
        let Some(content) = members.iter().find(|m| text(body, &m.key) == b"content") else {
            continue;
        };
        let Ok((blocks, _)) = scan::elements(body, content.value.start) else {
            continue;
        };
        let ours = |block: &&Range<usize>| is_sealed(body, block);
        let sealed: Vec<&Range<usize>> = blocks.iter().filter(ours).collect();
        match (sealed.len(), blocks.len()) {
            (0, _) => {}
            // A turn without content is an error there, so the whole turn goes.
            (cut, all) if cut == all => splice.cut(with_comma(body, turn)),
            _ => cut_elements(body, &blocks, &sealed, splice),
        }
    }
}

/// Cuts some, but not all, elements of a list: each with the comma after it, or before it when none that stays
/// follows.
fn cut_elements(body: &[u8], all: &[Range<usize>], cut: &[&Range<usize>], splice: &mut Splice) {
    let last_kept = all.iter().rposition(|element| !cut.contains(&element));
    for (i, element) in all.iter().enumerate() {
        if !cut.contains(&element) {
            continue;
        }
        if last_kept.is_some_and(|last| i < last) {
            splice.cut(with_comma(body, element.clone()));
        } else {
            let before = i
                .checked_sub(1)
                .and_then(|i| all.get(i))
                .map_or(element.start, |e| e.end);
            splice.cut(before..element.end);
        }
    }
}

fn is_sealed(body: &[u8], block: &Range<usize>) -> bool {
    #[derive(Deserialize)]
    struct Block {
        #[serde(rename = "type")]
        kind: String,
        signature: Option<String>,
        data: Option<String>,
    }
    let raw = text(body, block);
    if memchr::memmem::find(raw, envelope::PREFIX.as_bytes()).is_none() {
        return false;
    }
    let Ok(block) = serde_json::from_slice::<Block>(raw) else {
        return false;
    };
    let carrier = match block.kind.as_str() {
        "thinking" => block.signature,
        "redacted_thinking" => block.data,
        _ => None,
    };
    carrier.is_some_and(|carrier| envelope::is_ours(&carrier))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rewritten(body: &str, model: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let head = RequestHead::read(&body).unwrap();
        String::from_utf8(head.rewritten(&body, model).to_vec()).unwrap()
    }

    #[test]
    fn reads_what_decides() {
        let user = json!({"device_id": "d", "session_id": "s-1"}).to_string();
        let body =
            json!({"model": "m", "stream": true, "messages": [], "metadata": {"user_id": user}});
        let head = RequestHead::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(
            (head.model.as_str(), head.stream, head.session.as_deref()),
            ("m", true, Some("s-1"))
        );
        let older = json!({"model": "m", "messages": [], "metadata": {"user_id": "user_a_account_b_session_c"}});
        let head = RequestHead::read(older.to_string().as_bytes()).unwrap();
        assert_eq!((head.stream, head.session.as_deref()), (false, Some("c")));
    }

    #[test]
    fn without_a_reason_the_body_stays_the_same_bytes() {
        let body = " {\"x\": 1.0e3,\"model\" :\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\"}]}\n";
        assert_eq!(rewritten(body, "m"), body);
        assert_eq!(rewritten(body, "n\"2"), body.replace("\"m\"", "\"n\\\"2\""));
    }

    #[test]
    fn the_pin_is_cut_and_an_object_of_that_name_stays() {
        assert_eq!(
            rewritten(r#"{"provider":"A", "model":"m","messages":[]}"#, "m"),
            r#"{ "model":"m","messages":[]}"#
        );
        assert_eq!(
            rewritten(r#"{"model":"m","messages":[] , "provider":"A"}"#, "m"),
            r#"{"model":"m","messages":[] }"#
        );
        let object = r#"{"model":"m","messages":[],"provider":{"order":["x"]}}"#;
        assert_eq!(rewritten(object, "m"), object);
    }

    fn block(kind: &str, field: &str, value: &str) -> Value {
        json!({"type": kind, field: value})
    }

    #[test]
    fn our_own_thinking_is_cut_wherever_it_stands() {
        let sealed = envelope::seal_reasoning(envelope::ReasoningKind::Content, "");
        let ours = json!({"type": "thinking", "thinking": "hm", "signature": sealed});
        let redacted = block("redacted_thinking", "data", &sealed);
        let real = json!({"type": "thinking", "thinking": "hm", "signature": "EuYD"});
        let said = block("text", "text", "pm1. is only a word here");
        let cases = [
            (vec![&ours, &said], Some(vec![&said])),
            (vec![&said, &ours], Some(vec![&said])),
            (vec![&said, &ours, &redacted], Some(vec![&said])),
            (
                vec![&ours, &said, &ours, &real, &redacted],
                Some(vec![&said, &real]),
            ),
            (vec![&ours, &redacted], None),
            (vec![&real, &said], Some(vec![&real, &said])),
        ];
        for (before, after) in cases {
            let turn = |content: &Vec<&Value>| json!({"role": "assistant", "content": content});
            let user = json!({"role": "user", "content": "q"});
            let body = json!({"model": "m", "messages": [user, turn(&before), user]}).to_string();
            let result: Value = serde_json::from_str(&rewritten(&body, "m")).unwrap();
            let expected = match &after {
                Some(content) => json!([user, turn(content), user]),
                None => json!([user, user]),
            };
            assert_eq!(result["messages"], expected);
        }
    }

    #[test]
    fn faults_name_the_field() {
        for (body, message) in [
            (
                "",
                "the request body is not valid JSON: unexpected end at byte 0",
            ),
            ("[]", "the request body must be a JSON object"),
            ("{\"messages\":[]}", "model: field required"),
            ("{\"model\":\"m\"}", "messages: field required"),
            ("{\"model\":1,\"messages\":[]}", "model: must be a string"),
            (
                "{\"model\":\"\",\"messages\":[]}",
                "model: must be a name without control characters",
            ),
            (
                "{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}",
                "model: given more than once",
            ),
            (
                "{\"model\":\"m\",\"messages\":{}}",
                "messages: must be an array",
            ),
            (
                "{\"model\":\"m\",\"messages\":[],\"stream\":1}",
                "stream: must be true or false",
            ),
            (
                "{\"model\":\"m\",\"messages\":[]} x",
                "the request body is not valid JSON: text after the end at byte 28",
            ),
        ] {
            assert_eq!(
                RequestHead::read(body.as_bytes()).unwrap_err().to_string(),
                message,
                "{body}"
            );
        }
        assert_eq!(
            RequestHead::read(b"{\"a\":\"\xff\"}").unwrap_err(),
            HeadError::Utf8(6)
        );
    }
}
