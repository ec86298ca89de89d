use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::{
    Block, Effort, Freeform, JsonFormat, Message, Role, ServerTool, Tool, ToolChoice, ToolResult,
    ToolResultPart, ToolUse,
};

fn said(role: Role, blocks: Vec<Block>) -> Message {
    Message { role, blocks }
}

fn user(text: &str) -> Message {
    said(Role::User, vec![Block::Text(text.to_owned())])
}

fn hello() -> Request {
    Request {
        messages: vec![user("hello")],
        ..Request::default()
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn server(kind: &str, name: &str, more: &str) -> ServerTool {
    ServerTool {
        kind: kind.to_owned(),
        name: Some(name.to_owned()),
        raw: raw(&format!(
            "{{\"type\":\"{kind}\",\"name\":\"{name}\"{more}}}"
        )),
    }
}

fn patch() -> Tool {
    Tool {
        name: "patch".to_owned(),
        description: Some("Changes files.".to_owned()),
        input_schema: json!({"type": "object", "properties": {"input": {"type": "string"}}}),
        strict: None,
        freeform: Some(Freeform {
            format: Some(json!({"type": "grammar", "syntax": "lark", "definition": "x"})),
        }),
        typed: None,
    }
}

fn lamp() -> Tool {
    Tool {
        name: "lamp".to_owned(),
        description: None,
        input_schema: json!({}),
        strict: None,
        freeform: None,
        typed: None,
    }
}

/// The body and the losses for a model of OpenAI's.
fn sent(request: &Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let profile = Profile::guess("api.openai.com", model);
    let sent = outbound(request, model, &profile, &mut losses).unwrap();
    let lost = losses.kept().iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&sent.body).unwrap(), lost)
}

#[test]
fn free_text_stays_free_where_the_model_knows_custom_tools() {
    let call = |id: &str, input: &str| {
        Block::ToolUse(ToolUse {
            id: id.to_owned(),
            name: "patch".to_owned(),
            input: raw(input),
        })
    };
    let result = Block::ToolResult(ToolResult {
        tool_use_id: "call_1".to_owned(),
        content: vec![ToolResultPart::Text("done".to_owned())],
        is_error: false,
    });
    let request = Request {
        tools: vec![patch(), lamp()],
        tool_choice: Some(ToolChoice::Tool("patch".to_owned())),
        messages: vec![
            user("go"),
            said(
                Role::Assistant,
                vec![
                    call("call_1", r#"{"input":"*** Begin\n\"x\""}"#),
                    call("call_2", r#"{"other":1}"#),
                ],
            ),
            said(Role::User, vec![result]),
        ],
        ..Request::default()
    };
    let (body, _) = sent(&request, "gpt-5.1");
    assert_eq!(
        body["tools"][0],
        json!({"type": "custom", "name": "patch", "description": "Changes files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"}})
    );
    assert_eq!(body["tools"][1]["strict"], false);
    assert_eq!(
        body["tool_choice"],
        json!({"type": "custom", "name": "patch"})
    );
    assert_eq!(body["input"][1]["type"], "custom_tool_call");
    assert_eq!(body["input"][1]["input"], "*** Begin\n\"x\"");
    assert_eq!(body["input"][2]["input"], r#"{"other":1}"#);
    assert_eq!(body["input"][3]["type"], "custom_tool_call_output");
    assert_eq!(body["input"][3]["output"], "done");
    let (body, _) = sent(&request, "gpt-4.1");
    assert_eq!(body["tools"][0]["type"], "function");
    assert_eq!(
        body["tool_choice"],
        json!({"type": "function", "name": "patch"})
    );
    assert_eq!(body["input"][1]["type"], "function_call");
    assert_eq!(body["input"][3]["type"], "function_call_output");
}

#[test]
fn every_choice_of_a_tool_has_its_form() {
    let mut request = hello();
    request.tools = vec![lamp()];
    request.server_tools = vec![server("web_search_20250305", "web_search", "")];
    for (choice, form) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Any, json!("required")),
        (
            ToolChoice::Tool("lamp".to_owned()),
            json!({"type": "function", "name": "lamp"}),
        ),
        (
            ToolChoice::Tool("web_search".to_owned()),
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}),
        ),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(sent(&request, "gpt-5.1").0["tool_choice"], form);
    }
    request.tool_choice = Some(ToolChoice::Tool("horn".to_owned()));
    let (body, lost) = sent(&request, "gpt-5.1");
    assert!(body.get("tool_choice").is_none());
    assert_eq!(lost, ["tool_choice dropped: no such tool"]);
    request.tools.clear();
    request.server_tools.clear();
    request.tool_choice = Some(ToolChoice::Any);
    let (body, lost) = sent(&request, "gpt-5.1");
    assert!(body.get("tool_choice").is_none() && body.get("tools").is_none());
    assert_eq!(lost, ["tool_choice dropped: no tools are left"]);
}

