//! Egress proxies inside TLS, with TLS to the provider inside that; and authorities of the operator's own.

use std::fs;

use crate::support::answers::{ask, ask_stream, message, says, stream, streams, streams_until};
use crate::support::client::Request;
use crate::support::egress::{Egress, Speaks, TlsFront};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup};
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

/// Known to proxies only.
const NAME: &str = "provider.test";

/// A provider inside TLS behind a proxy inside TLS.
struct Inside {
    authority: Authority,
    upstream: Upstream,
    front: TlsFront,
    egress: Egress,
}

impl Inside {
    async fn new(upstream: Upstream, alpn: &[&str]) -> Inside {
        let authority = Authority::new();
        let egress = Speaks::Https(authority.server("proxy", &["127.0.0.1"]));
        let front = TlsFront::start(&upstream, &authority.server("front", &[NAME]), alpn).await;
        Inside {
            front,
            upstream,
            egress: Egress::start(egress).await,
            authority,
        }
    }

    fn provider(&self, name: &str) -> Provider {
        Provider::anthropic(name, &self.front.url(NAME))
            .with(&format!(
                "proxy: \"https://me:hunter2@{}\"",
                self.egress.address
            ))
            .with(&format!("ca: {}", self.authority.file().display()))
    }

    fn wanted(&self) -> String {
        let target = format!("{NAME}:{}", self.front.address.port());
        format!(
            "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n\r\n"
        )
    }
}

#[tokio::test]
async fn tunnels_inside_tls_are_used_again() {
    const REQUESTS: usize = 12;
    let inside = Inside::new(Upstream::always(says("a")).await, &["http/1.1"]).await;
    let proxy = Proxy::start(Setup::of([inside.provider("a")]).secret("hunter2")).await;
    for _ in 0..REQUESTS {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
    }
    let asked = inside.egress.asked();
    assert!(asked.len() <= REQUESTS / 2, "{} tunnels", asked.len());
    assert!(asked.iter().all(|it| *it == inside.wanted()), "{asked:?}");
    let agreed = inside.front.agreed.lock().clone();
    assert_eq!(agreed.len(), asked.len());
    assert!(agreed.iter().all(|it| it == "http/1.1 for provider.test"));
    let shown = proxy.provider("a").await;
    let address = inside.egress.address;
    assert_eq!(shown["proxy"], format!("https://***@{address}"));
}

#[tokio::test]
async fn http2_is_agreed_on_inside_and_one_tunnel_carries_it() {
    let answer = Act::frames()
        .head_frame(200, &[("content-type", "application/json")])
        .data_frame(message("a"))
        .end_frame();
    let inside = Inside::new(Upstream::always(answer).await, &["h2", "http/1.1"]).await;
    let proxy = Proxy::start(Setup::of([inside.provider("a")]).secret("hunter2")).await;
    for _ in 0..8 {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
    }
    assert_eq!(*inside.front.agreed.lock(), ["h2 for provider.test"]);
    assert_eq!(inside.egress.asked().len(), 1);
}

#[tokio::test]
async fn large_requests_and_streams_pass_and_who_leaves_is_noticed() {
    let gate = Gate::new();
    let acts = [streams("first"), streams_until(&gate)];
    let inside = Inside::new(Upstream::script(acts).await, &["http/1.1"]).await;
    let proxy = Proxy::start(Setup::of([inside.provider("a")]).secret("hunter2")).await;
    let large = ask_stream(&"x".repeat(3_000_000));
    let reply = proxy.ask(Request::messages(large.clone())).await;
    assert_eq!((reply.status, reply.text()), (200, stream("first")));
    assert_eq!(inside.upstream.seen(0).text(), large);
    // Events come one by one, and a cancelled call is cancelled at the provider.
    let client = proxy.begin_stream().await;
    drop(client);
    inside.upstream.abandoned(1).await;
}

