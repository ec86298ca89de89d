//! Everything of a request but its turns: tools, choice, generation, leftovers.

use serde_json::{Value, json};

use crate::protocol::canonical::{Freeform, Losses, Request, Tool, ToolChoice, TranslateError};
use crate::protocol::gemini::profile::Profile;
use crate::protocol::gemini::sample::{model, send, try_send, with};

const OLD: &str = "gemini-1.5-pro";
const MIDDLE: &str = "gemini-2.5-flash";
const THREE: &str = "gemini-3-flash-preview";

fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}})
}

#[test]
fn functions_stand_in_one_list_in_the_form_the_model_knows() {
    let mut strict = tool("mcp server/with spaces");
    strict["description"] = json!("Does things.");
    let body = with(json!({"tools": [tool("Run"), strict, tool("Run")]}));
    let new = send(&body, &model(THREE));
    assert_eq!(new.body["tools"].as_array().unwrap().len(), 1);
    let functions = new.body["tools"][0]["functionDeclarations"]
        .as_array()
        .unwrap();
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(
        functions[0],
        json!({"name": "Run", "parametersJsonSchema": schema})
    );
    let sent = functions[1]["name"].as_str().unwrap();
    assert_eq!(new.outbound.names.restore(sent), "mcp server/with spaces");
    assert_eq!(functions[1]["description"], "Does things.");
    assert_eq!(functions.len(), 2);
    assert_eq!(new.lost, ["tools.Run dropped: a second of its name"]);
    let old = send(&body, &model(OLD));
    let function = &old.body["tools"][0]["functionDeclarations"][0];
    assert_eq!(*function, json!({"name": "Run", "parameters": schema}));
}

#[test]
fn a_function_without_parameters_has_none_in_the_older_form() {
    let body = with(
        json!({"tools": [{"name": "Now", "input_schema": {"type": "object", "properties": {}}}]}),
    );
    let old = send(&body, &model(OLD));
    assert_eq!(
        old.body["tools"][0]["functionDeclarations"],
        json!([{"name": "Now"}])
    );
    let new = send(&body, &model(THREE));
    let schema = json!({"type": "object", "properties": {}});
    assert_eq!(
        new.body["tools"][0]["functionDeclarations"],
        json!([{"name": "Now", "parametersJsonSchema": schema}])
    );
}

#[test]
fn a_schema_that_loses_a_limit_is_told_once_a_tool() {
    let mut odd = tool("Odd");
    odd["input_schema"]["not"] = json!({});
    odd["input_schema"]["properties"]["a"]["multipleOf"] = json!(2);
    let sent = send(&with(json!({"tools": [odd, tool("Run")]})), &model(THREE));
    assert_eq!(sent.lost, ["tools.Odd.input_schema schema simplified"]);
}

