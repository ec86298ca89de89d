//! Limits of our own: requests at once, bodies in memory, clients that do not read; and how the program is stopped.

use tokio::io::AsyncReadExt;

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
use crate::support::answers::streams;
use crate::support::client::Client;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::soon;
use crate::support::upstream::Upstream;

fn open_stream(gate: &Gate) -> Act {
    begins(&[start(), open_text(), delta("on")])
        .wait(gate)
        .data(finish())
        .end()
}

/// A stream that has begun and goes on until its gate opens.
async fn stream(proxy: &Proxy) -> Client {
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    client
}

#[tokio::test]
async fn more_requests_than_allowed_are_asked_to_come_back() {
    let gate = Gate::new();
    let upstream = Upstream::script([open_stream(&gate), says("after")]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).setting("max_in_flight: 1");
    let proxy = Proxy::start(setup).await;
    let mut first = stream(&proxy).await;

    let reply = proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.json()["error"]["type"], "api_error");
    assert_eq!(proxy.ask(Request::get("/livez")).await.status, 200);

    gate.open();
    assert_eq!(first.rest().await, finish());
    // The place is free as soon as the stream is over.
    let free = || async {
        let reply = proxy.ask(Request::messages(ask("3"))).await;
        (reply.status == 200).then(|| reply.text())
    };
    assert_eq!(eventually("a free place", free).await, message("after"));
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn the_only_provider_is_not_asked_for_more_than_it_may_be() {
    let gate = Gate::new();
    let upstream = Upstream::script([open_stream(&gate), says("after")]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url()).with("max_in_flight: 1")]);
    let proxy = Proxy::start(setup).await;
    let mut first = stream(&proxy).await;

    let reply = proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(upstream.calls(), 1);

    gate.open();
    assert_eq!(first.rest().await, finish());
}

#[tokio::test]
async fn a_provider_with_enough_to_do_is_passed_over() {
    let gate = Gate::new();
    let first = Upstream::script([open_stream(&gate)]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with("max_in_flight: 1"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let mut client = stream(&proxy).await;
    let reply = proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

/// There is no other, but enough is enough.
#[tokio::test]
async fn a_lone_provider_with_enough_to_do_is_not_given_more() {
    let gate = Gate::new();
    let upstream = Upstream::script([open_stream(&gate), says("too much")]).await;
    let provider = Provider::anthropic("a", &upstream.url()).with("max_in_flight: 1");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let mut client = stream(&proxy).await;
    let reply = proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn an_endless_answer_does_not_fill_the_memory() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{";
    let mut act = Act::new().send(head);
    for _ in 0..40 {
        act = act.send(vec![b' '; 1 << 20]);
    }
    let upstream = Upstream::script([act.hang()]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    upstream.abandoned(0).await;
}

#[tokio::test]
async fn more_bodies_than_memory_are_asked_to_come_back() {
    let gate = Gate::new();
    let upstream =
        Upstream::script([Act::new().wait(&gate).and(&says("large")), says("after")]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("max_buffered_bytes: 5000000");
    let proxy = Proxy::start(setup).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_sized(4_000_000, false)).bytes())
        .await;
    upstream.called(1).await;

    let reply = proxy
        .ask(Request::messages(ask_sized(4_000_000, false)))
        .await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));

    gate.open();
    assert_eq!(client.reply().await.text(), message("large"));
    let free = || async {
        let reply = proxy
            .ask(Request::messages(ask_sized(4_000_000, false)))
            .await;
        (reply.status == 200).then(|| reply.text())
    };
    assert_eq!(eventually("free memory", free).await, message("after"));
}

/// Bodies that are thrown away need no key, and so must not take anything from those who have one.
#[tokio::test]
async fn unwanted_bodies_take_no_memory() {
    let upstream = Upstream::always(says("a")).await;
    let setup =
        Setup::of([Provider::anthropic("a", &upstream.url())]).setting("max_buffered_bytes: 5000");
    let proxy = Proxy::start(setup).await;
    let mut client = proxy.connect().await;
    let head = "host: x\r\nexpect: 100-continue\r\ncontent-length: 4000\r\n\r\n";
    client
        .send(format!("POST /api/event_logging/batch HTTP/1.1\r\n{head}"))
        .await;
    assert!(client.head().await.line.contains(" 100 "));
    let reply = proxy.ask(Request::messages(ask_sized(3000, false))).await;
    assert_eq!((reply.status, reply.text()), (200, message("a")));
    client.send(vec![b' '; 4000]).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let mut act = begins(&[start(), open_text()]);
    for _ in 0..600 {
        act = act.data(delta(&"x".repeat(64_000)));
    }
    let upstream = Upstream::script([act.hang()]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("client_write_timeout: 400ms");
    let proxy = Proxy::start(setup).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    upstream.abandoned(0).await;
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
    drop(client);
}

/// Slow is not silent: a large answer may take longer than the patience for one that does not read.
#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let long = "long ".repeat(4_000_000);
    let whole = message(&long);
    for stream in [false, true] {
        let act = if stream {
            streams(&long[..4_000_000])
        } else {
            says(&long)
        };
        let upstream = Upstream::script([act]).await;
        let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
            .setting("client_write_timeout: 400ms");
        let proxy = Proxy::start(setup).await;
        let mut client = proxy.connect().await;
        let body = if stream { ask_stream("hi") } else { ask("hi") };
        client
            .send(
                Request::messages(body)
                    .header("connection", "close")
                    .bytes(),
            )
            .await;
        let (mut input, _output) = client.into_parts();
        let (mut got, mut piece) = (Vec::new(), vec![0; 500_000]);
        loop {
            let count = soon("more", input.read(&mut piece)).await.unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&piece[..count]);
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        if stream {
            assert!(got.ends_with(b"0\r\n\r\n"), "{}", got.len());
        } else {
            assert!(
                got.ends_with(whole.as_bytes()),
                "{} of {}",
                got.len(),
                whole.len()
            );
        }
    }
}

#[tokio::test]
async fn when_asked_to_stop_it_finishes_its_streams_first() {
    let gate = Gate::new();
    let upstream = Upstream::script([open_stream(&gate)]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let mut client = stream(&proxy).await;

    proxy.signal("TERM");
    // Nobody new is let in, either by a closed port or by a connection that is not answered as ready.
    eventually("the door to be closed", || async {
        let Ok(stream) = tokio::net::TcpStream::connect(proxy.address()).await else {
            return Some(());
        };
        let reply = Client::over(stream).try_ask(Request::get("/readyz")).await;
        reply.is_none_or(|reply| reply.status == 503).then_some(())
    })
    .await;
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn while_it_drains_a_connection_in_use_is_told_to_close() {
    let gate = Gate::new();
    let upstream = Upstream::script([open_stream(&gate)]).await;
    let mut proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let mut idle = proxy.connect().await;
    assert_eq!(idle.ask(Request::get("/livez")).await.status, 200);
    let mut client = stream(&proxy).await;
    proxy.signal("TERM");
    proxy.line("1 requests are under way").await;
    // Idle connections are closed rather than kept from ending.
    assert!(idle.closed().await.is_empty());
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!(proxy.ended().await, Some(0));
}
