//! The end of the program: streams are finished, or told that they are not, and never cut.

use serde_json::json;

use crate::support::answers::{ask, ask_stream, finish, message, streams_until};
use crate::support::client::{Client, Request};
use crate::support::h2c::H2Client;
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

fn setup(upstream: &Upstream) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())])
}

/// The stream ends with an error event, and in order.
async fn ends_with_an_error(client: &mut Client) {
    let rest = client.rest().await;
    assert!(rest.contains("event: error\ndata: "), "{rest}");
    assert!(rest.contains("\"api_error\""), "{rest}");
    assert!(rest.contains("stopping"), "{rest}");
    assert!(!rest.contains("message_stop"), "{rest}");
}

#[tokio::test]
async fn after_the_drain_timeout_streams_end_with_an_error_event() {
    let gate = Gate::new();
    let upstream = Upstream::script([streams_until(&gate)]).await;
    let setup = setup(&upstream).setting("drain_timeout: 300ms");
    let mut proxy = Proxy::start(setup).await;
    let mut client = proxy.begin_stream().await;
    proxy.signal("TERM");
    ends_with_an_error(&mut client).await;
    upstream.abandoned(0).await;
    proxy.line("  stopped  ").await;
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_streams_with_an_error_event() {
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "")] {
        let gate = Gate::new();
        let upstream = Upstream::script([streams_until(&gate)]).await;
        let mut proxy = Proxy::start(setup(&upstream)).await;
        let mut client = proxy.begin_stream().await;
        proxy.signal(first);
        if !second.is_empty() {
            proxy.line("1 requests are under way").await;
            proxy.signal(second);
        }
        ends_with_an_error(&mut client).await;
        assert_eq!(proxy.ended().await, Some(0));
    }
}

#[tokio::test]
async fn every_dialect_hears_of_the_end_in_its_own_words() {
    for (path, body, error, end) in [
        (
            "/v1/chat/completions",
            json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}),
            "data: {\"error\":",
            "[DONE]",
        ),
        (
            "/v1/responses",
            json!({"model": "m", "stream": true, "input": "hi"}),
            "response.failed",
            "response.completed",
        ),
    ] {
        let gate = Gate::new();
        let upstream = Upstream::script([streams_until(&gate)]).await;
        let mut proxy = Proxy::start(setup(&upstream)).await;
        let mut client = proxy.connect().await;
        let request = Request::post(path, body.to_string());
        client.send(request.bytes()).await;
        assert!(client.head().await.line.contains("200"));
        while !client.event().await.unwrap().raw.contains("on") {}
        proxy.signal("TERM");
        proxy.line("1 requests are under way").await;
        proxy.signal("TERM");
        let rest = client.rest().await;
        assert!(rest.contains(error), "{rest}");
        assert!(!rest.contains(end), "{rest}");
        assert_eq!(proxy.ended().await, Some(0));
    }
}

/// Nothing of an answer has been shown yet: the client is asked to come back, which it does by itself.
#[tokio::test]
async fn a_request_without_an_answer_is_asked_to_come_back() {
    let upstream = Upstream::script([Act::new().hang()]).await;
    let mut proxy = Proxy::start(setup(&upstream)).await;
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    upstream.called(1).await;
    proxy.signal("TERM");
    proxy.line("1 requests are under way").await;
    proxy.signal("TERM");
    let reply = client.reply().await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn followers_of_a_shared_call_hear_of_the_end_as_well() {
    let gate = Gate::new();
    let upstream = Upstream::script([streams_until(&gate)]).await;
    let setup = setup(&upstream).setting("deduplication: all");
    let mut proxy = Proxy::start(setup).await;
    let mut leader = proxy.begin_stream().await;
    let mut follower = proxy.begin_stream().await;
    assert_eq!(upstream.calls(), 1);
    proxy.signal("TERM");
    proxy.line("2 requests are under way").await;
    proxy.signal("TERM");
    ends_with_an_error(&mut leader).await;
    ends_with_an_error(&mut follower).await;
    assert_eq!(proxy.ended().await, Some(0));
}

/// An answer whose head comes after the signal says that its connection closes.
#[tokio::test]
async fn connections_are_closed_politely() {
    let (gate, other) = (Gate::new(), Gate::new());
    let upstream = Upstream::script([
        Act::new()
            .wait(&gate)
            .and(&Act::answer(200, &[], message("late"))),
        streams_until(&other),
    ])
    .await;
    let mut proxy = Proxy::start(setup(&upstream)).await;
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    upstream.called(1).await;
    let h2 = H2Client::connect(proxy.address()).await;
    let body = ask_stream("hi");
    let streaming = h2.post("/v1/messages", body.as_bytes());
    let told = async {
        upstream.called(2).await;
        proxy.signal("TERM");
        proxy.line("2 requests are under way").await;
        gate.open();
        let reply = client.reply().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("connection"), Some("close"));
        other.open();
    };
    let (reply, ()) = tokio::join!(streaming, told);
    assert_eq!(reply.status, 200);
    assert!(String::from_utf8_lossy(&reply.body).ends_with(&finish()));
    // GOAWAY: the connection ends by itself once its last stream has.
    h2.goes_away().await;
    assert_eq!(proxy.ended().await, Some(0));
}
