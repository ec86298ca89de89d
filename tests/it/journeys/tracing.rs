//! Traces: what a collector is told of a request and of its attempts, and who else is told that there is a trace.

use crate::support::answers::{ask, ask_stream, completion, refuses, says, streams};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::otlp::{Span, collector, read, spans};
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup, key_of};
use crate::support::upstream::Upstream;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

fn traced(setup: Setup, collector: &Upstream, more: &str) -> Setup {
    setup.setting(&format!(
        "tracing: {{endpoint: '{}', {more}}}",
        collector.url()
    ))
}

fn with_parent(request: Request, flags: &str) -> Request {
    request.header("traceparent", &format!("00-{TRACE}-{SPAN}-{flags}"))
}

/// The request's span, and its attempts in order.
fn sorted(all: Vec<Span>) -> (Span, Vec<Span>) {
    let (servers, mut clients): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|it| it.kind == SERVER);
    assert_eq!(servers.len(), 1);
    clients.sort_by_key(|it| it.says("pointsman.attempt").to_owned());
    (servers[0].clone(), clients)
}

#[tokio::test]
async fn a_request_and_its_attempts_make_one_trace_with_the_clients() {
    let collector = collector().await;
    let first = Upstream::script([refuses(500, "api_error", "the words of a provider")]).await;
    let second = Upstream::script([Act::answer(200, &[], completion("hello"))]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::openai("b", &second.url()),
    ]);
    let header = "headers: {authorization: Bearer canary-collector-0123}";
    let setup = traced(setup, &collector, header).secret("canary-collector-0123");
    let proxy = Proxy::start(setup).await;
    let request = with_parent(Request::messages(ask("a word of the prompt")), "01")
        .header("tracestate", "vendor=one")
        .header("tracestate", "other=two");
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200);

    let (request, attempts) = sorted(spans(&collector, 3).await);
    assert_eq!(
        (request.trace.as_str(), request.parent.as_str()),
        (TRACE, SPAN)
    );
    assert_eq!(request.state, "vendor=one,other=two");
    assert_eq!(request.name, "POST /v1/messages");
    // Sampled, and the parent is somebody else's.
    assert_eq!(request.flags, 0x301);
    assert_eq!(request.status.0, 0);
    let id = reply.header("x-pointsman-request-id").unwrap();
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/v1/messages"),
        ("http.response.status_code", "200"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", crate::support::answers::MODEL),
        ("gen_ai.response.finish_reasons", "end_turn"),
        ("gen_ai.usage.output_tokens", "3"),
        ("pointsman.request.id", id),
        ("pointsman.endpoint", "b"),
        ("pointsman.route", "*"),
        ("pointsman.attempts", "2"),
        ("pointsman.end", "ok"),
        ("pointsman.downstream.dialect", "anthropic"),
    ] {
        assert_eq!(request.says(name), value, "{name} of {request:#?}");
    }
    assert_eq!(request.resource["service.name"], "pointsman");
    assert!(!request.resource["service.instance.id"].is_empty());

    let [failed, served] = attempts.as_slice() else {
        panic!("{attempts:#?}");
    };
    for attempt in [failed, served] {
        assert_eq!(attempt.trace, TRACE);
        assert_eq!((attempt.kind, &attempt.parent), (CLIENT, &request.id));
        assert_eq!(attempt.flags, 0x101);
        assert!(request.start <= attempt.start && attempt.start <= attempt.end);
        assert!(attempt.end <= request.end);
        assert_eq!(attempt.says("server.address"), "127.0.0.1");
        assert_eq!(attempt.says("pointsman.hedge"), "false");
    }
    assert_ne!(failed.id, served.id);
    assert_eq!(failed.status, (2, "upstream_status".to_owned()));
    for (span, name, value) in [
        (failed, "pointsman.endpoint", "a"),
        (failed, "gen_ai.provider.name", "anthropic"),
        (failed, "http.response.status_code", "500"),
        (failed, "error.type", "upstream_status"),
        (failed, "pointsman.outcome", "upstream_status"),
        (served, "pointsman.endpoint", "b"),
        (served, "gen_ai.provider.name", "openai"),
        (served, "http.response.status_code", "200"),
        (served, "pointsman.outcome", "served"),
        (served, "error.type", ""),
    ] {
        assert_eq!(span.says(name), value, "{name} of {span:#?}");
    }
    let export = collector.seen(0);
    assert_eq!(
        export.header("authorization"),
        Some("Bearer canary-collector-0123")
    );
    assert_eq!(export.head.line, "POST /v1/traces HTTP/1.1");
    let text = String::from_utf8_lossy(&export.body);
    for kept_out in [
        "a word of the prompt",
        "hello",
        "the words of a provider",
        &key_of("a"),
        "sk-c..",
        "cdef",
    ] {
        assert!(!text.contains(kept_out), "{kept_out} in {text}");
    }
    assert!(proxy.log_file().contains(TRACE), "{}", proxy.log_file());
}

