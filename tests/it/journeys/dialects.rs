//! Clients of OpenAI's dialects, and providers of all four: what goes through untouched, what changes its shape, and
//! what happens when it goes wrong.

use serde_json::{Value, json};

use crate::naive::clients::{self, Heard};
use crate::support::answers::{
    begins, completion, completion_chunk, completion_end, completion_stream, delta, error_body,
    event, message, open_text, refuses, says, start, stream, streams,
};
use crate::support::client::{Client, Reply, Request};
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup, key_of};
use crate::support::upstream::Upstream;
use pointsman::types::Dialect;

/// The dialects of clients.
const CLIENTS: [Dialect; 3] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
];

fn path(client: Dialect) -> &'static str {
    match client {
        Dialect::OpenAiChat => "/v1/chat/completions",
        Dialect::OpenAiResponses => "/v1/responses",
        _ => "/v1/messages",
    }
}

/// A request of that dialect; `fields` go over it.
fn asks(client: Dialect, fields: &Value) -> Request {
    let mut body = match client {
        Dialect::OpenAiResponses => json!({"model": "m", "input": "hi"}),
        _ => json!({"model": "m", "max_tokens": 64,
            "messages": [{"role": "user", "content": "hi"}]}),
    };
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    Request::post(path(client), body.to_string())
}

fn asks_stream(client: Dialect) -> Request {
    asks(client, &json!({"stream": true}))
}

/// What that client hears of an answer.
fn heard(client: Dialect, reply: &Reply) -> Heard {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let kind = reply.header("content-type").unwrap();
    if kind.starts_with("text/event-stream") {
        clients::stream(
            client,
            path(client),
            without_pings(&reply.text()).as_bytes(),
        )
    } else {
        clients::body(client, &reply.body)
    }
}

fn without_pings(text: &str) -> String {
    text.split_inclusive("\n\n")
        .filter(|it| !it.starts_with(':') && !it.starts_with("event: ping"))
        .collect()
}

/// Bytes of a Responses stream that says `text`.
pub(super) fn response_stream(text: &str) -> String {
    let item = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": text}]});
    let mut open = item.clone();
    open["content"] = json!([]);
    open["status"] = json!("in_progress");
    let place = |mut it: Value| {
        it["item_id"] = json!("msg_1");
        it["output_index"] = json!(0);
        it["content_index"] = json!(0);
        it
    };
    let part = json!({"type": "output_text", "annotations": [], "text": ""});
    let events = [
        json!({"type": "response.created", "response": response("in_progress", &json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": open}),
        place(json!({"type": "response.content_part.added", "part": part})),
        place(json!({"type": "response.output_text.delta", "delta": text})),
        place(json!({"type": "response.output_text.done", "text": text})),
        place(json!({"type": "response.content_part.done", "part": item["content"][0]})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", &json!([item]))}),
    ];
    let numbered = events.into_iter().enumerate().map(|(at, mut it)| {
        it["sequence_number"] = json!(at);
        event(it["type"].as_str().unwrap(), &it.to_string())
    });
    numbered.collect()
}

fn response(status: &str, output: &Value) -> Value {
    let usage = (status == "completed").then(|| {
        json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14})
    });
    json!({"id": "resp_journey", "object": "response", "created_at": 1_760_000_000, "status": status,
        "model": "gpt-journey", "output": output, "error": null, "incomplete_details": null, "usage": usage})
}

fn response_body(text: &str) -> String {
    let content = json!([{"type": "output_text", "annotations": [], "text": text}]);
    let item = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": content});
    response("completed", &json!([item])).to_string()
}

/// One chunk of a Gemini stream, which is a body as well.
fn gemini_chunk(text: &str, finish: Option<&str>) -> String {
    let chunk = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]},
        "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}});
    chunk.to_string()
}

pub(super) fn gemini_stream(text: &str) -> String {
    let chunk = gemini_chunk(text, Some("STOP"));
    format!("data: {chunk}\r\n\r\n")
}

