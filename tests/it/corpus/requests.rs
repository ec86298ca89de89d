//! Every recorded Anthropic request, translated for five kinds of upstream.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use pointsman::protocol::anthropic;
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::openai_chat::{Profile, outbound};
use pointsman::protocol::openai_responses;

use super::{items, order};

/// Fewer recordings than this mean that the walk went wrong.
const LEAST: usize = 100;

const UPSTREAMS: [(&str, &str); 5] = [
    ("gateway.example", "some-model"),
    ("api.openai.com", "gpt-5"),
    ("api.deepseek.com", "deepseek-chat"),
    ("api.mistral.ai", "mistral-large-latest"),
    ("openrouter.ai", "anthropic/claude-sonnet-5"),
];

const RESPONSES: [(&str, &str); 4] = [
    ("api.openai.com", "gpt-5.6"),
    ("api.x.ai", "grok-4.3"),
    ("api.deepseek.com", "deepseek-v4"),
    ("gateway.example", "some-model"),
];

#[test]
fn recorded_requests_are_translated_in_order_and_whole() {
    let Ok(corpus) = std::env::var("POINTSMAN_CORPUS") else {
        println!("POINTSMAN_CORPUS is not set: no recordings to translate");
        return;
    };
    let mut translated = 0;
    let mut counted = 0;
    for file in requests(&Path::new(&corpus).join("anthropic")) {
        let exchange: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let what = file.file_name().unwrap().to_string_lossy().into_owned();
        let path = exchange["uri"].as_str().unwrap();
        let path = path.split('?').next().unwrap();
        if !path.ends_with("/v1/messages") {
            assert!(path.ends_with("/count_tokens"), "{what}: {path}");
            let body = exchange["request"].to_string();
            anthropic::count_tokens(body.as_bytes(), &mut Losses::default())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            counted += 1;
            continue;
        }
        let recorded = &exchange["request"];
        let body = serde_json::to_vec(recorded).unwrap();
        for (host, model) in UPSTREAMS {
            let what = format!("{what} for {host}");
            let mut losses = Losses::default();
            let request = anthropic::messages(&body, &mut losses)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let profile = Profile::guess(host, model);
            let sent = outbound(&request, model, &profile, &mut losses)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            order::check(&what, &sent);
            let calls = sent["messages"].as_array().unwrap().iter();
            let calls = calls.flat_map(|it| it["tool_calls"].as_array().into_iter().flatten());
            let calls: Vec<&Value> = calls.map(|it| &it["function"]["arguments"]).collect();
            let messages = sent["messages"].as_array().unwrap().iter();
            let said: Vec<String> = messages.map(|it| order::said(&it["content"])).collect();
            all_text_is_there(&what, recorded, &said.join("\n"), &calls);
        }
        for (host, model) in RESPONSES {
            let what = format!("{what} for {host} in Responses");
            let mut losses = Losses::default();
            let request = anthropic::messages(&body, &mut losses).unwrap();
            let profile = openai_responses::Profile::guess(host, model);
            let sent = openai_responses::outbound(&request, model, &profile, &mut losses)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            items::check(&what, &sent);
            let calls = sent["input"].as_array().unwrap().iter();
            let calls: Vec<&Value> = calls.map(|it| &it["arguments"]).collect();
            all_text_is_there(&what, recorded, &items::said(&sent), &calls);
        }
        translated += 1;
    }
    println!("{translated} requests translated, {counted} read for counting only");
    assert!(LEAST < translated, "{translated}");
}

fn requests(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".req.json"))
        .collect();
    files.sort();
    files
}

/// What people and programs said must be in the translation, word for word.
fn all_text_is_there(what: &str, recorded: &Value, said: &str, calls: &[&Value]) {
    let there = |text: &str| assert!(said.contains(text), "{what}: lost {text:?}");
    let system = &recorded["system"];
    texts(system, &there);
    for message in recorded["messages"].as_array().unwrap() {
        texts(&message["content"], &there);
        for block in message["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_result" {
                texts(&block["content"], &there);
            }
            if block["type"] == "tool_use" {
                let input = block["input"].to_string();
                let found = calls.iter().any(|arguments| **arguments == input.as_str());
                assert!(found, "{what}: lost call {input}");
            }
        }
    }
}

fn texts(content: &Value, there: &dyn Fn(&str)) {
    match content {
        Value::String(text) => there(text),
        Value::Array(blocks) => {
            for text in blocks.iter().filter_map(|block| block["text"].as_str()) {
                there(text);
            }
        }
        _ => {}
    }
}
