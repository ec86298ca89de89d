//! Bodies of every size survive every kind of broken provider: the second one gets the same bytes, once.

use crate::support::answers::MODEL;
use crate::support::answers::ask_sized;
use crate::support::answers::begins;
use crate::support::answers::error_event;
use crate::support::answers::ping;
use crate::support::answers::refuses;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Refusing;
use crate::support::upstream::Upstream;
use crate::support::wire::Framing;

/// Around Pingora's retry buffer, what agents send, and far beyond.
const SIZES: [usize; 5] = [65_535, 65_536, 65_537, 3_000_000, 20_000_000];

/// Each size with its length and in chunks, each over a route of its own so that no circuit opens between them.
async fn fails_over_from(broken: &str, broken_reads: Option<&Upstream>) {
    fails_over(broken, "timeouts: {first_byte: 60s}", broken_reads).await;
}

async fn fails_over(broken: &str, timeouts: &str, broken_reads: Option<&Upstream>) {
    let backup = Upstream::always(streams("rescued")).await;
    let mut providers = Vec::new();
    let mut setup = Setup::default();
    for case in 0..2 * SIZES.len() {
        providers.push(Provider::anthropic(&format!("a{case}"), broken).with(timeouts));
        providers.push(Provider::anthropic(&format!("b{case}"), &backup.url()));
        setup = setup.route(
            &model(case),
            &[
                &format!("provider: a{case}, model: passthrough, priority: 1"),
                &format!("provider: b{case}, model: passthrough, priority: 2"),
            ],
        );
    }
    let proxy = Proxy::start(setup.providers(providers)).await;

    for case in 0..2 * SIZES.len() {
        let body = ask_sized(SIZES[case / 2], true).replace(MODEL, &model(case));
        assert_eq!(body.len(), SIZES[case / 2]);
        let request = Request::messages(&body);
        let request = if case % 2 == 0 {
            request
        } else {
            request.chunked(60_000)
        };

        let reply = proxy.ask(request).await;

        let what = format!("{} bytes, chunked: {}", body.len(), case % 2 == 1);
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(reply.text(), stream("rescued"), "{what}");
        assert_eq!(reply.header("x-pointsman-attempts"), Some("2"), "{what}");
        let seen = backup.seen(case);
        assert!(
            seen.body == body.as_bytes(),
            "{what}: {} arrived",
            seen.body.len()
        );
        if case % 2 == 0 {
            assert_eq!(seen.framing, Framing::Length(body.len()), "{what}");
        }
        assert_eq!(backup.calls(), case + 1, "{what}");
        if let Some(upstream) = broken_reads {
            assert_eq!(upstream.calls(), case + 1, "{what}");
            assert!(
                upstream.seen(case).body == body.as_bytes(),
                "{what}: first provider"
            );
        }
    }
}

fn model(case: usize) -> String {
    format!("claude-journey-{case:02}")
}

#[tokio::test]
async fn after_a_refused_connection() {
    fails_over_from(&Refusing::new().url(), None).await;
}

#[tokio::test]
async fn after_a_500() {
    let broken = Upstream::always(refuses(500, "api_error", "boom")).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_a_429() {
    let broken = Upstream::always(refuses(429, "rate_limit_error", "slow down")).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_a_529() {
    let broken = Upstream::always(refuses(529, "overloaded_error", "Overloaded")).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_a_reset_before_the_head() {
    let broken = Upstream::always(Act::new().reset()).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_a_connection_closed_without_reading() {
    let broken = Upstream::always(Act::unread().close()).await;
    fails_over_from(&broken.url(), None).await;
    assert_eq!(broken.calls(), 2 * SIZES.len());
}

#[tokio::test]
async fn after_a_reset_inside_the_head() {
    let broken = Upstream::always(Act::new().send("HTTP/1.1 200 OK\r\ncontent-ty").reset()).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_an_error_event_in_a_200() {
    let events = [
        start(),
        ping(),
        error_event("overloaded_error", "Overloaded"),
    ];
    let broken = Upstream::always(begins(&events).end()).await;
    fails_over_from(&broken.url(), Some(&broken)).await;
}

#[tokio::test]
async fn after_a_stall_before_the_head() {
    let broken = Upstream::always(Act::new().hang()).await;
    // How much of a large body has arrived by then is a matter of the machine.
    fails_over(&broken.url(), "timeouts: {first_byte: 400ms}", None).await;
    assert_eq!(broken.calls(), 2 * SIZES.len());
}

#[tokio::test]
async fn an_early_error_is_understood_while_the_body_is_still_being_sent() {
    let early = Act::unread().send(
        "HTTP/1.1 500 Early\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    );
    let broken = Upstream::always(early.hang()).await;
    let backup = Upstream::always(streams("rescued")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &broken.url()),
        Provider::anthropic("b", &backup.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let body = ask_sized(20_000_000, true);
    let reply = proxy.ask(Request::messages(&body)).await;
    assert_eq!((reply.status, reply.text()), (200, stream("rescued")));
    assert!(backup.only().body == body.as_bytes());
    assert_eq!(broken.calls(), 1);
}
