//! The status page, as far as it can be told without a browser: who gets it, and what a browser is told about it. What it
//! looks like and does is tried in a real one (`tests/page`).

use crate::support::answers::{ask, says};
use crate::support::client::{Reply, Request};
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// `anybody:admin-0123456789`
const BASIC: &str = "Basic YW55Ym9keTphZG1pbi0wMTIzNDU2Nzg5";
/// `anybody:wrong`
const WRONG: &str = "Basic YW55Ym9keTp3cm9uZw==";

fn page(path: &str) -> Request {
    Request::get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

fn is_page(reply: &Reply) -> bool {
    reply.header("content-type") == Some("text/html; charset=utf-8")
}

#[tokio::test]
async fn a_browser_of_this_machine_gets_the_page_and_others_the_words() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    for path in ["/", "/admin/status"] {
        let reply = proxy.ask(page(path)).await;
        assert!(reply.status == 200 && is_page(&reply), "{}", reply.text());
        assert!(
            reply
                .text()
                .starts_with("<!doctype html>\n<html lang=\"en\">")
        );
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.header(name), Some(value));
        }
        assert!(!reply.text().contains("<script>") && !reply.text().contains("style="));
    }
    for (path, kind) in [
        ("/admin/status/page.css", "text/css; charset=utf-8"),
        ("/admin/status/page.js", "text/javascript; charset=utf-8"),
        ("/admin/status/icon.svg", "image/svg+xml"),
        ("/admin/status/live", "text/html; charset=utf-8"),
    ] {
        let reply = proxy.ask(Request::get(path)).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind))
        );
    }
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    for (name, value) in foreign {
        let with = |request: Request| request.header(name, value);
        let reply = proxy.ask(with(page("/"))).await;
        assert_eq!((reply.status, is_page(&reply)), (200, false), "{name}");
        assert_eq!(reply.json()["status"], "healthy");
        let reply = proxy.ask(with(page("/admin/status"))).await;
        assert_eq!(reply.status, 403, "{name}: {}", reply.text());
    }
    let reply = proxy.ask(Request::get("/").header("accept", "*/*")).await;
    assert_eq!(reply.json()["providers_available"], 1);
}

#[tokio::test]
async fn with_an_admin_key_it_is_shown_for_the_key_and_guesses_count() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("per_address: {failed_sign_ins: 3, failed_window: 60s}")
        .section("admin: {key: admin-0123456789}")
        .secret("admin-0123456789");
    let proxy = Proxy::start(setup).await;
    let signed = |path: &str, line: &str| page(path).header("authorization", line);
    for path in ["/", "/admin/status"] {
        assert!(is_page(&proxy.ask(signed(path, BASIC)).await), "{path}");
        let reply = proxy
            .ask(page(path).header("x-api-key", "admin-0123456789"))
            .await;
        assert!(is_page(&reply), "{path}");
    }
    // A browser comes without a key first, as often as it likes.
    for _ in 0..5 {
        assert!(!is_page(&proxy.ask(page("/")).await));
        let reply = proxy.ask(page("/admin/status")).await;
        assert_eq!(reply.status, 401);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    }
    let reply = proxy.ask(Request::get("/admin/status/live")).await;
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (401, None)
    );
    // Guesses count wherever they are made, also where the answer is only a few words.
    for _ in 0..3 {
        let reply = proxy.ask(signed("/", WRONG)).await;
        assert_eq!((reply.status, is_page(&reply)), (200, false));
    }
    assert_eq!(proxy.ask(signed("/admin/status", BASIC)).await.status, 429);
    assert!(!is_page(&proxy.ask(signed("/", BASIC)).await));
}

#[tokio::test]
async fn a_listener_for_traffic_shows_no_page() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .listening(&["{address: \"127.0.0.1:0\", surface: traffic}"]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(page("/")).await;
    assert_eq!((reply.status, is_page(&reply)), (200, false));
    for path in [
        "/admin/status",
        "/admin/status/live",
        "/admin/status/page.js",
    ] {
        assert_eq!(proxy.ask(page(path)).await.status, 404, "{path}");
    }
    assert_eq!(proxy.ask(Request::messages(ask("hi"))).await.status, 200);
}
