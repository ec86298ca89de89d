//! Who is at the other end: caps of an address, proxies whose word counts, the PROXY protocol.

use crate::support::answers::ask;
use crate::support::answers::says;
use crate::support::client::Client;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::h2c::H2Client;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn proxy(upstream: &Upstream, lines: &[&str]) -> Proxy {
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let setup = lines.iter().fold(setup, |setup, line| setup.setting(line));
    Proxy::start(setup.gateway_key("sk-canary-gateway-0123456789")).await
}

fn signed() -> Request {
    Request::messages(ask("hi")).header("x-api-key", "sk-canary-gateway-0123456789")
}

/// Where request number `count` came from, as the log has it.
async fn logged_client(proxy: &Proxy, count: usize) -> String {
    let line = eventually("a line of the log", || async {
        let log = proxy.log_file();
        let mut lines = log.lines().filter(|it| it.contains("request finished"));
        lines.nth(count - 1).map(str::to_owned)
    })
    .await;
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    json["client.address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_others_have_theirs() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = proxy(&upstream, &["max_connections_per_address: 3"]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = proxy.connect().await;
        assert_eq!(client.ask(Request::get("/livez")).await.status, 200);
        held.push(client);
    }
    let reply = proxy.ask(Request::get("/livez")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = socket.connect(proxy.address()).await.unwrap();
    let reply = Client::over(other).ask(Request::get("/livez")).await;
    assert_eq!(reply.status, 200);
    held.pop();
    eventually("a free place", || async {
        let client = proxy.connect().await;
        let reply = client.try_ask(Request::get("/livez")).await?;
        (reply.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_word_of_a_trusted_proxy_counts_and_nobody_elses() {
    let upstream = Upstream::always(says("a")).await;
    for (lines, expected) in [
        (
            &[
                "trusted_proxies: [127.0.0.0/8]",
                "max_connections_per_address: 1",
            ][..],
            "203.0.113.9",
        ),
        (&["trusted_proxies: [10.0.0.0/8]"][..], "127.0.0.1"),
        (&[][..], "127.0.0.1"),
    ] {
        let proxy = proxy(&upstream, lines).await;
        // A trusted proxy may have as many connections as it wants.
        let _another = proxy.connect().await;
        let request = signed().header("x-forwarded-for", "6.6.6.6, 203.0.113.9");
        assert_eq!(proxy.ask(request).await.status, 200);
        assert_eq!(logged_client(&proxy, 1).await, expected);
    }
    let seen = upstream.seen(0);
    assert_eq!(seen.header("x-forwarded-for"), None);
}

fn announced(rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    bytes.extend([198, 51, 100, 7, 10, 0, 0, 1, 0x10, 0, 0, 80]);
    bytes.extend_from_slice(rest);
    bytes
}

#[tokio::test]
async fn a_load_balancer_announces_clients() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = proxy(
        &upstream,
        &[
            "proxy_protocol: true",
            "client_read_timeout: 700ms",
            "max_connections_per_address: 2",
        ],
    )
    .await;
    let request = signed().bytes();
    let old = [
        &b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n"[..],
        &request,
    ]
    .concat();
    let mut count = 0;
    for (bytes, expected) in [(old, "203.0.113.9"), (announced(&request), "198.51.100.7")] {
        let mut client = proxy.connect().await;
        client.send(bytes).await;
        assert_eq!(client.reply().await.status, 200);
        assert_eq!(logged_client(&proxy, count + 1).await, expected);
        // It holds for the whole connection.
        assert_eq!(client.ask(signed()).await.status, 200);
        count += 2;
        assert_eq!(logged_client(&proxy, count).await, expected);
    }
    for bytes in [
        signed().bytes(),
        b"PROXY TCP4 nonsense\r\n".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
        b"PROXY TCP4 203.0".to_vec(),
        Vec::new(),
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 100]].concat(),
        announced(&[])[..20].to_vec(),
    ] {
        let mut client = proxy.connect().await;
        client.send(&bytes).await;
        assert!(client.closed().await.is_empty(), "{bytes:?}");
    }
    // Its own check, which comes from itself; and the cap is of the announced address.
    let mut checks = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.connect().await;
        client
            .send(announced(&Request::get("/livez").bytes()))
            .await;
        assert_eq!(client.reply().await.status, 200);
        checks.push(client);
    }
    let mut client = proxy.connect().await;
    client
        .send(announced(&Request::get("/livez").bytes()))
        .await;
    assert_eq!(client.reply().await.status, 503);
    // Administration is for who has its key: this listener is as far as its clients are.
    let mut client = proxy.connect().await;
    let admin = Request::get("/providers").bytes();
    client
        .send([&b"PROXY UNKNOWN\r\n"[..], &admin].concat())
        .await;
    assert_eq!(client.reply().await.status, 403);
}

#[tokio::test]
async fn announced_clients_may_speak_http2() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = proxy(&upstream, &["proxy_protocol: true"]).await;
    let mut stream = tokio::net::TcpStream::connect(proxy.address())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &announced(&[]))
        .await
        .unwrap();
    let client = H2Client::over(stream).await;
    assert_eq!(client.without_body("GET", "/livez").await.status, 200);
}
