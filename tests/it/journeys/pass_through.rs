//! Same dialect in and out: not a byte is changed on the way, whatever it is.

use crate::support::answers::ask;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Ending;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;
use crate::support::wire::Framing;

/// Everything a parser would normalise: spaces, number formats, key order, escapes, unknown fields, a trailing line.
const ODD_REQUEST: &str = "{ \"zz_new_field\" : {\"b\":1,\"a\":[1.0,1e3,-0,0.10,12345678901234567890123]},\r\n\
    \"max_tokens\":64,\t\"model\":\"claude-sonnet-4-5\",\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing: 1\"},\
    {\"type\":\"text\",\"text\":\"caf\\u00e9 \\ud83d\\ude00 \\/ é\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\
    \"thinking\":{\"type\":\"adaptive\"},\"context_management\":{\"edits\":[]},\"output_config\":{\"effort\":\"max\"},\
    \"tools\":[{\"type\":\"web_search_20990101\",\"name\":\"web_search\",\"defer_loading\":true}],\
    \"messages\":[{\"role\":\"user\",\"content\":\"\\\"model\\\":\\\"decoy\\\"\"},{\"content\":[{\"type\":\"block_of_tomorrow\",\
    \"model\":\"inner\"}],\"role\":\"assistant\"},{\"role\":\"system\",\"content\":\"mid\"},{\"role\":\"user\",\"content\":\"go\"}],\
    \"metadata\":{\"user_id\":\"{\\\"session_id\\\":\\\"s\\\"}\"},\"temperature\":1.0,\"stream\":false}\r\n ";

async fn one(upstream: &Upstream) -> Proxy {
    Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await
}

#[tokio::test]
async fn a_request_arrives_byte_for_byte() {
    let upstream = Upstream::always(says("hello")).await;
    let proxy = one(&upstream).await;

    let by_length = proxy.ask(Request::messages(ODD_REQUEST)).await;
    let by_chunks = proxy.ask(Request::messages(ODD_REQUEST).chunked(7)).await;

    assert_eq!((by_length.status, by_chunks.status), (200, 200));
    assert_eq!(upstream.calls(), 2);
    for index in 0..2 {
        let seen = upstream.seen(index);
        assert_eq!(seen.text(), ODD_REQUEST);
        assert_eq!(seen.head.line, "POST /v1/messages HTTP/1.1");
        assert_eq!(seen.header("content-type"), Some("application/json"));
        if index == 0 {
            assert_eq!(seen.framing, Framing::Length(ODD_REQUEST.len()));
        }
    }
}

#[tokio::test]
async fn the_query_of_the_client_goes_along() {
    let upstream = Upstream::always(says("hello")).await;
    let proxy = one(&upstream).await;
    let reply = proxy
        .ask(Request::post("/v1/messages?beta=true", ODD_REQUEST))
        .await;
    assert_eq!(reply.status, 200);
    let line = upstream.only().head.line;
    assert_eq!(line, "POST /v1/messages?beta=true HTTP/1.1");
}

#[tokio::test]
async fn a_json_answer_arrives_byte_for_byte() {
    let body = "{\r\n \"type\" : \"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"model\":\"m\",\
        \"content\":[{\"type\":\"text\",\"text\":\"caf\\u00e9 \\/ é\"},{\"type\":\"block_of_tomorrow\",\"x\":1.0}],\
        \"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"output_tokens\":3.0,\"input_tokens\":1e1},\
        \"zz_new\":null}\n\n";
    let act = Act::answer(
        200,
        &[
            ("request-id", "req_vendor"),
            ("x-new-header", "of tomorrow"),
            ("anthropic-organization-id", "org-1"),
        ],
        body,
    );
    let upstream = Upstream::script([act]).await;
    let proxy = one(&upstream).await;

    let reply = proxy.ask(Request::messages(ODD_REQUEST)).await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), body);
    assert_eq!(reply.ending, Ending::Complete);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-new-header"), Some("of tomorrow"));
    assert_eq!(reply.header("anthropic-organization-id"), Some("org-1"));
    assert_eq!(reply.headers().all("request-id"), ["req_vendor"]);
    assert_eq!(reply.header("x-pointsman-provider"), Some("a"));
    assert!(reply.header("x-pointsman-request-id").is_some());
}

