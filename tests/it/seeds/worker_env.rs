//! The worker proxy's environment variables, which it mostly read and never used: here each does what its document says.

use serde_json::Value;

use super::worker::{GATEWAY, answers, asks, config, says, start, upstream};
use crate::support::answers::ask;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::{Launch, Proxy};
use crate::support::script::{Act, Gate};
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const KEYS: [&str; 2] = ["sk-canary-one-0123456789", "sk-canary-two-0123456789"];

fn one(current: &Upstream) -> Value {
    config(&[upstream("a", &current.url(), &KEYS)], "round-robin")
}

#[tokio::test]
async fn request_timeout_ends_a_call_that_takes_too_long() {
    let current = Upstream::always(Act::new().hang()).await;
    let proxy = start(&one(&current), "REQUEST_TIMEOUT=300").await;
    let reply = says(&proxy, "hi").await;
    assert!(
        (502..=504).contains(&reply.status) || reply.status == 529,
        "{} {}",
        reply.status,
        reply.text()
    );
    current.abandoned(0).await;
}

#[tokio::test]
async fn max_concurrent_requests_is_a_limit() {
    let gate = Gate::new();
    let body = crate::support::answers::completion("late");
    let slow = Act::new().wait(&gate).and(&Act::answer(
        200,
        &[("content-type", "application/json")],
        body,
    ));
    let current = Upstream::first([slow], answers("hello")).await;
    let proxy = start(&one(&current), "MAX_CONCURRENT_REQUESTS=1").await;
    let mut first = proxy.connect().await;
    first.send(asks(ask("one")).bytes()).await;
    current.called(1).await;
    let refused = says(&proxy, "two").await;
    assert!([503, 529].contains(&refused.status), "{}", refused.text());
    assert!(refused.text().contains("too many requests at once"));
    gate.open();
    assert_eq!(first.reply().await.status, 200);
    // A place is free a moment after the last byte.
    eventually("a place to be free", || async {
        (says(&proxy, "three").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_of_the_origins_named_may_call() {
    let current = Upstream::always(answers("hello")).await;
    let cases: &[(&str, &str, Option<&str>)] = &[
        (
            "ENABLE_CORS=true\nCORS_ORIGIN=*",
            "https://app.example",
            Some("*"),
        ),
        ("ENABLE_CORS=true", "https://app.example", Some("*")),
        (
            "ENABLE_CORS=true\nCORS_ORIGIN=https://app.example",
            "https://app.example",
            Some("https://app.example"),
        ),
        (
            "ENABLE_CORS=true\nCORS_ORIGIN=https://app.example",
            "https://evil.example",
            None,
        ),
        (
            "ENABLE_CORS=false\nCORS_ORIGIN=*",
            "https://app.example",
            None,
        ),
        ("", "https://app.example", None),
    ];
    for (env, origin, allowed) in cases {
        let proxy = start(&one(&current), env).await;
        let reply = proxy.ask(asks(ask("hi")).header("origin", origin)).await;
        let told = reply.header("access-control-allow-origin");
        let fits = match (allowed, told) {
            (Some(allowed), Some(told)) => told == *allowed || told == *origin,
            (None, None) => true,
            _ => false,
        };
        assert!(fits, "{env} {origin}: {told:?}");
        // The old code sent `*` with credentials, which no browser takes and nobody should want.
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            None,
            "{env}"
        );
        let preflight = Request::new("OPTIONS", "/v1/messages")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-api-key, content-type");
        let reply = proxy.ask(preflight).await;
        assert_eq!(reply.status == 204, allowed.is_some(), "{env} {origin}");
    }
}

#[tokio::test]
async fn the_rate_limit_counts_and_says_when_to_come_back() {
    let current = Upstream::always(answers("hello")).await;
    let env = "ENABLE_RATE_LIMIT=true\nRATE_LIMIT_WINDOW=3600000\nRATE_LIMIT_MAX_REQUESTS=3";
    let proxy = start(&one(&current), env).await;
    for i in 0..3 {
        assert_eq!(says(&proxy, &i.to_string()).await.status, 200);
    }
    let reply = says(&proxy, "3").await;
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(current.calls(), 3);
    let env = env.replace("ENABLE_RATE_LIMIT=true", "ENABLE_RATE_LIMIT=false");
    let proxy = start(&one(&current), &env).await;
    for i in 0..5 {
        assert_eq!(says(&proxy, &i.to_string()).await.status, 200);
    }
}

#[tokio::test]
async fn the_health_page_is_where_it_is_wanted_or_nowhere() {
    let current = Upstream::silent().await;
    for (env, there, not_there) in [
        ("", "/health", "/status"),
        ("HEALTH_CHECK_PATH=/status", "/status", "/health"),
        (
            "HEALTH_CHECK_ENABLED=true\nHEALTH_CHECK_PATH=/health",
            "/health",
            "/status",
        ),
        ("HEALTH_CHECK_ENABLED=false", "/livez", "/health"),
        (
            "HEALTH_CHECK_ENABLED=false\nHEALTH_CHECK_PATH=/status",
            "/readyz",
            "/status",
        ),
    ] {
        let proxy = start(&one(&current), env).await;
        let found = proxy.ask(Request::get(there)).await;
        assert_eq!(found.status, 200, "{env}: {}", found.text());
        assert_eq!(
            proxy.ask(Request::get(not_there)).await.status,
            404,
            "{env}"
        );
        if there != "/livez" && there != "/readyz" {
            assert_eq!(found.json()["config"]["upstreamCount"], 1, "{env}");
        }
    }
}

#[tokio::test]
async fn the_level_and_the_lines_of_requests_are_switched() {
    let current = Upstream::always(answers("hello")).await;
    let shown = |console: &str| console.contains("POST /v1/messages");
    for (env, expected) in [
        ("ENABLE_REQUEST_LOGS=true\nENABLE_RESPONSE_LOGS=true", true),
        ("ENABLE_REQUEST_LOGS=false\nENABLE_RESPONSE_LOGS=true", true),
        (
            "ENABLE_REQUEST_LOGS=false\nENABLE_RESPONSE_LOGS=false",
            false,
        ),
        ("LOG_LEVEL=warn", false),
        ("LOG_LEVEL=error", false),
        ("LOG_LEVEL=debug", true),
    ] {
        let mut proxy = start(&one(&current), env).await;
        assert_eq!(says(&proxy, "hi").await.status, 200, "{env}");
        if expected {
            proxy.line("POST /v1/messages").await;
        } else {
            // Its end is logged behind every line of a request.
            proxy.signal("TERM");
            proxy.ends().await;
            assert!(!shown(&proxy.console()), "{env}:\n{}", proxy.console());
        }
        assert!(!proxy.console().contains("Hello"), "no bodies");
    }
}

#[tokio::test]
async fn the_strategy_of_the_environment_goes_before_the_files() {
    let current = Upstream::always(answers("hello")).await;
    let proxy = start(&one(&current), "LOAD_BALANCE_STRATEGY=failover").await;
    for i in 0..4 {
        says(&proxy, &i.to_string()).await;
    }
    for i in 0..4 {
        let key = current.seen(i).header("authorization").unwrap().to_owned();
        assert_eq!(key, format!("Bearer {}", KEYS[0]));
    }
    let health = proxy.ask(Request::get("/health")).await.json();
    assert_eq!(health["config"]["loadBalance"], "failover");
}

#[tokio::test]
async fn the_process_goes_before_the_env_file() {
    let current = Upstream::always(answers("hello")).await;
    let setup = Setup::file("config.json", one(&current).to_string())
        .beside(
            ".env",
            format!("PORT=1\nPROXY_ACCESS_KEY={GATEWAY}\nHEALTH_CHECK_PATH=/a\n"),
        )
        .secret(GATEWAY);
    let launch = Launch {
        env: &[("PORT", "0"), ("HEALTH_CHECK_PATH", "/b")],
        ..Launch::default()
    };
    let proxy = Proxy::launch(setup, launch).await;
    assert_ne!(proxy.address().port(), 1);
    assert_eq!(proxy.ask(Request::get("/b")).await.status, 200);
    assert_eq!(proxy.ask(Request::get("/a")).await.status, 404);
    assert_eq!(says(&proxy, "hi").await.status, 200);
}
