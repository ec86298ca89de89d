//! Connections: many at once, used again, pipelined, HTTP/2 in the clear, `Expect: 100-continue`.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Client;
use crate::support::client::Ending;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::h2c::H2Client;
use crate::support::h2c::H2Upstream;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::soon;
use crate::support::upstream::Upstream;
use crate::support::wire::chunk;

async fn one(upstream: &Upstream) -> Proxy {
    Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await
}

/// What stream number `index` says.
fn words(index: usize) -> String {
    format!("stream number {index} of many")
}

#[tokio::test]
async fn two_hundred_streams_at_once_stay_whole_and_apart() {
    const STREAMS: usize = 200;
    let gate = Gate::new();
    let acts = (0..STREAMS).map(|index| {
        let head = [start(), open_text(), delta(&words(index))];
        begins(&head)
            .wait(&gate)
            .send(chunk(delta(" more").as_bytes()))
            .data(finish())
            .end()
    });
    let upstream = Upstream::script(acts).await;
    let proxy = one(&upstream).await;

    let mut clients = JoinSet::new();
    for index in 0..STREAMS {
        let address = proxy.address();
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            client
                .ask(Request::messages(ask_stream(&words(index))))
                .await
        });
    }
    upstream.called(STREAMS).await;
    gate.open();
    let replies = soon("all streams", clients.join_all()).await;

    let expected: BTreeSet<String> = (0..STREAMS)
        .map(|index| {
            [
                start(),
                open_text(),
                delta(&words(index)),
                delta(" more"),
                finish(),
            ]
            .concat()
        })
        .collect();
    let got: BTreeSet<String> = replies.iter().map(Reply::text).collect();
    assert!(
        replies
            .iter()
            .all(|reply| reply.ending == Ending::Complete && reply.status == 200)
    );
    assert_eq!(got, expected);
    assert_eq!(upstream.calls(), STREAMS);
}

/// Pingora's pool now and then opens a connection although one is idle, so that half as many are allowed.
async fn is_used_again(upstream: Upstream, body: String, answer: String) {
    const REQUESTS: usize = 20;
    let proxy = one(&upstream).await;
    let mut client = proxy.connect().await;
    for _ in 0..REQUESTS {
        assert_eq!(client.ask(Request::messages(&body)).await.text(), answer);
    }
    assert_eq!(upstream.calls(), REQUESTS);
    let opened = upstream.connections();
    assert!(
        opened <= REQUESTS / 2,
        "{opened} connections for {REQUESTS} requests"
    );
}

#[tokio::test]
async fn a_connection_is_used_again_on_both_sides() {
    is_used_again(
        Upstream::always(says("hello")).await,
        ask("hi"),
        message("hello"),
    )
    .await;
}

#[tokio::test]
async fn a_connection_is_used_again_after_streams() {
    is_used_again(
        Upstream::always(streams("hello")).await,
        ask_stream("hi"),
        stream("hello"),
    )
    .await;
}

#[tokio::test]
async fn a_client_that_wants_its_connection_closed_gets_that() {
    let upstream = Upstream::always(streams("hello")).await;
    let proxy = one(&upstream).await;
    for (body, target) in [(ask_stream("hi"), "/v1/messages"), (ask("hi"), "/nowhere")] {
        let mut client = proxy.connect().await;
        client
            .ask(Request::post(target, body).header("connection", "close"))
            .await;
        assert!(client.closed().await.is_empty());
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let acts = [says("one"), streams("two"), says("three")];
    let upstream = Upstream::script(acts).await;
    let proxy = one(&upstream).await;
    let mut client = proxy.connect().await;
    let all = [
        Request::messages(ask("1")).bytes(),
        Request::messages(ask_stream("2")).chunked(11).bytes(),
        Request::messages(ask("3")).bytes(),
    ];
    client.send(all.concat()).await;
    assert_eq!(client.reply().await.text(), message("one"));
    assert_eq!(client.reply().await.text(), stream("two"));
    assert_eq!(client.reply().await.text(), message("three"));
    assert_eq!(upstream.seen(1).text(), ask_stream("2"));
    assert_eq!(upstream.seen(2).text(), ask("3"));
}

#[tokio::test]
async fn a_request_that_comes_during_a_stream_waits_its_turn() {
    let gate = Gate::new();
    let first = begins(&[start(), open_text(), delta("slow")])
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([first, says("second")]).await;
    let proxy = one(&upstream).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("1")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    client.send(Request::messages(ask("2")).bytes()).await;
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!(client.reply().await.text(), message("second"));
}

#[tokio::test]
async fn a_client_that_waits_for_continue_is_told_to_go_on() {
    let upstream = Upstream::script([says("hello")]).await;
    let proxy = one(&upstream).await;
    let body = ask_sized(70_000, false);
    let request = Request::messages(&body).header("expect", "100-continue");
    let mut client = proxy.connect().await;
    client.send(request.head_bytes()).await;
    let interim = client.head().await;
    assert!(interim.line.starts_with("HTTP/1.1 100"), "{}", interim.line);
    client.send(request.body_bytes()).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, message("hello")));
    let seen = upstream.only();
    assert!(seen.body == body.as_bytes());
    assert_eq!(seen.header("expect"), None);
}

