//! Listeners with certificates: both HTTPs, names, client certificates, reloads, and clients that speak something else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::answers::{
    ask, ask_stream, begins, delta, finish, message, open_text, says, start, stream, streams,
};
use crate::support::client::{Client, Ending, Request};
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup};
use crate::support::tls::{Authority, Pair, in_file, shown};
use crate::support::upstream::Upstream;
use crate::support::{eventually, soon};

const NAME: &str = "gateway.example";

fn listener(pairs: &[&Pair], more: &str) -> String {
    let pairs: Vec<String> = pairs.iter().map(|it| it.yaml()).collect();
    let pairs = pairs.join(", ");
    format!("{{address: \"127.0.0.1:0\", tls: {{certificates: [{pairs}]{more}}}}}")
}

fn setup(upstream: &Upstream, listener: &str) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())]).listening(&[listener])
}

#[tokio::test]
async fn both_versions_of_http_are_served_and_a_failover_stays_unseen() {
    let broken = Upstream::always(Act::answer(500, &[], "{}")).await;
    let good = Upstream::always(streams("hi")).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let providers = [
        Provider::anthropic("broken", &broken.url()),
        Provider::anthropic("good", &good.url()),
    ];
    let proxy = Proxy::start(Setup::of(providers).listening(&[&listener(&[&pair], "")])).await;
    let dialler = authority.trusted();

    let mut client = dialler.http1(proxy.address(), NAME).await;
    for _ in 0..2 {
        let reply = client.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!((reply.status, reply.ending), (200, Ending::Complete));
        assert_eq!(reply.text(), stream("hi"));
    }
    let client = dialler.http2(proxy.address(), NAME).await;
    let body = ask_stream("again").into_bytes();
    let (one, other) = tokio::join!(
        client.post("/v1/messages", &body),
        client.post("/v1/messages", &body)
    );
    for reply in [one, other] {
        assert_eq!(reply.status, 200);
        assert_eq!(String::from_utf8(reply.body).unwrap(), stream("hi"));
    }
    assert!(0 < broken.calls());
    // What is administered over it is as local as its address.
    assert_eq!(client.without_body("GET", "/providers").await.status, 200);
}

