//! The ledger: one right row for each request, whatever became of it; rows and budgets outlive the process; a disk that
//! cannot be written disturbs nobody.

use std::fs;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use serde_json::Value;

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::streams;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::keys::by;
use crate::support::keys::held;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const SESSION: &str = "canary-session-of-somebody";

/// A row as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    key: Option<String>,
    team: Option<String>,
    provider: Option<String>,
    model_sent: Option<String>,
    endpoint_key: Option<String>,
    tokens: (Option<i64>, Option<i64>),
    estimated: bool,
    cost: Option<i64>,
    outcome: String,
    fault: Option<String>,
    status: Option<u16>,
    attempts: u32,
    source: String,
    session: Option<String>,
    has_ttft: bool,
}

fn rows(proxy: &Proxy) -> Vec<Row> {
    let path = proxy.config_path().with_file_name("usage.sqlite");
    let Ok(file) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Vec::new();
    };
    let sql = "SELECT key, team, provider, model_sent, endpoint_key, input, output, estimated, cost, outcome, fault,
        status, attempts, source, session, ttft_ms FROM requests ORDER BY rowid";
    let Ok(mut statement) = file.prepare(sql) else {
        return Vec::new();
    };
    let rows = statement.query_map([], |it| {
        Ok(Row {
            key: it.get(0)?,
            team: it.get(1)?,
            provider: it.get(2)?,
            model_sent: it.get(3)?,
            endpoint_key: it.get(4)?,
            tokens: (it.get(5)?, it.get(6)?),
            estimated: it.get(7)?,
            cost: it.get(8)?,
            outcome: it.get(9)?,
            fault: it.get(10)?,
            status: it.get(11)?,
            attempts: it.get(12)?,
            source: it.get(13)?,
            session: it.get(14)?,
            has_ttft: it.get::<_, Option<i64>>(15)?.is_some(),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

async fn written(proxy: &Proxy, count: usize) -> Vec<Row> {
    eventually("the rows to be written", || {
        let rows = rows(proxy);
        std::future::ready((count <= rows.len()).then_some(rows))
    })
    .await
}

fn setup(providers: impl IntoIterator<Item = Provider>) -> Setup {
    let setup = Setup::of(providers).section("ledger: {path: usage.sqlite}");
    held(setup, &[("alice", "team: platform"), ("bob", "rpm: 1")])
}

async fn one(upstream: &Upstream) -> Proxy {
    Proxy::start(setup([Provider::anthropic("a", &upstream.url())])).await
}

fn messages(text: &str) -> Request {
    by("alice", Request::messages(ask(text)))
}

fn stream(text: &str) -> Request {
    by("alice", Request::messages(ask_stream(text)))
}

#[tokio::test]
async fn an_answer_is_a_row_streamed_or_not() {
    let upstream = Upstream::first([says("a")], streams("a")).await;
    let proxy = one(&upstream).await;
    let first = messages("1").header("x-claude-code-session-id", SESSION);
    assert_eq!(proxy.ask(first).await.status, 200);
    assert_eq!(proxy.ask(stream("2")).await.status, 200);
    let rows = written(&proxy, 2).await;
    let whole = Row {
        key: Some("alice".to_owned()),
        team: Some("platform".to_owned()),
        provider: Some("a".to_owned()),
        model_sent: Some("claude-sonnet-4-5".to_owned()),
        endpoint_key: rows[0].endpoint_key.clone(),
        tokens: (Some(11), Some(3)),
        estimated: false,
        cost: Some(78),
        outcome: "ok".to_owned(),
        fault: None,
        status: Some(200),
        attempts: 1,
        source: "own".to_owned(),
        session: rows[0].session.clone(),
        has_ttft: true,
    };
    assert_eq!(rows[0], whole);
    assert_eq!(rows[0].session.as_ref().unwrap().len(), 16);
    assert!(rows[0].endpoint_key.as_ref().unwrap().starts_with("1:sk-c"));
    let streamed = Row {
        session: None,
        ..whole
    };
    assert_eq!(rows[1], streamed);
    let file = fs::read(proxy.config_path().with_file_name("usage.sqlite")).unwrap();
    let wal = fs::read(proxy.config_path().with_file_name("usage.sqlite-wal")).unwrap();
    let text = String::from_utf8_lossy(&[file, wal].concat()).into_owned();
    assert!(
        text.contains("platform") && !text.contains("canary"),
        "names, and no secret"
    );
}

#[tokio::test]
async fn shared_and_cached_answers_cost_nothing_and_are_rows_as_well() {
    let gate = Gate::new();
    let upstream = Upstream::script([Act::new().wait(&gate).and(&says("a"))]).await;
    let setup = setup([Provider::anthropic("a", &upstream.url())])
        .setting("deduplication: all")
        .setting("cache: {mode: all}");
    let proxy = Proxy::start(setup).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.connect().await;
        client.send(messages("same").bytes()).await;
        clients.push(client);
    }
    proxy.followed(1).await;
    gate.open();
    for client in &mut clients {
        assert_eq!(client.reply().await.text(), message("a"));
    }
    assert_eq!(
        proxy
            .ask(messages("same"))
            .await
            .header("x-pointsman-cache"),
        Some("hit")
    );
    let mut rows = written(&proxy, 3).await;
    rows.sort_by_key(|it| it.source.clone());
    let told: Vec<_> = rows
        .iter()
        .map(|it| {
            (
                it.source.as_str(),
                it.tokens.0,
                it.cost,
                it.attempts,
                it.outcome.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("cache", None, None, 0, "ok"),
            ("own", Some(11), Some(78), 1, "ok"),
            ("shared", None, None, 0, "ok"),
        ]
    );
    assert!(rows.iter().all(|it| it.provider.as_deref() == Some("a")));
}

#[tokio::test]
async fn a_failover_is_one_row_of_two_attempts_and_a_refusal_names_its_fault() {
    let busy = || refuses(500, "api_error", "boom");
    let first = Upstream::first([busy()], busy()).await;
    let second = Upstream::first([says("b")], busy()).await;
    let setup = setup([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("unhealthy_threshold: 100");
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(messages("1")).await.text(), message("b"));
    assert_eq!(proxy.ask(messages("2")).await.status, 503);
    let bob = || {
        by(
            "bob",
            Request::messages(ask("3").replace("sonnet", "nothing")),
        )
    };
    let _ = proxy.ask(bob()).await;
    assert_eq!(proxy.ask(bob()).await.status, 429);
    let rows = written(&proxy, 4).await;
    assert_eq!(
        (rows[0].attempts, rows[0].provider.as_deref()),
        (2, Some("b"))
    );
    assert_eq!((rows[0].cost, rows[0].outcome.as_str()), (Some(78), "ok"));
    assert_eq!(
        (rows[1].status, rows[1].fault.as_deref()),
        (Some(503), Some("no_endpoint"))
    );
    assert_eq!(
        (rows[1].cost, rows[1].tokens, rows[1].model_sent.as_deref()),
        (None, (None, None), None)
    );
    // A row is written behind the answer: that of the first may come after that of the second.
    let limited = rows.iter().find(|it| it.status == Some(429)).unwrap();
    assert_eq!(limited.fault.as_deref(), Some("rate_limited"));
    assert_eq!((limited.key.as_deref(), limited.attempts), (Some("bob"), 0));
}

#[tokio::test]
async fn an_answer_that_is_cut_and_a_client_that_leaves_are_charged_what_there_was() {
    let gate = Gate::new();
    let begun = || begins(&[start(), open_text(), delta("hello")]);
    let acts = [
        begun().close(),
        begun().wait(&gate).hang(),
        Act::new().hang(),
    ];
    let upstream = Upstream::script(acts).await;
    let proxy = one(&upstream).await;
    let cut = proxy.ask(stream("1")).await;
    assert_eq!(cut.status, 200);
    let mut leaving = proxy.connect().await;
    leaving.send(stream("2").bytes()).await;
    leaving.head().await;
    leaving.event().await;
    leaving.abort();
    written(&proxy, 2).await;
    let mut early = proxy.connect().await;
    early.send(stream("a longer question").bytes()).await;
    upstream.called(3).await;
    early.abort();
    let rows = written(&proxy, 3).await;
    assert_eq!(
        (rows[0].outcome.as_str(), rows[0].status),
        ("upstream_broke", Some(200))
    );
    assert_eq!(
        (rows[0].tokens, rows[0].cost),
        ((Some(11), Some(1)), Some(48))
    );
    assert_eq!(
        (rows[1].outcome.as_str(), rows[1].tokens.0),
        ("client_gone", Some(11))
    );
    // Before anything was said the prompt is all that can be charged, as far as its size is known.
    assert_eq!(
        (rows[2].outcome.as_str(), rows[2].status),
        ("client_gone", None)
    );
    assert!(
        rows[2].estimated && rows[2].tokens.0.is_some(),
        "{:?}",
        rows[2]
    );
}

#[tokio::test]
async fn rows_outlive_a_kill_and_are_reported() {
    let upstream = Upstream::always(says("a")).await;
    let mut proxy = one(&upstream).await;
    for text in ["1", "2", "3"] {
        assert_eq!(proxy.ask(messages(text)).await.status, 200);
    }
    assert_eq!(
        proxy
            .ask(by("bob", Request::messages(ask("1"))))
            .await
            .status,
        200
    );
    written(&proxy, 4).await;
    proxy.kill();
    let (table, code) = proxy.command(&["usage", "--by", "key"]);
    assert_eq!(code, Some(0), "{table}");
    let alice = table.lines().find(|it| it.starts_with("alice")).unwrap();
    let cells: Vec<&str> = alice.split_whitespace().collect();
    assert_eq!(
        cells[1..],
        [
            "3", "0", "0", "33", "0", "0", "9", "0", "0.000234", "0", "0"
        ]
    );
    assert!(table.contains("total"), "{table}");
    let (csv, _) = proxy.command(&["usage", "--by", "team", "--format", "csv"]);
    assert!(csv.starts_with("team,requests,"), "{csv}");
    assert!(
        csv.contains("\r\nplatform,3,0,0,33,0,0,9,0,0.000234,0,0\r\n"),
        "{csv}"
    );
    for by in ["model", "provider", "day", "session"] {
        let (text, code) =
            proxy.command(&["usage", "--by", by, "--format", "json", "--since", "1h"]);
        assert_eq!(code, Some(0), "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["total"]["requests"], 4, "{report}");
    }
    let (none, _) = proxy.command(&[
        "usage",
        "--until",
        "2026-01-01",
        "--since",
        "2025-01-01",
        "--format",
        "json",
    ]);
    assert!(none.contains("\"usage\": []"), "{none}");
    let (text, code) = proxy.command(&["usage", "--since", "soon"]);
    assert!(code == Some(1) && text.contains("--since"), "{text}");
}

#[tokio::test]
async fn a_budget_goes_on_after_a_kill() {
    let upstream = Upstream::always(says("a")).await;
    let limits = [("alice", "daily_usd: 0.0001"), ("bob", "")];
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section("ledger: {path: usage.sqlite}");
    let mut proxy = Proxy::start(held(setup, &limits)).await;
    for text in ["1", "2"] {
        assert_eq!(proxy.ask(messages(text)).await.status, 200);
    }
    assert_eq!(proxy.ask(messages("3")).await.status, 429);
    written(&proxy, 3).await;
    proxy.kill();
    proxy.start_again().await;
    let refused = proxy.ask(messages("4")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["type"], "billing_error");
    assert_eq!(
        proxy
            .ask(by("bob", Request::messages(ask("1"))))
            .await
            .status,
        200
    );
    let (list, _) = proxy.command(&["keys", "list"]);
    assert!(list.contains("$0.000156 of $0.000100"), "{list}");
}

#[tokio::test]
async fn an_orderly_end_writes_the_last_rows() {
    let upstream = Upstream::always(says("a")).await;
    let mut proxy = one(&upstream).await;
    assert_eq!(proxy.ask(messages("1")).await.status, 200);
    proxy.signal("TERM");
    assert_eq!(proxy.ends().await, Some(0));
    assert_eq!(rows(&proxy).len(), 1);
}

#[tokio::test]
async fn the_admin_side_reports_usage_to_who_may_look() {
    let upstream = Upstream::always(says("a")).await;
    let key = "admin-canary-0123456789";
    let setup = setup([Provider::anthropic("a", &upstream.url())])
        .section(&format!("admin: {{key: {key}}}"))
        .secret(key);
    let proxy = Proxy::start(setup).await;
    let usage = |query: &str| Request::get(&format!("/admin/usage{query}"));
    assert_eq!(proxy.ask(usage("")).await.status, 401);
    assert_eq!(
        proxy.ask(by("alice", usage(""))).await.status,
        401,
        "a gateway key is no admin key"
    );
    let asked = |query: &str| proxy.ask(usage(query).header("x-api-key", key));
    assert_eq!(proxy.ask(messages("1")).await.status, 200);
    written(&proxy, 1).await;
    let report = asked("?by=team&since=1d").await.json();
    assert_eq!(report["usage"][0]["team"], "platform", "{report}");
    assert_eq!(report["usage"][0]["tokens"]["input"], 11, "{report}");
    assert_eq!(report["prices_as_of"], "2026-11", "{report}");
    let csv = asked("?by=key&format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.text().contains("\r\nalice,1,"), "{}", csv.text());
    for query in ["?by=prompt", "?since=soon", "?format=xml"] {
        assert_eq!(asked(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_disturbs_nobody_and_is_told() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section("ledger: {path: config.yaml/usage.sqlite}");
    let mut proxy = Proxy::start(held(setup, &[("alice", "daily_usd: 5")])).await;
    for text in ["1", "2", "3"] {
        assert_eq!(proxy.ask(messages(text)).await.status, 200);
    }
    let health = eventually("a warning", || async {
        let health = proxy.ask(Request::get("/health")).await;
        assert_eq!(health.status, 200);
        let health = health.json();
        health["warnings"].is_array().then_some(health)
    })
    .await;
    let warning = health["warnings"][0].as_str().unwrap();
    assert!(warning.contains("cannot be written"), "{warning}");
    proxy.line("usage ledger: cannot be written").await;
}

#[tokio::test]
async fn a_plain_key_and_no_key_at_all_are_written_down_too() {
    let upstream = Upstream::always(says("a")).await;
    let open = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section("ledger: {path: usage.sqlite}");
    let proxy = Proxy::start(open).await;
    assert_eq!(proxy.ask(Request::messages(ask("1"))).await.status, 200);
    assert_eq!(written(&proxy, 1).await[0].key, None);
    let plain = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section("ledger: {path: usage.sqlite}")
        .gateway_key("plain-canary-0123456789");
    let proxy = Proxy::start(plain).await;
    let request = Request::messages(ask("1")).header("x-api-key", "plain-canary-0123456789");
    assert_eq!(proxy.ask(request).await.status, 200);
    assert_eq!(proxy.ask(Request::messages(ask("1"))).await.status, 401);
    let rows = written(&proxy, 1).await;
    assert_eq!(rows.len(), 1, "strangers fill no disk");
    assert_eq!(rows[0].key.as_deref(), Some("gateway"));
}
