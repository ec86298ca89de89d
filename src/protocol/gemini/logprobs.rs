//! Log probabilities in OpenAI's shape.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::openai_chat::wire_answer::Text;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Logprobs<'a> {
    #[serde(borrow)]
    chosen_candidates: Vec<Token<'a>>,
    #[serde(borrow)]
    top_candidates: Vec<Top<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top<'a> {
    #[serde(borrow)]
    candidates: Vec<Token<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Token<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    log_probability: Option<serde_json::Number>,
}

impl Token<'_> {
    fn in_openai_shape(&self) -> serde_json::Map<String, Value> {
        let token = self.token.get().unwrap_or_default();
        let mut fields = serde_json::Map::new();
        fields.insert("token".to_owned(), json!(token));
        fields.insert("logprob".to_owned(), json!(self.log_probability));
        fields.insert("bytes".to_owned(), json!(token.as_bytes()));
        fields
    }
}

/// `logprobsResult` as OpenAI's list; `None` when it tells of no token.
pub(super) fn in_openai_shape(raw: &str) -> Option<Box<RawValue>> {
    let read: Logprobs<'_> = serde_json::from_str(raw).ok()?;
    let mut tops = read.top_candidates.iter();
    let tokens: Vec<Value> = read
        .chosen_candidates
        .iter()
        .map(|chosen| {
            let top = tops.next().map(|it| it.candidates.iter());
            let top: Vec<Value> = top
                .into_iter()
                .flatten()
                .map(|it| Value::Object(it.in_openai_shape()))
                .collect();
            let mut fields = chosen.in_openai_shape();
            fields.insert("top_logprobs".to_owned(), Value::Array(top));
            Value::Object(fields)
        })
        .collect();
    if tokens.is_empty() {
        return None;
    }
    serde_json::value::to_raw_value(&tokens).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_and_likely_tokens_go_together() {
        let raw = r#"{"topCandidates":[{"candidates":[{"token":"é","tokenId":1,"logProbability":-0.25}]}],
            "chosenCandidates":[{"token":"é","tokenId":1,"logProbability":-0.25},{"token":"!","logProbability":-1}]}"#;
        let read: Value = serde_json::from_str(in_openai_shape(raw).unwrap().get()).unwrap();
        assert_eq!(
            read,
            json!([
                {"token": "é", "logprob": -0.25, "bytes": [195, 169],
                    "top_logprobs": [{"token": "é", "logprob": -0.25, "bytes": [195, 169]}]},
                {"token": "!", "logprob": -1, "bytes": [33], "top_logprobs": []}
            ])
        );
        for nothing in ["{}", "[]", "3", r#"{"chosenCandidates":7}"#] {
            assert!(in_openai_shape(nothing).is_none(), "{nothing}");
        }
    }
}
