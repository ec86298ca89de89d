//! What is accepted, what is refused and how the refusal names its field.

use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::{Block, DocumentSource, ImageSource, ToolChoice, ToolResultPart};

fn read_json(body: &Value) -> Result<Request, TranslateError> {
    messages(body.to_string().as_bytes(), &mut Losses::default())
}

/// A request whose only message has this content.
fn with_content(content: &Value) -> Value {
    json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]})
}

/// A smallest request, with a field set.
fn with(key: &str, value: Value) -> Value {
    let mut body = with_content(&json!("hi"));
    body[key] = value;
    body
}

fn blocks(content: &Value) -> Vec<Block> {
    read_json(&with_content(content))
        .unwrap()
        .messages
        .remove(0)
        .blocks
}

#[test]
fn errors_name_the_field() {
    let table = [
        (json!({}), "model: field required"),
        (json!({"model": "m"}), "messages: field required"),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
            "max_tokens: field required",
        ),
        (
            with("model", json!(7)),
            "model: input should be a valid string",
        ),
        (
            with("max_tokens", json!("9")),
            "max_tokens: input should be a valid integer of 0 or more",
        ),
        (
            with("max_tokens", json!(-1)),
            "max_tokens: input should be a valid integer of 0 or more",
        ),
        (
            with("messages", json!([])),
            "messages: at least one message is required",
        ),
        (
            with("messages", json!({})),
            "messages: input should be a valid list",
        ),
        (
            with("messages", json!([["user", "x"]])),
            "messages.0: input should be a valid object",
        ),
        (
            with("messages", json!([{"content": "x"}])),
            "messages.0.role: field required",
        ),
        (
            with("messages", json!([{"role": "tool", "content": "x"}])),
            "messages.0.role: input should be 'user', 'assistant' or 'system'",
        ),
        (
            with(
                "messages",
                json!([{"role": "user", "content": "x"}, {"role": "assistant"}]),
            ),
            "messages.1.content: field required",
        ),
        (
            with("system", json!([{"type": "text"}])),
            "system.0.text: field required",
        ),
        (
            with("system", json!(1)),
            "system: input should be a valid list",
        ),
        (
            with("temperature", json!("hot")),
            "temperature: input should be a valid number",
        ),
        (
            with("stream", json!("yes")),
            "stream: input should be a valid boolean",
        ),
        (
            with("stop_sequences", json!("x")),
            "stop_sequences: input should be a valid list of strings",
        ),
        (
            with("thinking", json!({"type": "enabled"})),
            "thinking.budget_tokens: field required",
        ),
        (
            with("tools", json!([{"input_schema": {}}])),
            "tools.0.name: field required",
        ),
        (
            with("tools", json!([{"name": "x", "input_schema": []}])),
            "tools.0.input_schema: input should be a valid object",
        ),
        (
            with("tool_choice", json!({"type": "some"})),
            "tool_choice.type: input should be 'auto', 'any', 'tool' or 'none'",
        ),
        (
            with("tool_choice", json!({"type": "tool"})),
            "tool_choice.name: field required",
        ),
        (
            with("output_config", json!({"format": {"type": "json_schema"}})),
            "output_config.format.schema: field required",
        ),
        (
            with("metadata", json!({"user_id": 5})),
            "metadata.user_id: input should be a valid string",
        ),
    ];
    for (body, error) in table {
        assert_eq!(read_json(&body).unwrap_err().to_string(), error, "{body}");
    }
}

#[test]
fn errors_name_the_field_of_a_block() {
    for (block, error) in [
        (json!({}), "type: field required"),
        (json!(null), "input should be a valid object"),
        (json!({"type": "text"}), "text: field required"),
        (json!({"type": "image"}), "source: field required"),
        (
            json!({"type": "image", "source": {"type": "base64", "data": ""}}),
            "source.media_type: field required",
        ),
        (
            json!({"type": "document", "source": {"type": "url"}}),
            "source.url: field required",
        ),
        (
            json!({"type": "tool_use", "id": "a", "input": {}}),
            "name: field required",
        ),
        (
            json!({"type": "tool_result", "content": "x"}),
            "tool_use_id: field required",
        ),
        (
            json!({"type": "tool_result", "tool_use_id": "a", "content": [{"text": "x"}]}),
            "content.0.type: field required",
        ),
        (
            json!({"type": "tool_result", "tool_use_id": "a", "content": 7}),
            "content: input should be a valid list",
        ),
        (
            json!({"type": "thinking", "signature": "x"}),
            "thinking: field required",
        ),
        (json!({"type": "redacted_thinking"}), "data: field required"),
        (
            json!({"type": "search_result", "content": []}),
            "title: field required",
        ),
    ] {
        let body = with_content(&json!([block]));
        let place = "messages.0.content.0";
        let at = read_json(&body).unwrap_err().to_string();
        let at = at.strip_prefix(place).unwrap();
        assert_eq!(at.trim_start_matches(['.', ':', ' ']), error, "{body}");
    }
}

