//! `count_tokens`: the provider's own count where there is one, ours where there is none, never an error.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::completion;
use crate::support::answers::completion_chunk;
use crate::support::answers::completion_stream;
use crate::support::answers::refuses;
use crate::support::answers::stream;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

fn count(text: &str) -> Request {
    Request::post("/v1/messages/count_tokens?beta=true", ask(text))
        .header("anthropic-version", "2023-06-01")
}

#[tokio::test]
async fn the_provider_is_asked_with_the_same_bytes() {
    let upstream = Upstream::script([Act::answer(
        200,
        &[],
        "{\"input_tokens\" : 4711, \"new\":1}",
    )])
    .await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy
        .ask(count("how many?").header("anthropic-beta", "token-counting-2099"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["input_tokens"], 4711);
    let seen = upstream.only();
    assert!(
        seen.head.line.starts_with("POST /v1/messages/count_tokens"),
        "{}",
        seen.head.line
    );
    assert_eq!(seen.text(), ask("how many?"));
    assert_eq!(seen.headers().all("x-api-key"), [key_of("a")]);
    assert_eq!(seen.header("anthropic-beta"), Some("token-counting-2099"));
}

#[tokio::test]
async fn a_provider_that_cannot_count_is_counted_for() {
    for act in [
        refuses(404, "not_found_error", "no such path"),
        refuses(405, "invalid_request_error", "no"),
        refuses(500, "api_error", "boom"),
        Act::answer(200, &[], "<html>"),
        Act::new().reset(),
        Act::answer(429, &[("retry-after", "60")], "{}"),
    ] {
        let upstream = Upstream::always(act).await;
        let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
        let reply = proxy
            .ask(count("how many tokens are in these few words?"))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tokens = reply.json()["input_tokens"].as_u64().unwrap();
        assert!((8..60).contains(&tokens), "{tokens}");
        // A count that failed says nothing about the calls that matter.
        let provider = proxy.provider("a").await;
        assert_eq!(provider["healthy"], true, "{provider}");
    }
}

#[tokio::test]
async fn an_openai_provider_is_never_asked() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let few = proxy.ask(count("few words")).await.json()["input_tokens"]
        .as_u64()
        .unwrap();
    let many = proxy.ask(count(&"many words ".repeat(1_000))).await.json()["input_tokens"]
        .as_u64()
        .unwrap();
    assert!(0 < few && 1_000 < many, "{few} {many}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_bad_request_is_still_a_bad_request() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy
        .ask(Request::post("/v1/messages/count_tokens", "{"))
        .await;
    assert_eq!(
        (reply.status, reply.json()["error"]["type"].as_str()),
        (400, Some("invalid_request_error"))
    );
    assert_eq!(upstream.calls(), 0);
}

/// A prompt long enough to learn from.
fn long_prompt() -> String {
    "Points and signals of a small station, described at length. ".repeat(100)
}

fn tokens(reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["input_tokens"].as_u64().unwrap()
}

/// What `/providers` tells of the only model served by a provider.
async fn learned(proxy: &Proxy, provider: &str) -> Value {
    proxy.provider(provider).await["token_estimates"][0].clone()
}

/// An OpenAI answer whose provider counted that many tokens in the prompt.
fn counted_as(prompt_tokens: u64) -> Act {
    let usage = format!("\"prompt_tokens\":{prompt_tokens}");
    Act::answer(
        200,
        &[],
        completion("Noted").replace("\"prompt_tokens\":11", &usage),
    )
}

#[tokio::test]
async fn a_second_count_is_nearer_to_the_providers_own() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let prompt = long_prompt();
    let before = tokens(&proxy.ask(count(&prompt)).await);
    let reported = before * 8 / 5;

    upstream.then(counted_as(reported));
    let served = proxy.ask(Request::messages(ask(&prompt))).await;
    assert_eq!(served.json()["usage"]["input_tokens"], reported);
    let known = eventually("a lesson", async || {
        let known = learned(&proxy, "o").await;
        (known["by_vocabulary"]["samples"] == 1).then_some(known)
    })
    .await;
    assert_eq!(known["model"], MODEL);
    assert!(30.0 < known["by_vocabulary"]["error_percent"].as_f64().unwrap());
    assert_eq!(known["by_bytes"]["samples"], 1);

    let after = tokens(&proxy.ask(count(&prompt)).await);
    assert!(
        reported.abs_diff(after) < reported.abs_diff(before) * 2 / 3 && after < reported,
        "{before}, then {after} of {reported}"
    );
    assert_eq!(upstream.calls(), 1);

    // What was learned outlives the configuration.
    let reload = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reload.status, 200, "{}", reload.text());
    assert_eq!(learned(&proxy, "o").await, known);
}

fn input_at_start(reply: &Reply) -> u64 {
    let start = reply.events()[0].json();
    assert_eq!(start["type"], "message_start", "{start}");
    start["message"]["usage"]["input_tokens"].as_u64().unwrap()
}

