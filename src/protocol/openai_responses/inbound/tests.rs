use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::{
    Block, DocumentSource, Effort, ImageSource, LossKind, NativeTool, Role, Thinking, ToolChoice,
    ToolResultPart,
};
use crate::protocol::envelope;

fn read(body: &Value) -> (Request, Losses) {
    let mut losses = Losses::default();
    let request = inbound(body.to_string().as_bytes(), &mut losses).unwrap();
    (request, losses)
}

fn input(items: &Value) -> (Request, Losses) {
    read(&json!({"model": "m", "input": items}))
}

fn refused(body: &Value) -> String {
    let mut losses = Losses::default();
    let error = inbound(body.to_string().as_bytes(), &mut losses).unwrap_err();
    error.to_string()
}

fn lost(losses: &Losses) -> Vec<String> {
    losses.kept().iter().map(ToString::to_string).collect()
}

/// A turn in short: `u: t(hi) r(call_1: out)`.
fn short(request: &Request) -> Vec<String> {
    let message = |it: &crate::protocol::canonical::Message| {
        let role = match it.role {
            Role::User => "u",
            Role::Assistant => "a",
            Role::System => "s",
        };
        let blocks: Vec<String> = it.blocks.iter().map(block).collect();
        format!("{role}: {}", blocks.join(" "))
    };
    request.messages.iter().map(message).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Text(text) => format!("t({text})"),
        Block::Image(_) => "image".to_owned(),
        Block::Document { .. } => "document".to_owned(),
        Block::Thinking { text, signature } => format!("think({text}|{signature})"),
        Block::RedactedThinking { data } => format!("redacted({data})"),
        Block::ToolUse(it) => format!("call({} {} {})", it.id, it.name, it.input),
        Block::ToolResult(it) => {
            let parts: Vec<&str> = it
                .content
                .iter()
                .map(|part| match part {
                    ToolResultPart::Text(text) => text.as_str(),
                    ToolResultPart::Image(_) => "image",
                    ToolResultPart::Document { .. } => "document",
                    ToolResultPart::Unknown { .. } => "unknown",
                })
                .collect();
            let failed = if it.is_error { "!" } else { "" };
            format!("r{failed}({}: {})", it.tool_use_id, parts.join("+"))
        }
        Block::SearchResult { .. } | Block::Unknown { .. } => "?".to_owned(),
    }
}

fn message(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]})
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"})
}

fn output(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "out"})
}

#[test]
fn a_string_is_what_the_person_says() {
    let (request, losses) = read(&json!({"model": "m", "instructions": "be kind", "input": "hi"}));
    assert_eq!(request.system, ["be kind"]);
    assert_eq!(short(&request), ["u: t(hi)"]);
    assert!(losses.is_empty());
}

#[test]
fn leading_instructions_are_the_system_prompt_and_later_ones_stay_in_place() {
    let (request, _) = input(&json!([
        message("developer", "one"),
        {"role": "system", "content": "two"},
        message("user", "hi"),
        message("developer", "three"),
        message("user", "there"),
    ]));
    assert_eq!(request.system, ["one", "two"]);
    assert_eq!(short(&request), ["u: t(hi)", "s: t(three)", "u: t(there)"]);
}

#[test]
fn instructions_alone_are_what_is_to_be_answered() {
    let (request, _) = read(&json!({"model": "m", "instructions": "be kind", "input": [
        message("developer", "one"), message("system", "two")]}));
    assert_eq!(request.system, ["be kind", "one"]);
    assert_eq!(short(&request), ["u: t(two)"]);
    for empty in [json!([]), json!(""), json!([message("user", "")])] {
        let body = json!({"model": "m", "instructions": "be kind", "input": empty});
        assert_eq!(
            refused(&body),
            "input: at least one item with content is required"
        );
    }
    assert_eq!(refused(&json!({"model": "m"})), "input: field required");
}