/// Comments, CRLF, a padded line, `data:` without a space, two data lines, an event nobody knows, odd numbers.
const ODD_STREAM: &str = ": keep-alive\r\n\r\nevent: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
    \"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
    \"usage\":{\"input_tokens\":10.0,\"output_tokens\":1}},\"zz\":1e2}\r\n\r\n\
    event: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: news_of_tomorrow\nid: 7\nretry: 10\ndata: {\"type\":\"news_of_tomorrow\",\ndata: \"deep\":[{}]}\n\n\
    event: content_block_start\ndata:{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"caf\\u00e9 é\"}           }\n\n\
    : mid comment\n\n\
    event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"delta_of_tomorrow\",\"x\":1}}\r\n\r\n\
    event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"reason_of_tomorrow\",\"stop_sequence\":null},\
    \"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"   }\n\n";

#[tokio::test]
async fn a_stream_arrives_byte_for_byte() {
    let upstream = Upstream::script([Act::events(ODD_STREAM)]).await;
    let proxy = one(&upstream).await;

    let request = ODD_REQUEST.replace("\"stream\":false", "\"stream\":true");
    let reply = proxy.ask(Request::messages(&request)).await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), ODD_STREAM);
    assert_eq!(reply.ending, Ending::Complete);
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("text/event-stream; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert_eq!(reply.header("content-length"), None);
}

#[tokio::test]
async fn a_stream_cut_into_single_bytes_arrives_the_same() {
    let mut act = Act::stream();
    for byte in ODD_STREAM.as_bytes() {
        act = act.data([*byte]);
    }
    let upstream = Upstream::script([act.end()]).await;
    let proxy = one(&upstream).await;
    let request = ODD_REQUEST.replace("\"stream\":false", "\"stream\":true");
    let reply = proxy.ask(Request::messages(&request)).await;
    assert_eq!(reply.text(), ODD_STREAM);
    assert_eq!(reply.ending, Ending::Complete);
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let body = message("until the end");
    let act = Act::new()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
        .send(&body)
        .close();
    let upstream = Upstream::script([act]).await;
    let proxy = one(&upstream).await;
    let reply = proxy.ask(Request::messages(ODD_REQUEST)).await;
    assert_eq!((reply.status, reply.text()), (200, body));
}

#[tokio::test]
async fn every_vendor_header_goes_through() {
    let upstream = Upstream::script([says("hello")]).await;
    let proxy = one(&upstream).await;
    let request = Request::messages(ODD_REQUEST)
        .header(
            "anthropic-beta",
            "context-1m-2025-08-07,feature-of-tomorrow-2099",
        )
        .header("anthropic-beta", "second-line-2099")
        .header("anthropic-dangerous-direct-browser-access", "true")
        .header("Anthropic-Header-Of-Tomorrow", "yes")
        .header("user-agent", "claude-cli/9.9 (external, cli)")
        .header("x-app", "cli")
        .header("x-stainless-lang", "js")
        .header("x-claude-code-session-id", "5e551011")
        .header("x-claude-code-agent-id", "a9e27")
        .header("accept", "application/json")
        .header("x-whatever", "kept");

    assert_eq!(proxy.ask(request).await.status, 200);

    let seen = upstream.only();
    let betas = seen.headers().all("anthropic-beta").join(",");
    assert_eq!(
        betas,
        "context-1m-2025-08-07,feature-of-tomorrow-2099,second-line-2099"
    );
    for (name, value) in [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("anthropic-header-of-tomorrow", "yes"),
        ("user-agent", "claude-cli/9.9 (external, cli)"),
        ("x-app", "cli"),
        ("x-stainless-lang", "js"),
        ("x-claude-code-session-id", "5e551011"),
        ("x-claude-code-agent-id", "a9e27"),
        ("accept", "application/json"),
        ("x-whatever", "kept"),
    ] {
        assert_eq!(seen.headers().all(name), [value], "{name}");
    }
}

#[tokio::test]
async fn a_mapped_model_changes_its_own_bytes_and_no_others() {
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).route(
        "*sonnet*",
        &["provider: a, model: claude-opus-4-1-20250805, priority: 1"],
    );
    let proxy = Proxy::start(setup).await;

    assert_eq!(proxy.ask(Request::messages(ODD_REQUEST)).await.status, 200);

    let expected = ODD_REQUEST.replacen("\"claude-sonnet-4-5\"", "\"claude-opus-4-1-20250805\"", 1);
    let seen = upstream.only();
    assert_eq!(seen.text(), expected);
    assert_eq!(seen.framing, Framing::Length(expected.len()));
}