/// A provider of that dialect.
fn provider(dialect: Dialect, name: &str, url: &str) -> Provider {
    match dialect {
        Dialect::Anthropic => Provider::anthropic(name, url),
        Dialect::OpenAiChat => Provider::openai(name, url),
        Dialect::OpenAiResponses => Provider::responses(name, url),
        Dialect::Gemini => Provider::gemini(name, url),
    }
}

fn good_stream(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => stream(text),
        Dialect::OpenAiChat => completion_stream(text),
        Dialect::OpenAiResponses => response_stream(text),
        Dialect::Gemini => gemini_stream(text),
    }
}

fn good_body(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => message(text),
        Dialect::OpenAiChat => completion(text),
        Dialect::OpenAiResponses => response_body(text),
        Dialect::Gemini => gemini_chunk(text, Some("STOP")),
    }
}

const PROVIDERS: [Dialect; 4] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::Gemini,
];

#[tokio::test]
async fn every_client_is_served_by_every_provider_in_every_form() {
    for upstream_dialect in PROVIDERS {
        // Asked for a stream and given one, both whole, and either where the other was asked for.
        let stream = || Act::events(good_stream(upstream_dialect, "Hello there"));
        let body = || Act::answer(200, &[], good_body(upstream_dialect, "Hello there"));
        let upstream = Upstream::script([]).await;
        let proxy = Proxy::start(Setup::of([provider(
            upstream_dialect,
            "p",
            &upstream.url(),
        )]))
        .await;
        for client in CLIENTS {
            for (streaming, act) in [
                (true, stream()),
                (false, body()),
                (true, body()),
                (false, stream()),
            ] {
                let what = format!("{client:?} of {upstream_dialect:?}, stream: {streaming}");
                upstream.then(act);
                let request = asks(client, &json!({"stream": streaming}));
                let reply = proxy.ask(request).await;
                let kind = reply.header("content-type").unwrap_or_default();
                assert_eq!(
                    kind.starts_with("text/event-stream"),
                    streaming,
                    "{what}: {}",
                    reply.text()
                );
                let heard = heard(client, &reply);
                assert_eq!(
                    (heard.texts.concat().as_str(), heard.ends),
                    ("Hello there", 1),
                    "{what}"
                );
                let usage = heard.usage.map(|it| [it[0], it[3]]);
                // Chat Completions counts in a stream for those who ask.
                let counted = !(streaming && client == Dialect::OpenAiChat);
                if counted || usage.is_some() {
                    assert_eq!(usage, Some([11, 3]), "{what}");
                }
                assert_names(&reply, &what);
            }
        }
    }
}

/// Ids and models are there, whoever wrote the answer.
fn assert_names(reply: &Reply, what: &str) {
    let text = reply.text();
    for empty in [
        r#""model":"""#,
        r#""id":"chatcmpl-""#,
        r#""id":"resp_""#,
        r#""id":"""#,
        r#""id":"msg_""#,
    ] {
        assert!(!text.contains(empty), "{what}: {empty} in {text}");
    }
}