#[tokio::test]
async fn who_is_told_of_a_trace_is_the_operators_choice() {
    let collector = collector().await;
    let same = Upstream::always(says("hello")).await;
    let other = Upstream::always(Act::answer(200, &[], completion("hello"))).await;
    let setup = || {
        Setup::of([
            Provider::anthropic("same", &same.url()),
            Provider::openai("other", &other.url()),
        ])
        .route("claude*", &["provider: same"])
        .route("gpt*", &["provider: other"])
    };
    let gpt = || ask("hi").replace(crate::support::answers::MODEL, "gpt-5");

    // Unless it is asked for, providers of the same dialect get what the client sent, and others nothing.
    let proxy = Proxy::start(traced(setup(), &collector, "")).await;
    let state = |it: Request| it.header("tracestate", "vendor=one");
    proxy
        .ask(state(with_parent(Request::messages(ask("hi")), "01")))
        .await;
    proxy.ask(with_parent(Request::messages(gpt()), "01")).await;
    let own = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(same.seen(0).header("traceparent"), Some(own.as_str()));
    assert_eq!(other.seen(0).header("traceparent"), None);
    spans(&collector, 4).await;
    drop(proxy);

    let proxy = Proxy::start(traced(setup(), &collector, "propagate: true")).await;
    proxy
        .ask(state(with_parent(Request::messages(ask("hi")), "01")))
        .await;
    proxy.ask(with_parent(Request::messages(gpt()), "00")).await;
    let all = spans(&collector, 6).await;
    let (_, attempts) = sorted(all[4..].to_vec());
    let ours = format!("00-{TRACE}-{}-01", attempts[0].id);
    assert_eq!(same.seen(1).header("traceparent"), Some(ours.as_str()));
    assert_eq!(same.seen(1).header("tracestate"), Some("vendor=one"));
    // A client that records nothing: nobody does.
    let told = other.seen(1).header("traceparent").unwrap().to_owned();
    assert!(
        told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-00"),
        "{told}"
    );
    assert!(!told.contains(SPAN), "{told}");
}

#[tokio::test]
async fn nothing_is_traced_that_is_not_sampled_and_strangers_may_be_ignored() {
    let collector = collector().await;
    let upstream = Upstream::always(says("hello")).await;
    let setup = || Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(traced(setup(), &collector, "sample: 0, accept: false")).await;
    proxy
        .ask(with_parent(Request::messages(ask("hi")), "01"))
        .await;
    drop(proxy);
    let proxy = Proxy::start(traced(setup(), &collector, "accept: false")).await;
    proxy
        .ask(with_parent(Request::messages(ask("hi")), "00"))
        .await;
    let (request, _) = sorted(spans(&collector, 2).await);
    assert_ne!(request.trace, TRACE);
    assert_eq!(request.parent, "");
}

#[tokio::test]
async fn a_refused_request_is_a_span_of_its_own() {
    let collector = collector().await;
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(traced(setup, &collector, "")).await;
    assert_eq!(proxy.ask(Request::messages("{")).await.status, 400);
    assert_eq!(proxy.ask(Request::get("/not/there")).await.status, 404);
    let mut all = spans(&collector, 2).await;
    // A span may be made after the last byte of its answer.
    all.sort_by_key(|it| it.start);
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    // What strangers ask for names no span.
    assert_eq!(names, ["POST /v1/messages", "GET"]);
    assert_eq!(all[0].says("error.type"), "invalid_request");
    assert_eq!(all[0].says("http.response.status_code"), "400");
    // The client's fault, not the server's.
    assert_eq!(all[0].status.0, 0);
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_later_and_the_log_hears_of_it_once() {
    let away = Act::answer(503, &[("retry-after", "0")], "");
    let collector = Upstream::first([away.clone(), away], Act::answer(200, &[], "")).await;
    let upstream = Upstream::always(streams("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let mut proxy = Proxy::start(traced(setup, &collector, "")).await;
    proxy.ask(Request::messages(ask_stream("hi"))).await;
    proxy.line("traces cannot be sent").await;
    proxy.line("traces reach their collector again").await;
    assert_eq!(proxy.console().matches("traces cannot be sent").count(), 1);
    let first = read(&collector.seen(0));
    let last = read(&collector.seen(2));
    assert_eq!(first[0].id, last[0].id);
    eventually("the count", || async {
        let text = proxy.ask(Request::get("/metrics")).await.text();
        let line = "pointsman_trace_spans_total{outcome=\"exported\"} 2\n";
        text.contains(line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_not_sent_again() {
    let collector = Upstream::always(Act::answer(401, &[], "")).await;
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let mut proxy = Proxy::start(traced(setup, &collector, "")).await;
    proxy.ask(Request::messages(ask("hi"))).await;
    proxy.line("the collector refuses traces").await;
    let text = proxy.ask(Request::get("/metrics")).await.text();
    let line = "pointsman_trace_spans_total{outcome=\"refused\"} 2\n";
    assert!(text.contains(line), "{text}");
    assert_eq!(collector.calls(), 1);
}

#[tokio::test]
async fn the_last_spans_go_out_before_the_process_ends() {
    let collector = collector().await;
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(traced(setup, &collector, "")).await;
    proxy.ask(Request::messages(ask("hi"))).await;
    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, Some(0));
    assert_eq!(read(&collector.only()).len(), 2);
}
