//! Faults that belong to a credential: the next key first, then the next provider.

use crate::support::answers::ask;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const KEYS: [&str; 2] = [
    "sk-canary-pool-one-0123456789",
    "sk-canary-pool-two-0123456789",
];

/// A provider with two keys, used in file order, and another provider behind it.
async fn pool(acts: Vec<Act>) -> (Upstream, Upstream, Proxy) {
    let first = Upstream::script(acts).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url())
            .keyed(&KEYS)
            .with("key_strategy: failover"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

async fn answer(proxy: &Proxy, text: &str) -> String {
    let reply = proxy.ask(Request::messages(ask(text))).await;
    assert_eq!(reply.status, 200, "{text}: {}", reply.text());
    reply.text()
}

fn keys_used(upstream: &Upstream) -> Vec<String> {
    (0..upstream.calls())
        .map(|index| upstream.seen(index).header("x-api-key").unwrap().to_owned())
        .collect()
}

fn limited(retry_after: &str) -> Act {
    let body = error_body(
        "rate_limit_error",
        "This request would exceed your rate limit",
    );
    Act::answer(429, &[("retry-after", retry_after)], body)
}

#[tokio::test]
async fn a_limited_key_gives_way_to_the_next_and_rests() {
    let (first, second, proxy) = pool(vec![limited("60"), says("a"), says("a")]).await;
    assert_eq!(answer(&proxy, "1").await, message("a"));
    assert_eq!(keys_used(&first), KEYS);
    assert_eq!(answer(&proxy, "2").await, message("a"));
    assert_eq!(keys_used(&first), [KEYS[0], KEYS[1], KEYS[1]]);
    assert_eq!(second.calls(), 0);
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
    assert_eq!(provider["healthy"], true, "{provider}");
}

#[tokio::test]
async fn when_all_keys_are_limited_the_next_provider_answers() {
    let (first, second, proxy) = pool(vec![limited("60"), limited("60")]).await;
    assert_eq!(answer(&proxy, "1").await, message("b"));
    assert_eq!((first.calls(), second.calls()), (2, 1));
    // Keys known to be resting cost nothing.
    assert_eq!(answer(&proxy, "2").await, message("b"));
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test]
async fn odd_retry_after_values_are_survived() {
    for value in [
        "9223372036854775808",
        "-5",
        "soon",
        "Wed, 21 Oct 2099 07:28:00 GMT",
        "0.5",
        "",
    ] {
        let (first, second, proxy) = pool(vec![limited(value), limited(value)]).await;
        assert_eq!(answer(&proxy, "1").await, message("b"), "{value}");
        assert_eq!((first.calls(), second.calls()), (2, 1), "{value}");
    }
}

#[tokio::test]
async fn a_refused_key_gives_way_and_stays_benched() {
    for status in [401, 403] {
        let refused = refuses(status, "authentication_error", "invalid x-api-key");
        let (first, second, proxy) = pool(vec![refused, says("a"), says("a")]).await;
        assert_eq!(answer(&proxy, "1").await, message("a"));
        assert_eq!(answer(&proxy, "2").await, message("a"));
        assert_eq!(keys_used(&first), [KEYS[0], KEYS[1], KEYS[1]], "{status}");
        assert_eq!(second.calls(), 0);
    }
}

#[tokio::test]
async fn a_provider_without_a_valid_key_is_left_alone() {
    let first = Upstream::script([refuses(401, "authentication_error", "invalid x-api-key")]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(answer(&proxy, "1").await, message("b"));
    assert_eq!(answer(&proxy, "2").await, message("b"));
    assert_eq!((first.calls(), second.calls()), (1, 2));
}

#[tokio::test]
async fn a_key_without_money_gives_way_and_stays_benched() {
    let broke = "Your credit balance is too low to access the Anthropic API.";
    let used_up =
        "You have reached your specified API usage limits. You will regain access on 2099-01-01.";
    for (status, kind, text) in [
        (402, "billing_error", "Payment required"),
        (400, "invalid_request_error", broke),
        (400, "invalid_request_error", used_up),
        (
            403,
            "permission_error",
            "Insufficient credits on this account",
        ),
        (
            429,
            "rate_limit_error",
            "You exceeded your current quota, please check your plan: insufficient_quota",
        ),
    ] {
        let (first, second, proxy) =
            pool(vec![refuses(status, kind, text), says("a"), says("a")]).await;
        assert_eq!(answer(&proxy, "1").await, message("a"), "{status} {text}");
        assert_eq!(answer(&proxy, "2").await, message("a"), "{status} {text}");
        assert_eq!(
            keys_used(&first),
            [KEYS[0], KEYS[1], KEYS[1]],
            "{status} {text}"
        );
        assert_eq!(second.calls(), 0);
        let provider = proxy.provider("a").await;
        assert_eq!(provider["failure_count"], 0, "{provider}");
    }
}

/// A limit that ends with the month has no `retry-after`, and its type is that of any other limit.
#[tokio::test]
async fn a_key_whose_spend_limit_is_reached_is_not_asked_again_in_a_minute() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"limit reached","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let (first, _second, proxy) = pool(vec![Act::answer(429, &[], body), says("a")]).await;
    assert_eq!(answer(&proxy, "1").await, message("a"));
    assert_eq!(keys_used(&first), KEYS);
    let key = proxy.provider("a").await["keys"][0].clone();
    assert_eq!(key["why"], "out of credit", "{key}");
    assert!(500.0 < key["back_in_seconds"].as_f64().unwrap(), "{key}");
}

#[tokio::test]
async fn keys_take_turns_by_default() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url()).keyed(&KEYS)]);
    let proxy = Proxy::start(setup).await;
    for text in ["1", "2", "3", "4"] {
        answer(&proxy, text).await;
    }
    let used = keys_used(&upstream);
    assert_ne!(used[0], used[1]);
    assert_eq!(used[..2], used[2..]);
}

