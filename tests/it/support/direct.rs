//! The client against the scripted upstream with nothing between them: what they say about a proxy can be believed.

use super::answers::ask;
use super::answers::ask_sized;
use super::answers::begins;
use super::answers::delta;
use super::answers::message;
use super::answers::open_text;
use super::answers::says;
use super::answers::start;
use super::answers::stream;
use super::answers::streams;
use super::client::Client;
use super::client::Ending;
use super::client::Request;
use super::script::Act;
use super::script::Gate;
use super::upstream::Refusing;
use super::upstream::Upstream;
use super::wire::Framing;

async fn connect(upstream: &Upstream) -> Client {
    Client::connect(upstream.url().replace("http://", "").parse().unwrap()).await
}

#[tokio::test]
async fn requests_are_recorded_as_sent() {
    let upstream = Upstream::script([says("1"), streams("2"), says("3")]).await;
    let mut client = connect(&upstream).await;
    let large = ask_sized(70_000, false);
    assert_eq!(large.len(), 70_000);

    let first = client.ask(Request::messages(&large)).await;
    let second = client
        .ask(
            Request::messages(&large)
                .chunked(999)
                .header("X-Odd", "a b"),
        )
        .await;
    let third = connect(&upstream).await.ask(Request::get("/x")).await;

    assert_eq!((first.status, first.text()), (200, message("1")));
    assert_eq!(
        (second.text(), second.ending),
        (stream("2"), Ending::Complete)
    );
    assert_eq!(third.text(), message("3"));
    assert_eq!((upstream.calls(), upstream.connections()), (3, 2));
    let seen = upstream.seen(0);
    assert_eq!(
        (seen.text(), seen.framing),
        (large.clone(), Framing::Length(70_000))
    );
    let seen = upstream.seen(1);
    assert_eq!((seen.text(), seen.framing), (large, Framing::Chunked));
    assert_eq!(seen.header("x-odd"), Some("a b"));
    assert_eq!((seen.connection, seen.reused, seen.answered), (0, 1, true));
    assert_eq!(upstream.seen(2).framing, Framing::None);
}

#[tokio::test]
async fn cuts_are_told_from_ends() {
    let shown = [start(), open_text(), delta("x")];
    for act in [begins(&shown).close(), begins(&shown).reset()] {
        let upstream = Upstream::script([act]).await;
        let reply = connect(&upstream)
            .await
            .ask(Request::messages(ask("x")))
            .await;
        assert_eq!((reply.text(), reply.ending), (shown.concat(), Ending::Cut));
    }
    let upstream = Upstream::script([Act::unread().close(), Act::new().reset()]).await;
    for _ in 0..2 {
        let mut client = connect(&upstream).await;
        client.send(Request::messages(ask("x")).bytes()).await;
        assert!(client.closed().await.is_empty());
    }
}

#[tokio::test]
async fn gates_hold_and_leaving_is_noticed() {
    let gate = Gate::new();
    let act = begins(&[start()]).wait(&gate).data(delta("x")).hang();
    let upstream = Upstream::script([act]).await;
    let mut client = connect(&upstream).await;
    client.send(Request::messages(ask("x")).bytes()).await;
    client.head().await;
    assert_eq!(client.event().await.unwrap().name, "message_start");
    gate.step();
    assert_eq!(client.event().await.unwrap().name, "content_block_delta");
    assert!(!upstream.seen(0).gone);
    client.abort();
    upstream.abandoned(0).await;
}

#[tokio::test]
async fn a_refusing_port_refuses() {
    let refusing = Refusing::new();
    let address = refusing.url().replace("http://", "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
