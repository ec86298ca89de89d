//! Every recorded Anthropic request read, and written again for models of several generations.

use std::fs;

use pointsman::protocol::anthropic;
use pointsman::protocol::anthropic::{Profile, outbound};
use pointsman::protocol::canonical::Losses;
use serde_json::Value;

use super::{recordings, turns};

const MODELS: [&str; 6] = [
    "claude-3-haiku-20240307",
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-5",
    "claude-opus-5-5",
    "some-imitation",
];

/// What is lost in translation to the model that a request was recorded with, in so many words.
const KNOWN_LOSSES: [&str; 14] = [
    // Tools that come and go in messages of the system.
    "tool_availability_delta",
    "lazy_advertisement",
    "thread",
    "container dropped",
    "context_management dropped",
    "mcp_servers dropped",
    "fallbacks dropped",
    "compaction dropped",
    "speed dropped",
    "temperature dropped: not accepted by the model",
    "citations dropped",
    "input_examples dropped",
    "schema simplified",
    "output_config.format sent as an instruction",
];

#[test]
fn recorded_requests_are_written_for_every_generation() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".req.json"))
        .collect();
    paths.sort();
    let mut written = 0;
    let mut lost: Vec<String> = Vec::new();
    for path in paths {
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let what = path.file_name().unwrap().to_string_lossy().into_owned();
        let uri = exchange["uri"].as_str().unwrap();
        if !uri.split('?').next().unwrap().ends_with("/v1/messages") {
            continue;
        }
        let recorded = &exchange["request"];
        let own = recorded["model"].as_str().unwrap();
        for model in MODELS.into_iter().chain([own]) {
            let what = format!("{what} for {model}");
            let mut losses = Losses::default();
            let body = recorded.to_string();
            let request = anthropic::messages(body.as_bytes(), &mut losses).unwrap();
            let host = if model == "some-imitation" {
                "gateway.example"
            } else {
                "api.anthropic.com"
            };
            let sent = outbound(&request, model, &Profile::guess(host, model), &mut losses)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            turns::check(&what, &sent);
            all_text_is_there(&what, recorded, &sent);
            if model == own && exchange["status"] == 200 {
                lost.extend(losses.kept().iter().map(|it| format!("{what}: {it}")));
            }
        }
        written += 1;
    }
    println!("{written} requests written");
    assert!(100 < written, "{written}");
    let surprises: Vec<&String> = lost
        .iter()
        .filter(|it| !KNOWN_LOSSES.iter().any(|known| it.contains(known)))
        .collect();
    println!("{} losses with the model of the recording", lost.len());
    assert!(surprises.is_empty(), "{surprises:#?}");
}

/// What people and programs said must be in the translation, word for word.
fn all_text_is_there(what: &str, recorded: &Value, sent: &Value) {
    let mut said = String::new();
    collect(&sent["messages"], &mut said);
    collect(&sent["system"], &mut said);
    let mut asked = Vec::new();
    texts(&recorded["system"], &mut asked);
    for message in recorded["messages"].as_array().unwrap() {
        texts(&message["content"], &mut asked);
        for block in message["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_result" {
                texts(&block["content"], &mut asked);
            }
            if block["type"] == "tool_use" {
                assert!(
                    said.contains(&block["input"].to_string()),
                    "{what}: lost {block}"
                );
            }
        }
    }
    for text in asked.iter().filter(|it| !it.trim().is_empty()) {
        assert!(said.contains(text.trim_end()), "{what}: lost {text:?}");
    }
}

fn collect(value: &Value, said: &mut String) {
    match value {
        Value::Array(all) => all.iter().for_each(|it| collect(it, said)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "text" => *said += &format!("{text}\n"),
                    Value::Object(_) if key == "input" => *said += &value.to_string(),
                    _ => collect(value, said),
                }
            }
        }
        _ => {}
    }
}

fn texts(content: &Value, out: &mut Vec<String>) {
    match content {
        Value::String(text) => out.push(text.clone()),
        Value::Array(blocks) => {
            out.extend(
                blocks
                    .iter()
                    .filter_map(|it| it["text"].as_str().map(str::to_owned)),
            );
        }
        _ => {}
    }
}
