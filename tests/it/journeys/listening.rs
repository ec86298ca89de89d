//! Several addresses at once, Unix sockets, and what an upgrade does to them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{TcpStream, UnixStream};

use crate::support::answers::{ask, ask_stream, message, says, stream, streams};
use crate::support::client::{Client, Reply, Request};
use crate::support::eventually;
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
    for (listeners, ready) in [
        (vec![tls(free_port(), "")], true),
        (vec![tls(free_port(), &optional)], true),
        (vec![tls(free_port(), &required)], false),
        (vec![tls(free_port(), &required), unix], true),
    ] {
        let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
        let proxy = Proxy::start(provider(&upstream).listening(&listeners)).await;
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
    proxy.line("restart to change listeners").await;
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
