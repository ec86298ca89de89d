//! A slow attempt and the one that begins beside it: one answer, two calls, and nobody is blamed for losing.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::completion;
use crate::support::answers::completion_stream;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Client;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const KEYS: [&str; 2] = [
    "sk-canary-pool-one-0123456789",
    "sk-canary-pool-two-0123456789",
];

/// Providers a, b, c … in this order, hedged soon.
fn hedged(upstreams: &[&Upstream]) -> Setup {
    let names = ["a", "b", "c"].iter().zip(upstreams);
    let providers = names.map(|(name, upstream)| Provider::anthropic(name, &upstream.url()));
    Setup::of(providers).setting("hedge_after: 60ms")
}

/// The same for a journey with two of them.
async fn pair(first: Act, second: Act) -> (Upstream, Upstream, Proxy) {
    let (first, second) = (
        Upstream::script([first]).await,
        Upstream::script([second]).await,
    );
    let proxy = Proxy::start(hedged(&[&first, &second]).setting("log_level: DEBUG")).await;
    (first, second, proxy)
}

fn debugged(body: String) -> Request {
    Request::messages(body).header("x-pointsman-debug", "1")
}

async fn sent(proxy: &Proxy, request: Request) -> Client {
    let mut client = proxy.connect().await;
    client.send(request.bytes()).await;
    client
}

fn boom() -> Act {
    refuses(500, "api_error", "boom")
}

fn trace(reply: &Reply) -> &str {
    reply.header("x-pointsman-trace").unwrap()
}

fn served_by(reply: &Reply, provider: &str, attempts: &str) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-pointsman-provider"), Some(provider));
    assert_eq!(reply.header("x-pointsman-attempts"), Some(attempts));
}

/// Nothing is held against a provider, and nothing of it is in use any more.
async fn is_unharmed(proxy: &Proxy, name: &str) -> Value {
    eventually("a free provider", || async {
        let provider = proxy.provider(name).await;
        let free = provider["in_flight"] == 0 && provider["keys"][0]["in_flight"] == 0;
        let (errors, failed) = (&provider["failure_count"], &provider["failed_attempts"]);
        assert_eq!((errors, failed), (&0.into(), &0.into()), "{provider}");
        assert_eq!(provider["healthy"], true, "{provider}");
        free.then_some(provider)
    })
    .await
}

