//! Settings, rule by rule.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::anthropic::messages;
use crate::protocol::canonical::{
    Block, Effort, Freeform, JsonFormat, Message, Role, ServerTool, Thinking, Tool, ToolChoice,
};

fn profile(model: &str) -> Profile {
    Profile::guess("api.anthropic.com", model)
}

/// A smallest request.
fn asked() -> Request {
    Request {
        messages: vec![Message {
            role: Role::User,
            blocks: vec![Block::Text("hi".to_owned())],
        }],
        ..Request::default()
    }
}

struct Sent {
    body: Value,
    headers: Vec<(&'static str, String)>,
    lost: Vec<String>,
}

fn send(request: &Request, model: &str) -> Sent {
    let mut losses = Losses::default();
    let sent = outbound(request, model, &profile(model), &mut losses).unwrap();
    Sent {
        body: serde_json::from_slice(&sent.body).unwrap(),
        headers: sent.headers,
        lost: losses.kept().iter().map(ToString::to_string).collect(),
    }
}

fn number(text: &str) -> Option<Number> {
    serde_json::from_str(text).unwrap()
}

fn tool(name: &str, schema: Value) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        input_schema: schema,
        strict: None,
        freeform: None,
        typed: None,
    }
}

#[test]
fn a_limit_is_always_sent_and_never_above_the_models() {
    for (model, asked_for, sent, lost) in [
        ("claude-opus-4-6", None, 64_000, &[][..]),
        ("claude-3-haiku-20240307", None, 4096, &[]),
        (
            "claude-3-haiku-20240307",
            Some(9000),
            4096,
            &["max_tokens lowered"],
        ),
        ("claude-opus-4-6", Some(0), 0, &[]),
        ("glm-4.6", Some(1_000_000), 1_000_000, &[]),
    ] {
        let request = Request {
            max_tokens: asked_for,
            ..asked()
        };
        let profile = Profile::guess("gateway.example", model);
        let mut losses = Losses::default();
        let outbound = outbound(&request, model, &profile, &mut losses).unwrap();
        let body: Value = serde_json::from_slice(&outbound.body).unwrap();
        assert_eq!(body["max_tokens"], sent, "{model}");
        assert_eq!(
            losses
                .kept()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            lost
        );
        assert!(!outbound.prewarm);
    }
}

#[test]
fn temperatures_of_openai_are_clamped_and_dropped_where_they_are_refused() {
    let with = |temperature: Option<&str>, top_p: Option<&str>| Request {
        temperature: temperature.and_then(number),
        top_p: top_p.and_then(number),
        ..asked()
    };
    type Case<'a> = (
        &'a str,
        Option<&'a str>,
        Option<&'a str>,
        Value,
        Value,
        &'a [&'a str],
    );
    let none = Value::Null;
    let cases: [Case<'_>; 9] = [
        (
            "claude-3-opus",
            Some("0.70"),
            Some("0.9"),
            json!(0.70),
            json!(0.9),
            &[],
        ),
        (
            "claude-3-opus",
            Some("1.5"),
            None,
            json!(1),
            none.clone(),
            &["temperature lowered"],
        ),
        (
            "claude-sonnet-4-5",
            Some("0.5"),
            Some("0.9"),
            json!(0.5),
            none.clone(),
            &["top_p dropped: not accepted by the model"],
        ),
        (
            "claude-sonnet-4-5",
            Some("1"),
            Some("0.9"),
            none.clone(),
            json!(0.9),
            &[],
        ),
        (
            "claude-sonnet-4-5",
            None,
            Some("0.9"),
            none.clone(),
            json!(0.9),
            &[],
        ),
        (
            "claude-opus-4-7",
            Some("0.5"),
            None,
            none.clone(),
            none.clone(),
            &["temperature dropped: not accepted by the model"],
        ),
        (
            "claude-opus-4-7",
            Some("1.0"),
            Some("1"),
            none.clone(),
            none.clone(),
            &[],
        ),
        (
            "claude-sonnet-5",
            None,
            Some("0.5"),
            none.clone(),
            none.clone(),
            &["top_p dropped: not accepted by the model"],
        ),
        (
            "claude-opus-4-6",
            Some("2"),
            None,
            json!(1),
            none.clone(),
            &["temperature lowered"],
        ),
    ];
    for (model, temperature, top_p, sent_temperature, sent_top_p, lost) in cases {
        let sent = send(&with(temperature, top_p), model);
        assert_eq!(
            sent.body["temperature"], sent_temperature,
            "{model} {temperature:?}"
        );
        assert_eq!(sent.body["top_p"], sent_top_p, "{model} {top_p:?}");
        assert_eq!(sent.lost, lost, "{model}");
    }
}

