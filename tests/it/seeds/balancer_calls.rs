//! The same for single calls: what may be asked, identical calls at once, and the balancer's own key.

use serde_json::{Value, json};

use super::balancer::{balanced, fails, hi};
use crate::support::answers::{
    MODEL, ask, ask_stream, completion, completion_stream, message, says, stream, streams,
    streams_until,
};
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// Requests that the balancer's tests made, and some that its validation refused although they are good.
fn requests() -> Vec<(&'static str, Value)> {
    let base = || -> Value { serde_json::from_str(&ask("hi")).unwrap() };
    let with = |fields: Value| {
        let mut body = base();
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        body
    };
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    vec![
        ("plain", base()),
        ("system", with(json!({"system": "be brief"}))),
        (
            "system blocks",
            with(json!({"system": [{"type": "text", "text": "be brief"}]})),
        ),
        ("temperature", with(json!({"temperature": 0.7}))),
        (
            "tools",
            with(
                json!({"tools": [{"name": "weather", "description": "d", "input_schema": schema}]}),
            ),
        ),
        ("custom field", with(json!({"x_custom": {"a": [1, 2]}}))),
        ("another model", with(json!({"model": "custom-model-name"}))),
        (
            "empty text",
            with(json!({"messages": [{"role": "user", "content": ""}]})),
        ),
        (
            "long text",
            with(json!({"messages": [{"role": "user", "content": "x".repeat(200_000)}]})),
        ),
        (
            "more than 100,000 tokens",
            with(json!({"max_tokens": 128_000})),
        ),
        (
            "a tool of the vendor",
            with(json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})),
        ),
        (
            "a document",
            with(json!({"messages": [{"role": "user", "content": [
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {"type": "text", "text": "?"}
            ]}]})),
        ),
    ]
}

#[tokio::test]
async fn every_good_request_passes_as_it_is() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    for (i, (what, body)) in requests().into_iter().enumerate() {
        let body = body.to_string();
        let reply = proxy.ask(Request::messages(&body)).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")), "{what}");
        assert_eq!(upstream.seen(i).text(), body, "{what}");
    }
    let upstream = Upstream::always(streams("a")).await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    for (what, mut body) in requests() {
        body["stream"] = json!(true);
        let reply = proxy.ask(Request::messages(body.to_string())).await;
        assert_eq!(reply.text(), stream("a"), "{what}");
        let kind = reply.header("content-type").unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
    }
}

#[tokio::test]
async fn openai_providers_serve_the_same_requests() {
    let whole = Act::answer(
        200,
        &[("content-type", "application/json")],
        completion("a"),
    );
    let upstream = Upstream::always(whole).await;
    let proxy = Proxy::start(Setup::of([Provider::openai("O", &upstream.url())])).await;
    // A message without content is refused by such providers.
    let requests = requests().into_iter().filter(|it| it.0 != "empty text");
    for (what, body) in requests {
        let reply = proxy.ask(Request::messages(body.to_string())).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(reply.json()["content"][0]["text"], "a", "{what}");
    }
    let upstream = Upstream::always(Act::events(completion_stream("a b c"))).await;
    let proxy = Proxy::start(Setup::of([Provider::openai("O", &upstream.url())])).await;
    let replies = (0..3).map(|i| {
        let request = Request::messages(ask_stream(&i.to_string()));
        proxy.ask(request)
    });
    let [one, two, three] = replies.collect::<Vec<_>>().try_into().ok().unwrap();
    let (one, two, three) = tokio::join!(one, two, three);
    for reply in [one, two, three] {
        assert_eq!(reply.event_names().last().unwrap(), "message_stop");
    }
}

#[tokio::test]
async fn a_request_without_what_it_needs_is_refused() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    for (body, field) in [
        (json!({"messages": [], "max_tokens": 1}), "model"),
        (json!({"model": MODEL, "max_tokens": 1}), "messages"),
        (
            json!({"model": MODEL, "max_tokens": 1, "messages": "hi"}),
            "messages",
        ),
    ] {
        let reply = proxy.ask(Request::messages(body.to_string())).await;
        assert_eq!(reply.status, 400, "{body}");
        let error = reply.json();
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["error"]["message"].as_str().unwrap().contains(field));
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn identical_calls_at_once_are_one() {
    let gate = Gate::new();
    let upstream = Upstream::always(streams_until(&gate)).await;
    let proxy = Proxy::start(balanced(&[&upstream], &["enable_deduplication: true"])).await;
    let ask = || proxy.ask(Request::messages(ask_stream("same")));
    let opened = async {
        proxy.followed(3).await;
        gate.open();
    };
    let (one, two, three, four, ()) = tokio::join!(ask(), ask(), ask(), ask(), opened);
    for reply in [one, two, three, four] {
        // Of four the old code answered two with 409.
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.event_names().last().unwrap(), "message_stop");
    }
    assert_eq!(upstream.calls(), 1);
    // What is over is not shared.
    ask().await;
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_whole_answer_is_given_beside_a_stream_of_the_same() {
    let gate = Gate::new();
    let whole = Act::answer(
        200,
        &[("content-type", "application/json")],
        message("whole"),
    );
    let upstream = Upstream::first([streams_until(&gate)], whole).await;
    let proxy = Proxy::start(balanced(&[&upstream], &["enable_deduplication: true"])).await;
    let mut streaming = proxy.connect().await;
    streaming
        .send(Request::messages(ask_stream("same")).bytes())
        .await;
    upstream.called(1).await;
    let other = async {
        let reply = hi(&proxy, "same").await;
        gate.open();
        reply
    };
    let reply = other.await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["type"], "message");
    assert_eq!(streaming.reply().await.status, 200);
}

