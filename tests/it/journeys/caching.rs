//! Answers that are given again: which ones, to whom, for how long.

use serde_json::Value;

use crate::support::answers::ask;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn caching(upstream: &Upstream, cache: &str) -> Proxy {
    let provider = Provider::anthropic("a", &upstream.url());
    Proxy::start(Setup::of([provider]).setting(cache)).await
}

/// A question that has one answer.
fn cold(text: &str) -> String {
    ask(text).replacen('{', r#"{"temperature":0,"#, 1)
}

fn mark(reply: &Reply) -> &str {
    reply.header("x-pointsman-cache").unwrap_or("none")
}

async fn asked(proxy: &Proxy, body: &str) -> Reply {
    proxy.ask(Request::messages(body)).await
}

async fn view(proxy: &Proxy) -> Value {
    proxy.providers().await["cache"].clone()
}

#[tokio::test]
async fn without_its_keys_there_is_no_cache() {
    let upstream = Upstream::always(says("hello")).await;
    let proxy = caching(&upstream, "deduplication: all").await;
    for _ in 0..2 {
        assert_eq!(mark(&asked(&proxy, &cold("hi")).await), "none");
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn the_same_question_gets_the_same_answer_until_it_is_purged() {
    for key in ["cache: {ttl: 1h}", "cache_ttl: 3600", "max_cache_size: 10"] {
        let upstream = Upstream::always(says("hello")).await;
        let proxy = caching(&upstream, key).await;
        let first = asked(&proxy, &cold("hi")).await;
        let second = asked(&proxy, &cold("hi")).await;
        assert_eq!((mark(&first), mark(&second)), ("miss", "hit"), "{key}");
        assert_eq!(second.text(), message("hello"));
        assert_eq!(second.header("content-type"), Some("application/json"));
        let id = |reply: &Reply| reply.header("request-id").unwrap().to_owned();
        assert_ne!(id(&first), id(&second));
        assert_eq!(upstream.calls(), 1);
        let counts = view(&proxy).await;
        assert_eq!(
            (&counts["hits"], &counts["misses"], &counts["entries"]),
            (&1.into(), &1.into(), &1.into())
        );
        let purged = proxy.ask(Request::post("/admin/cache/purge", "")).await;
        assert_eq!((purged.status, &purged.json()["purged"]), (200, &1.into()));
        assert_eq!(mark(&asked(&proxy, &cold("hi")).await), "miss");
        assert_eq!(upstream.calls(), 2);
    }
}

#[tokio::test]
async fn a_stream_is_given_again_event_by_event() {
    let upstream = Upstream::always(streams("hello")).await;
    let proxy = caching(&upstream, "cache: {}\n  cache_ttl: 1h").await;
    let body = cold("hi").replacen('{', r#"{"stream":true,"#, 1);
    for expected in ["miss", "hit", "hit"] {
        let reply = asked(&proxy, &body).await;
        assert_eq!((mark(&reply), reply.text()), (expected, stream("hello")));
        let kind = reply.header("content-type").unwrap();
        assert!(kind.starts_with("text/event-stream"));
    }
    // The other form is another question.
    upstream.then(says("whole"));
    assert_eq!(mark(&asked(&proxy, &cold("hi")).await), "miss");
}

#[tokio::test]
async fn only_questions_with_one_answer_are_kept_unless_told_otherwise() {
    let tools = cold("hi").replacen('{', r#"{"tools":[{"name":"t","input_schema":{}}],"#, 1);
    let warm = ask("hi").replacen('{', r#"{"temperature":0.5,"#, 1);
    for (cache, expected) in [
        ("cache_ttl: 1h", ["none", "none", "none", "hit", "none"]),
        ("cache: {mode: all}", ["hit", "hit", "hit", "hit", "none"]),
    ] {
        let upstream = Upstream::always(says("hello")).await;
        let proxy = caching(&upstream, cache).await;
        let own = Request::messages(cold("hi")).header("x-pointsman-no-share", "1");
        let requests = [&ask("hi"), &warm, &tools, &cold("hi")].map(Request::messages);
        let requests = requests.into_iter().chain([own]);
        for (request, expected) in requests.zip(expected) {
            proxy.ask(request.clone()).await;
            let reply = proxy.ask(request).await;
            assert_eq!(mark(&reply), expected, "{cache}");
        }
    }
}

#[tokio::test]
async fn what_is_not_whole_and_good_is_not_kept() {
    let refusal = message("no").replace("end_turn", "refusal");
    let cut = begins(&[start(), open_text(), delta("Hel")]).reset();
    let acts = [
        refuses(400, "invalid_request_error", "no"),
        Act::answer(200, &[], refusal),
        Act::answer(200, &[], message("x").replace("end_turn", "pause_turn")),
    ];
    for act in acts {
        let upstream = Upstream::always(act).await;
        let proxy = caching(&upstream, "cache_ttl: 1h").await;
        for calls in [1, 2] {
            assert_ne!(mark(&asked(&proxy, &cold("hi")).await), "hit");
            assert_eq!(upstream.calls(), calls);
        }
        assert_eq!(view(&proxy).await["entries"], 0);
    }
    let upstream = Upstream::first([cut], streams("hello")).await;
    let proxy = caching(&upstream, "cache_ttl: 1h").await;
    let body = cold("hi").replacen('{', r#"{"stream":true,"#, 1);
    assert!(asked(&proxy, &body).await.text().contains("event: error"));
    let reply = asked(&proxy, &body).await;
    assert_eq!((mark(&reply), reply.text()), ("miss", stream("hello")));
}

#[tokio::test]
async fn an_answer_ages_and_makes_room() {
    let upstream = Upstream::always(says("hello")).await;
    let proxy = caching(&upstream, "cache: {ttl: 300ms, max_entries: 2}").await;
    asked(&proxy, &cold("hi")).await;
    crate::support::eventually("the answer to age", || async {
        let reply = asked(&proxy, &cold("hi")).await;
        (mark(&reply) == "miss").then_some(())
    })
    .await;
    for text in ["a", "b", "c"] {
        asked(&proxy, &cold(text)).await;
        assert!(view(&proxy).await["entries"].as_u64().unwrap() <= 2);
    }
    let upstream = Upstream::always(says(&"x".repeat(5000))).await;
    let proxy = caching(&upstream, "cache: {max_bytes: 4KiB}").await;
    for _ in 0..2 {
        assert_eq!(mark(&asked(&proxy, &cold("hi")).await), "miss");
    }
    assert_eq!(view(&proxy).await["bytes"], 0);
}

#[tokio::test]
async fn one_tenants_answer_is_not_anothers() {
    let upstream = Upstream::always(says("hello")).await;
    let provider = Provider::anthropic("a", &upstream.url()).passthrough();
    let proxy = Proxy::start(Setup::of([provider]).setting("cache: {mode: all}")).await;
    let with = |key: &str| Request::messages(ask("hi")).header("x-api-key", key);
    for (key, expected) in [("sk-1", "miss"), ("sk-2", "miss"), ("sk-1", "hit")] {
        assert_eq!(mark(&proxy.ask(with(key)).await), expected);
    }
}
