//! Web pages: which of them may call, and what their browsers are told.

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::says;
use crate::support::answers::streams;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const PAGE: &str = "https://app.example";
const LISTED: &str = "cors: {origins: [\"https://app.example\"]}";

fn granted(reply: &Reply) -> Option<&str> {
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    reply.header("access-control-allow-origin")
}

fn preflight(origin: &str, target: &str) -> Request {
    Request::new("OPTIONS", target)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, x-api-key")
}

#[tokio::test]
async fn no_page_may_call_unless_it_is_listed() {
    let upstream = Upstream::always(says("a")).await;
    let setup = || Setup::of([Provider::anthropic("a", &upstream.url())]);
    let closed = Proxy::start(setup()).await;
    assert_eq!(
        closed.ask(preflight(PAGE, "/v1/messages")).await.status,
        405
    );
    for origin in [
        PAGE,
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
    ] {
        // As a page can send it without asking first, under any name for this address.
        let request = Request::messages(ask("hi")).header("origin", origin);
        let reply = closed.ask(request).await;
        assert_eq!((reply.status, granted(&reply)), (403, None), "{origin}");
    }
    assert_eq!(upstream.calls(), 0);
    for origin in ["http://localhost:3000", "vscode-webview://x"] {
        let reply = closed
            .ask(Request::messages(ask("hi")).header("origin", origin))
            .await;
        assert_eq!((reply.status, granted(&reply)), (200, None), "{origin}");
    }
}

#[tokio::test]
async fn a_listed_page_may_call_and_read_every_answer_but_administration() {
    let foreign = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
    ];
    let body = crate::support::answers::message("a");
    let upstream =
        Upstream::first([Act::answer(200, &foreign, &body), streams("b")], says("c")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).setting(LISTED);
    let proxy = Proxy::start(setup).await;

    let asked = proxy.ask(preflight(PAGE, "/v1/messages")).await;
    assert_eq!((asked.status, granted(&asked)), (204, Some(PAGE)));
    assert_eq!(
        asked.header("access-control-allow-headers"),
        Some("content-type, x-api-key")
    );
    assert_eq!(asked.header("access-control-max-age"), Some("600"));

    for body in [ask("1"), ask_stream("2"), "{".to_owned()] {
        let reply = proxy
            .ask(Request::messages(body).header("origin", PAGE))
            .await;
        assert_eq!(granted(&reply), Some(PAGE), "{}", reply.text());
        assert_eq!(reply.header("vary"), Some("origin"));
        assert_eq!(reply.headers().all("access-control-allow-origin").len(), 1);
    }
    assert_eq!(upstream.seen(0).header("origin"), None);
    let models = proxy
        .ask(Request::get("/v1/models").header("origin", PAGE))
        .await;
    assert_eq!((models.status, granted(&models)), (200, Some(PAGE)));

    for origin in [
        "https://app.example.evil",
        "http://app.example",
        "https://app.example:8443",
        "null",
    ] {
        let asked = proxy.ask(preflight(origin, "/v1/messages")).await;
        assert_eq!((asked.status, granted(&asked)), (405, None), "{origin}");
        let reply = proxy
            .ask(Request::messages(ask("3")).header("origin", origin))
            .await;
        assert_eq!((reply.status, granted(&reply)), (403, None), "{origin}");
    }
    for target in ["/providers", "/providers/reload", "/metrics"] {
        let asked = proxy.ask(preflight(PAGE, target)).await;
        assert_eq!((asked.status, granted(&asked)), (405, None), "{target}");
    }
    let admin = Request::get("/providers").header("origin", PAGE);
    let reply = proxy.ask(admin).await;
    assert_eq!((reply.status, granted(&reply)), (403, None));
}

#[tokio::test]
async fn any_page_may_call_where_it_takes_a_key() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("cors: {origins: [\"*\"]}")
        .gateway_key("sk-canary-gateway-0123456789");
    let proxy = Proxy::start(setup).await;
    let reply = proxy
        .ask(Request::messages(ask("1")).header("origin", PAGE))
        .await;
    assert_eq!((reply.status, granted(&reply)), (401, Some("*")));
    let request = Request::messages(ask("1")).header("x-api-key", "sk-canary-gateway-0123456789");
    let reply = proxy.ask(request.header("origin", PAGE)).await;
    assert_eq!((reply.status, granted(&reply)), (200, Some("*")));
}
