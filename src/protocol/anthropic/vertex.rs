//! A Messages body for Vertex AI (`rawPredict` and `streamRawPredict`): the model stands in the URL there, the version
//! in the body.
//!
//! As the vendor's SDKs send it (Python 2.11, November 2026): `model` is taken out, `anthropic_version` put in unless
//! it is there, `stream` stays. They leave betas in their header; as `anthropic_beta` in the body, the form that the
//! SDKs use for Bedrock, they arrive wherever headers do not. Bodies of `count_tokens` keep their model there and need
//! no more than the version.

use bytes::Bytes;

use crate::protocol::scan::{self, Member, ScanError};
use crate::protocol::splice::{Splice, with_comma};

/// The body for Vertex: without `model`, with `anthropic_version` and, where there are `betas`, with
/// `anthropic_beta`, unless those fields are there already. Every other byte stays as it was. `betas` are the values
/// of `anthropic-beta` headers, comma-separated or not. An error means that `body` is no JSON object.
pub fn for_vertex<'a>(
    body: &Bytes,
    anthropic_version: &str,
    betas: impl IntoIterator<Item = &'a str>,
) -> Result<Bytes, ScanError> {
    let start = scan::skip_space(body, 0);
    let (members, _) = scan::members(body, start)?;
    let has = |key: &str| members.iter().any(|it| is_called(body, it, key));
    let mut put = Vec::new();
    if !has("anthropic_version") {
        put.push(member("anthropic_version", &anthropic_version.into()));
    }
    let betas: Vec<serde_json::Value> = betas
        .into_iter()
        .flat_map(|header| header.split(','))
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
        .map(serde_json::Value::from)
        .collect();
    if !betas.is_empty() && !has("anthropic_beta") {
        put.push(member("anthropic_beta", &betas.into()));
    }
    let mut splice = Splice::default();
    let models = members.iter().filter(|it| is_called(body, it, "model"));
    let mut left = members.len();
    for model in models {
        splice.cut(with_comma(body, model.key.start - 1..model.value.end));
        left -= 1;
    }
    if !put.is_empty() {
        let comma = if 0 < left { "," } else { "" };
        let after = start + 1;
        splice.replace(after..after, put.join(",") + comma);
    }
    Ok(splice.apply(body))
}

fn is_called(body: &[u8], member: &Member, key: &str) -> bool {
    body.get(member.key.clone()) == Some(key.as_bytes())
}

fn member(key: &str, value: &serde_json::Value) -> String {
    format!("\"{key}\":{value}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const VERSION: &str = "vertex-2023-10-16";

    fn sent(body: &str, betas: &[&str]) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let sent = for_vertex(&body, VERSION, betas.iter().copied()).unwrap();
        String::from_utf8(sent.to_vec()).unwrap()
    }

    #[test]
    fn the_model_goes_and_the_version_comes() {
        for (before, after) in [
            (
                r#"{"model":"m","stream": true, "x":1.50}"#,
                r#"{"anthropic_version":"vertex-2023-10-16","stream": true, "x":1.50}"#,
            ),
            (
                " {\"messages\":[{\"model\":\"é\"}] , \"model\":\"m\"\n}",
                " {\"anthropic_version\":\"vertex-2023-10-16\",\"messages\":[{\"model\":\"é\"}] \n}",
            ),
            (
                r#"{"model":"m"}"#,
                r#"{"anthropic_version":"vertex-2023-10-16"}"#,
            ),
            ("{}", r#"{"anthropic_version":"vertex-2023-10-16"}"#),
            (
                r#"{"anthropic_version":"mine","model":"m","a":1}"#,
                r#"{"anthropic_version":"mine","a":1}"#,
            ),
        ] {
            assert_eq!(sent(before, &[]), after);
        }
    }

    #[test]
    fn betas_of_the_header_stand_in_the_body() {
        assert_eq!(
            sent(r#"{"a":1,"model":"m"}"#, &["one, two,,", "three"]),
            r#"{"anthropic_version":"vertex-2023-10-16","anthropic_beta":["one","two","three"],"a":1}"#
        );
        let own = r#"{"anthropic_beta":["x"],"anthropic_version":"v","a":1}"#;
        assert_eq!(sent(own, &["one"]), own);
        assert_eq!(sent(own, &["", " "]), own);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for body in ["", "[]", "{\"model\"", "null"] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert!(for_vertex(&body, VERSION, []).is_err(), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_object_but_for_the_model(
            keys in prop::collection::hash_set("(model|anthropic_version|anthropic_beta|[ab]{1,2})", 0..6),
            pretty in any::<bool>(),
        ) {
            let mut object = json!({});
            for (value, key) in keys.iter().enumerate() {
                object[key] = json!([value, {"model": 1}]);
            }
            let text = if pretty { format!("{object:#}") } else { object.to_string() };
            let sent: Value = serde_json::from_str(&sent(&text, &["b1"])).unwrap();
            let mut expected = object.clone();
            expected.as_object_mut().unwrap().remove("model");
            for (key, value) in [("anthropic_version", json!(VERSION)), ("anthropic_beta", json!(["b1"]))] {
                if !keys.contains(key) {
                    expected[key] = value;
                }
            }
            prop_assert_eq!(sent, expected);
        }
    }
}
