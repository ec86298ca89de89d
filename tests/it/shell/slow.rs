//! Slowness: whoever says nothing, or too little at a time, is let go, and costs nobody else anything.

use std::time::Duration;

use tokio::task::JoinSet;

use super::case::{answers, good, post};
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Client;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// A beginning, then byte after byte of this for as long as somebody listens; what is answered in the end.
struct Drip {
    name: &'static str,
    begin: String,
    drips: &'static str,
    statuses: &'static [u16],
}

fn drips() -> Vec<Drip> {
    let drip = |name, begin: String, drips, statuses| Drip {
        name,
        begin,
        drips,
        statuses,
    };
    let livez = "GET /livez HTTP/1.1\r\nhost: a\r\n".to_owned();
    let ended = format!("{livez}\r\n");
    vec![
        drip("A16 says nothing", String::new(), "", &[]),
        drip("A16 says nothing more", ended.clone(), "", &[200]),
        drip("A16 half a preface", "PRI * HTTP/2".to_owned(), "", &[]),
        drip("A14 half a line", "GET /liv".to_owned(), "", &[408]),
        drip("A14 half a head", livez.clone(), "", &[408]),
        drip(
            "A14 header after header",
            livez.clone(),
            "x-a: 1\r\n",
            &[408],
        ),
        drip(
            "A14 half a head, later",
            format!("{ended}{livez}"),
            "",
            &[200, 408],
        ),
        drip(
            "A14 header after header, later",
            format!("{ended}{livez}"),
            "x-a: 1\r\n",
            &[200, 408],
        ),
        drip("A15 no body", post("content-length: 5000"), "", &[408]),
        drip(
            "A15 byte after byte of a body",
            post("content-length: 5000"),
            " ",
            &[408],
        ),
        drip(
            "A15 chunk after chunk",
            post("transfer-encoding: chunked"),
            "1\r\n \r\n",
            &[408],
        ),
        drip(
            "A15 half a chunk's size",
            format!("{}5", post("transfer-encoding: chunked")),
            "",
            &[408],
        ),
        drip(
            "A15 a body after a good request",
            format!("{}{}", good(), post("content-length: 50")),
            " ",
            &[200, 408],
        ),
    ]
}

async fn play_one(address: std::net::SocketAddr, drip: &Drip) -> Vec<u8> {
    let client = Client::connect(address).await;
    let (mut input, mut output) = client.into_parts();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    output.write_all(drip.begin.as_bytes()).await.unwrap();
    let dripping = async {
        if drip.drips.is_empty() {
            return std::future::pending().await;
        }
        for byte in drip.drips.bytes().cycle() {
            if output.write_all(&[byte]).await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut got = Vec::new();
    let reading = async {
        let mut piece = vec![0; 4096];
        while let Ok(count @ 1..) = input.read(&mut piece).await {
            got.extend_from_slice(&piece[..count]);
        }
    };
    let both = async {
        tokio::select! { () = dripping => {}, () = reading => {} }
    };
    crate::support::soon(drip.name, Box::pin(both)).await;
    got
}

#[tokio::test]
async fn whoever_takes_too_long_is_let_go() {
    let upstream = Upstream::always(says("good")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("client_read_timeout: 700ms")
        .setting("keepalive_timeout: 700ms");
    let proxy = Proxy::start(setup).await;
    let mut playing = JoinSet::new();
    for drip in drips() {
        let address = proxy.address();
        playing.spawn(async move { (Box::pin(play_one(address, &drip)).await, drip) });
    }
    let mut complaints = Vec::new();
    while let Some(played) = playing.join_next().await {
        let (got, drip) = played.unwrap();
        match answers(&got) {
            Ok(statuses) if statuses == drip.statuses => {}
            other => complaints.push(format!("{}: {other:?}", drip.name)),
        }
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.text(), message("good"), "after {}", drip.name);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    // The good ones, and the one that a drip began with.
    assert_eq!(upstream.calls(), drips().len() + 1);
}
