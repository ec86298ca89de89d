//! Requests for Anthropic-type providers: any conversation keeps the rules of the API, and one that kept them before
//! comes out as it went in.

use pointsman::protocol::anthropic::{Profile, messages, outbound};
use pointsman::protocol::canonical::{Losses, Request, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::corpus::turns;

const MODELS: [&str; 7] = [
    "claude-3-haiku-20240307",
    "claude-3-7-sonnet-latest",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-fable-5-2",
    "some-imitation",
];

fn profile(model: &str) -> Profile {
    Profile::guess("gateway.example", model)
}

fn read(body: &Value) -> (Request, Losses) {
    let mut losses = Losses::default();
    let request = messages(body.to_string().as_bytes(), &mut losses).unwrap();
    (request, losses)
}

/// Few ids, so that calls and results meet, miss and repeat; some that have to be replaced.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "toolu_[ab]",
        "functions\\.[ab]:0",
        Just("x".repeat(129)),
        Just(String::new()),
    ]
}

fn any_block() -> impl Strategy<Value = Value> {
    let words = || "[a-z \n]{0,6}";
    let seal =
        prop::sample::select(&["EqQB", "pm1.a.EqQC", "pm1.x.Emo", "pm1.c.", "pm1.g.AA", ""][..]);
    let source = prop::sample::select(vec![
        json!({"type": "url", "url": "https://a.example/b"}),
        json!({"type": "base64", "media_type": "image/png", "data": "AA=="}),
        json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="}),
        json!({"type": "file", "file_id": "file-x"}),
    ]);
    prop_oneof![
        3 => words().prop_map(|text| json!({"type": "text", "text": text})),
        4 => (id(), "[a-z.]{0,4}", prop::sample::select(vec![json!({"x": 1}), json!([1]), json!(null)])).prop_map(
            |(id, name, input)| json!({"type": "tool_use", "id": id, "name": name, "input": input})
        ),
        4 => (id(), words(), any::<bool>()).prop_map(
            |(id, text, failed)| json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": failed})
        ),
        1 => (id(), source.clone(), any::<bool>()).prop_map(
            |(id, source, failed)| json!({"type": "tool_result", "tool_use_id": id, "is_error": failed, "content": [
                {"type": "text", "text": ""}, {"type": "image", "source": source}, {"type": "tool_reference", "tool_name": "x"}]})
        ),
        1 => source.clone().prop_map(|source| json!({"type": "image", "source": source})),
        1 => source.prop_map(|source| json!({"type": "document", "source": source, "title": ""})),
        1 => (words(), words()).prop_map(|(title, text)| json!({"type": "search_result", "title": title, "source": "s",
            "content": [{"type": "text", "text": text}]})),
        2 => (words(), seal.clone()).prop_map(|(text, seal)| json!({"type": "thinking", "thinking": text, "signature": seal})),
        1 => seal.prop_map(|seal| json!({"type": "redacted_thinking", "data": seal})),
        1 => words().prop_map(|text| json!({"type": "new_block", "content": text})),
    ]
}