#[tokio::test]
async fn chat_completions_pass_untouched_both_ways() {
    let ours = "{ \"foo\": 1.50, \"model\" :\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\",\"x\":[]}],\"n\":2}";
    let limits = [
        ("x-ratelimit-remaining-requests", "7"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("x-request-id", "req_of_openai"),
        ("openai-processing-ms", "12"),
    ];
    let answer = "{\"id\": \"chatcmpl-1\", \"new\": 1.0, \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n";
    let error = "{\"error\": {\"message\":\"bad n\",\"type\":\"invalid_request_error\",\"param\":\"n\",\"code\":null}}\n";
    let odd_stream = completion_stream("Hello there").replace("data: ", "data:");
    let upstream = Upstream::script([
        Act::answer(200, &limits, answer),
        Act::answer(400, &limits, error),
        Act::stream_with(&limits).data(&odd_stream).end(),
    ])
    .await;
    let setup = Setup::of([Provider::openai("o", &upstream.url())])
        .route("*", &["provider: o, model: gpt-real, priority: 1"]);
    let proxy = Proxy::start(setup).await;
    let send =
        |body: &str| Request::post("/v1/chat/completions", body).header("openai-beta", "x=1");
    for (status, body) in [(200, answer), (400, error)] {
        let reply = proxy.ask(send(ours)).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body));
        for (name, value) in limits {
            assert_eq!(reply.header(name), Some(value));
        }
    }
    let streaming = ours.replacen('{', "{\"stream\":true,", 1);
    let reply = proxy.ask(send(&streaming)).await;
    assert_eq!(reply.text(), odd_stream);
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("7"));
    for (index, body) in [ours, ours, &streaming].into_iter().enumerate() {
        let seen = upstream.seen(index);
        assert_eq!(seen.text(), body.replace("\"m\"", "\"gpt-real\""));
        assert_eq!(seen.head.line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(seen.header("openai-beta"), Some("x=1"));
        let bearer = format!("Bearer {}", key_of("o"));
        assert_eq!(seen.headers().all("authorization"), [bearer]);
        assert_eq!(seen.header("x-api-key"), None);
    }
}

#[tokio::test]
async fn responses_pass_untouched_but_for_what_another_provider_sealed() {
    let sealed =
        r#"{"type":"reasoning","id":"rs_9","summary":[],"encrypted_content":"pm1.a.EqQB"}"#;
    let own = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAA"}"#;
    let said = r#"{"role":"user","content":"x"}"#;
    let ours = format!(
        "{{\"previous_response_id\":\"resp_0\",\"model\":\"m\",\"stream\":true,\"foo\":1.0e2,\"input\":[{sealed},{own},{said}]}}"
    );
    let answer = response_stream("Hello there");
    let upstream = Upstream::script([Act::stream_with(&[("x-ratelimit-limit-requests", "9")])
        .data(&answer)
        .end()])
    .await;
    let proxy = Proxy::start(Setup::of([Provider::responses("r", &upstream.url())])).await;
    let reply = proxy.ask(Request::post("/v1/responses", &ours)).await;
    assert_eq!((reply.status, reply.text()), (200, answer));
    assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("9"));
    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /v1/responses HTTP/1.1");
    assert_eq!(seen.text(), ours.replace(&format!("{sealed},"), ""));
}

#[tokio::test]
async fn a_broken_first_candidate_is_invisible_to_clients_of_openai() {
    for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        for broken in [
            begins(&[start()]).close(),
            begins(&[start(), open_text()]).reset(),
            refuses(529, "overloaded_error", "Overloaded"),
            Act::answer(200, &[], error_body("api_error", "boom")),
        ] {
            let first = Upstream::script([broken]).await;
            let second = Upstream::script([streams("rescued")]).await;
            let setup = Setup::of([
                Provider::anthropic("a", &first.url()),
                Provider::anthropic("b", &second.url()),
            ]);
            let proxy = Proxy::start(setup).await;
            let reply = proxy.ask(asks_stream(client)).await;
            let heard = heard(client, &reply);
            assert_eq!((heard.texts.concat().as_str(), heard.ends), ("rescued", 1));
            assert_eq!((first.calls(), second.calls()), (1, 1));
        }
    }
}

