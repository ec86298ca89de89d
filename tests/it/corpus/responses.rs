//! Every recorded answer of OpenAI Responses, streamed and not: translated, checked against the grammar and a naive
//! reader, cut anywhere.

use pointsman::protocol::envelope;
use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, Observer, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use serde_json::{Value, json};

use crate::corpus::recordings;
use crate::naive::anthropic::{blocks, joined, read_stream};
use crate::naive::openai::Counted;
use crate::naive::responses::Said;

const ESTIMATE: u64 = 4321;

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::OpenAiResponses, Dialect::Anthropic).named(
        "claude-test",
        "msg_corpus",
        ESTIMATE,
    )
}

/// The bytes a streaming client gets, and how it ended.
fn translate(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), StreamError>) {
    let mut translator = StreamTranslator::new(ctx());
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = translator.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    let ended = translator.finish(&mut out);
    assert_eq!(ended.is_ok(), translator.is_complete());
    (out, ended)
}

#[test]
fn recorded_streams_become_valid_messages() {
    let Some(folder) = recordings::folder("openai-responses") else {
        return;
    };
    let streams = recordings::answers(&folder, "").streams;
    let mut whole = 0;
    for (name, bytes) in &streams {
        let (out, ended) = translate(&[bytes]);
        let message = read_stream(name, &out);
        for pieces in recordings::cuts(bytes).chain([bytes.chunks(7).collect()]) {
            assert_eq!(translate(&pieces), (out.clone(), ended.clone()), "{name}");
        }
        let Some(said) = Said::stream(bytes) else {
            let malformed = matches!(ended, Err(StreamError::Malformed(_)));
            assert!(malformed, "{name}: {ended:?}");
            continue;
        };
        assert_eq!(ended.is_ok(), said.complete(), "{name}: {ended:?}");
        assert_eq!(message["complete"] == true, ended.is_ok(), "{name}");
        if said.error {
            let told = matches!(ended, Err(StreamError::Upstream(_)));
            assert!(told, "{name}: {ended:?}");
        }
        if said.complete() {
            whole += 1;
            check(name, &message, &said);
            let mut body = BodyTranslator::new(ctx());
            body.push(bytes).unwrap();
            let body: Value = serde_json::from_slice(&body.finish().unwrap().body).unwrap();
            assert_eq!(body, as_body(message), "{name}: stream and body differ");
        }
        let mut observer = Observer::new(Dialect::OpenAiResponses);
        observer.push(bytes);
        assert_eq!(observer.finish(), ended, "{name}: observed");
    }
    println!("{} streams, {whole} of them whole", streams.len());
    assert!(
        80 < streams.len() && 75 < whole,
        "{} {whole}",
        streams.len()
    );
}

#[test]
fn recorded_bodies_become_valid_messages() {
    let Some(folder) = recordings::folder("openai-responses") else {
        return;
    };
    let bodies = recordings::answers(&folder, "").bodies;
    let (mut whole, mut errors) = (0, 0);
    for (name, bytes) in &bodies {
        let said = Said::body(bytes).unwrap();
        let answer = body_answer(bytes, ctx());
        let mut out = Vec::new();
        let streamed = stream_from_body(bytes, ctx(), &mut out);
        assert_eq!(answer.is_ok(), said.complete(), "{name}: {streamed:?}");
        match (answer, streamed) {
            (Ok(answer), Ok(facts)) => {
                whole += 1;
                assert_eq!(answer.facts, facts, "{name}");
                let message = read_stream(name, &out);
                check(name, &message, &said);
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(body, as_body(message), "{name}: stream and body differ");
            }
            (Err(error), Err(other)) => {
                errors += 1;
                assert_eq!(error, other, "{name}");
                assert_eq!(said.error, error.upstream().is_some(), "{name}: {error}");
            }
            both => panic!("{name}: {both:?}"),
        }
    }
    println!(
        "{} bodies, {whole} of them whole, {errors} errors",
        bodies.len()
    );
    assert!(240 < whole && 20 < errors, "{whole} whole, {errors} errors");
}

/// A message read from a stream, in the form of a body.
fn as_body(mut message: Value) -> Value {
    message.as_object_mut().unwrap().remove("complete");
    let content = message["content"].as_array_mut().unwrap();
    for block in content.iter_mut().filter(|it| it["type"] == "tool_use") {
        let input = block["input"].as_str().unwrap();
        block["input"] = match serde_json::from_str(input) {
            Ok(Value::Object(object)) => Value::Object(object),
            _ if input.is_empty() => json!({}),
            _ => json!({ "_raw": input }),
        };
    }
    content.retain(|it| *it != json!({"type": "text", "text": ""}));
    message
}

fn check(name: &str, message: &Value, said: &Said) {
    assert_eq!(joined(message, "text", "text"), said.text, "{name}: text");
    assert_eq!(
        joined(message, "thinking", "thinking"),
        said.thinking,
        "{name}: thinking"
    );
    let calls: Vec<(String, String)> = blocks(message, "tool_use")
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            (text("name"), text("input"))
        })
        .collect();
    assert_eq!(calls, said.calls, "{name}: calls");
    assert_eq!(message["stop_reason"], said.stop_reason(), "{name}");
    check_searches(name, message, said);
    check_seals(name, message, said);
    let number = |key: &str| message["usage"][key].as_u64().unwrap();
    let counted = Counted {
        input: number("input_tokens"),
        cache_read: number("cache_read_input_tokens"),
        cache_creation: number("cache_creation_input_tokens"),
        output: number("output_tokens"),
    };
    match &said.usage {
        Some(usage) => assert_eq!(counted, *usage, "{name}"),
        None => assert_eq!(counted.input, ESTIMATE, "{name}: no estimate"),
    }
}

/// Each search has a call and one result that says something.
fn check_searches(name: &str, message: &Value, said: &Said) {
    let calls: Vec<&Value> = blocks(message, "server_tool_use")
        .filter(|it| it["name"] == "web_search")
        .collect();
    let queries: Vec<&str> = calls
        .iter()
        .map(|it| it["input"]["query"].as_str().unwrap())
        .collect();
    assert_eq!(queries, said.searches, "{name}: searches");
    for call in calls {
        let id = call["id"].as_str().unwrap();
        assert!(id.starts_with("srvtoolu_pm1_"), "{name}: {id}");
        let results: Vec<&Value> = blocks(message, "web_search_tool_result")
            .filter(|it| it["tool_use_id"] == id)
            .collect();
        assert_eq!(results.len(), 1, "{name}: {results:?}");
        let content = &results[0]["content"];
        let silent = content.as_array().is_some_and(Vec::is_empty);
        assert!(!silent, "{name}: a search that found nothing");
    }
}

/// What the provider sealed is in a signature, once.
fn check_seals(name: &str, message: &Value, said: &Said) {
    let sealed: Vec<String> = message["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|block| block["signature"].as_str().or(block["data"].as_str()))
        .filter_map(|seal| {
            let payload = envelope::open(seal).unwrap().payload;
            let item: Value = serde_json::from_str(payload).ok()?;
            Some(item["encrypted_content"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(sealed, said.sealed, "{name}: seals");
}
