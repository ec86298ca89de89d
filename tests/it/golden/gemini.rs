//! Answers of Gemini as an Anthropic client gets them, each fixture as stream and as body; requests as models of each
//! kind get them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use pointsman::protocol::anthropic::{self, error_event, translate_error};
use pointsman::protocol::canonical::{Losses, ToolNames};
use pointsman::protocol::gemini::{Profile, outbound};
use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::corpus::contents;
use crate::golden::random::message;
use crate::naive::anthropic::read_stream;

fn ctx() -> AnswerContext {
    let mut names = ToolNames::default();
    names.insert(
        "mcp_long_name_1a2b3c4d".to_owned(),
        "mcp__a_server_with_a_very_long_name__and_a_tool".to_owned(),
    );
    let mut ctx = AnswerContext::between(Dialect::Gemini, Dialect::Anthropic).named(
        "claude-sonnet-4-5",
        "msg_01fixture",
        1234,
    );
    ctx.decode.names = names;
    ctx
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|it| it != "md"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

fn snapshot(kind: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../../fixtures/gemini/{kind}/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What a streaming client gets: the bytes, and how it ended.
fn stream(pieces: &[&[u8]]) -> (String, Result<(), StreamError>) {
    let mut translator = StreamTranslator::new(ctx());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| translator.push(piece, &mut out));
    }
    let ended = ended.and_then(|()| translator.finish(&mut out));
    (String::from_utf8(out).unwrap(), ended)
}

fn describe(error: &StreamError) -> String {
    let mut text = format!("broke: {error}\nfault: {}\n", error.fault_kind().label());
    if let Some(upstream) = error.upstream() {
        let (status, error_type, message) = translate_error(upstream);
        let mut event = Vec::new();
        error_event(error_type, &message, None, &mut event);
        let event = String::from_utf8(event).unwrap();
        writeln!(
            text,
            "status: {status}, after {:?}\n{}",
            upstream.after,
            event.trim_end()
        )
        .unwrap();
    }
    text
}

#[test]
fn gemini_streams() {
    let fixtures = fixtures("gemini/stream");
    assert!(25 < fixtures.len());
    for (name, bytes) in fixtures {
        let (mut text, ended) = stream(&[&bytes]);
        if ended.is_ok() {
            read_stream(&name, text.as_bytes());
        }
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(
                stream(&[head, tail]),
                (text.clone(), ended.clone()),
                "{name} cut at {at}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(
            stream(&single),
            (text.clone(), ended.clone()),
            "{name} byte for byte"
        );
        let mut translator = BodyTranslator::new(ctx());
        let whole = translator.push(&bytes).and_then(|()| translator.finish());
        assert_eq!(ended.as_ref().err(), whole.as_ref().err(), "{name}");
        match &whole {
            Ok(answer) => {
                let message: Value = serde_json::from_slice(&answer.body).unwrap();
                let message = serde_json::to_string_pretty(&message).unwrap();
                write!(text, "--- as a body\n{message}\n").unwrap();
            }
            Err(error) => write!(text, "--- {}", describe(error)).unwrap(),
        }
        snapshot("stream", &name, &text);
    }
}

#[test]
fn gemini_responses() {
    let fixtures = fixtures("gemini/response");
    assert!(8 < fixtures.len());
    for (name, bytes) in fixtures {
        let mut out = Vec::new();
        let streamed = stream_from_body(&bytes, ctx(), &mut out);
        let text = match body_answer(&bytes, ctx()) {
            Ok(answer) => {
                assert_eq!(streamed.as_ref(), Ok(&answer.facts), "{name}");
                read_stream(&name, &out);
                format!(
                    "{}\n--- as a stream\n{}",
                    String::from_utf8(answer.body).unwrap(),
                    String::from_utf8(out).unwrap()
                )
            }
            Err(error) => {
                assert_eq!(streamed.as_ref(), Err(&error), "{name}");
                describe(&error)
            }
        };
        snapshot("response", &name, &text);
    }
}

/// Models of each kind, and what they are called in the names of snapshots.
const MODELS: [(&str, &str); 4] = [
    ("old", "gemini-1.5-pro"),
    ("middle", "gemini-2.5-flash"),
    ("three", "gemini-3-pro-preview"),
    ("gemma", "gemma-3-27b-it"),
];

/// Every fixture, and the models where it shows something.
const REQUESTS: &[(&str, &str, &[&str])] = &[
    ("anthropic", "plain", &["middle"]),
    ("anthropic", "first_turn", &["middle", "three"]),
    ("anthropic", "tool_loop", &["middle", "three", "gemma"]),
    ("anthropic", "broken_pairs", &["middle"]),
    ("anthropic", "media", &["middle", "three", "gemma"]),
    ("anthropic", "sealed_reasoning", &["three"]),
    ("anthropic", "server_tools", &["middle"]),
    ("anthropic", "typed_tools", &["three"]),
    ("anthropic", "settings", &["middle", "three", "gemma"]),
    ("anthropic", "prefill", &["middle"]),
    ("gemini", "own_signatures", &["middle", "three"]),
    ("gemini", "schemas", &["old", "middle"]),
];

fn send(body: &[u8], model: &str) -> Value {
    let mut losses = Losses::default();
    let request = anthropic::messages(body, &mut losses).unwrap();
    let profile = Profile::guess("generativelanguage.googleapis.com", model);
    let sent = outbound(&request, model, &profile, &mut losses).unwrap();
    let lost: Vec<String> = losses.kept().iter().map(ToString::to_string).collect();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    json!({"body": body, "lost": lost})
}

#[test]
fn requests_are_sent_to_gemini_as_recorded() {
    for (folder, fixture, models) in REQUESTS {
        let path = root().join(folder).join(format!("request/{fixture}.json"));
        let body = std::fs::read(path).unwrap();
        for kind in *models {
            let (_, model) = MODELS.iter().find(|(name, _)| name == kind).unwrap();
            let sent = send(&body, model);
            contents::check(&format!("{fixture} for {kind}"), &sent["body"]);
            let text = serde_json::to_string_pretty(&sent).unwrap();
            snapshot("request", &format!("{fixture}.{kind}"), &text);
        }
    }
}

/// The page beside the fixtures says of each where its shape was seen.
#[test]
fn every_gemini_fixture_has_its_provenance() {
    let page = include_str!("../../fixtures/gemini/README.md");
    for kind in ["stream", "response", "request"] {
        for (name, _) in fixtures(&format!("gemini/{kind}")) {
            assert!(
                page.contains(&format!("`{kind}/{name}`")),
                "{kind}/{name} is not in README.md"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever was said, the turns are in Gemini's order and every call has its response.
    #[test]
    fn any_conversation_keeps_geminis_order(messages in prop::collection::vec(message(), 1..9)) {
        let mut messages = messages;
        messages.push(json!({"role": "user", "content": "the end"}));
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
        for (_, model) in MODELS {
            let sent = send(body.as_bytes(), model);
            prop_assert_eq!(&sent, &send(body.as_bytes(), model));
            contents::check(&format!("{body} for {model}"), &sent["body"]);
            if model.starts_with("gemini-3") {
                first_calls_are_signed(&sent["body"]);
            }
        }
    }
}

fn first_calls_are_signed(body: &Value) {
    for turn in body["contents"].as_array().unwrap() {
        let mut calls = turn["parts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it.get("functionCall").is_some());
        assert!(
            calls
                .next()
                .is_none_or(|it| it["thoughtSignature"].is_string()),
            "{turn}"
        );
    }
}
