//! Bodies: JSON that is none, compressed ones, headers that concern one hop.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::case::{Case, answered, play, play_with, post, refused};
use crate::support::answers::ask;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

fn with(lines: &str, body: &[u8]) -> Vec<u8> {
    let head = post(&format!("content-length: {}\r\n{lines}", body.len()));
    let head = head.replace("\r\n\r\n\r\n", "\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[tokio::test]
async fn json_that_is_none_is_refused() {
    let deep = |open: &str| open.repeat(100_000);
    let mut cases: Vec<Case> = [
        ("A17 nothing", String::new()),
        ("A17 cut", r#"{"model":"m","messages":[{"role":"#.to_owned()),
        ("A17 an array", "[]".to_owned()),
        ("A17 a number", "1".to_owned()),
        ("A17 null", "null".to_owned()),
        ("A17 two values", r#"{"model":"m"}{"model":"m"}"#.to_owned()),
        ("A18 100,000 arrays", deep("[")),
        ("A18 100,000 objects", deep("{\"a\":")),
        (
            "A19 the model is a number",
            r#"{"model":1,"messages":[]}"#.to_owned(),
        ),
        ("A19 no model", r#"{"messages":[]}"#.to_owned()),
    ]
    .iter()
    .map(|(name, body)| answered(name, with("", body.as_bytes()), &[400]))
    .collect();
    cases.push(answered(
        "A17 not UTF-8",
        with("", b"{\"model\":\"\xff\"}"),
        &[400],
    ));
    cases.push(answered("A17 UTF-16", with("", b"\xff\xfe{\0}\0"), &[400]));
    play(&cases).await;
}

#[tokio::test]
async fn compressed_bodies_are_undone_within_a_bound() {
    let body = ask("hi");
    let bomb = vec![b' '; 8_000_000];
    let mut cases = Vec::new();
    for (coding, squeeze) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("deflate", deflate),
        ("zstd", zstd),
    ] {
        let line = format!("content-encoding: {coding}");
        let good = squeeze(body.as_bytes());
        cases.push(answered(&format!("A21 {coding}"), with(&line, &good), &[200]).calls(1));
        let cut = &good[..good.len() - 3];
        cases.push(refused(
            &format!("A21 {coding}, cut"),
            with(&line, cut),
            400,
        ));
        let behind = [&good[..], b"more"].concat();
        cases.push(refused(
            &format!("A21 {coding} with more"),
            with(&line, &behind),
            400,
        ));
        cases.push(refused(
            &format!("A21 a bomb of {coding}"),
            with(&line, &squeeze(&bomb)),
            413,
        ));
        cases.push(refused(
            &format!("A21 no {coding}"),
            with(&line, body.as_bytes()),
            400,
        ));
    }
    for coding in [
        "gzip, gzip",
        "compress",
        "gzip\r\ncontent-encoding: gzip",
        "aes128gcm",
    ] {
        let bytes = with(
            &format!("content-encoding: {coding}"),
            &gzip(body.as_bytes()),
        );
        cases.push(refused(&format!("A21 {coding:?}"), bytes, 415));
    }
    cases.push(
        answered(
            "A21 identity",
            with("content-encoding: identity", body.as_bytes()),
            &[200],
        )
        .calls(1),
    );
    cases.push(refused(
        "A13 too long by its length",
        post("content-length: 9000000"),
        413,
    ));
    play_with(&cases, |setup| setup.setting("max_body_bytes: 1000000")).await;
}

#[tokio::test]
async fn a_provider_gets_what_was_in_a_compressed_body() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let body = ask("hi");
    let request = Request::messages(zstd(body.as_bytes())).header("content-encoding", "zstd");
    assert_eq!(proxy.ask(request).await.status, 200);
    let seen = upstream.only();
    assert!(seen.body == body.as_bytes());
    assert_eq!(seen.header("content-encoding"), None);
}

#[tokio::test]
async fn headers_of_one_hop_end_here() {
    let body = ask("hi");
    let good = |lines: &str| with(lines, body.as_bytes());
    let cases = [
        answered(
            "A7 our key named as a hop",
            good("connection: x-api-key, authorization"),
            &[200],
        )
        .calls(1),
        answered(
            "A7 the length named as a hop",
            good("connection: content-length, host"),
            &[200],
        )
        .calls(1),
        answered(
            "A7 a header named as a hop",
            good("x-hop: 1\r\nconnection: x-hop"),
            &[200],
        )
        .calls(1),
        answered(
            "A7 proxy headers",
            good("proxy-connection: close\r\nproxy-authorization: x\r\nte: trailers"),
            &[200],
        )
        .calls(1),
        answered(
            "A6 h2c is not taken",
            good("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk"),
            &[200],
        )
        .calls(1),
        answered(
            "A6 websocket is not taken",
            "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            &[200],
        ),
        answered(
            "A6 foo is not taken",
            good("connection: upgrade\r\nupgrade: foo"),
            &[200],
        )
        .calls(1),
        refused(
            "A22 another expectation",
            good("expect: the-unexpected"),
            417,
        ),
    ];
    play(&cases).await;
}

/// Nothing of a request becomes a header, a line or a path of ours.
#[tokio::test]
async fn what_a_client_names_splits_nothing() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    for name in [
        "a\\r\\nx-split: 1",
        "../../admin",
        "\\u0000",
        "a\\\"\\nb",
        "caf\\u00e9",
        "a b",
    ] {
        let body = ask("hi").replace("claude-sonnet-4-5", name);
        let request = Request::messages(&body).header("x-pointsman-debug", "1");
        let reply = proxy.ask(request).await;
        assert!([200, 400, 404].contains(&reply.status), "{name}");
        assert_eq!(reply.header("x-split"), None, "{name}");
    }
    for index in 0..upstream.calls() {
        let seen = upstream.seen(index);
        assert_eq!(seen.head.line, "POST /v1/messages HTTP/1.1");
        assert_eq!(seen.header("x-split"), None);
        assert_eq!(seen.headers().all("x-api-key"), [key_of("a")]);
    }
    let log = proxy.log_file();
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

/// Addresses inside requests are for the provider to fetch, or not: nothing of ours ever goes there.
#[tokio::test]
async fn addresses_inside_requests_are_never_fetched() {
    let elsewhere = Upstream::silent().await;
    let chat = Upstream::always(says("a")).await;
    let url = elsewhere.url();
    for kind in ["anthropic", "openai", "openai-responses", "gemini"] {
        let provider = Provider::speaking(kind, "a", &chat.url());
        let proxy = Proxy::start(Setup::of([provider])).await;
        for part in [
            format!(r#"{{"type":"image","source":{{"type":"url","url":"{url}/a.png"}}}}"#),
            format!(r#"{{"type":"document","source":{{"type":"url","url":"{url}/a.pdf"}}}}"#),
        ] {
            let body = format!(
                r#"{{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{{"role":"user","content":[{part},{{"type":"text","text":"hi"}}]}}]}}"#
            );
            proxy.ask(Request::messages(&body)).await;
            proxy
                .ask(Request::post("/v1/messages/count_tokens", &body))
                .await;
        }
        let body = format!(
            r#"{{"model":"gpt-5","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}/b.png"}}}}]}}]}}"#
        );
        proxy
            .ask(Request::post("/v1/chat/completions", &body))
            .await;
    }
    assert!(0 < chat.calls());
    assert_eq!((elsewhere.calls(), elsewhere.connections()), (0, 0));
}
