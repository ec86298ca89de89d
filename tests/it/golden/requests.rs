//! Anthropic requests as each kind of upstream gets them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use pointsman::protocol::anthropic;
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::openai_chat::{Profile, outbound};

use crate::corpus::order;

/// Host and model of each kind of upstream, and what it is called in the names of snapshots.
const UPSTREAMS: [(&str, &str, &str); 5] = [
    ("generic", "gateway.example", "some-model"),
    ("openai", "api.openai.com", "gpt-5.1"),
    ("deepseek", "api.deepseek.com", "deepseek-chat"),
    ("mistral", "api.mistral.ai", "mistral-large-latest"),
    ("openrouter", "openrouter.ai", "anthropic/claude-sonnet-5"),
];

/// Every fixture, and the upstreams where it shows something.
const TABLE: &[(&str, &[&str])] = &[
    ("plain", &["generic", "openai"]),
    (
        "first_turn",
        &["generic", "openai", "deepseek", "mistral", "openrouter"],
    ),
    (
        "tool_loop",
        &["generic", "openai", "deepseek", "mistral", "openrouter"],
    ),
    ("broken_pairs", &["generic", "mistral"]),
    ("media", &["generic", "openai", "deepseek", "openrouter"]),
    ("sealed_reasoning", &["openai", "deepseek", "openrouter"]),
    ("server_tools", &["generic", "openrouter"]),
    ("typed_tools", &["generic"]),
    (
        "settings",
        &["generic", "openai", "deepseek", "mistral", "openrouter"],
    ),
    ("prefill", &["generic", "deepseek", "mistral"]),
];

#[test]
fn fixtures_are_sent_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/anthropic/request");
    let on_disk = fs::read_dir(&directory)
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|ending| ending == "json")
        })
        .count();
    assert_eq!(on_disk, TABLE.len(), "a fixture is missing from the table");
    for (fixture, upstreams) in TABLE {
        let body = fs::read(directory.join(format!("{fixture}.json"))).unwrap();
        for upstream in *upstreams {
            let sent = translate(&body, upstream);
            order::check(&format!("{fixture} for {upstream}"), &sent["body"]);
            insta::with_settings!({
                snapshot_path => "../../fixtures/anthropic/request/snapshots",
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_json_snapshot!(format!("{fixture}.{upstream}"), sent);
            });
        }
    }
}

fn translate(body: &[u8], upstream: &str) -> Value {
    let (_, host, model) = UPSTREAMS
        .iter()
        .find(|(name, ..)| name == &upstream)
        .expect("upstream of the table");
    let mut losses = Losses::default();
    let request = anthropic::messages(body, &mut losses).unwrap();
    let profile = Profile::guess(host, model);
    let sent = outbound(&request, model, &profile, &mut losses).unwrap();
    let lost: Vec<String> = losses.kept().iter().map(ToString::to_string).collect();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    json!({"body": body, "lost": lost})
}
