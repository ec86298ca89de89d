use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::canonical::{Block, Effort, Role, Thinking, ToolChoice};

fn read_with(fields: Value) -> (Result<Request, TranslateError>, Losses) {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let Value::Object(fields) = fields else {
        panic!("an object")
    };
    body.as_object_mut().unwrap().extend(fields);
    let mut losses = Losses::default();
    (inbound(body.to_string().as_bytes(), &mut losses), losses)
}

fn with(fields: Value) -> Request {
    read_with(fields).0.unwrap()
}

fn refusal(fields: Value) -> String {
    read_with(fields).0.unwrap_err().to_string()
}

fn said(message: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}, message]})
}

#[test]
fn errors_name_the_message() {
    for (fields, expected) in [
        (json!({"model": null}), "model: field required"),
        (json!({"model": 7}), "model: input should be a valid string"),
        (json!({"messages": null}), "messages: field required"),
        (
            json!({"messages": []}),
            "messages: at least one message is required",
        ),
        (
            json!({"messages": {}}),
            "messages: input should be a valid list",
        ),
        (
            json!({"messages": ["Hi"]}),
            "messages.0: input should be a valid object",
        ),
        (
            said(&json!({"content": "x"})),
            "messages.1.role: field required",
        ),
        (
            said(&json!({"role": "tester", "content": "x"})),
            "messages.1.role: input should be 'system', 'developer', 'user', 'assistant', 'tool' or 'function'",
        ),
        (
            said(&json!({"role": "user"})),
            "messages.1.content: field required",
        ),
        (
            said(&json!({"role": "user", "content": 7})),
            "messages.1.content: input should be a valid list",
        ),
    ] {
        assert_eq!(refusal(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn errors_name_the_part() {
    let parts = |part: Value| said(&json!({"role": "user", "content": ["x", part]}));
    let part = |part: Value| said(&json!({"role": "user", "content": [part]}));
    for (fields, expected) in [
        (
            parts(json!({})),
            "messages.1.content.0: input should be a valid object",
        ),
        (
            part(json!({"text": "x"})),
            "messages.1.content.0.type: field required",
        ),
        (
            part(json!({"type": "text"})),
            "messages.1.content.0.text: field required",
        ),
        (
            part(json!({"type": "image_url"})),
            "messages.1.content.0.image_url: field required",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/png,%89"}})),
            "messages.1.content.0.image_url.url: input should be a web address or a base64 data URL",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "ftp://a.example"}})),
            "messages.1.content.0.image_url.url: input should be a web address or a base64 data URL",
        ),
        (
            part(json!({"type": "file", "file": {"filename": "a"}})),
            "messages.1.content.0.file.file_data: field required",
        ),
        (
            part(json!({"type": "file", "file": {"file_data": "data:text/plain,abc"}})),
            "messages.1.content.0.file.file_data: input should be a base64 data URL",
        ),
    ] {
        assert_eq!(refusal(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn errors_name_the_call() {
    let call =
        |call: Value| said(&json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    for (fields, expected) in [
        (
            call(json!({"type": "function"})),
            "messages.1.tool_calls.0.id: field required",
        ),
        (
            call(json!({"id": "c", "type": "function"})),
            "messages.1.tool_calls.0.function: field required",
        ),
        (
            call(json!({"id": "c", "type": "function", "function": {"name": "n", "arguments": 7}})),
            "messages.1.tool_calls.0.function.arguments: input should be a valid string",
        ),
        (
            call(json!({"id": "c", "type": "mcp"})),
            "messages.1.tool_calls.0.type: input should be 'function' or 'custom'",
        ),
        (
            said(&json!({"role": "tool", "content": "x"})),
            "messages.1.tool_call_id: field required",
        ),
        (
            said(&json!({"role": "function", "content": "x"})),
            "messages.1.name: field required",
        ),
        (
            said(&json!({"role": "assistant", "reasoning_details": {}})),
            "messages.1.reasoning_details: input should be a valid list",
        ),
    ] {
        assert_eq!(refusal(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn errors_name_the_option() {
    let tool = |tool: Value| json!({"tools": [tool]});
    for (fields, expected) in [
        (
            tool(json!({"type": "function"})),
            "tools.0.function: field required",
        ),
        (
            tool(json!({"type": "function", "function": {}})),
            "tools.0.function.name: field required",
        ),
        (
            tool(json!({"type": "function", "function": {"name": "n", "parameters": []}})),
            "tools.0.function.parameters: input should be a valid object",
        ),
        (
            json!({"tool_choice": "must"}),
            "tool_choice: input should be 'none', 'auto', 'required' or an object",
        ),
        (
            json!({"tool_choice": {"type": "function"}}),
            "tool_choice.function: field required",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "x"}}}),
            "tool_choice.allowed_tools.mode: input should be 'auto' or 'required'",
        ),
        (
            json!({"max_tokens": 0}),
            "max_tokens: input should be a valid integer of 1 or more",
        ),
        (
            json!({"max_completion_tokens": 1.5}),
            "max_completion_tokens: input should be a valid integer of 1 or more",
        ),
        (
            json!({"temperature": "hot"}),
            "temperature: input should be a valid number",
        ),
        (
            json!({"stop": 7}),
            "stop: input should be a valid string or list of strings",
        ),
        (
            json!({"stream": "yes"}),
            "stream: input should be a valid boolean",
        ),
        (
            json!({"stream_options": true}),
            "stream_options: input should be a valid object",
        ),
        (json!({"n": 0}), "n: input should be 1"),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format.json_schema: field required",
        ),
    ] {
        assert_eq!(refusal(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let refused = |body: &[u8]| {
        inbound(body, &mut Losses::default())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(b"{").starts_with("the request body is not valid JSON"));
    assert!(refused(b"{\"model\":\"\xff\"}").starts_with("the request body is not valid JSON"));
    for body in ["[]", "7", r#"{"model":"a","model":"b"}"#] {
        assert_eq!(
            refused(body.as_bytes()),
            "body: input should be an object that names no field twice"
        );
    }
    let twice = r#"{"model":"m","messages":[{"role":"user","role":"user","content":"x"}]}"#;
    assert_eq!(
        refused(twice.as_bytes()),
        "messages.0: input should be a valid object"
    );
}

#[test]
fn deep_nesting_neither_overflows_nor_passes() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        format!(r#"{{"model":"m","messages":{deep}}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":{deep}}}]}}"#),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"new":{deep}}}"#),
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"n","parameters":{{"a":{deep}}}}}}}]}}"#
        ),
    ] {
        assert!(inbound(body.as_bytes(), &mut Losses::default()).is_err());
    }
    // Arguments are not looked into.
    let arguments = json!(format!("{{\"a\":{deep}}}"));
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"n","arguments":{arguments}}}}}]}}]}}"#
    );
    assert!(inbound(body.as_bytes(), &mut Losses::default()).is_ok());
}

