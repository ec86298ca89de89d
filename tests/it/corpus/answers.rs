//! Every recorded answer, streamed and not: translated, checked against the grammar and a naive reader, cut anywhere.

use pointsman::protocol::anthropic::{BodyTap, StreamTap};
use pointsman::protocol::canonical::Usage;
use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use serde_json::{Value, json};

use crate::corpus::recordings;
use crate::naive::anthropic::{blocks, facts, joined, read_stream};
use crate::naive::openai::{Counted, Said};

const ESTIMATE: u64 = 4321;

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::OpenAiChat, Dialect::Anthropic).named(
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

/// The body a client that does not stream gets.
fn assemble(pieces: &[&[u8]]) -> Result<Value, StreamError> {
    let mut translator = BodyTranslator::new(ctx());
    for piece in pieces {
        translator.push(piece)?;
    }
    Ok(serde_json::from_slice(&translator.finish()?.body).unwrap())
}

#[test]
fn recorded_openai_streams_become_valid_messages() {
    let Some(folder) = recordings::folder("openai-chat") else {
        return;
    };
    let streams = recordings::answers(&folder, "data: [DONE]\n\n").streams;
    let mut whole = 0;
    for (name, bytes) in &streams {
        let said = Said::stream(bytes);
        let (out, ended) = translate(&[bytes]);
        let message = read_prefix(name, &out, ended.is_ok());
        assert_eq!(ended.is_ok(), said.complete(), "{name}: {ended:?}");
        if said.error {
            assert!(
                matches!(ended, Err(StreamError::Upstream(_))),
                "{name}: {ended:?}"
            );
        }
        if said.complete() {
            whole += 1;
            check(name, &message, &said);
            let body = assemble(&[bytes]).unwrap();
            assert_eq!(body, as_body(message), "{name}: stream and body differ");
        }
        for pieces in recordings::cuts(bytes) {
            assert_eq!(translate(&pieces), (out.clone(), ended.clone()), "{name}");
        }
    }
    println!("{} streams, {whole} of them whole", streams.len());
    assert!(
        150 < streams.len() && 140 < whole,
        "{} streams, {whole} whole",
        streams.len()
    );
}

/// What was written before an error must be a message as far as it goes; its open block is closed here to judge it.
fn read_prefix(name: &str, out: &[u8], ended: bool) -> Value {
    if ended {
        let message = read_stream(name, out);
        assert_eq!(message["complete"], true, "{name}");
        return message;
    }
    assert!(
        !String::from_utf8_lossy(out).contains("message_stop"),
        "{name}: faked end"
    );
    read_stream(name, out)
}

#[test]
fn recorded_openai_bodies_become_valid_messages() {
    let Some(folder) = recordings::folder("openai-chat") else {
        return;
    };
    let bodies = recordings::answers(&folder, "").bodies;
    let (mut whole, mut errors) = (0, 0);
    for (name, bytes) in &bodies {
        let said = Said::body(bytes).unwrap();
        let answer = body_answer(bytes, ctx());
        let mut out = Vec::new();
        let streamed = stream_from_body(bytes, ctx(), &mut out);
        let both = (&answer.as_ref().map(|it| it.facts), &streamed.as_ref());
        match both {
            (Ok(facts), Ok(other)) => {
                whole += 1;
                assert_eq!(&facts, other, "{name}");
                let message = read_stream(name, &out);
                check(name, &message, &said);
                let body: Value = serde_json::from_slice(&answer.unwrap().body).unwrap();
                assert_eq!(body, as_body(message), "{name}: stream and body differ");
            }
            (Err(error), Err(other)) => {
                errors += 1;
                assert_eq!(error, other, "{name}");
                assert!(!said.complete(), "{name}: {error}");
                assert_eq!(said.error, error.upstream().is_some(), "{name}: {error}");
            }
            _ => panic!("{name}: {both:?}"),
        }
    }
    println!(
        "{} bodies, {whole} of them whole, {errors} errors",
        bodies.len()
    );
    assert!(
        150 < bodies.len() && 250 < whole && 20 < errors,
        "{whole} whole, {errors} errors"
    );
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
    assert_eq!(message["model"], "claude-test", "{name}");
    assert_eq!(joined(message, "text", "text"), said.text, "{name}: text");
    assert_eq!(
        joined(message, "thinking", "thinking"),
        said.thinking,
        "{name}: thinking"
    );
    let calls: Vec<(String, String)> = blocks(message, "tool_use")
        .map(|it| {
            (
                it["name"].as_str().unwrap().to_owned(),
                it["input"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(calls, said.calls, "{name}: calls");
    assert_eq!(message["stop_reason"], said.stop_reason(), "{name}");
    let number = |key: &str| message["usage"][key].as_u64().unwrap();
    let counted = Counted {
        input: number("input_tokens"),
        cache_read: number("cache_read_input_tokens"),
        cache_creation: number("cache_creation_input_tokens"),
        output: number("output_tokens"),
    };
    if let Some(usage) = &said.usage {
        assert_eq!(counted, *usage, "{name}");
        return;
    }
    assert_eq!(counted.input, ESTIMATE, "{name}: no estimate");
    let shown = !said.text.is_empty() || !said.thinking.is_empty() || !said.calls.is_empty();
    assert_eq!(0 < counted.output, shown, "{name}: no estimate");
}

#[test]
fn recorded_anthropic_streams_are_observed() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let streams = recordings::answers(&folder, "").streams;
    let mut complete = 0;
    for (name, bytes) in &streams {
        let expected = facts(bytes);
        complete += usize::from(expected.complete);
        for pieces in recordings::cuts(bytes).chain([vec![bytes.as_slice()]]) {
            let mut tap = StreamTap::new();
            for piece in pieces {
                tap.push(piece).unwrap();
            }
            tap.finish().unwrap();
            assert_eq!(tap.is_complete(), expected.complete, "{name}");
            assert_eq!(tap.stop_reason(), expected.stop_reason.as_deref(), "{name}");
            assert_eq!(
                tap.usage().map(as_wire),
                Some(usage_of(&expected.usage)),
                "{name}"
            );
            assert_eq!(
                tap.error().and_then(|it| it.error_type.clone()),
                expected.error,
                "{name}"
            );
            assert!(tap.has_content() && !tap.is_malformed(), "{name}");
        }
    }
    println!("{} streams, {complete} of them complete", streams.len());
    assert!(
        100 < streams.len() && 95 < complete,
        "{} streams, {complete} complete",
        streams.len()
    );
}

fn as_wire(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_creation,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    })
}

fn usage_of(usage: &serde_json::Map<String, Value>) -> Value {
    let number = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or(0);
    json!({
        "input_tokens": number("input_tokens"),
        "cache_creation_input_tokens": number("cache_creation_input_tokens"),
        "cache_read_input_tokens": number("cache_read_input_tokens"),
        "output_tokens": number("output_tokens"),
    })
}

#[test]
fn recorded_anthropic_bodies_are_observed() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let bodies = recordings::answers(&folder, "").bodies;
    let (mut messages, mut errors, mut others) = (0, 0, 0);
    for (name, bytes) in &bodies {
        let body: Value = serde_json::from_slice(bytes).unwrap();
        match (BodyTap::read(bytes), body["type"].as_str()) {
            (BodyTap::Message { usage, stop_reason }, Some("message")) => {
                messages += 1;
                assert_eq!(
                    stop_reason.as_deref(),
                    body["stop_reason"].as_str(),
                    "{name}"
                );
                let usage = usage.map(as_wire).unwrap();
                assert_eq!(
                    usage,
                    usage_of(body["usage"].as_object().unwrap()),
                    "{name}"
                );
            }
            (BodyTap::Error(error), Some("error")) => {
                errors += 1;
                assert_eq!(body["error"]["message"], error.message, "{name}");
                assert_eq!(
                    body["error"]["type"].as_str(),
                    error.error_type.as_deref(),
                    "{name}"
                );
            }
            (BodyTap::NotMessage, other) => {
                others += 1;
                assert!(!matches!(other, Some("message" | "error")), "{name}");
            }
            (seen, kind) => panic!("{name}: {kind:?} seen as {seen:?}"),
        }
    }
    println!("{messages} messages, {errors} errors, {others} others");
    assert!(
        150 < bodies.len() && 150 < messages && 3 < errors,
        "{messages} {errors} {others}"
    );
}
