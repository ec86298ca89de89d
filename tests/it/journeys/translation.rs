//! Other dialects: what a client of one sees of a provider of the other, and conversations that change providers.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::completion;
use crate::support::answers::completion_chunk;
use crate::support::answers::completion_end;
use crate::support::answers::completion_stream;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::assembly::assemble;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

async fn openai(upstream: &Upstream) -> Proxy {
    let setup = Setup::of([Provider::openai("o", &upstream.url())])
        .route("*", &["provider: o, model: gpt-journey, priority: 1"]);
    Proxy::start(setup).await
}

async fn anthropic(upstream: &Upstream) -> Proxy {
    Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await
}

fn last_delta(reply: &Reply) -> Value {
    let events = reply.events();
    let found = events.iter().find(|event| event.name == "message_delta");
    found.unwrap().json()
}

#[tokio::test]
async fn an_anthropic_client_gets_json_from_an_openai_provider() {
    let upstream = Upstream::script([Act::answer(200, &[], completion("Hello there"))]).await;
    let proxy = openai(&upstream).await;
    let body = json!({
        "model": MODEL, "max_tokens": 64, "temperature": 0.5, "stop_sequences": ["END"],
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "metadata": {"user_id": "u"},
    });

    let reply = proxy
        .ask(Request::messages(body.to_string()).header("anthropic-beta", "x-2099"))
        .await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-pointsman-provider"), Some("o"));
    let json = reply.json();
    assert_eq!(json["type"], "message", "{json}");
    assert_eq!(json["role"], "assistant", "{json}");
    assert_eq!(
        json["content"],
        json!([{"type": "text", "text": "Hello there"}])
    );
    assert_eq!(json["stop_reason"], "end_turn", "{json}");
    assert_eq!(json["usage"]["input_tokens"], 11, "{json}");
    assert_eq!(json["usage"]["output_tokens"], 3, "{json}");

    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(
        seen.headers().all("authorization"),
        [format!("Bearer {}", key_of("o"))]
    );
    for name in ["x-api-key", "anthropic-version", "anthropic-beta"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let sent = seen.json();
    assert_eq!(sent["model"], "gpt-journey", "{sent}");
    assert_eq!(sent["temperature"], 0.5, "{sent}");
    let limit = sent.get("max_tokens").or(sent.get("max_completion_tokens"));
    assert_eq!(limit, Some(&json!(64)), "{sent}");
    assert_eq!(sent["messages"][0]["role"], "system", "{sent}");
    assert!(
        sent["messages"][0].to_string().contains("be brief"),
        "{sent}"
    );
    assert!(!seen.text().contains("cache_control"), "{sent}");
}

#[tokio::test]
async fn an_anthropic_client_gets_a_stream_from_an_openai_provider() {
    let upstream =
        Upstream::script([Act::events(completion_stream("Hello there my friend"))]).await;
    let proxy = openai(&upstream).await;

    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;

    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert_eq!(
        assemble(&reply),
        [json!({"type": "text", "text": "Hello there my friend"})]
    );
    let delta = last_delta(&reply);
    assert_eq!(delta["delta"]["stop_reason"], "end_turn", "{delta}");
    assert_eq!(delta["usage"]["output_tokens"], 3, "{delta}");
    let sent = upstream.only().json();
    assert_eq!(sent["stream"], true, "{sent}");
    assert_eq!(sent["stream_options"]["include_usage"], true, "{sent}");
}

fn tool_chunks() -> String {
    [
        completion_chunk(&json!({"role": "assistant", "content": null}), None),
        completion_chunk(
            &json!({"tool_calls": [{"index": 0, "id": "call_00000000000000000000001", "type": "function", "function": {"name": "Bash", "arguments": ""}}]}),
            None,
        ),
        completion_chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"command\":"}}]}), None),
        completion_chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": " \"ls\"}"}}]}), None),
        completion_chunk(
            &json!({"tool_calls": [{"index": 1, "id": "call_00000000000000000000002", "type": "function", "function": {"name": "Read", "arguments": "{\"path\":\"a\"}"}}]}),
            None,
        ),
        completion_chunk(&json!({}), Some("tool_calls")),
        completion_end(),
    ]
    .concat()
}