#[test]
fn bodies_that_are_no_json_are_refused() {
    for body in ["", "{", "{\"model\": \"\u{1}\"}", "{\"model\": \"\\ud83d"] {
        let error = messages(body.as_bytes(), &mut Losses::default()).unwrap_err();
        assert!(matches!(error, TranslateError::Json(_)), "{body}: {error}");
    }
    assert!(messages(b"{\"model\": \"\xff\"}", &mut Losses::default()).is_err());
    for body in ["[]", "7", "null", r#"{"model": "a", "model": "b"}"#] {
        let error = messages(body.as_bytes(), &mut Losses::default()).unwrap_err();
        let text = "body: input should be an object that names no field twice";
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn counting_needs_no_limit() {
    let body = br#"{"model": "m", "messages": [{"role": "user", "content": "x"}]}"#;
    assert_eq!(
        count_tokens(body, &mut Losses::default())
            .unwrap()
            .max_tokens,
        None
    );
}

#[test]
fn strings_are_one_text() {
    assert!(matches!(&blocks(&json!("hi"))[..], [Block::Text(text)] if text == "hi"));
    let request = read_json(&with("system", json!("be brief"))).unwrap();
    assert_eq!(request.system, ["be brief"]);
}

#[test]
fn tool_results_may_say_nothing() {
    for content in [json!({}), json!({"content": null}), json!({"content": []})] {
        let mut block = json!({"type": "tool_result", "tool_use_id": "a"});
        block
            .as_object_mut()
            .unwrap()
            .extend(content.as_object().unwrap().clone());
        let Block::ToolResult(result) = blocks(&json!([block])).remove(0) else {
            panic!("{block}");
        };
        assert!(result.content.is_empty());
        assert!(!result.is_error);
    }
}

#[test]
fn sources_of_all_kinds_are_read() {
    let source = |source: Value| {
        let block = json!([{"type": "document", "source": source}]);
        match blocks(&block).remove(0) {
            Block::Document { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        source(json!({"type": "text", "data": "x"})),
        DocumentSource::Text(_)
    ));
    assert!(matches!(
        source(json!({"type": "url", "url": "u"})),
        DocumentSource::Url(_)
    ));
    assert!(matches!(
        source(json!({"type": "file", "file_id": "f"})),
        DocumentSource::File(_)
    ));
    assert!(matches!(
        source(json!({"type": "content", "content": "x"})),
        DocumentSource::Blocks(_)
    ));
    let image = json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}]);
    assert!(matches!(
        blocks(&image)[0],
        Block::Image(ImageSource::File(_))
    ));
}

#[test]
fn unknown_things_are_kept_as_they_stood() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[
        {"type":"new_block", "n": 1.10, "z":0, "a":1},
        {"type":"image","source":{"type":"new_source"}},
        {"type":"tool_result","tool_use_id":"t","content":[{"type":"new_part"}]}]}],
        "new_field":{"x":null}}"#;
    let mut request = messages(body.as_bytes(), &mut Losses::default()).unwrap();
    let blocks = request.messages.remove(0).blocks;
    let Block::Unknown { kind, raw } = &blocks[0] else {
        panic!("{blocks:?}");
    };
    assert_eq!(kind, "new_block");
    assert_eq!(
        raw.get(),
        r#"{"type":"new_block", "n": 1.10, "z":0, "a":1}"#
    );
    assert!(matches!(&blocks[1], Block::Unknown { kind, .. } if kind == "image"));
    let Block::ToolResult(result) = &blocks[2] else {
        panic!("{blocks:?}");
    };
    assert!(matches!(&result.content[0], ToolResultPart::Unknown { .. }));
    assert_eq!(request.rest["new_field"], json!({"x": null}));
}

#[test]
fn tool_inputs_keep_their_bytes() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"a","name":"n","input": {"z": 1.10, "big": 123456789012345678901234567890, "s": "\ud83d"} },
        {"type":"tool_use","id":"b","name":"n"}]}]}"#;
    let request = messages(body.as_bytes(), &mut Losses::default()).unwrap();
    let inputs: Vec<&str> = request.messages[0]
        .blocks
        .iter()
        .map(|block| match block {
            Block::ToolUse(call) => call.input.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        inputs[0],
        r#"{"z": 1.10, "big": 123456789012345678901234567890, "s": "\ud83d"}"#
    );
    assert_eq!(inputs[1], "{}");
}