#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let gate = Gate::new();
    let failing = Act::new().wait(&gate).and(&fails(500, "no"));
    let upstream = Upstream::first([failing], says("fresh")).await;
    let proxy = Proxy::start(balanced(&[&upstream], &["enable_deduplication: true"])).await;
    let opened = async {
        proxy.followed(1).await;
        gate.open();
    };
    let (one, two, ()) = tokio::join!(hi(&proxy, "same"), hi(&proxy, "same"), opened);
    assert!(400 <= one.status && 400 <= two.status);
    assert_eq!(upstream.calls(), 1);
    assert_eq!(hi(&proxy, "same").await.text(), message("fresh"));
}

#[tokio::test]
async fn the_balancers_own_key_opens_in_either_header_and_some_paths_need_none() {
    const KEY: &str = "gw-canary-balancer-0123456789";
    let upstream = Upstream::always(says("a")).await;
    let section = format!(
        "auth: {{enabled: true, api_key: {KEY}, exempt_paths: [/health, /docs, /v1/messages/count_tokens]}}"
    );
    let setup = balanced(&[&upstream], &[]).section(&section).secret(KEY);
    let proxy = Proxy::start(setup).await;
    let ask = || Request::messages(ask("hi"));
    for (name, value, status) in [
        ("x-api-key", KEY.to_owned(), 200),
        ("authorization", format!("Bearer {KEY}"), 200),
        ("authorization", KEY.to_owned(), 200),
        ("x-api-key", "wrong".to_owned(), 401),
        ("x-other", KEY.to_owned(), 401),
    ] {
        let reply = proxy.ask(ask().header(name, &value)).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status == 401 {
            assert_eq!(reply.json()["error"]["type"], "authentication_error");
        }
    }
    assert_eq!(proxy.ask(Request::get("/health")).await.status, 200);
    assert_eq!(proxy.ask(Request::get("/")).await.status, 200);
    let count = Request::post("/v1/messages/count_tokens", ask_without_limit());
    assert_eq!(proxy.ask(count).await.status, 200, "exempt");
}

fn ask_without_limit() -> String {
    ask("hi").replace(r#""max_tokens":64,"#, "")
}

#[tokio::test]
async fn cleaning_up_empties_the_cache() {
    let upstream = Upstream::always(says("a")).await;
    let settings = ["cache_ttl: 3600", "cache_size_limit: 1000"];
    let proxy = Proxy::start(balanced(&[&upstream], &settings)).await;
    let cold = || {
        let body = ask("hi").replacen('{', r#"{"temperature":0,"#, 1);
        proxy.ask(Request::messages(body))
    };
    for _ in 0..2 {
        assert_eq!(cold().await.text(), message("a"));
    }
    assert_eq!(upstream.calls(), 1);
    for target in ["/cleanup", "/cleanup?force=true"] {
        let reply = proxy.ask(Request::post(target, "")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["status"], "cleanup completed");
    }
    cold().await;
    assert_eq!(upstream.calls(), 2);
    let far = Request::post("/cleanup", "").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(proxy.ask(far).await.status, 403);
}

#[tokio::test]
async fn what_may_be_called_is_told_to_people_and_programs() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    let page = proxy.ask(Request::get("/docs")).await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.text().contains("/v1/messages/count_tokens"));
    let document = proxy.ask(Request::get("/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    // Each call is there under its method, whoever may make it.
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let target = path.replace(['{', '}'], "");
            let request = Request::new(&method.to_ascii_uppercase(), &target);
            let status = proxy
                .ask(request.header("via", "1.1 stranger"))
                .await
                .status;
            // Without a profile nobody signs in, and there is one model more than there are.
            let may_miss = path.starts_with("/oauth/") || path.contains("{model}");
            let is_there = status != 405 && (status != 404 || may_miss);
            assert!(is_there, "{method} {path}: {status}");
        }
    }
}