#[test]
fn items_of_the_model_are_one_turn_and_results_stand_first_in_the_next() {
    let (request, _) = input(&json!([
        message("user", "go"),
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
         "content": [{"type": "output_text", "text": "looking", "annotations": [], "logprobs": []}]},
        call("a"), call("b"),
        output("b"),
        message("user", "wait"),
        output("a"),
        message("user", "and"),
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]));
    assert_eq!(
        short(&request),
        [
            "u: t(go)",
            "a: t(looking) call(a f {}) call(b f {})",
            "u: r(b: out) r(a: out) t(wait) t(and)",
            "a: t(no)",
        ]
    );
}

#[test]
fn a_result_that_comes_late_stands_before_what_was_said() {
    let (request, _) = input(&json!([
        call("a"),
        message("user", "wait"),
        output("a"),
        message("user", "and"),
        call("b"),
        output("b"),
    ]));
    assert_eq!(
        short(&request),
        [
            "a: call(a f {})",
            "u: r(a: out) t(wait) t(and)",
            "a: call(b f {})",
            "u: r(b: out)"
        ]
    );
}

#[test]
fn messages_of_the_person_stay_apart() {
    let (request, _) = input(&json!([
        message("user", "context"),
        message("user", "question")
    ]));
    assert_eq!(short(&request), ["u: t(context)", "u: t(question)"]);
}

#[test]
fn arguments_keep_their_text_and_become_objects() {
    let arguments = |text: &str| {
        let (request, losses) = input(
            &json!([{"type": "function_call", "call_id": "a", "name": "f",
            "arguments": text}, output("a")]),
        );
        let Block::ToolUse(call) = &request.messages[0].blocks[0] else {
            panic!("no call");
        };
        (call.input.get().to_owned(), lost(&losses))
    };
    let wrapped = vec!["input[0].arguments wrapped: not an object".to_owned()];
    for (text, becomes, lost) in [
        (
            "{\"b\": 1.50, \"a\":12345678901234567890}",
            "{\"b\": 1.50, \"a\":12345678901234567890}",
            vec![],
        ),
        ("", "{}", vec![]),
        ("null", "{}", vec![]),
        ("{\"_raw\":1}", "{\"_raw\":1}", vec![]),
        ("[1]", "{\"_raw\":\"[1]\"}", wrapped.clone()),
        ("{\"cut", "{\"_raw\":\"{\\\"cut\"}", wrapped),
    ] {
        assert_eq!(arguments(text), (becomes.to_owned(), lost), "{text}");
    }
}

#[test]
fn outputs_may_hold_pictures_and_files() {
    let (request, _) = input(
        &json!([call("a"), {"type": "function_call_output", "call_id": "a", "output": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "data:image/jpg;base64,AAAA", "detail": "high"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
        ]}]),
    );
    let Block::ToolResult(result) = &request.messages[1].blocks[0] else {
        panic!("no result");
    };
    assert!(matches!(&result.content[0], ToolResultPart::Text(text) if text == "see"));
    let picture = ImageSource::Base64 {
        media_type: "image/jpeg".to_owned(),
        data: "AAAA".to_owned(),
    };
    assert!(matches!(&result.content[1], ToolResultPart::Image(it) if *it == picture));
    assert!(matches!(
        &result.content[2],
        ToolResultPart::Document { source: DocumentSource::Base64 { media_type, data }, title: Some(title) }
            if media_type == "application/pdf" && data == "BBBB" && title == "a.pdf"
    ));
}

