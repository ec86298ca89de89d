//! Claude on Google Cloud: the vendor's own dialect in another envelope, and tokens that are fetched for a service
//! account, kept, renewed, and never seen.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Refusing;
use crate::support::upstream::Seen;
use crate::support::upstream::Upstream;

const MODELS: &str = "/v1/projects/signal-box/locations/us-east5/publishers/anthropic/models";
const VERSION: &str = r#""anthropic_version":"vertex-2023-10-16""#;

/// The token that a call of the token endpoint brings, counted from 1.
fn token(number: usize) -> String {
    format!("ya29.canary-{number}-0123456789....")
}

/// An act of the token endpoint.
fn grants(number: usize, seconds: u64) -> Act {
    let token = token(number);
    let body =
        format!(r#"{{"access_token":"{token}","expires_in":{seconds},"token_type":"Bearer"}}"#);
    Act::answer(200, &[], body)
}

/// A token endpoint that grants one token after the other.
async fn desk() -> Upstream {
    Upstream::script((1..9).map(|number| grants(number, 3599))).await
}

/// A proxy before one provider on Google Cloud and one that always says `b`.
async fn before(cloud: &Upstream, desk: &str) -> (Upstream, Proxy) {
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::vertex("v", &cloud.url(), desk),
        Provider::anthropic("b", &second.url()),
    ]);
    let setup = (1..9).fold(setup, |setup, number| setup.secret(&token(number)));
    let proxy = Proxy::start(setup.setting("log_level: DEBUG")).await;
    (second, proxy)
}

fn line(model: &str, how: &str) -> String {
    format!("POST {MODELS}/{model}:{how} HTTP/1.1")
}

