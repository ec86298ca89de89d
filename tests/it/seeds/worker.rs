//! The worker proxy's `config.json`, run as it is: who is asked, with which key and for which model, and what it tells.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::answers::{MODEL, ask, ask_stream, completion, completion_stream};
use crate::support::client::{Reply, Request};
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

pub const GATEWAY: &str = "gw-canary-worker-0123456789";
const KEYS: [&str; 3] = [
    "sk-canary-one-0123456789",
    "sk-canary-two-0123456789",
    "sk-canary-three-0123456789",
];

/// One entry of `upstream`.
pub fn upstream(name: &str, url: &str, keys: &[&str]) -> Value {
    json!({"baseUrl": url, "apiKeys": keys, "serviceType": "openai", "name": name})
}

/// A file of these, of which the first is asked.
pub fn config(upstreams: &[Value], strategy: &str) -> Value {
    json!({"upstream": upstreams, "currentUpstream": 0, "loadBalance": strategy})
}

/// The program with that file, and an `.env` beside it.
pub async fn start(config: &Value, env: &str) -> Proxy {
    let text = serde_json::to_string_pretty(config).unwrap();
    let env = format!("PORT=0\nPROXY_ACCESS_KEY={GATEWAY}\n{env}\n");
    let setup = Setup::file("config.json", text)
        .beside(".env", env)
        .secret(GATEWAY);
    Proxy::start(KEYS.iter().fold(setup, |setup, key| setup.secret(key))).await
}

/// As the documents' clients ask.
pub fn asks(body: impl AsRef<[u8]>) -> Request {
    Request::messages(body).header("x-api-key", GATEWAY)
}

pub async fn says(proxy: &Proxy, text: &str) -> Reply {
    proxy.ask(asks(ask(text))).await
}

pub fn answers(text: &str) -> Act {
    Act::answer(
        200,
        &[("content-type", "application/json")],
        completion(text),
    )
}

fn refuses(status: u16, kind: &str) -> Act {
    let body = json!({"error": {"message": "no", "type": kind, "code": kind}}).to_string();
    Act::answer(
        status,
        &[("content-type", "application/json"), ("retry-after", "60")],
        body,
    )
}

fn keys_used(upstream: &Upstream) -> Vec<String> {
    (0..upstream.calls())
        .map(|i| upstream.seen(i).header("authorization").unwrap().to_owned())
        .map(|it| it.trim_start_matches("Bearer ").to_owned())
        .collect()
}

#[tokio::test]
async fn only_the_current_upstream_is_asked_in_its_own_dialect() {
    let current = Upstream::first([answers("hello")], refuses(500, "server_error")).await;
    let other = Upstream::silent().await;
    let mut file = config(
        &[
            upstream("backup", &other.url(), &[KEYS[0]]),
            upstream("main", &current.url(), &[KEYS[1]]),
        ],
        "failover",
    );
    file["currentUpstream"] = json!(1);
    let proxy = start(&file, "").await;

    let reply = says(&proxy, "hi").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["type"], "message");
    assert_eq!(reply.json()["content"][0]["text"], "hello");
    assert_eq!(reply.json()["stop_reason"], "end_turn");
    let sent = current.only();
    assert!(
        sent.head.line.starts_with("POST /v1/chat/completions"),
        "{}",
        sent.head.line
    );
    assert_eq!(sent.json()["model"], MODEL);
    assert_eq!(keys_used(&current), [KEYS[1]]);

    assert!(500 <= says(&proxy, "again").await.status);
    assert_eq!(other.calls(), 0, "one upstream at a time");
}

#[tokio::test]
async fn its_key_lets_in_and_no_other() {
    let current = Upstream::always(answers("hello")).await;
    let proxy = start(
        &config(&[upstream("a", &current.url(), &KEYS[..1])], "failover"),
        "",
    )
    .await;
    for request in [
        asks(ask("1")),
        Request::messages(ask("2")).header("authorization", GATEWAY),
        Request::messages(ask("3")).header("authorization", &format!("bearer {GATEWAY}")),
        Request::messages(ask("4"))
            .header("x-api-key", GATEWAY)
            .header("authorization", "Bearer sk-of-claude-code"),
    ] {
        assert_eq!(proxy.ask(request).await.status, 200);
    }
    for request in [
        Request::messages(ask("5")),
        Request::messages(ask("6")).header("x-api-key", "your-proxy-access-key"),
    ] {
        let reply = proxy.ask(request).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
        assert_eq!(reply.json()["error"]["type"], "authentication_error");
    }
    assert_eq!(current.calls(), 4);
    let told = current.seen(3);
    assert!(!format!("{:?}", told.headers()).contains("sk-of-claude-code"));
}

