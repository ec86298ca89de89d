//! A request of the dialect within, put into one of the service's.
//!
//! Every byte of it stays as it is but for two things that the service's own clients do otherwise: Anthropic's requests
//! have no `stream`, because everything is streamed, and Gemini's name their model, because there is no path that does.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use crate::protocol::scan::{self, ScanError};
use crate::protocol::splice::{Splice, with_comma};
use crate::types::Hosted;

/// What is told of a request besides the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Its conversation there.
    pub thread_id: Option<&'a str>,
    /// Its prompt there: what a person asked, with all calls of tools that came of it.
    pub prompt_id: Option<&'a str>,
    /// What it is for; services of 2026 are not told.
    pub intent: Option<&'a str>,
    /// `normal` or `max`; services of 2026 are not told.
    pub mode: Option<&'a str>,
    /// Whose model it is.
    pub hosted: Hosted,
    /// The model.
    pub model: &'a str,
}

/// The request in its envelope. An error means that `body` is no JSON object.
pub fn wrapped(envelope: &Envelope<'_>, body: &Bytes) -> Result<Bytes, ScanError> {
    let within = within(envelope, body)?;
    let mut out = BytesMut::with_capacity(within.len() + 512);
    out.put_slice(b"{");
    let told = [
        ("thread_id", envelope.thread_id),
        ("prompt_id", envelope.prompt_id),
        ("intent", envelope.intent),
        ("mode", envelope.mode),
        ("provider", Some(envelope.hosted.word())),
        ("model", Some(envelope.model)),
    ];
    for (key, value) in told {
        if let Some(value) = value {
            let member = format!("\"{key}\":{},", Value::from(value));
            out.put_slice(member.as_bytes());
        }
    }
    out.put_slice(b"\"provider_request\":");
    out.put_slice(&within);
    out.put_slice(b"}");
    Ok(out.freeze())
}

fn within(envelope: &Envelope<'_>, body: &Bytes) -> Result<Bytes, ScanError> {
    let start = scan::skip_space(body, 0);
    let (members, _) = scan::members(body, start)?;
    let is_called =
        |range: &std::ops::Range<usize>, key: &[u8]| body.get(range.clone()) == Some(key);
    let mut splice = Splice::default();
    match envelope.hosted {
        Hosted::Anthropic => {
            let streams = members.iter().find(|it| is_called(&it.key, b"stream"));
            if let Some(stream) = streams {
                splice.cut(with_comma(body, stream.key.start - 1..stream.value.end));
            }
        }
        Hosted::Google if !members.iter().any(|it| is_called(&it.key, b"model")) => {
            let comma = if members.is_empty() { "" } else { "," };
            let name = Value::from(format!("models/{}", envelope.model));
            splice.replace(start + 1..start + 1, format!("\"model\":{name}{comma}"));
        }
        Hosted::Google | Hosted::OpenAi | Hosted::XAi | Hosted::Baseten => {}
    }
    Ok(splice.apply(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const PLAIN: Envelope<'_> = Envelope {
        thread_id: None,
        prompt_id: None,
        intent: None,
        mode: None,
        hosted: Hosted::OpenAi,
        model: "m",
    };

    fn sent(envelope: &Envelope<'_>, body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        String::from_utf8(wrapped(envelope, &body).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert_eq!(
            sent(&PLAIN, r#"{"model":"m", "stream":true}"#),
            r#"{"provider":"open_ai","model":"m","provider_request":{"model":"m", "stream":true}}"#
        );
        let all = Envelope {
            thread_id: Some("t"),
            prompt_id: Some("p"),
            intent: Some("user_prompt"),
            mode: Some("max"),
            ..PLAIN
        };
        assert_eq!(
            sent(&all, "{}"),
            r#"{"thread_id":"t","prompt_id":"p","intent":"user_prompt","mode":"max","provider":"open_ai","model":"m","provider_request":{}}"#
        );
    }

    #[test]
    fn claude_is_not_asked_to_stream_and_gemini_is_named() {
        let claude = Envelope {
            hosted: Hosted::Anthropic,
            ..PLAIN
        };
        for (body, within) in [
            (
                r#"{"stream":true,"model":"m","x":1.50}"#,
                r#"{"model":"m","x":1.50}"#,
            ),
            (r#"{"model":"m","stream":true}"#, r#"{"model":"m"}"#),
            (
                r#"{"model":"m","messages":[{"stream":1}]}"#,
                r#"{"model":"m","messages":[{"stream":1}]}"#,
            ),
        ] {
            let expected =
                format!(r#"{{"provider":"anthropic","model":"m","provider_request":{within}}}"#);
            assert_eq!(sent(&claude, body), expected);
        }
        let gemini = Envelope {
            hosted: Hosted::Google,
            model: "gemini-3\"",
            ..PLAIN
        };
        assert_eq!(
            sent(&gemini, r#"{"contents":[]}"#),
            r#"{"provider":"google","model":"gemini-3\"","provider_request":{"model":"models/gemini-3\"","contents":[]}}"#
        );
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for body in ["", "[]", "{\"a\"", "null"] {
            assert!(wrapped(&PLAIN, &Bytes::from(body)).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn the_request_within_is_the_same_value(
            keys in prop::collection::hash_set("(stream|model|[ab]{1,2})", 0..5),
            pretty in any::<bool>(),
            hosted in prop::sample::select(Hosted::ALL.to_vec()),
        ) {
            let mut object = json!({});
            for (value, key) in keys.iter().enumerate() {
                object[key] = json!([value, {"stream": 1}]);
            }
            let text = if pretty { format!("{object:#}") } else { object.to_string() };
            let envelope = Envelope { hosted, model: "x", ..PLAIN };
            let sent: Value = serde_json::from_str(&sent(&envelope, &text)).unwrap();
            match hosted {
                Hosted::Anthropic => {
                    object.as_object_mut().unwrap().remove("stream");
                }
                Hosted::Google if !keys.contains("model") => object["model"] = json!("models/x"),
                _ => {}
            }
            prop_assert_eq!(&sent["provider_request"], &object);
            prop_assert_eq!(&sent["provider"], hosted.word());
        }
    }
}