#[tokio::test]
async fn a_cut_after_content_ends_in_an_error_of_the_clients_dialect() {
    for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        for upstream_dialect in PROVIDERS {
            let begun = match upstream_dialect {
                Dialect::Anthropic => [start(), open_text(), delta("Hel")].concat(),
                Dialect::OpenAiChat => completion_chunk(&json!({"content": "Hel"}), None),
                Dialect::OpenAiResponses => {
                    let all = response_stream("Hel");
                    let end = all.find("event: response.output_text.done").unwrap();
                    all[..end].to_owned()
                }
                Dialect::Gemini => format!("data: {}\r\n\r\n", gemini_chunk("Hel", None)),
            };
            let first = Upstream::script([Act::stream().data(begun).close()]).await;
            let second = Upstream::silent().await;
            let setup = Setup::of([
                provider(upstream_dialect, "p", &first.url()),
                Provider::anthropic("b", &second.url()),
            ]);
            let proxy = Proxy::start(setup).await;
            let reply = proxy.ask(asks_stream(client)).await;
            let (text, what) = (reply.text(), format!("{client:?} of {upstream_dialect:?}"));
            assert!(text.contains("Hel"), "{what}: {text}");
            for end in [
                "[DONE]",
                "response.completed",
                "response.incomplete",
                "\"stop\"",
                "message_stop",
            ] {
                assert!(!text.contains(end), "{what}: {end} in {text}");
            }
            let events = reply.events();
            let last = events.last().unwrap();
            if client == Dialect::OpenAiChat {
                assert!(
                    last.json()["error"]["message"].is_string(),
                    "{what}: {text}"
                );
            } else {
                assert_eq!(last.name, "response.failed", "{what}: {text}");
                assert_eq!(last.json()["response"]["status"], "failed", "{what}");
            }
            assert_eq!(second.calls(), 0, "{what}");
        }
    }
}

async fn pinging(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("ping_after: 100ms")
    .setting("ping_interval: 100ms");
    Proxy::start(setup).await
}

/// Asks for a stream and returns after the second ping.
async fn two_pings(proxy: &Proxy, client: Dialect) -> Client {
    let mut connection = proxy.connect().await;
    connection.send(asks_stream(client).bytes()).await;
    connection.head().await;
    for _ in 0..2 {
        let ping = connection.event().await.unwrap();
        assert_eq!(ping.raw, ": ping\n\n", "{client:?}");
    }
    connection
}

#[tokio::test]
async fn pings_are_comments_in_openais_dialects() {
    for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        let gate = Gate::new();
        let slow = Act::new().wait(&gate).reset();
        let first = Upstream::script([slow]).await;
        let second = Upstream::script([streams("rescued")]).await;
        let proxy = pinging(&first, &second).await;
        let mut connection = two_pings(&proxy, client).await;
        gate.open();
        let rest = without_pings(&connection.rest().await);
        let heard = clients::stream(client, "after pings", rest.as_bytes());
        assert_eq!((heard.texts.concat().as_str(), heard.ends), ("rescued", 1));
    }
}

/// Codex compacts, waits or gives up by the code alone.
#[tokio::test]
async fn an_error_after_pings_has_the_code_that_clients_act_on() {
    let too_long = error_body(
        "invalid_request_error",
        "prompt is too long: 250000 tokens > 200000 maximum",
    );
    for (client, act, code) in [
        (
            Dialect::OpenAiResponses,
            Act::answer(400, &[], &too_long),
            "context_length_exceeded",
        ),
        (
            Dialect::OpenAiChat,
            Act::answer(400, &[], &too_long),
            "context_length_exceeded",
        ),
        (Dialect::OpenAiResponses, Act::new().close(), "server_error"),
    ] {
        let gate = Gate::new();
        let first = Upstream::script([Act::new().wait(&gate).and(&act)]).await;
        let second = Upstream::always(act).await;
        let proxy = pinging(&first, &second).await;
        let mut connection = two_pings(&proxy, client).await;
        gate.open();
        let rest = without_pings(&connection.rest().await);
        let data = rest
            .lines()
            .find_map(|it| it.strip_prefix("data: "))
            .unwrap();
        let error: Value = serde_json::from_str(data).unwrap();
        assert_eq!(error["error"]["code"], code, "{client:?}: {rest}");
        assert!(
            !rest.contains("[DONE]") && !rest.contains("response.completed"),
            "{rest}"
        );
        if client == Dialect::OpenAiResponses {
            let failed = rest.lines().rfind(|it| it.starts_with("data: ")).unwrap();
            let failed: Value = serde_json::from_str(&failed["data: ".len()..]).unwrap();
            assert_eq!(failed["response"]["error"]["code"], code, "{rest}");
        }
    }
}