#[test]
fn cache_marks_are_found_where_they_stand() {
    let mark = json!({"type": "ephemeral"});
    let body = json!({"model": "m", "max_tokens": 1,
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": mark}],
        "tools": [{"type": "web_search_20250305", "name": "w"}, {"name": "t", "input_schema": {}, "cache_control": mark}],
        "messages": [{"role": "user", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "y", "cache_control": null},
                {"type": "text", "text": "z", "cache_control": mark}]}]});
    let found: Vec<CacheAt> = read_json(&body)
        .unwrap()
        .cache_breakpoints
        .iter()
        .map(|one| one.at)
        .collect();
    let block = CacheAt::Block {
        message: 1,
        block: 1,
    };
    assert_eq!(found, [CacheAt::System(1), block, CacheAt::Tool(0)]);
}

#[test]
fn tools_are_told_apart_by_who_runs_them() {
    let tools = json!([
        {"name": "plain", "input_schema": {"type": "object"}},
        {"type": null, "name": "null_type"},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600},
        {"type": "computer_toolset_20260801"},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "bash_latest", "name": "not a version"}
    ]);
    let request = read_json(&with("tools", tools)).unwrap();
    let client: Vec<&str> = request
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    assert_eq!(client, ["plain", "null_type", "bash", "computer"]);
    assert_eq!(request.tools[2].typed.as_deref(), Some("bash_20250124"));
    let description = request.tools[3].description.as_deref().unwrap();
    assert!(description.contains("800 by 600"), "{description}");
    let server: Vec<&str> = request
        .server_tools
        .iter()
        .map(|tool| tool.kind.as_str())
        .collect();
    assert_eq!(
        server,
        [
            "computer_toolset_20260801",
            "code_execution_20250825",
            "bash_latest"
        ]
    );
}

#[test]
fn choices_and_settings_are_read() {
    let mut body = with(
        "tool_choice",
        json!({"type": "tool", "name": "x", "disable_parallel_tool_use": true}),
    );
    body["thinking"] = json!({"type": "between_tools"});
    body["output_config"] = json!({"effort": "xhigh"});
    body["output_format"] = json!({"type": "json_schema", "schema": {"type": "object"}});
    let request = read_json(&body).unwrap();
    assert_eq!(request.tool_choice, Some(ToolChoice::Tool("x".to_owned())));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.thinking, Some(Thinking::Adaptive));
    assert_eq!(request.effort, Some(Effort::XHigh));
    assert!(request.format.is_some());
}

#[test]
fn what_has_no_place_is_a_loss() {
    let mut body = with("thinking", json!({"type": "new_kind"}));
    body["output_config"] =
        json!({"effort": "heroic", "task_budget": {"total": 1}, "format": {"type": "xml"}});
    body["messages"] = json!([
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": true}}]},
        {"role": "system", "clear_at": "next"}]);
    let mut losses = Losses::default();
    messages(body.to_string().as_bytes(), &mut losses).unwrap();
    let mut paths: Vec<&str> = losses
        .kept()
        .iter()
        .map(|loss| loss.path.as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "messages[0].content[0].citations",
            "messages[1].clear_at",
            "output_config.effort",
            "output_config.format",
            "output_config.task_budget",
            "thinking"
        ]
    );
}

#[test]
fn hostile_nesting_neither_recurses_nor_hangs() {
    let nest =
        |open: &str, close: &str, depth| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let arrays = nest("[", "]", 200_000);
    let body = |message: &str, field: &str| {
        format!(r#"{{"model":"m","max_tokens":1,"messages":[{message}]{field}}}"#)
    };
    let plain = r#"{"role":"user","content":"x"}"#;
    let refused = [
        body(plain, &format!(r#","x":{arrays}"#)),
        body(plain, &format!(r#","system":{arrays}"#)),
        body(
            plain,
            &format!(r#","tools":[{{"name":"t","input_schema":{{"a":{arrays}}}}}]"#),
        ),
        body(&arrays, ""),
        body(&format!(r#"{{"role":"user","content":{arrays}}}"#), ""),
        body(
            &format!(
                r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a","content":{arrays}}}]}}"#
            ),
            "",
        ),
        body(
            &format!(
                r#"{{"role":"user","content":{}}}"#,
                nest(
                    r#"[{"type":"document","source":{"type":"content","content":"#,
                    "}}]",
                    10_000
                )
            ),
            "",
        ),
    ];
    for body in refused {
        assert!(messages(body.as_bytes(), &mut Losses::default()).is_err());
    }
    let carried = [
        format!(
            r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"n","input":{{"a":{arrays}}}}}]}}"#
        ),
        format!(r#"{{"role":"user","content":[{{"type":"new_block","a":{arrays}}}]}}"#),
    ];
    for message in carried {
        messages(body(&message, "").as_bytes(), &mut Losses::default()).unwrap();
    }
    let documents = r#"{"type":"document","source":{"type":"content","content":["#;
    let body = body(
        &format!(
            r#"{{"role":"user","content":[{}{}]}}"#,
            documents.repeat(5),
            "]}}".repeat(5)
        ),
        "",
    );
    let error = messages(body.as_bytes(), &mut Losses::default())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("nested too deeply"), "{error}");
}
