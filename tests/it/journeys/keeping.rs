//! What operators keep of requests: their lines in the log, and, where they ask for it, their bodies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::answers::{ask, ask_stream, refuses, says, streams};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup, key_of};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn lines_of_requests_are_json_where_asked_for_and_errors_are_never_left_out() {
    let upstream = Upstream::first(
        [says("a"), says("b")],
        refuses(400, "invalid_request_error", "no"),
    )
    .await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("access_log: {format: json, sample: 0}");
    let mut proxy = Proxy::start(setup).await;
    for _ in 0..2 {
        assert_eq!(proxy.ask(Request::messages(ask("hi"))).await.status, 200);
    }
    assert_eq!(proxy.ask(Request::messages(ask("hi"))).await.status, 400);
    let line = proxy.line("\"request finished\"").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["target"], "access");
    assert_eq!(
        (&line["status"], &line["end"]),
        (&400.into(), &"rejected".into())
    );
    assert_eq!(line["route"], "*");
    assert_eq!(proxy.console().matches("request finished").count(), 1);
    // Other lines stay as people read them.
    proxy.signal("HUP");
    proxy.line(" INFO  configuration reloaded").await;
}

#[tokio::test]
async fn all_lines_are_json_where_asked_for() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).setting("log_format: json");
    let mut proxy = Proxy::start(setup).await;
    proxy.ask(Request::messages(ask("hi"))).await;
    proxy.line("\"request finished\"").await;
    proxy.signal("HUP");
    let line = proxy.line("configuration reloaded").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO");
}

/// The captured files of that part, in order, when there are as many as that.
async fn captured(proxy: &Proxy, part: &str, count: usize) -> Vec<(PathBuf, String)> {
    let directory = proxy.config_path().with_file_name("captures");
    eventually("the captures", || async {
        let entries = fs::read_dir(&directory).ok()?;
        let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
        paths.retain(|it| it.to_string_lossy().contains(part));
        paths.sort();
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            (path, text)
        };
        let files: Vec<_> = paths.into_iter().map(read).collect();
        let whole = files.iter().all(|it| !it.1.is_empty());
        (files.len() == count && whole).then_some(files)
    })
    .await
}

#[tokio::test]
async fn bodies_are_kept_without_credentials_for_nobody_else_to_read() {
    let quoted = key_of("a");
    let upstream = Upstream::script([streams(&format!("your key is {quoted}"))]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .gateway_key("canary-gateway-0123456789")
        .setting("capture: {directory: captures, requests: true, responses: true}");
    let mut proxy = Proxy::start(setup).await;
    proxy.line("settings.capture").await;
    let text = format!("a word, {quoted} and canary-gateway-0123456789");
    let request =
        Request::messages(ask_stream(&text)).header("x-api-key", "canary-gateway-0123456789");
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200);

    let id = reply.header("x-pointsman-request-id").unwrap();
    let requests = captured(&proxy, "-request.json", 1).await;
    let responses = captured(&proxy, "-response.txt", 1).await;
    for (path, text) in requests.iter().chain(&responses) {
        assert!(path.to_string_lossy().contains(id), "{}", path.display());
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert!(
        requests[0].1.contains("a word, *** and ***"),
        "{}",
        requests[0].1
    );
    assert!(
        responses[0].1.contains("your key is ***"),
        "{}",
        responses[0].1
    );
    assert!(responses[0].1.ends_with("\n\n"), "{}", responses[0].1);
    let directory = requests[0].0.parent().unwrap();
    assert_eq!(
        fs::metadata(directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn only_what_was_asked_for_is_kept() {
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .route("claude*", &["provider: a"])
        .route("gpt*", &["provider: a"])
        .setting("capture: {directory: captures, responses: true, routes: [gpt*]}");
    let proxy = Proxy::start(setup).await;
    proxy.ask(Request::messages(ask("hi"))).await;
    let gpt = ask("hi").replace(crate::support::answers::MODEL, "gpt-5");
    proxy.ask(Request::messages(gpt)).await;
    let kept = captured(&proxy, "", 1).await;
    assert!(kept[0].0.to_string_lossy().ends_with("-response.txt"));
}