#[tokio::test]
async fn the_name_picks_the_certificate() {
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let first = authority.server("first", &[NAME]);
    let other = authority.server("other", &["other.example", "*.wild.example"]);
    let proxy = Proxy::start(setup(&upstream, &listener(&[&first, &other], ""))).await;
    let dialler = authority.trusted();
    for (name, pair) in [
        (NAME, &first),
        ("other.example", &other),
        ("a.wild.example", &other),
    ] {
        let stream = dialler.dial(proxy.address(), name, &[]).await.unwrap();
        assert_eq!(shown(&stream), in_file(pair), "{name}");
    }
    // The first is shown for the rest, and clients see that it is not meant for them.
    for name in ["a.b.wild.example", "wild.example", "elsewhere.example"] {
        let refused = dialler.dial(proxy.address(), name, &[]).await;
        let why = refused.err().unwrap().to_string();
        assert!(why.contains("not valid for name"), "{why}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_while_an_old_stream_goes_on() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("old")])
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([act, says("new")]).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let renewed = authority.server("b", &[NAME]);
    let watched = setup(&upstream, &listener(&[&pair], "")).setting("watch_config: 50ms");
    let mut proxy = Proxy::start(watched).await;
    let dialler = authority.trusted();

    let mut streaming = dialler.http1(proxy.address(), NAME).await;
    streaming
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    assert!(streaming.head().await.line.contains("200"));
    pair.become_like(&renewed);
    proxy.line("configuration reloaded").await;
    eventually("the new certificate", || async {
        let stream = dialler.dial(proxy.address(), NAME, &[]).await.unwrap();
        (shown(&stream) == in_file(&renewed)).then_some(())
    })
    .await;
    gate.open();
    let rest = streaming.rest().await;
    assert!(rest.contains("message_stop"), "{rest}");
    let mut client = dialler.http1(proxy.address(), NAME).await;
    let reply = client.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("new"));
}

#[tokio::test]
async fn a_broken_pair_leaves_the_old_one_in_force_and_says_why() {
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let stranger = authority.server("b", &[NAME]);
    let proxy = Proxy::start(setup(&upstream, &listener(&[&pair], ""))).await;
    let dialler = authority.trusted();
    let old = in_file(&pair);
    let (cert, key) = (
        std::fs::read(&pair.cert).unwrap(),
        std::fs::read(&pair.key).unwrap(),
    );
    let strange = std::fs::read(&stranger.key).unwrap();
    for (cert, key, word) in [
        (&cert[..], &strange[..], "is not the key of the certificate"),
        (&cert[..], b"", "holds no private key"),
        (&cert[..cert.len() / 2], &key[..], "cut short"),
        (b"hello", &key[..], "holds no certificate"),
    ] {
        std::fs::write(&pair.cert, cert).unwrap();
        std::fs::write(&pair.key, key).unwrap();
        let mut client = dialler.http1(proxy.address(), NAME).await;
        let reply = client.ask(Request::post("/providers/reload", "")).await;
        assert_eq!(reply.status, 500);
        assert!(reply.text().contains(word), "{word}: {}", reply.text());
        let stream = dialler.dial(proxy.address(), NAME, &[]).await.unwrap();
        assert_eq!(shown(&stream), old);
    }
    pair.become_like(&stranger);
    let mut client = dialler.http1(proxy.address(), NAME).await;
    let reply = client.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let stream = dialler.dial(proxy.address(), NAME, &[]).await.unwrap();
    assert_eq!(shown(&stream), in_file(&stranger));
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let upstream = Upstream::always(says("hi")).await;
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let pair = authority.server("a", &[NAME]);
    let (alice, mallory) = (clients.client("alice"), strangers.client("mallory"));
    let ca = clients.file();
    let required = listener(&[&pair], &format!(", client_ca: {}", ca.display()));
    let optional = listener(
        &[&pair],
        &format!(", client_ca: {}, client_auth: optional", ca.display()),
    );
    for (listener, without) in [(required, false), (optional, true)] {
        let mut proxy = Proxy::start(setup(&upstream, &listener)).await;
        let anonymous = authority.trusted();
        let known = anonymous.clone().showing(&alice);
        for dialler in [known.clone(), known.at_most_tls12()] {
            let mut client = dialler.http1(proxy.address(), NAME).await;
            let reply = client.ask(Request::messages(ask("hi"))).await;
            assert_eq!(reply.status, 200);
        }
        let known = anonymous.clone().showing(&alice);
        let client = known.http2(proxy.address(), NAME).await;
        let reply = client.post("/v1/messages", ask("hi").as_bytes()).await;
        assert_eq!(reply.status, 200);
        proxy.line("CN=alice").await;
        eventually("the line of each request", || async {
            let lines = proxy.log_file();
            let lines = lines.lines().filter(|it| it.contains("request finished"));
            let named = |it: &&str| it.contains("CN=alice") && it.contains("hash.sha256");
            (lines.filter(named).count() == 3).then_some(())
        })
        .await;

        let stranger = anonymous.clone().showing(&mallory);
        for (dialler, served) in [(anonymous, without), (stranger, false)] {
            // In TLS 1.3 a client hears of it only after its own part is done.
            let reply = match dialler.dial(proxy.address(), NAME, &["http/1.1"]).await {
                Err(_) => None,
                Ok(stream) => {
                    let client = Client::through(stream);
                    client.try_ask(Request::messages(ask("hi"))).await
                }
            };
            assert_eq!(reply.is_some_and(|it| it.status == 200), served);
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_so_and_old_tls_is_refused() {
    let upstream = Upstream::always(says("hi")).await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let proxy = Proxy::start(setup(&upstream, &listener(&[&pair], ""))).await;

    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("https://"), "{}", reply.text());
    for garbage in [&b"\x00\x01\x02"[..], b"\x80\x2e\x01\x00\x02"] {
        let mut client = proxy.connect().await;
        client.send(garbage).await;
        assert_eq!(client.closed().await, b"");
    }
    // The same hello as TLS 1.0, 1.1 and 1.2: two alerts about the protocol version, and an answer.
    for (minor, answer) in [(1, ALERT), (2, ALERT), (3, HANDSHAKE)] {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(&hello(minor)).await.unwrap();
        let mut record = [0; 7];
        let read = soon("a record", stream.read_exact(&mut record)).await;
        assert_eq!(read.unwrap(), 7);
        assert_eq!(record[0], answer, "TLS 1.{}: {record:?}", minor - 1);
        assert!(answer == HANDSHAKE || record[5..] == [2, 70], "{record:?}");
    }
    assert_eq!(upstream.calls(), 0);
    let mut client = authority.trusted().http1(proxy.address(), NAME).await;
    assert_eq!(client.ask(Request::messages(ask("hi"))).await.status, 200);
    drop(
        authority
            .trusted()
            .dial(proxy.address(), NAME, &["h2"])
            .await,
    );
    // Scanners come by all day.
    let mut client = authority.trusted().http1(proxy.address(), NAME).await;
    assert_eq!(client.ask(Request::messages(ask("hi"))).await.status, 200);
    let printed = proxy.console();
    assert!(!printed.contains("andshake"), "{printed}");
}

const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;

/// The first message of a client that knows version 3.`minor` at most, which is TLS 1.2 for 3.
fn hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x0a]); // ciphers: one of TLS 1.2, one of older times
    hello.extend([1, 0]); // no compression
    let groups = [0, 10, 0, 4, 0, 2, 0, 0x17];
    let points = [0, 11, 0, 2, 1, 0];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3];
    let extensions = [&groups[..], &points, &signatures].concat();
    hello.extend([0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let mut message = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![HANDSHAKE, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[tokio::test]
async fn who_does_not_finish_is_let_go() {
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let hasty = setup(&upstream, &listener(&[&pair], "")).setting("client_read_timeout: 300ms");
    let proxy = Proxy::start(hasty).await;
    // Nothing at all; a handshake that stops; and then HTTP/2 that never begins.
    for begun in [&b""[..], &hello(3)[..20]] {
        let mut client = proxy.connect().await;
        client.send(begun).await;
        client.closed().await;
    }
    let dialler = authority.trusted();
    for alpn in ["h2", "http/1.1"] {
        let mut stream = dialler.dial(proxy.address(), NAME, &[alpn]).await.unwrap();
        let mut rest = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut rest)).await;
    }
    // One that begins in time may idle.
    let mut stream = dialler.dial(proxy.address(), NAME, &["h2"]).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let ping = b"\0\0\x08\x06\0\0\0\0\0pingpong";
    stream.write_all(ping).await.unwrap();
    let mut seen = Vec::new();
    soon("a pong", async {
        while !seen.ends_with(b"pingpong") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let narrow = setup(&upstream, &listener(&[&pair], "")).setting("max_connections: 1");
    let proxy = Proxy::start(narrow).await;
    let silent = TcpStream::connect(proxy.address()).await.unwrap();
    let mut second = Client::over(TcpStream::connect(proxy.address()).await.unwrap());
    let answer = second.closed().await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 503"));
    drop(silent);
    let dialler = authority.trusted();
    eventually("room", || async {
        let reached = dialler.dial(proxy.address(), NAME, &[]).await;
        reached.is_ok().then_some(())
    })
    .await;
}