#[test]
fn media_of_every_source() {
    let (request, _) = input(&json!([{"role": "user", "content": [
        {"type": "input_image", "image_url": "https://a.example/b.png"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "file_url": "https://a.example/b.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_file", "file_data": "CCCC", "filename": "c.pdf"},
    ]}]));
    let blocks = &request.messages[0].blocks;
    let url = "https://a.example/b.png".to_owned();
    assert!(matches!(&blocks[0], Block::Image(it) if *it == ImageSource::Url(url)));
    assert!(matches!(&blocks[1], Block::Image(ImageSource::File(id)) if id == "file_1"));
    let source = |at: usize| match &blocks[at] {
        Block::Document { source, .. } => source,
        _ => panic!("no document"),
    };
    assert!(matches!(source(2), DocumentSource::Url(url) if url.ends_with("b.pdf")));
    assert!(matches!(source(3), DocumentSource::File(id) if id == "file_2"));
    assert!(
        matches!(source(4), DocumentSource::Base64 { media_type, data }
        if media_type == "application/pdf" && data == "CCCC")
    );
    let audio = json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}}]}]});
    assert!(refused(&audio).starts_with("input.0.content.0: audio cannot be sent"));
}

fn reasoning(item: &Value) -> (Vec<String>, Vec<String>) {
    let (request, losses) = input(&json!([message("user", "hi"), item]));
    (short(&request).split_off(1), lost(&losses))
}

#[test]
fn sealed_reasoning_comes_back_as_what_it_was() {
    let item = |text: &str, seal: &str| {
        let mut summary = json!([]);
        if !text.is_empty() {
            summary = json!([{"type": "summary_text", "text": text}]);
        }
        json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": seal})
    };
    for (text, seal, block) in [
        ("hm", "pm1.a.EqQB", "a: think(hm|EqQB)"),
        ("", "pm1.a.EqQB", "a: think(|EqQB)"),
        ("", "pm1.x.ErUB", "a: redacted(ErUB)"),
        ("hm", "pm1.c.", "a: think(hm|pm1.c.)"),
        ("hm", "pm1.g.CiQB", "a: think(hm|pm1.g.CiQB)"),
        ("", "pm1.g.CiQB", "a: redacted(pm1.g.CiQB)"),
        ("hm", "pm1.z.later", "a: think(hm|pm1.z.later)"),
    ] {
        assert_eq!(
            reasoning(&item(text, seal)),
            (vec![block.to_owned()], vec![]),
            "{seal}"
        );
    }
}

#[test]
fn openais_own_reasoning_is_sealed_whole() {
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAAA"});
    let (request, _) = input(&json!([message("user", "hi"), item.clone()]));
    let Block::RedactedThinking { data } = &request.messages[1].blocks[0] else {
        panic!("not sealed");
    };
    let opened = envelope::open(data).unwrap();
    assert_eq!(opened.kind, envelope::ReasoningKind::Responses);
    assert_eq!(serde_json::from_str::<Value>(opened.payload).unwrap(), item);
}

#[test]
fn reasoning_without_a_seal() {
    let summary = json!([{"type": "summary_text", "text": "hm"}]);
    let gone = vec!["input[1] dropped: not the model's".to_owned()];
    assert_eq!(
        reasoning(&json!({"type": "reasoning", "summary": summary})),
        (vec![], gone)
    );
    // An empty one is no loss.
    assert_eq!(
        reasoning(&json!({"type": "reasoning", "summary": []})),
        (vec![], vec![])
    );
    let content = json!([{"type": "reasoning_text", "text": "in full"}]);
    assert_eq!(
        reasoning(
            &json!({"type": "reasoning", "summary": summary, "content": content, "encrypted_content": null})
        ),
        (vec!["a: think(in full|pm1.c.)".to_owned()], vec![])
    );
}

