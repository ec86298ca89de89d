//! Every recorded Chat Completions request is understood, and what people and programs said is in it.

use std::fs;

use pointsman::protocol::canonical::{Losses, TranslateError};
use pointsman::protocol::openai_chat::inbound;
use serde_json::Value;

use super::recordings::folder;

/// Fewer recordings than this mean that the walk went wrong.
const LEAST: usize = 300;

#[test]
fn recorded_chat_requests_are_understood() {
    let Some(folder) = folder("openai-chat") else {
        return;
    };
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".req.json"))
        .collect();
    paths.sort();
    let (mut read, mut unsupported) = (0, 0);
    for path in paths {
        let what = path.file_name().unwrap().to_string_lossy().into_owned();
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let recorded = &exchange["request"];
        let mut losses = Losses::default();
        match inbound(recorded.to_string().as_bytes(), &mut losses) {
            Ok(request) => {
                let understood = format!("{request:?}");
                let there = |text: &str| {
                    let shown = format!("{text:?}");
                    assert!(understood.contains(&shown), "{what}: lost {shown}");
                };
                for message in recorded["messages"].as_array().unwrap() {
                    texts(&message["content"], &there);
                }
                read += 1;
            }
            Err(TranslateError::Unsupported { path, reason }) => {
                println!("{what}: {path}: {reason}");
                unsupported += 1;
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    println!("{read} requests understood, {unsupported} ask for what no model here has");
    assert!(LEAST < read, "{read}");
    assert!(unsupported < 5, "{unsupported}");
}

fn texts(content: &Value, there: &dyn Fn(&str)) {
    match content {
        Value::String(text) if !text.is_empty() => there(text),
        Value::Array(parts) => {
            for text in parts.iter().filter_map(|part| part["text"].as_str()) {
                there(text);
            }
        }
        _ => {}
    }
}
