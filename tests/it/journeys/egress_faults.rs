//! Egress proxies that do not let us through: the fault is theirs, is named as such, and the next provider serves.

use tokio::net::TcpListener;

use crate::support::answers::{ask, message, says};
use crate::support::client::Request;
use crate::support::egress::{Egress, Speaks, TlsFront};
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

/// Asks through the proxy at `url`, and expects the next provider's answer and a line with `wanted`.
async fn fails(url: &str, more: &str, wanted: &str) {
    let backup = Upstream::always(says("b")).await;
    let proxied = Provider::anthropic("a", "https://provider.test:1")
        .with(&format!("proxy: \"{url}\""))
        .with("timeouts: {connect: 1s, connect_total: 1s}")
        .with(more);
    let setup = Setup::of([proxied, Provider::anthropic("b", &backup.url())]);
    let mut proxy = Proxy::start(setup.secret("hunter2").secret("aHVudGVyMg")).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")), "{url}");
    let line = proxy
        .line("recorded error for provider a: count=1/2, reason=egress_proxy")
        .await;
    assert!(line.contains(wanted), "{wanted}: {line}");
    let shown = proxy.provider("a").await;
    assert_eq!(shown["failure_count"], 1, "{shown}");
    let told = shown["last_error"].as_str().unwrap();
    assert!(
        told.starts_with("egress_proxy: the proxy on the way"),
        "{told}"
    );
}

#[tokio::test]
async fn proxies_that_refuse_are_named() {
    for (status, wanted) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required",
            "refuses this name and password",
        ),
        (
            "HTTP/1.1 403 Forbidden",
            "does not let us connect to provider.test:1: status 403",
        ),
        ("HTTP/1.0 502 Bad Gateway", "status 502"),
        ("HTTP/1.1 2xx", "not HTTP"),
    ] {
        let egress = Egress::answering(Speaks::Http, status).await;
        let url = format!("http://me:hunter2@{}", egress.address);
        fails(&url, "", wanted).await;
    }
    let status = "HTTP/1.1 407 Proxy Authentication Required";
    let egress = Egress::answering(Speaks::Http, status).await;
    let url = format!("http://{}", egress.address);
    fails(&url, "", "wants a name and a password (407)").await;
}

#[tokio::test]
async fn proxies_that_are_none_are_named() {
    for (scheme, bytes, wanted) in [
        (
            "http",
            &b"SSH-2.0-OpenSSH\r\n"[..],
            "something that is not HTTP",
        ),
        (
            "http",
            b"HTTP/1.1 200 OK\r\nhalf",
            "says nothing within 900ms",
        ),
        (
            "socks5",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "something that is not SOCKS5",
        ),
        (
            "socks5",
            b"\x05\xff",
            "offers no way to sign in that we have",
        ),
        (
            "socks5",
            b"\x05\x00\x05\x02\x00\x01",
            "its rules do not allow it (2)",
        ),
        (
            "https",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "speaks no TLS that we understand",
        ),
        ("https", b"", "says nothing within 900ms"),
    ] {
        let egress = Egress::start(Speaks::Nonsense(bytes)).await;
        let url = format!("{scheme}://me:hunter2@{}", egress.address);
        fails(&url, "", wanted).await;
    }
}

#[tokio::test]
async fn proxies_that_are_not_there_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https", "socks5"] {
        let url = format!("{scheme}://me:hunter2@{closed}");
        fails(&url, "", "cannot be reached: Connection refused").await;
    }
}

#[tokio::test]
async fn a_proxy_inside_tls_must_be_who_it_says() {
    let authority = Authority::new();
    let trusted = format!("ca: {}", authority.file().display());
    let good = authority.server("proxy", &["127.0.0.1"]);
    let egress = Egress::start(Speaks::Https(good.clone())).await;
    let url = format!("https://me:hunter2@{}", egress.address);
    fails(&url, "", "shows no certificate that is believed").await;
    assert!(egress.asked().is_empty(), "it was told a password");

    let named = authority.server("other", &["other.example"]);
    let egress = Egress::start(Speaks::Https(named)).await;
    let url = format!("https://me:hunter2@{}", egress.address);
    fails(&url, &trusted, "shows no certificate that is believed").await;
    assert!(egress.asked().is_empty(), "it was told a password");

    let nonsense = Speaks::NonsenseInside(good, b"what?");
    let egress = Egress::start(nonsense).await;
    let url = format!("https://me:hunter2@{}", egress.address);
    fails(&url, &trusted, "something that is not HTTP").await;
}

/// Behind a good proxy it is the provider's fault again.
#[tokio::test]
async fn what_is_wrong_behind_the_proxy_is_the_providers() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::always(says("a")).await;
    let backup = Upstream::always(says("b")).await;
    let pair = stranger.server("front", &["provider.test"]);
    let front = TlsFront::start(&upstream, &pair, &[]).await;
    let egress = Egress::start(Speaks::Https(authority.server("proxy", &["127.0.0.1"]))).await;
    let behind = Provider::anthropic("a", &front.url("provider.test"))
        .with(&format!("proxy: \"https://{}\"", egress.address))
        .with(&format!("ca: {}", authority.file().display()));
    let setup = Setup::of([behind, Provider::anthropic("b", &backup.url())]);
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    proxy
        .line("recorded error for provider a: count=1/2, reason=upstream_unreachable")
        .await;
    assert_eq!((egress.asked().len(), upstream.calls()), (1, 0));
}
