//! The commit point: before content every fault is invisible, after it the truth is told.

use std::time::Duration;

use serde_json::json;

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::completion_chunk;
use crate::support::answers::delta;
use crate::support::answers::error_event;
use crate::support::answers::event;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::ping;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Ending;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;
use crate::support::wire::LAST_CHUNK;
use crate::support::wire::chunk;

async fn pair(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url())
            .with("timeouts: {first_content: 300ms, idle: 300ms}"),
        Provider::anthropic("b", &second.url()),
    ]);
    Proxy::start(setup).await
}

/// `act` breaks before content: the client sees the second provider's answer and nothing else.
async fn is_invisible(what: &str, act: Act, request: String, answer: Act, expected: String) {
    let first = Upstream::script([act]).await;
    let second = Upstream::script([answer]).await;
    let mut proxy = pair(&first, &second).await;

    let reply = proxy.ask(Request::messages(&request)).await;

    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    assert_eq!(reply.text(), expected, "{what}");
    assert_eq!(reply.ending, Ending::Complete, "{what}");
    assert_eq!(reply.header("x-pointsman-attempts"), Some("2"), "{what}");
    assert_eq!(reply.header("x-pointsman-provider"), Some("b"), "{what}");
    assert_eq!((first.calls(), second.calls()), (1, 1), "{what}");
    assert_eq!(second.seen(0).text(), request, "{what}");
    proxy.line("count=1/2").await;
    assert_eq!(proxy.provider("a").await["failure_count"], 1, "{what}");
}

async fn stream_is_rescued(what: &str, act: Act) {
    let answer = streams("rescued");
    is_invisible(what, act, ask_stream("hi"), answer, stream("rescued")).await;
}

async fn json_is_rescued(what: &str, act: Act) {
    is_invisible(what, act, ask("hi"), says("rescued"), message("rescued")).await;
}

#[tokio::test]
async fn an_error_event_before_content_is_invisible() {
    let error = error_event("api_error", "Internal server error");
    stream_is_rescued("at once", Act::events(&error)).await;
    stream_is_rescued(
        "after start and ping",
        begins(&[start(), ping(), error.clone()]).end(),
    )
    .await;
    let opened = begins(&[start(), open_text(), ping(), delta(""), error]).end();
    stream_is_rescued("after an empty block", opened).await;
}

#[tokio::test]
async fn an_end_before_content_is_invisible() {
    stream_is_rescued("cut", begins(&[start(), ping()]).close()).await;
    stream_is_rescued("reset", begins(&[start(), ping()]).reset()).await;
    stream_is_rescued("ended in order", begins(&[start(), ping()]).end()).await;
    stream_is_rescued(
        "cut inside an event",
        begins(&[start(), "event: content_bl".to_owned()]).close(),
    )
    .await;
    stream_is_rescued("empty", Act::stream().end()).await;
}

#[tokio::test]
async fn silence_before_content_is_invisible() {
    stream_is_rescued("after the head", Act::stream().hang()).await;
    stream_is_rescued("after start and ping", begins(&[start(), ping()]).hang()).await;
}

