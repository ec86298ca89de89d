//! When nobody could answer: which error the client gets, in its own dialect, and what it may learn from it.

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Refusing;
use crate::support::upstream::Upstream;

/// One provider per act, in this order, none of which waits.
async fn all_fail(acts: Vec<Act>) -> (Reply, Vec<Upstream>) {
    let mut upstreams = Vec::new();
    let mut providers = Vec::new();
    for act in acts {
        let upstream = Upstream::always(act).await;
        let name = format!("p{}", upstreams.len());
        providers.push(Provider::anthropic(&name, &upstream.url()));
        upstreams.push(upstream);
    }
    let setup = Setup::of(providers).setting("max_retry_wait: 100ms");
    let proxy = Proxy::start(setup).await;
    let reply = proxy
        .ask(Request::messages(ask("hi")).header("x-pointsman-debug", "1"))
        .await;
    (reply, upstreams)
}

fn calls(upstreams: &[Upstream]) -> Vec<usize> {
    upstreams.iter().map(Upstream::calls).collect()
}

fn limited(retry_after: &str) -> Act {
    let body = error_body("rate_limit_error", &format!("wait {retry_after}"));
    let headers = [
        ("retry-after", retry_after),
        ("anthropic-ratelimit-requests-remaining", "0"),
    ];
    Act::answer(429, &headers, body)
}

/// The shape every error of our own has for an Anthropic client.
fn is_our_own(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json = reply.json();
    assert_eq!(json["type"], "error", "{json}");
    assert_eq!(json["error"]["type"], kind, "{json}");
    assert!(!json["error"]["message"].as_str().unwrap().is_empty());
    assert_eq!(json["request_id"].as_str(), reply.header("request-id"));
    assert!(!reply.text().contains("http://"), "{}", reply.text());
    if let Some(after) = reply.header("retry-after") {
        assert!(after.parse::<u64>().unwrap() <= 20, "{after}");
    }
}

#[tokio::test]
async fn a_lone_provider_is_quoted() {
    for (status, kind) in [
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ] {
        let (reply, upstreams) =
            all_fail(vec![refuses(status, kind, "in the vendor's words")]).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.text(), error_body(kind, "in the vendor's words"));
        assert_eq!(reply.header("request-id"), Some("req_upstream"));
        // An overloaded one may be asked twice, after a short wait.
        assert!((1..=2).contains(&upstreams[0].calls()), "{status}");
    }
}

#[tokio::test]
async fn a_lone_limited_provider_is_quoted_with_its_headers() {
    let (reply, upstreams) = all_fail(vec![limited("47")]).await;
    assert_eq!(
        (reply.status, reply.text()),
        (429, error_body("rate_limit_error", "wait 47"))
    );
    assert_eq!(reply.header("retry-after"), Some("47"));
    assert_eq!(
        reply.header("anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    assert_eq!(calls(&upstreams), [1]);
}

#[tokio::test]
async fn a_lone_provider_that_cannot_be_reached_is_a_503() {
    let refusing = Refusing::new();
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &refusing.url())])).await;
    for body in [ask("hi"), ask_stream("hi")] {
        let reply = proxy.ask(Request::messages(body)).await;
        is_our_own(&reply, 503, "api_error");
        assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());
    }
}

#[tokio::test]
async fn when_all_are_limited_the_soonest_is_quoted() {
    let (reply, upstreams) = all_fail(vec![limited("30"), limited("7"), limited("19")]).await;
    assert_eq!(
        (reply.status, reply.text()),
        (429, error_body("rate_limit_error", "wait 7"))
    );
    assert_eq!(reply.headers().all("retry-after"), ["7"]);
    assert_eq!(calls(&upstreams), [1, 1, 1]);
}

#[tokio::test]
async fn when_all_credentials_are_dead_the_clients_own_is_not_blamed() {
    for count in [1, 3] {
        let acts = vec![refuses(401, "authentication_error", "invalid x-api-key"); count];
        let (reply, upstreams) = all_fail(acts).await;
        is_our_own(&reply, 502, "api_error");
        assert_eq!(reply.header("x-should-retry"), Some("false"));
        assert_eq!(calls(&upstreams), vec![1; count]);
    }
}

