//! Anthropic requests as providers of OpenAI Responses get them.

use std::fs;
use std::path::Path;

use pointsman::protocol::anthropic;
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::openai_responses::{Profile, outbound};
use serde_json::{Value, json};

use crate::corpus::items;

/// Host and model of each kind of provider, and what it is called in the names of snapshots.
const PROVIDERS: [(&str, &str, &str); 4] = [
    ("openai", "api.openai.com", "gpt-5.6"),
    ("plain", "api.openai.com", "gpt-4.1"),
    ("deepseek", "api.deepseek.com", "deepseek-v4"),
    ("generic", "gateway.example", "some-model"),
];

/// Every fixture of this dialect, and those of the other one that show something here.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("anthropic", "plain", &["openai"]),
    ("anthropic", "tool_loop", &["openai", "generic"]),
    ("anthropic", "broken_pairs", &["openai"]),
    ("anthropic", "media", &["openai", "deepseek"]),
    ("anthropic", "server_tools", &["openai", "generic"]),
    ("anthropic", "settings", &["openai", "plain", "deepseek"]),
    ("anthropic", "prefill", &["openai"]),
    (
        "openai_responses",
        "reasoning_before_its_item",
        &["openai", "plain", "deepseek"],
    ),
    (
        "openai_responses",
        "web_search_alone",
        &["openai", "generic"],
    ),
    ("openai_responses", "text_between_calls", &["openai"]),
    (
        "openai_responses",
        "pictures_in_results",
        &["openai", "deepseek"],
    ),
];

#[test]
fn fixtures_are_sent_as_recorded() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let own = TABLE.iter().filter(|it| it.0 == "openai_responses").count();
    let on_disk = fs::read_dir(fixtures.join("openai_responses/request"))
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|ending| ending == "json")
        })
        .count();
    assert_eq!(on_disk, own, "a fixture is missing from the table");
    for (dialect, fixture, providers) in TABLE {
        let path = fixtures.join(format!("{dialect}/request/{fixture}.json"));
        let body = fs::read(path).unwrap();
        for provider in *providers {
            let sent = translate(&body, provider);
            items::check(&format!("{fixture} for {provider}"), &sent["body"]);
            insta::with_settings!({
                snapshot_path => "../../fixtures/openai_responses/request/snapshots",
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_json_snapshot!(format!("{fixture}.{provider}"), sent);
            });
        }
    }
}

fn translate(body: &[u8], provider: &str) -> Value {
    let (_, host, model) = PROVIDERS
        .iter()
        .find(|(name, ..)| *name == provider)
        .expect("provider of the table");
    let mut losses = Losses::default();
    let request = anthropic::messages(body, &mut losses).unwrap();
    let sent = outbound(&request, model, &Profile::guess(host, model), &mut losses).unwrap();
    let lost: Vec<String> = losses.kept().iter().map(ToString::to_string).collect();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    json!({"body": body, "lost": lost})
}