#[tokio::test]
async fn a_tool_loop_runs_through_an_openai_provider() {
    let upstream = Upstream::script([
        Act::events(tool_chunks()),
        Act::events(completion_stream("two files")),
    ])
    .await;
    let proxy = openai(&upstream).await;
    let tools = json!([
        {"name": "Bash", "description": "run", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}},
        {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}},
    ]);
    let mut body = json!({
        "model": MODEL, "max_tokens": 64, "stream": true, "tools": tools, "tool_choice": {"type": "auto"},
        "messages": [{"role": "user", "content": "list"}],
    });

    let first = proxy.ask(Request::messages(body.to_string())).await;
    let blocks = assemble(&first);
    assert_eq!(last_delta(&first)["delta"]["stop_reason"], "tool_use");
    let calls: Vec<&Value> = blocks
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .collect();
    assert_eq!(calls.len(), 2, "{blocks:?}");
    assert_eq!(
        (&calls[0]["name"], &calls[0]["input"]),
        (&json!("Bash"), &json!({"command": "ls"}))
    );
    assert_eq!(
        (&calls[1]["name"], &calls[1]["input"]),
        (&json!("Read"), &json!({"path": "a"}))
    );

    let results: Vec<Value> = calls
        .iter()
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "out"}]}))
        .collect();
    let history = body["messages"].as_array_mut().unwrap();
    history.push(json!({"role": "assistant", "content": blocks}));
    history.push(json!({"role": "user", "content": results}));
    let second = proxy.ask(Request::messages(body.to_string())).await;
    assert_eq!(
        assemble(&second),
        [json!({"type": "text", "text": "two files"})]
    );

    let sent = upstream.seen(0).json();
    assert_eq!(sent["tools"][0]["type"], "function", "{sent}");
    assert_eq!(sent["tools"][0]["function"]["name"], "Bash", "{sent}");
    assert_eq!(
        sent["tools"][0]["function"]["parameters"]["required"],
        json!(["command"]),
        "{sent}"
    );
    let sent = upstream.seen(1).json();
    let roles: Vec<&str> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"], "{sent}");
    let asked = &sent["messages"][1]["tool_calls"];
    for (index, id) in [
        "call_00000000000000000000001",
        "call_00000000000000000000002",
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(asked[index]["id"], id, "{sent}");
        assert_eq!(sent["messages"][2 + index]["tool_call_id"], id, "{sent}");
    }
    let arguments: Value =
        serde_json::from_str(asked[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"command": "ls"}));
}

#[tokio::test]
async fn a_cut_openai_stream_is_not_closed_as_complete() {
    let chunks = [
        completion_chunk(&json!({"role": "assistant", "content": ""}), None),
        completion_chunk(&json!({"content": "Hel"}), None),
    ];
    let upstream = Upstream::script([Act::stream().data(chunks.concat()).close()]).await;
    let proxy = openai(&upstream).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    let names = reply.event_names();
    assert_eq!(
        names.last().map(String::as_str),
        Some("error"),
        "{}",
        reply.text()
    );
    assert!(
        reply.text().contains("Hel") && !reply.text().contains("message_stop"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn an_openai_role_chunk_commits_to_nothing() {
    let role = completion_chunk(&json!({"role": "assistant", "content": ""}), None);
    let error = "data: {\"error\":{\"message\":\"server overloaded\",\"type\":\"server_error\",\"code\":503}}\n\n";
    for act in [
        Act::stream().data(&role).close(),
        Act::stream().data(role.clone() + error).end(),
        Act::stream().data(": OPENROUTER PROCESSING\n\n").reset(),
        Act::answer(
            200,
            &[],
            r#"{"error":{"message":"Provider returned error","code":502}}"#,
        ),
    ] {
        let first = Upstream::script([act]).await;
        let second = Upstream::script([streams("rescued")]).await;
        let setup = Setup::of([
            Provider::openai("o", &first.url()),
            Provider::anthropic("a", &second.url()),
        ]);
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, stream("rescued")));
        assert_eq!((first.calls(), second.calls()), (1, 1));
    }
}

#[tokio::test]
async fn an_openai_refusal_reaches_an_anthropic_client_in_its_shape() {
    let body = r#"{"error":{"message":"Unsupported value: 'temperature'","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#;
    let upstream = Upstream::script([Act::answer(400, &[("retry-after", "3")], body)]).await;
    let proxy = openai(&upstream).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["type"], "error", "{json}");
    assert_eq!(json["error"]["type"], "invalid_request_error", "{json}");
    assert!(
        json["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Unsupported value"),
        "{json}"
    );
}

/// Asks a provider that answers everything with a stream for JSON.
async fn is_put_together(upstream: Upstream, provider: Provider) {
    let proxy = Proxy::start(Setup::of([provider.with("stream_only: true")])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json = reply.json();
    assert_eq!(
        json["content"],
        json!([{"type": "text", "text": "Hello there"}]),
        "{json}"
    );
    assert_eq!(json["stop_reason"], "end_turn", "{json}");
    assert_eq!(json["usage"]["output_tokens"], 3, "{json}");
    assert_eq!(upstream.only().json()["stream"], true);
}

#[tokio::test]
async fn an_openai_provider_that_only_streams_serves_a_client_that_wants_json() {
    let upstream = Upstream::script([Act::events(completion_stream("Hello there"))]).await;
    let provider = Provider::openai("o", &upstream.url());
    is_put_together(upstream, provider).await;
}

#[tokio::test]
async fn an_anthropic_provider_that_only_streams_serves_a_client_that_wants_json() {
    let upstream = Upstream::script([streams("Hello there")]).await;
    let provider = Provider::anthropic("a", &upstream.url());
    is_put_together(upstream, provider).await;
}

#[tokio::test]
async fn a_stream_nobody_asked_for_is_put_together() {
    let upstream = Upstream::script([streams("Hello there")]).await;
    let proxy = anthropic(&upstream).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(
        reply.json()["content"],
        json!([{"type": "text", "text": "Hello there"}])
    );
}

#[tokio::test]
async fn json_where_a_stream_was_asked_for_becomes_one() {
    let upstream = Upstream::script([Act::answer(200, &[], completion("Hello there"))]).await;
    let proxy = openai(&upstream).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!(
        assemble(&reply),
        [json!({"type": "text", "text": "Hello there"})]
    );
}
