//! What an operator sees and does: `/providers`, `/health`, reload.

use std::fs;

use serde_json::Value;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

fn reload() -> Request {
    Request::post("/providers/reload", "")
}

#[tokio::test]
async fn providers_are_shown_as_they_are() {
    let first = Upstream::script([refuses(500, "api_error", "boom")]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::openai("b", &second.url()).with("enabled: false"),
        Provider::anthropic("c", &second.url()),
    ])
    .route(
        "*sonnet*",
        &[
            "provider: a, model: passthrough, priority: 1",
            "provider: b, model: gpt-x, priority: 2",
            "provider: c, model: passthrough, priority: 3",
        ],
    );
    let proxy = Proxy::start(setup).await;
    assert_eq!(
        proxy.ask(Request::messages(ask("hi"))).await.text(),
        message("b")
    );

    let all = proxy.providers().await;

    assert_eq!(all["total_providers"], 3, "{all}");
    assert_eq!(all["healthy_providers"], 2, "{all}");
    assert_eq!(all["selection_strategy"], "priority", "{all}");
    assert_eq!(all["total_model_routes"], 1, "{all}");
    let a = proxy.provider("a").await;
    assert_eq!(a["type"], "anthropic", "{a}");
    assert_eq!(a["base_url"], first.url().as_str(), "{a}");
    assert_eq!(a["enabled"], true, "{a}");
    assert_eq!(a["healthy"], true, "{a}");
    assert_eq!(a["status"], "healthy", "{a}");
    assert_eq!(a["failure_count"], 1, "{a}");
    assert_ne!(a["last_failure_time"], Value::Null, "{a}");
    assert_eq!(a["models"][0]["pattern"], "*sonnet*", "{a}");
    assert_eq!(a["models"][0]["model"], "passthrough", "{a}");
    assert_eq!(a["models"][0]["priority"], 1, "{a}");
    let b = proxy.provider("b").await;
    assert_eq!(
        (&b["enabled"], &b["status"]),
        (&false.into(), &"disabled".into()),
        "{b}"
    );
    let text = all.to_string();
    for name in ["a", "b", "c"] {
        assert!(!text.contains(&key_of(name)), "{text}");
    }
}

#[tokio::test]
async fn health_follows_the_routes() {
    let first = Upstream::always(refuses(500, "api_error", "boom")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route(
        "claude-only-a",
        &["provider: a, model: passthrough, priority: 1"],
    )
    .route(
        "claude-both",
        &[
            "provider: a, model: passthrough, priority: 1",
            "provider: b, model: passthrough, priority: 2",
        ],
    );
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(Request::get("/health")).await.status, 200);
    for text in ["1", "2"] {
        let body = ask(text).replace(crate::support::answers::MODEL, "claude-both");
        assert_eq!(proxy.ask(Request::messages(body)).await.status, 200);
    }
    let health = proxy.ask(Request::get("/health")).await;
    assert_eq!(health.status, 503, "{}", health.text());
    assert_eq!(health.json()["status"], "unhealthy");
    assert_eq!(proxy.ask(Request::get("/livez")).await.status, 200);
    assert_eq!(proxy.ask(Request::get("/readyz")).await.status, 200);
}

#[tokio::test]
async fn strangers_do_not_administer() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 front"),
        ("x-real-ip", "192.0.2.1"),
    ] {
        for request in [Request::get("/providers"), reload()] {
            let reply = proxy.ask(request.header(name, value)).await;
            assert!(
                [401, 403].contains(&reply.status),
                "{name}: {}",
                reply.status
            );
            assert!(!reply.text().contains("base_url"), "{}", reply.text());
        }
    }
    let mut client = proxy.connect().await;
    client
        .send("GET /providers HTTP/1.1\r\nhost: evil.example\r\n\r\n")
        .await;
    assert!([401, 403, 421].contains(&client.reply().await.status));
}

#[tokio::test]
async fn an_admin_key_opens_and_a_gateway_key_does_not() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .gateway_key("sk-canary-gateway-0123456789")
        .section("admin: {key: sk-canary-admin-0123456789}")
        .secret("sk-canary-admin-0123456789");
    let proxy = Proxy::start(setup).await;
    let with =
        |key: &str| Request::get("/providers").header("authorization", &format!("Bearer {key}"));
    assert_eq!(
        proxy.ask(with("sk-canary-admin-0123456789")).await.status,
        200
    );
    for request in [
        Request::get("/providers"),
        with("wrong"),
        with("sk-canary-gateway-0123456789"),
    ] {
        let reply = proxy.ask(request).await;
        assert!([401, 403].contains(&reply.status), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_good_file_takes_effect_at_once_and_health_stays() {
    let first = Upstream::script([refuses(500, "api_error", "boom")]).await;
    let second = Upstream::always(says("b")).await;
    let a = || Provider::anthropic("a", &first.url());
    let b = || Provider::anthropic("b", &second.url());
    let mut proxy = Proxy::start(Setup::of([a(), b()])).await;
    assert_eq!(
        proxy.ask(Request::messages(ask("1"))).await.text(),
        message("b")
    );
    proxy.line("count=1/2").await;

    let third = Upstream::always(says("c")).await;
    let c = Provider::anthropic("c", &third.url());
    fs::write(proxy.config_path(), Setup::of([c, a(), b()]).yaml()).unwrap();
    let reply = proxy.ask(reload()).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["status"], "success", "{json}");
    assert_eq!(json["providers_count"], 3, "{json}");
    assert_eq!(json["healthy_providers"], 3, "{json}");
    assert_eq!(
        proxy.ask(Request::messages(ask("2"))).await.text(),
        message("c")
    );
    assert_eq!(proxy.provider("a").await["failure_count"], 1);
}
