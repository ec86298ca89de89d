//! Providers that answer strangely, by mistake or on purpose: nothing of it reaches another client, or anyone twice.

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn pair(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    Proxy::start(setup).await
}

#[tokio::test]
async fn bytes_behind_an_answer_reach_nobody() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nevil";
    for (act, first) in [
        (says("one").send(evil), ask("1")),
        (streams("one").send(evil), ask_stream("1")),
    ] {
        let upstream = Upstream::script([act, says("two"), says("three")]).await;
        let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
        let mut client = proxy.connect().await;
        for body in [first, ask("2"), ask("3")] {
            let reply = client.ask(Request::messages(body)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(!reply.text().contains("evil"), "{}", reply.text());
        }
        assert_eq!(
            upstream.seen(1).connection,
            1,
            "a connection with bytes left over was used again"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Upstream::silent().await;
    for status in [301, 302, 303, 307, 308] {
        let act = Act::answer(status, &[("location", &elsewhere.url())], "");
        let first = Upstream::always(act).await;
        let second = Upstream::always(says("b")).await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, message("b")),
            "{status}"
        );
        assert_eq!(reply.header("location"), None);
        assert_eq!(elsewhere.calls(), 0);
    }
}

#[tokio::test]
async fn heads_that_contradict_themselves_or_never_end_are_not_believed() {
    let body = message("doubtful");
    let many = "x-many: 1\r\n".repeat(400);
    let heads = [
        format!("content-length: {}\r\ncontent-length: 7\r\n", body.len()),
        "content-length: -1\r\n".to_owned(),
        "content-length: 99999999999999999999999\r\n".to_owned(),
        format!("content-length: {}\r\n{many}", body.len()),
        format!(
            "content-length: {}\r\nx-wide: {}\r\n",
            body.len(),
            "w".repeat(2_000_000)
        ),
    ];
    for head in heads {
        let act = Act::new()
            .send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n{body}"
            ))
            .close();
        let first = Upstream::script([act]).await;
        let second = Upstream::script([says("b")]).await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        let what = &head[..head.len().min(60)];
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        // The next provider, or a clean answer: both are the truth.
        assert!(
            [body.clone(), message("b")].contains(&reply.text()),
            "{what}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_asked_for_gives_way() {
    for head in [
        "content-encoding: gzip\r\n",
        "content-encoding: br\r\n",
        "transfer-encoding: gzip\r\n",
    ] {
        let act = Act::new()
            .send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n\u{1f}\u{8b}bytes"
            ))
            .close();
        let first = Upstream::script([act]).await;
        let second = Upstream::script([says("b")]).await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("b")), "{head}");
        assert_eq!(proxy.provider("a").await["failure_count"], 1, "{head}");
    }
}

#[tokio::test]
async fn an_event_without_an_end_is_cut_and_told() {
    let mut act =
        begins(&[start(), open_text(), delta("so far")]).data("event: content_block_delta\ndata: ");
    for _ in 0..6 {
        act = act.data(vec![b'x'; 1 << 20]);
    }
    let first = Upstream::script([act.hang()]).await;
    let second = Upstream::silent().await;
    let proxy = pair(&first, &second).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!(reply.status, 200);
    let names = reply.event_names();
    assert_eq!(names.last().map(String::as_str), Some("error"), "{names:?}");
    assert!(reply.text().contains("so far") && reply.text().len() < 1 << 20);
    first.abandoned(0).await;
    assert_eq!(proxy.provider("a").await["failure_count"], 1);
}

#[tokio::test]
async fn absurd_counts_of_tokens_harm_nobody() {
    for count in [
        "-5",
        "9223372036854775808",
        "99999999999999999999999",
        "1e300",
        "null",
        "\"many\"",
    ] {
        let odd =
            message("odd").replace("\"input_tokens\":11", &format!("\"input_tokens\":{count}"));
        let first = Upstream::script([Act::answer(200, &[], &odd)]).await;
        let second = Upstream::always(says("b")).await;
        let setup = Setup::of([
            Provider::anthropic("a", &first.url()).with("tpm: 1000000"),
            Provider::anthropic("b", &second.url()),
        ]);
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, odd), "{count}");
        assert_eq!(proxy.provider("a").await["served"], 1, "{count}");
        assert_eq!(proxy.ask(Request::get("/admin/requests")).await.status, 200);
    }
}

#[tokio::test]
async fn a_hundred_thousand_tiny_events_arrive() {
    let many: String = (0..100_000).map(|_| delta("x")).collect();
    let mut act = begins(&[start(), open_text()]);
    for piece in many.as_bytes().chunks(1000) {
        act = act.data(piece);
    }
    let first = Upstream::script([act.data(finish()).end()]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    let text = [start(), open_text(), many, finish()].concat();
    assert!(reply.status == 200 && reply.text() == text);
}

#[tokio::test]
async fn a_stream_with_a_length_is_a_stream() {
    let whole = stream("counted");
    let act = Act::answer(200, &[("content-type", "text/event-stream")], &whole);
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, whole));
}

#[tokio::test]
async fn trailers_and_chunk_extensions_do_no_harm() {
    let whole = stream("odd framing");
    let act = Act::stream()
        .send(format!("{:X};name=\"value\"\r\n{whole}\r\n", whole.len()))
        .send("0\r\nx-trailer: 1\r\n\r\n");
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, whole));
}
