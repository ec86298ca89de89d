//! The client against a raw listener.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::config::CallPath;

fn target(port: u16, tls: bool) -> Target {
    Target {
        tls,
        host: "127.0.0.1".to_owned(),
        port,
        authority: format!("127.0.0.1:{port}"),
        inference: CallPath::Fixed("/".to_owned()),
        count_tokens: None,
        models: None,
    }
}

/// Answers one connection with `answer` and gives what it was asked.
async fn exchange(answer: Vec<u8>, body: &'static str) -> (Result<Answer, CallError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(listener.local_addr().unwrap().port(), false);
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !String::from_utf8_lossy(&asked).ends_with(&format!("\r\n\r\n{body}")) {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
        }
        // The client may have had enough before the end.
        let _ = stream.write_all(&answer).await;
        String::from_utf8(asked).unwrap()
    };
    let client = Client::new(Arc::new(Resolver::new()));
    let call = Call {
        method: if body.is_empty() {
            Method::GET
        } else {
            Method::POST
        },
        target: &target,
        path: "/token?x=1",
        headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
        body: Bytes::from_static(body.as_bytes()),
        way: None,
        timeout: Duration::from_secs(5),
    };
    tokio::join!(client.send(call), served)
}

#[tokio::test]
async fn a_call_is_written_and_its_answer_read_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
    ] {
        let (answered, asked) = exchange(answer.into(), "a=b").await;
        let answered = answered.unwrap();
        assert_eq!(
            (answered.status, &answered.body[..]),
            (StatusCode::OK, &b"hello"[..])
        );
        assert_eq!(answered.headers["x-a"], "b");
        let asked = asked.to_lowercase();
        assert!(
            asked.starts_with("post /token?x=1 http/1.1\r\nhost: 127.0.0.1:"),
            "{asked}"
        );
        for line in [
            "content-length: 3",
            "content-type: text/plain",
            "connection: close",
        ] {
            assert!(asked.contains(&format!("\r\n{line}\r\n")), "{asked}");
        }
    }
}

#[tokio::test]
async fn a_get_has_no_body_and_a_redirect_is_an_answer() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let (answered, asked) = exchange(answer.into(), "").await;
    assert_eq!(answered.unwrap().status, StatusCode::FOUND);
    assert!(asked.starts_with("GET ") && !asked.to_lowercase().contains("content-length"));
}

#[tokio::test]
async fn an_endless_answer_is_not_held() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n".to_vec();
    answer.resize(answer.len() + MAX_ANSWER + 1, b'x');
    let (answered, _) = exchange(answer, "a").await;
    assert!(
        matches!(answered, Err(CallError::TooLarge(_))),
        "{answered:?}"
    );
}

#[tokio::test]
async fn a_cut_answer_is_an_error() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        "nonsense\r\n\r\n",
    ] {
        let (answered, _) = exchange(answer.into(), "a").await;
        assert!(
            matches!(answered, Err(CallError::Broken { .. })),
            "{answered:?}"
        );
    }
}

async fn ask(target: &Target, timeout: Duration) -> CallError {
    let client = Client::new(Arc::new(Resolver::new()));
    let (form, way) = (Bytes::from_static(b"a=b"), Way::default());
    let asked = client.post_form(target, "/", form, &way, timeout);
    asked.await.unwrap_err()
}

#[tokio::test]
async fn silence_ends_in_time_and_a_closed_port_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = target(listener.local_addr().unwrap().port(), false);
    let error = ask(&silent, Duration::from_millis(50)).await;
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");

    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = target(held.local_addr().unwrap().port(), false);
    let error = ask(&closed, Duration::from_secs(5)).await;
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn certificates_are_checked() {
    let (of, resolver) = (target(1, true), Arc::new(Resolver::new()));
    let peer = PeerFactory::for_calls(of, None, resolver, &Trusts::new())
        .peer(0)
        .await
        .unwrap();
    assert!(peer.is_tls() && peer.options.verify_cert && peer.options.verify_hostname);
    assert_eq!(peer.sni, "127.0.0.1");
}