#[test]
fn what_only_the_provider_keeps_is_refused() {
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("prompt", json!({"id": "pmpt_1"})),
        ("background", json!(true)),
    ] {
        let mut body = json!({"model": "m", "input": "hi"});
        body[field] = value;
        assert!(
            refused(&body).starts_with(&format!("{field}: kept by the provider")),
            "{field}"
        );
    }
    let kept =
        json!({"model": "m", "input": "hi", "previous_response_id": null, "background": false});
    assert!(read(&kept).1.is_empty());
    for item in [
        json!({"type": "item_reference", "id": "msg_1"}),
        json!({"id": "msg_1"}),
    ] {
        let refused = refused(&json!({"model": "m", "input": [item]}));
        assert!(refused.starts_with("item_reference: kept"), "{refused}");
    }
    let compacted =
        json!([{"type": "compaction", "encrypted_content": "gAAAA"}, message("user", "go on")]);
    assert!(refused(&json!({"model": "m", "input": compacted})).starts_with("compaction: kept"));
}

#[test]
fn free_text_travels_in_one_string() {
    let (request, losses) = read(&json!({"model": "m", "tools": [
        {"type": "custom", "name": "apply_patch", "description": "edit", "format":
            {"type": "grammar", "syntax": "lark", "definition": "start: \"x\""}},
        {"type": "custom", "name": "plain"},
    ], "input": [
        {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** \"Begin\"\n"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "Done"},
    ]}));
    assert_eq!(
        short(&request),
        [
            r#"a: call(a apply_patch {"input":"*** \"Begin\"\n"})"#,
            "u: r(a: Done)"
        ]
    );
    let tool = &request.tools[0];
    assert_eq!(
        tool.freeform.as_ref().unwrap().format.as_ref().unwrap()["syntax"],
        "lark"
    );
    let description = &tool.input_schema["properties"]["input"]["description"];
    assert!(
        description
            .as_str()
            .unwrap()
            .ends_with("lark grammar:\nstart: \"x\"")
    );
    assert_eq!(request.tools[1].freeform.as_ref().unwrap().format, None);
    assert!(request.native.is_empty() && losses.is_empty());
}

#[test]
fn built_in_tools_are_functions_and_so_are_their_calls() {
    let (request, losses) = read(&json!({"model": "m", "tools": [
        {"type": "local_shell"}, {"type": "shell", "environment": {"type": "local"}}, {"type": "apply_patch"}
    ], "input": [
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "a", "status": "completed", "action":
            {"type": "exec", "command": ["ls"], "env": {}, "user": null, "timeout_ms": 100}},
        {"type": "shell_call", "call_id": "b", "action": {"commands": ["ls", "pwd"], "max_output_length": null}},
        {"type": "apply_patch_call", "call_id": "c", "status": "completed", "operation":
            {"type": "delete_file", "path": "a.txt"}},
        {"type": "local_shell_call_output", "id": "lsh_1", "output": "a.txt"},
        {"type": "shell_call_output", "call_id": "b", "output": [
            {"stdout": "a.txt\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
            {"stdout": "", "stderr": "slow", "outcome": {"type": "timeout"}}]},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no such file"},
    ]}));
    assert_eq!(
        short(&request),
        [
            r#"a: call(a local_shell {"command":["ls"],"env":{},"timeout_ms":100}) call(b shell {"commands":["ls","pwd"]}) call(c apply_patch {"type":"delete_file","path":"a.txt"})"#,
            "u: r(a: a.txt) r(b: a.txt\n\nexit code: 0+slow\ntimeout) r!(c: no such file)",
        ]
    );
    let names: Vec<&str> = request.tools.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["local_shell", "shell", "apply_patch"]);
    assert_eq!(request.native["shell"], NativeTool::Shell);
    assert!(request.tools.iter().all(|it| it.typed.is_none()) && losses.is_empty());
}

