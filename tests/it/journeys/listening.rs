//! Several addresses at once, Unix sockets, and what an upgrade does to them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{TcpStream, UnixStream};

use crate::support::answers::{ask, ask_stream, message, says, stream, streams};
use crate::support::client::{Client, Reply, Request};
use crate::support::eventually;
use crate::support::h2c::H2Client;
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

const NAME: &str = "gateway.example";

async fn ask_at(path: &Path, request: Request) -> Reply {
    let stream = UnixStream::connect(path).await.unwrap();
    Client::through(stream).ask(request).await
}

fn provider(upstream: &Upstream) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())])
}

#[tokio::test]
async fn a_unix_socket_serves_is_local_and_goes_with_the_process() {
    let upstream = Upstream::always(streams("hi")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let listener = format!("{{address: \"unix:{}\"}}", path.display());
    let plain = "{address: \"127.0.0.1:0\"}";
    let proxy = Proxy::start(provider(&upstream).listening(&[plain, &listener])).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let reply = ask_at(&path, Request::messages(ask_stream("hi"))).await;
    assert_eq!(reply.text(), stream("hi"));
    assert_eq!(ask_at(&path, Request::get("/providers")).await.status, 200);
    assert_eq!(proxy.health().await.0, Some(0));

    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn each_listener_has_its_own_load_balancer_before_tls() {
    let upstream = Upstream::always(says("hi")).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let tls = format!("tls: {{certificates: [{}]}}", pair.yaml());
    let announced = format!("{{address: \"127.0.0.1:0\", proxy_protocol: true, {tls}}}");
    let plain = "{address: \"127.0.0.1:0\"}";
    let setup = provider(&upstream).setting("client_read_timeout: 700ms");
    let setup = setup.gateway_key(GATEWAY).listening(&[&announced, plain]);
    let mut proxy = Proxy::start(setup).await;
    let addresses = proxy.addresses().await;
    let (announced, plain) = (addresses[0], addresses[1]);
    let dialler = authority.trusted();
    let body = ask("hi");

    let stream = dialler
        .dial_announced(announced, OLD, NAME, "http/1.1")
        .await;
    let mut client = Client::through(stream.unwrap());
    for _ in 0..2 {
        assert_eq!(client.ask(signed(&body)).await.status, 200);
    }
    let stream = dialler.dial_announced(announced, NEW, NAME, "h2").await;
    let client = H2Client::over(stream.unwrap()).await;
    let reply = client.post_with("/v1/messages", &[("x-api-key", GATEWAY)], body.as_bytes());
    assert_eq!(reply.await.status, 200);
    assert_eq!(
        clients(&proxy, 3).await,
        ["203.0.113.9", "203.0.113.9", "198.51.100.7"]
    );

    // Nobody begins with TLS there, or announces inside it.
    for (said, then) in [(&b""[..], "http/1.1"), (b"PROXY NONSENSE\r\n", "h2")] {
        let refused = dialler.dial_announced(announced, said, NAME, then).await;
        assert!(refused.is_err());
    }
    let mut inside = Client::through(
        dialler
            .dial_announced(announced, OLD, NAME, "http/1.1")
            .await
            .unwrap(),
    );
    inside.send([OLD, &signed(&body).bytes()].concat()).await;
    assert!(inside.closed().await.starts_with(b"HTTP/1.1 400 "));
    // The other listener has none in front: its word is no HTTP.
    let mut client = Client::connect(plain).await;
    assert_eq!(client.ask(signed(&body)).await.status, 200);
    let mut client = Client::connect(plain).await;
    client.send([OLD, &signed(&body).bytes()].concat()).await;
    assert!(client.closed().await.starts_with(b"HTTP/1.1 400 "));
    // Administration without a key is for this machine, which the announced listener is not.
    let get = Request::get("/providers").header("x-api-key", GATEWAY);
    let stream = dialler.dial_announced(announced, b"PROXY UNKNOWN\r\n", NAME, "http/1.1");
    let mut client = Client::through(stream.await.unwrap());
    assert_eq!(client.ask(get).await.status, 403);
    assert_eq!(upstream.calls(), 4);
}

const GATEWAY: &str = "sk-canary-gateway-0123456789";
/// Announcements of both versions.
const OLD: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n";
const NEW: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\x0a\0\0\x01\x10\0\x01\xbb";

fn signed(body: &str) -> Request {
    Request::messages(body).header("x-api-key", GATEWAY)
}

/// Where the first requests came from, as the log has it.
async fn clients(proxy: &Proxy, count: usize) -> Vec<String> {
    eventually("lines of the log", || async {
        let log = proxy.log_file();
        let lines = log.lines().filter(|it| it.contains("request finished"));
        let seen: Vec<String> = lines
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| line["client.address"].as_str().unwrap().to_owned())
            .collect();
        (count <= seen.len()).then_some(seen)
    })
    .await
}

#[tokio::test]
async fn the_health_command_asks_every_kind_of_listener() {
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let (path, ca) = (authority.path("s"), authority.file());
    let tls = |port: u16, more: &str| {
        let pair = pair.yaml();
        format!("{{address: \"127.0.0.1:{port}\", tls: {{certificates: [{pair}]{more}}}}}")
    };
    let required = format!(", client_ca: {}", ca.display());
    let optional = format!("{required}, client_auth: optional");
    let unix = format!("{{address: \"unix:{}\"}}", path.display());
    let announced = |port: u16, pair: &str| {
        let tls = if pair.is_empty() {
            String::new()
        } else {
            format!(", tls: {{certificates: [{pair}]}}")
        };
        format!("{{address: \"127.0.0.1:{port}\", proxy_protocol: true{tls}}}")
    };
    for (listeners, ready) in [
        (vec![tls(free_port(), "")], true),
        (vec![tls(free_port(), &optional)], true),
        (vec![tls(free_port(), &required)], false),
        (vec![tls(free_port(), &required), unix], true),
        (vec![announced(free_port(), "")], true),
        (vec![announced(free_port(), &pair.yaml())], true),
    ] {
        let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
        // It speaks for itself, which is no load balancer's business.
        let setup = provider(&upstream).setting("trusted_proxies: [10.0.0.0/8]");
        let proxy = Proxy::start(setup.gateway_key(GATEWAY).listening(&listeners)).await;
        let (code, said) = proxy.health().await;
        assert_eq!(code, Some(i32::from(!ready)), "{listeners:?}: {said}");
        assert!(ready || said.contains("client's certificate"), "{said}");
    }
}

/// A port that was free a moment ago: who asks a process from outside has to know it.
fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[tokio::test]
async fn administration_moves_to_the_listener_that_is_for_it() {
    let upstream = Upstream::always(says("hi")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let admin = format!(
        "{{address: \"unix:{}\", mode: \"0600\", surface: admin}}",
        path.display()
    );
    let setup = provider(&upstream).listening(&["{address: \"127.0.0.1:0\"}", &admin]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(Request::get("/providers")).await.status, 404);
    assert_eq!(proxy.ask(Request::messages(ask("1"))).await.status, 200);
    assert_eq!(ask_at(&path, Request::get("/providers")).await.status, 200);
    let reply = ask_at(&path, Request::messages(ask("1"))).await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn http2_can_be_switched_off_and_on_while_it_runs() {
    let upstream = Upstream::always(says("hi")).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let setup = |http2: bool| {
        let tls = format!("tls: {{certificates: [{}]}}", pair.yaml());
        let listener = format!("{{address: \"127.0.0.1:0\", http2: {http2}, {tls}}}");
        provider(&upstream).listening(&[&listener])
    };
    let proxy = Proxy::start(setup(false)).await;
    let dialler = authority.trusted();
    let both = ["h2", "http/1.1"];
    let stream = dialler.dial(proxy.address(), NAME, &both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    std::fs::write(proxy.config_path(), setup(true).yaml()).unwrap();
    proxy.signal("HUP");
    eventually("HTTP/2", || async {
        let stream = dialler.dial(proxy.address(), NAME, &both).await.unwrap();
        (stream.get_ref().1.alpn_protocol() == Some(b"h2")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_adds_and_removes_listeners_of_every_kind() {
    let upstream = Upstream::always(says("hi")).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let tls = format!(
        "{{address: \"127.0.0.1:0\", tls: {{certificates: [{}]}}}}",
        pair.yaml()
    );
    let unix = format!("{{address: \"unix:{}\"}}", path.display());
    let with = |more: &[&str]| {
        let all: Vec<&str> = [tls.as_str()].iter().chain(more).copied().collect();
        provider(&upstream).listening(&all)
    };
    let mut proxy = Proxy::supervised(with(&[])).await;
    let dialler = authority.trusted();
    let serves = async |proxy: &Proxy| {
        let mut client = dialler.http1(proxy.address(), NAME).await;
        let reply = client.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.text(), message("hi"));
    };
    serves(&proxy).await;
    assert!(!path.exists());

    // A reload names what waits, and does nothing else.
    std::fs::write(proxy.config_path(), with(&[&unix]).yaml()).unwrap();
    proxy.signal("HUP");
    proxy.line("restart or upgrade to change listeners").await;
    assert!(!path.exists());
    for _ in 0..2 {
        let (code, said) = proxy.upgrade().await;
        assert_eq!(code, Some(0), "{said}");
        serves(&proxy).await;
        let reply = ask_at(&path, Request::messages(ask("hi"))).await;
        assert_eq!(reply.text(), message("hi"));
    }
    std::fs::write(proxy.config_path(), with(&[]).yaml()).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(0), "{said}");
    serves(&proxy).await;
    assert!(!path.exists());
    assert_eq!(proxy.addresses().await[0], proxy.address());
    drop(TcpStream::connect(proxy.address()).await.unwrap());
}

#[tokio::test]
async fn an_upgrade_whose_socket_is_taken_changes_nothing() {
    let upstream = Upstream::always(says("hi")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let _other = tokio::net::UnixListener::bind(&path).unwrap();
    let plain = "{address: \"127.0.0.1:0\"}";
    let proxy = Proxy::supervised(provider(&upstream).listening(&[plain])).await;
    let unix = format!("{{address: \"unix:{}\"}}", path.display());
    let more = provider(&upstream).listening(&[plain, &unix]);
    std::fs::write(proxy.config_path(), more.yaml()).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process listens there"), "{said}");
    assert!(path.exists());
    assert_eq!(proxy.ask(Request::messages(ask("hi"))).await.status, 200);
}
