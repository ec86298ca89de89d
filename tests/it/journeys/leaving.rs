//! A client that leaves: the provider's meter stops, nobody else is asked, nobody's health suffers.

use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::open_text;
use crate::support::answers::ping;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// Limits are at their defaults of a minute and more: an upstream that is let go within a journey was let go because
/// the client left.
async fn pair(act: Act) -> (Upstream, Upstream, Proxy) {
    let first = Upstream::script([act]).await;
    let second = Upstream::silent().await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

async fn nothing_else_happened(first: &Upstream, second: &Upstream, proxy: &Proxy) {
    first.abandoned(0).await;
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
    assert_eq!(provider["healthy"], true, "{provider}");
    // The next request finds everything as it was.
    first.then(says("next"));
    let reply = proxy.ask(Request::messages(ask("next"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!((first.calls(), second.calls()), (2, 0));
}

#[tokio::test]
async fn before_the_head() {
    let (first, second, proxy) = pair(Act::new().hang()).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    first.called(1).await;
    drop(client);
    nothing_else_happened(&first, &second, &proxy).await;
}

#[tokio::test]
async fn before_the_head_with_a_reset_and_a_large_body() {
    let (first, second, proxy) = pair(Act::new().hang()).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_sized(3_000_000, false)).bytes())
        .await;
    first.called(1).await;
    client.abort();
    nothing_else_happened(&first, &second, &proxy).await;
}

#[tokio::test]
async fn before_any_content() {
    let (first, second, proxy) = pair(begins(&[start(), ping()]).hang()).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    first.called(1).await;
    drop(client);
    nothing_else_happened(&first, &second, &proxy).await;
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    for with_reset in [false, true] {
        let (first, second, proxy) =
            pair(begins(&[start(), open_text(), delta("Hel")]).hang()).await;
        let mut client = proxy.connect().await;
        client
            .send(Request::messages(ask_stream("hi")).bytes())
            .await;
        assert!(client.head().await.line.contains("200"));
        while client.event().await.unwrap().name != "content_block_delta" {}
        if with_reset {
            client.abort();
        } else {
            drop(client);
        }
        nothing_else_happened(&first, &second, &proxy).await;
    }
}

#[tokio::test]
async fn while_its_pings_run() {
    let first = Upstream::script([Act::new().hang()]).await;
    let second = Upstream::silent().await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("ping_after: 100ms")
    .setting("ping_interval: 100ms");
    let proxy = Proxy::start(setup).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    assert!(client.event().await.is_some());
    drop(client);
    nothing_else_happened(&first, &second, &proxy).await;
}

#[tokio::test]
async fn before_its_body_is_whole() {
    let (first, _second, proxy) = pair(says("hello")).await;
    for chunked in [false, true] {
        let request = Request::messages(ask_sized(100_000, false));
        let request = if chunked {
            request.chunked(1_000)
        } else {
            request
        };
        let mut client = proxy.connect().await;
        client.send(request.head_bytes()).await;
        client.send(&request.body_bytes()[..50_000]).await;
        client.abort();
    }
    // Only this one, which is whole, may arrive.
    let reply = proxy.ask(Request::messages(ask("whole"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(first.only().text(), ask("whole"));
}