#[tokio::test]
async fn garbage_is_invisible() {
    let page = "<html><body>Sign in to the hotel network</body></html>";
    stream_is_rescued(
        "not HTTP",
        Act::new().send("SSH-2.0-OpenSSH_9.9\r\n").close(),
    )
    .await;
    stream_is_rescued(
        "a page",
        Act::answer(200, &[("content-type", "text/html")], page),
    )
    .await;
    stream_is_rescued(
        "nonsense in data",
        Act::events("event: message_start\ndata: {nonsense\n\n"),
    )
    .await;
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(40);
    stream_is_rescued("only informational heads", Act::new().send(early).close()).await;
    stream_is_rescued(
        "a switch of protocols",
        Act::new()
            .send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
            .close(),
    )
    .await;
    json_is_rescued(
        "a page for JSON",
        Act::answer(200, &[("content-type", "text/html")], page),
    )
    .await;
    json_is_rescued("not JSON", Act::answer(200, &[], "nonsense")).await;
    json_is_rescued("an empty body", Act::answer(200, &[], "")).await;
    json_is_rescued(
        "half of JSON",
        Act::answer(200, &[], &message("x").as_bytes()[..90]),
    )
    .await;
    json_is_rescued("another shape", Act::answer(200, &[], r#"{"ok":true}"#)).await;
    let error = r#"{"type":"error","error":{"type":"api_error","message":"lied with 200"}}"#;
    json_is_rescued("an error in a 200", Act::answer(200, &[], error)).await;
}

#[tokio::test]
async fn a_json_answer_cut_short_is_invisible() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{\"id\":\"msg_1\",";
    json_is_rescued("closed", Act::new().send(half).close()).await;
    json_is_rescued("reset", Act::new().send(half).reset()).await;
    json_is_rescued("silent", Act::new().send(half).hang()).await;
}

/// Whatever has been shown by then, a cut answer never looks whole.
#[tokio::test]
async fn a_long_json_answer_cut_short_never_looks_whole() {
    let whole = message(&"long ".repeat(600_000));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        whole.len()
    );
    let first = Upstream::script([Act::new()
        .send(head)
        .send(&whole.as_bytes()[..1_500_000])
        .close()])
    .await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    let head = client.head().await;
    if head.line.contains(" 200 ") {
        let got = client.rest().await;
        assert!(got.len() <= 1_500_000, "padded to {}", got.len());
        assert!(whole.starts_with(&got), "something was added to the answer");
        assert_eq!(
            head.headers.get("content-length"),
            Some(whole.len().to_string().as_str())
        );
    } else {
        assert!(
            head.line.contains(" 503 ") || head.line.contains(" 502 "),
            "{}",
            head.line
        );
    }
}

/// `tail` breaks after the client has seen content: it keeps what it has and learns that this is not all.
async fn is_told(what: &str, tail: impl Fn(Act) -> Act) -> String {
    let gate = Gate::new();
    let shown = [start(), open_text(), delta("Hel")];
    let first = Upstream::script([tail(begins(&shown).wait(&gate))]).await;
    let second = Upstream::silent().await;
    let mut proxy = pair(&first, &second).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    assert!(client.head().await.line.contains(" 200 "), "{what}");
    let mut seen = String::new();
    while seen != shown.concat() {
        seen.push_str(&client.event().await.unwrap().raw);
    }
    gate.open();

    let rest = client.rest().await;

    assert!(!rest.contains("message_stop"), "{what}: {rest}");
    assert!(
        rest.contains("event: error\n"),
        "{what}: no error event in {rest:?}"
    );
    assert_eq!((first.calls(), second.calls()), (1, 0), "{what}");
    proxy.line("count=1/2").await;
    rest
}

/// The one event of `rest`, which has to be an error.
fn only_error(what: &str, rest: &str) -> serde_json::Value {
    let data = rest.strip_prefix("event: error\ndata: ");
    let data = data.and_then(|data| data.strip_suffix("\n\n"));
    let data = data.unwrap_or_else(|| panic!("{what}: {rest:?} is not one error event"));
    serde_json::from_str(data).unwrap()
}

#[tokio::test]
async fn a_cut_after_content_becomes_an_error_event() {
    for (what, rest) in [
        ("closed", is_told("closed", Act::close).await),
        ("reset", is_told("reset", Act::reset).await),
        ("ended in order", is_told("ended in order", Act::end).await),
        ("silence", is_told("silence", Act::hang).await),
    ] {
        let error = only_error(what, &rest);
        assert_eq!(error["type"], "error", "{what}");
        let kind = error["error"]["type"].as_str().unwrap();
        assert!(
            ["overloaded_error", "api_error"].contains(&kind),
            "{what}: {error}"
        );
        assert!(error["error"]["message"].is_string(), "{what}: {error}");
    }
}

#[tokio::test]
async fn half_an_event_is_not_glued_to_the_error() {
    let half = "event: content_block_delta\ndata: {\"type\":\"con";
    let rest = is_told("inside an event", |act| act.data(half).close()).await;
    // Half an event may be shown or not, but it must not swallow the error.
    let at = rest.find("event: error\n").unwrap();
    assert!(at == 0 || rest[..at].ends_with("\n\n"), "{rest}");
    only_error("inside an event", &rest[at..]);
}

#[tokio::test]
async fn an_error_event_after_content_is_relayed_in_order() {
    let error = error_event("overloaded_error", "Overloaded in the middle");
    let last = [chunk(error.as_bytes()), LAST_CHUNK.to_vec()].concat();
    for (what, rest) in [
        ("open", is_told("open", |act| act.data(&error).hang()).await),
        ("cut", is_told("cut", |act| act.data(&error).close()).await),
        ("ended", is_told("ended", |act| act.send(&last)).await),
    ] {
        assert_eq!(rest, error, "{what}");
    }
}

#[tokio::test]
async fn content_that_comes_together_with_its_end_is_not_lost() {
    let error = error_event("overloaded_error", "Overloaded in the middle");
    let last = [chunk(delta("lo").as_bytes()), LAST_CHUNK.to_vec()].concat();
    let rest = is_told("ended in order", |act| act.send(&last)).await;
    assert!(rest.starts_with(&delta("lo")), "{rest}");
    let last = [
        chunk((delta("lo") + &error).as_bytes()),
        LAST_CHUNK.to_vec(),
    ]
    .concat();
    let rest = is_told("ended with an error", |act| act.send(&last)).await;
    assert_eq!(rest, delta("lo") + &error);
}

#[tokio::test]
async fn content_flows_as_it_comes() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("one")])
        .wait(&gate)
        .data(delta("two"))
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    assert!(client.head().await.line.contains(" 200 "));
    // Each piece must be here before the provider is allowed to say the next.
    while !client.event().await.unwrap().data.contains("one") {}
    gate.step();
    assert!(client.event().await.unwrap().data.contains("two"));
    gate.step();
    assert_eq!(client.rest().await, finish());
}

