//! Limits of keys: what providers tell of them, what an operator sets, and what a reload leaves of them.

use std::fs;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::answers::ask;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Client;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const KEYS: [&str; 2] = [
    "sk-canary-room-one-0123456789",
    "sk-canary-room-two-0123456789",
];

/// A provider with two keys, used in file order.
fn two_keys(upstream: &Upstream) -> Provider {
    Provider::anthropic("a", &upstream.url())
        .keyed(&KEYS)
        .with("key_strategy: failover")
}

/// That provider, and another behind it that always answers.
async fn pool(first: &Upstream, line: Option<&str>) -> (Upstream, Proxy) {
    let second = Upstream::always(says("b")).await;
    let a = line.map_or_else(|| two_keys(first), |line| two_keys(first).with(line));
    let b = Provider::anthropic("b", &second.url());
    let proxy = Proxy::start(Setup::of([a, b])).await;
    (second, proxy)
}

async fn answer(proxy: &Proxy, text: &str) -> String {
    let reply = proxy.ask(Request::messages(ask(text))).await;
    assert_eq!(reply.status, 200, "{text}: {}", reply.text());
    reply.text()
}

fn used(upstream: &Upstream) -> Vec<usize> {
    let key = |index: usize| {
        let seen = upstream.seen(index);
        let key = seen.header("x-api-key").unwrap().to_owned();
        KEYS.iter().position(|known| *known == key).unwrap() + 1
    };
    (0..upstream.calls()).map(key).collect()
}

fn limited(headers: &[(&str, &str)], text: &str) -> Act {
    Act::answer(429, headers, error_body("rate_limit_error", text))
}

async fn key(proxy: &Proxy, index: usize) -> Value {
    proxy.provider("a").await["keys"][index].clone()
}