fn bearer(seen: &Seen) -> String {
    let value = seen.header("authorization").unwrap();
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

/// The body that `body` becomes there.
fn enveloped(body: &str) -> String {
    let without = body.replace(&format!(r#""model":"{MODEL}","#), "");
    without.replacen('{', &format!("{{{VERSION},"), 1)
}

#[tokio::test]
async fn a_message_keeps_every_byte_but_its_envelope() {
    let (cloud, desk) = (Upstream::always(says("a")).await, desk().await);
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    let request = Request::post("/v1/messages?beta=true", ask("hi"))
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "context-management-2099,fine-2099")
        .header("x-api-key", "client-key");
    let reply = proxy.ask(request).await;
    assert_eq!((reply.status, reply.text()), (200, message("a")));
    let seen = cloud.only();
    assert_eq!(seen.head.line, line(MODEL, "rawPredict"));
    assert_eq!(seen.text(), enveloped(&ask("hi")));
    assert_eq!(bearer(&seen), token(1));
    for gone in ["anthropic-version", "x-api-key"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!(
        seen.headers().all("anthropic-beta"),
        ["context-management-2099,fine-2099"]
    );
    for text in ["2", "3"] {
        proxy.ask(Request::messages(ask(text))).await;
    }
    assert_eq!((cloud.calls(), desk.calls()), (3, 1));
    assert_eq!(bearer(&cloud.seen(2)), token(1));
}

#[tokio::test]
async fn a_stream_is_asked_for_by_path_and_relayed_as_it_is() {
    let (cloud, desk) = (Upstream::always(streams("a")).await, desk().await);
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, stream("a")));
    let seen = cloud.only();
    assert_eq!(seen.head.line, line(MODEL, "streamRawPredict"));
    assert_eq!(seen.text(), enveloped(&ask_stream("hi")));
}

#[tokio::test]
async fn dated_models_and_newer_versions_are_said_as_they_are_there() {
    let (cloud, desk) = (Upstream::always(says("a")).await, desk().await);
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    let dated = ask("hi").replace(MODEL, "claude-opus-4-5-20251101");
    let request = Request::post("/v1/messages", &dated).header("anthropic-version", "2026-10-21");
    proxy.ask(request).await;
    let seen = cloud.only();
    assert_eq!(
        seen.head.line,
        line("claude-opus-4-5@20251101", "rawPredict")
    );
    assert_eq!(seen.json()["anthropic_version"], "2026-10-21");
}

#[tokio::test]
async fn a_route_may_name_the_model() {
    let (cloud, desk) = (Upstream::always(says("a")).await, desk().await);
    let setup = Setup::of([Provider::vertex("v", &cloud.url(), &desk.url())])
        .route("*", &["provider: v, model: claude-opus-4-5@20251101"])
        .secret(&token(1));
    let proxy = Proxy::start(setup).await;
    proxy.ask(Request::messages(ask("hi"))).await;
    let seen = cloud.only();
    assert_eq!(
        seen.head.line,
        line("claude-opus-4-5@20251101", "rawPredict")
    );
    assert_eq!(seen.text(), enveloped(&ask("hi")));
}

#[tokio::test]
async fn tokens_are_counted_there_with_the_model_in_the_body() {
    let cloud = Upstream::always(Act::answer(200, &[], r#"{"input_tokens":4711}"#)).await;
    let desk = desk().await;
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    let dated = ask("hi").replace(MODEL, "claude-opus-4-5-20251101");
    let reply = proxy
        .ask(Request::post("/v1/messages/count_tokens?beta=true", dated))
        .await;
    assert_eq!(reply.json()["input_tokens"], 4711);
    let seen = cloud.only();
    assert_eq!(seen.head.line, line("count-tokens", "rawPredict"));
    assert_eq!(seen.json()["model"], "claude-opus-4-5@20251101");
    assert_eq!(seen.json()["anthropic_version"], "vertex-2023-10-16");
    assert_eq!(bearer(&seen), token(1));
}

#[tokio::test]
async fn a_probe_of_a_model_signs_in_and_speaks_as_there() {
    let (cloud, desk) = (Upstream::always(says("a")).await, desk().await);
    let provider = Provider::vertex("v", &cloud.url(), &desk.url())
        .with("probe: {interval: 1h, model: claude-haiku-4-5-20251001}");
    let proxy = Proxy::start(Setup::of([provider]).secret(&token(1))).await;
    cloud.called(1).await;
    eventually("the body of a probe", || async {
        (!cloud.seen(0).body.is_empty()).then_some(())
    })
    .await;
    let seen = cloud.seen(0);
    assert_eq!(
        seen.head.line,
        line("claude-haiku-4-5@20251001", "rawPredict")
    );
    assert_eq!(seen.json().get("model"), None);
    assert_eq!(bearer(&seen), token(1));
    assert_eq!(proxy.provider("v").await["healthy"], true);
}

#[tokio::test]
async fn a_token_is_there_before_anybody_asks_and_renewed_before_it_ends() {
    let cloud = Upstream::always(says("a")).await;
    let desk = Upstream::script([grants(1, 3), grants(2, 3599)]).await;
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    desk.called(1).await;
    eventually("the form", || async {
        (!desk.seen(0).body.is_empty()).then_some(())
    })
    .await;
    let seen = desk.seen(0);
    assert_eq!(seen.head.line, "POST /token HTTP/1.1");
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form = seen.text();
    assert!(
        form.starts_with(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"
        ),
        "{form}"
    );
    // Nobody asks for anything meanwhile.
    desk.called(2).await;
    eventually("the second token", || async {
        let left = proxy.provider("v").await["token"]["good_for_seconds"].as_f64();
        left.filter(|left| 3.0 < *left)
    })
    .await;
    proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((bearer(&cloud.only()), desk.calls()), (token(2), 2));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_nobody_notices() {
    let expired = refuses(401, "authentication_error", "token expired or revoked");
    let (cloud, desk) = (Upstream::first([expired], says("a")).await, desk().await);
    let (second, proxy) = before(&cloud, &desk.url()).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("a")));
    assert_eq!((cloud.calls(), desk.calls(), second.calls()), (2, 2, 0));
    assert_eq!(bearer(&cloud.seen(0)), token(1));
    assert_eq!(bearer(&cloud.seen(1)), token(2));
    assert_eq!(cloud.seen(0).body, cloud.seen(1).body);
    let provider = proxy.provider("v").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
}

#[tokio::test]
async fn an_account_that_may_not_is_no_reason_for_ever_more_tokens() {
    let refused = refuses(401, "authentication_error", "no");
    let (cloud, desk) = (Upstream::always(refused).await, desk().await);
    let (second, proxy) = before(&cloud, &desk.url()).await;
    for (calls, text) in [(2, "1"), (3, "2"), (3, "3")] {
        let reply = proxy.ask(Request::messages(ask(text))).await;
        assert_eq!((reply.status, reply.text()), (200, message("b")));
        // The third request finds the circuit open.
        assert_eq!((cloud.calls(), desk.calls()), (calls, 2), "{text}");
    }
    assert_eq!(second.calls(), 3);
}

#[tokio::test]
async fn without_a_token_the_next_provider_serves() {
    let no = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    for act in [
        Act::answer(400, &[], no),
        Act::answer(503, &[], "{}"),
        Act::answer(200, &[], "<html>"),
        Act::answer(302, &[("location", "/elsewhere")], ""),
        Act::new().reset(),
    ] {
        let (cloud, desk) = (Upstream::silent().await, Upstream::always(act).await);
        let (second, proxy) = before(&cloud, &desk.url()).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("b")));
        assert_eq!((cloud.calls(), second.calls()), (0, 1));
        let provider = proxy.provider("v").await;
        assert_eq!(provider["failure_count"], 1, "{provider}");
        assert_eq!(provider["token"]["good_for_seconds"], Value::Null);
        assert!(provider["token"]["why"].is_string(), "{provider}");
    }
    let (cloud, nobody) = (Upstream::silent().await, Refusing::new());
    let (second, proxy) = before(&cloud, &nobody.url()).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.text(), second.calls()), (message("b"), 1));
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_is_waited_for_no_longer_than_a_connection() {
    let (cloud, desk) = (
        Upstream::silent().await,
        Upstream::always(Act::new().hang()).await,
    );
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::vertex("v", &cloud.url(), &desk.url()).with("timeouts: {connect_total: 300ms}"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.text(), cloud.calls()), (message("b"), 0));
}