#[tokio::test]
async fn a_lone_limited_provider_is_waited_for_when_it_asks_for_little() {
    let upstream = Upstream::script([limited("1"), says("a")]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(answer(&proxy, "1").await, message("a"));
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn under_passthrough_a_refusal_is_the_clients_own_and_harms_nobody_else() {
    for status in [401, 403, 429] {
        let body = error_body("authentication_error", "OAuth token has expired");
        let refused = Act::answer(status, &[("request-id", "req_vendor")], &body);
        let first = Upstream::script([refused, says("a")]).await;
        let second = Upstream::silent().await;
        let setup = Setup::of([
            Provider::anthropic("a", &first.url()).passthrough(),
            Provider::anthropic("b", &second.url()),
        ]);
        let proxy = Proxy::start(setup).await;
        let from = |who: &str| {
            Request::messages(ask("hi")).header("authorization", &format!("Bearer {who}"))
        };
        let reply = proxy.ask(from("expired")).await;
        assert_eq!((reply.status, reply.text()), (status, body));
        assert_eq!(reply.header("request-id"), Some("req_vendor"));
        let reply = proxy.ask(from("valid")).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
        assert_eq!((first.calls(), second.calls()), (2, 0));
    }
}

/// An account that may not use a model gets a 404 for it; the next client's account may.
#[tokio::test]
async fn under_passthrough_an_unknown_model_is_the_clients_own_affair() {
    let missing = refuses(404, "not_found_error", "model: claude-of-the-rich");
    let first = Upstream::script([missing, says("a")]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).passthrough(),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    for (who, text) in [("poor", "b"), ("rich", "a")] {
        let request =
            Request::messages(ask("hi")).header("authorization", &format!("Bearer {who}"));
        assert_eq!(proxy.ask(request).await.text(), message(text), "{who}");
    }
    assert_eq!(second.only().header("authorization"), None);
}

#[tokio::test]
async fn no_more_than_three_keys_are_tried_for_one_request() {
    let first = Upstream::always(limited("30")).await;
    let second = Upstream::always(says("b")).await;
    let keys: Vec<String> = (0..5)
        .map(|i| format!("sk-canary-{i}-0123456789"))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).keyed(&keys),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    // Keys known to rest cost nothing: the second request finds two fresh ones.
    for calls in [3, 5, 5] {
        assert_eq!(answer(&proxy, "hi").await, message("b"));
        assert_eq!(first.calls(), calls);
    }
}