#[test]
fn tools_are_chosen_in_geminis_words() {
    let named = json!({"type": "tool", "name": "Run"});
    let allowed = json!({"mode": "ANY", "allowedFunctionNames": ["Run"]});
    for (choice, mode) in [
        (json!(null), Value::Null),
        (json!({"type": "auto"}), json!({"mode": "AUTO"})),
        (json!({"type": "any"}), json!({"mode": "ANY"})),
        (json!({"type": "none"}), json!({"mode": "NONE"})),
        (named.clone(), allowed),
    ] {
        let sent = send(
            &with(json!({"tools": [tool("Run")], "tool_choice": choice})),
            &model(MIDDLE),
        );
        assert_eq!(
            sent.body["toolConfig"]["functionCallingConfig"], mode,
            "{choice}"
        );
        assert_eq!(sent.lost, Vec::<String>::new(), "{choice}");
    }
    for (fields, lost) in [
        (
            json!({"tools": [tool("Other")], "tool_choice": named}),
            "tool_choice dropped: no such tool",
        ),
        (
            json!({"tools": [tool("Run")], "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
            "tool_choice.disable_parallel_tool_use dropped",
        ),
    ] {
        assert_eq!(send(&with(fields), &model(MIDDLE)).lost, [lost]);
    }
}

#[test]
fn strict_tools_are_validated_where_that_is_known() {
    let mut strict = tool("Run");
    strict["strict"] = json!(true);
    let body = with(json!({"tools": [strict]}));
    let sent = send(&body, &model(MIDDLE));
    assert_eq!(
        sent.body["toolConfig"]["functionCallingConfig"]["mode"],
        "VALIDATED"
    );
    let old = send(&body, &model("gemini-2.0-flash"));
    assert!(old.body.get("toolConfig").is_none());
    assert_eq!(old.lost, ["tools.Run.strict sent without strict"]);
}

#[test]
fn googles_own_tools_stand_in_for_others() {
    let servers = json!([
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"], "max_uses": 3},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_fetch_20250910", "name": "web_fetch"},
        {"type": "browser_toolset_20260801"}
    ]);
    let choice = json!({"type": "tool", "name": "web_search"});
    let sent = send(
        &with(json!({"tools": servers, "tool_choice": choice})),
        &model(MIDDLE),
    );
    assert_eq!(
        sent.body["tools"],
        json!([{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}])
    );
    assert!(sent.body.get("toolConfig").is_none());
    assert_eq!(
        sent.lost,
        [
            "tools.web_search.allowed_domains dropped: the provider has no place for it",
            "tools.browser_toolset_20260801 dropped: runs at its own vendor only",
            "tool_choice lowered to auto"
        ]
    );
}

#[test]
fn googles_own_tools_beside_functions() {
    let body = with(
        json!({"tools": [tool("Run"), {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "auto"}}),
    );
    let alone = send(&body, &model(MIDDLE));
    assert_eq!(alone.body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        alone.lost,
        ["tools.web_search dropped: not accepted by the model"]
    );
    let announced = send(&body, &model(THREE));
    assert_eq!(announced.body["tools"][1], json!({"googleSearch": {}}));
    assert_eq!(
        announced.body["toolConfig"],
        json!({"includeServerSideToolInvocations": true})
    );
    let beside = send(&body, &Profile::guess("aiplatform.googleapis.com", THREE));
    assert_eq!(beside.body["tools"][1], json!({"googleSearch": {}}));
    assert_eq!(
        beside.body["toolConfig"],
        json!({"functionCallingConfig": {"mode": "AUTO"}})
    );
}

#[test]
fn a_model_without_functions_gets_none() {
    let body = with(
        json!({"tools": [tool("Run"), {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "any"}}),
    );
    let sent = send(&body, &model("gemma-3-27b-it"));
    assert!(sent.body.get("tools").is_none() && sent.body.get("toolConfig").is_none());
    assert_eq!(
        sent.lost,
        [
            "tools dropped: not accepted by the model",
            "tools.web_search dropped: runs at its own vendor only",
            "tool_choice dropped: no tools are left"
        ]
    );
}

#[test]
fn sampling_is_sent_under_geminis_names() {
    let body = with(
        json!({"max_tokens": 1000, "temperature": 0.30, "top_p": 1, "top_k": 40,
        "stop_sequences": ["A", "B", "C", "D", "E", "F"]}),
    );
    let sent = send(&body, &model("gemini-2.0-flash"));
    assert_eq!(
        sent.body["generationConfig"],
        json!({"maxOutputTokens": 1000, "temperature": 0.3, "topP": 1, "topK": 40,
            "stopSequences": ["A", "B", "C", "D", "E"]})
    );
    assert_eq!(sent.lost, ["stop_sequences cut short"]);
}

#[test]
fn thinking_gets_room_inside_the_limit() {
    let limit = |fields: Value, name: &str| {
        let sent = send(&with(fields), &model(name));
        (
            sent.body["generationConfig"]["maxOutputTokens"]
                .as_u64()
                .unwrap(),
            sent.lost,
        )
    };
    let budget = |max: u64| json!({"max_tokens": max, "thinking": {"type": "enabled", "budget_tokens": 4000}});
    assert_eq!(limit(budget(5000), MIDDLE), (9000, vec![]));
    assert_eq!(limit(budget(64_000), MIDDLE), (65_536, vec![]));
    assert_eq!(
        limit(budget(128_000), MIDDLE),
        (65_536, vec!["max_tokens lowered".to_owned()])
    );
    assert_eq!(
        limit(json!({"max_tokens": 100}), "gemini-2.0-flash"),
        (100, vec![])
    );
    assert_eq!(limit(json!({"max_tokens": 100}), MIDDLE), (8292, vec![]));
    assert_eq!(
        limit(
            json!({"max_tokens": 100, "thinking": {"type": "disabled"}}),
            MIDDLE
        ),
        (100, vec![])
    );
    assert_eq!(
        limit(json!({"max_tokens": 0}), MIDDLE),
        (1, vec!["max_tokens raised".to_owned()])
    );
    assert!(
        send(&with(json!({"max_tokens": 0})), &model(MIDDLE))
            .outbound
            .prewarm
    );
}

fn canonical(change: impl FnOnce(&mut Request), name: &str) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = with(json!({}));
    let mut request =
        crate::protocol::anthropic::messages(body.to_string().as_bytes(), &mut losses).unwrap();
    change(&mut request);
    let sent = super::outbound(&request, name, &model(name), &mut losses).unwrap();
    let lost = losses.kept().iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&sent.body).unwrap(), lost)
}