#[tokio::test]
async fn requests_that_come_together_share_one_token() {
    let gate = Gate::new();
    let slow = Act::new().wait(&gate).and(&grants(1, 3599));
    let cloud = Upstream::always(says("a")).await;
    let desk = Upstream::script([slow]).await;
    let (second, proxy) = before(&cloud, &desk.url()).await;
    let asked = (0..8).map(|_| proxy.ask(Request::messages(ask("hi"))));
    gate.after(Duration::from_millis(100));
    let mut replies = Vec::new();
    let mut asked: Vec<_> = asked.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        asked.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(reply) => {
                replies.push(reply.text());
                false
            }
            std::task::Poll::Pending => true,
        });
        if asked.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    assert_eq!(replies, vec![message("a"); 8]);
    assert_eq!((desk.calls(), second.calls()), (1, 0));
}

#[tokio::test]
async fn a_reload_keeps_the_token_of_the_same_account() {
    let (cloud, desk) = (Upstream::always(says("a")).await, desk().await);
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    proxy.ask(Request::messages(ask("1"))).await;
    let reply = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!((bearer(&cloud.seen(1)), desk.calls()), (token(1), 1));
}

#[tokio::test]
async fn an_answer_that_quotes_our_token_is_withheld() {
    let text = format!("bad header authorization: Bearer {}", token(1));
    for status in [400, 500] {
        let quotes = Act::answer(
            status,
            &[("x-echo", &token(1))],
            error_body("invalid_request_error", &text),
        );
        let (cloud, desk) = (Upstream::always(quotes).await, desk().await);
        let setup = Setup::of([Provider::vertex("v", &cloud.url(), &desk.url())])
            .setting("log_level: DEBUG")
            .secret(&token(1));
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert!(400 <= reply.status, "{}", reply.status);
        let shown = [
            String::from_utf8_lossy(&reply.head.bytes).into_owned(),
            reply.text(),
            proxy.providers().await.to_string(),
        ];
        for text in shown {
            assert!(
                !text.contains("canary") && !text.contains("PRIVATE"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_others_take_care_of_is_sent_as_it_is() {
    let cloud = Upstream::always(says("a")).await;
    let provider = Provider::vertex_with_token("v", &cloud.url(), &token(1));
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("a"));
    assert_eq!(bearer(&cloud.only()), token(1));
    assert_eq!(proxy.provider("v").await["token"], Value::Null);
}

/// Claude's own words are left alone; those of the platform before it are no error an Anthropic client can read.
#[tokio::test]
async fn what_the_platform_itself_refuses_is_told_in_anthropics_shape() {
    let google = |code: u16, status: &str| {
        let error = json!({"code": code, "message": "in Google's words", "status": status});
        Act::answer(
            code,
            &[("retry-after", "9")],
            json!([{ "error": error }]).to_string(),
        )
    };
    for (act, status, kind) in [
        (google(429, "RESOURCE_EXHAUSTED"), 429, "rate_limit_error"),
        (
            google(400, "FAILED_PRECONDITION"),
            400,
            "invalid_request_error",
        ),
    ] {
        let (cloud, desk) = (Upstream::always(act).await, desk().await);
        let provider = Provider::vertex("v", &cloud.url(), &desk.url());
        let setup = Setup::of([provider]).secret(&token(1));
        let proxy = Proxy::start(setup.setting("max_retry_wait: 0s")).await;
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        let told = reply.json();
        assert_eq!(told["type"], "error", "{told}");
        assert_eq!(told["error"]["type"], kind, "{told}");
        assert_eq!(told["error"]["message"], "in Google's words");
        assert_eq!(told["request_id"].as_str(), reply.header("request-id"));
        assert_eq!(reply.header("retry-after"), Some("9"));
    }
    let claudes = refuses(400, "invalid_request_error", "in Claude's words");
    let (cloud, desk) = (Upstream::always(claudes).await, desk().await);
    let (_second, proxy) = before(&cloud, &desk.url()).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    let expected = error_body("invalid_request_error", "in Claude's words");
    assert_eq!((reply.status, reply.text()), (400, expected));
}
