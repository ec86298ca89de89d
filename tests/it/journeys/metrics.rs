//! What Prometheus reads.

use crate::support::answers::{
    ask, ask_stream, begins, delta, finish, open_text, refuses, says, start, streams,
};
use crate::support::client::{Client, Request};
use crate::support::eventually;
use crate::support::keys::{by, held};
use crate::support::proxy::Proxy;
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup};
use crate::support::tls::Authority;
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
    let last = [
        "pointsman_rejections_total{reason=\"invalid_request\"} 1",
        "pointsman_attempts_total{outcome=\"served\",provider=\"b\"} 3",
    ];
    let text = eventually("the counts of all four", || async {
        let text = scrape(&proxy).await;
        let told = |line: &&str| text.lines().any(|it| it == *line);
        last.iter().all(told).then_some(text)
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
        "pointsman_connections_refused_total{listener=\"edge\",reason=\"max_connections\"} 0",
        "pointsman_sign_ins_refused_total{reason=\"wrong\"} 0",
        "pointsman_retry_budget_used 0",
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
    // When a connection is back in the pool is a matter of moments; each attempt has one.
    let all = text.lines().filter(|it| {
        it.starts_with("pointsman_upstream_connections_total") && it.contains("provider=\"b\"")
    });
    let used = all.map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(used.sum::<u64>(), 3, "{text}");
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
    // What is sent at once may come in pieces.
    let gaps = value(&text, "pointsman_stream_gap_seconds_count{provider=\"a\"}");
    assert!(2.0 <= gaps, "{text}");
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

/// Waits until all of these are told.
async fn told(proxy: &Proxy, lines: &[&str]) -> String {
    for line in lines {
        eventually(line, || async {
            let text = scrape(proxy).await;
            text.lines().any(|it| it == *line).then_some(())
        })
        .await;
    }
    scrape(proxy).await
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|it| it.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name}\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn money_is_counted_and_who_may_not_sign_in() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let holders = [
        ("alice", "team: red, daily_usd: 2, monthly_usd: 40"),
        ("bob", "rpm: 9"),
        ("carol", "revoked: true"),
    ];
    let proxy = Proxy::start(held(setup, &holders)).await;
    for holder in ["alice", "alice", "bob"] {
        let reply = proxy.ask(by(holder, Request::messages(ask("hi")))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let strange = ask("hi").replace("claude-sonnet-4-5", "stranger-than-fiction");
    proxy.ask(by("bob", Request::messages(strange))).await;
    let hello = || Request::messages(ask("hi"));
    let refused = [
        hello(),
        hello().header("x-api-key", "sk-canary-of-a-stranger"),
        by("carol", hello()),
        Request::get("/providers").header("x-forwarded-for", "203.0.113.9"),
    ];
    for (request, status) in refused.into_iter().zip([401, 401, 401, 403]) {
        assert_eq!(proxy.ask(request).await.status, status);
    }

    let text = told(
        &proxy,
        &[
            "pointsman_unpriced_answers_total{provider=\"a\"} 1",
            "pointsman_sign_ins_refused_total{reason=\"missing\"} 1",
            "pointsman_sign_ins_refused_total{reason=\"wrong\"} 1",
            "pointsman_sign_ins_refused_total{reason=\"expired\"} 1",
            "pointsman_sign_ins_refused_total{reason=\"elsewhere\"} 1",
            "pointsman_sign_ins_refused_total{reason=\"locked_out\"} 0",
            "pointsman_key_budget_dollars{key=\"alice\",span=\"daily\"} 2",
            "pointsman_key_budget_dollars{key=\"alice\",span=\"monthly\"} 40",
        ],
    )
    .await;
    let used = value(
        &text,
        "pointsman_key_budget_used_dollars{key=\"alice\",span=\"daily\"}",
    );
    let alice = value(
        &text,
        "pointsman_key_cost_dollars_total{key=\"alice\",team=\"red\"}",
    );
    let bob = value(
        &text,
        "pointsman_key_cost_dollars_total{key=\"bob\",team=\"none\"}",
    );
    let all = value(&text, "pointsman_cost_dollars_total{provider=\"a\"}");
    assert!(0.0 < used && (used - alice).abs() < 1e-9, "{text}");
    assert!((alice - 2.0 * bob).abs() < 1e-9, "{text}");
    assert!((all - alice - bob).abs() < 1e-9, "{text}");
    // Who has no budget has none that could be used up, and who may not call is no series.
    assert!(!text.contains("budget_dollars{key=\"bob\""), "{text}");
    assert!(!text.contains("carol"), "{text}");
}

#[tokio::test]
async fn handshakes_connections_and_the_end_of_certificates_are_told() {
    const NAME: &str = "gateway.example";
    let upstream = Upstream::silent().await;
    let authority = Authority::new();
    let pair = authority.server("a", &[NAME]);
    let tls = format!("tls: {{certificates: [{}]}}", pair.yaml());
    let encrypted = format!("{{address: \"127.0.0.1:0\", {tls}}}");
    let announced = "{address: \"127.0.0.1:0\", proxy_protocol: true}";
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .listening(&["{address: \"127.0.0.1:0\"}", &encrypted, announced])
        .setting("client_read_timeout: 700ms")
        .setting("max_connections_per_address: 8")
        .gateway_key("sk-canary-gateway-0123456789");
    let mut proxy = Proxy::start(setup).await;
    let addresses = proxy.addresses().await;
    let (encrypted, announced) = (addresses[1], addresses[2]);

    let dialler = authority.trusted();
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = dialler.http1(encrypted, NAME).await;
        assert_eq!(client.ask(Request::get("/livez")).await.status, 200);
        open.push(client);
    }
    // One that does not trust the certificate, one that speaks plain HTTP, one that says nothing, one that leaves.
    let stranger = Authority::new().trusted();
    assert!(stranger.dial(encrypted, NAME, &[]).await.is_err());
    let mut plain = Client::connect(encrypted).await;
    assert_eq!(plain.ask(Request::get("/livez")).await.status, 400);
    let mut silent = Client::connect(encrypted).await;
    assert!(silent.closed().await.is_empty());
    let mut leaving = Client::connect(encrypted).await;
    leaving.send(b"\x16\x03\x01\x00\x40").await;
    drop(leaving);
    let mut nobody = Client::connect(announced).await;
    nobody.send(Request::get("/livez").bytes()).await;
    assert!(nobody.closed().await.is_empty());
    let text = told(
        &proxy,
        &[
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"ok\"} 2",
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"refused_by_client\"} 1",
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"not_tls\"} 1",
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"timeout\"} 1",
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"left\"} 1",
            "pointsman_tls_handshakes_total{listener=\"listeners[1]\",outcome=\"client_certificate\"} 0",
            "pointsman_connections{listener=\"listeners[1]\"} 2",
            "pointsman_connections_refused_total{listener=\"listeners[2]\",reason=\"proxy_protocol\"} 1",
        ],
    )
    .await;
    // Only where there is TLS is there something to count.
    assert!(!text.contains("tls_handshakes_total{listener=\"listeners[0]\""));
    let ends = "pointsman_certificate_expiry_timestamp_seconds{listener=\"listeners[1]\",name=\"gateway.example\"}";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    assert!(now.unwrap().as_secs_f64() < value(&text, ends), "{text}");

    while open.len() < 8 {
        open.push(dialler.http1(encrypted, NAME).await);
    }
    let mut ninth = Client::connect(encrypted).await;
    assert!(ninth.closed().await.starts_with(b"HTTP/1.1 503 "));
    drop(open);
    told(
        &proxy,
        &[
            "pointsman_connections_refused_total{listener=\"listeners[1]\",reason=\"max_connections_per_address\"} 1",
            "pointsman_connections{listener=\"listeners[1]\"} 0",
        ],
    )
    .await;
}
