//! Every recorded request of three dialects for providers of all four: the conversation keeps the rules of its new
//! dialect, nothing that was said is lost, and what was written is understood as what was meant.

use std::collections::BTreeMap;
use std::fs;

use pointsman::protocol::anthropic::Thinking;
use pointsman::protocol::canonical::{Losses, TranslateError};
use pointsman::protocol::profile::{Overrides, Profile};
use pointsman::protocol::translate::{self, RequestContext};
use pointsman::types::Dialect;
use serde_json::Value;

use super::{contents, items, order, recordings, turns};

const CLIENTS: [(Dialect, &str, &str); 3] = [
    (Dialect::Anthropic, "anthropic", "/v1/messages"),
    (Dialect::OpenAiChat, "openai-chat", "/chat/completions"),
    (Dialect::OpenAiResponses, "openai-responses", "/responses"),
];

/// Providers: dialect, host and model.
pub const UPSTREAMS: [(Dialect, &str, &str); 12] = [
    (Dialect::Anthropic, "api.anthropic.com", "claude-opus-5-5"),
    (Dialect::Anthropic, "api.anthropic.com", "claude-sonnet-4-5"),
    (Dialect::Anthropic, "gateway.example", "some-imitation"),
    (Dialect::OpenAiChat, "gateway.example", "some-model"),
    (Dialect::OpenAiChat, "api.openai.com", "gpt-5"),
    (
        Dialect::OpenAiChat,
        "api.mistral.ai",
        "mistral-large-latest",
    ),
    (
        Dialect::OpenAiChat,
        "openrouter.ai",
        "anthropic/claude-sonnet-5",
    ),
    (Dialect::OpenAiResponses, "api.openai.com", "gpt-5.6"),
    (Dialect::OpenAiResponses, "gateway.example", "some-model"),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-2.5-flash",
    ),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-3-pro-preview",
    ),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemma-3-27b-it",
    ),
];

/// One recorded request.
struct Recorded {
    name: String,
    client: Dialect,
    body: Value,
    answered: bool,
}

fn recorded() -> Option<Vec<Recorded>> {
    let mut all = Vec::new();
    for (client, folder, path) in CLIENTS {
        let folder = recordings::folder(folder)?;
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".req.json") {
                continue;
            }
            let exchange: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let uri = exchange["uri"].as_str().unwrap_or_default();
            if !uri.split('?').next().unwrap().ends_with(path) || !exchange["request"].is_object() {
                continue;
            }
            all.push(Recorded {
                name,
                client,
                body: exchange["request"].clone(),
                answered: exchange["status"].as_u64().is_none_or(|it| it < 300),
            });
        }
    }
    Some(all)
}

/// Checks a body against the rules of its dialect.
pub fn rules(what: &str, dialect: Dialect, body: &Value) {
    match dialect {
        Dialect::Anthropic => turns::check(what, body),
        Dialect::OpenAiChat => order::check(what, body),
        Dialect::OpenAiResponses => items::check(what, body),
        Dialect::Gemini => contents::check(what, body),
    }
}

/// A body for a provider, and what could not be said.
pub fn sent(
    client: Dialect,
    body: &[u8],
    model: &str,
    profile: &Profile,
) -> Result<(Value, Losses), TranslateError> {
    let context = RequestContext {
        client,
        model,
        profile,
        message_id: "msg_corpus".to_owned(),
        input_estimate: 1,
        created: 1,
        always_stream: false,
        thinking: Thinking::Kept,
    };
    let translation = translate::request(body, context)?;
    let body = serde_json::from_slice(&translation.body).unwrap();
    Ok((body, translation.losses))
}

