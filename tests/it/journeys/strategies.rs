//! Strategies: how requests are shared out among candidates of equal priority.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn pair(settings: &[&str], candidates: &[&str]) -> (Upstream, Upstream, Proxy) {
    let first = Upstream::always(says("a")).await;
    let second = Upstream::always(says("b")).await;
    let mut setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route("*", candidates);
    for line in settings {
        setup = setup.setting(line);
    }
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

const EQUAL: [&str; 2] = [
    "provider: a, model: passthrough, priority: 1",
    "provider: b, model: passthrough, priority: 1",
];

async fn answer(proxy: &Proxy, request: Request) -> String {
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[tokio::test]
async fn under_round_robin_providers_take_turns() {
    let (first, second, proxy) = pair(&["selection_strategy: round_robin"], &EQUAL).await;
    for _ in 0..6 {
        answer(&proxy, Request::messages(ask("hi"))).await;
    }
    assert_eq!((first.calls(), second.calls()), (3, 3));
}

#[tokio::test]
async fn weights_are_kept() {
    let candidates = [
        "provider: a, model: passthrough, priority: 1, weight: 3",
        "provider: b, model: passthrough, priority: 1, weight: 1",
    ];
    let (first, second, proxy) = pair(&["selection_strategy: weighted"], &candidates).await;
    for _ in 0..80 {
        answer(&proxy, Request::messages(ask("hi"))).await;
    }
    assert_eq!(first.calls() + second.calls(), 80);
    // Chance may play a part, but not this much of one: 60 expected, five deviations either side.
    assert!((40..=79).contains(&first.calls()), "{}", first.calls());
}

#[tokio::test]
async fn what_a_model_cannot_do_is_asked_of_the_next_one() {
    let first = Upstream::always(says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with("models: {\"*\": {caps: [images]}}"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let plain: Value = serde_json::from_str(&ask("hi")).unwrap();
    let with = |key: &str, value: Value| {
        let mut body = plain.clone();
        body[key] = value;
        body.to_string()
    };
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let tools = json!([{"name": "t", "input_schema": {"type": "object"}}]);
    for (body, text) in [
        (plain.to_string(), "a"),
        (with("thinking", thinking), "b"),
        (with("thinking", json!({"type": "disabled"})), "a"),
        (with("tools", tools), "b"),
    ] {
        let reply = proxy.ask(Request::messages(&body)).await;
        assert_eq!(reply.text(), message(text), "{body}");
    }
}
