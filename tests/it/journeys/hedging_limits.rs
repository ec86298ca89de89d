//! When no attempt begins beside another one, however slow it is.

use std::time::Duration;

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::streams;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// Hedges that are granted within ten seconds, however few requests there are.
const GRANTED: usize = 30;

/// An answer that waits.
fn late(gate: &Gate) -> Act {
    Act::new().wait(gate).and(&says("late"))
}

/// Asks for what the first provider answers when it has long been slow.
async fn asked(proxy: &Proxy, first: &Upstream, calls: usize, gate: &Gate) -> Reply {
    let mut client = proxy.connect().await;
    let request = Request::messages(ask("hi")).header("x-pointsman-debug", "1");
    client.send(request.bytes()).await;
    first.called(calls).await;
    gate.after(Duration::from_millis(400));
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, message("late")));
    assert_eq!(reply.header("x-pointsman-attempts"), Some("1"));
    reply
}

fn providers(first: &Upstream, second: &Upstream) -> [Provider; 2] {
    [
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]
}

/// The first provider answers alone, under this configuration.
async fn alone(setup: impl FnOnce([Provider; 2]) -> Setup) {
    let gate = Gate::new();
    let (first, second) = (
        Upstream::script([late(&gate)]).await,
        Upstream::silent().await,
    );
    let proxy = Proxy::start(setup(providers(&first, &second))).await;
    asked(&proxy, &first, 1, &gate).await;
    assert_eq!((first.calls(), second.calls()), (1, 0));
    assert_eq!(proxy.providers().await["hedges"]["granted"], 0);
}

#[tokio::test]
async fn none_unless_it_is_wanted() {
    alone(Setup::of).await;
    alone(|all| Setup::of(all).setting("hedge_after: 0")).await;
    alone(|all| Setup::of(all).setting("hedge_after: 20s")).await;
}

#[tokio::test]
async fn none_on_a_route_that_does_not_want_it() {
    let soon = "hedge_after: 50ms";
    let never = |all| {
        let setup = Setup::of(all).setting(soon);
        setup.route_saying("*", "hedge_after: 0", &["a", "b"])
    };
    alone(never).await;
    // And one where only the route does.
    let first = Upstream::script([Act::new().hang()]).await;
    let second = Upstream::script([says("b")]).await;
    let setup = Setup::of(providers(&first, &second)).route_saying("*", soon, &["a", "b"]);
    let reply = Proxy::start(setup)
        .await
        .ask(Request::messages(ask("hi")))
        .await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
}

#[tokio::test]
async fn none_where_there_is_nobody_else() {
    let soon = "hedge_after: 50ms";
    alone(|all| Setup::of(all).setting(soon).route("*", &["provider: a"])).await;
    // The same endpoint under another name of the model is nobody else.
    let twice = ["provider: a", "provider: a, model: other, priority: 2"];
    alone(|all| Setup::of(all).setting(soon).route("*", &twice)).await;
    // It counts as one of the candidates that are tried.
    alone(|all| Setup::of(all).setting(soon).setting("max_attempts: 1")).await;
}

#[tokio::test]
async fn none_where_the_others_are_not_well() {
    let gate = Gate::new();
    let first = Upstream::silent().await;
    let second = Upstream::script([Act::new().wait(&gate).and(&says("b"))]).await;
    let [a, b] = providers(&first, &second);
    let setup = Setup::of([a, b.with("max_in_flight: 1")]).setting("hedge_after: 50ms");
    let setup = setup
        .route("only-b", &["provider: b"])
        .route("*", &["provider: a", "provider: b, priority: 2"]);
    let proxy = Proxy::start(setup).await;
    // Its one place is taken.
    let mut client = proxy.connect().await;
    let taking = Request::messages(ask("hi").replace(crate::support::answers::MODEL, "only-b"));
    client.send(taking.bytes()).await;
    second.called(1).await;
    let slow = Gate::new();
    first.then(late(&slow));
    asked(&proxy, &first, 1, &slow).await;
    assert_eq!((first.calls(), second.calls()), (1, 1));
    assert_eq!(proxy.providers().await["hedges"]["granted"], 0);
    gate.open();
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn none_once_content_has_been_shown() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("one")])
        .wait(&gate)
        .data(finish())
        .end();
    let (first, second) = (Upstream::script([act]).await, Upstream::silent().await);
    let setup = Setup::of(providers(&first, &second)).setting("hedge_after: 1s");
    let proxy = Proxy::start(setup).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    gate.after(Duration::from_millis(1_300));
    assert_eq!(client.rest().await, finish());
    assert_eq!((first.calls(), second.calls()), (1, 0));
}

#[tokio::test]
async fn none_beyond_the_budget() {
    let hangs = (0..GRANTED).map(|_| Act::new().hang());
    let first = Upstream::script(hangs).await;
    let second = Upstream::always(streams("b")).await;
    let setup = Setup::of(providers(&first, &second)).setting("hedge_after: 50ms");
    let proxy = Proxy::start(setup).await;
    let mut clients = Vec::new();
    for _ in 0..GRANTED {
        let mut client = proxy.connect().await;
        client
            .send(Request::messages(ask_stream("hi")).bytes())
            .await;
        clients.push(client);
    }
    for mut client in clients {
        let reply = client.reply().await;
        assert_eq!(reply.header("x-pointsman-provider"), Some("b"));
    }
    let gate = Gate::new();
    first.then(late(&gate));
    let reply = asked(&proxy, &first, GRANTED + 1, &gate).await;
    let trace = reply.header("x-pointsman-trace").unwrap();
    let told = "all=hedge budget used up; a=served (key 1:";
    assert!(trace.starts_with(told), "{trace}");
    assert_eq!((first.calls(), second.calls()), (GRANTED + 1, GRANTED));
    let hedges = &proxy.providers().await["hedges"];
    assert_eq!(
        (&hedges["granted"], &hedges["refused"]),
        (&GRANTED.into(), &1.into())
    );
    // Repeats have a budget of their own.
    assert_eq!(proxy.providers().await["retry_budget"]["granted"], 0);
}
