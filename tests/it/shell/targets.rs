//! Targets: whom a request is meant for, and what of us.

use super::case::{Case, answered, play, refused};

fn host(value: &str) -> String {
    format!("GET /livez HTTP/1.1\r\nhost: {value}\r\n\r\n")
}

fn path(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn hosts() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        "a b", "a/b", "a?b", "a#b", "a@b", "u:p@a", "#@a", "a\\b", "<a>", "", "[::1", "a:b:c",
    ]
    .iter()
    .map(|it| refused(&format!("A9 host {it:?}"), host(it), 400))
    .collect();
    cases.extend([
        refused("A9 no host", "GET /livez HTTP/1.1\r\n\r\n", 400),
        refused(
            "A9 two hosts",
            "GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            400,
        ),
        refused(
            "A9 two hosts alike",
            "GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            400,
        ),
        refused(
            "A9 another host in the target",
            path("http://169.254.169.254/latest/meta-data"),
            400,
        ),
        refused("A9 a user in the target", path("http://u@a/livez"), 400),
        refused("A9 another scheme", path("ftp://a/livez"), 400),
        refused("A9 a file", path("file:///etc/passwd"), 400),
        refused("A9 no authority", path("http:///livez"), 400),
        refused("A9 a backslash", path("http:\\\\a/livez"), 400),
        refused("A9 one slash", path("http:/a/livez"), 400),
        refused("A9 no slash at all", path("livez"), 400),
        refused("A9 a star", path("*"), 400),
        refused("A9 a control character", path("/livez\x01"), 400),
        refused("A9 beyond ASCII", path("/liv\u{e9}z"), 400),
        refused("A9 a NUL", path("/livez\0"), 400),
        refused("A9 angle brackets", path("/<livez>"), 400),
    ]);
    cases
}

#[tokio::test]
async fn who_is_meant_must_be_beyond_doubt() {
    play(&hosts()).await;
}

#[tokio::test]
async fn and_so_it_must_on_a_connection_in_use() {
    let later: Vec<Case> = hosts().iter().map(Case::later).collect();
    play(&later).await;
}

#[tokio::test]
async fn paths_are_an_exact_list() {
    let mut cases: Vec<Case> = [
        "/v1/../providers",
        "/v1/%2e%2e/providers",
        "/v1/..;/providers",
        "//providers",
        "/./providers",
        "/providers/",
        "/%70roviders",
        "/providers%00",
        "/providers%2f",
        "/PROVIDERS",
        "/v1//messages",
        "/v1/messages/",
        "/v1/messages%20",
        "/v1/messages;x=1",
        "/admin",
        "/admin/",
        "/.env",
        "/v1/models/..",
        "/v1/models/../../providers",
        "/api/event_logging/../x",
    ]
    .iter()
    .map(|it| answered(&format!("A10 {it}"), path(it), &[404]))
    .collect();
    for method in [
        "TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "FOO",
    ] {
        let bytes = format!("{method} /v1/messages HTTP/1.1\r\nhost: a\r\n\r\n");
        cases.push(answered(&format!("A8 {method}"), bytes, &[405]));
    }
    cases.push(answered(
        "A8 OPTIONS *",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        &[404],
    ));
    cases.push(answered(
        "A9 the same host twice over",
        path("http://a/livez"),
        &[200],
    ));
    cases.push(
        answered(
            "A9 HTTP/1.0 without a host",
            "GET /livez HTTP/1.0\r\n\r\n",
            &[200],
        )
        .closes(),
    );
    cases.push(answered(
        "A11 HTTP/1.0 that stays",
        "GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        &[200],
    ));
    play(&cases).await;
}