#[test]
fn tools_of_namespaces_are_called_by_both_names() {
    let (request, losses) = read(&json!({"model": "m", "tools": [
        {"type": "function", "name": "mail__send", "parameters": null},
        {"type": "namespace", "name": "mail", "description": "Mail.", "tools": [
            {"type": "function", "name": "send", "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "draft"}]},
        {"type": "namespace", "name": "mcp__files__", "description": "", "tools": [
            {"type": "function", "name": "read", "strict": true, "parameters": {}}]},
    ], "tool_choice": {"type": "function", "name": "read", "namespace": "mcp__files__"}, "input": [
        {"type": "function_call", "call_id": "a", "name": "send", "namespace": "mail", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "read", "namespace": "mcp__files__", "arguments": "{}"},
        {"type": "function_call", "call_id": "c", "name": "gone", "namespace": "old", "arguments": "{}"},
        output("a"), output("b"), output("c"),
    ]}));
    let names: Vec<&str> = request.tools.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "mail__send",
            "mail__send_2",
            "mail__draft",
            "mcp__files__read"
        ]
    );
    assert_eq!(
        short(&request)[0],
        "a: call(a mail__send_2 {}) call(b mcp__files__read {}) call(c old__gone {})"
    );
    assert_eq!(
        request.native["mail__send_2"],
        NativeTool::Namespaced {
            namespace: "mail".to_owned(),
            name: "send".to_owned()
        }
    );
    assert!(!request.native.contains_key("mail__send"));
    assert_eq!(
        request.tool_choice,
        Some(ToolChoice::Tool("mcp__files__read".to_owned()))
    );
    assert_eq!(lost(&losses), ["tools[1].description dropped"]);
}

#[test]
fn tools_that_a_search_found_can_be_called() {
    let found = json!({"type": "tool_search_output", "call_id": "a", "execution": "client", "tools": [
        {"type": "function", "name": "weather", "defer_loading": true, "parameters": {"type": "object"}}]});
    let (request, losses) = read(&json!({"model": "m", "tools": [
        {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": {"type": "object"}},
    ], "input": [
        message("user", "hi"),
        {"type": "tool_search_call", "call_id": "a", "execution": "client", "arguments": {"query": "weather"}},
        found, found,
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom", "name": "late"}]},
    ]}));
    let names: Vec<&str> = request.tools.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["tool_search", "weather", "late"]);
    assert_eq!(
        short(&request)[1..],
        [
            r#"a: call(a tool_search {"query":"weather"})"#,
            "u: r(a: Found, and now there to be called: weather) r(a: Found, and now there to be called: weather)",
        ]
    );
    assert_eq!(request.native["tool_search"], NativeTool::ToolSearch);
    assert!(losses.is_empty());
}

#[test]
fn tools_of_the_vendor() {
    let (request, losses) = read(&json!({"model": "m", "input": "hi", "tools": [
        {"type": "web_search", "external_web_access": false, "search_context_size": "high",
         "filters": {"allowed_domains": ["a.example"]}, "user_location": {"city": "Bern", "region": null}},
        {"type": "web_search_preview_2025_03_11", "filters": null},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "x"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "tool_search"},
    ]}));
    let raws: Vec<Value> = request
        .server_tools
        .iter()
        .map(|it| serde_json::from_str(it.raw.get()).unwrap())
        .collect();
    assert_eq!(
        raws[0],
        json!({"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"],
            "user_location": {"type": "approximate", "city": "Bern"}})
    );
    assert_eq!(
        raws[1],
        json!({"type": "web_search_20250305", "name": "web_search"})
    );
    assert_eq!(raws[2]["name"], "code_execution");
    assert_eq!(raws[3], json!({"type": "mcp", "server_label": "x"}));
    assert_eq!(request.server_tools[4].kind, "shell");
    assert!(request.tools.is_empty());
    assert_eq!(
        lost(&losses),
        [
            "tools[0].external_web_access dropped: the provider has no place for it",
            "tools[5] dropped: runs at its own vendor only",
        ]
    );
}

