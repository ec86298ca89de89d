//! What Pointsman says by itself: refusals before any provider is asked, and the small endpoints around the calls.

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_sized;
use crate::support::answers::ask_stream;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const KEY: &str = "sk-canary-gateway-0123456789";

async fn one(settings: &[&str]) -> (Upstream, Proxy) {
    let upstream = Upstream::always(says("hello")).await;
    let mut setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    for line in settings {
        setup = setup.setting(line);
    }
    let proxy = Proxy::start(setup).await;
    (upstream, proxy)
}

/// An error of our own for an Anthropic client; gives its message.
fn told(reply: &Reply, status: u16, kind: &str) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json = reply.json();
    assert_eq!(json["type"], "error", "{json}");
    assert_eq!(json["error"]["type"], kind, "{json}");
    let id = json["request_id"].as_str().unwrap();
    assert_eq!(reply.header("request-id"), Some(id));
    json["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_shows_no_key_is_told_once() {
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).gateway_key(KEY);
    let proxy = Proxy::start(setup).await;
    let shown: [&[(&str, &str)]; 6] = [
        &[],
        &[("x-api-key", "wrong")],
        &[("x-api-key", "")],
        &[("x-api-key", &KEY[..KEY.len() - 1])],
        &[("authorization", "Bearer sk-canary-gateway-01234567890")],
        &[("authorization", "Basic c2stY2FuYXJ5")],
    ];
    for headers in shown {
        let mut request = Request::messages(ask("hi"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let reply = proxy.ask(request).await;
        let message = told(&reply, 401, "authentication_error");
        assert_eq!(reply.header("x-should-retry"), Some("false"), "{headers:?}");
        assert!(!message.contains("wrong"), "{message}");
    }
    let in_query = Request::post(&format!("/v1/messages?key={KEY}"), ask("hi"));
    assert_eq!(proxy.ask(in_query).await.status, 401);
    assert_eq!(upstream.calls(), 0);

    let shown: [&[(&str, &str)]; 4] = [
        &[("x-api-key", KEY)],
        &[("authorization", &format!("Bearer {KEY}"))],
        &[("x-api-key", KEY), ("authorization", "Bearer other")],
        &[
            ("x-api-key", "other"),
            ("authorization", &format!("Bearer {KEY}")),
        ],
    ];
    for headers in shown {
        let mut request = Request::messages(ask("hi"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        assert_eq!(proxy.ask(request).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn an_openai_path_that_is_not_served_is_a_404_in_its_shape() {
    let (upstream, proxy) = one(&[]).await;
    let reply = proxy
        .ask(Request::post(
            "/v1/completions",
            r#"{"model":"gpt-x","prompt":"hi"}"#,
        ))
        .await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["error"]["type"], "invalid_request_error", "{json}");
    assert!(json["error"]["message"].is_string(), "{json}");
    assert_eq!(json.get("type"), None, "{json}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn warming_and_life_signs_need_no_key() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).gateway_key(KEY);
    let proxy = Proxy::start(setup).await;
    for request in [
        Request::new("HEAD", "/"),
        Request::get("/"),
        Request::new("HEAD", "/api/hello"),
        Request::get("/livez"),
        Request::get("/readyz"),
        Request::get("/health"),
    ] {
        let reply = proxy.ask(request.clone()).await;
        assert_eq!(reply.status, 200, "{request:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn unknown_paths_are_a_404_and_go_nowhere() {
    let (upstream, proxy) = one(&[]).await;
    for path in [
        "/v1/nothing",
        "/v1/messages/",
        "/v1/messages/x",
        "/V1/MESSAGES",
        "//v1/messages",
        "/v1/../v1/messages",
        "/v1/%6dessages",
        "/v1/messages%2f..%2ffiles",
        "/v1/files",
        "/admin/../v1/messages",
    ] {
        let reply = proxy.ask(Request::post(path, ask("hi"))).await;
        told(&reply, 404, "not_found_error");
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let (upstream, proxy) = one(&[]).await;
    for (method, path, allow) in [
        ("GET", "/v1/messages", "POST"),
        ("DELETE", "/v1/messages", "POST"),
        ("GET", "/v1/messages/count_tokens", "POST"),
        ("GET", "/providers/reload", "POST"),
        ("POST", "/providers", "GET"),
        ("POST", "/v1/models", "GET"),
    ] {
        let reply = proxy.ask(Request::new(method, path)).await;
        assert_eq!(reply.status, 405, "{method} {path}: {}", reply.text());
        let allowed = reply.header("allow").unwrap_or_default();
        assert!(allowed.contains(allow), "{method} {path}: {allowed}");
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413() {
    let (upstream, proxy) = one(&["max_body_bytes: 100000"]).await;
    let large = Request::messages(ask_sized(100_001, false));
    for request in [large.clone(), large.chunked(1_000)] {
        let reply = proxy.ask(request).await;
        let message = told(&reply, 413, "request_too_large");
        assert!(message.contains("100000"), "{message}");
    }
    assert_eq!(upstream.calls(), 0);
    let fits = proxy
        .ask(Request::messages(ask_sized(100_000, false)))
        .await;
    assert_eq!(fits.status, 200);
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body_comes() {
    let (upstream, proxy) = one(&["max_body_bytes: 100000"]).await;
    let mut client = proxy.connect().await;
    client
        .send("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551615\r\n\r\n{")
        .await;
    let reply = client.reply().await;
    assert!([400, 413].contains(&reply.status), "{}", reply.text());
    assert_eq!(reply.json()["type"], "error");
    let mut client = proxy.connect().await;
    client
        .send("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n{")
        .await;
    told(&client.reply().await, 413, "request_too_large");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_understood_is_a_400_that_says_why() {
    let (upstream, proxy) = one(&[]).await;
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    let cases: [(&[u8], &str); 13] = [
        (b"", "json"),
        (b"{\"model\":", "json"),
        (b"not json", "json"),
        (b"[]", "object"),
        (b"{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}", "utf-8"),
        (b"\xff\xfe{\0}\0", "utf-8"),
        (b"{}", "model"),
        (b"{\"max_tokens\":1}", "model"),
        (b"{\"model\":7,\"messages\":[]}", "model"),
        (b"{\"model\":\"\",\"messages\":[]}", "model"),
        (b"{\"model\":null,\"messages\":[]}", "model"),
        (b"{\"model\":\"claude-sonnet-4-5\"}", "messages"),
        (b"{\"model\":\"claude-sonnet-4-5\",\"messages\":\"hi\"}", "messages"),
    ];
    for (body, word) in cases {
        let reply = proxy.ask(Request::messages(body)).await;
        let what = String::from_utf8_lossy(body).into_owned();
        let message = told(&reply, 400, "invalid_request_error");
        assert!(message.to_lowercase().contains(word), "{what}: {message}");
    }
    let odd_stream = format!(r#"{{"model":"{MODEL}","stream":"yes",{messages}}}"#);
    let message = told(
        &proxy.ask(Request::messages(odd_stream)).await,
        400,
        "invalid_request_error",
    );
    assert!(message.contains("stream"), "{message}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_body_of_another_content_type_is_told_so() {
    let (upstream, proxy) = one(&[]).await;
    let labelled = |label: &str, body: &str| {
        Request::new("POST", "/v1/messages")
            .header("content-type", label)
            .body(body)
    };
    for (label, body) in [
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/x-www-form-urlencoded", "model=claude"),
        ("text/xml", "<a/>"),
    ] {
        let reply = proxy.ask(labelled(label, body)).await;
        let message = told(&reply, 400, "invalid_request_error");
        assert!(message.contains(label), "{message}");
        assert!(message.contains("application/json"), "{message}");
    }
    let json = told(
        &proxy.ask(labelled("application/json", "no")).await,
        400,
        "invalid_request_error",
    );
    assert!(!json.contains("content-type"), "{json}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_hundred_thousand_levels_do_no_harm() {
    let (upstream, proxy) = one(&[]).await;
    let open = format!(r#"{{"model":"{MODEL}","messages":[],"deep":"#);
    for (left, right) in [("[", "]"), ("{\"a\":", "}")] {
        let middle = if right == "}" { "1" } else { "" };
        let body = format!(
            "{open}{}{middle}{}}}",
            left.repeat(100_000),
            right.repeat(100_000)
        );
        let reply = proxy.ask(Request::messages(&body)).await;
        assert!([200, 400].contains(&reply.status), "{}", reply.text());
        let unclosed = format!("{open}{}", left.repeat(100_000));
        told(
            &proxy.ask(Request::messages(&unclosed)).await,
            400,
            "invalid_request_error",
        );
        // In front of the model, too, where somebody might look for it.
        let first = format!(
            r#"{{"deep":{}{middle}{},"model":"{MODEL}","messages":[]}}"#,
            left.repeat(100_000),
            right.repeat(100_000)
        );
        let reply = proxy.ask(Request::messages(&first)).await;
        assert!([200, 400].contains(&reply.status), "{}", reply.text());
    }
    let before = upstream.calls();
    assert_eq!(proxy.ask(Request::messages(ask("alive"))).await.status, 200);
    assert_eq!(upstream.calls(), before + 1);
}

#[tokio::test]
async fn strange_model_names_are_refused_or_quoted_and_nothing_more() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).route(
        "claude-haiku-4-5",
        &["provider: a, model: passthrough, priority: 1"],
    );
    let proxy = Proxy::start(setup).await;
    for name in [
        r"x\r\nset-cookie: a=b",
        "../../etc/passwd",
        r#"a\"b"#,
        r"\u0000",
        &"m".repeat(1_000_000),
    ] {
        let body = format!(r#"{{"model":"{name}","max_tokens":1,"messages":[]}}"#);
        let reply = proxy.ask(Request::messages(body)).await;
        assert!([400, 404].contains(&reply.status), "{}", reply.status);
        assert!(reply.body.len() < 4_000, "{} bytes", reply.body.len());
        assert_eq!(reply.header("set-cookie"), None);
        reply.json();
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn an_unknown_model_is_a_404_with_near_names() {
    let upstream = Upstream::silent().await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).route(
        "claude-haiku-4-5",
        &["provider: a, model: passthrough, priority: 1"],
    );
    let proxy = Proxy::start(setup).await;
    let body = ask("hi").replace(MODEL, "claude-hiaku-4-5");
    let message = told(
        &proxy.ask(Request::messages(body)).await,
        404,
        "not_found_error",
    );
    assert!(message.contains("claude-haiku-4-5"), "{message}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn an_unknown_model_takes_the_default_route_with_a_warning() {
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .route(
            "*sonnet*",
            &["provider: a, model: passthrough, priority: 1"],
        )
        .route("*haiku*", &["provider: a, model: passthrough, priority: 1"]);
    let mut proxy = Proxy::start(setup).await;
    let body = ask("hi").replace(MODEL, "mystery-model-9");
    assert_eq!(
        proxy.ask(Request::messages(&body)).await.text(),
        message("hello")
    );
    let line = proxy.line("mystery-model-9").await;
    assert!(line.contains("WARN"), "{line}");
    assert_eq!(upstream.only().text(), body);
}

#[tokio::test]
async fn heads_beyond_all_measure_are_refused() {
    let (upstream, proxy) = one(&[]).await;
    let wide = Request::messages(ask("hi")).header("x-wide", &"w".repeat(2_000_000));
    let mut many = Request::messages(ask("hi"));
    for index in 0..1_000 {
        many = many.header(&format!("x-many-{index}"), "1");
    }
    for request in [wide, many] {
        let mut client = proxy.connect().await;
        let reply = client.ask(request).await;
        assert!([400, 431].contains(&reply.status), "{}", reply.status);
        client.closed().await;
    }
    assert_eq!(upstream.calls(), 0);
}

async fn is_not_http(bytes: &str) {
    let (upstream, proxy) = one(&[]).await;
    let mut client = proxy.connect().await;
    client.send(bytes).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 400, "{bytes:?}: {}", reply.text());
    assert_eq!(
        reply.json()["error"]["type"],
        "invalid_request_error",
        "{bytes:?}"
    );
    assert!(client.closed().await.is_empty(), "{bytes:?}");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn what_is_not_http_is_told_so_in_json() {
    for bytes in [
        "NONSENSE AND MORE NONSENSE\r\n\r\n",
        "POST /v1/messages\r\nhost: x\r\n\r\n",
        "POST /v1/messages HTTP/9.9\r\nhost: x\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nhost x\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nbad\0name: 1\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\n{}",
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        is_not_http(bytes).await;
    }
}

#[tokio::test]
async fn broken_chunks_are_told_so_in_json() {
    is_not_http("POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n").await;
}

/// Shorter than the preface of HTTP/2, which nobody may wait for.
#[tokio::test]
async fn a_short_request_is_answered_at_once() {
    is_not_http("NONSENSE\r\n\r\n").await;
}

/// Health checks of load balancers are like this; the end of the connection is the end of the answer for them.
#[tokio::test]
async fn clients_of_http_1_0_are_served_and_let_go() {
    let (_upstream, proxy) = one(&[]).await;
    for bytes in ["GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n"] {
        let mut client = proxy.connect().await;
        client.send(bytes).await;
        let said = String::from_utf8_lossy(&client.closed().await).into_owned();
        assert!(
            said.starts_with("HTTP/1.") && said.contains(" 200 "),
            "{bytes:?}: {said:?}"
        );
    }
}

#[tokio::test]
async fn who_sends_its_head_too_slowly_is_let_go() {
    let (upstream, proxy) = one(&["client_read_timeout: 400ms", "keepalive_timeout: 1"]).await;
    for partial in [
        "",
        "POST /v1/mess",
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\n",
    ] {
        let mut client = proxy.connect().await;
        client.send(partial).await;
        let said = String::from_utf8_lossy(&client.closed().await).into_owned();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{said}"
        );
    }
    // A second request on a connection is held to the same.
    let mut client = proxy.connect().await;
    assert_eq!(client.ask(Request::messages(ask("hi"))).await.status, 200);
    client.send("POST /v1/mess").await;
    client.closed().await;
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn who_sends_its_body_too_slowly_is_told_and_let_go() {
    let (upstream, proxy) = one(&["client_read_timeout: 400ms"]).await;
    let request = Request::messages(ask("hi"));
    let mut client = proxy.connect().await;
    client.send(request.head_bytes()).await;
    client.send(&request.body_bytes()[..10]).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 408, "{}", reply.text());
    assert_eq!(reply.json()["type"], "error");
    client.closed().await;
    assert_eq!(upstream.calls(), 0);
}

/// Pingora is more lenient than the front, and sees every request of a connection but the first alone.
#[tokio::test]
async fn a_later_head_is_held_to_the_same() {
    let (upstream, proxy) = one(&[]).await;
    let body = ask("hi");
    let length = format!("content-length: {}\r\n", body.len());
    let host = "host: x\r\n";
    let heads = [
        length.clone(),
        format!("{host}{length}host: y\r\n"),
        format!("host: a@b\r\n{length}"),
        format!("{host}{length}{length}"),
        format!("{host}{length}content-length: 3\r\n"),
        format!("{host}content-length: +{}\r\n", body.len()),
        format!("{host}{length}transfer-encoding: chunked\r\n"),
        format!("{host}transfer-encoding: gzip, chunked\r\n"),
        format!("{host}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
    ];
    for head in heads {
        let mut client = proxy.connect().await;
        assert_eq!(client.ask(Request::get("/livez")).await.status, 200);
        client
            .send(format!("POST /v1/messages HTTP/1.1\r\n{head}\r\n{body}"))
            .await;
        let said = String::from_utf8_lossy(&client.closed().await).into_owned();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 400 "),
            "{head:?}: {said}"
        );
        assert_eq!(upstream.calls(), 0, "{head:?}");
    }
}

/// A sign of life now and then must not hold a connection for ever, on its second request as little as on its first.
#[tokio::test]
async fn who_drips_a_later_head_is_let_go() {
    let (_upstream, proxy) = one(&["client_read_timeout: 400ms", "keepalive_timeout: 1"]).await;
    for earlier in 1..=2 {
        let mut client = proxy.connect().await;
        for _ in 0..earlier {
            assert_eq!(client.ask(Request::get("/livez")).await.status, 200);
        }
        client.send("POST /v1/messages HTTP/1.1\r\nx-slow: ").await;
        let (mut input, mut output) = client.into_parts();
        let dripping = tokio::spawn(async move {
            while output.write_all(b"x").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        let mut rest = Vec::new();
        let _ = crate::support::soon("the end", input.read_to_end(&mut rest)).await;
        dripping.abort();
    }
}

/// The same for a body, whose announced length counts against the memory for all.
#[tokio::test]
async fn who_drips_its_body_is_told_and_let_go() {
    let (upstream, proxy) = one(&["client_read_timeout: 400ms"]).await;
    let mut client = proxy.connect().await;
    client
        .send("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n{")
        .await;
    let (mut input, mut output) = client.into_parts();
    let dripping = tokio::spawn(async move {
        while output.write_all(b" ").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let mut answer = [0; 12];
    let read = input.read_exact(&mut answer);
    crate::support::soon("an answer", read).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    dripping.abort();
    assert_eq!(upstream.calls(), 0);
}

/// Without chunks only the end of the connection tells a client of HTTP/1.0 that its stream is over.
#[tokio::test]
async fn a_stream_for_http_1_0_ends_with_its_connection() {
    let upstream = Upstream::always(streams("hello")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let body = ask_stream("hi");
    let mut client = proxy.connect().await;
    client
        .send(format!(
            "POST /v1/messages HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let said = String::from_utf8_lossy(&client.closed().await).into_owned();
    assert!(said.ends_with(&stream("hello")), "{said}");
}

#[tokio::test]
async fn the_front_page_is_a_small_status() {
    let (_upstream, proxy) = one(&["app_name: House Proxy"]).await;
    let reply = proxy.ask(Request::get("/")).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(json["service"], "House Proxy", "{json}");
    assert_eq!(json["status"], "healthy", "{json}");
    assert_eq!(json["providers_available"], 1, "{json}");
    assert!(json["version"].is_string(), "{json}");
    let head = proxy.ask(Request::new("HEAD", "/")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn life_signs() {
    let (upstream, proxy) = one(&[]).await;
    assert_eq!(
        proxy.ask(Request::get("/health")).await.json()["status"],
        "healthy"
    );
    assert_eq!(proxy.ask(Request::get("/livez")).await.status, 200);
    assert_eq!(proxy.ask(Request::get("/readyz")).await.status, 200);
    let mut client = proxy.connect().await;
    let hello = client.ask(Request::new("HEAD", "/api/hello")).await;
    assert_eq!((hello.status, hello.body.len()), (200, 0));
    // The connection is warm now and serves the call.
    let reply = client.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("hello"));
    let telemetry = client
        .ask(Request::post(
            "/api/event_logging/batch",
            r#"{"events":[]}"#,
        ))
        .await;
    assert_eq!(
        (telemetry.status, telemetry.json()),
        (200, serde_json::json!({}))
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn models_are_listed_for_discovery() {
    let upstream = Upstream::silent().await;
    let candidate = "provider: a, model: passthrough, priority: 1";
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .route("claude-opus-4-1", &[candidate])
        .route("claude-haiku-4-5", &[candidate]);
    let proxy = Proxy::start(setup).await;
    let list = proxy.ask(Request::get("/v1/models?limit=1000")).await;
    assert_eq!(list.status, 200, "{}", list.text());
    let json = list.json();
    let ids: Vec<&str> = json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.contains(&"claude-opus-4-1") && ids.contains(&"claude-haiku-4-5"),
        "{ids:?}"
    );
    let single = proxy.ask(Request::get("/v1/models/claude-opus-4-1")).await;
    assert_eq!(
        (single.status, &single.json()["id"]),
        (200, &"claude-opus-4-1".into())
    );
    let unknown = proxy.ask(Request::get("/v1/models/claude-nothing")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert_eq!(unknown.json()["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn models_are_listed_in_the_callers_dialect() {
    let upstream = Upstream::silent().await;
    let candidate = "provider: a, model: passthrough, priority: 1";
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .route("claude-opus-4-1-20250805", &[candidate]);
    let proxy = Proxy::start(setup).await;
    let versioned = |path| Request::get(path).header("anthropic-version", "2023-06-01");
    let anthropic = proxy.ask(versioned("/v1/models")).await.json();
    assert_eq!(anthropic.get("object"), None, "{anthropic}");
    let first = &anthropic["data"][0];
    assert_eq!(
        (&first["type"], first.get("object")),
        (&"model".into(), None)
    );
    let openai = proxy.ask(Request::get("/v1/models")).await.json();
    assert_eq!(openai["object"], "list", "{openai}");
    let first = &openai["data"][0];
    assert_eq!(first["object"], "model", "{openai}");
    assert_eq!(first["created"], 1_754_352_000, "{openai}");
    assert!(first["owned_by"].is_string(), "{openai}");
    let unknown = proxy.ask(versioned("/v1/models/claude-nothing")).await;
    assert_eq!(unknown.json()["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn a_model_that_a_pattern_serves_is_found_under_any_spelling() {
    let upstream = Upstream::silent().await;
    let candidate = "provider: a, model: passthrough, priority: 1";
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .route("*sonnet*", &[candidate])
        .route("google/gemini-2.5-pro", &[candidate]);
    let proxy = Proxy::start(setup).await;
    for (written, id) in [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("google/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("google%2Fgemini-2.5-pro", "google/gemini-2.5-pro"),
    ] {
        let reply = proxy
            .ask(Request::get(&format!("/v1/models/{written}")))
            .await;
        assert_eq!(reply.status, 200, "{written}: {}", reply.text());
        assert_eq!(reply.json()["id"], id);
    }
    let unserved = proxy.ask(Request::get("/v1/models/gpt-5")).await;
    assert_eq!(unserved.status, 404, "{}", unserved.text());
}
