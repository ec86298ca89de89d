//! Credentials never leave: not in logs at their loudest, not in errors, not in `/providers`.

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::error_body;
use crate::support::answers::error_event;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

const GATEWAY: &str = "sk-canary-gateway-0123456789";

/// Whatever went in, none of it may come out here; what was printed is checked when the program ends.
fn is_clean(text: &str) {
    for word in ["canary", "client-secret"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn no_path_prints_a_key_even_at_debug() {
    let echo = error_body(
        "authentication_error",
        &format!("invalid x-api-key {}", key_of("a")),
    );
    let first = Upstream::script([
        Act::answer(401, &[("x-echo", &key_of("a"))], echo),
        Act::new()
            .send("HTTP/1.1 garbage sk-canary-a-0123456789abcdef\r\n\r\n")
            .close(),
    ])
    .await;
    let second = Upstream::script([
        says("b"),
        begins(&[start(), open_text(), delta("x")]).reset(),
        refuses(500, "api_error", "boom"),
        refuses(429, "rate_limit_error", "slow down"),
        Act::new().reset(),
    ])
    .await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("log_level: DEBUG")
    .setting("unhealthy_threshold: 100")
    .gateway_key(GATEWAY)
    .secret("client-secret");
    let proxy = Proxy::start(setup).await;
    let signed = |request: Request| {
        request
            .header("x-api-key", GATEWAY)
            .header("authorization", "Bearer client-secret")
            .header("cookie", "client-secret")
    };

    let reply = proxy.ask(signed(Request::messages(ask("1")))).await;
    assert_eq!(reply.text(), message("b"));
    is_clean(&String::from_utf8_lossy(&reply.head.bytes));
    for body in [ask_stream("2"), ask("3"), ask("4"), ask("5")] {
        let reply = proxy
            .ask(signed(Request::messages(body)).header("x-pointsman-debug", "1"))
            .await;
        is_clean(&String::from_utf8_lossy(&reply.head.bytes));
        is_clean(&reply.text());
    }
    for request in [
        Request::messages(ask("wrong")).header("x-api-key", "client-secret-that-is-wrong"),
        signed(Request::messages("{\"client-secret")),
        // A path is logged, so that a wrong base URL can be found; a query never is.
        signed(Request::post("/v1/unknown?key=client-secret", "{}")),
        signed(Request::get("/providers")),
        signed(Request::get("/health")),
        signed(Request::get("/")),
        Request::get("/providers"),
    ] {
        let reply = proxy.ask(request).await;
        is_clean(&String::from_utf8_lossy(&reply.head.bytes));
        is_clean(&reply.text());
    }
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nx-api-key sk-canary-gateway-0123456789\r\nclient-secret\0\r\n\r\n")
        .await;
    is_clean(&String::from_utf8_lossy(&client.closed().await));
    // Not one of these may be empty, or nothing was checked.
    assert!(!proxy.console().is_empty() && !proxy.log_file().is_empty());
}

#[tokio::test]
async fn an_error_that_quotes_our_key_is_not_relayed() {
    // Not every vendor's keys look like keys.
    for key in ["sk-canary-a-0123456789abcdef", "0123456789canary89abcdef"] {
        for status in [400, 500] {
            let text = format!("bad header x-api-key: {key}");
            let echo = Act::answer(status, &[], error_body("invalid_request_error", &text));
            let (_upstream, proxy) = with_echo(echo, key).await;
            let reply = proxy.ask(Request::messages(ask("hi"))).await;
            assert!(400 <= reply.status, "{}", reply.status);
            is_clean(&reply.text());
            assert_eq!(reply.json()["type"], "error");
        }
    }
}

#[tokio::test]
async fn an_error_event_that_quotes_our_key_is_relayed_without_it() {
    let key = key_of("a");
    let gate = Gate::new();
    let event = error_event("api_error", &format!("bad header x-api-key: {key}"));
    let act = begins(&[start(), open_text(), delta("x")]);
    let (_upstream, proxy) = with_echo(act.wait(&gate).data(event).end(), &key).await;
    let mut client = proxy.begin_stream().await;
    gate.open();
    let rest = client.rest().await;
    is_clean(&rest);
    assert!(rest.contains("bad header x-api-key: ***"), "{rest}");
}

#[tokio::test]
async fn a_header_that_quotes_our_key_is_not_relayed() {
    let key = key_of("a");
    for act in [
        Act::answer(
            400,
            &[("x-echo", &key)],
            error_body("invalid_request_error", "no"),
        ),
        Act::answer(200, &[("x-echo", &key)], message("yes")),
    ] {
        let (_upstream, proxy) = with_echo(act, &key).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        is_clean(&String::from_utf8_lossy(&reply.head.bytes));
    }
}

#[tokio::test]
async fn an_error_that_quotes_our_key_is_not_shown_to_operators_either() {
    for key in ["sk-canary-a-0123456789abcdef", "0123456789canary89abcdef"] {
        let text = format!("bad header x-api-key: {key}");
        let echo = Act::answer(500, &[], error_body("api_error", &text));
        let (_upstream, proxy) = with_echo(echo, key).await;
        proxy.ask(Request::messages(ask("hi"))).await;
        let providers = proxy.ask(Request::get("/providers")).await;
        assert!(
            providers.text().contains("last_error"),
            "{}",
            providers.text()
        );
        is_clean(&providers.text());
    }
}

/// A proxy at its most talkative before a provider that answers with `act` and has this key.
async fn with_echo(act: Act, key: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::always(act).await;
    let provider = Provider::anthropic("a", &upstream.url()).keyed(&[key]);
    let proxy = Proxy::start(Setup::of([provider]).setting("log_level: DEBUG")).await;
    (upstream, proxy)
}
