//! What Prometheus reads.

use crate::support::answers::{
    ask, ask_stream, begins, delta, finish, open_text, refuses, says, start, streams,
};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

async fn scrape(proxy: &Proxy) -> String {
    let reply = proxy.ask(Request::get("/metrics")).await;
    assert_eq!(reply.status, 200);
    let kind = reply.header("content-type").unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    reply.text()
}

#[track_caller]
fn tells(text: &str, line: &str) {
    assert!(text.lines().any(|it| it == line), "{line}\n{text}");
}

#[tokio::test]
async fn requests_attempts_tokens_and_states_are_counted() {
    let first = Upstream::script([
        refuses(500, "api_error", "boom"),
        refuses(500, "api_error", "boom"),
    ])
    .await;
    let second = Upstream::script([says("b"), streams("b"), streams("b")]).await;
    let proxy = Proxy::start(Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]))
    .await;
    assert_eq!(proxy.ask(Request::messages(ask("1"))).await.status, 200);
    assert_eq!(
        proxy.ask(Request::messages(ask_stream("2"))).await.status,
        200
    );
    assert_eq!(
        proxy.ask(Request::messages(ask_stream("3"))).await.status,
        200
    );
    assert_eq!(proxy.ask(Request::messages("{")).await.status, 400);

    // What is counted of a request may follow the last byte of its answer.
    let refused = "pointsman_rejections_total{reason=\"invalid_request\"} 1";
    let text = eventually(refused, || async {
        let text = scrape(&proxy).await;
        text.lines().any(|it| it == refused).then_some(text)
    })
    .await;
    for line in [
        "pointsman_requests_total{dialect=\"anthropic\",outcome=\"ok\",provider=\"b\",stream=\"false\"} 1",
        "pointsman_requests_total{dialect=\"anthropic\",outcome=\"ok\",provider=\"b\",stream=\"true\"} 2",
        "pointsman_attempts_total{outcome=\"upstream_status\",provider=\"a\"} 2",
        "pointsman_attempts_total{outcome=\"served\",provider=\"b\"} 3",
        "pointsman_failovers_total{provider=\"b\"} 2",
        "pointsman_circuit_state{provider=\"a\",state=\"open\"} 1",
        "pointsman_circuit_state{provider=\"b\",state=\"closed\"} 1",
        "pointsman_provider_up{provider=\"a\"} 0",
        "pointsman_keys{provider=\"b\",state=\"ready\"} 1",
        "pointsman_time_to_first_content_seconds_count{provider=\"b\"} 3",
        "pointsman_config_generation 0",
        "pointsman_config_refused 0",
    ] {
        tells(&text, line);
    }
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    // The scrape itself; a request before it may still be on its way out.
    eventually("the scrape alone", || async {
        let text = scrape(&proxy).await;
        let alone = text
            .lines()
            .any(|it| it == "pointsman_in_flight_requests 1");
        alone.then_some(())
    })
    .await;
    let count = |name: &str| {
        let line = text.lines().find(|it| it.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(0 < count("pointsman_tokens_total{kind=\"input\",provider=\"b\"}"));
    assert!(0 < count("pointsman_tokens_total{kind=\"output\",provider=\"b\"}"));
}

#[tokio::test]
async fn silences_inside_a_stream_are_told_and_names_of_clients_are_not() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("a")])
        .wait(&gate)
        .data(delta("b"))
        .wait(&gate)
        .data(finish())
        .end();
    let upstream = Upstream::script([act, refuses(404, "not_found_error", "no such model")]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}
    gate.step();
    while client.event().await.unwrap().name != "content_block_delta" {}
    gate.step();
    client.rest().await;

    let strange = ask("hi").replace("claude-sonnet-4-5", "stranger-than-fiction");
    proxy.ask(Request::messages(strange)).await;
    let text = scrape(&proxy).await;
    tells(
        &text,
        "pointsman_stream_gap_seconds_count{provider=\"a\"} 2",
    );
    assert!(!text.contains("stranger"), "{text}");
}

#[tokio::test]
async fn only_operators_read_them() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section("admin: {key: sk-canary-admin-0123456789}")
        .secret("sk-canary-admin-0123456789");
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(Request::get("/metrics")).await.status, 401);
    let known =
        Request::get("/metrics").header("authorization", "Bearer sk-canary-admin-0123456789");
    assert_eq!(proxy.ask(known).await.status, 200);
}
