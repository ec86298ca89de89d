//! Named keys: what each may use, how a client is told that it is too much, and that holders never meet.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::streams;
use crate::support::client::Client;
use crate::support::client::Ending;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::keys::by;
use crate::support::keys::held;
use crate::support::keys::key_of_holder;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn gateway(upstream: &Upstream, holders: &[(&str, &str)]) -> Proxy {
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    Proxy::start(held(setup, holders)).await
}

fn chat(text: &str) -> Request {
    let body =
        format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    Request::post("/v1/chat/completions", body)
}

fn messages(text: &str) -> Request {
    Request::messages(ask(text))
}

fn number(reply: &Reply, header: &str) -> u64 {
    let value = reply.header(header);
    let value = value.unwrap_or_else(|| panic!("no {header} in {:?}", reply.headers()));
    value
        .parse()
        .unwrap_or_else(|_| panic!("{header}: {value}"))
}

#[tokio::test]
async fn requests_a_minute_are_told_on_answers_and_refused_beyond() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = gateway(&upstream, &[("alice", "rpm: 2"), ("bob", "rpm: 9")]).await;
    let first = proxy.ask(by("alice", messages("1"))).await;
    assert_eq!((first.status, first.text()), (200, message("a")));
    assert_eq!(number(&first, "anthropic-ratelimit-requests-limit"), 2);
    assert_eq!(number(&first, "anthropic-ratelimit-requests-remaining"), 1);
    let reset = first.header("anthropic-ratelimit-requests-reset").unwrap();
    assert!(reset.ends_with('Z') && reset.len() == 20, "{reset}");
    let second = proxy.ask(by("alice", chat("2"))).await;
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(number(&second, "x-ratelimit-remaining-requests"), 0);
    assert!(
        second
            .header("x-ratelimit-reset-requests")
            .unwrap()
            .ends_with('s')
    );

    let third = proxy.ask(by("alice", messages("3"))).await;
    assert_eq!(third.status, 429);
    let error = &third.json()["error"];
    assert_eq!(error["type"], "rate_limit_error", "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("2 requests a minute"), "{text}");
    assert!((1..=30).contains(&number(&third, "retry-after")));
    assert_eq!(number(&third, "anthropic-ratelimit-requests-remaining"), 0);
    assert_eq!(third.header("x-should-retry"), None);
    let fourth = proxy.ask(by("alice", chat("4"))).await;
    assert_eq!(fourth.status, 429);
    let error = &fourth.json()["error"];
    assert_eq!(error["type"], "rate_limit_exceeded", "{error}");
    assert_eq!(error["code"], "rate_limit_exceeded", "{error}");
    assert_eq!(number(&fourth, "x-ratelimit-limit-requests"), 2);
    assert_eq!(upstream.calls(), 2);

    assert_eq!(proxy.ask(by("bob", messages("5"))).await.status, 200);
}

#[tokio::test]
async fn tokens_a_minute_are_counted_when_the_answer_has_told() {
    let upstream = Upstream::always(streams("a")).await;
    let proxy = gateway(&upstream, &[("alice", "tpm: 30")]).await;
    let first = Request::messages(crate::support::answers::ask_stream("1"));
    let first = proxy.ask(by("alice", first)).await;
    assert_eq!(first.status, 200);
    assert_eq!(number(&first, "anthropic-ratelimit-tokens-limit"), 30);
    // What was reserved was given back but for the fourteen that were used.
    let second = proxy.ask(by("alice", messages("2"))).await;
    assert_eq!(second.status, 429, "{}", second.text());
    let text = second.text();
    assert!(text.contains("30 tokens a minute"), "{text}");
    assert!((16..=17).contains(&number(&second, "anthropic-ratelimit-tokens-remaining")));
    assert!((1..=60).contains(&number(&second, "retry-after")));
    let third = proxy.ask(by("alice", chat("3"))).await;
    assert_eq!(third.json()["error"]["code"], "rate_limit_exceeded");
    assert!(number(&third, "x-ratelimit-remaining-tokens") <= 18);
    assert_eq!(upstream.calls(), 1);
}