#[test]
fn thinking_takes_no_temperature() {
    let request = Request {
        temperature: number("0.2"),
        top_p: number("0.95"),
        top_k: number("5"),
        thinking: Some(Thinking::Budget(2000)),
        max_tokens: Some(4000),
        ..asked()
    };
    let sent = send(&request, "claude-sonnet-4-0");
    for key in ["temperature", "top_k"] {
        assert_eq!(sent.body.get(key), None, "{key}");
    }
    assert_eq!(sent.body["top_p"], json!(0.95));
    assert_eq!(
        sent.lost,
        [
            "temperature dropped: not accepted by the model",
            "top_k dropped: not accepted by the model"
        ]
    );
}

#[test]
fn stop_sequences_of_white_space_are_dropped() {
    let request = Request {
        stop_sequences: ["\n", "END", " \t", "a b"].map(str::to_owned).to_vec(),
        ..asked()
    };
    let sent = send(&request, "claude-opus-5");
    assert_eq!(sent.body["stop_sequences"], json!(["END", "a b"]));
    assert_eq!(
        sent.lost,
        ["stop_sequences dropped: not accepted by the model"]
    );
}

#[test]
fn an_address_is_no_user_id() {
    let sent = |user: &str| {
        let request = Request {
            user: Some(user.to_owned()),
            ..asked()
        };
        send(&request, "claude-opus-5").body["metadata"]["user_id"].clone()
    };
    assert_eq!(sent("user-1234"), "user-1234");
    assert_eq!(sent("@handle"), "@handle");
    let session = json!({"session_id": "s", "device_id": "d"}).to_string();
    assert_eq!(sent(&session), session);
    let hidden = sent("jo@mail.example");
    assert!(hidden.as_str().unwrap().starts_with("user_"), "{hidden}");
    assert_eq!(hidden, sent("jo@mail.example"));
    assert_ne!(hidden, sent("jo@other.example"));
    assert_eq!(sent(&"x".repeat(300)).as_str().unwrap().len(), 37);
    assert_eq!(sent(""), Value::Null);
}

#[test]
fn tiers_are_translated() {
    for (tier, sent, lost) in [
        ("auto", json!("auto"), &[][..]),
        ("priority", json!("auto"), &[]),
        ("default", json!("standard_only"), &[]),
        ("standard_only", json!("standard_only"), &[]),
        (
            "flex",
            Value::Null,
            &["service_tier dropped: unknown value"],
        ),
    ] {
        let request = Request {
            service_tier: Some(tier.to_owned()),
            ..asked()
        };
        let given = send(&request, "claude-opus-5");
        assert_eq!(given.body["service_tier"], sent, "{tier}");
        assert_eq!(given.lost, lost, "{tier}");
    }
}

#[test]
fn settings_without_a_place_are_losses_unless_they_say_nothing() {
    let request = Request {
        seed: number("7"),
        presence_penalty: number("0.5"),
        frequency_penalty: number("0.0"),
        logprobs: Some(3),
        verbosity: Some("low".to_owned()),
        cache_key: Some("session".to_owned()),
        rest: json!({"store": true, "logit_bias": {"5": 1}, "metadata": null})
            .as_object()
            .unwrap()
            .clone(),
        ..asked()
    };
    let sent = send(&request, "claude-opus-5");
    assert_eq!(
        sent.lost,
        [
            "logit_bias dropped",
            "seed dropped: the provider has no place for it",
            "presence_penalty dropped: the provider has no place for it",
            "logprobs dropped: the provider has no place for it",
            "verbosity dropped: the provider has no place for it",
        ]
    );
    let keys: Vec<&String> = sent.body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["model", "max_tokens", "messages"]);
}