#[tokio::test]
async fn a_stream_begins_with_an_estimate_that_learns() {
    let told = completion_stream("Noted").replace("\"prompt_tokens\":11", "\"prompt_tokens\":3000");
    let upstream = Upstream::always(Act::events(told)).await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let request = || Request::messages(ask_stream(&long_prompt()));
    let first = input_at_start(&proxy.ask(request()).await);
    assert!((1_400..1_700).contains(&first), "{first}");
    eventually("a lesson", async || {
        (learned(&proxy, "o").await["by_bytes"]["samples"] == 1).then_some(())
    })
    .await;
    let second = input_at_start(&proxy.ask(request()).await);
    assert!((1_900..2_400).contains(&second), "{second}");
    // Nobody asked for a count, so nothing was counted with a vocabulary.
    assert_eq!(learned(&proxy, "o").await["by_vocabulary"]["samples"], 0);
}

#[tokio::test]
async fn a_picture_is_not_estimated_by_its_bytes_and_teaches_nothing() {
    let upstream = Upstream::always(Act::events(completion_stream("A cat"))).await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let body = json!({
        "model": MODEL, "max_tokens": 64, "stream": true,
        "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA".repeat(100_000)}},
            {"type": "text", "text": "What is it?"},
        ]}],
    });
    let reply = proxy.ask(Request::messages(body.to_string())).await;
    let estimate = input_at_start(&reply);
    assert!((1_600..1_900).contains(&estimate), "{estimate}");
    assert_eq!(proxy.provider("o").await["token_estimates"], json!([]));
}

