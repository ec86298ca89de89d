//! A pooled connection that the provider has given up: nobody's fault, and nobody notices.

use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

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
