//! Answers of providers of OpenAI Responses as canonical events: each fixture, as stream and as body.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use pointsman::protocol::anthropic::translate_error;
use pointsman::protocol::canonical::{DecodeContext, Event, ToolNames};
use pointsman::protocol::frame::SseDecoder;
use pointsman::protocol::openai_responses::Decode;
use pointsman::protocol::translate::{AnswerContext, StreamTranslator, body_answer};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;

use crate::naive::anthropic::read_stream;

fn ctx() -> DecodeContext {
    let mut names = ToolNames::default();
    names.insert(
        "mcp_long_name_1a2b3c4d".to_owned(),
        "mcp__a_server_with_a_very_long_name__and_a_tool".to_owned(),
    );
    DecodeContext {
        names,
        seed: "msg_01fixture".to_owned(),
        stop_sequences: Vec::new(),
    }
}

fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openai_responses")
        .join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
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
    settings.set_snapshot_path(format!("../../fixtures/openai_responses/{kind}/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The events of a stream, one a line, and how it ended.
fn stream(pieces: &[&[u8]]) -> String {
    let mut frames = SseDecoder::new();
    let mut decode = Decode::new(ctx());
    let mut events = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| frames.push(piece, |frame| decode.push(frame, &mut events)));
    }
    let ended = ended
        .and_then(|()| frames.finish(|frame| decode.push(frame, &mut events)))
        .and_then(|()| decode.finish(&mut events));
    told(&events, ended)
}

fn told(events: &[Event], ended: Result<(), StreamError>) -> String {
    let mut text = String::new();
    for event in events {
        writeln!(text, "{event:?}").unwrap();
    }
    if let Err(error) = ended {
        let label = error.fault_kind().label();
        writeln!(text, "broke: {error}\nfault: {label}").unwrap();
        if let Some(upstream) = error.upstream() {
            let (status, kind, message) = translate_error(upstream);
            writeln!(text, "status: {status} {kind}: {message}").unwrap();
        }
    }
    text
}

/// What a client of Anthropic's dialect gets keeps that dialect's grammar.
fn as_anthropic(name: &str, bytes: &[u8]) {
    let ctx = AnswerContext::between(Dialect::OpenAiResponses, Dialect::Anthropic);
    let mut translator = StreamTranslator::new(ctx.named("claude", "msg_01fixture", 0));
    let mut out = Vec::new();
    let ended = translator
        .push(bytes, &mut out)
        .and_then(|()| translator.finish(&mut out));
    let message = read_stream(name, &out);
    assert_eq!(ended.is_ok(), message["complete"] == true, "{name}");
}

#[test]
fn streams() {
    let fixtures = fixtures("stream");
    assert!(35 < fixtures.len());
    for (name, bytes) in fixtures {
        let text = stream(&[&bytes]);
        // Long ones are cut at some places only, to save minutes.
        for at in (0..=bytes.len()).step_by(bytes.len() / 400 + 1) {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(stream(&[head, tail]), text, "{name} cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(stream(&single), text, "{name} byte for byte");
        as_anthropic(&name, &bytes);
        snapshot("stream", &name, &text);
    }
}

#[test]
fn bodies() {
    let fixtures = fixtures("response");
    assert!(10 < fixtures.len());
    for (name, bytes) in fixtures {
        let mut events = Vec::new();
        let ended = Decode::new(ctx()).body(&bytes, &mut events);
        let ctx = AnswerContext::between(Dialect::OpenAiResponses, Dialect::Anthropic);
        let answer = body_answer(&bytes, ctx);
        assert_eq!(answer.err(), ended.clone().err(), "{name}");
        snapshot("response", &name, &told(&events, ended));
    }
}

/// The page beside the fixtures says of each where its shape was seen.
#[test]
fn every_fixture_has_its_provenance() {
    let page = include_str!("../../fixtures/openai_responses/README.md");
    for kind in ["stream", "response", "request"] {
        for (name, _) in fixtures(kind) {
            assert!(
                page.contains(&format!("`{kind}/{name}`")),
                "{kind}/{name} is not in README.md"
            );
        }
    }
}
