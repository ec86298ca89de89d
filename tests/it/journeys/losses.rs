//! What a translation cannot say: told, counted, or refused.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::completion;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// A request that DeepSeek cannot take as it is: it has no `top_k`.
fn request() -> Request {
    let body = json!({
        "model": MODEL, "max_tokens": 64, "top_k": 5,
        "messages": [{"role": "user", "content": "hi"}],
    });
    Request::messages(body.to_string()).header("x-pointsman-debug", "1")
}

fn answers() -> Act {
    Act::answer(200, &[], completion("Hello there"))
}

fn deepseek(name: &str, upstream: &Upstream) -> Provider {
    Provider::openai(name, &upstream.url()).with("vendor: deepseek")
}

/// What translations have lost, once a request has been written to the log.
async fn counted(proxy: &mut Proxy, status: u16) -> Value {
    proxy.line(&format!("{status} POST /v1/messages")).await;
    proxy.providers().await["translation_losses"].clone()
}

fn error_text(reply: &Reply) -> String {
    let json = reply.json();
    json["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_loss_is_told_once_and_counted() {
    let upstream = Upstream::always(answers()).await;
    let mut proxy = Proxy::start(Setup::of([deepseek("d", &upstream)])).await;
    let before = proxy.providers().await["translation_losses"].clone();
    assert_eq!(before, json!({}));

    let reply = proxy.ask(request()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("x-pointsman-losses"),
        Some("top_k dropped: not accepted by the model")
    );

    assert_eq!(counted(&mut proxy, 200).await, json!({"not_accepted": 1}));
    assert_eq!(proxy.console().matches("losses in translation").count(), 1);
}

#[tokio::test]
async fn only_the_attempt_that_served_has_losses() {
    let down = Upstream::always(refuses(500, "api_error", "down")).await;
    let up = Upstream::always(says("b")).await;
    let setup = Setup::of([deepseek("d", &down), Provider::anthropic("a", &up.url())]);
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(request()).await;
    assert_eq!(reply.text(), message("b"));
    assert_eq!(down.calls(), 1);
    assert_eq!(reply.header("x-pointsman-losses"), None);
    assert_eq!(counted(&mut proxy, 200).await, json!({}));
    assert!(!proxy.console().contains("losses in translation"));
}

#[tokio::test]
async fn a_route_that_refuses_losses_goes_on_to_who_can_say_everything() {
    let lossy = Upstream::silent().await;
    let faithful = Upstream::always(answers()).await;
    let setup = Setup::of([
        deepseek("d", &lossy),
        Provider::openai("o", &faithful.url()).with("vendor: vllm"),
    ]);
    let proxy = Proxy::start(setup.strict_route("*", &["d", "o"])).await;
    let reply = proxy.ask(request()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-pointsman-provider"), Some("o"));
    let trace = reply.header("x-pointsman-trace").unwrap_or_default();
    assert!(
        trace.starts_with("d=untranslatable (") && trace.contains("; o=served ("),
        "{trace}"
    );
    assert_eq!((lossy.calls(), faithful.calls()), (0, 1));
    // It says nothing about the provider's health.
    assert_eq!(proxy.provider("d").await["failure_count"], 0);
}

#[tokio::test]
async fn the_same_dialect_loses_nothing() {
    let lossy = Upstream::silent().await;
    let same = Upstream::always(says("a")).await;
    let setup = Setup::of([deepseek("d", &lossy), Provider::anthropic("a", &same.url())])
        .setting("on_loss: refuse");
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(request()).await.text(), message("a"));
    assert_eq!(lossy.calls(), 0);
}

#[tokio::test]
async fn when_everybody_loses_something_the_client_is_told_what() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([
        deepseek("d", &upstream),
        deepseek("e", &upstream),
        deepseek("off", &upstream).with("enabled: false"),
    ]);
    let mut proxy = Proxy::start(setup.strict_route("*", &["d", "e", "off"])).await;
    let reply = proxy.ask(request()).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    let text = error_text(&reply);
    assert!(
        text.contains("top_k dropped: not accepted by the model"),
        "{text}"
    );
    assert_eq!(upstream.calls(), 0);
    assert_eq!(counted(&mut proxy, 400).await, json!({}));
}

#[tokio::test]
async fn who_may_come_back_decides_about_another_try() {
    let upstream = Upstream::silent().await;
    let failing = Upstream::always(refuses(500, "api_error", "down")).await;
    let setup = Setup::of([
        deepseek("d", &upstream),
        Provider::openai("o", &failing.url()),
    ]);
    let proxy = Proxy::start(setup.strict_route("*", &["d", "o"])).await;
    // A provider that is down may be up a moment later: that is no fault of the request.
    let reply = proxy.ask(request()).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
}