#[test]
fn every_choice_of_tools() {
    let choose = |choice: Value| {
        let tools = json!([{"type": "function", "name": "f"}, {"type": "custom", "name": "g"},
            {"type": "apply_patch"}, {"type": "web_search"}, {"type": "file_search"}]);
        let (request, losses) =
            read(&json!({"model": "m", "input": "hi", "tools": tools, "tool_choice": choice}));
        let mut names: Vec<String> = request.tools.into_iter().map(|it| it.name).collect();
        names.extend(request.server_tools.into_iter().map(|it| it.kind));
        (request.tool_choice, names.join(" "), lost(&losses))
    };
    let all = "f g apply_patch web_search_20250305 file_search".to_owned();
    let tool = |name: &str| Some(ToolChoice::Tool(name.to_owned()));
    for (choice, becomes) in [
        (json!(null), None),
        (json!("auto"), Some(ToolChoice::Auto)),
        (json!("none"), Some(ToolChoice::None)),
        (json!("required"), Some(ToolChoice::Any)),
        (json!({"type": "function", "name": "f"}), tool("f")),
        (json!({"type": "custom", "name": "g"}), tool("g")),
        (json!({"type": "apply_patch"}), tool("apply_patch")),
        (json!({"type": "web_search_preview"}), tool("web_search")),
        (json!({"type": "code_interpreter"}), tool("code_execution")),
    ] {
        assert_eq!(choose(choice), (becomes, all.clone(), vec![]));
    }
    for hosted in [
        "file_search",
        "mcp",
        "image_generation",
        "programmatic_tool_calling",
    ] {
        let lost = vec!["tool_choice dropped: runs at its own vendor only".to_owned()];
        assert_eq!(choose(json!({"type": hosted})), (None, all.clone(), lost));
    }
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [
        {"type": "function", "name": "f"}, {"type": "web_search"}, {"type": "file_search"}]});
    let left = "f web_search_20250305 file_search".to_owned();
    assert_eq!(choose(allowed), (Some(ToolChoice::Any), left, vec![]));
}

#[test]
fn settings_are_read_and_repeated() {
    let body = json!({
        "model": "m", "input": "hi", "instructions": "be kind", "max_output_tokens": 9, "temperature": 0.5,
        "top_p": 1, "parallel_tool_calls": false, "reasoning": {"effort": "xhigh", "summary": "auto"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "strict": true,
            "schema": {"b": 1, "a": 2}}},
        "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex",
        "store": true, "metadata": {"x": "y"}, "include": ["message.output_text.logprobs"], "top_logprobs": 3,
        "stream": true, "stream_options": {"include_obfuscation": false}, "truncation": "disabled",
        "prompt_cache_retention": "24h", "new_field": 1
    });
    let (request, losses) = read(&body);
    assert_eq!(request.max_tokens, Some(9));
    assert_eq!(request.temperature.unwrap().to_string(), "0.5");
    assert_eq!(request.top_p.unwrap().to_string(), "1");
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.thinking, Some(Thinking::Adaptive));
    assert_eq!(request.effort, Some(Effort::XHigh));
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    let format = request.format.unwrap();
    assert_eq!(
        (format.name.as_deref(), format.strict),
        (Some("n"), Some(true))
    );
    assert_eq!(format.schema.unwrap().to_string(), r#"{"b":1,"a":2}"#);
    assert_eq!(request.user.as_deref(), Some("s"));
    assert_eq!(request.cache_key.as_deref(), Some("k"));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    assert_eq!(request.logprobs, Some(3));
    assert!(request.stream && losses.is_empty());
    assert_eq!(Value::Object(request.rest), json!({"new_field": 1}));
    for (key, value) in &request.echo {
        assert_eq!(&body[key], value, "{key}");
    }
    let unechoed = [
        "model",
        "input",
        "include",
        "stream",
        "stream_options",
        "prompt_cache_retention",
        "new_field",
    ];
    assert_eq!(
        request.echo.len(),
        body.as_object().unwrap().len() - unechoed.len()
    );
}