#[tokio::test]
async fn a_trickle_is_a_sign_of_life() {
    // Longer in all than the 300 ms of silence that are allowed.
    let pause = Duration::from_millis(1);
    let act = Act::new()
        .trickle(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
            pause,
        )
        .trickle(stream("slowly but surely"), pause)
        .close();
    let first = Upstream::script([act]).await;
    let provider = Provider::anthropic("a", &first.url()).with("timeouts: {idle: 300ms}");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, stream("slowly but surely"))
    );
}

#[tokio::test]
async fn a_tool_call_is_content_and_so_is_the_end_of_an_empty_answer() {
    let tool = event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"ls","input":{}}}"#,
    );
    let gate = Gate::new();
    let upstream =
        Upstream::script([begins(&[start(), tool]).wait(&gate).data(finish()).end()]).await;
    let backup = Upstream::silent().await;
    let proxy = pair_patient(&upstream, &backup).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_start" {}
    gate.open();
    assert_eq!(client.rest().await, finish());

    let empty = [
        start(),
        event("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":0}}"#),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ]
    .concat();
    upstream.then(Act::events(&empty));
    assert_eq!(
        proxy.ask(Request::messages(ask_stream("hi"))).await.text(),
        empty
    );
    assert_eq!((upstream.calls(), backup.calls()), (2, 0));
}

async fn pair_patient(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    Proxy::start(setup).await
}

#[tokio::test]
async fn informational_heads_before_an_answer_do_no_harm() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(3);
    let body = message("hello");
    let act = Act::new().send(early).send(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, body));
    assert!(reply.interim.is_empty(), "{:?}", reply.interim);
}

/// A client repeats a broken stream by itself, at once; one error opens no circuit, so the session is steered.
#[tokio::test]
async fn a_session_whose_stream_broke_is_served_elsewhere() {
    let told = error_event("api_error", "boom");
    for told in [None, Some(told)] {
        let gate = Gate::new();
        let shown = [start(), open_text(), delta("Hel")];
        let broken = begins(&shown).wait(&gate);
        let broken = match told {
            None => broken.close(),
            Some(event) => broken.data(event).hang(),
        };
        let first = Upstream::first([broken], says("a")).await;
        let second = Upstream::always(says("b")).await;
        let proxy = pair(&first, &second).await;
        let of_session =
            |body: String, id: &str| Request::messages(body).header("x-claude-code-session-id", id);
        let mut client = proxy.connect().await;
        client
            .send(of_session(ask_stream("hi"), "s-1").bytes())
            .await;
        assert!(client.head().await.line.contains(" 200 "));
        while !client.event().await.unwrap().raw.contains("Hel") {}
        gate.open();
        while client.event().await.unwrap().name != "error" {}

        let repeat = proxy.ask(of_session(ask("hi"), "s-1")).await;
        assert_eq!(repeat.text(), message("b"));
        assert_eq!((first.calls(), second.calls()), (1, 1));
        let other = proxy.ask(of_session(ask("hi"), "s-2")).await;
        assert_eq!(other.text(), message("a"), "only that session is steered");
    }
}

/// In translation, too: words that share a packet with the failure after them are not lost.
#[tokio::test]
async fn translated_words_before_a_failure_are_not_lost() {
    let gate = Gate::new();
    let words = |text: &str| completion_chunk(&json!({"content": text}), None);
    let error = r#"{"error":{"message":"boom","type":"server_error"}}"#;
    let together = format!("{}data: {error}\n\n", words("two"));
    let act = Act::stream()
        .data(words("one"))
        .wait(&gate)
        .data(together)
        .hang();
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(Setup::of([Provider::openai("a", &upstream.url())])).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while !client.event().await.unwrap().data.contains("one") {}
    gate.step();
    let rest = client.rest().await;
    let (two, failure) = (rest.find("two"), rest.find("event: error"));
    assert!(two.is_some() && two < failure, "{rest}");
    assert_eq!(rest.matches("event: error").count(), 1, "{rest}");
    assert!(!rest.contains("message_stop"), "{rest}");
}
