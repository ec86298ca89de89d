//! A pooled connection that the provider has given up: nobody's fault, and nobody notices.

use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// Where one connection of the pool is dead, its neighbours are as well.
#[tokio::test]
async fn the_replacement_does_not_come_from_the_same_pool() {
    let gate = Gate::new();
    let slow = || Act::new().wait(&gate).and(&says("a"));
    let dead = || Act::new().close().on_reuse();
    let upstream = Upstream::first([slow(), slow(), dead(), dead(), dead()], says("a")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let ask_one = || proxy.ask(Request::messages(ask("hi")));
    let both = async { tokio::join!(ask_one(), ask_one()) };
    let opened = async {
        upstream.called(2).await;
        gate.open();
    };
    tokio::join!(both, opened);
    for _ in 0..PATIENT {
        let reply = ask_one().await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
    }
    assert!(!proxy.console().contains("count="), "{}", proxy.console());
}

/// Requests sent until a pooled connection is used; Pingora's pool now and then opens a new one instead.
const PATIENT: usize = 40;

#[tokio::test]
async fn a_dead_pooled_connection_is_replaced_and_not_counted() {
    for dead in [
        Act::unread().close(),
        Act::new().close(),
        Act::new().reset(),
    ] {
        let first = Upstream::first([dead.on_reuse()], says("a")).await;
        let second = Upstream::silent().await;
        let setup = Setup::of([
            Provider::anthropic("a", &first.url()),
            Provider::anthropic("b", &second.url()),
        ]);
        let proxy = Proxy::start(setup).await;
        let body = ask_sized(200_000, false);

        let mut asked = 0;
        while first.calls() == asked && asked < PATIENT {
            let reply = proxy.ask(Request::messages(&body)).await;
            assert_eq!((reply.status, reply.text()), (200, message("a")));
            asked += 1;
        }

        // The last request was carried twice: by a connection that died, and by a fresh one.
        assert_eq!((first.calls(), second.calls()), (asked + 1, 0));
        let (died, fresh) = (first.seen(asked - 1), first.seen(asked));
        assert!(0 < died.reused);
        assert!(died.connection < fresh.connection);
        assert_eq!(fresh.reused, 0);
        assert!(fresh.body == body.as_bytes());
        assert_eq!(proxy.provider("a").await["failure_count"], 0);
        assert!(!proxy.console().contains("count="), "{}", proxy.console());
    }
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_counted() {
    let first = Upstream::script([Act::new().close()]).await;
    let second = Upstream::script([says("two")]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("1"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("two")));
    assert_eq!((first.calls(), second.calls()), (1, 1));
    proxy.line("count=1/2").await;
}
