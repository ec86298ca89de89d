//! Identical calls at once: one call of the provider, and everyone gets all of its answer.

use std::collections::BTreeSet;

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::client::Client;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::h2c::H2Client;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn sharing(upstream: &Upstream, mode: &str) -> Proxy {
    let provider = Provider::anthropic("a", &upstream.url());
    Proxy::start(Setup::of([provider]).setting(&format!("deduplication: {mode}"))).await
}

async fn sent(proxy: &Proxy, request: &Request) -> Client {
    let mut client = proxy.connect().await;
    client.send(request.bytes()).await;
    client
}

/// How the answer came about, in the proxy's words.
fn mark(reply: &Reply) -> &str {
    reply.header("x-pointsman-cache").unwrap_or("own")
}

fn shared_count(replies: &[Reply]) -> usize {
    replies.iter().filter(|it| mark(it) == "shared").count()
}

#[tokio::test]
async fn fifty_identical_streams_are_one_call_and_late_ones_get_it_from_the_start() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("one ")])
        .wait(&gate)
        .data(delta("two "))
        .wait(&gate)
        .data(delta("three"))
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([act]).await;
    let proxy = sharing(&upstream, "all").await;
    let request = Request::messages(ask_stream("hi"));
    let mut clients = Vec::new();
    for wave in [20, 20, 10] {
        for _ in 0..wave {
            clients.push(sent(&proxy, &request).await);
        }
        let followers = u64::try_from(clients.len() - 1).unwrap();
        proxy.followed(followers).await;
        gate.step();
    }
    let mut replies = Vec::new();
    for client in &mut clients {
        replies.push(client.reply().await);
    }
    let whole = [
        start(),
        open_text(),
        delta("one "),
        delta("two "),
        delta("three"),
        finish(),
    ]
    .concat();
    let mut ids = BTreeSet::new();
    for reply in &replies {
        assert_eq!((reply.status, reply.text()), (200, whole.clone()));
        assert_eq!(reply.header("request-id"), Some("req_upstream"));
        ids.insert(reply.header("x-pointsman-request-id").unwrap().to_owned());
    }
    assert_eq!((shared_count(&replies), ids.len()), (49, 50));
    assert_eq!(upstream.calls(), 1);
    crate::support::eventually("the log to be let go of", || async {
        let view = proxy.providers().await;
        (view["sharing"]["bytes"] == 0).then_some(())
    })
    .await;
    // Tokens stand in one line only.
    crate::support::eventually("a line for everyone", || {
        let lines = proxy.log_file();
        let of = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
        let counts = (
            of("\"cache.outcome\":\"shared\""),
            of("gen_ai.usage.output_tokens"),
        );
        std::future::ready((counts == (49, 1)).then_some(()))
    })
    .await;
}