#[test]
fn settings_without_a_word_elsewhere() {
    let (request, losses) = read(&json!({
        "model": "m", "input": "hi", "reasoning": {"effort": "none"}, "truncation": "auto", "max_tool_calls": 2,
        "text": {"verbosity": "chatty", "format": {"type": "json_object"}}, "include": ["reasoning.encrypted_content"]
    }));
    assert_eq!(request.thinking, Some(Thinking::Disabled));
    assert_eq!(request.effort, None);
    assert!(request.format.unwrap().schema.is_none());
    assert_eq!(request.logprobs, None);
    assert_eq!(
        lost(&losses),
        [
            "text.verbosity dropped: unknown value",
            "max_tool_calls dropped",
            "truncation dropped",
        ]
    );
}

#[test]
fn history_of_the_vendors_tools() {
    let (request, losses) = input(&json!([
        message("user", "hi"),
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "mcp_call", "id": "mcp_1", "server_label": "x", "name": "get", "arguments": "{}", "output": "42"},
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "c", "code": "1+1", "status": "completed"},
        {"type": "quantum_call", "id": "q_1"},
    ]));
    assert_eq!(
        short(&request)[1..],
        ["a: t(The tool get was called with {} and gave:\n42) t(Code that was run:\n1+1)"]
    );
    let kinds: Vec<LossKind> = losses.kept().iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds,
        [
            LossKind::Dropped,
            LossKind::AsText,
            LossKind::AsText,
            LossKind::UnknownType
        ]
    );
}

#[test]
fn what_the_vendors_code_printed_and_why_its_tools_failed_is_told() {
    let (request, _) = input(&json!([
        message("user", "hi"),
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "c", "code": "print(2)", "status": "completed",
            "outputs": [{"type": "logs", "logs": "2"}, {"type": "image", "url": "https://a.example"}]},
        {"type": "mcp_call", "id": "mcp_1", "server_label": "x", "name": "get", "arguments": "{}", "output": null,
            "error": {"type": "mcp_protocol_error", "code": 404, "message": "no such page"}},
        {"type": "mcp_call", "id": "mcp_2", "server_label": "x", "name": "get", "arguments": "{}", "error": "boom"},
    ]));
    let told = short(&request).concat();
    for words in [
        "print(2)\nIt printed:\n2)",
        "failed:\n{",
        "no such page",
        "called with {} and failed:\nboom",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn errors_name_their_field() {
    for (body, error) in [
        (json!({"input": "hi"}), "model: field required"),
        (
            json!({"model": "m", "input": 7}),
            "input: input should be a valid list",
        ),
        (
            json!({"model": "m", "input": ["hi"]}),
            "input.0: input should be a valid object",
        ),
        (
            json!({"model": "m", "input": [{"role": "critic", "content": "x"}]}),
            "input.0.role: input should be 'user', 'assistant', 'system' or 'developer'",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
            "input.0.call_id: field required",
        ),
        (
            json!({"model": "m", "input": "hi", "tools": [{"type": "function"}]}),
            "tools.0.name: field required",
        ),
        (
            json!({"model": "m", "input": "hi", "stream": "yes"}),
            "stream: input should be a valid boolean",
        ),
    ] {
        assert_eq!(refused(&body), error);
    }
    let mut losses = Losses::default();
    for body in ["", "[]", "{\"model\":", "{\"model\":\"m\",\"model\":\"m\"}"] {
        assert!(inbound(body.as_bytes(), &mut losses).is_err(), "{body}");
    }
}

#[test]
fn deep_nesting_is_refused_or_passed_by_but_never_followed() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for field in ["input", "tools", "metadata", "new_field", "text"] {
        let body = format!("{{\"model\":\"m\",\"input\":\"hi\",\"{field}\":{deep}}}");
        let _either_way = inbound(body.as_bytes(), &mut Losses::default());
    }
    let body = format!(
        "{{\"model\":\"m\",\"input\":[{{\"type\":\"web_search_call\",\"action\":{deep}}},{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
    );
    assert!(inbound(body.as_bytes(), &mut Losses::default()).is_ok());
}
