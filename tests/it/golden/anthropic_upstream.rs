//! Requests of other dialects as models of several generations get them, and answers of such models as events.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use pointsman::protocol::anthropic::{Decode, Profile, messages, outbound};
use pointsman::protocol::canonical::{DecodeContext, Event, Losses};
use pointsman::protocol::frame::SseDecoder;
use pointsman::protocol::upstream_error::StreamError;
use serde_json::{Value, json};

use crate::corpus::turns;

/// Host and model of each generation, and what it is called in the names of snapshots.
const MODELS: [(&str, &str, &str); 5] = [
    ("budgets", "api.anthropic.com", "claude-sonnet-4-5-20250929"),
    ("both", "api.anthropic.com", "claude-opus-4-6"),
    ("adaptive", "api.anthropic.com", "claude-opus-5"),
    ("newest", "api.anthropic.com", "claude-opus-5-5"),
    ("imitation", "gateway.example", "some-model"),
];

/// Every fixture, and the models where it shows something.
const TABLE: &[(&str, &[&str])] = &[
    ("system_amid_the_conversation", &["budgets", "adaptive"]),
    ("only_instructions", &["adaptive", "imitation"]),
    ("parallel_results_apart", &["adaptive"]),
    ("calls_and_results_that_miss_each_other", &["adaptive"]),
    ("arguments_that_are_no_object", &["adaptive"]),
    (
        "ids_and_names_that_are_refused",
        &["adaptive", "newest", "imitation"],
    ),
    ("reasoning_of_three_vendors", &["budgets", "adaptive"]),
    ("media_of_every_source", &["adaptive"]),
    ("schemas_with_odd_roots", &["adaptive", "imitation"]),
    ("answer_by_schema", &["budgets", "imitation"]),
    (
        "settings_of_another_vendor",
        &["budgets", "both", "adaptive", "newest", "imitation"],
    ),
    (
        "no_thinking_please",
        &["budgets", "both", "adaptive", "newest"],
    ),
    ("answer_begun", &["budgets", "adaptive"]),
    ("marks_of_the_client", &["adaptive"]),
];

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/anthropic")
        .join(kind)
}

fn names(kind: &str, ending: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn snapshot(kind: &str, run: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../../fixtures/anthropic/{kind}/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(run);
}

#[test]
fn requests_are_sent_as_recorded() {
    let on_disk = names("upstream_request", "json").len();
    assert_eq!(on_disk, TABLE.len(), "a fixture is missing from the table");
    for (fixture, models) in TABLE {
        let body = fs::read(folder("upstream_request").join(format!("{fixture}.json"))).unwrap();
        for name in *models {
            let sent = send(&body, name);
            turns::check(&format!("{fixture} for {name}"), &sent["body"]);
            snapshot("upstream_request", || {
                insta::assert_json_snapshot!(format!("{fixture}.{name}"), sent);
            });
        }
    }
}

fn send(body: &[u8], name: &str) -> Value {
    let (_, host, model) = MODELS.iter().find(|(it, ..)| it == &name).unwrap();
    let mut losses = Losses::default();
    let request = messages(body, &mut losses).unwrap();
    let sent = outbound(&request, model, &Profile::guess(host, model), &mut losses).unwrap();
    let lost: Vec<String> = losses.kept().iter().map(ToString::to_string).collect();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    let headers: Vec<String> = sent
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    json!({"body": body, "headers": headers, "lost": lost})
}

fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Result<(), StreamError>) {
    let mut frames = SseDecoder::new();
    let mut decode = Decode::new(DecodeContext {
        seed: "msg_01fixture".to_owned(),
        ..DecodeContext::default()
    });
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| frames.push(piece, |frame| decode.push(frame, &mut out)));
    }
    let ended = ended
        .and_then(|()| frames.finish(|frame| decode.push(frame, &mut out)))
        .and_then(|()| decode.finish(&mut out));
    (out, ended)
}

fn told(events: &[Event], ended: &Result<(), StreamError>) -> String {
    let mut text = String::new();
    for event in events {
        writeln!(text, "{event:?}").unwrap();
    }
    match ended {
        Ok(()) => text,
        Err(error) => format!(
            "{text}broke: {error}\nfault: {}\n",
            error.fault_kind().label()
        ),
    }
}

#[test]
fn streams_are_read_as_recorded() {
    let names = names("stream", "sse");
    assert!(10 < names.len());
    for name in names {
        let bytes = fs::read(folder("stream").join(format!("{name}.sse"))).unwrap();
        let (events, ended) = decode(&[&bytes]);
        let text = told(&events, &ended);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let (events, ended) = decode(&[head, tail]);
            assert_eq!(told(&events, &ended), text, "{name} cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let (events, ended) = decode(&single);
        assert_eq!(told(&events, &ended), text, "{name} byte for byte");
        snapshot("stream", || insta::assert_snapshot!(name.clone(), text));
    }
}

/// The pages beside the fixtures say of each what it shows.
#[test]
fn every_fixture_has_its_provenance() {
    let pages = [
        (
            "upstream_request",
            "json",
            include_str!("../../fixtures/anthropic/upstream_request/README.md"),
        ),
        (
            "stream",
            "sse",
            include_str!("../../fixtures/anthropic/stream/README.md"),
        ),
    ];
    for (kind, ending, page) in pages {
        for name in names(kind, ending) {
            assert!(
                page.contains(&format!("`{name}`")),
                "{kind}/{name} is not in README.md"
            );
        }
    }
}