#[tokio::test]
async fn whole_answers_are_shared_as_well() {
    let gate = Gate::new();
    let upstream = Upstream::script([Act::new().wait(&gate).and(&says("hello"))]).await;
    let proxy = sharing(&upstream, "all").await;
    let request = Request::messages(ask("hi"));
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(sent(&proxy, &request).await);
    }
    proxy.followed(4).await;
    gate.open();
    for client in &mut clients {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (200, message("hello")));
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn metadata_makes_no_difference_and_a_limit_does_unless_told_otherwise() {
    for (counts, calls) in [(true, 2), (false, 1)] {
        let gate = Gate::new();
        let upstream = Upstream::always(Act::new().wait(&gate).and(&says("hello"))).await;
        let line =
            format!("deduplication: {{mode: all, include_max_tokens_in_signature: {counts}}}");
        let provider = Provider::anthropic("a", &upstream.url());
        let proxy = Proxy::start(Setup::of([provider]).setting(&line)).await;
        let plain = ask("hi");
        let named = plain.replacen('{', r#"{"metadata":{"user_id":"x"},"#, 1);
        let other = named.replace(r#""user_id":"x""#, r#""user_id":"somebody else""#);
        let longer = named.replace(r#""max_tokens":64"#, r#""max_tokens":65"#);
        let mut clients = Vec::new();
        for body in [&named, &other, &longer] {
            clients.push(sent(&proxy, &Request::messages(body)).await);
            upstream.called(1).await;
        }
        proxy.followed(3 - calls).await;
        upstream.called(usize::try_from(calls).unwrap()).await;
        gate.open();
        for client in &mut clients {
            assert_eq!(client.reply().await.status, 200);
        }
        assert_eq!(u64::try_from(upstream.calls()).unwrap(), calls);
    }
}

/// Sends both while the provider hesitates: whether they became one call.
async fn become_one(proxy: &Proxy, upstream: &Upstream, gate: &Gate, both: [Request; 2]) -> bool {
    let (calls, followed) = (upstream.calls(), followers(proxy).await);
    let [first, second] = both;
    let mut first = sent(proxy, &first).await;
    upstream.called(calls + 1).await;
    let mut second = sent(proxy, &second).await;
    let one = crate::support::eventually("a call or a follower", || async {
        let one = followers(proxy).await == followed + 1;
        (one || upstream.calls() == calls + 2).then_some(one)
    })
    .await;
    gate.step();
    if !one {
        gate.step();
    }
    let (first, second) = (first.reply().await, second.reply().await);
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(mark(&second) == "shared", one, "{:?}", second.head);
    one
}

async fn followers(proxy: &Proxy) -> u64 {
    proxy.providers().await["sharing"]["followed"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn by_default_only_what_is_recognisably_the_same_call_again_is_shared() {
    let gate = Gate::new();
    let upstream = Upstream::always(Act::new().wait(&gate).and(&says("hello"))).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let plain = || Request::messages(ask("hi"));
    let session = |name: &str| plain().header("x-claude-code-session-id", name);
    let agent = |name: &str| session("s").header("x-claude-code-agent-id", name);
    let repeat = |times: &str| plain().header("x-stainless-retry-count", times);
    let user = ask("hi").replacen(
        '{',
        r#"{"metadata":{"user_id":"user_1_account__session_abc"},"#,
        1,
    );
    let cases = [
        ("no session", [plain(), plain()], false),
        ("a session", [session("s"), session("s")], true),
        ("two sessions", [session("s"), session("t")], false),
        ("two agents", [agent("one"), agent("two")], false),
        ("agent and session", [session("s"), agent("one")], false),
        ("one agent", [agent("one"), agent("one")], true),
        ("first tries", [repeat("0"), repeat("0")], false),
        ("a repeat", [repeat("0"), repeat("1")], true),
        (
            "a session in the body",
            [Request::messages(&user), Request::messages(&user)],
            true,
        ),
        (
            "who wants none",
            [
                session("s"),
                session("s").header("x-pointsman-no-share", "1"),
            ],
            false,
        ),
        (
            "another beta",
            [session("s"), session("s").header("anthropic-beta", "x")],
            false,
        ),
        (
            "the other form",
            [
                session("s"),
                Request::messages(ask("ho")).header("x-claude-code-session-id", "s"),
            ],
            false,
        ),
    ];
    for (name, both, expected) in cases {
        let one = become_one(&proxy, &upstream, &gate, both).await;
        assert_eq!(one, expected, "{name}");
    }
}

#[tokio::test]
async fn switched_off_nothing_is_shared() {
    let gate = Gate::new();
    let upstream = Upstream::always(Act::new().wait(&gate).and(&says("hello"))).await;
    let proxy = sharing(&upstream, "off").await;
    let request = || Request::messages(ask("hi")).header("session-id", "s");
    let one = become_one(&proxy, &upstream, &gate, [request(), request()]).await;
    assert!(!one);
}

#[tokio::test]
async fn two_forwarded_credentials_never_share() {
    let gate = Gate::new();
    let upstream = Upstream::always(Act::new().wait(&gate).and(&says("hello"))).await;
    let provider = Provider::anthropic("a", &upstream.url()).passthrough();
    let proxy = Proxy::start(Setup::of([provider]).setting("deduplication: all")).await;
    let with = |key: &str| Request::messages(ask("hi")).header("x-api-key", key);
    for (both, expected) in [
        ([with("sk-one"), with("sk-two")], false),
        ([with("sk-one"), with("sk-one")], true),
    ] {
        assert_eq!(become_one(&proxy, &upstream, &gate, both).await, expected);
    }
}

#[tokio::test]
async fn two_gateway_keys_never_share() {
    let gate = Gate::new();
    let upstream = Upstream::always(Act::new().wait(&gate).and(&says("hello"))).await;
    let provider = Provider::anthropic("a", &upstream.url());
    let setup = Setup::of([provider])
        .setting("deduplication: all")
        .section("auth: {api_keys: [gw-key-of-team-one, gw-key-of-team-two]}");
    let proxy = Proxy::start(setup).await;
    let with = |team: &str| {
        Request::messages(ask("hi")).header("x-api-key", &format!("gw-key-of-team-{team}"))
    };
    for (both, expected) in [
        ([with("one"), with("two")], false),
        ([with("two"), with("two")], true),
    ] {
        assert_eq!(become_one(&proxy, &upstream, &gate, both).await, expected);
    }
}

#[tokio::test]
async fn an_open_listener_that_others_can_reach_shares_nothing() {
    let upstream = Upstream::always(says("hello")).await;
    let provider = Provider::anthropic("a", &upstream.url());
    let setup = Setup::of([provider])
        .setting("deduplication: all")
        .setting("cache: {mode: all}")
        .setting("host: 0.0.0.0")
        .section("auth: {enabled: false, i_know: true}");
    let proxy = Proxy::start(setup).await;
    for _ in 0..2 {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, mark(&reply)), (200, "own"));
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_follower_has_pings_of_its_own() {
    let gate = Gate::new();
    let act = Act::new()
        .wait(&gate)
        .and(&begins(&[start(), open_text(), delta("late")]))
        .data(finish())
        .end();
    let upstream = Upstream::script([act]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("deduplication: all")
        .setting("ping_after: 100ms")
        .setting("ping_interval: 100ms");
    let proxy = Proxy::start(setup).await;
    let request = Request::messages(ask_stream("hi"));
    let _leader = sent(&proxy, &request).await;
    upstream.called(1).await;
    let mut follower = sent(&proxy, &request).await;
    follower.head().await;
    for _ in 0..2 {
        let ping = follower.event().await.unwrap();
        assert!(ping.name == "ping" || ping.raw.starts_with(':'), "{ping:?}");
    }
    gate.open();
    let rest = follower.rest().await;
    assert!(rest.ends_with(&finish()), "{rest}");
    assert!(rest.contains("message_start"), "{rest}");
    assert_eq!(upstream.calls(), 1);
}

/// A thousand streams over 20 connections; the answer is half a megabyte, and there is one of it.
#[tokio::test]
async fn a_thousand_streams_are_one_call_and_one_copy() {
    const CONNECTIONS: usize = 20;
    const STREAMS: usize = 50;
    let gate = Gate::new();
    let text = "x".repeat(512 * 1024);
    let act = begins(&[start(), open_text(), delta(&text)])
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([act]).await;
    let proxy = sharing(&upstream, "all").await;
    let body = ask_stream("hi");
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(H2Client::connect(proxy.address()).await);
    }
    let begun = std::time::Instant::now();
    let before = proxy.memory();
    let asking = connections.iter().flat_map(|connection| {
        let body = &body;
        (0..STREAMS).map(move |_| connection.post("/v1/messages", body.as_bytes()))
    });
    let watching = async {
        proxy.followed(999).await;
        let view = proxy.providers().await;
        let bytes = view["sharing"]["bytes"].as_u64().unwrap();
        assert!(bytes < 600 * 1024, "{view}");
        let grown = proxy.memory().saturating_sub(before) / 1024;
        gate.open();
        grown
    };
    let (replies, grown) = tokio::join!(futures_of(asking), watching);
    let whole = [start(), open_text(), delta(&text), finish()].concat();
    assert_eq!(replies.len(), CONNECTIONS * STREAMS);
    for reply in replies {
        assert_eq!(reply.status, 200);
        assert!(reply.body == whole.as_bytes());
    }
    assert_eq!(upstream.calls(), 1);
    // A copy for each would be 500 MiB.
    assert!(grown < 250, "{grown} MiB more");
    assert!(begun.elapsed().as_secs() < 20);
}

/// Polls all of them, each whenever any is ready: good enough for a thousand.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|it| Some(Box::pin(it))).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        for place in &mut waiting {
            if let Some(future) = place
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                done.push(value);
                *place = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}
