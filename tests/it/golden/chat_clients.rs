//! Clients of Chat Completions: what is understood of their requests, and what they get of an answer.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use pointsman::protocol::canonical::{
    BlockStart, Citation, EncodeContext, Event, Losses, StopReason, Usage,
};
use pointsman::protocol::openai_chat::{Assemble, Encode, inbound};
use serde_json::Value;
use serde_json::value::RawValue;

fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openai_chat")
        .join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    paths.sort();
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(page.contains(&format!("`{name}`")), "{name}: no provenance");
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

#[test]
fn requests_are_understood() {
    for (name, body) in fixtures("request") {
        let mut losses = Losses::default();
        let mut text = match inbound(&body, &mut losses) {
            Ok(request) => without_absent(&format!("{request:#?}")),
            Err(error) => format!("refused: {error}\n"),
        };
        for loss in losses.kept() {
            writeln!(text, "lost: {loss}").unwrap();
        }
        snapshot("request", &name, &text);
    }
}

/// Without the fields that are not there: a request has thirty.
fn without_absent(debug: &str) -> String {
    let absent = |line: &str| {
        let line = line.trim_start();
        ["None,", "[],", "{},", "false,"]
            .iter()
            .any(|it| line.ends_with(&format!(": {it}")))
    };
    let lines = debug.lines().filter(|line| !absent(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn answers_are_written() {
    for (name, script) in fixtures("client") {
        let script: Value = serde_json::from_slice(&script).unwrap();
        let ctx = context(&script["context"]);
        let events: Vec<Event> = script["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(event)
            .collect();
        let mut encode = Encode::new(ctx.clone());
        let mut assemble = Assemble::new(ctx);
        let mut stream = Vec::new();
        for event in &events {
            encode.push(event, &mut stream);
            assemble.push(event).unwrap();
        }
        let stream = String::from_utf8(stream).unwrap();
        for data in stream.lines().filter_map(|it| it.strip_prefix("data: ")) {
            assert!(
                data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(),
                "{data}"
            );
        }
        let body = match assemble.finish() {
            Ok(body) => {
                let body: Value = serde_json::from_slice(&body).unwrap();
                serde_json::to_string_pretty(&body).unwrap()
            }
            Err(error) => format!("broke: {error}"),
        };
        snapshot("client", &name, &format!("{stream}--- as a body\n{body}\n"));
    }
}

fn context(told: &Value) -> EncodeContext {
    let names = told["freeform"].as_array().into_iter().flatten();
    EncodeContext {
        model: "the-model".to_owned(),
        message_id: "msg_01fixture".to_owned(),
        input_estimate: 1234,
        created: 1_795_000_000,
        stream_usage: told["stream_usage"] == true,
        older_functions: told["older_functions"] == true,
        freeform: names.map(|it| it.as_str().unwrap().to_owned()).collect(),
        ..EncodeContext::default()
    }
}

/// One step of a script: an object with one field that names it, or a word.
fn event(step: &Value) -> Event {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Some(word) = step.as_str() {
        return match word {
            "start" => Event::Start {
                id: None,
                model: None,
            },
            "stop" => Event::BlockStop,
            "open text" => Event::BlockStart(BlockStart::Text),
            "open thinking" => Event::BlockStart(BlockStart::Thinking),
            other => panic!("{other}"),
        };
    }
    let (name, value) = step.as_object().unwrap().iter().next().unwrap();
    match name.as_str() {
        "text" => Event::Text(text(value)),
        "thinking" => Event::Thinking(text(value)),
        "signature" => Event::Signature(text(value)),
        "arguments" => Event::ToolArguments(text(value)),
        "logprobs" => Event::Logprobs(raw(value)),
        "source" => Event::Citation(Box::new(Citation {
            url: value["url"].as_str().map(str::to_owned),
            title: value["title"].as_str().map(str::to_owned),
            span: value["span"]
                .as_array()
                .map(|it| (it[0].as_u64().unwrap(), it[1].as_u64().unwrap())),
            ..Citation::default()
        })),
        "redacted" => Event::BlockStart(BlockStart::RedactedThinking { data: text(value) }),
        "call" => Event::BlockStart(BlockStart::ToolUse {
            id: text(&value[0]),
            name: text(&value[1]),
        }),
        "server call" => Event::BlockStart(BlockStart::ServerToolUse {
            id: text(&value[0]),
            name: text(&value[1]),
            input: raw(&value[2]),
        }),
        "server result" => Event::BlockStart(BlockStart::ServerToolResult {
            tool_use_id: text(&value[0]),
            kind: text(&value[1]),
            content: raw(&value[2]),
        }),
        "unknown" => Event::BlockStart(BlockStart::Unknown(raw(value))),
        "finish" => Event::Finish {
            stop: stop(value["stop"].as_str().unwrap()),
            stop_sequence: value["stop_sequence"].as_str().map(str::to_owned),
            explanation: value["explanation"].as_str().map(str::to_owned),
            usage: value.get("usage").map(usage),
        },
        other => panic!("{other}"),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn stop(word: &str) -> StopReason {
    [
        StopReason::EndTurn,
        StopReason::MaxTokens,
        StopReason::StopSequence,
        StopReason::ToolUse,
        StopReason::PauseTurn,
        StopReason::Refusal,
        StopReason::ContextWindowExceeded,
    ]
    .into_iter()
    .find(|it| it.as_anthropic() == word)
    .unwrap()
}

fn usage(value: &Value) -> Usage {
    let count = |key: &str| value[key].as_u64().unwrap_or(0);
    Usage {
        input: count("input"),
        cache_read: count("cache_read"),
        cache_creation: count("cache_creation"),
        output: count("output"),
        thinking: value["thinking"].as_u64(),
    }
}
