//! Any stream of Gemini's, with any damage and any split: the output keeps the grammar and depends on no cut.

use pointsman::protocol::translate::{AnswerContext, BodyTranslator, StreamTranslator};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::naive::anthropic::{blocks, joined, read_stream};
use crate::naive::gemini::Said;
use crate::properties::answers::pieces;

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::Gemini, Dialect::Anthropic).named("claude-test", "msg_any", 0)
}

fn translate(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), StreamError>) {
    let mut translator = StreamTranslator::new(ctx());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| translator.push(piece, &mut out));
    }
    let ended = ended.and_then(|()| translator.finish(&mut out));
    (out, ended)
}

fn part() -> impl Strategy<Value = Value> {
    let text = || "[a-c<\"\\\\é\n ]{0,6}";
    prop_oneof![
        3 => text().prop_map(|text| json!({ "text": text })),
        2 => text().prop_map(|text| json!({"text": text, "thought": true})),
        1 => text().prop_map(|text| json!({"text": text, "thoughtSignature": "c2ln"})),
        2 => ("[fg]", 0..9u8).prop_map(|(name, x)| json!({"functionCall": {"name": name, "args": {"x": x}}})),
        1 => Just(json!({"functionCall": {"name": "h"}, "thoughtSignature": "c2ln"})),
        1 => Just(json!({})),
    ]
}

/// A stream of these parts; `bare` puts an error at its end.
fn stream(parts: &[Vec<Value>], crlf: bool, bare: bool) -> Vec<u8> {
    let end = if crlf { "\r\n" } else { "\n" };
    let mut stream = String::new();
    for (index, parts) in parts.iter().enumerate() {
        let usage = json!({"promptTokenCount": 7, "candidatesTokenCount": index, "totalTokenCount": 7 + index});
        let chunk = json!({"candidates": [{"content": {"parts": parts}}], "usageMetadata": usage});
        stream += &format!("data: {chunk}{end}{end}");
    }
    stream += &format!(
        "data: {}{end}{end}",
        json!({"candidates": [{"finishReason": "STOP"}]})
    );
    if bare {
        let error = json!({"error": {"code": 500, "message": "no", "status": "INTERNAL"}});
        stream += &serde_json::to_string_pretty(&error)
            .unwrap()
            .replace('\n', end);
    }
    stream.into_bytes()
}

fn parts() -> impl Strategy<Value = Vec<Vec<Value>>> {
    prop::collection::vec(prop::collection::vec(part(), 0..4), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_gemini_says_arrives_once_and_in_order(
        parts in parts(), crlf in any::<bool>(), bare in any::<bool>(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let source = stream(&parts, crlf, bare);
        let (out, ended) = translate(&[&source]);
        prop_assert_eq!(&translate(&pieces(&source, &cuts)), &(out.clone(), ended.clone()));
        let said = Said::stream(&source);
        let message = read_stream("any", &out);
        if bare {
            prop_assert!(matches!(ended, Err(StreamError::Upstream(_))));
            return Ok(());
        }
        prop_assert_eq!(ended, Ok(()));
        prop_assert_eq!(joined(&message, "text", "text"), said.text.clone());
        prop_assert_eq!(joined(&message, "thinking", "thinking"), said.thinking.clone());
        let calls: Vec<(String, Value)> = blocks(&message, "tool_use")
            .map(|it| (it["name"].as_str().unwrap().to_owned(),
                serde_json::from_str(it["input"].as_str().unwrap()).unwrap()))
            .collect();
        prop_assert_eq!(&calls, &said.calls);
        let mut ids: Vec<&Value> = blocks(&message, "tool_use").map(|it| &it["id"]).collect();
        ids.sort_by_key(ToString::to_string);
        ids.dedup();
        prop_assert_eq!(ids.len(), calls.len());
        prop_assert_eq!(&message["stop_reason"], said.stop_reason());
    }

    #[test]
    fn damage_never_breaks_the_grammar_of_geminis_answers(
        parts in parts(), crlf in any::<bool>(), bare in any::<bool>(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut bytes = stream(&parts, crlf, bare);
        for (place, byte, how) in damage {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place + 1),
            }
        }
        let (out, ended) = translate(&[&bytes]);
        prop_assert_eq!(&translate(&pieces(&bytes, &cuts)), &(out.clone(), ended.clone()));
        let message = read_stream("damaged", &out);
        if ended.is_ok() {
            prop_assert_eq!(&message["complete"], true);
        } else {
            prop_assert!(message.is_null() || message["complete"] == false);
        }
        let mut body = BodyTranslator::new(ctx());
        let assembled = body.push(&bytes).and_then(|()| body.finish());
        prop_assert_eq!(assembled.err(), ended.err());
    }

    #[test]
    fn any_bytes_are_survived_by_gemini(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (out, ended) = translate(&[&bytes]);
        prop_assert!(ended.is_err() && out.is_empty());
    }
}
