//! Every recorded answer of Gemini, streamed and not: translated, checked against the grammar and a naive reader, cut
//! anywhere; its signatures go back where they came from. Every recorded Anthropic request in Gemini's order.

use pointsman::protocol::anthropic;
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::gemini::{Profile, count_tokens_body, counted, outbound, parse_error};
use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::{ErrorKind, StreamError};
use pointsman::types::Dialect;
use serde_json::{Value, json};

use crate::corpus::{contents, recordings};
use crate::naive::anthropic::{blocks, joined, read_stream};
use crate::naive::gemini::Said;

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::Gemini, Dialect::Anthropic).named(
        "claude-test",
        "msg_corpus",
        4321,
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
fn recorded_gemini_streams_become_valid_messages() {
    let Some(folder) = recordings::folder("gemini") else {
        return;
    };
    let streams = recordings::answers(&folder, "").streams;
    let (mut whole, mut errors) = (0, 0);
    for (name, bytes) in &streams {
        let said = Said::stream(bytes);
        let (out, ended) = translate(&[bytes]);
        assert_eq!(ended.is_ok(), said.complete(), "{name}: {ended:?}");
        if said.error {
            errors += 1;
            assert!(
                matches!(ended, Err(StreamError::Upstream(_))),
                "{name}: {ended:?}"
            );
        }
        let message = read_stream(name, &out);
        assert_eq!(message["complete"] == true, ended.is_ok(), "{name}");
        if said.complete() {
            whole += 1;
            check(name, &message, &said);
            let mut translator = BodyTranslator::new(ctx());
            translator.push(bytes).unwrap();
            let body: Value = serde_json::from_slice(&translator.finish().unwrap().body).unwrap();
            assert_eq!(body, as_body(message), "{name}: stream and body differ");
        }
        for pieces in recordings::cuts(bytes) {
            assert_eq!(translate(&pieces), (out.clone(), ended.clone()), "{name}");
        }
    }
    println!(
        "{} streams, {whole} of them whole, {errors} errors",
        streams.len()
    );
    assert!(
        80 < streams.len() && 75 < whole && 4 < errors,
        "{whole} whole, {errors} errors"
    );
}

#[test]
fn recorded_gemini_bodies_become_valid_messages() {
    let Some(folder) = recordings::folder("gemini") else {
        return;
    };
    let bodies = recordings::answers(&folder, "").bodies;
    let (mut whole, mut errors, mut counts) = (0, 0, 0);
    for (name, bytes) in &bodies {
        if let Some(tokens) = counted(bytes) {
            counts += 1;
            assert!(0 < tokens, "{name}");
            continue;
        }
        let said = Said::body(bytes);
        let answer = body_answer(bytes, ctx());
        let mut out = Vec::new();
        let streamed = stream_from_body(bytes, ctx(), &mut out);
        match (&answer.as_ref().map(|it| it.facts), &streamed.as_ref()) {
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
            both => panic!("{name}: {both:?}"),
        }
    }
    println!(
        "{} bodies, {whole} of them whole, {errors} errors, {counts} counts",
        bodies.len()
    );
    assert!(
        220 < whole && 20 < errors && 5 < counts,
        "{whole} {errors} {counts}"
    );
}

#[test]
fn recorded_gemini_errors_are_understood() {
    let Some(folder) = recordings::folder("gemini") else {
        return;
    };
    let mut seen = 0;
    for (name, bytes) in &recordings::answers(&folder, "").bodies {
        let body: Value = serde_json::from_slice(bytes).unwrap();
        let Some(code) = body["error"]["code"].as_u64() else {
            continue;
        };
        seen += 1;
        let status = u16::try_from(code).unwrap();
        let error = parse_error(Some(status), bytes);
        assert_eq!(
            error,
            parse_error(None, bytes),
            "{name}: the status is in the body too"
        );
        assert_eq!(
            error.message,
            body["error"]["message"].as_str().unwrap(),
            "{name}"
        );
        let text = body.to_string();
        let expected = match status {
            _ if text.contains("API_KEY_INVALID") => ErrorKind::Auth,
            _ if text.contains("exceeds the maximum number of tokens") => {
                ErrorKind::ContextTooLong {
                    tokens: Some(1_250_074),
                    maximum: Some(1_048_576),
                }
            }
            400 => ErrorKind::InvalidRequest,
            403 => ErrorKind::Permission,
            404 => ErrorKind::ModelNotFound,
            429 => ErrorKind::RateLimited,
            other => panic!("{name}: {other}"),
        };
        assert_eq!(error.kind, expected, "{name}");
        assert_eq!(error.after.is_some(), text.contains("retryDelay"), "{name}");
    }
    assert!(15 < seen, "{seen}");
}

/// A message read from a stream, in the form of a body.
fn as_body(mut message: Value) -> Value {
    message.as_object_mut().unwrap().remove("complete");
    let content = message["content"].as_array_mut().unwrap();
    for block in content.iter_mut().filter(|it| it["type"] == "tool_use") {
        block["input"] = serde_json::from_str(block["input"].as_str().unwrap()).unwrap();
    }
    content.retain(|it| *it != json!({"type": "text", "text": ""}));
    message
}

fn check(name: &str, message: &Value, said: &Said) {
    let text = joined(message, "text", "text");
    if said.more {
        assert!(said.text.len() < text.len(), "{name}: code or picture lost");
    } else {
        assert_eq!(text, said.text, "{name}: text");
    }
    assert_eq!(
        joined(message, "thinking", "thinking"),
        said.thinking,
        "{name}: thinking"
    );
    let calls: Vec<(String, Value)> = blocks(message, "tool_use")
        .map(|it| {
            let input = serde_json::from_str(it["input"].as_str().unwrap()).unwrap();
            (it["name"].as_str().unwrap().to_owned(), input)
        })
        .collect();
    assert_eq!(calls, said.calls, "{name}: calls");
    assert_eq!(message["stop_reason"], said.stop_reason(), "{name}");
    let searches = blocks(message, "server_tool_use").count();
    assert_eq!(searches, usize::from(said.searched), "{name}: search");
    assert_eq!(
        blocks(message, "web_search_tool_result").count(),
        searches,
        "{name}"
    );
    for result in blocks(message, "web_search_tool_result") {
        assert_ne!(
            result["content"],
            json!([]),
            "{name}: a search that looks empty"
        );
    }
    let number = |key: &str| message["usage"][key].as_u64().unwrap();
    let counted = (
        number("input_tokens")
            + number("cache_read_input_tokens")
            + number("cache_creation_input_tokens"),
        number("output_tokens"),
    );
    if let Some(expected) = said.counted() {
        assert_eq!(counted, expected, "{name}: usage");
        // Recorded once: the last chunk forgets the answer, in its own total as well.
        let forgets = name.contains("native_output_with_builtin_tools_stream");
        if let Some(total) = said.total().filter(|_| !forgets) {
            assert_eq!(counted.0 + counted.1, total, "{name}: total");
        }
    }
    comes_back(name, message, said);
}

/// What the next turn sends of this answer: each signature, on a part of the same kind, in the same order. That of a
/// text at the end is not kept.
fn comes_back(name: &str, message: &Value, said: &Said) {
    let body = as_body(message.clone());
    let request = json!({"model": "m", "max_tokens": 1000, "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": body["content"]},
        {"role": "user", "content": "on"}]});
    if body["content"].as_array().unwrap().is_empty() {
        return;
    }
    let sent = send(name, &request, "gemini-2.5-pro");
    let mut signatures = Vec::new();
    let mut calls = Vec::new();
    for part in sent["contents"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["parts"].as_array().unwrap())
    {
        if part["thought"] != true {
            signatures.extend(part["thoughtSignature"].as_str().map(str::to_owned));
        }
        if let Some(call) = part.get("functionCall") {
            calls.push((
                call["name"].as_str().unwrap().to_owned(),
                call["args"].clone(),
            ));
        }
    }
    if !signatures.is_empty() || !calls.is_empty() || !said.text.is_empty() {
        let mut wanted = said.signatures.as_slice();
        let blocks = body["content"].as_array().unwrap();
        let told = |it: &&Value| {
            !it["type"].as_str().unwrap().contains("web_search") && it["type"] != "server_tool_use"
        };
        let ends_in_text = blocks
            .iter()
            .rfind(told)
            .is_some_and(|it| it["type"] == "text");
        if ends_in_text && signatures.len() < wanted.len() {
            wanted = &wanted[..wanted.len() - 1];
        }
        assert_eq!(signatures, wanted, "{name}: signatures");
    }
    assert_eq!(calls, said.calls, "{name}: calls come back");
}