#[test]
fn threads_are_refused_with_a_code_the_client_knows() {
    let request = Request {
        rest: json!({"thread": {"type": "create"}})
            .as_object()
            .unwrap()
            .clone(),
        ..asked()
    };
    let error = outbound(&request, "m", &profile("m"), &mut Losses::default()).unwrap_err();
    assert_eq!(error.error_code(), Some("thread_unsupported_request"));
}

fn answer(schema: Option<Value>) -> Request {
    Request {
        format: Some(JsonFormat {
            name: Some("n".to_owned()),
            schema,
            strict: Some(true),
        }),
        system: vec!["be brief".to_owned()],
        ..asked()
    }
}

#[test]
fn an_answers_schema_is_forced_or_told() {
    let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer", "minimum": 1}}, "required": ["z", "a"]});
    let sent = send(&answer(Some(schema.clone())), "claude-sonnet-4-5");
    let format = &sent.body["output_config"]["format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(
        format["schema"].to_string(),
        r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer","description":"(minimum: 1)"}},"required":["z","a"],"additionalProperties":false}"#
    );
    assert_eq!(sent.lost, ["output_config.format schema simplified"]);
    assert_eq!(sent.body["system"].as_array().unwrap().len(), 1);
    let sent = send(&answer(Some(schema)), "claude-sonnet-4-0");
    assert_eq!(sent.body.get("output_config"), None);
    let told = sent.body["system"][1]["text"].as_str().unwrap();
    assert!(told.contains(r#""minimum":1"#), "{told}");
    assert_eq!(sent.lost, ["output_config.format sent as an instruction"]);
    let sent = send(&answer(None), "claude-opus-5");
    assert!(
        sent.body["system"][1]["text"]
            .as_str()
            .unwrap()
            .contains("JSON object")
    );
    assert_eq!(sent.lost, ["output_config.format sent as an instruction"]);
}

#[test]
fn tool_choices_have_other_names() {
    let object = json!({"type": "object", "properties": {}});
    let with = |choice: Option<ToolChoice>, parallel: Option<bool>| Request {
        tools: vec![tool("Run.it", object.clone())],
        tool_choice: choice,
        parallel_tool_calls: parallel,
        ..asked()
    };
    let name = send(&with(None, None), "claude-opus-5").body["tools"][0]["name"].clone();
    assert_ne!(name, "Run.it");
    for (choice, parallel, sent) in [
        (None, None, Value::Null),
        (None, Some(true), Value::Null),
        (
            None,
            Some(false),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"})),
        (
            Some(ToolChoice::Any),
            Some(false),
            json!({"type": "any", "disable_parallel_tool_use": true}),
        ),
        (
            Some(ToolChoice::Tool("Run.it".to_owned())),
            None,
            json!({"type": "tool", "name": name}),
        ),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
    ] {
        let given = send(&with(choice.clone(), parallel), "claude-opus-5");
        assert_eq!(given.body["tool_choice"], sent, "{choice:?} {parallel:?}");
        assert!(given.lost.is_empty());
    }
    let lowered = send(&with(Some(ToolChoice::Any), None), "claude-opus-5-5");
    assert_eq!(lowered.body["tool_choice"], json!({"type": "auto"}));
    assert_eq!(lowered.lost, ["tool_choice lowered to auto"]);
    let missing = send(
        &with(Some(ToolChoice::Tool("x".to_owned())), None),
        "claude-opus-5",
    );
    assert_eq!(missing.body.get("tool_choice"), None);
    assert_eq!(missing.lost, ["tool_choice dropped: no such tool"]);
    let none = Request {
        tool_choice: Some(ToolChoice::Any),
        parallel_tool_calls: Some(false),
        ..asked()
    };
    let none = send(&none, "claude-opus-5");
    assert_eq!(none.body.get("tool_choice"), None);
    assert_eq!(none.lost, ["tool_choice dropped: no tools are left"]);
}

#[test]
fn tools_of_servers_stand_as_they_stood_or_are_lost() {
    let raw = r#"{"type":"web_search_20250305","name":"web_search","max_uses":1.50}"#;
    let server = |kind: &str, raw: &str| ServerTool {
        kind: kind.to_owned(),
        name: None,
        raw: serde_json::value::RawValue::from_string(raw.to_owned()).unwrap(),
    };
    let request = Request {
        server_tools: vec![
            server("web_search_20250305", raw),
            server("file_search", "{}"),
            server(
                "mcp_toolset",
                r#"{"type":"mcp_toolset","mcp_server_name":"s"}"#,
            ),
        ],
        ..asked()
    };
    let mut losses = Losses::default();
    let sent = outbound(
        &request,
        "claude-opus-5",
        &profile("claude-opus-5"),
        &mut losses,
    )
    .unwrap();
    let text = String::from_utf8(sent.body).unwrap();
    assert!(text.contains(raw), "{text}");
    assert_eq!(
        losses.to_string(),
        "tools.file_search dropped: runs at its own vendor only"
    );
    assert_eq!(
        sent.headers,
        [("anthropic-beta", "mcp-client-2025-11-20".to_owned())]
    );
}

#[test]
fn tools_that_the_model_knows_by_type_alone_come_from_clients_of_chat_too() {
    let tools = json!([
        {"type": "bash_20250124", "name": "bash"},
        {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600}
    ]);
    let body =
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools});
    let mut losses = Losses::default();
    let body = body.to_string();
    let request = crate::protocol::openai_chat::inbound(body.as_bytes(), &mut losses).unwrap();
    let sent = send(&request, "claude-sonnet-4-5");
    assert_eq!(sent.body["tools"], tools);
    let beta = "computer-use-2025-01-24".to_owned();
    assert_eq!(sent.headers, [("anthropic-beta", beta)]);
    assert!(sent.lost.is_empty() && losses.is_empty(), "{:?}", sent.lost);
}

#[test]
fn calls_in_the_history_need_tools_even_when_none_are_left() {
    let request = messages(
        json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "Run", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]}]})
        .to_string()
        .as_bytes(),
        &mut Losses::default(),
    )
    .unwrap();
    let sent = send(&request, "claude-opus-5");
    assert_eq!(sent.body["tools"][0]["name"], "Run");
    assert_eq!(sent.body["tool_choice"], json!({"type": "none"}));
    assert!(sent.lost.is_empty());
}