/// A provider's rate limit, a refused request and a fault of the provider, in its own words.
fn errors_of(dialect: Dialect) -> [(u16, String); 3] {
    let google = |code: u16, status: &str, text: &str| {
        json!({"error": {"code": code, "message": text, "status": status}}).to_string()
    };
    let openai = |kind: &str, text: &str| {
        json!({"error": {"message": text, "type": kind, "param": "x", "code": null}}).to_string()
    };
    match dialect {
        Dialect::Anthropic => [
            (429, error_body("rate_limit_error", "slow down")),
            (400, error_body("invalid_request_error", "no such field")),
            (500, error_body("api_error", "it broke")),
        ],
        Dialect::Gemini => [
            (429, google(429, "RESOURCE_EXHAUSTED", "slow down")),
            (400, google(400, "INVALID_ARGUMENT", "no such field")),
            (500, google(500, "INTERNAL", "it broke")),
        ],
        Dialect::OpenAiChat | Dialect::OpenAiResponses => [
            (429, openai("rate_limit_exceeded", "slow down")),
            (400, openai("invalid_request_error", "no such field")),
            (500, openai("server_error", "it broke")),
        ],
    }
}

#[tokio::test]
async fn errors_of_every_provider_have_the_shape_of_every_client() {
    for upstream_dialect in PROVIDERS {
        for client in CLIENTS {
            for (index, (status, body)) in errors_of(upstream_dialect).into_iter().enumerate() {
                let upstream = Upstream::always(Act::answer(status, &[], &body)).await;
                let proxy = Proxy::start(Setup::of([provider(
                    upstream_dialect,
                    "p",
                    &upstream.url(),
                )]))
                .await;
                let reply = proxy.ask(asks(client, &json!({}))).await;
                let what = format!("{client:?} of {upstream_dialect:?}: {}", reply.text());
                let json = reply.json();
                let types = if client == Dialect::Anthropic {
                    assert_eq!(json["type"], "error", "{what}");
                    ["rate_limit_error", "invalid_request_error", "api_error"]
                } else {
                    [
                        "rate_limit_exceeded",
                        "invalid_request_error",
                        "server_error",
                    ]
                };
                assert_eq!(json["error"]["type"], types[index], "{what}");
                assert_eq!(reply.status, status, "{what}");
                let words = ["slow down", "no such field", "it broke"][index];
                assert_eq!(json["error"]["message"], words, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn gemini_is_asked_by_path_with_its_key_in_a_header_alone() {
    let upstream = Upstream::script([
        Act::events(gemini_stream("Hello")),
        Act::answer(200, &[], good_body(Dialect::Gemini, "Hello")),
    ])
    .await;
    let setup = Setup::of([Provider::gemini("g", &upstream.url())])
        .route("*", &["provider: g, model: gemini-3-pro, priority: 1"]);
    let proxy = Proxy::start(setup).await;
    for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        let streaming = client == Dialect::OpenAiChat;
        let mut request = asks(client, &json!({"stream": streaming}));
        request = request
            .header("authorization", "Bearer of-the-client")
            .header("x-goog-api-key", "of-the-client");
        assert_eq!(heard(client, &proxy.ask(request).await).texts, ["Hello"]);
    }
    let lines = [
        "POST /v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse HTTP/1.1",
        "POST /v1beta/models/gemini-3-pro:generateContent HTTP/1.1",
    ];
    for (index, line) in lines.into_iter().enumerate() {
        let seen = upstream.seen(index);
        assert_eq!(seen.head.line, line);
        assert_eq!(seen.headers().all("x-goog-api-key"), [key_of("g")]);
        assert_eq!(seen.header("authorization"), None);
        let head = String::from_utf8_lossy(&seen.head.bytes).into_owned();
        assert_eq!(head.matches(&key_of("g")).count(), 1, "{head}");
        assert!(!head.contains("of-the-client"), "{head}");
        assert_eq!(seen.json()["contents"][0]["parts"][0]["text"], "hi");
    }
}

fn google_error(code: u16, status: &str, message: &str, detail: &Value) -> String {
    json!({"error": {"code": code, "message": message, "status": status, "details": [detail]}})
        .to_string()
}

#[tokio::test]
async fn a_gemini_key_that_is_not_valid_is_benched_although_it_says_400() {
    let invalid = google_error(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        &json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}),
    );
    let upstream = Upstream::first(
        [Act::answer(400, &[], invalid)],
        Act::answer(200, &[], good_body(Dialect::Gemini, "Hello")),
    )
    .await;
    let keys = ["bad-canary-key-0000000", "good-canary-key-000000"];
    let gemini = Provider::gemini("g", &upstream.url()).keyed(&keys);
    let proxy = Proxy::start(Setup::of([gemini])).await;
    for _ in 0..3 {
        let reply = proxy.ask(asks(Dialect::OpenAiChat, &json!({}))).await;
        assert_eq!(heard(Dialect::OpenAiChat, &reply).texts, ["Hello"]);
    }
    assert_eq!(upstream.calls(), 4);
    let refused = upstream
        .seen(0)
        .header("x-goog-api-key")
        .unwrap()
        .to_owned();
    for index in 1..4 {
        assert_ne!(
            upstream.seen(index).header("x-goog-api-key"),
            Some(refused.as_str())
        );
    }
}

#[tokio::test]
async fn gemini_says_in_the_body_how_long_to_wait() {
    let limited = google_error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
        &json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}),
    );
    let upstream = Upstream::always(Act::answer(429, &[], limited)).await;
    let proxy = Proxy::start(Setup::of([Provider::gemini("g", &upstream.url())])).await;
    let first = proxy.ask(asks(Dialect::OpenAiChat, &json!({}))).await;
    assert_eq!(first.status, 429, "{}", first.text());
    let second = proxy.ask(asks(Dialect::OpenAiChat, &json!({}))).await;
    assert_eq!(upstream.calls(), 1, "{}", second.text());
    let wait: u64 = second.header("retry-after").unwrap().parse().unwrap();
    assert!((10..=17).contains(&wait), "{wait}");
}

