//! What clients ask for, in the words of each of their dialects.

use serde_json::{Value, json};

/// One thing that a request may hold.
pub struct Feature {
    /// For people.
    pub name: &'static str,
    /// Fields of an Anthropic request, `null` where the dialect has no words for it.
    pub anthropic: Value,
    /// Likewise of OpenAI Chat.
    pub chat: Value,
    /// Likewise of OpenAI Responses.
    pub responses: Value,
}

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const PDF: &str = "JVBERi0xLjQK";
const NONE: Value = Value::Null;

fn feature(name: &'static str, anthropic: Value, chat: Value, responses: Value) -> Feature {
    Feature {
        name,
        anthropic,
        chat,
        responses,
    }
}

/// A user turn of these blocks, in each dialect.
fn says(name: &'static str, anthropic: &Value, chat: &Value, responses: &Value) -> Feature {
    let turn = |key: &str, block: &Value| match block {
        Value::Null => NONE,
        block => json!({key: [{"role": "user", "content": [block]}]}),
    };
    feature(
        name,
        turn("messages", anthropic),
        turn("messages", chat),
        turn("input", responses),
    )
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

/// The tool `weather`, in each dialect.
fn tools() -> [Value; 3] {
    [
        json!([{"name": "weather", "description": "d", "input_schema": schema()}]),
        json!([{"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema()}}]),
        json!([{"type": "function", "name": "weather", "description": "d", "parameters": schema(), "strict": false}]),
    ]
}

/// The tool and these further fields.
fn with_tools(name: &'static str, anthropic: Value, chat: Value, responses: Value) -> Feature {
    let [a, c, r] = tools();
    let add = |tools: Value, mut fields: Value| {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("tools".to_owned(), tools);
        }
        fields
    };
    feature(name, add(a, anthropic), add(c, chat), add(r, responses))
}

/// A call and its result, `result` in the place of what the tool gave.
fn called(
    name: &'static str,
    is_error: bool,
    anthropic: &Value,
    chat: &Value,
    responses: &Value,
) -> Feature {
    let anthropic = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "x"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": anthropic, "is_error": is_error}]},
    ]});
    let chat = match chat {
        Value::Null => NONE,
        chat => json!({"messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"x\"}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": chat},
        ]}),
    };
    let responses = match responses {
        Value::Null => NONE,
        responses => json!({"input": [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"x\"}"},
            {"type": "function_call_output", "call_id": "call_1", "output": responses},
        ]}),
    };
    with_tools(name, anthropic, chat, responses)
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Feature> {
    [
        content(),
        conversation(),
        tool_features(),
        settings(),
        sampling(),
        vendor_only(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn content() -> Vec<Feature> {
    let image = format!("data:image/png;base64,{PNG}");
    let pdf = format!("data:application/pdf;base64,{PDF}");
    let url = "https://example.com/a.png";
    vec![
        says(
            "text",
            &json!({"type": "text", "text": "hi"}),
            &json!({"type": "text", "text": "hi"}),
            &json!({"type": "input_text", "text": "hi"}),
        ),
        says(
            "picture in the request",
            &json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}),
            &json!({"type": "image_url", "image_url": {"url": image}}),
            &json!({"type": "input_image", "image_url": image}),
        ),
        says(
            "picture by address",
            &json!({"type": "image", "source": {"type": "url", "url": url}}),
            &json!({"type": "image_url", "image_url": {"url": url}}),
            &json!({"type": "input_image", "image_url": url}),
        ),
        says(
            "PDF in the request",
            &json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}),
            &json!({"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}}),
            &json!({"type": "input_file", "filename": "a.pdf", "file_data": pdf}),
        ),
        says(
            "PDF by address",
            &json!({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
            &NONE,
            &json!({"type": "input_file", "file_url": "https://example.com/a.pdf"}),
        ),
        says(
            "text document",
            &json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"}),
            &NONE,
            &NONE,
        ),
        says(
            "search result as context",
            &json!({"type": "search_result", "title": "t", "source": "https://example.com", "content": [{"type": "text", "text": "x"}]}),
            &NONE,
            &NONE,
        ),
        says(
            "file of the vendor's store",
            &json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
            &json!({"type": "file", "file": {"file_id": "file_1"}}),
            &json!({"type": "input_file", "file_id": "file_1"}),
        ),
        says(
            "audio",
            &NONE,
            &json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
            &json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
        ),
    ]
}

fn conversation() -> Vec<Feature> {
    let turns = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "go on"},
    ]);
    vec![
        feature(
            "system prompt",
            json!({"system": "be kind"}),
            json!({"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}),
            json!({"instructions": "be kind"}),
        ),
        feature(
            "system message in mid-conversation",
            json!({"messages": turns}),
            json!({"messages": turns}),
            json!({"input": turns}),
        ),
        feature(
            "answer begun by the client",
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]}),
            json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]}),
            json!({"input": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]}),
        ),
        feature(
            "cache mark",
            json!({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]}),
            NONE,
            NONE,
        ),
        feature(
            "cache key",
            NONE,
            json!({"prompt_cache_key": "s"}),
            json!({"prompt_cache_key": "s"}),
        ),
    ]
}

