//! Zed's service: an account that brings tokens, requests in an envelope, answers in lines, and whatever else it may
//! say instead.

use serde_json::{Value, json};

use super::dialects::{gemini_stream, response_stream};
use crate::support::answers::{
    MODEL, ask, ask_stream, completion_stream, delta, finish, message, open_text, says, start,
    stream,
};
use crate::support::client::{Reply, Request};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;
use crate::support::zed::{
    ACCESS, STATUSES, Service, USER, ended, gives, gives_with, lines, refuses, status, token,
};

/// The lines of a whole answer.
fn answer(text: &str) -> String {
    lines(&stream(text)) + &ended()
}

/// A proxy before the service, which has `keys` in the configuration, and one that always says `b`.
async fn before_with(service: &Service, keys: &str) -> (Upstream, Proxy) {
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::zed("z", &service.url()).with(keys),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup.setting("log_level: DEBUG")).await;
    (second, proxy)
}

async fn before(service: &Service) -> (Upstream, Proxy) {
    before_with(service, "enabled: true").await
}

fn debugged(body: impl AsRef<[u8]>) -> Request {
    Request::messages(body).header("x-pointsman-debug", "1")
}

fn trace(reply: &Reply) -> String {
    reply
        .header("x-pointsman-trace")
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_message_goes_in_an_envelope_and_its_lines_come_out_as_one() {
    let all = [
        status(&json!({"queued": {"position": 3}})),
        status(&json!("started")),
        status(&json!({"dreaming": {"of": "sheep"}})),
        lines(&stream("a")),
        status(&json!({"usage_updated": {"amount": 7, "limit": {"limited": 500}}})),
        ended(),
    ];
    let service = Service::of([gives(all.concat())]).await;
    let (second, proxy) = before_with(&service, "zed_config: {version: 0.230.1}").await;
    let request = Request::post("/v1/messages?beta=true", ask("hi"))
        .header("anthropic-beta", "fine-2099")
        .header("x-api-key", "client-key");
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["content"][0]["text"], "a");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header(STATUSES.0), None);
    let asked = service.asked(0);
    assert_eq!(asked.head.line, "POST /completions HTTP/1.1");
    let envelope = asked.json();
    let keys: Vec<&String> = envelope.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "thread_id",
            "prompt_id",
            "provider",
            "model",
            "provider_request"
        ]
    );
    assert_eq!(
        (asked.told("provider"), asked.told("model")),
        ("anthropic".into(), MODEL.into())
    );
    assert_eq!(asked.told("thread_id").len(), 36);
    // What the client wrote, byte for byte.
    let text = String::from_utf8(asked.body.clone()).unwrap();
    assert!(
        text.ends_with(&format!("\"provider_request\":{}}}", ask("hi"))),
        "{text}"
    );
    for (name, value) in [
        ("authorization", format!("Bearer {}", token(1))),
        ("x-zed-version", "0.230.1".to_owned()),
        ("x-zed-client-supports-status-messages", "true".to_owned()),
        (
            "x-zed-client-supports-stream-ended-request-completion-status",
            "true".to_owned(),
        ),
    ] {
        assert_eq!(asked.header(name), Some(value.as_str()), "{name}");
    }
    for gone in ["anthropic-version", "anthropic-beta", "x-api-key"] {
        assert_eq!(asked.header(gone), None, "{gone}");
    }
    assert_eq!(
        service.sign_ins(),
        [
            format!("GET /client/users/me HTTP/1.1 {USER} {ACCESS} "),
            format!(
                r#"POST /client/llm_tokens HTTP/1.1 {USER} {ACCESS} {{"organization_id":"org-1"}}"#
            ),
        ]
    );
    assert_eq!(second.calls(), 0);
    let seen = proxy.ask(Request::get("/zed/threads/status")).await.json();
    assert_eq!(
        seen["providers"][0]["plan"],
        json!({"requests": 7, "limit": 500})
    );
}

#[tokio::test]
async fn a_stream_leaves_as_the_models_maker_would_send_it() {
    let service = Service::of([gives(answer("a"))]).await;
    let (_second, proxy) = before(&service).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, stream("a")));
    assert_eq!(
        reply.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(
        service.asked(0).json()["provider_request"].get("stream"),
        None
    );
}

