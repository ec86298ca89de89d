//! Active health checks: they close and open circuits without a client, and give refused keys another chance.

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// A provider whose every request gets a 500 until a test says otherwise, next to one that always answers.
async fn failing(probe: &str) -> (Upstream, Upstream, Proxy) {
    let (first, second) = (Upstream::silent().await, Upstream::always(says("b")).await);
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with(probe),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

async fn until_healthy(proxy: &Proxy, healthy: bool) {
    eventually("the verdict of a probe", || async {
        (proxy.provider("a").await["healthy"] == healthy).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_probe_opens_the_circuit_of_the_idle_and_closes_it_early() {
    let (first, second, mut proxy) = failing("probe: {interval: 1s, path: /up?deep=1}").await;
    until_healthy(&proxy, false).await;
    proxy.line("provider a does not answer its probe").await;
    let probe = first.seen(0);
    assert_eq!(probe.head.line, "GET /up?deep=1 HTTP/1.1");
    assert!(probe.body.is_empty() && probe.header("content-length").is_none());
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.header("x-pointsman-attempts"), Some("1"));
    assert_eq!((reply.text(), second.calls()), (message("b"), 1));

    // The cooldown of three minutes is far from over.
    (0..20).for_each(|_| first.then(Act::answer(200, &[], "{}")));
    until_healthy(&proxy, true).await;
    proxy.line("provider a answers its probe again").await;
}

#[tokio::test]
async fn a_probe_may_ask_a_model() {
    let (first, _second, proxy) = failing("probe: {interval: 1s, model: claude-haiku-4-5}").await;
    first.called(1).await;
    eventually("the body of a probe", || async {
        (!first.seen(0).body.is_empty()).then_some(())
    })
    .await;
    let probe = first.seen(0);
    assert_eq!(probe.head.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(probe.json()["model"], "claude-haiku-4-5");
    assert_eq!(probe.json()["max_tokens"], 1);
    until_healthy(&proxy, false).await;
}

#[tokio::test]
async fn one_lost_probe_opens_nothing() {
    let good = || Act::answer(200, &[], "{}");
    let upstream = Upstream::first([good(), refuses(500, "api_error", "boom")], good()).await;
    let provider =
        Provider::anthropic("a", &upstream.url()).with("probe: {interval: 1500ms, path: /up}");
    let proxy = Proxy::start(Setup::of([provider])).await;
    upstream.called(4).await;
    assert_eq!(proxy.provider("a").await["healthy"], true);
    assert!(!proxy.console().contains("does not answer its probe"));
}

#[tokio::test]
async fn a_refused_key_is_what_the_probe_tries() {
    let refused = refuses(401, "authentication_error", "invalid x-api-key");
    let script = [Act::answer(200, &[], "{}"), refused];
    let upstream = Upstream::first(script, says("a")).await;
    let provider = Provider::anthropic("a", &upstream.url())
        .keyed(&["sk-canary-one-0123456789", "sk-canary-two-0123456789"])
        .with("probe: {interval: 2s, path: /up}");
    let proxy = Proxy::start(Setup::of([provider])).await;
    upstream.called(1).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("a"));
    assert_eq!(upstream.calls(), 3);
    let key = |index: usize| upstream.seen(index).header("x-api-key").unwrap().to_owned();
    assert_ne!(key(1), key(2));
    // A good answer to the other key says nothing about this one.
    upstream.called(4).await;
    eventually("the head of a probe", || async {
        (!upstream.seen(3).head.line.is_empty()).then_some(())
    })
    .await;
    assert_eq!(upstream.seen(3).head.line, "GET /up HTTP/1.1");
    assert_eq!(key(3), key(1));
    eventually("the key to be back", || async {
        let benched = proxy.provider("a").await.to_string();
        (!benched.contains("refused with status 401")).then_some(())
    })
    .await;
}

/// The sign-in of a provider has outages of its own: nobody should have to reload because of one.
#[tokio::test]
async fn a_refused_key_is_looked_at_again_without_a_probe() {
    let refused = || refuses(401, "authentication_error", "invalid x-api-key");
    let first = Upstream::first([refused(), refused()], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("key_recheck: 1s");
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("1"))).await;
    assert_eq!(reply.text(), message("b"));
    assert_eq!(proxy.provider("a").await["keys"][0]["state"], "benched");
    proxy.line("provider a takes key sk-c…cdef again").await;
    // The first look was refused as well, the second was not.
    assert_eq!(first.calls(), 3);
    assert_eq!(first.seen(2).head.line, "GET /v1/models HTTP/1.1");
    let reply = proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!(reply.text(), message("a"));
}
