//! Providers behind an egress proxy: `CONNECT` and SOCKS5, with and without a name and password.

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::egress::{Egress, Speaks};
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

fn host_of(upstream: &Upstream) -> String {
    upstream.url().replace("http://", "")
}

/// Many requests through few tunnels. Pingora's pool now and then opens a connection although one is idle, so that half
/// as many are allowed; every one of them was asked for in the same words, `wanted`.
async fn uses_tunnels_again(upstream: &Upstream, egress: &Egress, proxy_url: &str, wanted: &str) {
    const REQUESTS: usize = 12;
    let provider =
        Provider::anthropic("a", &upstream.url()).with(&format!("proxy: \"{proxy_url}\""));
    let proxy = Proxy::start(Setup::of([provider]).secret("hunter2")).await;
    for _ in 0..REQUESTS {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
    }
    assert_eq!(upstream.calls(), REQUESTS);
    let (opened, asked) = (upstream.connections(), egress.asked());
    assert!(opened <= REQUESTS / 2, "{opened} for {REQUESTS} requests");
    assert_eq!(asked.len(), opened);
    assert!(asked.iter().all(|it| it == wanted), "{asked:?}");
}

#[tokio::test]
async fn connect_opens_few_tunnels_for_many_requests() {
    let (upstream, egress) = (
        Upstream::always(says("a")).await,
        Egress::start(Speaks::Http).await,
    );
    let host = host_of(&upstream);
    let wanted = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let url = format!("http://{}", egress.address);
    uses_tunnels_again(&upstream, &egress, &url, &wanted).await;
}

#[tokio::test]
async fn connect_signs_in() {
    let (upstream, egress) = (
        Upstream::always(says("a")).await,
        Egress::start(Speaks::Http).await,
    );
    let host = host_of(&upstream);
    let wanted = format!(
        "CONNECT {host} HTTP/1.1\r\nhost: {host}\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n\r\n"
    );
    let url = format!("http://me:hunter2@{}", egress.address);
    uses_tunnels_again(&upstream, &egress, &url, &wanted).await;
}

#[tokio::test]
async fn tokens_are_fetched_the_same_way_out() {
    let grant = r#"{"access_token":"ya29.canary-0123456789","expires_in":3599}"#;
    let (cloud, desk) = (
        Upstream::always(says("a")).await,
        Upstream::always(Act::answer(200, &[], grant)).await,
    );
    for socks in [false, true] {
        let egress = Egress::start(if socks { Speaks::Socks } else { Speaks::Http }).await;
        let scheme = if socks { "socks5" } else { "http" };
        let proxied = format!("proxy: \"{scheme}://{}\"", egress.address);
        let provider = Provider::vertex("v", &cloud.url(), &desk.url()).with(&proxied);
        let setup = Setup::of([provider]).secret("ya29.canary-0123456789");
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
        let asked = egress.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked[0].contains(&host_of(&desk)) && asked[1].contains(&host_of(&cloud)));
    }
    assert_eq!((cloud.calls(), desk.calls()), (2, 2));
}

#[tokio::test]
async fn socks5_opens_few_tunnels_for_many_requests() {
    let (upstream, egress) = (
        Upstream::always(says("a")).await,
        Egress::start(Speaks::Socks).await,
    );
    // An address goes as an address: some proxies look every name up.
    let wanted = format!("methods [0] kind 1 {}", host_of(&upstream));
    let url = format!("socks5://{}", egress.address);
    uses_tunnels_again(&upstream, &egress, &url, &wanted).await;
}

#[tokio::test]
async fn socks5_signs_in_and_resolves_names_at_the_proxy() {
    let (upstream, egress) = (
        Upstream::always(says("a")).await,
        Egress::start(Speaks::Socks).await,
    );
    let named = upstream.url().replace("127.0.0.1", "localhost");
    let provider = Provider::anthropic("a", &named).with(&format!(
        "proxy: \"socks5h://me:hunter2@{}\"",
        egress.address
    ));
    let proxy = Proxy::start(Setup::of([provider]).secret("hunter2")).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("a")));
    let name = host_of(&upstream).replace("127.0.0.1", "localhost");
    assert_eq!(
        egress.asked(),
        [format!("methods [0, 2] me hunter2 kind 3 {name}")]
    );
}