#[tokio::test]
async fn the_older_service_is_told_more_and_says_less() {
    let whole = lines(&stream("a"));
    let usage = [
        ("x-zed-model-requests-usage-amount", "3"),
        ("x-zed-model-requests-usage-limit", "unlimited"),
    ];
    for act in [gives(&whole), gives_with(&usage, raw_lines(&stream("a")))] {
        let service = Service::of([act]).await;
        let (_second, proxy) = before_with(&service, "zed_config: {generation: 2025}").await;
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, stream("a")));
        let asked = service.asked(0);
        assert_eq!(
            (asked.told("intent"), asked.told("mode")),
            ("user_prompt".into(), "normal".into())
        );
        let knows_end = "x-zed-client-supports-stream-ended-request-completion-status";
        assert_eq!(asked.header(knows_end), None);
        assert!(service.sign_ins()[0].starts_with("POST /client/llm_tokens"));
    }
}

/// The data of server-sent events, one a line.
fn raw_lines(sse: &str) -> String {
    let data = sse.lines().filter_map(|it| it.strip_prefix("data: "));
    let lines: Vec<&str> = data.collect();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn every_maker_is_spoken_to_in_its_own_dialect() {
    for (model, keys, sse, provider, has) in [
        (
            MODEL,
            "enabled: true",
            stream("Hello"),
            "anthropic",
            "/messages",
        ),
        (
            "gpt-journey",
            "enabled: true",
            response_stream("Hello"),
            "open_ai",
            "/input",
        ),
        (
            "gpt-journey",
            "zed_config: {openai_dialect: openai}",
            completion_stream("Hello"),
            "open_ai",
            "/messages",
        ),
        (
            "gemini-journey",
            "enabled: true",
            gemini_stream("Hello"),
            "google",
            "/contents",
        ),
        (
            "odd-journey",
            "enabled: true",
            completion_stream("Hello"),
            "x_ai",
            "/messages",
        ),
    ] {
        let service = Service::of([gives(lines(&sse) + &ended())]).await;
        let (second, proxy) = before_with(&service, keys).await;
        // Whose model an odd name is, only the list tells.
        eventually("the list of models", || async {
            (0 < service.listed()).then_some(())
        })
        .await;
        for (path, stream) in [
            ("/v1/messages", false),
            ("/v1/messages", true),
            ("/v1/chat/completions", false),
            ("/v1/chat/completions", true),
            ("/v1/responses", false),
            ("/v1/responses", true),
        ] {
            let body = json!({"model": model, "max_tokens": 64, "stream": stream, "input": "hi",
                "messages": [{"role": "user", "content": "hi"}]});
            let mut body = body.as_object().unwrap().clone();
            body.remove(if path == "/v1/responses" {
                "messages"
            } else {
                "input"
            });
            if path == "/v1/responses" {
                body.remove("max_tokens");
            }
            let request = Request::post(path, Value::Object(body).to_string());
            let reply = proxy.ask(request).await;
            let text = reply.text();
            assert_eq!(reply.status, 200, "{model} for {path}: {text}");
            assert!(text.contains("Hello"), "{model} for {path}: {text}");
            assert!(!text.contains("stream_ended"), "{text}");
        }
        assert_eq!((service.calls(), second.calls()), (6, 0));
        for index in 0..6 {
            let asked = service.asked(index);
            assert_eq!(
                (asked.told("provider"), asked.told("model")),
                (provider.into(), model.into())
            );
            let within = asked.json()["provider_request"].clone();
            assert!(within.pointer(has).is_some(), "{within}");
            let named = if provider == "google" {
                format!("models/{model}")
            } else {
                model.to_owned()
            };
            assert_eq!(within["model"], named);
        }
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_replaced_once_and_nobody_notices() {
    for (code, header) in [
        (401, "x-zed-expired-token"),
        (400, "x-zed-outdated-token"),
        (403, "x-zed-expired-token"),
    ] {
        let gone = refuses(
            code,
            &[(header, "true")],
            &json!({"code": "x", "message": "no"}),
        );
        let service = Service::of([gone, gives(answer("a"))]).await;
        let (second, proxy) = before(&service).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.json()["content"][0]["text"], "a", "{header}");
        assert_eq!(
            (service.calls(), service.granted(), second.calls()),
            (2, 2, 0)
        );
        let [first, again] = [0, 1].map(|it| service.asked(it));
        assert_eq!(
            again.header("authorization"),
            Some(format!("Bearer {}", token(2)).as_str())
        );
        // It is one request: the same thread, and the same prompt.
        assert_eq!(first.body, again.body);
        assert_eq!(proxy.provider("z").await["failure_count"], 0);
    }
}

#[tokio::test]
async fn a_token_that_ends_twice_is_no_reason_for_a_third() {
    let gone = refuses(
        401,
        &[("x-zed-expired-token", "")],
        &json!({"code": "x", "message": "no"}),
    );
    let service = Service::of([gone]).await;
    let (second, proxy) = before(&service).await;
    let reply = proxy.ask(debugged(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    assert!(
        trace(&reply).contains("z=401 upstream_auth"),
        "{}",
        trace(&reply)
    );
    assert_eq!(
        (service.calls(), service.granted(), second.calls()),
        (2, 2, 1)
    );
    assert_eq!(proxy.provider("z").await["failure_count"], 1);
}

#[tokio::test]
async fn whatever_it_refuses_with_the_next_provider_serves() {
    let failed = |code: &str| {
        status(
            &json!({"failed": {"code": code, "message": "m", "request_id": "r", "retry_after": null}}),
        )
    };
    let none: &[(&str, &str)] = &[];
    let upstream = |code: &str, status: Option<u16>| json!({"code": code, "message": "made up", "upstream_status": status, "retry_after": 30.5});
    let limit = [
        ("x-zed-subscription-limit-resource", "model_requests"),
        ("x-zed-plan", "zed_free"),
    ];
    for (act, expected) in [
        (refuses(402, none, &json!({})), "402 upstream_credit"),
        (refuses(403, &limit, &json!({})), "402 upstream_credit"),
        (refuses(403, none, &json!({})), "403 upstream_auth"),
        (
            refuses(500, none, &upstream("upstream_http_429", None)),
            "429 upstream_limited",
        ),
        (
            refuses(500, none, &upstream("upstream_http_error", Some(503))),
            "503 upstream_status",
        ),
        (
            refuses(500, none, &upstream("upstream_http_529", None)),
            "529 upstream_overloaded",
        ),
        (
            refuses(426, &[("x-zed-minimum-required-version", "9")], &json!({})),
            "503 upstream_status",
        ),
        (
            Act::answer(502, &[("content-type", "text/html")], "<html>"),
            "502 upstream_status",
        ),
        (gives(failed("upstream_http_529")), "upstream_overloaded"),
        (gives(failed("upstream_http_error")), "upstream_status"),
        (gives(failed("payment_required")), "upstream_credit"),
        (gives(status(&json!("started"))), "upstream_bad_answer"),
        (gives(lines(&start())), "upstream_bad_answer"),
        (gives("{\"neither\":1}\n"), "upstream_bad_answer"),
        (
            Act::answer(200, &[("content-type", "text/html")], "<html>"),
            "upstream_bad_answer",
        ),
    ] {
        let service = Service::of([act]).await;
        let (second, proxy) = before(&service).await;
        let reply = proxy.ask(debugged(ask_stream("hi"))).await;
        assert_eq!(reply.status, 200, "{expected}: {}", reply.text());
        let trace = trace(&reply);
        assert!(
            trace.contains(&format!("z={expected}")),
            "{expected}: {trace}"
        );
        assert_eq!((service.calls(), second.calls()), (1, 1), "{expected}");
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back_and_a_clients_fault_is_the_clients() {
    let alone = |service: &Service| Setup::of([Provider::zed("z", &service.url())]);
    let body = json!({"code": "upstream_http_429", "message": "slow down", "retry_after": 30.5});
    let service = Service::of([refuses(500, &[], &body)]).await;
    let proxy = Proxy::start(alone(&service)).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("31"))
    );
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    let body = json!({"code": "upstream_http_400", "message": "messages.0: odd"});
    let service = Service::of([refuses(500, &[("x-zed-plan", "zed_pro")], &body)]).await;
    let proxy = Proxy::start(alone(&service)).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.header("x-zed-plan")), (400, None));
    let error = reply.json();
    assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
    assert_eq!(error["error"]["message"], "messages.0: odd");
    assert_eq!(proxy.provider("z").await["failure_count"], 0);
}

#[tokio::test]
async fn after_content_a_failure_and_a_missing_end_are_told_inside_the_stream() {
    let failed = status(&json!({"failed": {"code": "upstream_http_529", "message": "Overloaded"}}));
    let begun = lines(&[start(), open_text(), delta("on")].concat());
    for (lines, what) in [
        (begun.clone() + &failed, "overloaded_error"),
        (begun.clone(), "api_error"),
        // The model has said its last word, and still nobody says that this was all.
        (begun.clone() + &lines(&finish()), "api_error"),
    ] {
        // In pieces, so that the content is out before the failure comes.
        let (first, rest) = lines.split_at(begun.len());
        let head = "HTTP/1.1 200 OK\r\nx-zed-server-supports-status-messages: true\r\ntransfer-encoding: chunked\r\n\r\n";
        let gate = crate::support::script::Gate::new();
        let mut act = Act::new().send(head).data(first).wait(&gate);
        if !rest.is_empty() {
            act = act.data(rest);
        }
        let service = Service::of([act.end()]).await;
        let (second, proxy) = before(&service).await;
        let mut client = proxy.connect().await;
        client
            .send(Request::messages(ask_stream("hi")).bytes())
            .await;
        assert!(client.head().await.line.contains("200"));
        loop {
            let event = client.event().await.unwrap();
            if event.name == "content_block_delta" {
                break;
            }
        }
        gate.open();
        let rest = client.rest().await;
        assert!(
            rest.contains("event: error") && rest.contains(what),
            "{what}: {rest}"
        );
        assert!(!rest.contains("message_stop"), "{rest}");
        assert_eq!(second.calls(), 0);
        let provider = proxy.provider("z").await;
        assert_eq!(provider["failure_count"], 1, "{provider}");
    }
}

#[tokio::test]
async fn a_message_that_lacks_its_end_is_made_elsewhere() {
    let service = Service::of([gives(lines(&stream("a")))]).await;
    let (_second, proxy) = before(&service).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
}

#[tokio::test]
async fn an_account_that_is_not_known_fails_over_and_is_never_shown() {
    let service = Service::of([gives(answer("a"))]).await;
    service.refuse_accounts();
    let (_second, proxy) = before(&service).await;
    let reply = proxy.ask(debugged(ask("hi"))).await;
    assert_eq!(reply.text(), message("b"));
    assert_eq!(service.calls(), 0);
    let provider = proxy.provider("z").await;
    let why = provider["token"]["why"].as_str().unwrap();
    assert!(why.contains("401") && !why.contains("canary"), "{why}");
    let (checked, code) = proxy.command(&["check", "--verbose"]);
    assert_eq!(code, Some(0), "{checked}");
    assert!(
        checked.contains(&format!("account {USER}")) && !checked.contains("canary"),
        "{checked}"
    );
}

#[tokio::test]
async fn an_answer_that_quotes_a_credential_is_withheld() {
    for secret in [ACCESS.to_owned(), token(1)] {
        let body = json!({"code": "odd", "message": format!("what is {secret}?")});
        let service = Service::of([refuses(400, &[("x-echo", &secret)], &body)]).await;
        let proxy = Proxy::start(Setup::of([Provider::zed("z", &service.url())])).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.status, 400);
        let head = String::from_utf8_lossy(&reply.head.bytes).into_owned();
        assert!(
            !head.contains("canary") && !reply.text().contains("canary"),
            "{head}{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_reload_keeps_token_and_list_of_the_same_account() {
    let service = Service::of([gives(answer("a"))]).await;
    let (_second, proxy) = before(&service).await;
    proxy.ask(Request::messages(ask("1"))).await;
    eventually("the list of models", || async {
        (0 < service.listed()).then_some(())
    })
    .await;
    let reply = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    proxy.ask(Request::messages(ask("2"))).await;
    assert_eq!(
        (service.granted(), service.listed(), service.calls()),
        (1, 1, 2)
    );
}

#[tokio::test]
async fn tokens_are_counted_here_and_a_probe_speaks_as_there() {
    let service = Service::of([gives(answer("a"))]).await;
    let (_second, proxy) = before_with(&service, "probe: {interval: 1h, model: gpt-journey}").await;
    let reply = proxy
        .ask(Request::post("/v1/messages/count_tokens", ask("hi")))
        .await;
    assert!(0 < reply.json()["input_tokens"].as_u64().unwrap());
    eventually("a probe", || async { (0 < service.calls()).then_some(()) }).await;
    let probe = service.asked(0);
    assert_eq!(
        (probe.told("provider"), probe.told("model")),
        ("open_ai".into(), "gpt-journey".into())
    );
    assert_eq!(probe.json().get("thread_id"), None);
}

#[tokio::test]
async fn a_token_that_others_take_care_of_is_sent_as_it_is() {
    let upstream = Upstream::always(gives(answer("a"))).await;
    let provider = Provider::speaking("zed", "z", &upstream.url()).token("llm-canary-9");
    let proxy = Proxy::start(Setup::of([provider])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.json()["content"][0]["text"], "a", "{}", reply.text());
    let calls = 0..upstream.calls();
    let seen = calls
        .map(|it| upstream.seen(it))
        .find(|it| it.head.line.contains("/completions"));
    assert_eq!(
        seen.unwrap().header("authorization"),
        Some("Bearer llm-canary-9")
    );
}