#[test]
fn what_other_dialects_ask_for_has_its_place() {
    let ask = |it: &mut Request| {
        it.seed = Some(7.into());
        it.presence_penalty = serde_json::Number::from_f64(0.5);
        it.frequency_penalty = serde_json::Number::from_f64(0.0);
        it.logprobs = Some(30);
        it.verbosity = Some("low".to_owned());
        it.cache_key = Some("k".to_owned());
    };
    let (body, lost) = canonical(ask, "gemini-2.0-flash");
    let config = &body["generationConfig"];
    assert_eq!(config["seed"], 7);
    assert_eq!(config["presencePenalty"], 0.5);
    assert!(config.get("frequencyPenalty").is_none());
    assert_eq!(
        (&config["responseLogprobs"], &config["logprobs"]),
        (&json!(true), &json!(20))
    );
    assert_eq!(
        lost,
        [
            "verbosity dropped: the provider has no place for it",
            "top_logprobs lowered"
        ]
    );
    let (body, lost) = canonical(ask, MIDDLE);
    assert!(body["generationConfig"].get("presencePenalty").is_none());
    assert!(
        lost.contains(&"presence_penalty dropped: not accepted by the model".to_owned()),
        "{lost:?}"
    );
    let (body, lost) = canonical(|it| it.seed = Some(5_000_000_000_u64.into()), MIDDLE);
    assert!(body["generationConfig"].get("seed").is_none());
    assert_eq!(lost, ["seed dropped: not accepted by the model"]);
    let (body, _) = canonical(|it| it.logprobs = Some(0), MIDDLE);
    assert_eq!(body["generationConfig"]["responseLogprobs"], true);
    assert!(body["generationConfig"].get("logprobs").is_none());
}

#[test]
fn a_grammar_is_told_in_words() {
    let format = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\""});
    let (body, lost) = canonical(
        |it| {
            it.tools = vec![Tool {
                name: "patch".to_owned(),
                description: Some("Patches.".to_owned()),
                input_schema: json!({"type": "object", "properties": {"input": {"type": "string"}}}),
                strict: None,
                freeform: Some(Freeform {
                    format: Some(format),
                }),
                typed: None,
            }];
            it.tool_choice = Some(ToolChoice::Tool("patch".to_owned()));
        },
        THREE,
    );
    assert_eq!(
        body["tools"][0]["functionDeclarations"][0]["description"],
        "Patches.\n\n`input` must match this lark grammar:\nstart: \"a\""
    );
    assert_eq!(lost, ["tools.patch.format sent as an instruction"]);
}

#[test]
fn the_shape_of_an_answer_is_a_schema_or_an_instruction() {
    let schema =
        json!({"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": false});
    let body =
        with(json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    let new = send(&body, &model(MIDDLE));
    let config = &new.body["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(
        config["responseJsonSchema"]["properties"],
        json!({"a": {"enum": [1]}})
    );
    assert!(config.get("responseSchema").is_none());
    let old = send(&body, &model(OLD));
    let config = &old.body["generationConfig"];
    assert_eq!(
        config["responseSchema"]["properties"]["a"]["type"],
        "integer"
    );
    assert!(config.get("responseJsonSchema").is_none());
    assert_eq!(old.lost, ["output_config.format schema simplified"]);
    let gemma = send(&body, &model("gemma-3-27b-it"));
    assert!(
        gemma.body["generationConfig"]
            .get("responseMimeType")
            .is_none()
    );
    assert!(gemma.turns()[0].contains("matches this JSON Schema"));
    assert_eq!(gemma.lost, ["output_config.format sent as an instruction"]);
}

#[test]
fn a_json_answer_beside_tools_is_an_instruction_where_both_together_are_refused() {
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    let run = json!({"name": "Run", "input_schema": {"type": "object"}});
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    for tool in [run, search] {
        let body = with(json!({"output_config": format, "tools": [tool]}));
        let sent = send(&body, &model(MIDDLE));
        let config = &sent.body["generationConfig"];
        assert!(config.get("responseMimeType").is_none(), "{tool}");
        assert!(config.get("responseJsonSchema").is_none(), "{tool}");
        let told = sent.body["systemInstruction"]["parts"][0]["text"].as_str();
        assert!(told.unwrap().starts_with("Unless you call a tool, answer"));
        assert_eq!(sent.lost, ["output_config.format sent as an instruction"]);
        let new = send(&body, &model(THREE));
        let config = &new.body["generationConfig"];
        assert_eq!(config["responseMimeType"], "application/json");
        assert!(new.lost.is_empty());
    }
}

#[test]
fn leftovers_are_losses_and_threads_are_refused() {
    let body = with(
        json!({"container": "c", "cache_control": {"type": "ephemeral"}, "service_tier": "auto",
        "metadata": {"user_id": "u"}}),
    );
    assert_eq!(send(&body, &model(MIDDLE)).lost, ["container dropped"]);
    let thread = with(json!({"thread": {"id": "t"}}));
    let refused = try_send(&thread, &model(MIDDLE)).err();
    assert!(matches!(refused, Some(TranslateError::ThreadUnsupported)));
    let empty =
        with(json!({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}));
    assert!(matches!(
        try_send(&empty, &model(MIDDLE)).err(),
        Some(TranslateError::Field { .. })
    ));
}