#[tokio::test]
async fn http2_in_the_clear_carries_many_streams() {
    const STREAMS: usize = 30;
    let gate = Gate::new();
    let acts = (0..STREAMS).map(|index| {
        begins(&[start(), open_text(), delta(&words(index))])
            .wait(&gate)
            .data(finish())
            .end()
    });
    let upstream = Upstream::script(acts).await;
    let proxy = one(&upstream).await;
    let client = H2Client::connect(proxy.address()).await;

    let bodies: Vec<String> = (0..STREAMS)
        .map(|index| ask_stream(&words(index)))
        .collect();
    let asking = async {
        let mut all = Vec::new();
        let requests: Vec<_> = bodies
            .iter()
            .map(|body| Box::pin(client.post("/v1/messages?beta=true", body.as_bytes())))
            .collect();
        for reply in futures_join(requests).await {
            assert_eq!(reply.status, 200);
            assert_eq!(
                reply.headers["content-type"],
                "text/event-stream; charset=utf-8"
            );
            all.push(String::from_utf8(reply.body).unwrap());
        }
        all
    };
    let opening = async {
        upstream.called(STREAMS).await;
        gate.open();
    };
    let (got, ()) = tokio::join!(asking, opening);

    let got: BTreeSet<String> = got.into_iter().collect();
    let expected: BTreeSet<String> = (0..STREAMS)
        .map(|index| [start(), open_text(), delta(&words(index)), finish()].concat())
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn http2_uploads_survive_a_failover() {
    let broken = Upstream::script([Act::answer(500, &[], "{}")]).await;
    let backup = Upstream::script([streams("rescued")]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &broken.url()),
        Provider::anthropic("b", &backup.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let client = H2Client::connect(proxy.address()).await;
    let body = ask_sized(3_000_000, true);
    let reply = client.post("/v1/messages", body.as_bytes()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, stream("rescued").as_bytes());
    assert!(broken.only().body == body.as_bytes());
    assert!(backup.only().body == body.as_bytes());
}

#[tokio::test]
async fn http2_heads_have_lengths_and_no_bodies() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = one(&upstream).await;
    let client = H2Client::connect(proxy.address()).await;
    for target in ["/", "/v1/models", "/livez"] {
        let got = client.without_body("GET", target).await;
        let head = client.without_body("HEAD", target).await;
        assert_eq!((got.status, head.status), (200, 200), "{target}");
        let length = got.body.len().to_string();
        assert_eq!(head.headers["content-length"], length.as_str(), "{target}");
        assert_eq!(got.headers["content-length"], length.as_str(), "{target}");
        assert!(head.body.is_empty(), "{target}");
    }
    let refused = client.without_body("GET", "/v1/messages").await;
    assert_eq!(refused.status, 405);
    let empty = client.without_body("POST", "/v1/messages").await;
    assert_eq!(empty.status, 400);
    let good = client.post("/v1/messages", ask("hi").as_bytes()).await;
    assert_eq!((good.status, good.body), (200, message("a").into_bytes()));
}

#[tokio::test]
async fn a_provider_that_speaks_http2_gets_it() {
    let upstream = H2Upstream::always(stream("over HTTP/2")).await;
    let provider = Provider::anthropic("a", &upstream.url()).with("http2: on");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let body = ask_sized(3_000_000, true);
    for _ in 0..6 {
        let reply = proxy.ask(Request::messages(&body)).await;
        assert_eq!((reply.status, reply.text()), (200, stream("over HTTP/2")));
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 6);
    assert!(upstream.connections() <= 3, "{}", upstream.connections());
    assert!(seen[0].body == body.as_bytes());
    assert_eq!(seen[0].target, "/v1/messages");
    assert_eq!(seen[0].headers["x-api-key"], key_of("a"));
    assert_eq!(seen[0].headers["anthropic-version"], "2023-06-01");
}

#[tokio::test]
async fn http2_streams_that_are_reset_give_way_or_are_told() {
    let backup = Upstream::always(streams("rescued")).await;
    let begun = [start(), open_text(), delta("one")].concat();
    for (events, rescued) in [(String::new(), true), (begun, false)] {
        let upstream = H2Upstream::resetting(events).await;
        let setup = Setup::of([
            Provider::anthropic("a", &upstream.url()).with("http2: on"),
            Provider::anthropic("b", &backup.url()),
        ]);
        let mut proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        let text = reply.text();
        if rescued {
            assert_eq!(text, stream("rescued"));
        } else {
            assert!(
                text.contains("one") && text.contains("event: error"),
                "{text}"
            );
            assert!(!text.contains("message_stop"), "{text}");
        }
        proxy.line("recorded error for provider a: count=1/2").await;
    }
}

#[tokio::test]
async fn http2_connections_that_say_goodbye_are_replaced() {
    let upstream = H2Upstream::leaving(stream("hi")).await;
    let provider = Provider::anthropic("a", &upstream.url()).with("http2: on");
    let proxy = Proxy::start(Setup::of([provider])).await;
    for index in 0..10 {
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, stream("hi")), "{index}");
    }
    assert!(!proxy.console().contains("count="), "{}", proxy.console());
}

/// Polls all at once on this task and gives their values in order.
async fn futures_join<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut values: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, value) in futures.iter_mut().zip(&mut values) {
            if value.is_none()
                && let std::task::Poll::Ready(ready) = std::pin::Pin::new(future).poll(context)
            {
                *value = Some(ready);
            }
        }
        if values.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    values.into_iter().flatten().collect()
}
