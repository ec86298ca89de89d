//! Pings while a provider thinks: they keep the client patient and commit us to nothing.

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
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
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn pinging(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("ping_after: 100ms")
    .setting("ping_interval: 100ms");
    Proxy::start(setup).await
}

/// Asks for a stream and returns after the second ping.
async fn two_pings(proxy: &Proxy) -> Client {
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    let head = client.head().await;
    assert!(head.line.contains(" 200 "), "{}", head.line);
    let kind = head.headers.get("content-type").unwrap();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert!(head.headers.get("request-id").is_some());
    for _ in 0..2 {
        let ping = client.event().await.unwrap();
        assert!(ping.name == "ping" || ping.raw.starts_with(':'), "{ping:?}");
    }
    client
}

/// What is left of a stream without the keep-alives in it.
fn without_pings(text: &str) -> String {
    text.split_inclusive("\n\n")
        .filter(|event| !event.starts_with("event: ping") && !event.starts_with(':'))
        .collect()
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_pings() {
    let gate = Gate::new();
    let before_head = Act::new().wait(&gate).and(&streams("late"));
    let before_content = begins(&[start()])
        .wait(&gate)
        .data([open_text(), delta("late"), finish()].concat())
        .end();
    for act in [before_head, before_content] {
        let first = Upstream::script([act]).await;
        let second = Upstream::silent().await;
        let proxy = pinging(&first, &second).await;
        let mut client = two_pings(&proxy).await;
        gate.step();
        let rest = client.rest().await;
        assert_eq!(without_pings(&rest), without_pings(&stream("late")));
        assert_eq!((first.calls(), second.calls()), (1, 0));
    }
}

#[tokio::test]
async fn failover_goes_on_behind_the_pings() {
    let gate = Gate::new();
    for act in [
        Act::new().wait(&gate).reset(),
        Act::new()
            .wait(&gate)
            .and(&refuses(529, "overloaded_error", "Overloaded")),
        begins(&[start()]).wait(&gate).close(),
    ] {
        let first = Upstream::script([act]).await;
        let second = Upstream::script([streams("rescued")]).await;
        let proxy = pinging(&first, &second).await;
        let mut client = two_pings(&proxy).await;
        gate.step();
        let rest = client.rest().await;
        assert_eq!(without_pings(&rest), without_pings(&stream("rescued")));
        assert_eq!((first.calls(), second.calls()), (1, 1));
    }
}

#[tokio::test]
async fn a_failure_after_pings_is_told_inside_the_stream() {
    let gate = Gate::new();
    let first = Upstream::script([Act::new().wait(&gate).reset()]).await;
    let second = Upstream::script([refuses(500, "api_error", "boom")]).await;
    let proxy = pinging(&first, &second).await;
    let mut client = two_pings(&proxy).await;
    gate.open();
    let rest = without_pings(&client.rest().await);
    assert!(rest.starts_with("event: error\n"), "{rest}");
    let data = rest
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let error: serde_json::Value = serde_json::from_str(data).unwrap();
    // With this type, and only with it, the client asks again in the same way.
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "overloaded_error");
    assert!(
        !rest.contains("message_stop") && !rest.contains("message_start"),
        "{rest}"
    );
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn silence_in_the_middle_is_filled() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("one")])
        .wait(&gate)
        .data(finish())
        .end();
    let first = Upstream::script([act]).await;
    let second = Upstream::silent().await;
    let proxy = pinging(&first, &second).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    for _ in 0..2 {
        let ping = client.event().await.unwrap();
        assert!(ping.name == "ping" || ping.raw.starts_with(':'), "{ping:?}");
    }
    gate.open();
    assert_eq!(without_pings(&client.rest().await), finish());
}

#[tokio::test]
async fn pings_never_land_inside_an_event() {
    let gate = Gate::new();
    let piece = delta("in two parts");
    let (head, tail) = piece.split_at(30);
    let act = begins(&[start(), open_text(), delta("one"), head.to_owned()])
        .wait(&gate)
        .data([tail, finish().as_str()].concat())
        .end();
    let first = Upstream::script([act]).await;
    let second = Upstream::silent().await;
    let proxy = pinging(&first, &second).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    // Something may or may not be said during the pause; the parts must come out as one.
    gate.after(std::time::Duration::from_millis(350));
    let rest = client.rest().await;
    assert_eq!(without_pings(&rest), [piece, finish()].concat(), "{rest}");
}

#[tokio::test]
async fn who_wants_json_gets_no_pings() {
    let gate = Gate::new();
    let first = Upstream::script([Act::new().wait(&gate).reset()]).await;
    let second = Upstream::script([says("rescued")]).await;
    let proxy = pinging(&first, &second).await;
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    first.called(1).await;
    gate.after(std::time::Duration::from_millis(350));
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, message("rescued")));
}