fn send(what: &str, body: &Value, model: &str) -> Value {
    let mut losses = Losses::default();
    let request = anthropic::messages(body.to_string().as_bytes(), &mut losses)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let profile = Profile::guess("generativelanguage.googleapis.com", model);
    let sent = outbound(&request, model, &profile, &mut losses)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let count = count_tokens_body(&request, model, &profile, &mut losses).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    contents::check(&format!("{what} for {model}"), &sent);
    let count: Value = serde_json::from_slice(&count.body).unwrap();
    for key in ["contents", "systemInstruction", "tools"] {
        assert_eq!(
            count["generateContentRequest"][key], sent[key],
            "{what}: {key}"
        );
    }
    sent
}

#[test]
fn recorded_requests_are_translated_for_gemini_whole() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let mut translated = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".req.json") {
            continue;
        }
        let exchange: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let uri = exchange["uri"].as_str().unwrap().split('?').next().unwrap();
        if !uri.ends_with("/v1/messages") {
            continue;
        }
        translated += 1;
        for model in [
            "gemini-1.5-pro",
            "gemini-2.5-flash",
            "gemini-3-pro-preview",
            "gemma-3-27b-it",
        ] {
            let sent = send(&name, &exchange["request"], model);
            all_text_is_there(&name, &exchange["request"], &sent);
        }
    }
    println!("{translated} requests");
    assert!(100 < translated, "{translated}");
}

/// What people and programs said must be in the translation, word for word.
fn all_text_is_there(what: &str, recorded: &Value, sent: &Value) {
    let mut said = String::new();
    let turns = sent["contents"].as_array().unwrap().iter();
    for part in turns
        .chain([&sent["systemInstruction"]])
        .flat_map(|it| it["parts"].as_array().into_iter().flatten())
    {
        let response = &part["functionResponse"]["response"];
        for text in [&part["text"], &response["output"], &response["error"]] {
            said.push_str(text.as_str().unwrap_or_default());
            said.push('\n');
        }
    }
    let texts = |content: &Value| -> Vec<String> {
        match content {
            Value::String(text) => vec![text.clone()],
            Value::Array(blocks) => blocks
                .iter()
                .filter_map(|it| it["text"].as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    };
    let mut all = texts(&recorded["system"]);
    for message in recorded["messages"].as_array().unwrap() {
        all.extend(texts(&message["content"]));
        for block in message["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_result" {
                all.extend(texts(&block["content"]));
            }
        }
    }
    for text in all {
        assert!(said.contains(&text), "{what}: lost {text:?}");
    }
}