#[test]
fn every_recorded_request_keeps_the_rules_of_every_provider() {
    let Some(all) = recorded() else { return };
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused = 0;
    for it in &all {
        let body = it.body.to_string();
        for (dialect, host, model) in UPSTREAMS {
            let what = format!("{} for {model} at {host}", it.name);
            let profile = Profile::of(dialect, host, model, &Overrides::default());
            let (sent, _) = match sent(it.client, body.as_bytes(), model, &profile) {
                Ok(sent) => sent,
                // What only its own provider keeps, or what cannot be had in a lesser form.
                Err(TranslateError::KeptElsewhere(_) | TranslateError::Unsupported { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => {
                    assert!(!it.answered, "{what}: {error}");
                    continue;
                }
            };
            rules(&what, dialect, &sent);
            all_text_is_there(&what, &it.body, &sent);
            *written
                .entry(format!("{:?} to {dialect:?}", it.client))
                .or_default() += 1;
        }
    }
    println!("{written:#?}, {refused} refused");
    for (pair, count) in &written {
        assert!(200 < *count, "{pair}: {count}");
    }
    assert_eq!(written.len(), CLIENTS.len() * 4);
}

/// All strings of a body, one a line; those that hold JSON opened.
fn strings(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                strings(&inner, out);
            }
        }
        Value::Array(all) => all.iter().for_each(|it| strings(it, out)),
        Value::Object(all) => all.values().for_each(|it| strings(it, out)),
        _ => {}
    }
}

/// What people, programs and models said is in the translation, word for word.
fn all_text_is_there(what: &str, recorded: &Value, sent: &Value) {
    let mut all = String::new();
    strings(sent, &mut all);
    let mut said = Vec::new();
    for field in ["system", "instructions"] {
        texts(&recorded[field], &mut said);
    }
    if let Value::String(input) = &recorded["input"] {
        said.push(input.clone());
    }
    let list = |field: &str| recorded[field].as_array().cloned().unwrap_or_default();
    for turn in list("messages").iter().chain(&list("input")) {
        for field in ["content", "output"] {
            texts(&turn[field], &mut said);
        }
        for block in turn["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_result" {
                texts(&block["content"], &mut said);
            }
        }
    }
    for text in said {
        assert!(all.contains(text.trim()), "{what}: lost {text:?}");
    }
    // What tools are called with.
    let mut arguments = Vec::new();
    for turn in list("messages").iter().chain(&list("input")) {
        for call in turn["tool_calls"].as_array().into_iter().flatten() {
            arguments.push(call["function"]["arguments"].clone());
        }
        arguments.push(turn["arguments"].clone());
        for block in turn["content"].as_array().into_iter().flatten() {
            if block["type"] == "tool_use" {
                arguments.push(Value::String(block["input"].to_string()));
            }
        }
    }
    for given in arguments.iter().filter_map(Value::as_str) {
        let mut inner = String::new();
        match serde_json::from_str::<Value>(given) {
            Ok(given) => strings(&given, &mut inner),
            Err(_) => continue,
        }
        for word in inner.lines() {
            assert!(all.contains(word), "{what}: lost {word:?} of {given}");
        }
    }
}

fn texts(content: &Value, out: &mut Vec<String>) {
    match content {
        Value::String(text) => out.push(text.clone()),
        Value::Array(parts) => out.extend(
            parts
                .iter()
                .filter(|it| {
                    !matches!(
                        it["type"].as_str(),
                        Some("reasoning" | "thinking" | "reasoning_text")
                    )
                })
                .filter_map(|it| it["text"].as_str().map(str::to_owned)),
        ),
        _ => {}
    }
}

/// A body of a dialect that clients speak, too, means what it would mean if a client had sent it. Known to differ: the
/// name of a document is said beside it once more, marks for the cache are ours to set in one dialect, the word JSON
/// goes where the vendor looks for it, and neighbours of what became text are joined.
#[test]
fn what_was_written_is_written_again_alike() {
    let Some(all) = recorded() else { return };
    let (mut compared, mut alike) = (0, 0);
    for it in &all {
        let body = it.body.to_string();
        for (dialect, host, model) in UPSTREAMS {
            if dialect == Dialect::Gemini {
                continue;
            }
            let what = format!("{} for {model} at {host}", it.name);
            let profile = Profile::of(dialect, host, model, &Overrides::default());
            let Ok((first, _)) = sent(it.client, body.as_bytes(), model, &profile) else {
                continue;
            };
            let again = sent(dialect, first.to_string().as_bytes(), model, &profile);
            let (second, losses) = again.unwrap_or_else(|error| panic!("{what}: {error}: {first}"));
            compared += 1;
            let known = [
                "\"file_data\":",
                "prompt_cache_breakpoint",
                "single JSON object",
                "_tool_result]",
            ];
            let text = first.to_string();
            if losses.is_empty() && !known.iter().any(|it| text.contains(it)) {
                alike += 1;
                assert_eq!(second, first, "{what}");
            }
        }
    }
    println!("{alike} of {compared} requests alike");
    assert!(8000 < alike, "{alike}");
}
