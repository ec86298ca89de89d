//! Strategies: how requests are shared out among candidates of equal priority.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
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

#[tokio::test]
async fn the_cheapest_serves_and_the_unpriced_come_last() {
    let priced = "models: {\"*\": {price: {input: 1, output: 2}}}";
    let upstreams = [
        Upstream::always(says("unknown")).await,
        Upstream::always(says("listed")).await,
        Upstream::always(says("own price")).await,
    ];
    let setup = Setup::of([
        Provider::anthropic("u", &upstreams[0].url()),
        Provider::anthropic("l", &upstreams[1].url()),
        Provider::anthropic("o", &upstreams[2].url()).with(priced),
    ])
    .route(
        "*",
        &[
            "provider: u, model: nobody-knows, priority: 1",
            "provider: l, model: claude-sonnet-4-5, priority: 1",
            "provider: o, model: nobody-knows, priority: 1",
        ],
    )
    .setting("selection_strategy: cheapest");
    let proxy = Proxy::start(setup).await;
    for (failing, expected) in [
        (None, "own price"),
        (Some(2), "listed"),
        (Some(1), "unknown"),
    ] {
        if let Some(at) = failing {
            let at: usize = at;
            for _ in 0..8 {
                upstreams[at].then(refuses(500, "api_error", "boom"));
            }
        }
        assert_eq!(
            answer(&proxy, Request::messages(ask("hi"))).await,
            message(expected)
        );
    }
}

#[tokio::test]
async fn the_least_busy_serves() {
    let gate = Gate::new();
    let first = Upstream::always(Act::new().wait(&gate).and(&says("a"))).await;
    let second = Upstream::always(Act::new().wait(&gate).and(&says("b"))).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route("*", &EQUAL)
    .setting("selection_strategy: least_busy");
    let proxy = Proxy::start(setup).await;
    let ask_one = || answer(&proxy, Request::messages(ask("hi")));
    let watch = async {
        // Each request goes where fewer are: after every second one, both have as many.
        for calls in 1..=3 {
            first.called(calls).await;
            second.called(calls).await;
        }
        gate.open();
    };
    tokio::join!(
        ask_one(),
        ask_one(),
        ask_one(),
        ask_one(),
        ask_one(),
        ask_one(),
        watch
    );
    assert_eq!((first.calls(), second.calls()), (3, 3));
}

#[tokio::test]
async fn the_faster_serves_once_both_are_known() {
    let gate = Gate::new();
    let slow = Act::new().wait(&gate).and(&says("slow"));
    let first = Upstream::first([slow], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route("*", &EQUAL)
    .setting("selection_strategy: fastest");
    let proxy = Proxy::start(setup).await;
    // Whoever is unknown is tried: two requests know both.
    let both = async {
        [
            answer(&proxy, Request::messages(ask("1"))).await,
            answer(&proxy, Request::messages(ask("2"))).await,
        ]
    };
    let hold = async {
        first.called(1).await;
        gate.after(Duration::from_millis(1500));
    };
    let (known, ()) = tokio::join!(both, hold);
    assert!(known.contains(&message("slow")) && known.contains(&message("b")));
    for _ in 0..10 {
        assert_eq!(
            answer(&proxy, Request::messages(ask("hi"))).await,
            message("b")
        );
    }
    assert_eq!(first.calls(), 1);
}
