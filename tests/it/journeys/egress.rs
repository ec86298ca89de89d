//! Providers behind an egress proxy: `CONNECT` and SOCKS5, with and without a name and password.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// What a proxy was asked, one entry a tunnel.
type Asked = Arc<Mutex<Vec<String>>>;

/// An egress proxy on a loopback port.
struct Egress {
    address: SocketAddr,
    asked: Asked,
    accepting: JoinHandle<()>,
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Egress {
    async fn start(socks: bool) -> Egress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    if socks {
                        socks5(stream, &seen).await;
                    } else {
                        connect(stream, &seen).await;
                    }
                });
            }
        });
        Egress {
            address,
            asked,
            accepting,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

async fn connect(mut stream: TcpStream, asked: &Asked) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().push(head.clone());
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let answer = if target.ends_with(":1") {
        "HTTP/1.1 403 Forbidden\r\n\r\n"
    } else {
        "HTTP/1.1 200 Connection established\r\nvia: here\r\n\r\n"
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    if answer.contains("200") {
        tunnel(stream, &target).await;
    }
}

async fn socks5(mut stream: TcpStream, asked: &Asked) {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.unwrap();
    let mut methods = vec![0; usize::from(greeting[1])];
    stream.read_exact(&mut methods).await.unwrap();
    let mut note = format!("methods {methods:?}");
    if methods.contains(&2) {
        stream.write_all(&[5, 2]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        for _ in 0..2 {
            let mut word = vec![0; usize::from(stream.read_u8().await.unwrap())];
            stream.read_exact(&mut word).await.unwrap();
            note = format!("{note} {}", String::from_utf8(word).unwrap());
        }
        stream.write_all(&[1, 0]).await.unwrap();
    } else {
        stream.write_all(&[5, 0]).await.unwrap();
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    let host = if request[3] == 1 {
        let mut address = [0; 4];
        stream.read_exact(&mut address).await.unwrap();
        std::net::Ipv4Addr::from(address).to_string()
    } else {
        let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
        stream.read_exact(&mut name).await.unwrap();
        String::from_utf8(name).unwrap()
    };
    let port = stream.read_u16().await.unwrap();
    asked
        .lock()
        .push(format!("{note} kind {} {host}:{port}", request[3]));
    stream
        .write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1])
        .await
        .unwrap();
    tunnel(stream, &format!("{host}:{port}")).await;
}

async fn tunnel(mut stream: TcpStream, target: &str) {
    if let Ok(mut upstream) = TcpStream::connect(target).await {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    }
}

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
        Egress::start(false).await,
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
        Egress::start(false).await,
    );
    let host = host_of(&upstream);
    let wanted = format!(
        "CONNECT {host} HTTP/1.1\r\nhost: {host}\r\nproxy-authorization: Basic bWU6aHVudGVyMg==\r\n\r\n"
    );
    let url = format!("http://me:hunter2@{}", egress.address);
    uses_tunnels_again(&upstream, &egress, &url, &wanted).await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_provider_that_cannot_be_reached() {
    let (egress, backup) = (
        Egress::start(false).await,
        Upstream::always(says("b")).await,
    );
    let proxied = format!("proxy: \"http://{}\"", egress.address);
    let setup = Setup::of([
        Provider::anthropic("a", "http://127.0.0.1:1").with(&proxied),
        Provider::anthropic("b", &backup.url()),
    ]);
    let mut proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    proxy.line("recorded error for provider a: count=1/2").await;
}

#[tokio::test]
async fn tokens_are_fetched_the_same_way_out() {
    let grant = r#"{"access_token":"ya29.canary-0123456789","expires_in":3599}"#;
    let (cloud, desk) = (
        Upstream::always(says("a")).await,
        Upstream::always(Act::answer(200, &[], grant)).await,
    );
    for socks in [false, true] {
        let egress = Egress::start(socks).await;
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
    let (upstream, egress) = (Upstream::always(says("a")).await, Egress::start(true).await);
    // An address goes as an address: some proxies look every name up.
    let wanted = format!("methods [0] kind 1 {}", host_of(&upstream));
    let url = format!("socks5://{}", egress.address);
    uses_tunnels_again(&upstream, &egress, &url, &wanted).await;
}

#[tokio::test]
async fn socks5_signs_in_and_resolves_names_at_the_proxy() {
    let (upstream, egress) = (Upstream::always(says("a")).await, Egress::start(true).await);
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