async fn reload(proxy: &Proxy, setup: Setup) {
    fs::write(proxy.config_path(), setup.yaml()).unwrap();
    let reply = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_limited_key_rests_until_the_reset_that_its_headers_or_its_text_tell() {
    let anthropic = [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2099-01-01T00:00:00Z"),
    ];
    let openai = [
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "1m30.5s"),
        ("x-ratelimit-remaining-requests", "9"),
        ("x-ratelimit-reset-requests", "23h"),
    ];
    for (headers, text, seconds) in [
        (&anthropic[..], "slow down", 3_600.0),
        (&openai[..], "slow down", 90.5),
        (
            &[("retry-after-ms", "20000"), ("retry-after", "7")][..],
            "slow down",
            20.0,
        ),
        (
            &[][..],
            "Rate limit reached. Please try again in 2m5s.",
            125.0,
        ),
        (&[][..], "slow down", 60.0),
    ] {
        let first = Upstream::first([limited(headers, text)], says("a")).await;
        let (_second, proxy) = pool(&first, None).await;
        assert_eq!(answer(&proxy, "1").await, message("a"));
        assert_eq!(used(&first), [1, 2], "{headers:?}");
        let key = key(&proxy, 0).await;
        assert_eq!(
            (&key["state"], &key["why"]),
            (&"resting".into(), &"rate limited".into())
        );
        let left = key["back_in_seconds"].as_f64().unwrap();
        assert!(
            seconds - 15.0 < left && left <= seconds,
            "{headers:?} {text}: {key}"
        );
        assert!(key["until"].as_f64().is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_key_that_is_told_to_have_little_room_goes_behind_the_others() {
    let with_room = |left: &str| {
        let headers = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", left),
            ("anthropic-ratelimit-requests-reset", "2099-01-01T00:00:00Z"),
        ];
        Act::answer(200, &headers, message("a"))
    };
    let acts = [
        with_room("30"),
        with_room("2"),
        with_room("40"),
        with_room("1"),
    ];
    let first = Upstream::first(acts, with_room("0")).await;
    let (second, proxy) = pool(&first, None).await;
    for text in ["1", "2", "3", "4", "5"] {
        assert_eq!(answer(&proxy, text).await, message("a"));
    }
    // The first until little of it is left, then the other one, and at last whichever has more.
    assert_eq!(used(&first), [1, 1, 2, 2, 1]);
    assert_eq!(second.calls(), 0, "little room is no refusal");
    let key = key(&proxy, 1).await;
    assert_eq!(
        (&key["state"], &key["requests_left"]),
        (&"usable".into(), &1.into())
    );
    assert!(key["room"].as_f64().unwrap() < 0.1, "{key}");
}

#[tokio::test]
async fn the_requests_a_minute_of_an_operator_are_kept_for_each_key() {
    let first = Upstream::always(says("a")).await;
    let (second, proxy) = pool(&first, Some("rpm: 1")).await;
    for (text, by) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")] {
        assert_eq!(answer(&proxy, text).await, message(by));
    }
    assert_eq!((used(&first), second.calls()), (vec![1, 2], 2));
    let key = key(&proxy, 0).await;
    assert_eq!(key["why"], "as many as rpm and tpm allow", "{key}");
    assert_eq!(key["requests_left"], 0, "{key}");
    assert_eq!(proxy.provider("a").await["failure_count"], 0);
}

#[tokio::test]
async fn the_tokens_a_minute_of_an_operator_are_kept_for_each_key() {
    let first = Upstream::always(says("a")).await;
    let (second, proxy) = pool(&first, Some("tpm: 20")).await;
    // An answer costs fourteen: the second one passes the limit, as nobody could know before.
    for (text, by) in [("1", "a"), ("2", "a"), ("3", "a"), ("4", "a"), ("5", "b")] {
        assert_eq!(answer(&proxy, text).await, message(by), "{text}");
    }
    assert_eq!((used(&first), second.calls()), (vec![1, 1, 2, 2], 1));
}

#[tokio::test]
async fn a_text_of_the_operator_means_that_the_money_is_gone() {
    let broke = refuses(400, "invalid_request_error", "Your wallet is EMPTY, friend");
    let first = Upstream::first([broke], says("a")).await;
    let second = Upstream::silent().await;
    let setup = Setup::of([two_keys(&first), Provider::anthropic("b", &second.url())])
        .setting("credit_patterns: [wallet is empty]")
        .setting("credit_cooldown: 20m");
    let proxy = Proxy::start(setup).await;
    assert_eq!(answer(&proxy, "1").await, message("a"));
    assert_eq!(used(&first), [1, 2]);
    let key = key(&proxy, 0).await;
    assert_eq!(key["why"], "out of credit", "{key}");
    assert!(1_100.0 < key["back_in_seconds"].as_f64().unwrap(), "{key}");
}

#[tokio::test]
async fn a_reload_forgives_refused_keys_and_lets_limited_ones_rest_on() {
    let refused = refuses(401, "authentication_error", "invalid x-api-key");
    let acts = [limited(&[("retry-after", "300")], "slow down"), refused];
    let first = Upstream::first(acts, says("a")).await;
    let second = Upstream::always(says("b")).await;
    let b = || Provider::anthropic("b", &second.url());
    let proxy = Proxy::start(Setup::of([two_keys(&first), b()])).await;
    assert_eq!(answer(&proxy, "1").await, message("b"));
    assert_eq!(key(&proxy, 1).await["state"], "benched");

    reload(&proxy, Setup::of([two_keys(&first), b()])).await;

    let limited = key(&proxy, 0).await;
    assert_eq!(
        (&limited["state"], &limited["used"]),
        (&"resting".into(), &1.into())
    );
    assert_eq!(answer(&proxy, "2").await, message("a"));
    assert_eq!(used(&first), [1, 2, 2]);
}

/// What was known of an endpoint goes with its address, and with itself.
#[tokio::test]
async fn a_reload_forgets_endpoints_that_moved_or_went() {
    let acts = [
        limited(&[("retry-after", "300")], "slow down"),
        refuses(500, "api_error", "boom"),
    ];
    let old = Upstream::script(acts).await;
    let new = Upstream::always(says("new")).await;
    let second = Upstream::always(says("b")).await;
    let b = || Provider::anthropic("b", &second.url());
    let setup = || Setup::of([two_keys(&old), b()]).setting("unhealthy_threshold: 1");
    let proxy = Proxy::start(setup()).await;
    assert_eq!(answer(&proxy, "1").await, message("b"));
    assert_eq!(proxy.provider("a").await["circuit"], "open");

    reload(&proxy, setup()).await;
    assert_eq!(
        proxy.provider("a").await["circuit"],
        "open",
        "nothing has changed"
    );

    reload(&proxy, Setup::of([two_keys(&new), b()])).await;
    let moved = proxy.provider("a").await;
    assert_eq!(
        (&moved["circuit"], &moved["failed_attempts"]),
        (&"closed".into(), &0.into())
    );
    assert_eq!(moved["keys"][0]["state"], "usable", "{moved}");
    assert_eq!(answer(&proxy, "2").await, message("new"));
    assert_eq!(used(&new), [1]);

    reload(&proxy, Setup::of([b()])).await;
    reload(&proxy, Setup::of([two_keys(&new), b()])).await;
    let back = proxy.provider("a").await;
    assert_eq!(
        (&back["served"], &back["keys"][0]["used"]),
        (&0.into(), &0.into())
    );
}

#[tokio::test]
async fn repeats_at_the_same_endpoint_stay_inside_their_budget() {
    let upstream = Upstream::always(limited(&[("retry-after", "1")], "slow down")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let (address, mut all) = (proxy.address(), JoinSet::new());
    for i in 0..40 {
        let request = Request::messages(ask(&i.to_string()));
        all.spawn(async move { Client::connect(address).await.ask(request).await.status });
    }
    let statuses = all.join_all().await;
    assert!(
        statuses.iter().all(|status| [429, 503].contains(status)),
        "{statuses:?}"
    );
    let budget = proxy.providers().await["retry_budget"].clone();
    assert_eq!(budget["granted"], 30, "{budget}");
    assert_eq!(budget["refused"], 10, "{budget}");
    assert!(upstream.calls() <= 70, "{}", upstream.calls());
}
