//! Services by name: what `vendor:` and `quirks:` change on the wire, and where each service's key goes.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::completion;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

fn answers() -> Act {
    Act::answer(200, &[], completion("Hello there"))
}

/// The body that reaches a provider described by these lines, of a request with a bit of everything.
async fn sent(lines: &[&str]) -> Value {
    let upstream = Upstream::always(answers()).await;
    let provider = Provider::openai("o", &upstream.url());
    let provider = lines.iter().fold(provider, |it, line| it.with(line));
    let proxy = Proxy::start(Setup::of([provider])).await;
    let body = json!({
        "model": MODEL, "max_tokens": 64, "top_k": 5, "metadata": {"user_id": "u"},
        "messages": [{"role": "user", "content": "hi"}],
    });
    let reply = proxy.ask(Request::messages(body.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    upstream.only().json()
}

#[tokio::test]
async fn a_vendors_name_decides_what_goes_out() {
    let unknown = sent(&[]).await;
    assert_eq!(unknown["max_tokens"], 64, "{unknown}");
    assert_eq!(unknown["top_k"], 5, "{unknown}");
    assert_eq!(unknown["user"], "u", "{unknown}");

    let minimax = sent(&["vendor: minimax"]).await;
    assert_eq!(minimax["max_completion_tokens"], 64, "{minimax}");
    for key in ["max_tokens", "top_k", "user"] {
        assert_eq!(minimax.get(key), None, "{minimax}");
    }
}

#[tokio::test]
async fn what_is_written_goes_before_what_the_vendor_is_known_for() {
    let provider = "quirks: {max_completion_tokens: false, top_k: true}";
    let body = sent(&["vendor: minimax", provider]).await;
    assert_eq!(body["max_tokens"], 64, "{body}");
    assert_eq!(body["top_k"], 5, "{body}");
    assert_eq!(body.get("user"), None, "{body}");

    let model = "models: {\"claude-*\": {quirks: {top_k: false, user: safety_identifier}}}";
    let body = sent(&["vendor: minimax", provider, model]).await;
    assert_eq!(body["max_tokens"], 64, "{body}");
    assert_eq!(body.get("top_k"), None, "{body}");
    assert_eq!(body["safety_identifier"], "u", "{body}");
}

#[tokio::test]
async fn azures_key_goes_into_its_own_header() {
    let upstream = Upstream::always(answers()).await;
    let provider = Provider::openai("o", &upstream.url()).with("vendor: azure");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /openai/v1/chat/completions HTTP/1.1");
    assert_eq!(seen.headers().all("api-key"), [key_of("o")]);
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn an_azure_deployment_is_called_by_its_whole_url() {
    let upstream = Upstream::always(answers()).await;
    let url = format!(
        "endpoint_url: {}/openai/deployments/d/chat/completions?api-version=2024-10-21",
        upstream.url()
    );
    let provider = Provider::openai("o", &upstream.url())
        .with("vendor: azure")
        .with(&url);
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    assert_eq!(
        seen.head.line,
        "POST /openai/deployments/d/chat/completions?api-version=2024-10-21 HTTP/1.1"
    );
    assert_eq!(seen.headers().all("api-key"), [key_of("o")]);
}

#[tokio::test]
async fn a_server_of_ones_own_gets_no_key() {
    let upstream = Upstream::always(answers()).await;
    let provider = Provider::openai("local", &upstream.url());
    let provider = provider.keyless().with("vendor: ollama");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let request = Request::messages(ask("hi")).header("x-api-key", "sk-canary-client-0123456789");
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    for name in ["authorization", "api-key", "x-api-key"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn geminis_key_goes_into_its_own_header_and_never_into_the_address() {
    let upstream = Upstream::always(Act::answer(200, &[], "{}")).await;
    let provider = Provider::gemini("g", &upstream.url()).with("probe: {interval: 50ms}");
    let _proxy = Proxy::start(Setup::of([provider])).await;
    // When the second comes, the first has been read.
    upstream.called(2).await;
    let seen = upstream.seen(0);
    assert_eq!(seen.head.line, "GET /v1beta/models HTTP/1.1");
    assert_eq!(seen.headers().all("x-goog-api-key"), [key_of("g")]);
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn among_equals_a_failover_stays_with_the_asked_model() {
    let down = || refuses(500, "api_error", "down");
    let first = Upstream::always(down()).await;
    let other = Upstream::always(says("other")).await;
    let same = Upstream::always(says("same")).await;
    for strategy in ["round_robin", "priority"] {
        let setup = Setup::of([
            Provider::anthropic("first", &first.url()),
            Provider::anthropic("other", &other.url()),
            Provider::anthropic("same", &same.url()),
        ])
        .route(
            "*",
            &[
                "provider: first, model: passthrough, priority: 1",
                "provider: other, model: claude-haiku-4-5, priority: 1",
                "provider: same, model: anthropic/claude-sonnet-4.5, priority: 1",
            ],
        )
        .setting(&format!("selection_strategy: {strategy}"));
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.text(), message("same"), "{strategy}");
    }
    assert_eq!((other.calls(), same.calls()), (0, 2));
}