#[tokio::test]
async fn dead_credentials_stay_dead_without_asking_again() {
    let dead = refuses(401, "authentication_error", "invalid x-api-key");
    let first = Upstream::always(dead.clone()).await;
    let second = Upstream::always(dead).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    for _ in 0..3 {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        is_our_own(&reply, 502, "api_error");
        assert_eq!(reply.header("x-should-retry"), Some("false"));
    }
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn different_failures_are_a_503_that_is_tried_again() {
    let acts = vec![
        refuses(500, "api_error", "boom"),
        limited("47"),
        Act::new().reset(),
    ];
    let (reply, upstreams) = all_fail(acts).await;
    is_our_own(&reply, 503, "api_error");
    assert_eq!(reply.header("x-should-retry"), None);
    assert_eq!(reply.header("x-pointsman-attempts"), Some("3"));
    let trace = reply.header("x-pointsman-trace").unwrap();
    for name in ["p0=", "p1=", "p2="] {
        assert!(trace.contains(name), "{trace}");
    }
    assert_eq!(calls(&upstreams), [1, 1, 1]);
}

#[tokio::test]
async fn a_fault_of_the_client_is_told_even_after_faults_of_providers() {
    let acts = vec![
        refuses(500, "api_error", "boom"),
        refuses(
            400,
            "invalid_request_error",
            "prompt is too long: 5 tokens > 4 maximum",
        ),
        says("never"),
    ];
    let (reply, upstreams) = all_fail(acts).await;
    let body = error_body(
        "invalid_request_error",
        "prompt is too long: 5 tokens > 4 maximum",
    );
    assert_eq!((reply.status, reply.text()), (400, body));
    assert_eq!(calls(&upstreams)[..2], [1, 1]);
}

#[tokio::test]
async fn no_more_than_four_candidates_are_tried() {
    let (reply, upstreams) = all_fail(vec![refuses(500, "api_error", "boom"); 6]).await;
    is_our_own(&reply, 503, "api_error");
    assert_eq!(calls(&upstreams), [1, 1, 1, 1, 0, 0]);
    assert_eq!(reply.header("x-pointsman-attempts"), Some("4"));
}

#[tokio::test]
async fn the_trace_is_only_for_who_asks() {
    let first = Upstream::script([refuses(500, "api_error", "boom"), says("a")]).await;
    let second = Upstream::script([says("b")]).await;
    let setup = Setup::of([
        Provider::anthropic("first", &first.url()),
        Provider::anthropic("second", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let traced = proxy
        .ask(Request::messages(ask("hi")).header("x-pointsman-debug", "1"))
        .await;
    assert_eq!(traced.status, 200);
    let trace = traced.header("x-pointsman-trace").unwrap();
    assert!(
        trace.contains("first=") && trace.contains("second="),
        "{trace}"
    );
    assert_eq!(traced.header("x-pointsman-attempts"), Some("2"));
    let plain = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(plain.header("x-pointsman-trace"), None);
    assert_eq!(plain.header("x-pointsman-attempts"), Some("1"));
}

#[tokio::test]
async fn a_deadline_of_the_client_is_kept() {
    let upstream = Upstream::always(Act::new().hang()).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    // Less five seconds, but at least one.
    let request = Request::messages(ask(MODEL)).header("x-stainless-timeout", "5");
    let reply = proxy.ask(request).await;
    is_our_own(&reply, 503, "api_error");
    upstream.abandoned(0).await;
}

/// The client can shorten its conversation; a 500 of the last resort would only make it try the same again.
#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_even_if_a_larger_window_fails() {
    let text = "prompt is too long: 300000 tokens > 200000 maximum";
    let small = Upstream::always(refuses(400, "invalid_request_error", text)).await;
    let large = Upstream::always(refuses(500, "api_error", "boom")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &small.url()).with("models: {\"*\": {context: 200000}}"),
        Provider::anthropic("b", &large.url()).with("models: {\"*\": {context: 1000000}}"),
    ]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((small.calls(), large.calls()), (1, 1));
    assert_eq!(
        (reply.status, reply.text()),
        (400, error_body("invalid_request_error", text))
    );
}

#[tokio::test]
async fn a_prompt_too_long_for_one_window_is_served_by_a_larger_and_asked_of_no_smaller() {
    let text = "prompt is too long: 300000 tokens > 200000 maximum";
    let medium = Upstream::always(refuses(400, "invalid_request_error", text)).await;
    let small = Upstream::silent().await;
    let large = Upstream::always(says("large")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &medium.url()).with("models: {\"*\": {context: 200000}}"),
        Provider::anthropic("b", &small.url()).with("models: {\"*\": {context: 100000}}"),
        Provider::anthropic("c", &large.url()).with("models: {\"*\": {context: 1000000}}"),
    ]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("large")));
    assert_eq!((medium.calls(), small.calls(), large.calls()), (1, 0, 1));
    assert_eq!(proxy.provider("a").await["failure_count"], 0);
}

#[tokio::test]
async fn after_the_deadline_nobody_is_asked_or_blamed() {
    let first = Upstream::always(Act::new().hang()).await;
    let second = Upstream::silent().await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("request_deadline: 500ms");
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!((first.calls(), second.calls()), (1, 0));
    let message = reply.json()["error"]["message"].to_string();
    assert!(!message.contains("b ("), "{message}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_gives_way_to_the_next() {
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", "http://no-such-host.invalid"),
        Provider::anthropic("b", &second.url()),
    ]);
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    let line = proxy.line("recorded error for provider a: count=1/2").await;
    assert!(
        line.contains("cannot resolve no-such-host.invalid"),
        "{line}"
    );
}

#[tokio::test]
async fn when_all_are_overloaded_the_last_is_quoted() {
    let (reply, upstreams) = all_fail(
        (0..2)
            .map(|_| {
                let busy = error_body("overloaded_error", "busy");
                Act::answer(529, &[("retry-after", "40")], busy)
            })
            .collect(),
    )
    .await;
    assert_eq!(calls(&upstreams), [1, 1]);
    assert_eq!(reply.status, 529);
    assert_eq!(reply.header("retry-after"), Some("40"));
    assert_eq!(reply.text(), error_body("overloaded_error", "busy"));
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_on_to_a_model_that_is_known_to_hold_more() {
    let text = "prompt is too long: 300000 tokens > 200000 maximum";
    let small = Upstream::script([refuses(400, "invalid_request_error", text)]).await;
    let equal = Upstream::silent().await;
    let large = Upstream::always(says("c")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &small.url()),
        Provider::anthropic("b", &equal.url()),
        Provider::anthropic("c", &large.url()),
    ])
    .route(
        "*",
        &[
            "provider: a, model: claude-sonnet-4-5, priority: 1",
            "provider: b, model: claude-haiku-4-5, priority: 2",
            "provider: c, model: gemini-2.5-pro, priority: 3",
        ],
    );
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("c"));
    assert_eq!((small.calls(), equal.calls()), (1, 0));
}
