//! `count_tokens`: the provider's own count where there is one, ours where there is none, never an error.

use crate::support::answers::ask;
use crate::support::answers::refuses;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

fn count(text: &str) -> Request {
    Request::post("/v1/messages/count_tokens?beta=true", ask(text))
        .header("anthropic-version", "2023-06-01")
}

#[tokio::test]
async fn the_provider_is_asked_with_the_same_bytes() {
    let upstream = Upstream::script([Act::answer(
        200,
        &[],
        "{\"input_tokens\" : 4711, \"new\":1}",
    )])
    .await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy
        .ask(count("how many?").header("anthropic-beta", "token-counting-2099"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["input_tokens"], 4711);
    let seen = upstream.only();
    assert!(
        seen.head.line.starts_with("POST /v1/messages/count_tokens"),
        "{}",
        seen.head.line
    );
    assert_eq!(seen.text(), ask("how many?"));
    assert_eq!(seen.headers().all("x-api-key"), [key_of("a")]);
    assert_eq!(seen.header("anthropic-beta"), Some("token-counting-2099"));
}

#[tokio::test]
async fn a_provider_that_cannot_count_is_counted_for() {
    for act in [
        refuses(404, "not_found_error", "no such path"),
        refuses(405, "invalid_request_error", "no"),
        refuses(500, "api_error", "boom"),
        Act::answer(200, &[], "<html>"),
        Act::new().reset(),
        Act::answer(429, &[("retry-after", "60")], "{}"),
    ] {
        let upstream = Upstream::always(act).await;
        let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
        let reply = proxy
            .ask(count("how many tokens are in these few words?"))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tokens = reply.json()["input_tokens"].as_u64().unwrap();
        assert!((8..60).contains(&tokens), "{tokens}");
        // A count that failed says nothing about the calls that matter.
        let provider = proxy.provider("a").await;
        assert_eq!(provider["healthy"], true, "{provider}");
    }
}

#[tokio::test]
async fn an_openai_provider_is_never_asked() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let few = proxy.ask(count("few words")).await.json()["input_tokens"]
        .as_u64()
        .unwrap();
    let many = proxy.ask(count(&"many words ".repeat(1_000))).await.json()["input_tokens"]
        .as_u64()
        .unwrap();
    assert!(0 < few && 1_000 < many, "{few} {many}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_bad_request_is_still_a_bad_request() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy
        .ask(Request::post("/v1/messages/count_tokens", "{"))
        .await;
    assert_eq!(
        (reply.status, reply.json()["error"]["type"].as_str()),
        (400, Some("invalid_request_error"))
    );
    assert_eq!(upstream.calls(), 0);
}