#[tokio::test]
async fn connections_through_different_proxies_are_never_mixed_up() {
    let inside = Inside::new(Upstream::always(says("x")).await, &["http/1.1"]).await;
    let pair = inside.authority.server("other", &["127.0.0.1"]);
    let other = Egress::start(Speaks::Https(pair)).await;
    let through = |name: &str, address| {
        Provider::anthropic(name, &inside.front.url(NAME))
            .with(&format!("proxy: \"https://{address}\""))
            .with(&format!("ca: {}", inside.authority.file().display()))
            .keyed(&["sk-canary-same-0123456789abcdef"])
    };
    let setup = Setup::of([
        through("one", inside.egress.address),
        through("two", other.address),
    ])
    .route("m-one", &["provider: one, model: passthrough"])
    .route("m-two", &["provider: two, model: passthrough"]);
    let proxy = Proxy::start(setup).await;
    for (model, opened) in [("m-one", [1, 0]), ("m-two", [1, 1]), ("m-one", [1, 1])] {
        let body = ask("hi").replace(crate::support::answers::MODEL, model);
        let reply = proxy.ask(Request::messages(body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tunnels = [inside.egress.asked().len(), other.asked().len()];
        assert_eq!(tunnels, opened, "{model}");
    }
}

#[tokio::test]
async fn counts_probes_and_tokens_go_the_same_way() {
    let inside = Inside::new(
        Upstream::always(Act::answer(200, &[], r#"{"input_tokens": 4711}"#)).await,
        &["http/1.1"],
    )
    .await;
    let provider = inside
        .provider("a")
        .with("probe: {interval: 1s, path: /up}");
    let proxy = Proxy::start(Setup::of([provider]).secret("hunter2")).await;
    inside.upstream.called(1).await;
    let count = Request::post("/v1/messages/count_tokens", ask("hi"));
    let reply = proxy.ask(count).await;
    assert_eq!(
        (reply.status, reply.json()["input_tokens"].as_u64()),
        (200, Some(4711))
    );
    let asked = inside.egress.asked();
    assert!(!asked.is_empty() && asked.iter().all(|it| *it == inside.wanted()));

    let grant = r#"{"access_token":"ya29.canary-0123456789","expires_in":3599}"#;
    let desk = Upstream::always(Act::answer(200, &[], grant)).await;
    let provider = Provider::vertex("v", &inside.front.url(NAME), &desk.url())
        .with(&format!("proxy: \"https://{}\"", inside.egress.address))
        .with(&format!("ca: {}", inside.authority.file().display()));
    inside.upstream.then(says("v"));
    let _proxy = Proxy::start(Setup::of([provider]).secret("ya29.canary-0123456789")).await;
    desk.called(1).await;
    let host = desk.url().replace("http://", "");
    let asked = inside.egress.asked();
    assert!(
        asked
            .iter()
            .any(|it| it.starts_with(&format!("CONNECT {host} "))),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_authority_of_ones_own_is_believed_only_where_it_is_named() {
    let (authority, upstream) = (Authority::new(), Upstream::always(says("a")).await);
    let backup = Upstream::always(says("b")).await;
    let pair = authority.server("front", &["127.0.0.1"]);
    let front = TlsFront::start(&upstream, &pair, &["http/1.1"]).await;
    let (file, other) = (authority.file(), Authority::new());
    for (line, served) in [
        (String::new(), "b"),
        (format!("ca: {}", file.display()), "a"),
        (format!("ca: [{}]\n    ca_only: true", file.display()), "a"),
        (format!("ca: {}", other.file().display()), "b"),
        (
            format!("ca: [{}, {}]", other.file().display(), file.display()),
            "a",
        ),
    ] {
        let named = Provider::anthropic("a", &front.url("127.0.0.1")).with(&line);
        let backup = Provider::anthropic("b", &backup.url());
        let mut proxy = Proxy::start(Setup::of([named, backup])).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, message(served)),
            "{line}"
        );
        if served == "b" {
            proxy.line("reason=upstream_unreachable").await;
        }
    }
}

#[tokio::test]
async fn a_changed_file_of_authorities_is_read_again() {
    let (authority, other) = (Authority::new(), Authority::new());
    let upstream = Upstream::always(says("a")).await;
    let pair = authority.server("front", &["127.0.0.1"]);
    let front = TlsFront::start(&upstream, &pair, &["http/1.1"]).await;
    let file = authority.path("believed.pem");
    fs::copy(authority.file(), &file).unwrap();
    let provider = Provider::anthropic("a", &front.url("127.0.0.1"))
        .with(&format!("ca: {}", file.display()))
        .with("ca_only: true");
    let setup = Setup::of([provider])
        .setting("watch_config: 1")
        .setting("unhealthy_threshold: 9");
    let proxy = Proxy::start(setup).await;
    let serves = async |well: bool| {
        eventually("the other authority", || async {
            let reply = proxy.ask(Request::messages(ask("hi"))).await;
            ((reply.status == 200) == well).then_some(())
        })
        .await;
    };
    serves(true).await;
    // A pooled connection that the old authority has vouched for is not used any more.
    fs::copy(other.file(), &file).unwrap();
    serves(false).await;
    fs::copy(authority.file(), &file).unwrap();
    serves(true).await;
    fs::write(&file, "nothing").unwrap();
    proxy.printed("holds no certificate in PEM").await;
    serves(true).await;
}