#[tokio::test]
async fn a_pin_is_obeyed_and_cut_out() {
    let first = Upstream::silent().await;
    let second = Upstream::always(says("from b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let rest = r#""max_tokens": 64, "model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi","provider":"x"}]"#;

    // First, in the middle and last: the comma goes with it, wherever it stands.
    for body in [
        format!(r#"{{"provider":"b",{rest}}}"#),
        format!(r#"{{"stream":false,"provider" : "b" ,{rest}}}"#),
        format!(r#"{{{rest},"provider":"b"}}"#),
    ] {
        let reply = proxy.ask(Request::messages(&body)).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        let seen = second.seen(second.calls() - 1);
        let json = seen.json();
        assert_eq!(
            json.get("provider"),
            None,
            "{body} arrived as {}",
            seen.text()
        );
        assert_eq!(json["messages"][0]["provider"], "x");
        assert!(
            seen.text().contains(rest),
            "{body} arrived as {}",
            seen.text()
        );
    }
    assert_eq!((first.calls(), second.calls()), (0, 3));
}

#[tokio::test]
async fn an_unknown_pin_is_a_404_and_an_object_is_not_a_pin() {
    let upstream = Upstream::always(says("hello")).await;
    let proxy = one(&upstream).await;
    let tail = r#""max_tokens":64,"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;

    let unknown = proxy
        .ask(Request::messages(format!(
            r#"{{"provider":"nobody",{tail}"#
        )))
        .await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert_eq!(unknown.json()["error"]["type"], "not_found_error");
    assert!(unknown.text().contains("nobody"), "{}", unknown.text());
    assert_eq!(upstream.calls(), 0);

    let object = format!(r#"{{"provider": {{"order":["x"], "n": 1.0}},{tail}"#);
    assert_eq!(proxy.ask(Request::messages(&object)).await.status, 200);
    assert_eq!(upstream.only().text(), object);
}

#[tokio::test]
async fn a_refusal_is_relayed_as_sent() {
    let body = "{\"type\":\"error\", \"error\":{\"type\":\"invalid_request_error\",\
        \"message\":\"messages.1.content.0: Invalid `signature` in `thinking` caf\\u00e9\",\"details\":{\"error_code\":\
        \"thread_unsupported_request\"}},\"request_id\":\"req_vendor\"}\n";
    for status in [400, 413, 422, 418] {
        let act = Act::answer(
            status,
            &[
                ("request-id", "req_vendor"),
                ("x-should-retry", "false"),
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-unified-reset", "1760000000"),
                ("anthropic-ratelimit-unified-reset-of-tomorrow", "1"),
            ],
            // Not the class that is repaired by taking thinking blocks out: there are none in the request.
            body,
        );
        let upstream = Upstream::always(act).await;
        let backup = Upstream::silent().await;
        let setup = Setup::of([
            Provider::anthropic("a", &upstream.url()),
            Provider::anthropic("b", &backup.url()),
        ]);
        let proxy = Proxy::start(setup).await;
        let reply = proxy.ask(Request::messages(ODD_REQUEST)).await;
        assert_eq!((reply.status, reply.text()), (status, body.to_owned()));
        for (name, value) in [
            ("content-type", "application/json"),
            ("request-id", "req_vendor"),
            ("x-should-retry", "false"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-unified-reset", "1760000000"),
            ("anthropic-ratelimit-unified-reset-of-tomorrow", "1"),
        ] {
            assert_eq!(reply.headers().all(name), [value], "{status}: {name}");
        }
        assert_eq!(backup.calls(), 0, "{status} went on to the next provider");
    }
}

#[tokio::test]
async fn a_streaming_client_gets_a_refusal_as_json_with_its_status() {
    let body = error_body(
        "invalid_request_error",
        "prompt is too long: 5 tokens > 4 maximum",
    );
    let upstream = Upstream::always(Act::answer(400, &[], &body)).await;
    let proxy = one(&upstream).await;
    let request = ODD_REQUEST.replace("\"stream\":false", "\"stream\":true");
    let reply = proxy.ask(Request::messages(&request)).await;
    assert_eq!((reply.status, reply.text()), (400, body));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    for (base, path) in [
        ("/team/a", "/team/a/v1/messages"),
        ("/team/a/", "/team/a/v1/messages"),
        ("/team/v1", "/team/v1/messages"),
    ] {
        let upstream = Upstream::always(says("a")).await;
        let url = format!("{}{base}", upstream.url());
        let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &url)])).await;
        let request = Request::post("/v1/messages?beta=true", ask("hi"));
        assert_eq!(proxy.ask(request).await.status, 200);
        let line = format!("POST {path}?beta=true HTTP/1.1");
        assert_eq!(upstream.only().head.line, line);
    }
}