async fn errors(proxy: &Proxy, name: &str, count: u64) {
    eventually("a counted error", || async {
        let provider = proxy.provider(name).await;
        (provider["failure_count"] == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_second_answers_where_the_first_is_silent() {
    let half_a_message = Act::new().send(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{\"id\"",
    );
    for (slow, body, fast, text) in [
        (Act::new(), ask_stream("hi"), streams("b"), stream("b")),
        (
            begins(&[start(), open_text()]),
            ask_stream("hi"),
            streams("b"),
            stream("b"),
        ),
        (Act::new(), ask("hi"), says("b"), message("b")),
        (half_a_message, ask("hi"), says("b"), message("b")),
    ] {
        let (first, second, mut proxy) = pair(slow.hang(), fast).await;
        let reply = proxy.ask(debugged(body)).await;
        served_by(&reply, "b", "2");
        assert_eq!(reply.text(), text);
        let trace = trace(&reply);
        assert!(
            trace.starts_with("a=overtaken (key 1:sk-c..cdef, "),
            "{trace}"
        );
        assert!(
            trace.contains("; b=served (hedge, key 1:sk-c..cdef, "),
            "{trace}"
        );
        // At once, and not when the answer has ended.
        first.abandoned(0).await;
        assert_eq!((first.calls(), second.calls()), (1, 1));
        assert_eq!(first.only().body, second.only().body);
        let slow = is_unharmed(&proxy, "a").await;
        // It would have taken at least so long: that it is slow is known.
        assert!(60.0 <= slow["ttft_ms"].as_f64().unwrap(), "{slow}");
        proxy.line("@ b (2 attempts, hedge won)").await;
        proxy.line("took route *: a=overtaken (").await;
        let hedges = &proxy.providers().await["hedges"];
        assert_eq!((&hedges["granted"], &hedges["won"]), (&1.into(), &1.into()));
    }
}

#[tokio::test]
async fn the_first_may_still_win() {
    let gate = Gate::new();
    for (late, body, text) in [
        (streams("a"), ask_stream("hi"), stream("a")),
        (says("a"), ask("hi"), message("a")),
    ] {
        let (first, second, mut proxy) =
            pair(Act::new().wait(&gate).and(&late), begins(&[start()]).hang()).await;
        let mut client = sent(&proxy, debugged(body)).await;
        second.called(1).await;
        gate.step();
        let reply = client.reply().await;
        served_by(&reply, "a", "2");
        assert_eq!(reply.text(), text);
        let trace = trace(&reply);
        assert!(trace.starts_with("b=cancelled (hedge, key 1:"), "{trace}");
        assert!(trace.contains("; a=served (key 1:"), "{trace}");
        second.abandoned(0).await;
        let loser = is_unharmed(&proxy, "b").await;
        // How long it would have taken nobody knows.
        assert_eq!(loser["ttft_ms"], Value::Null, "{loser}");
        proxy.line("@ a (2 attempts, hedge lost)").await;
        let hedges = &proxy.providers().await["hedges"];
        assert_eq!((&hedges["granted"], &hedges["won"]), (&1.into(), &0.into()));
        let told = proxy.ask(Request::get("/admin/requests")).await.json();
        let told = &told["requests"][0];
        assert_eq!(told["hedge"], "lost", "{told}");
        let steps = told["steps"].as_array().unwrap();
        let step = |i: usize| (steps[i]["provider"].clone(), steps[i]["hedge"].clone());
        assert_eq!(step(0), ("b".into(), true.into()), "{told}");
        assert_eq!(step(1), ("a".into(), false.into()), "{told}");
        assert_eq!((first.calls(), second.calls()), (1, 1));
    }
}

#[tokio::test]
async fn when_the_first_fails_the_second_goes_on_alone() {
    for fails in [
        Act::new().reset(),
        boom(),
        refuses(529, "overloaded_error", "busy"),
        begins(&[start()]).close(),
    ] {
        let (failing, going_on) = (Gate::new(), Gate::new());
        let (first, second, proxy) = pair(
            Act::new().wait(&failing).and(&fails),
            Act::new().wait(&going_on).and(&streams("b")),
        )
        .await;
        let mut client = sent(&proxy, debugged(ask_stream("hi"))).await;
        second.called(1).await;
        failing.open();
        errors(&proxy, "a", 1).await;
        going_on.open();
        let reply = client.reply().await;
        served_by(&reply, "b", "2");
        assert_eq!(reply.text(), stream("b"));
        let trace = trace(&reply);
        assert!(!trace.contains("overtaken"), "{trace}");
        assert!(trace.contains("; b=served (hedge, key 1:"), "{trace}");
        assert_eq!((first.calls(), second.calls()), (1, 1));
    }
}

#[tokio::test]
async fn when_the_second_fails_the_first_goes_on_alone() {
    let gate = Gate::new();
    let (first, second, proxy) = pair(Act::new().wait(&gate).and(&says("a")), boom()).await;
    let mut client = sent(&proxy, debugged(ask("hi"))).await;
    // Known as soon as it happens, not when the request ends.
    errors(&proxy, "b", 1).await;
    gate.open();
    let reply = client.reply().await;
    served_by(&reply, "a", "2");
    let trace = trace(&reply);
    assert!(
        trace.starts_with("b=500 upstream_status (hedge, key 1:"),
        "{trace}"
    );
    assert!(trace.contains("; a=served (key 1:"), "{trace}");
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn when_both_fail_the_third_answers() {
    let gate = Gate::new();
    for (one, two) in [
        (
            Act::new().wait(&gate).and(&boom()),
            Act::new().wait(&gate).and(&boom()),
        ),
        (Act::new().wait(&gate).and(&boom()), boom()),
        (Act::new().hang(), boom()),
    ] {
        let (first, second) = (Upstream::script([one]).await, Upstream::script([two]).await);
        let third = Upstream::script([streams("c")]).await;
        let proxy = Proxy::start(hedged(&[&first, &second, &third])).await;
        let mut client = sent(&proxy, debugged(ask_stream("hi"))).await;
        second.called(1).await;
        gate.step();
        gate.step();
        let reply = client.reply().await;
        served_by(&reply, "c", "3");
        assert_eq!(reply.text(), stream("c"));
        assert_eq!((first.calls(), second.calls(), third.calls()), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_second_that_failed_has_its_turn_where_that_makes_sense() {
    let limited = || refuses(429, "rate_limit_error", "slow down");
    let gate = Gate::new();
    let first = Upstream::script([Act::new().wait(&gate).and(&boom())]).await;
    let second = Upstream::script([limited(), says("b")]).await;
    let providers = [
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()).keyed(&KEYS),
    ];
    let proxy = Proxy::start(Setup::of(providers).setting("hedge_after: 60ms")).await;
    let mut client = sent(&proxy, debugged(ask("hi"))).await;
    eventually("a key that rests", || async {
        let keys = proxy.provider("b").await["keys"].clone();
        (keys[0]["state"] == "resting").then_some(())
    })
    .await;
    gate.open();
    let reply = client.reply().await;
    served_by(&reply, "b", "3");
    let key = |index: usize| second.seen(index).header("x-api-key").unwrap().to_owned();
    assert_eq!((key(0), key(1)), (KEYS[0].to_owned(), KEYS[1].to_owned()));
    let trace = trace(&reply);
    assert!(
        trace.contains("; a=500 ") && trace.contains("; b=served (key 2:"),
        "{trace}"
    );
}

#[tokio::test]
async fn what_the_client_did_wrong_is_told_when_nobody_serves_it() {
    let bad = || refuses(400, "invalid_request_error", "messages: too odd");
    // The first one says so: as without a hedge, that is the answer.
    let gate = Gate::new();
    let (_first, second, proxy) = pair(Act::new().wait(&gate).and(&bad()), Act::new().hang()).await;
    let mut client = sent(&proxy, debugged(ask("hi"))).await;
    second.called(1).await;
    gate.open();
    let reply = client.reply().await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(
        trace(&reply).contains("b=cancelled (hedge, "),
        "{}",
        trace(&reply)
    );
    second.abandoned(0).await;

    // The second one says so: the first may know better, and does not.
    let gate = Gate::new();
    let first = Upstream::script([Act::new().wait(&gate).and(&boom())]).await;
    let second = Upstream::always(bad()).await;
    let mut proxy = Proxy::start(hedged(&[&first, &second])).await;
    let mut client = sent(&proxy, Request::messages(ask("hi"))).await;
    second.called(1).await;
    is_unharmed(&proxy, "b").await;
    gate.open();
    let reply = client.reply().await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("too odd"), "{}", reply.text());
    assert_eq!((first.calls(), second.calls()), (1, 2));
    proxy.line("(3 attempts, hedge lost)").await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_both() {
    for body in [ask_stream("hi"), ask("hi")] {
        let (first, second, mut proxy) = pair(Act::new().hang(), begins(&[start()]).hang()).await;
        let client = sent(&proxy, Request::messages(body)).await;
        second.called(1).await;
        drop(client);
        first.abandoned(0).await;
        second.abandoned(0).await;
        is_unharmed(&proxy, "a").await;
        is_unharmed(&proxy, "b").await;
        proxy.line("a=the client left (key 1:").await;
        proxy.line("; b=the client left (hedge, key 1:").await;
    }
}

#[tokio::test]
async fn the_deadline_is_that_of_both() {
    let (first, second, proxy) = pair(Act::new().hang(), Act::new().hang()).await;
    let request = debugged(ask_stream("hi")).header("x-stainless-timeout", "6");
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    first.abandoned(0).await;
    second.abandoned(0).await;
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn pings_go_on_while_either_is_alive() {
    let (failing, going_on) = (Gate::new(), Gate::new());
    let first = Upstream::script([Act::new().wait(&failing).reset()]).await;
    let second = Upstream::script([Act::new().wait(&going_on).and(&streams("b"))]).await;
    let setup = hedged(&[&first, &second])
        .setting("ping_after: 100ms")
        .setting("ping_interval: 50ms");
    let proxy = Proxy::start(setup).await;
    let mut client = sent(&proxy, Request::messages(ask_stream("hi"))).await;
    client.head().await;
    second.called(1).await;
    let ping = client.event().await.unwrap();
    assert!(ping.name == "ping" || ping.raw.starts_with(':'), "{ping:?}");
    failing.open();
    errors(&proxy, "a", 1).await;
    for _ in 0..2 {
        let ping = client.event().await.unwrap();
        assert!(ping.name == "ping" || ping.raw.starts_with(':'), "{ping:?}");
    }
    going_on.open();
    let rest = client.rest().await;
    assert!(rest.ends_with(&[delta("b"), finish()].concat()), "{rest}");
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn the_winner_is_translated_or_relayed_with_its_own_losses() {
    let body = |stream: bool| {
        json!({
            "model": MODEL, "max_tokens": 64, "top_k": 5, "stream": stream,
            "messages": [{"role": "user", "content": "hi"}],
        })
        .to_string()
    };
    let hangs = || Act::new().hang();
    let deepseek = |name: &str, upstream: &Upstream| {
        Provider::openai(name, &upstream.url()).with("vendor: deepseek")
    };
    for (streaming, translated, relayed) in [
        (
            true,
            Act::events(completion_stream("from there")),
            streams("from here"),
        ),
        (
            false,
            Act::answer(200, &[], completion("from there")),
            says("from here"),
        ),
    ] {
        let (silent, upstream) = (
            Upstream::script([hangs()]).await,
            Upstream::script([translated]).await,
        );
        let setup = Setup::of([
            Provider::anthropic("a", &silent.url()),
            deepseek("b", &upstream),
        ]);
        let proxy = Proxy::start(setup.setting("hedge_after: 60ms")).await;
        let reply = proxy.ask(debugged(body(streaming))).await;
        served_by(&reply, "b", "2");
        let losses = reply.header("x-pointsman-losses").unwrap();
        assert!(losses.starts_with("top_k dropped"), "{losses}");
        let text = reply.text();
        assert!(text.contains("from") && text.contains("there"), "{text}");
        assert_eq!(
            upstream.only().head.line,
            "POST /v1/chat/completions HTTP/1.1"
        );

        let (silent, upstream) = (
            Upstream::script([hangs()]).await,
            Upstream::script([relayed]).await,
        );
        let setup = Setup::of([
            deepseek("a", &silent),
            Provider::anthropic("b", &upstream.url()),
        ]);
        let proxy = Proxy::start(setup.setting("hedge_after: 60ms")).await;
        let reply = proxy.ask(debugged(body(streaming))).await;
        served_by(&reply, "b", "2");
        assert_eq!(reply.header("x-pointsman-losses"), None);
        let whole = if streaming {
            stream("from here")
        } else {
            message("from here")
        };
        assert_eq!(reply.text(), whole);
    }
}

#[tokio::test]
async fn a_large_body_reaches_both() {
    let (first, second, proxy) = pair(Act::new().hang(), streams("b")).await;
    let body = ask_sized(3_000_000, true);
    let reply = proxy.ask(Request::messages(&body)).await;
    served_by(&reply, "b", "2");
    for upstream in [first, second] {
        assert!(upstream.only().body == body.as_bytes());
    }
}

#[tokio::test]
async fn those_who_share_the_answer_see_one() {
    let gate = Gate::new();
    let first = Upstream::script([Act::new().hang()]).await;
    let second = Upstream::script([Act::new().wait(&gate).and(&streams("b"))]).await;
    let setup = hedged(&[&first, &second]).setting("deduplication: all");
    let proxy = Proxy::start(setup).await;
    let request = Request::messages(ask_stream("hi"));
    let mut leader = sent(&proxy, request.clone()).await;
    first.called(1).await;
    let mut follower = sent(&proxy, request).await;
    proxy.followed(1).await;
    second.called(1).await;
    gate.open();
    for client in [&mut leader, &mut follower] {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (200, stream("b")));
        assert_eq!(reply.header("x-pointsman-provider"), Some("b"));
    }
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn a_session_is_at_home_where_it_was_served() {
    let first = Upstream::first([Act::new().hang()], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let equal = ["provider: a, priority: 1", "provider: b, priority: 1"];
    let proxy = Proxy::start(hedged(&[&first, &second]).route("*", &equal)).await;
    for attempts in ["2", "1"] {
        let request = debugged(ask("hi")).header("x-claude-code-session-id", "one");
        served_by(&proxy.ask(request).await, "b", attempts);
    }
    assert_eq!((first.calls(), second.calls()), (1, 2));
}