#[tokio::test]
async fn what_only_its_provider_keeps_goes_to_a_provider_of_the_same_dialect() {
    let first = Upstream::silent().await;
    let second = Upstream::script([Act::answer(200, &[], response_body("Hello"))]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::responses("r", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let request = || {
        asks(
            Dialect::OpenAiResponses,
            &json!({"previous_response_id": "resp_1"}),
        )
    };
    let reply = proxy.ask(request()).await;
    assert_eq!(heard(Dialect::OpenAiResponses, &reply).texts, ["Hello"]);
    assert_eq!((first.calls(), second.calls()), (0, 1));

    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    let reply = proxy.ask(request()).await;
    let error = reply.json();
    assert_eq!(
        (reply.status, &error["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    let text = error["error"]["message"].as_str().unwrap();
    assert!(text.contains("previous_response_id"), "{text}");
    assert_eq!(first.calls(), 0);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_by_name_or_goes_where_it_can_be() {
    let first = Upstream::silent().await;
    let second = Upstream::always(Act::answer(200, &[], completion("Hello"))).await;
    let two = asks(Dialect::OpenAiChat, &json!({"n": 2}));
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    let reply = proxy.ask(two.clone()).await;
    let error = reply.json();
    assert_eq!(
        (reply.status, &error["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    let text = error["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("n:"), "{text}");

    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::openai("o", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(two).await;
    assert_eq!(heard(Dialect::OpenAiChat, &reply).texts, ["Hello"]);
    assert_eq!((first.calls(), second.calls()), (0, 1));
    assert_eq!(second.only().json()["n"], 2);
}

#[tokio::test]
async fn the_gateway_key_opens_openais_paths_in_every_header() {
    let upstream = Upstream::always(says("Hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).gateway_key("gate-canary-1");
    let proxy = Proxy::start(setup).await;
    for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        for (name, value) in [
            ("authorization", "Bearer gate-canary-1"),
            ("api-key", "gate-canary-1"),
            ("x-api-key", "gate-canary-1"),
        ] {
            let reply = proxy
                .ask(asks(client, &json!({})).header(name, value))
                .await;
            assert_eq!(heard(client, &reply).texts, ["Hello"], "{name}");
        }
        for wrong in [Some("Bearer wrong"), None] {
            let mut request = asks(client, &json!({}));
            if let Some(wrong) = wrong {
                request = request.header("authorization", wrong);
            }
            let reply = proxy.ask(request).await;
            let error = &reply.json()["error"];
            assert_eq!(reply.status, 401, "{error}");
            assert_eq!(error["code"], "invalid_api_key", "{error}");
            assert!(
                error["param"].is_null() && reply.json().get("type").is_none(),
                "{error}"
            );
        }
    }
    assert_eq!(upstream.calls(), 6);
}

#[tokio::test]
async fn another_form_of_the_same_dialect_keeps_names_tools_and_tokens() {
    let call = |kind: &str, field: &str, text: &str| json!({"index": 0, "id": "call_1", "type": kind, kind: {"name": "patch", field: text}});
    let chunks = [
        completion_chunk(&json!({"role": "assistant", "content": null}), None),
        completion_chunk(
            &json!({"tool_calls": [call("custom", "input", "*** Begin")]}),
            None,
        ),
        completion_chunk(&json!({}), Some("tool_calls")),
        completion_end(),
    ]
    .concat();
    let upstream = Upstream::script([Act::events(chunks)]).await;
    let proxy = Proxy::start(Setup::of([
        Provider::openai("o", &upstream.url()).with("stream_only: true")
    ]))
    .await;
    let tools = json!([{"type": "custom", "custom": {"name": "patch"}}]);
    let reply = proxy
        .ask(asks(Dialect::OpenAiChat, &json!({"tools": tools})))
        .await;
    let json = reply.json();
    assert_eq!(json["model"], "m", "{json}");
    let told = &json["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(told["type"], "custom", "{json}");
    assert_eq!(
        told["custom"],
        json!({"name": "patch", "input": "*** Begin"}),
        "{json}"
    );
    assert_eq!(json["usage"]["total_tokens"], 14, "{json}");
    let sent = upstream.only().json();
    assert_eq!(
        (&sent["stream"], &sent["stream_options"]["include_usage"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn reasoning_put_together_from_a_stream_goes_back_to_its_provider() {
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAA",
        "summary": [{"type": "summary_text", "text": "hm"}]});
    let text = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "text": "a"}]});
    let events = [
        json!({"type": "response.created", "response": response("in_progress", &json!([]))}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": text}),
        json!({"type": "response.completed", "response": response("completed", &json!([item, text]))}),
    ];
    let events: String = events
        .iter()
        .map(|it| event(it["type"].as_str().unwrap(), &it.to_string()))
        .collect();
    let upstream = Upstream::script([Act::events(events)]).await;
    let proxy = Proxy::start(Setup::of([
        Provider::responses("r", &upstream.url()).with("stream_only: true")
    ]))
    .await;
    let reply = proxy.ask(asks(Dialect::OpenAiResponses, &json!({}))).await;
    let json = reply.json();
    assert_eq!(json["output"][0], item, "{json}");
    assert_eq!(upstream.only().json()["stream"], true);
}