#[test]
fn strict_tools_are_strict_where_a_grammar_can_be_made() {
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let bounded = json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"], "additionalProperties": false});
    let strict = |schema: &Value| Request {
        tools: vec![Tool {
            strict: Some(true),
            ..tool("t", schema.clone())
        }],
        ..asked()
    };
    let sent = send(&strict(&closed), "claude-opus-4-5");
    assert_eq!(sent.body["tools"][0]["strict"], true);
    assert!(sent.lost.is_empty());
    for (schema, model) in [(&bounded, "claude-opus-4-5"), (&closed, "claude-opus-4-1")] {
        let sent = send(&strict(schema), model);
        assert_eq!(sent.body["tools"][0].get("strict"), None);
        assert_eq!(sent.body["tools"][0]["input_schema"], *schema);
        assert_eq!(sent.lost, ["tools.t sent without strict"]);
    }
    let many = Request {
        tools: (0..22)
            .map(|it| Tool {
                strict: Some(true),
                ..tool(&format!("t{it}"), closed.clone())
            })
            .collect(),
        ..asked()
    };
    let sent = send(&many, "claude-opus-5");
    assert_eq!(
        sent.lost,
        [
            "tools.t20 sent without strict",
            "tools.t21 sent without strict"
        ]
    );
}

#[test]
fn a_free_form_tool_is_a_function_of_one_string() {
    let schema = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
    let request = Request {
        tools: vec![Tool {
            freeform: Some(Freeform { format: None }),
            ..tool("apply_patch", schema.clone())
        }],
        ..asked()
    };
    let sent = send(&request, "claude-opus-5");
    assert_eq!(sent.body["tools"][0]["name"], "apply_patch");
    assert_eq!(sent.body["tools"][0]["input_schema"], schema);
}

