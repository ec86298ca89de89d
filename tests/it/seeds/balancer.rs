//! What the balancer's own tests looked at, with what its documents mean as the expectation: choosing, failing over,
//! counting, telling errors apart. Where the old code did otherwise, `docs/coming-from.md` says so.

use serde_json::json;

use crate::support::answers::{MODEL, ask, ask_stream, completion, message, says, streams};
use crate::support::client::{Reply, Request};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

const NAMES: [&str; 3] = ["Primary Provider", "Secondary Provider", "Third Provider"];

const KEY: &str = "sk-canary-balancer-0123456789";

/// An error as the balancer's mock said it.
pub fn fails(status: u16, text: &str) -> Act {
    let body = json!({"error": {"type": "error", "message": text}}).to_string();
    Act::answer(status, &[("content-type", "application/json")], body)
}

/// Providers in this order, under the settings of the example.
pub fn balanced(upstreams: &[&Upstream], settings: &[&str]) -> Setup {
    let providers = NAMES.iter().zip(upstreams);
    let setup =
        Setup::of(providers.map(|(name, it)| Provider::anthropic(name, &it.url()).keyed(&[KEY])));
    let setup = setup.setting("selection_strategy: priority");
    let chosen = |key: &str| settings.iter().any(|it| it.starts_with(key));
    let defaults = ["failure_cooldown: 300", "unhealthy_threshold: 2"];
    let defaults = defaults
        .into_iter()
        .filter(|it| !chosen(it.split(':').next().unwrap()));
    defaults
        .chain(settings.iter().copied())
        .fold(setup, Setup::setting)
}

pub async fn hi(proxy: &Proxy, text: &str) -> Reply {
    proxy.ask(Request::messages(ask(text))).await
}

fn has_own_error(reply: &Reply, text: &str) {
    assert!(400 <= reply.status, "{}", reply.status);
    let error = reply.json();
    assert!(
        error["error"]["message"].as_str().unwrap().contains(text),
        "{error}"
    );
}

#[tokio::test]
async fn the_first_one_serves_while_it_is_well() {
    let (first, second) = (Upstream::always(says("a")).await, Upstream::silent().await);
    let proxy = Proxy::start(balanced(&[&first, &second], &[])).await;
    for text in ["1", "2", "3"] {
        assert_eq!(hi(&proxy, text).await.text(), message("a"));
    }
    let all = proxy.providers().await;
    assert_eq!(
        (&all["healthy_providers"], &all["total_providers"]),
        (&2.into(), &2.into())
    );
    assert_eq!(second.calls(), 0);
}

#[tokio::test]
async fn failing_over_is_seamless_and_one_error_is_no_verdict() {
    let first = Upstream::script([fails(500, "Internal Server Error"), says("a")]).await;
    let second = Upstream::always(says("b")).await;
    let mut proxy = Proxy::start(balanced(&[&first, &second], &[])).await;
    // The old code gave the first error to the client.
    assert_eq!(hi(&proxy, "1").await.text(), message("b"));
    proxy.line("count=1/2").await;
    assert_eq!(proxy.provider(NAMES[0]).await["status"], "healthy");
    assert_eq!(hi(&proxy, "2").await.text(), message("a"));
    let provider = proxy.provider(NAMES[0]).await;
    assert_eq!(provider["failure_count"], 0, "a success zeroes the count");
}

