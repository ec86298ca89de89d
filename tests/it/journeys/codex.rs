//! Codex: what it acts on, and what it takes for the end. It reads the code of a stream that failed; a plain refusal it
//! shows to its user.

use serde_json::{Value, json};

use crate::support::answers::{error_body, event};
use crate::support::client::{Reply, Request};
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;
use pointsman::types::Dialect;

const TOO_LONG: &str = "prompt is too long: 250000 tokens > 200000 maximum";

fn asks(stream: bool) -> Request {
    let body = json!({"model": "m", "stream": stream, "store": false, "input": "hi"});
    Request::post("/v1/responses", body.to_string())
}

fn codex() -> Request {
    asks(true).header("originator", "codex_cli_rs")
}

fn provider(dialect: Dialect, url: &str) -> Provider {
    match dialect {
        Dialect::Anthropic => Provider::anthropic("p", url),
        Dialect::OpenAiChat => Provider::openai("p", url),
        Dialect::OpenAiResponses => Provider::responses("p", url),
        Dialect::Gemini => Provider::gemini("p", url),
    }
}

/// A prompt that is too long, in the words of that dialect's vendors.
fn too_long(dialect: Dialect) -> String {
    let openai = "This model's maximum context length is 200000 tokens. However, you requested 250000 tokens.";
    match dialect {
        Dialect::Anthropic => error_body("invalid_request_error", TOO_LONG),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json!({"error": {"message": openai,
            "type": "invalid_request_error", "param": "input", "code": "context_length_exceeded"}})
        .to_string(),
        Dialect::Gemini => json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
            "The input token count (250000) exceeds the maximum number of tokens allowed (200000)."}})
        .to_string(),
    }
}

/// The error of a stream that says nothing but that it failed.
fn failed(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let kind = reply.header("content-type").unwrap();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert_eq!(reply.event_names(), ["error", "response.failed"]);
    assert!(reply.header("x-pointsman-attempts").is_some());
    let last = reply.events().pop().unwrap().json();
    assert_eq!(last["response"]["status"], "failed", "{last}");
    last["response"]["error"].clone()
}

#[tokio::test]
async fn codex_sees_that_its_context_is_full() {
    for dialect in [Dialect::Anthropic, Dialect::OpenAiChat, Dialect::Gemini] {
        let upstream = Upstream::always(Act::answer(400, &[], too_long(dialect))).await;
        let proxy = Proxy::start(Setup::of([provider(dialect, &upstream.url())])).await;
        for request in [codex(), asks(true)] {
            let error = failed(&proxy.ask(request).await);
            assert_eq!(error["code"], "context_length_exceeded", "{dialect:?}");
            let text = error["message"].as_str().unwrap();
            assert!(text.contains("maximum context length"), "{text}");
            assert!(text.contains("200000"), "{text}");
        }
        // Who asks for no stream is answered without one.
        let reply = proxy.ask(asks(false)).await;
        let code = &reply.json()["error"]["code"];
        assert_eq!(
            (reply.status, code),
            (400, &json!("context_length_exceeded"))
        );
    }
}

/// OpenAI says it in a stream; a provider that says it with a plain 400 does the same to who calls it directly.
#[tokio::test]
async fn codex_hears_of_a_full_context_in_the_way_its_provider_says_it() {
    let inside = json!({"type": "response.failed", "sequence_number": 2, "response": {"id": "resp_1",
        "object": "response", "status": "failed", "output": [], "error": {"code":
        "context_length_exceeded", "message": "Your input exceeds the context window of this model."}}});
    let created = json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1",
        "object": "response", "status": "in_progress", "output": [], "error": null}});
    let events = [
        event("response.created", &created.to_string()),
        event("response.failed", &inside.to_string()),
    ];
    let plain = too_long(Dialect::OpenAiResponses);
    let acts = [
        Act::events(events.concat()),
        Act::answer(400, &[("x-request-id", "req_theirs")], &plain),
    ];
    let upstream = Upstream::script(acts).await;
    let provider = provider(Dialect::OpenAiResponses, &upstream.url());
    let proxy = Proxy::start(Setup::of([provider])).await;
    let error = failed(&proxy.ask(codex()).await);
    assert_eq!(error["code"], "context_length_exceeded");
    let reply = proxy.ask(codex()).await;
    assert_eq!((reply.status, reply.text()), (400, plain));
    assert_eq!(reply.header("x-request-id"), Some("req_theirs"));
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn codex_waits_for_a_rate_limit_and_sdks_see_the_status_they_repeat() {
    let limit = error_body("rate_limit_error", "slow down");
    for (wait, in_stream) in [("90", true), ("3600", false)] {
        let act = Act::answer(429, &[("retry-after", wait)], &limit);
        for request in [codex(), asks(true)] {
            let upstream = Upstream::always(act.clone()).await;
            let provider = provider(Dialect::Anthropic, &upstream.url());
            let proxy = Proxy::start(Setup::of([provider])).await;
            let is_codex = request.head_bytes().windows(5).any(|it| it == b"codex");
            let reply = proxy.ask(request).await;
            if is_codex && in_stream {
                let error = failed(&reply);
                assert_eq!(error["code"], "rate_limit_exceeded");
                assert_eq!(error["message"], "slow down (try again in 90s)");
            } else {
                let code = &reply.json()["error"]["code"];
                assert_eq!((reply.status, code), (429, &json!("rate_limit_exceeded")));
                assert_eq!(reply.header("retry-after"), Some(wait));
            }
        }
    }
}

#[tokio::test]
async fn codex_is_told_that_the_credit_is_used_up_and_of_no_limit() {
    let poor = error_body("billing_error", "Your credit balance is too low");
    let upstream = Upstream::always(Act::answer(402, &[], poor)).await;
    let provider = provider(Dialect::Anthropic, &upstream.url());
    let proxy = Proxy::start(Setup::of([provider])).await;
    let error = failed(&proxy.ask(codex()).await);
    assert_eq!(error["code"], "insufficient_quota");
}

/// Those who share a call are told in their own way, each.
#[tokio::test]
async fn who_shares_a_call_of_codex_hears_of_its_limit_in_its_own_way() {
    let gate = Gate::new();
    let limit = error_body("rate_limit_error", "slow down");
    let act = Act::answer(429, &[("retry-after", "90")], limit);
    let upstream = Upstream::script([Act::new().wait(&gate).and(&act)]).await;
    let provider = provider(Dialect::Anthropic, &upstream.url());
    let setup = Setup::of([provider]).setting("deduplication: all");
    let proxy = Proxy::start(setup).await;
    let mut clients = Vec::new();
    for request in [asks(true), codex(), asks(true)] {
        let mut client = proxy.connect().await;
        client.send(request.bytes()).await;
        clients.push(client);
        upstream.called(1).await;
    }
    proxy.followed(2).await;
    gate.open();
    for (client, is_codex) in clients.iter_mut().zip([false, true, false]) {
        let reply = client.reply().await;
        if is_codex {
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.header("x-pointsman-cache"), Some("shared"));
            let last = reply.events().pop().unwrap().json();
            let error = &last["response"]["error"];
            assert_eq!(error["message"], "slow down (try again in 90s)");
        } else {
            assert_eq!(reply.status, 429, "{}", reply.text());
            assert_eq!(reply.header("retry-after"), Some("90"));
        }
    }
    assert_eq!(upstream.calls(), 1);
}