#[tokio::test]
async fn another_models_exact_count_is_not_asked_for() {
    let (openai, anthropic) = (Upstream::silent().await, Upstream::silent().await);
    let providers = || {
        [
            Provider::openai("o", &openai.url()),
            Provider::anthropic("a", &anthropic.url()),
        ]
    };
    let other = "provider: a, model: claude-other, priority: 2";
    let setup =
        Setup::of(providers()).route("*", &["provider: o, model: gpt-5, priority: 1", other]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(count("few words")).await;
    assert_eq!(reply.header("x-pointsman-provider"), Some("local"));
    assert_eq!(anthropic.calls(), 0);

    // The same model at a provider that counts is.
    anthropic.then(Act::answer(200, &[], "{\"input_tokens\":4711}"));
    let proxy = Proxy::start(Setup::of(providers())).await;
    assert_eq!(tokens(&proxy.ask(count("few words")).await), 4711);
}

#[tokio::test]
async fn gemini_counts_in_its_own_words() {
    let upstream = Upstream::script([
        Act::answer(
            200,
            &[],
            "{\"totalTokens\": 31, \"promptTokensDetails\": []}",
        ),
        Act::answer(
            404,
            &[],
            "{\"error\":{\"code\":404,\"status\":\"NOT_FOUND\"}}",
        ),
    ])
    .await;
    let gemini = Provider::speaking("gemini", "g", &upstream.url());
    let proxy = Proxy::start(Setup::of([gemini])).await;
    let request = || {
        let body = ask("how many?").replace(MODEL, "gemini-2.5-pro");
        Request::post("/v1/messages/count_tokens?beta=true", body)
    };
    let reply = proxy.ask(request()).await;
    assert_eq!(reply.text(), "{\"input_tokens\":31}");
    assert_eq!(reply.header("x-pointsman-provider"), Some("g"));
    let seen = upstream.only();
    let line = "POST /v1beta/models/gemini-2.5-pro:countTokens HTTP/1.1";
    assert_eq!(seen.head.line, line);
    assert_eq!(seen.headers().all("x-goog-api-key"), [key_of("g")]);
    let asked = &seen.json()["generateContentRequest"];
    assert_eq!(asked["model"], "models/gemini-2.5-pro", "{asked}");

    let reply = proxy.ask(request()).await;
    assert_eq!(reply.header("x-pointsman-provider"), Some("local"));
    assert!((5..60).contains(&tokens(&reply)));
}

#[tokio::test]
async fn a_client_of_responses_gets_its_providers_count() {
    let answer = "{\"object\": \"response.input_tokens\", \"input_tokens\": 51}";
    let upstream = Upstream::script([Act::answer(200, &[], answer)]).await;
    let provider = Provider::speaking("openai-responses", "r", &upstream.url());
    let proxy = Proxy::start(Setup::of([provider])).await;
    let body = r#"{"model":"gpt-5","input":"how many?","previous_response_id":"resp_1"}"#;
    let reply = proxy
        .ask(Request::post("/v1/responses/input_tokens", body))
        .await;
    assert_eq!(reply.text(), answer);
    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /v1/responses/input_tokens HTTP/1.1");
    assert_eq!(seen.text(), body);
    assert_eq!(
        seen.headers().all("authorization"),
        [format!("Bearer {}", key_of("r"))]
    );
}

#[tokio::test]
async fn a_count_that_does_not_come_is_given_here_and_soon_not_asked_for() {
    let slow = Upstream::always(Act::new().hang()).await;
    let good = Upstream::always(Act::answer(200, &[], "{\"input_tokens\":4711}")).await;
    let setup = Setup::of([
        Provider::anthropic("slow", &slow.url()),
        Provider::anthropic("good", &good.url()),
    ])
    .route(
        "claude*",
        &["provider: slow, model: passthrough, priority: 1"],
    )
    .route(
        "other",
        &["provider: good, model: passthrough, priority: 1"],
    )
    .setting("token_counting: {timeout_override: 0.3, failure_threshold: 2}");
    let proxy = Proxy::start(setup).await;
    for calls in [1, 2, 2] {
        let begun = Instant::now();
        let reply = proxy
            .ask(count("how many tokens are in these few words?"))
            .await;
        assert!((8..60).contains(&tokens(&reply)));
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(slow.calls(), calls);
    }
    // Others are asked as before.
    let body = ask("how many?").replace(MODEL, "other");
    let reply = proxy.ask(count("").body(body)).await;
    assert_eq!(tokens(&reply), 4711);
}

#[tokio::test]
async fn an_answer_that_nobody_counted_is_estimated_in_the_log() {
    let mut uncounted = completion_chunk(&json!({"content": "word ".repeat(100)}), None);
    uncounted.push_str(&completion_chunk(&json!({}), Some("stop")));
    uncounted.push_str("data: [DONE]\n\n");
    let openai = Upstream::always(Act::events(uncounted)).await;
    let anthropic = Upstream::always(Act::events(stream("Hello"))).await;
    let setup = Setup::of([
        Provider::openai("o", &openai.url()),
        Provider::anthropic("a", &anthropic.url()),
    ])
    .route("claude*", &["provider: o, model: m, priority: 1"])
    .route("counted", &["provider: a, model: m, priority: 1"]);
    let mut proxy = Proxy::start(setup).await;
    proxy.ask(Request::messages(ask_stream("hi"))).await;
    let line = proxy.line("@ o").await;
    assert!(line.contains("in ~") && line.contains("out ~125"), "{line}");
    let body = ask_stream("hi").replace(MODEL, "counted");
    proxy.ask(Request::messages(body)).await;
    let line = proxy.line("@ a").await;
    assert!(line.contains("in 11 ") && !line.contains('~'), "{line}");
    // The file is written a little later.
    eventually("both lines in the file", async || {
        let file = proxy.log_file();
        file.contains("\"counted\"").then(|| {
            let estimated = |line: &&str| line.contains("\"usage.estimated\":true");
            assert_eq!(file.lines().filter(estimated).count(), 1, "{file}");
        })
    })
    .await;
}

#[tokio::test]
async fn a_client_of_responses_is_counted_for_here() {
    let upstream = Upstream::silent().await;
    let proxy = Proxy::start(Setup::of([Provider::openai("o", &upstream.url())])).await;
    let body = json!({
        "model": "gpt-5", "instructions": "Be brief.", "input": "words ".repeat(500),
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": false}],
    });
    let request = |body: &Value| Request::post("/v1/responses/input_tokens", body.to_string());
    let reply = proxy.ask(request(&body)).await;
    assert_eq!(reply.json()["object"], "response.input_tokens");
    assert!((500..560).contains(&tokens(&reply)), "{}", reply.text());
    // What only its provider holds cannot be counted elsewhere.
    let kept = json!({"model": "gpt-5", "input": "and?", "previous_response_id": "resp_1"});
    let reply = proxy.ask(request(&kept)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn responses_count_in_their_own_words() {
    let answer = "{\"object\": \"response.input_tokens\", \"input_tokens\": 51}";
    let upstream = Upstream::script([Act::answer(200, &[], answer)]).await;
    let provider = Provider::speaking("openai-responses", "r", &upstream.url());
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(count("how many?")).await;
    assert_eq!(reply.text(), "{\"input_tokens\":51}");
    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /v1/responses/input_tokens HTTP/1.1");
    let sent = seen.json();
    assert_eq!(sent["model"], MODEL, "{sent}");
    assert!(sent["input"].to_string().contains("how many?"), "{sent}");
    for field in ["max_output_tokens", "stream", "store", "include"] {
        assert!(sent.get(field).is_none(), "{field} in {sent}");
    }
}

#[tokio::test]
async fn anthropic_counts_for_a_client_of_responses_and_gets_nothing_it_refuses() {
    let upstream = Upstream::script([Act::answer(200, &[], "{\"input_tokens\": 14}")]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let body = json!({"model": MODEL, "instructions": "Be brief.", "input": "how many?", "temperature": 1, "max_output_tokens": 9});
    let request = Request::post("/v1/responses/input_tokens", body.to_string());
    let reply = proxy.ask(request).await;
    let told = "{\"object\":\"response.input_tokens\",\"input_tokens\":14}";
    assert_eq!(reply.text(), told);
    let seen = upstream.only();
    assert_eq!(seen.head.line, "POST /v1/messages/count_tokens HTTP/1.1");
    let sent = seen.json();
    let mut fields: Vec<&String> = sent.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["messages", "model", "system"], "{sent}");
}
