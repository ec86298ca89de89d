//! Conversations that no client would hold, which OpenAI has to accept all the same.

use proptest::prelude::*;
use serde_json::{Value, json};

use pointsman::protocol::anthropic;
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::openai_chat::{Profile, outbound};

use pointsman::protocol::openai_responses;

use crate::corpus::{items, order};

const UPSTREAMS: [(&str, &str); 6] = [
    ("gateway.example", "some-model"),
    ("api.openai.com", "gpt-5.6"),
    ("api.deepseek.com", "deepseek-chat"),
    ("api.mistral.ai", "mistral-large-latest"),
    ("openrouter.ai", "anthropic/claude-sonnet-5"),
    ("generativelanguage.googleapis.com", "gemini-3-pro"),
];

/// Few ids, so that calls and results meet, miss and repeat; some that have to be replaced.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "toolu_[ab]",
        "functions\\.[ab]:0",
        Just("long".repeat(20)),
        Just(String::new()),
    ]
}

fn block() -> impl Strategy<Value = Value> {
    let words = || "[a-z ]{0,8}";
    prop_oneof![
        3 => words().prop_map(|text| json!({"type": "text", "text": text})),
        4 => (id(), "[a-z.]{0,70}").prop_map(
            |(id, name)| json!({"type": "tool_use", "id": id, "name": name, "input": {"x": 1}})
        ),
        4 => (id(), words(), any::<bool>()).prop_map(
            |(id, text, failed)| json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": failed})
        ),
        1 => id().prop_map(|id| json!({"type": "tool_result", "tool_use_id": id, "content": [
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}]})),
        1 => Just(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}})),
        1 => words().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "pm1.c."})),
        1 => words().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "EqQB"})),
        1 => words().prop_map(|text| json!({"type": "thinking", "thinking": text,
            "signature": "pm1.r.{\"type\":\"reasoning\",\"id\":\"rs_1\",\"encrypted_content\":\"AA\"}"})),
        1 => Just(json!({"type": "redacted_thinking",
            "data": "pm1.r.{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"BB\"}"})),
        1 => Just(json!({"type": "server_tool_use", "id": "srvtoolu_pm1_0", "name": "web_search", "input": {}})),
        1 => words().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "pm1.g.dGg="})),
        1 => "[a-z]{0,2}".prop_map(|it| json!({"type": "redacted_thinking", "data": format!("pm1.g.{it}")})),
        1 => words().prop_map(|text| json!({"type": "new_block", "content": text})),
    ]
}

/// A message of anyone.
pub fn message() -> impl Strategy<Value = Value> {
    let role = prop_oneof![4 => Just("user"), 4 => Just("assistant"), 1 => Just("system")];
    (role, prop::collection::vec(block(), 0..5))
        .prop_map(|(role, content)| json!({"role": role, "content": content}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_conversation_keeps_the_order(messages in prop::collection::vec(message(), 1..9)) {
        let mut messages = messages;
        messages.push(json!({"role": "user", "content": "the end"}));
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
        for (host, model) in UPSTREAMS {
            let mut losses = Losses::default();
            let request = anthropic::messages(body.as_bytes(), &mut losses).unwrap();
            let profile = Profile::guess(host, model);
            let sent = outbound(&request, model, &profile, &mut losses).unwrap();
            let again = outbound(&request, model, &profile, &mut Losses::default()).unwrap();
            prop_assert_eq!(&sent.body, &again.body);
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            order::check(&format!("{body} for {host}"), &sent);
            if profile.bridge_after_tools {
                let roles: Vec<&Value> = sent["messages"].as_array().unwrap().iter().map(|m| &m["role"]).collect();
                prop_assert!(!roles.windows(2).any(|two| two[0] == "tool" && two[1] == "user"));
            }
        }
    }

    #[test]
    fn any_conversation_makes_good_items(messages in prop::collection::vec(message(), 1..9)) {
        let mut messages = messages;
        messages.push(json!({"role": "user", "content": "the end"}));
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages,
            "thinking": {"type": "adaptive"}}).to_string();
        for (host, model) in [
            ("gateway.example", "some-model"),
            ("api.openai.com", "gpt-5.6"),
            ("api.deepseek.com", "deepseek-v4"),
        ] {
            let mut losses = Losses::default();
            let request = anthropic::messages(body.as_bytes(), &mut losses).unwrap();
            let profile = openai_responses::Profile::guess(host, model);
            let outbound = |losses: &mut Losses| openai_responses::outbound(&request, model, &profile, losses);
            let sent = outbound(&mut losses).unwrap();
            prop_assert_eq!(&sent.body, &outbound(&mut Losses::default()).unwrap().body);
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            items::check(&format!("{body} for {host}"), &sent);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = anthropic::messages(&body, &mut Losses::default());
    }
}