#[test]
fn tools_that_the_provider_runs_are_asked_to_tell_what_they_did() {
    let mut request = hello();
    request.server_tools = vec![
        server(
            "web_search_20250305",
            "web_search",
            r#","max_uses":3,"blocked_domains":["a.example"]"#,
        ),
        server("code_execution_20250825", "code_execution", ""),
        server("web_fetch_20250910", "web_fetch", ""),
        server("web_search_20260209", "web_search_2", ""),
    ];
    let (body, lost) = sent(&request, "gpt-4.1");
    assert_eq!(
        body["tools"],
        json!([{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}])
    );
    assert_eq!(
        body["include"],
        json!([
            "web_search_call.action.sources",
            "code_interpreter_call.outputs"
        ])
    );
    // The limit was the search's own; here it would count programs too.
    assert!(body.get("max_tool_calls").is_none());
    assert_eq!(
        lost,
        [
            "tools.web_search.blocked_domains dropped: the provider has no place for it",
            "tools.web_fetch dropped: runs at its own vendor only",
            "tools.web_search_2 dropped: a second of its name",
        ]
    );
}

#[test]
fn effort_is_said_in_words_the_model_and_its_tools_know() {
    let mut request = hello();
    request.effort = Some(Effort::Minimal);
    let effort = |request: &Request, model| sent(request, model).0["reasoning"].clone();
    assert_eq!(
        effort(&request, "gpt-5"),
        json!({"effort": "minimal", "summary": "auto"})
    );
    request.server_tools = vec![server("web_search_20250305", "web_search", "")];
    let (body, lost) = sent(&request, "gpt-5");
    assert_eq!(body["reasoning"]["effort"], "low");
    assert_eq!(lost, ["output_config.effort raised"]);
    let mut request = hello();
    request.thinking = Some(Thinking::Disabled);
    let (body, _) = sent(&request, "gpt-5.1");
    assert_eq!(body["reasoning"], json!({"effort": "none"}));
    assert!(body.get("include").is_none());
    let (body, lost) = sent(&request, "gpt-5");
    assert!(body.get("reasoning").is_none());
    assert_eq!(lost.len(), 1, "{lost:?}");
    request.thinking = Some(Thinking::Budget(20_000));
    assert_eq!(effort(&request, "gpt-5")["effort"], "high");
    assert_eq!(effort(&request, "gpt-4.1"), Value::Null);
}

#[test]
fn settings_find_their_places() {
    let mut request = hello();
    request.verbosity = Some("low".to_owned());
    request.logprobs = Some(40);
    request.seed = Some(7.into());
    request.cache_key = Some("k".repeat(80));
    request.max_tokens = Some(0);
    request.format = Some(JsonFormat {
        name: None,
        schema: None,
        strict: None,
    });
    let (body, lost) = sent(&request, "gpt-4.1");
    assert_eq!(body["top_logprobs"], 20);
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    assert_eq!(body["prompt_cache_key"].as_str().unwrap().len(), 64);
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}}));
    let first = body["input"][0].to_string();
    assert!(
        first.contains("developer") && first.contains("JSON"),
        "{first}"
    );
    assert_eq!(
        lost,
        [
            "seed dropped: the provider has no place for it",
            "max_tokens raised",
            "verbosity dropped: not accepted by the model",
        ]
    );
    let (body, lost) = sent(&request, "gpt-5.1");
    assert_eq!(body["text"]["verbosity"], "low");
    assert!(body.get("top_logprobs").is_none());
    assert!(lost.iter().any(|it| it.starts_with("logprobs ")));
}

#[test]
fn instructions_alone_are_no_conversation() {
    let request = Request {
        system: vec!["be brief".to_owned()],
        messages: vec![said(Role::System, vec![Block::Text("and kind".to_owned())])],
        ..Request::default()
    };
    let profile = Profile::guess("api.openai.com", "gpt-5");
    let given = outbound(&request, "gpt-5", &profile, &mut Losses::default());
    assert!(matches!(given, Err(TranslateError::Field { .. })));
}
