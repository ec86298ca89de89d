//! Answers of OpenAI-type providers as an Anthropic client gets them: each fixture, as stream and as body.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use pointsman::protocol::anthropic::{error_event, translate_error};
use pointsman::protocol::canonical::ToolNames;
use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use serde_json::Value;

use crate::naive::anthropic::read_stream;

fn ctx() -> AnswerContext {
    let mut names = ToolNames::default();
    names.insert(
        "mcp_long_name_1a2b3c4d".to_owned(),
        "mcp__a_server_with_a_very_long_name__and_a_tool".to_owned(),
    );
    let mut ctx = AnswerContext::between(Dialect::OpenAiChat, Dialect::Anthropic).named(
        "claude-sonnet-4-5",
        "msg_01fixture",
        1234,
    );
    ctx.decode.names = names;
    ctx.decode.stop_sequences = vec!["END".to_owned()];
    ctx
}

fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openai_chat")
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
    settings.set_snapshot_path(format!("../../fixtures/openai_chat/{kind}/snapshots"));
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

/// What a client that does not stream gets.
fn body(bytes: &[u8]) -> Result<Value, StreamError> {
    let mut translator = BodyTranslator::new(ctx());
    translator.push(bytes)?;
    Ok(serde_json::from_slice(&translator.finish()?.body).unwrap())
}

fn describe(error: &StreamError) -> String {
    let mut text = format!("broke: {error}\nfault: {}\n", error.fault_kind().label());
    if let Some(upstream) = error.upstream() {
        let (status, error_type, message) = translate_error(upstream);
        let mut event = Vec::new();
        error_event(error_type, &message, None, &mut event);
        writeln!(
            text,
            "status: {status}\n{}",
            String::from_utf8(event).unwrap().trim_end()
        )
        .unwrap();
    }
    text
}

#[test]
fn streams() {
    let fixtures = fixtures("stream");
    assert!(50 < fixtures.len());
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
        let whole = body(&bytes);
        assert_eq!(ended.as_ref().err(), whole.as_ref().err(), "{name}");
        match &whole {
            Ok(message) => {
                let message = serde_json::to_string_pretty(message).unwrap();
                write!(text, "--- as a body\n{message}\n").unwrap();
            }
            Err(error) => write!(text, "--- {}", describe(error)).unwrap(),
        }
        snapshot("stream", &name, &text);
    }
}

#[test]
fn responses() {
    let fixtures = fixtures("response");
    assert!(10 < fixtures.len());
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

/// The page beside the fixtures says of each where its shape was seen.
#[test]
fn every_fixture_has_its_provenance() {
    let page = include_str!("../../fixtures/openai_chat/README.md");
    for kind in ["stream", "response"] {
        for (name, _) in fixtures(kind) {
            assert!(
                page.contains(&format!("`{kind}/{name}`")),
                "{kind}/{name} is not in README.md"
            );
        }
    }
}
