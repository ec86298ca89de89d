//! What the load generator sends: requests with the shape of a coding agent's.

use serde_json::{Value, json};

/// A Messages request of exactly `bytes` bytes: short ones are a question, longer ones a session with tools, file
/// contents and replies.
pub fn body(model: &str, stream: bool, bytes: usize) -> Vec<u8> {
    let mut request = json!({
        "model": model,
        "max_tokens": 8192,
        "stream": stream,
        "system": [{"type": "text", "text": "You are a coding agent. Work in small, tested steps."}],
        "messages": [{"role": "user", "content": "Why does the test fail?"}],
        "metadata": {"user_id": "user_bench_account_bench_session_"},
    });
    if 64 * 1024 < bytes {
        request["tools"] = tools();
        request["system"][0]["text"] = prose(0, 12_000).into();
        request["system"][0]["cache_control"] = json!({"type": "ephemeral"});
        request["messages"] = conversation(bytes - request.to_string().len());
    }
    pad(request, bytes).to_string().into_bytes()
}

/// The whole request on the wire. Every connection is a session of its own.
pub fn on_the_wire(path: &str, session: usize, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\
         content-type: application/json\r\nuser-agent: claude-cli/2.1 (external, cli)\r\n\
         x-api-key: sk-bench\r\nanthropic-version: 2023-06-01\r\n\
         anthropic-beta: interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14\r\n\
         x-app: cli\r\nx-claude-code-session-id: session-{session}\r\nx-stainless-lang: js\r\n\
         x-stainless-os: Linux\r\nx-stainless-retry-count: 0\r\nx-stainless-timeout: 600\r\n\
         accept-encoding: gzip, deflate, br\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Makes the last text as long as needed.
fn pad(mut request: Value, bytes: usize) -> Value {
    let missing = bytes.saturating_sub(request.to_string().len());
    if let Some(Value::String(text)) = request
        .pointer_mut("/messages")
        .and_then(|it| it.as_array_mut()?.last_mut()?.get_mut("content"))
    {
        text.push_str(&"x".repeat(missing));
    }
    request
}

fn tools() -> Value {
    let names = [
        "Bash",
        "Read",
        "Write",
        "Edit",
        "Glob",
        "Grep",
        "Task",
        "WebFetch",
        "WebSearch",
        "TodoWrite",
        "NotebookEdit",
        "KillShell",
        "BashOutput",
        "ExitPlanMode",
        "Skill",
    ];
    let tool = |(i, name): (usize, &&str)| {
        json!({
            "name": name,
            "description": prose(i, 1_200),
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": prose(i + 7, 120)},
                    "mode": {"type": "string", "enum": ["content", "files", "count"]},
                    "limit": {"type": "number", "minimum": 1, "default": 100},
                    "edits": {"type": "array", "items": {"type": "object", "properties": {
                        "old": {"type": "string"}, "new": {"type": "string"},
                    }}},
                },
                "required": ["path"],
                "additionalProperties": false,
            },
        })
    };
    names.iter().enumerate().map(tool).collect()
}

/// Rounds of a question, a call of a tool and its result, until `bytes` are reached; then a last question.
fn conversation(bytes: usize) -> Value {
    let mut messages = vec![json!({"role": "user", "content": "Make the suite pass."})];
    let mut size = 0;
    for i in 0.. {
        let id = format!("toolu_{i:08}");
        let call = json!({"type": "tool_use", "id": id, "name": "Read", "input": {"path": format!("src/part_{i}.rs")}});
        let said = json!({"type": "text", "text": prose(i, 300)});
        let result = json!({"type": "tool_result", "tool_use_id": id, "content": source(i, 5_000)});
        for message in [
            json!({"role": "assistant", "content": [said, call]}),
            json!({"role": "user", "content": [result]}),
        ] {
            size += message.to_string().len() + 1;
            messages.push(message);
        }
        if bytes <= size + 8_000 {
            break;
        }
    }
    messages.push(json!({"role": "assistant", "content": prose(3, 200)}));
    messages.push(json!({"role": "user", "content": "Go on. "}));
    Value::Array(messages)
}

fn prose(seed: usize, bytes: usize) -> String {
    const WORDS: [&str; 12] = [
        "the ",
        "request ",
        "keeps ",
        "its \"state\" ",
        "until ",
        "a caller ",
        "returns, ",
        "caf\u{e9} ",
        "then ",
        "reads.\n",
        "every ",
        "line ",
    ];
    repeated(&WORDS, seed, bytes)
}

/// File contents: line breaks, tabs, quotes and backslashes, which JSON escapes.
fn source(seed: usize, bytes: usize) -> String {
    const LINES: [&str; 8] = [
        "    1\tuse std::collections::BTreeMap;\n",
        "    2\tfn parse(text: &str) -> Option<u64> {\n",
        "    3\t    let (name, value) = text.split_once(\"\\t\")?;\n",
        "    4\t    match value.trim_matches('\"') {\n",
        "    5\t        \"\" => None,\n",
        "    6\t        it => it.parse().ok(),\n",
        "    7\t    }\n",
        "    8\t}\n",
    ];
    repeated(&LINES, seed, bytes)
}

fn repeated(parts: &[&str], seed: usize, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut i = seed;
    while text.len() < bytes {
        text.push_str(parts[(i * i + i / 3) % parts.len()]);
        i += 1;
    }
    text
}