/// An answer costs 11 × 3 + 3 × 15 = 78 millionths of a dollar.
#[tokio::test]
async fn a_budget_that_is_used_up_is_no_reason_to_repeat() {
    let upstream = Upstream::always(says("a")).await;
    let holders = [
        ("alice", "daily_usd: 0.0001"),
        ("bob", "monthly_usd: 0.00001"),
    ];
    let proxy = gateway(&upstream, &holders).await;
    for text in ["1", "2"] {
        assert_eq!(proxy.ask(by("alice", messages(text))).await.status, 200);
    }
    let third = proxy.ask(by("alice", messages("3"))).await;
    assert_eq!(third.status, 429);
    assert_eq!(third.header("x-should-retry"), Some("false"));
    assert_eq!(third.header("retry-after"), None);
    let error = &third.json()["error"];
    assert_eq!(error["type"], "billing_error", "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(
        text.starts_with("the daily budget of this key, $0.000100, is used up"),
        "{text}"
    );
    assert!(text.ends_with("T00:00:00Z"), "{text}");

    assert_eq!(proxy.ask(by("bob", chat("1"))).await.status, 200);
    let second = proxy.ask(by("bob", chat("2"))).await;
    assert_eq!(second.status, 429);
    assert_eq!(second.header("x-should-retry"), Some("false"));
    let error = &second.json()["error"];
    assert_eq!(error["type"], "insufficient_quota", "{error}");
    assert_eq!(error["code"], "insufficient_quota", "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(
        text.contains("monthly") && text.ends_with("-01T00:00:00Z"),
        "{text}"
    );
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test]
async fn a_model_of_unknown_price_cannot_pass_a_budget() {
    let upstream = Upstream::always(says("a")).await;
    let proxy = gateway(&upstream, &[("alice", "daily_usd: 0.0001")]).await;
    let unknown = || Request::messages(ask("hi").replace(MODEL, "brand-new"));
    assert_eq!(proxy.ask(by("alice", unknown())).await.status, 200);
    assert_eq!(proxy.ask(by("alice", unknown())).await.status, 429);
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_a_place_is_free_with_the_last_byte() {
    let gate = Gate::new();
    let slow = Act::new().wait(&gate).and(&says("slow"));
    let upstream = Upstream::first([slow], says("a")).await;
    let proxy = gateway(&upstream, &[("alice", "max_concurrent: 1")]).await;
    let mut first = proxy.connect().await;
    first.send(by("alice", messages("1")).bytes()).await;
    upstream.called(1).await;
    let second = proxy.ask(by("alice", messages("2"))).await;
    assert_eq!(second.status, 429);
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(second.json()["error"]["type"], "rate_limit_error");
    gate.open();
    assert_eq!(first.reply().await.text(), message("slow"));
    for text in ["3", "4", "5", "6"] {
        let next = proxy.ask(by("alice", messages(text))).await;
        assert_eq!(next.status, 200, "{}", next.text());
    }
}

#[tokio::test]
async fn keys_that_are_no_good_any_more_say_so() {
    let upstream = Upstream::always(says("a")).await;
    let holders = [
        ("gone", "revoked: true"),
        ("old", "expires: 2026-01-31"),
        ("new", "expires: 2099-01-31"),
    ];
    let proxy = gateway(&upstream, &holders).await;
    for (name, why) in [
        ("gone", "was revoked"),
        ("old", "expired at 2026-02-01T00:00:00Z"),
    ] {
        for request in [messages("1"), chat("1"), Request::get("/v1/models")] {
            let reply = proxy.ask(by(name, request)).await;
            assert_eq!(reply.status, 401, "{name}");
            assert!(reply.text().contains(why), "{}", reply.text());
            assert_eq!(reply.header("x-should-retry"), Some("false"));
        }
    }
    assert_eq!(
        proxy.ask(messages("1")).await.status,
        401,
        "a key is needed"
    );
    let wrong = messages("1").header("x-api-key", "pmk-guess");
    assert_eq!(proxy.ask(wrong).await.status, 401);
    assert_eq!(upstream.calls(), 0);
    assert_eq!(proxy.ask(by("new", messages("1"))).await.status, 200);
}

#[tokio::test]
async fn a_key_uses_and_sees_only_what_it_may() {
    let (first, second) = (
        Upstream::always(says("a")).await,
        Upstream::always(says("b")).await,
    );
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route(
        "*sonnet*",
        &["provider: a, priority: 1", "provider: b, priority: 2"],
    )
    .route("*haiku*", &["provider: a, priority: 1"]);
    let holders = [
        ("models", "models: [\"*haiku*\"]"),
        ("routes", "routes: [\"*haiku*\"]"),
        ("providers", "providers: [b]"),
        ("all", ""),
    ];
    let proxy = Proxy::start(held(setup, &holders)).await;
    for name in ["models", "routes"] {
        let reply = proxy.ask(by(name, messages("1"))).await;
        assert_eq!(reply.status, 403, "{name}");
        assert_eq!(reply.json()["error"]["type"], "permission_error");
        assert!(reply.text().contains(MODEL), "{}", reply.text());
        let reply = proxy.ask(by(name, chat("1"))).await;
        assert_eq!(reply.json()["error"]["type"], "insufficient_permissions");
        let count = Request::post("/v1/messages/count_tokens", ask("1"));
        assert_eq!(proxy.ask(by(name, count)).await.status, 403, "{name}");
    }
    assert_eq!((first.calls(), second.calls()), (0, 0));
    let haiku = || Request::messages(ask("1").replace(MODEL, "claude-haiku-4-5"));
    for name in ["models", "routes"] {
        assert_eq!(proxy.ask(by(name, haiku())).await.status, 200);
    }
    assert_eq!(
        proxy.ask(by("providers", messages("1"))).await.text(),
        message("b")
    );
    assert_eq!(proxy.ask(by("providers", haiku())).await.status, 403);

    let mut seen = Vec::new();
    for (name, _) in holders {
        let list = proxy.ask(by(name, Request::get("/v1/models"))).await.json();
        let ids = list["data"].as_array().unwrap().iter();
        let ids: Vec<String> = ids
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        let has = |word: &str| ids.iter().any(|id| id.contains(word));
        seen.push((has("sonnet"), has("haiku")));
        let one = Request::get("/v1/models/claude-sonnet-4-5");
        let status = proxy.ask(by(name, one)).await.status;
        assert_eq!(status, if has("sonnet") { 200 } else { 404 }, "{name}");
    }
    assert_eq!(
        seen,
        [(false, true), (false, true), (true, false), (true, true)]
    );
}

#[tokio::test]
async fn two_keys_never_share_an_answer() {
    let gate = Gate::new();
    let slow = |text| Act::new().wait(&gate).and(&says(text));
    let upstream = Upstream::first([slow("one"), slow("two")], says("three")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("deduplication: all")
        .setting("cache: {mode: all}");
    let proxy = Proxy::start(held(setup, &[("alice", ""), ("bob", "")])).await;
    let (mut alice, mut bob) = (proxy.connect().await, proxy.connect().await);
    alice.send(by("alice", messages("same")).bytes()).await;
    upstream.called(1).await;
    bob.send(by("bob", messages("same")).bytes()).await;
    upstream.called(2).await;
    gate.open();
    assert_eq!(alice.reply().await.text(), message("one"));
    assert_eq!(bob.reply().await.text(), message("two"));
    for (name, text) in [("alice", "one"), ("bob", "two")] {
        let again = proxy.ask(by(name, messages("same"))).await;
        assert_eq!(again.header("x-pointsman-cache"), Some("hit"));
        assert_eq!(again.text(), message(text), "{name}");
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn two_keys_with_one_session_have_homes_of_their_own() {
    let busy = refuses(529, "overloaded_error", "busy");
    let first = Upstream::first([busy], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route(
        "*",
        &["provider: a, priority: 1", "provider: b, priority: 1"],
    )
    .setting("failure_cooldown: 0");
    let proxy = Proxy::start(held(setup, &[("alice", ""), ("bob", "")])).await;
    let said =
        |name, text| by(name, messages(text)).header("x-claude-code-session-id", "one-session");
    assert_eq!(proxy.ask(said("alice", "1")).await.text(), message("b"));
    crate::support::eventually("the first to be well again", || async {
        let a = proxy.provider("a").await;
        (a["healthy"] == true).then_some(())
    })
    .await;
    assert_eq!(proxy.ask(said("bob", "1")).await.text(), message("a"));
    assert_eq!(proxy.ask(said("alice", "2")).await.text(), message("b"));
}

async fn from(address: &str, proxy: &Proxy, request: Request) -> Reply {
    let socket = TcpSocket::new_v4().unwrap();
    let local: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(local).unwrap();
    let stream = socket.connect(proxy.address()).await.unwrap();
    Client::over(stream).ask(request).await
}

#[tokio::test]
async fn who_guesses_keys_is_not_listened_to_for_a_while() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("per_address: {failed_sign_ins: 3, failed_window: 1h}")
        .section("admin: {key: admin-canary-0123456789}")
        .secret("admin-canary-0123456789");
    let proxy = Proxy::start(held(setup, &[("alice", "")])).await;
    let guess = |i: usize| messages("1").header("x-api-key", &format!("pmk-guess-{i}"));
    assert_eq!(proxy.ask(guess(1)).await.status, 401);
    assert_eq!(proxy.ask(guess(2)).await.status, 401);
    let admin = Request::get("/providers").header("x-api-key", "admin-guess");
    assert_eq!(proxy.ask(admin).await.status, 401);
    for request in [
        guess(3),
        by("alice", messages("1")),
        Request::get("/admin/usage"),
    ] {
        let reply = proxy.ask(request).await;
        assert_eq!(reply.status, 429);
        assert!(
            reply.text().contains("too many failed sign-ins"),
            "{}",
            reply.text()
        );
        assert!((1..=1200).contains(&number(&reply, "retry-after")));
    }
    assert_eq!(proxy.ask(Request::get("/livez")).await.status, 200);
    let elsewhere = from("127.0.0.2", &proxy, by("alice", messages("1"))).await;
    assert_eq!(elsewhere.status, 200);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn an_address_has_limits_of_its_own() {
    let gate = Gate::new();
    let slow = Act::new().wait(&gate).and(&says("slow"));
    let upstream = Upstream::first([slow], says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("per_address: {requests: 3, window: 1h, max_concurrent: 1}");
    let proxy = Proxy::start(setup).await;
    let mut first = proxy.connect().await;
    first.send(messages("1").bytes()).await;
    upstream.called(1).await;
    let second = proxy.ask(messages("2")).await;
    assert_eq!(
        (second.status, second.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(second.json()["error"]["type"], "rate_limit_error");
    assert_eq!(from("127.0.0.2", &proxy, messages("2")).await.status, 200);
    gate.open();
    assert_eq!(first.reply().await.status, 200);
    // The place is given back when the request has ended here, too, which may be a moment later.
    crate::support::eventually("the place to be free", || async {
        let reply = first_after(&proxy).await;
        (reply.status == 200).then_some(())
    })
    .await;
    let status = crate::support::eventually("the requests to be used up", || async {
        let reply = proxy.ask(chat("9")).await;
        (reply.status == 429 && reply.text().contains("3 requests in 3600 s")).then_some(reply)
    })
    .await;
    assert!(number(&status, "retry-after") <= 1200);
    assert_eq!(status.json()["error"]["code"], "rate_limit_exceeded");
}

async fn first_after(proxy: &Proxy) -> Reply {
    proxy.ask(messages("3")).await
}

#[tokio::test]
async fn a_reload_brings_keys_and_takes_them() {
    let upstream = Upstream::always(says("a")).await;
    let setup = |holders| {
        held(
            Setup::of([Provider::anthropic("a", &upstream.url())]),
            holders,
        )
    };
    let proxy = Proxy::start(setup(&[("alice", "rpm: 1")])).await;
    assert_eq!(proxy.ask(by("alice", messages("1"))).await.status, 200);
    assert_eq!(proxy.ask(by("bob", messages("1"))).await.status, 401);
    let changed = setup(&[("alice", "rpm: 1, team: x"), ("bob", "")]);
    fs::write(proxy.config_path(), changed.yaml()).unwrap();
    let reply = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        proxy.ask(by("alice", messages("2"))).await.status,
        429,
        "counts stay"
    );
    assert_eq!(proxy.ask(by("bob", messages("1"))).await.status, 200);
    let (made, code) = proxy.command(&["keys", "revoke", "bob", "--remove", "--write"]);
    assert_eq!(code, Some(0), "{made}");
    let written = fs::read_to_string(proxy.config_path()).unwrap();
    assert!(!written.contains("bob"), "{written}");
}

#[tokio::test]
async fn a_key_made_at_the_command_line_opens_the_gateway_after_a_reload() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).section("keys: []");
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(messages("1")).await.status, 401, "closed");
    let (made, code) = proxy.command(&["keys", "create", "carol", "--rpm", "5", "--write"]);
    assert_eq!(code, Some(0), "{made}");
    let key = made
        .split_whitespace()
        .find(|it| it.starts_with("pmk-"))
        .unwrap();
    proxy.signal("HUP");
    let asked = || async {
        let reply = proxy
            .ask(messages("1").header("authorization", &format!("Bearer {key}")))
            .await;
        (reply.status == 200).then_some(reply)
    };
    let reply = crate::support::eventually("the key to be taken in", asked).await;
    assert_eq!(number(&reply, "anthropic-ratelimit-requests-limit"), 5);
    assert!(!proxy.console().contains(key) && !proxy.log_file().contains(key));
    assert_ne!(key, key_of_holder("carol"));
}

/// Everything that is told to who administers, again and again, until `done`: each answer is whole and of one moment.
async fn look_around(proxy: &Proxy, done: &Cell<bool>) -> usize {
    let mut looks = 0;
    while !done.get() {
        for path in [
            "/providers",
            "/health",
            "/admin/requests",
            "/admin/usage?by=key",
        ] {
            let reply = proxy.ask(Request::get(path)).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(reply.ending, Ending::Complete, "{path}");
            assert!(reply.json().is_object(), "{path}: {}", reply.text());
        }
        let metrics = proxy.ask(Request::get("/metrics")).await;
        assert_eq!(metrics.ending, Ending::Complete);
        let metrics = metrics.text();
        let keys = |name: &str| -> BTreeSet<String> {
            let lines = metrics.lines().filter(|it| it.starts_with(name));
            let keys = lines.filter_map(|it| it.split('"').nth(1));
            keys.map(str::to_owned).collect()
        };
        let limited = keys("pointsman_key_budget_dollars{");
        assert_eq!(limited, keys("pointsman_key_budget_used_dollars{"));
        looks += 1;
    }
    looks
}

#[tokio::test]
async fn keys_made_and_revoked_at_once_are_all_there_and_nobody_sees_half_of_it() {
    const EACH: usize = 6;
    let upstream = Upstream::always(says("a")).await;
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("usage.db");
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .section(&format!("ledger: {{path: {}}}", ledger.display()))
        .setting("watch_config: 50ms")
        .gateway_key("sk-canary-gateway-0123456789")
        .section("keys: []");
    let proxy = Proxy::start(setup).await;
    let first = messages("0").header("x-api-key", "sk-canary-gateway-0123456789");
    assert_eq!(proxy.ask(first).await.status, 200);
    crate::support::eventually("the ledger", || async {
        let reply = proxy.ask(Request::get("/admin/usage?by=key")).await;
        (reply.status == 200).then_some(())
    })
    .await;
    let done = Cell::new(false);
    let writer = async |who: &str| {
        let mut made = Vec::new();
        for number in 0..EACH {
            let name = format!("{who}{number}");
            let create = ["keys", "create", &name, "--daily-usd", "3", "--write"];
            let (code, said) = proxy.elsewhere(&create).await;
            assert_eq!(code, Some(0), "{said}");
            let key = said.split_whitespace().find(|it| it.starts_with("pmk-"));
            made.push((name.clone(), key.unwrap().to_owned()));
            if number % 2 == 1 {
                let revoke = ["keys", "revoke", &name, "--write"];
                let (code, said) = proxy.elsewhere(&revoke).await;
                assert_eq!(code, Some(0), "{said}");
            }
        }
        made
    };
    let writers = async {
        let made = tokio::join!(writer("alice"), writer("bob"));
        done.set(true);
        [made.0, made.1].concat()
    };
    let (made, looks) = tokio::join!(writers, look_around(&proxy, &done));
    assert!(0 < looks);

    let (listed, code) = proxy.command(&["keys", "list", "--json"]);
    assert_eq!(code, Some(0), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2 * EACH);
    for (index, (name, key)) in made.iter().enumerate() {
        let expected = if index % 2 == 1 { 401 } else { 200 };
        crate::support::eventually(name, || async {
            let shown = messages("1").header("x-api-key", key);
            let reply = proxy.ask(shown).await;
            // A revoked one is known by its name, one that is not there is not.
            let named = expected == 200 || reply.text().contains("was revoked");
            (reply.status == expected && named).then_some(())
        })
        .await;
        assert!(!proxy.console().contains(key.as_str()));
    }
}