fn tool_features() -> Vec<Feature> {
    let image = format!("data:image/png;base64,{PNG}");
    let source = json!({"type": "base64", "media_type": "image/png", "data": PNG});
    let long = "mcp__a_server_with_a_very_long_name_indeed__and_a_tool_with_an_even_longer_one";
    let empty = || json!({});
    let named = |name: &str| {
        feature(
            "tool name of 78 characters",
            json!({"tools": [{"name": name, "input_schema": schema()}]}),
            json!({"tools": [{"type": "function", "function": {"name": name, "parameters": schema()}}]}),
            json!({"tools": [{"type": "function", "name": name, "parameters": schema()}]}),
        )
    };
    vec![
        with_tools("tools", empty(), empty(), empty()),
        named(long),
        called(
            "tool result",
            false,
            &json!("sun"),
            &json!("sun"),
            &json!("sun"),
        ),
        called("tool error", true, &json!("broken"), &NONE, &NONE),
        called(
            "picture in a tool result",
            false,
            &json!([{"type": "image", "source": source}]),
            &NONE,
            &json!([{"type": "input_image", "image_url": image}]),
        ),
        with_tools(
            "tool forced",
            json!({"tool_choice": {"type": "any"}}),
            json!({"tool_choice": "required"}),
            json!({"tool_choice": "required"}),
        ),
        with_tools(
            "one tool forced",
            json!({"tool_choice": {"type": "tool", "name": "weather"}}),
            json!({"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
            json!({"tool_choice": {"type": "function", "name": "weather"}}),
        ),
        with_tools(
            "tools forbidden",
            json!({"tool_choice": {"type": "none"}}),
            json!({"tool_choice": "none"}),
            json!({"tool_choice": "none"}),
        ),
        with_tools(
            "one call at a time",
            json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
            json!({"parallel_tool_calls": false}),
            json!({"parallel_tool_calls": false}),
        ),
        feature(
            "tool with free text",
            NONE,
            json!({"tools": [{"type": "custom", "custom": {"name": "patch", "description": "d"}}]}),
            json!({"tools": [{"type": "custom", "name": "patch", "description": "d"}]}),
        ),
        feature(
            "web search",
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            json!({"web_search_options": {}}),
            json!({"tools": [{"type": "web_search"}]}),
        ),
        feature(
            "code execution",
            json!({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}),
            NONE,
            json!({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
        ),
        feature(
            "bash, text editor",
            json!({"tools": [{"type": "bash_20250124", "name": "bash"}, {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}]}),
            NONE,
            NONE,
        ),
        feature(
            "MCP servers at the vendor",
            json!({"mcp_servers": [{"type": "url", "name": "m", "url": "https://example.com"}]}),
            NONE,
            json!({"tools": [{"type": "mcp", "server_label": "m", "server_url": "https://example.com"}]}),
        ),
    ]
}

fn settings() -> Vec<Feature> {
    let format =
        json!({"type": "json_schema", "name": "answer", "schema": schema(), "strict": true});
    let nested = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema(), "strict": true}});
    vec![
        feature(
            "thinking up to a budget",
            json!({"max_tokens": 8192, "thinking": {"type": "enabled", "budget_tokens": 2048}}),
            NONE,
            NONE,
        ),
        feature(
            "thinking as needed",
            json!({"thinking": {"type": "adaptive"}}),
            NONE,
            NONE,
        ),
        feature(
            "effort",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
            json!({"reasoning_effort": "high"}),
            json!({"reasoning": {"effort": "high", "summary": "auto"}}),
        ),
        feature(
            "no thinking",
            json!({"thinking": {"type": "disabled"}}),
            json!({"reasoning_effort": "none"}),
            json!({"reasoning": {"effort": "none"}}),
        ),
        feature(
            "answer of a JSON schema",
            json!({"output_config": {"format": {"type": "json_schema", "schema": schema()}}}),
            json!({"response_format": nested}),
            json!({"text": {"format": format}}),
        ),
        feature(
            "any JSON object",
            NONE,
            json!({"response_format": {"type": "json_object"}}),
            json!({"text": {"format": {"type": "json_object"}}}),
        ),
    ]
}

fn sampling() -> Vec<Feature> {
    vec![
        feature(
            "stop sequences",
            json!({"stop_sequences": ["a", "b"]}),
            json!({"stop": ["a", "b"]}),
            NONE,
        ),
        feature(
            "six stop sequences",
            json!({"stop_sequences": ["a", "b", "c", "d", "e", "f"]}),
            NONE,
            NONE,
        ),
        feature(
            "temperature",
            json!({"temperature": 0.5}),
            json!({"temperature": 0.5}),
            json!({"temperature": 0.5}),
        ),
        feature(
            "temperature above 1",
            NONE,
            json!({"temperature": 1.5}),
            json!({"temperature": 1.5}),
        ),
        feature(
            "top_p",
            json!({"top_p": 0.5}),
            json!({"top_p": 0.5}),
            json!({"top_p": 0.5}),
        ),
        feature("top_k", json!({"top_k": 5}), NONE, NONE),
        feature("seed", NONE, json!({"seed": 7}), NONE),
        feature(
            "penalties",
            NONE,
            json!({"presence_penalty": 0.5, "frequency_penalty": 0.5}),
            NONE,
        ),
        feature(
            "log probabilities",
            NONE,
            json!({"logprobs": true, "top_logprobs": 2}),
            json!({"top_logprobs": 2, "include": ["message.output_text.logprobs"]}),
        ),
        feature(
            "verbosity",
            NONE,
            json!({"verbosity": "low"}),
            json!({"text": {"verbosity": "low"}}),
        ),
        feature("several answers (n)", NONE, json!({"n": 2}), NONE),
        feature(
            "end user's id",
            json!({"metadata": {"user_id": "u-1"}}),
            json!({"user": "u-1"}),
            json!({"user": "u-1"}),
        ),
        feature(
            "service tier",
            json!({"service_tier": "auto"}),
            json!({"service_tier": "auto"}),
            json!({"service_tier": "auto"}),
        ),
    ]
}

fn vendor_only() -> Vec<Feature> {
    vec![
        feature(
            "message threads",
            json!({"thread": {"id": "t"}}),
            NONE,
            NONE,
        ),
        feature(
            "context management",
            json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
            NONE,
            NONE,
        ),
        feature("container", json!({"container": "c"}), NONE, NONE),
        feature(
            "earlier answer kept by the vendor",
            NONE,
            NONE,
            json!({"previous_response_id": "resp_1"}),
        ),
        feature("in the background", NONE, NONE, json!({"background": true})),
        feature(
            "token bias",
            NONE,
            json!({"logit_bias": {"50256": -100}}),
            NONE,
        ),
    ]
}