#[tokio::test]
async fn streams_are_shown_as_they_come_and_are_whole() {
    let current = Upstream::always(Act::events(completion_stream("once upon a time"))).await;
    let proxy = start(
        &config(&[upstream("a", &current.url(), &KEYS[..1])], "failover"),
        "",
    )
    .await;
    let reply = proxy.ask(asks(ask_stream("tell me a story"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let names = reply.event_names();
    assert_eq!(names.first().unwrap(), "message_start");
    assert_eq!(names.last().unwrap(), "message_stop");
    let count = |name: &str| names.iter().filter(|it| *it == name).count();
    assert_eq!(
        count("content_block_start"),
        1,
        "not a block for each piece"
    );
    assert_eq!(count("message_delta"), 1);
    let text: String = reply
        .events()
        .iter()
        .filter(|it| it.name == "content_block_delta")
        .map(|it| it.json()["delta"]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text, "once upon a time");
}

#[tokio::test]
async fn models_are_mapped_by_their_tier() {
    let current = Upstream::always(answers("hello")).await;
    let mut it = upstream("a", &current.url(), &KEYS[..1]);
    it["modelMapping"] = json!({"opus": "gpt-big", "sonnet": "gpt-middle", "haiku": "gpt-small"});
    let proxy = start(&config(&[it], "failover"), "").await;
    for (asked, sent) in [
        ("claude-opus-4-5", "gpt-big"),
        ("claude-3-5-sonnet-20241022", "gpt-middle"),
        ("claude-3-5-haiku-20241022", "gpt-small"),
        ("some-other-model", "some-other-model"),
    ] {
        let reply = proxy.ask(asks(ask("hi").replace(MODEL, asked))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["model"], asked, "the client's own word");
        let last = current.seen(current.calls() - 1);
        assert_eq!(last.json()["model"], sent, "{asked}");
    }
}

#[tokio::test]
async fn round_robin_takes_one_key_after_the_other() {
    let current = Upstream::always(answers("hello")).await;
    let file = config(&[upstream("a", &current.url(), &KEYS)], "round-robin");
    let proxy = start(&file, "").await;
    for i in 0..6 {
        assert_eq!(says(&proxy, &format!("conversation {i}")).await.status, 200);
    }
    let used = keys_used(&current);
    assert_eq!(used[..3].iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(used[..3], used[3..], "in order");
    // What belongs together stays with its key, whose prompt cache has it.
    for _ in 0..3 {
        let request = asks(ask("hi")).header("x-claude-code-session-id", "one session");
        assert_eq!(proxy.ask(request).await.status, 200);
    }
    let used: BTreeSet<String> = keys_used(&current).into_iter().skip(6).collect();
    assert_eq!(used.len(), 1);
}

#[tokio::test]
async fn random_takes_any() {
    let current = Upstream::always(answers("hello")).await;
    let file = config(&[upstream("a", &current.url(), &KEYS)], "random");
    let proxy = start(&file, "").await;
    for i in 0..60 {
        assert_eq!(says(&proxy, &format!("conversation {i}")).await.status, 200);
    }
    let used: BTreeSet<String> = keys_used(&current).into_iter().collect();
    assert_eq!(used.len(), 3);
}

#[tokio::test]
async fn failover_takes_the_first_that_works_and_remembers_which_did_not() {
    for (status, kind) in [
        (401, "invalid_api_key"),
        (403, "permission_error"),
        (429, "rate_limit_exceeded"),
        (429, "insufficient_quota"),
    ] {
        let bad = [refuses(status, kind), answers("hello"), answers("hello")];
        let current = Upstream::script(bad).await;
        let file = config(&[upstream("a", &current.url(), &KEYS)], "failover");
        let proxy = start(&file, "").await;
        assert_eq!(says(&proxy, "one").await.status, 200, "{status} {kind}");
        assert_eq!(keys_used(&current), [KEYS[0], KEYS[1]], "{status} {kind}");
        // The one that failed is left alone.
        assert_eq!(says(&proxy, "two").await.status, 200, "{status} {kind}");
        assert_eq!(
            keys_used(&current),
            [KEYS[0], KEYS[1], KEYS[1]],
            "{status} {kind}"
        );
    }
    let current = Upstream::always(answers("hello")).await;
    let file = config(&[upstream("a", &current.url(), &KEYS)], "failover");
    let proxy = start(&file, "").await;
    for i in 0..4 {
        says(&proxy, &format!("conversation {i}")).await;
    }
    assert_eq!(keys_used(&current), [KEYS[0]; 4], "always the first");
}

#[tokio::test]
async fn the_health_page_has_its_fields_and_ours() {
    let (one, two) = (Upstream::silent().await, Upstream::silent().await);
    let file = config(
        &[
            upstream("openai-api", &one.url(), &KEYS[..2]),
            upstream("other", &two.url(), &KEYS[2..]),
        ],
        "failover",
    );
    let proxy = start(&file, "").await;
    let reply = proxy.ask(Request::get("/health")).await;
    assert_eq!(reply.status, 200, "without a key");
    let health = reply.json();
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["mode"], "production", "{health}");
    assert_eq!(
        health["config"],
        json!({"upstreamCount": 2, "currentUpstream": "openai-api", "loadBalance": "failover"})
    );
    let timestamp = health["timestamp"].as_str().unwrap();
    assert_eq!(
        (timestamp.len(), &timestamp[23..]),
        (24, "Z"),
        "{timestamp}"
    );
    assert!(health["uptime"].as_f64().is_some_and(|it| 0.0 <= it));
    assert_eq!(health["healthy_providers"], 1, "{health}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn another_one_becomes_current_without_a_restart() {
    let (one, two) = (
        Upstream::always(answers("one")).await,
        Upstream::always(answers("two")).await,
    );
    let mut file = config(
        &[
            upstream("first", &one.url(), &KEYS[..1]),
            upstream("second", &two.url(), &KEYS[1..2]),
        ],
        "random",
    );
    let proxy = start(&file, "").await;
    let text = |reply: &Reply| reply.json()["content"][0]["text"].clone();
    assert_eq!(text(&says(&proxy, "1").await), "one");

    file["currentUpstream"] = json!("second");
    fs::write(proxy.config_path(), file.to_string()).unwrap();
    let reply = proxy.ask(Request::post("/admin/config/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!(told["status"], "success");
    assert_eq!(told["message"], "配置已重载");
    assert!(told["timestamp"].is_string());
    assert_eq!(
        told["config"],
        json!({"upstreamCount": 2, "currentUpstream": "second", "loadBalance": "random"})
    );
    assert_eq!(text(&says(&proxy, "2").await), "two");

    fs::write(proxy.config_path(), "{\"upstream\": [}").unwrap();
    let reply = proxy.ask(Request::post("/admin/config/reload", "")).await;
    assert_eq!(reply.status, 500, "{}", reply.text());
    let told = reply.json();
    assert_eq!(told["status"], "error");
    assert_eq!(told["message"], "配置重载失败");
    let why = told["error"].as_str().unwrap();
    assert!(
        why.contains("config.json:1:") && why.contains("is not valid JSON"),
        "{why}"
    );
    // The old code fell back to an empty configuration here.
    assert_eq!(text(&says(&proxy, "3").await), "two");
    let get = proxy.ask(Request::get("/admin/config/reload")).await;
    assert_eq!(get.status, 405);
}

#[tokio::test]
async fn a_change_of_the_file_is_noticed() {
    let (one, two) = (
        Upstream::always(answers("one")).await,
        Upstream::always(answers("two")).await,
    );
    let mut file = config(
        &[
            upstream("first", &one.url(), &KEYS[..1]),
            upstream("second", &two.url(), &KEYS[1..2]),
        ],
        "failover",
    );
    let mut proxy = start(&file, "").await;
    file["currentUpstream"] = json!(1);
    // As editors do it: another file in its place.
    let new = proxy.config_path().with_extension("new");
    fs::write(&new, file.to_string()).unwrap();
    fs::rename(&new, proxy.config_path()).unwrap();
    proxy.line("configuration reloaded").await;
    assert_eq!(says(&proxy, "1").await.json()["content"][0]["text"], "two");
}

#[tokio::test]
async fn developers_see_what_is_in_force_without_its_secrets() {
    const ADMIN: &str = "admin-canary-worker-0123456789";
    let current = Upstream::silent().await;
    let file = config(&[upstream("a", &current.url(), &KEYS)], "failover");
    let info = || Request::get("/admin/dev/info");
    let key = |key: &str| info().header("x-api-key", key);

    let proxy = start(&file, "NODE_ENV=production").await;
    assert_eq!(proxy.ask(info()).await.status, 404);

    let env =
        "NODE_ENV=development\nLOG_LEVEL=debug\nREQUEST_TIMEOUT=30000\nMAX_CONCURRENT_REQUESTS=100";
    let proxy = start(&file, env).await;
    let reply = proxy.ask(info()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!(told["status"], "development");
    assert!(told["timestamp"].is_string());
    assert_eq!(told["config"]["providers"][0]["name"], "a");
    let environment = &told["environment"];
    assert_eq!(environment["NODE_ENV"], "development");
    assert_eq!(environment["PROXY_ACCESS_KEY"], "***");
    assert_eq!(environment["LOG_LEVEL"], "debug");
    assert_eq!(environment["REQUEST_TIMEOUT"], 30_000);
    assert_eq!(environment["MAX_CONCURRENT_REQUESTS"], 100);
    for secret in KEYS.iter().chain([&GATEWAY]) {
        assert!(!reply.text().contains(secret), "{}", reply.text());
    }
    let health = proxy.ask(Request::get("/health")).await.json();
    assert_eq!(health["mode"], "development");
    // Not for who comes through something else.
    let far = proxy
        .ask(info().header("x-forwarded-for", "192.0.2.1"))
        .await;
    assert_eq!(far.status, 403);

    let env = format!("NODE_ENV=development\nPOINTSMAN_ADMIN_KEY={ADMIN}");
    let proxy = start(&file, &env).await;
    assert_eq!(proxy.ask(info()).await.status, 401);
    assert_eq!(proxy.ask(key(GATEWAY)).await.status, 401);
    let reply = proxy.ask(key(ADMIN)).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.text().contains(ADMIN));
}