fn any_message() -> impl Strategy<Value = Value> {
    let role = prop_oneof![4 => Just("user"), 4 => Just("assistant"), 2 => Just("system")];
    let marked = (any_block(), 0..5u8).prop_map(|(mut block, mark)| {
        if mark == 0 {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
        block
    });
    (role, prop::collection::vec(marked, 0..5))
        .prop_map(|(role, content)| json!({"role": role, "content": content}))
}

fn any_settings() -> impl Strategy<Value = Value> {
    let thinking = prop::sample::select(vec![
        json!(null),
        json!({"type": "adaptive"}),
        json!({"type": "disabled"}),
        json!({"type": "enabled", "budget_tokens": 2000}),
    ]);
    let choice = prop::sample::select(vec![
        json!(null),
        json!({"type": "any"}),
        json!({"type": "tool", "name": "x", "disable_parallel_tool_use": true}),
        json!({"type": "none"}),
    ]);
    let effort = prop::sample::select(vec![
        json!({}),
        json!({"effort": "max"}),
        json!({"effort": "low"}),
    ]);
    (
        thinking,
        choice,
        effort,
        0..3usize,
        0..5000u64,
        any::<bool>(),
    )
        .prop_map(|(thinking, choice, effort, tools, limit, hot)| {
            let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
            let tools: Vec<Value> = ["x", "y.z"].into_iter().take(tools).map(tool).collect();
            json!({
                "thinking": thinking,
                "tool_choice": choice,
                "output_config": effort,
                "max_tokens": limit,
                "temperature": if hot { json!(0.5) } else { json!(null) },
                "tools": tools,
            })
        })
}

/// What goes with thinking, and how much of it there may be.
fn check_settings(what: &str, body: &Value, profile: &Profile) {
    let thinking = &body["thinking"];
    let limit = body["max_tokens"].as_u64().unwrap();
    if let Some(budget) = thinking["budget_tokens"].as_u64() {
        assert!((1024..limit).contains(&budget), "{what}");
        let choice = body["tool_choice"]["type"].as_str().unwrap_or("auto");
        assert!(matches!(choice, "auto" | "none"), "{what}");
    }
    let thinks = matches!(thinking["type"].as_str(), Some("enabled" | "adaptive"));
    if thinks {
        assert!(body["temperature"].is_null(), "{what}");
    }
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert!(
        last["role"] != "assistant" || (profile.prefill && !thinks),
        "{what}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_conversation_keeps_the_rules(
        turns in prop::collection::vec(any_message(), 1..9),
        settings in any_settings(),
    ) {
        let mut body = settings;
        body["model"] = json!("m");
        body["messages"] = json!(turns);
        let (request, _) = read(&body);
        for model in MODELS {
            let what = format!("{body} for {model}");
            let profile = profile(model);
            let Ok(sent) = outbound(&request, model, &profile, &mut Losses::default()) else {
                continue;
            };
            let again = outbound(&request, model, &profile, &mut Losses::default()).unwrap();
            prop_assert_eq!(&sent.body, &again.body);
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            turns::check(&what, &sent);
            check_settings(&what, &sent, &profile);
        }
        let mut forgetful = request;
        forgetful.forget_thinking(usize::MAX);
        if let Ok(sent) = outbound(&forgetful, MODELS[2], &profile(MODELS[2]), &mut Losses::default()) {
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            turns::check("forgetful", &sent);
            let blocks = sent["messages"].as_array().unwrap().iter();
            let mut blocks = blocks.flat_map(|it| it["content"].as_array().unwrap());
            prop_assert!(blocks.all(|it| it["type"] != "thinking" && it["type"] != "redacted_thinking"));
        }
    }

    #[test]
    fn what_kept_the_rules_comes_out_as_it_went_in(body in orderly()) {
        let (request, lost) = read(&body);
        prop_assert!(lost.is_empty());
        let mut profile = profile("claude-opus-4-6");
        profile.mid_system = true;
        profile.cache = false;
        let mut losses = Losses::default();
        let sent = outbound(&request, "m", &profile, &mut losses).unwrap();
        prop_assert!(losses.is_empty(), "{}", losses);
        prop_assert!(sent.headers.is_empty());
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        turns::check(&body.to_string(), &sent);
        let (again, _) = read(&sent);
        prop_assert_eq!(format!("{again:?}"), format!("{request:?}"));
        prop_assert!(request.messages.iter().all(|it| it.role != Role::System || profile.mid_system));
    }
}

/// A request that the API would take as it is.
fn orderly() -> impl Strategy<Value = Value> {
    let said = || prop::collection::vec("[a-z]{1,6}", 1..3);
    let exchange = (
        said(),
        prop::option::of("[a-z]{1,6}"),
        said(),
        0..3usize,
        any::<bool>(),
    );
    let settings = (
        prop::option::of(1..60_000u64),
        prop::sample::select(vec![json!(null), json!({"type": "adaptive"})]),
        prop::option::of(0..10u32),
        any::<bool>(),
    );
    (prop::collection::vec(exchange, 1..5), settings, said()).prop_map(|(talk, settings, system)| {
        let text = |text: &String| json!({"type": "text", "text": text});
        let mut messages = Vec::new();
        let mut calls = 0;
        let mut results: Vec<Value> = Vec::new();
        for (user, instruction, answer, tools, thought) in &talk {
            let mut content = std::mem::take(&mut results);
            content.extend(user.iter().map(text));
            messages.push(json!({"role": "user", "content": content}));
            if let Some(instruction) = instruction {
                messages.push(json!({"role": "system", "content": [text(instruction)]}));
            }
            let mut content = Vec::new();
            if *thought {
                content.push(json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"}));
                content.push(json!({"type": "redacted_thinking", "data": "Emo"}));
            }
            content.extend(answer.iter().map(text));
            for _ in 0..*tools {
                let id = format!("toolu_{calls}");
                calls += 1;
                content.push(json!({"type": "tool_use", "id": id, "name": "run", "input": {"b": 1.5, "a": [null]}}));
                results.push(json!({"type": "tool_result", "tool_use_id": id, "is_error": calls % 2 == 0,
                    "content": [{"type": "text", "text": "r"}]}));
            }
            messages.push(json!({"role": "assistant", "content": content}));
        }
        results.push(json!({"type": "image", "source": {"type": "url", "url": "https://a.example"}}));
        results.push(json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "T", "context": "C"}));
        results.push(json!({"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "s"}]}));
        messages.push(json!({"role": "user", "content": results}));
        let (limit, thinking, heat, stream) = settings;
        json!({
            "model": "m",
            "max_tokens": limit.unwrap_or(1),
            "system": system.iter().map(text).collect::<Vec<_>>(),
            "messages": messages,
            "tools": [
                {"name": "run", "description": "runs", "input_schema": {"type": "object", "properties": {"z": {}, "a": {"type": "string"}}}},
                {"name": "say", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "thinking": thinking,
            "temperature": if thinking.is_null() { heat.map(|it| f64::from(it) / 10.0) } else { None },
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u"},
            "service_tier": "standard_only",
            "stream": stream,
        })
    })
}