#[test]
fn the_long_context_suffix_is_a_beta() {
    let sent = send(&asked(), "claude-sonnet-4-5[1m]");
    assert_eq!(sent.body["model"], "claude-sonnet-4-5");
    assert_eq!(
        sent.headers,
        [("anthropic-beta", "context-1m-2025-08-07".to_owned())]
    );
    assert!(send(&asked(), "claude-opus-5").headers.is_empty());
}

#[test]
fn the_prompt_is_marked_for_the_cache_unless_the_client_did() {
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let mut body = json!({"model": "m", "max_tokens": 9, "system": "s",
        "tools": [{"name": "a", "input_schema": {"type": "object"}}, {"name": "b", "input_schema": {"type": "object"}}],
        "messages": [turn("user", "1"), turn("assistant", "2"), turn("user", "3"), turn("assistant", "4"), turn("user", "5")]});
    let marked = |body: &Value, model: &str| {
        let request = messages(body.to_string().as_bytes(), &mut Losses::default()).unwrap();
        let sent = send(&request, model).body;
        let mut places = Vec::new();
        for key in ["tools", "system"] {
            for (at, it) in sent[key].as_array().unwrap().iter().enumerate() {
                if it.get("cache_control").is_some() {
                    places.push(format!("{key}[{at}]"));
                }
            }
        }
        for (at, message) in sent["messages"].as_array().unwrap().iter().enumerate() {
            for block in message["content"].as_array().unwrap() {
                if block.get("cache_control").is_some() {
                    places.push(format!("messages[{at}]"));
                }
            }
        }
        places
    };
    assert_eq!(
        marked(&body, "claude-opus-5"),
        ["tools[1]", "system[0]", "messages[2]", "messages[4]"]
    );
    body["messages"][0] = json!({"role": "user", "content": [
        {"type": "text", "text": "1", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]});
    assert_eq!(marked(&body, "claude-opus-5"), ["messages[0]"]);
}

#[test]
fn nothing_to_say_is_the_only_other_refusal() {
    let empty = Request::default();
    assert!(outbound(&empty, "m", &profile("m"), &mut Losses::default()).is_err());
    let system = Request {
        system: vec!["act".to_owned()],
        effort: Some(Effort::Low),
        ..Request::default()
    };
    let sent = send(&system, "claude-opus-5");
    assert_eq!(sent.body["messages"][0]["role"], "user");
}

proptest! {
    #[test]
    fn marks_are_never_more_than_four(wishes in prop::collection::vec((0..3usize, 0..3usize, 0..3usize), 0..9)) {
        use crate::protocol::canonical::{CacheAt, CacheBreakpoint};
        let text = |it: usize| Block::Text(format!("t{it}"));
        let request = Request {
            system: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            tools: (0..3).map(|it| tool(&format!("t{it}"), json!({"type": "object"}))).collect(),
            messages: (0..3)
                .map(|at| Message {
                    role: if at % 2 == 0 { Role::User } else { Role::Assistant },
                    blocks: vec![text(0), text(1), text(2)],
                })
                .collect(),
            cache_breakpoints: wishes
                .into_iter()
                .map(|(kind, message, block)| CacheBreakpoint {
                    at: match kind {
                        0 => CacheAt::Tool(block),
                        1 => CacheAt::System(block),
                        _ => CacheAt::Block { message, block },
                    },
                    control: json!({"type": "ephemeral"}),
                })
                .collect(),
            ..Request::default()
        };
        let sent = send(&request, "claude-opus-5").body.to_string();
        prop_assert!((1..=4).contains(&sent.matches("cache_control").count()), "{sent}");
    }
}