#[test]
fn every_vendors_word_for_thinking_is_known() {
    let adaptive = Some(Thinking::Adaptive);
    let off = Some(Thinking::Disabled);
    let budget = Some(Thinking::Budget(500));
    for (fields, thinking, effort) in [
        (json!({}), None, None),
        (json!({"reasoning_effort": "none"}), off, None),
        (
            json!({"reasoning_effort": "minimal"}),
            adaptive,
            Some(Effort::Minimal),
        ),
        (
            json!({"reasoning_effort": "max"}),
            adaptive,
            Some(Effort::Max),
        ),
        (
            json!({"reasoning": {"effort": "low"}}),
            adaptive,
            Some(Effort::Low),
        ),
        (json!({"reasoning": {"effort": "none"}}), off, None),
        (json!({"reasoning": {"max_tokens": 500}}), budget, None),
        (json!({"reasoning": {"enabled": true}}), adaptive, None),
        (json!({"reasoning": {"enabled": false}}), off, None),
        (json!({"thinking": {"type": "enabled"}}), adaptive, None),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 500}}),
            budget,
            None,
        ),
        (json!({"thinking": {"type": "disabled"}}), off, None),
        (
            json!({"enable_thinking": true, "thinking_budget": 500}),
            budget,
            None,
        ),
        (json!({"enable_thinking": false}), off, None),
        (json!({"thinking_budget": 0}), off, None),
        (json!({"thinking": {"clear_thinking": false}}), None, None),
        (
            json!({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}),
            off,
            None,
        ),
    ] {
        let (request, losses) = read_with(fields.clone());
        let request = request.unwrap();
        assert_eq!(
            (request.thinking, request.effort),
            (thinking, effort),
            "{fields}"
        );
        assert!(losses.is_empty(), "{fields}: {losses}");
    }
    for (fields, lost) in [
        (
            json!({"reasoning_effort": "huge"}),
            "reasoning_effort dropped: unknown value",
        ),
        (
            json!({"reasoning": {"exclude": true}}),
            "reasoning.exclude dropped",
        ),
        (
            json!({"include_reasoning": false}),
            "include_reasoning dropped",
        ),
        (
            json!({"thinking": {"type": "new"}}),
            "thinking dropped: unknown type",
        ),
    ] {
        let (request, losses) = read_with(fields);
        assert_eq!(request.unwrap().thinking, None);
        assert_eq!(losses.to_string(), lost);
    }
}