#[tokio::test]
async fn at_the_threshold_it_rests_and_comes_back_after_its_cooldown() {
    let first = Upstream::first([fails(500, "no"), fails(503, "no")], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let settings = ["failure_cooldown: 1"];
    let mut proxy = Proxy::start(balanced(&[&first, &second], &settings)).await;
    for text in ["1", "2"] {
        assert_eq!(hi(&proxy, text).await.text(), message("b"));
    }
    proxy.line("count=2/2").await;
    assert_eq!(proxy.provider(NAMES[0]).await["status"], "unhealthy");
    eventually("the first one to be tried again", || async {
        (hi(&proxy, "3").await.text() == message("a")).then_some(())
    })
    .await;
    assert_eq!(proxy.provider(NAMES[0]).await["status"], "healthy");
}

#[tokio::test]
async fn a_threshold_of_one_switches_at_the_first_error_for_all_that_come() {
    let first = Upstream::always(fails(500, "no")).await;
    let second = Upstream::always(says("b")).await;
    let settings = ["unhealthy_threshold: 1"];
    let mut proxy = Proxy::start(balanced(&[&first, &second], &settings)).await;
    let (one, two, three) = tokio::join!(hi(&proxy, "1"), hi(&proxy, "2"), hi(&proxy, "3"));
    for reply in [one, two, three] {
        assert_eq!(reply.text(), message("b"));
    }
    proxy.line("count=1/1").await;
    let calls = first.calls();
    assert_eq!(hi(&proxy, "4").await.text(), message("b"));
    assert_eq!(first.calls(), calls);
}

#[tokio::test]
async fn when_all_are_down_it_is_a_503_that_says_so() {
    let first = Upstream::always(fails(500, "Internal Server Error")).await;
    let second = Upstream::always(fails(502, "Connection Error")).await;
    for settings in [&[][..], &["fail_open: false"]] {
        let proxy = Proxy::start(balanced(&[&first, &second], settings)).await;
        for text in ["1", "2", "3", "4"] {
            let reply = hi(&proxy, text).await;
            assert_eq!(reply.status, 503, "{}", reply.text());
            assert_eq!(reply.json()["error"]["type"], "api_error");
        }
    }
    // What a lone provider says is told as it is, until it rests.
    let proxy = Proxy::start(balanced(
        &[&first],
        &["unhealthy_threshold: 1", "fail_open: false"],
    ))
    .await;
    has_own_error(&hi(&proxy, "1").await, "Internal Server Error");
    assert_eq!(hi(&proxy, "2").await.status, 503);
}

#[tokio::test]
async fn priority_is_what_is_written_not_where() {
    let (first, second) = (Upstream::silent().await, Upstream::always(says("b")).await);
    let setup = balanced(&[&first, &second], &[]).route(
        "*sonnet*",
        &[
            "provider: Primary Provider, model: passthrough, priority: 2",
            "provider: Secondary Provider, model: passthrough, priority: 1",
        ],
    );
    let proxy = Proxy::start(setup).await;
    assert_eq!(hi(&proxy, "1").await.text(), message("b"));
}

#[tokio::test]
async fn models_go_where_their_names_are_written() {
    let (first, second) = (
        Upstream::always(says("a")).await,
        Upstream::always(Act::answer(
            200,
            &[("content-type", "application/json")],
            completion("b"),
        ))
        .await,
    );
    let setup = Setup::of([
        Provider::anthropic("A", &first.url()),
        Provider::openai("O", &second.url()),
    ])
    .route(
        "claude-3-5-sonnet-20241022",
        &["provider: A, model: passthrough, priority: 1"],
    )
    .route(
        "gpt-3.5-turbo",
        &["provider: O, model: passthrough, priority: 1"],
    )
    .route(
        "custom-test-model",
        &["provider: A, model: claude-mapped, priority: 1"],
    )
    .route("*haiku*", &["provider: O, model: small/one, priority: 1"]);
    let proxy = Proxy::start(setup).await;
    for (asked, upstream, sent) in [
        (
            "claude-3-5-sonnet-20241022",
            &first,
            "claude-3-5-sonnet-20241022",
        ),
        ("gpt-3.5-turbo", &second, "gpt-3.5-turbo"),
        // The old code forwarded the client's name to Anthropic's providers, whatever was mapped.
        ("custom-test-model", &first, "claude-mapped"),
        ("claude-3-5-haiku-20241022", &second, "small/one"),
    ] {
        let before = upstream.calls();
        let reply = proxy
            .ask(Request::messages(ask("hi").replace(MODEL, asked)))
            .await;
        assert_eq!(reply.status, 200, "{asked}: {}", reply.text());
        assert_eq!(upstream.calls(), before + 1, "{asked}");
        assert_eq!(upstream.seen(before).json()["model"], sent);
    }
}

#[tokio::test]
async fn a_session_stays_and_others_take_turns() {
    let (first, second) = (
        Upstream::always(says("a")).await,
        Upstream::always(says("b")).await,
    );
    let setup = balanced(&[&first, &second], &["sticky_provider_duration: 300"])
        .yaml()
        .replace(
            "selection_strategy: priority",
            "selection_strategy: round_robin",
        )
        .replace("priority: 2", "priority: 1");
    let proxy = Proxy::start(Setup::file("config.yaml", setup)).await;
    let session = || Request::messages(ask("hi")).header("x-claude-code-session-id", "s-1");
    let home = proxy.ask(session()).await.text();
    for _ in 0..3 {
        assert_eq!(proxy.ask(session()).await.text(), home);
    }
    // Stickiness was one for all clients and all models, which undid every strategy.
    let before = (first.calls(), second.calls());
    for i in 0..6 {
        hi(&proxy, &format!("another {i}")).await;
    }
    assert_eq!(
        (first.calls() - before.0, second.calls() - before.1),
        (3, 3)
    );
}

#[tokio::test]
async fn what_a_lone_provider_says_reaches_the_client_in_its_words() {
    for (status, text) in [
        (502, "Connection Error"),
        (429, "Rate Limited"),
        (402, "Insufficient credits"),
        (408, "Request Timeout"),
        (503, "Service Unavailable"),
        (500, "Internal Server Error"),
        (400, "Invalid request format"),
        (422, "Unprocessable"),
    ] {
        let upstream = Upstream::always(fails(status, text)).await;
        let settings = ["max_retry_wait: 0"];
        let proxy = Proxy::start(balanced(&[&upstream], &settings)).await;
        let reply = hi(&proxy, "1").await;
        has_own_error(&reply, text);
        assert_eq!(reply.status, status, "{}", reply.text());
        // An error before a stream is no stream.
        let proxy = Proxy::start(balanced(&[&upstream], &settings)).await;
        let reply = proxy.ask(Request::messages(ask_stream("2"))).await;
        has_own_error(&reply, text);
        assert!(
            reply.header("content-type").unwrap().contains("json"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_refused_key_is_not_the_clients() {
    let upstream = Upstream::always(fails(401, "Invalid API key")).await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    // A 401 would make Claude Code ask its user to log in.
    assert_eq!(hi(&proxy, "1").await.status, 502);
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(balanced(&[&upstream, &second], &[])).await;
    assert_eq!(hi(&proxy, "1").await.text(), message("b"));
}

#[tokio::test]
async fn every_error_is_its_own_and_faults_of_clients_count_for_nothing() {
    let acts = [
        fails(400, "First error"),
        fails(422, "Second error"),
        fails(400, "Third error"),
        fails(500, "Fourth error"),
    ];
    let upstream = Upstream::script(acts).await;
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(balanced(&[&upstream, &second], &[])).await;
    let words = ["First", "Second", "Third", "Fourth"];
    for word in &words[..3] {
        let reply = hi(&proxy, word).await;
        has_own_error(&reply, &format!("{word} error"));
        for other in words.iter().filter(|it| *it != word) {
            assert!(!reply.text().contains(other), "{}", reply.text());
        }
    }
    assert_eq!(proxy.provider(NAMES[0]).await["failure_count"], 0);
    assert_eq!(second.calls(), 0);
    assert_eq!(hi(&proxy, "4").await.text(), message("b"));
    assert_eq!(proxy.provider(NAMES[0]).await["failure_count"], 1);
}

#[tokio::test]
async fn errors_of_different_providers_are_counted_apart() {
    let first = Upstream::script([fails(502, "a"), says("a")]).await;
    let second = Upstream::script([fails(503, "b")]).await;
    let third = Upstream::always(says("c")).await;
    let proxy = Proxy::start(balanced(&[&first, &second, &third], &[])).await;
    assert_eq!(hi(&proxy, "1").await.text(), message("c"));
    assert_eq!(hi(&proxy, "2").await.text(), message("a"));
    let count = async |name: &str| proxy.provider(name).await["failure_count"].clone();
    assert_eq!(count(NAMES[0]).await, 0);
    assert_eq!(count(NAMES[1]).await, 1);
    assert_eq!(count(NAMES[2]).await, 0);
}

#[tokio::test]
async fn an_error_is_forgotten_after_a_while() {
    let first = Upstream::first([fails(500, "no")], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let settings = ["unhealthy_reset_timeout: 1"];
    let proxy = Proxy::start(balanced(&[&first, &second], &settings)).await;
    assert_eq!(hi(&proxy, "1").await.text(), message("b"));
    eventually("the error to be forgotten", || async {
        (proxy.provider(NAMES[0]).await["failure_count"] == 0).then_some(())
    })
    .await;
    assert_eq!(first.calls(), 1, "by time alone");
}

#[tokio::test]
async fn words_of_the_operator_make_a_failure() {
    // Answered with 200 and with statuses that mean nothing, as resellers do it.
    for (act, key) in [
        (
            fails(409, "没有可用token"),
            "unhealthy_error_types: [\"没有可用token\", \"无可用模型\"]",
        ),
        (
            fails(200, "Insufficient credits"),
            "unhealthy_error_types: [\"Insufficient credits\"]",
        ),
        (
            Act::answer(200, &[("content-type", "text/plain")], "rate limit, sorry"),
            "unhealthy_response_body_patterns: [\"rate.?limit\"]",
        ),
    ] {
        let first = Upstream::always(act).await;
        let second = Upstream::always(says("b")).await;
        let proxy = Proxy::start(balanced(&[&first, &second], &[key])).await;
        assert_eq!(hi(&proxy, "1").await.text(), message("b"), "{key}");
    }
    // An answer that talks about it is none.
    let first = Upstream::always(says("what a rate limit is")).await;
    let key = "unhealthy_response_body_patterns: [\"rate.?limit\"]";
    let proxy = Proxy::start(balanced(&[&first], &[key])).await;
    assert_eq!(
        hi(&proxy, "1").await.text(),
        message("what a rate limit is")
    );
}

#[tokio::test]
async fn the_banner_says_what_is_served_and_where() {
    let (first, second) = (Upstream::silent().await, Upstream::silent().await);
    let mut proxy = Proxy::start(balanced(&[&first, &second], &[])).await;
    proxy.line("Claude Code:").await;
    let banner = proxy.console();
    let version = concat!("Pointsman v", env!("CARGO_PKG_VERSION"));
    let provider = format!("[✓] Primary Provider (anthropic): {}", first.url());
    let address = format!("listening on http://{}", proxy.address());
    for part in [version, "2/2 active", &provider, "INFO", &address] {
        assert!(banner.contains(part), "{part} in\n{banner}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_text_is_the_clients_fault() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(balanced(&[&upstream], &[])).await;
    let mut body = ask("x").into_bytes();
    let at = body.iter().rposition(|it| *it == b'x').unwrap();
    body[at] = 0xff;
    let reply = proxy.ask(Request::messages(body)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn the_balancers_pin_chooses_and_does_not_leak() {
    let (first, second) = (Upstream::silent().await, Upstream::always(says("b")).await);
    let proxy = Proxy::start(balanced(&[&first, &second], &[])).await;
    let body = ask("hi").replacen('{', r#"{"provider":"Secondary Provider","#, 1);
    assert_eq!(
        proxy.ask(Request::messages(body)).await.text(),
        message("b")
    );
    assert!(second.only().json().get("provider").is_none());
}

#[tokio::test]
async fn a_stream_fails_over_before_its_first_word() {
    let first = Upstream::script([fails(500, "no"), fails(429, "no")]).await;
    let second = Upstream::always(streams("b")).await;
    let proxy = Proxy::start(balanced(&[&first, &second], &[])).await;
    for text in ["1", "2"] {
        let reply = proxy.ask(Request::messages(ask_stream(text))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.event_names().last().unwrap(), "message_stop");
    }
}