#[test]
fn limits_formats_and_choices_have_several_names() {
    assert_eq!(with(json!({"max_tokens": 5})).max_tokens, Some(5));
    let both = json!({"max_tokens": 5, "max_completion_tokens": 7});
    assert_eq!(with(both).max_tokens, Some(7));
    assert_eq!(with(json!({"max_tokens": -1})).max_tokens, None);
    assert_eq!(with(json!({"stop": "a"})).stop_sequences, ["a"]);
    assert_eq!(with(json!({"top_logprobs": 3})).logprobs, None);
    assert_eq!(with(json!({"logprobs": true})).logprobs, Some(0));
    assert!(
        with(json!({"response_format": {"type": "text"}}))
            .format
            .is_none()
    );
    let any = with(json!({"response_format": {"type": "json_object"}}))
        .format
        .unwrap();
    assert_eq!(any.schema, None);
    let shaped = json!({"response_format": {"type": "json_object", "schema": {"type": "object"}}});
    assert_eq!(
        with(shaped).format.unwrap().schema,
        Some(json!({"type": "object"}))
    );
    for (choice, expected) in [
        (json!("none"), ToolChoice::None),
        (json!("auto"), ToolChoice::Auto),
        (json!("required"), ToolChoice::Any),
        (json!({"type": "auto"}), ToolChoice::Auto),
        (
            json!({"type": "function", "name": "n"}),
            ToolChoice::Tool("n".to_owned()),
        ),
    ] {
        assert_eq!(
            with(json!({"tool_choice": choice})).tool_choice,
            Some(expected)
        );
    }
    assert_eq!(
        with(json!({"function_call": "none"})).tool_choice,
        Some(ToolChoice::None)
    );
}

#[test]
fn an_unknown_answer_shape_is_lost_aloud() {
    let (request, losses) = read_with(json!({"response_format": {"type": "regex"}}));
    assert!(request.unwrap().format.is_none());
    assert_eq!(
        losses.to_string(),
        "response_format.type dropped: unknown type"
    );
}

/// A client that streamed reasoning and joined nothing sends thousands of pieces.
#[test]
fn many_pieces_of_reasoning_are_joined_in_time() {
    let piece = json!({"type": "reasoning.text", "text": "x", "index": 0});
    let apart = |index| json!({"type": "reasoning.text", "text": "y", "index": index});
    let mut details = vec![piece; 50_000];
    details.extend((1..50_000).map(apart));
    let request = with(said(
        &json!({"role": "assistant", "reasoning_details": details}),
    ));
    let blocks = &request.messages[1].blocks;
    assert_eq!(blocks.len(), 50_000);
    let Block::Thinking { text, .. } = &blocks[0] else {
        panic!("{:?}", blocks[0])
    };
    assert_eq!(text.len(), 50_000);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = inbound(&body, &mut Losses::default());
    }

    /// Whatever the order of speakers, results stand first in a message and no wish to cache points nowhere.
    #[test]
    fn any_order_of_speakers_is_kept(roles in prop::collection::vec(0..6usize, 1..20)) {
        let mark = json!({"type": "ephemeral"});
        let messages: Vec<Value> = roles.iter().enumerate().map(|(at, role)| match role {
            0 => json!({"role": "system", "content": format!("s{at}"), "cache_control": mark}),
            1 => json!({"role": "user", "content": [{"type": "text", "text": format!("u{at}"), "cache_control": mark}]}),
            2 => json!({"role": "assistant", "content": format!("a{at}")}),
            3 => json!({"role": "assistant", "function_call": {"name": "f", "arguments": ""}}),
            4 => json!({"role": "function", "name": "f", "content": format!("f{at}")}),
            _ => json!({"role": "tool", "tool_call_id": "c", "content": format!("t{at}"), "cache_control": mark}),
        }).collect();
        let request = with(json!({"messages": messages}));
        prop_assert!(!request.messages.is_empty());
        for wish in &request.cache_breakpoints {
            let there = match wish.at {
                crate::protocol::canonical::CacheAt::System(at) => request.system.get(at).is_some(),
                crate::protocol::canonical::CacheAt::Block { message, block } => {
                    request.messages[message].blocks.get(block).is_some()
                }
                crate::protocol::canonical::CacheAt::Tool(_) => false,
            };
            prop_assert!(there, "{wish:?}");
        }
        for message in &request.messages {
            let is_result = |block: &Block| matches!(block, Block::ToolResult(_));
            let results = message.blocks.iter().take_while(|it| is_result(it)).count();
            prop_assert!(!message.blocks[results..].iter().any(is_result));
            prop_assert!(results == 0 || message.role == Role::User);
        }
        let pairs = roles.windows(2).filter(|it| it[0] == 5 && it[1] == 5).count();
        let results: usize = request.messages.iter()
            .map(|it| it.blocks.iter().filter(|it| matches!(it, Block::ToolResult(_))).count())
            .map(|it| it.saturating_sub(1)).sum();
        prop_assert!(pairs <= results, "results side by side were parted");
    }
}
