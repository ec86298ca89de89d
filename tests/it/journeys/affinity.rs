//! Sessions stay where their prompt cache is, as long as that is a good place, and come back when a better one is.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const EQUAL: [&str; 2] = [
    "provider: a, model: passthrough, priority: 1",
    "provider: b, model: passthrough, priority: 1",
];
const KEYS: [&str; 3] = [
    "sk-canary-pool-one-0123456789",
    "sk-canary-pool-two-0123456789",
    "sk-canary-pool-three-0123456789",
];

fn boom() -> Act {
    refuses(500, "api_error", "boom")
}

/// Two providers that take turns.
async fn equals(settings: &[&str]) -> (Upstream, Upstream, Proxy) {
    let first = Upstream::always(says("a")).await;
    let second = Upstream::always(says("b")).await;
    let mut setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route("*", &EQUAL)
    .setting("selection_strategy: round_robin");
    for line in settings {
        setup = setup.setting(line);
    }
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

/// Two providers, the second for when the first fails.
fn ladder(first: &Upstream, second: &Upstream) -> Setup {
    Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
}

fn of_session(session: &str) -> Request {
    Request::messages(ask("hi")).header("x-claude-code-session-id", session)
}

/// The same conversation, with the result of a tool at its end.
fn with_result(session: &str) -> Request {
    let body = json!({
        "model": MODEL, "max_tokens": 64,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text"},
                {"type": "text", "text": "a reminder"},
            ]},
        ],
    });
    Request::messages(body.to_string()).header("x-claude-code-session-id", session)
}

async fn answer(proxy: &Proxy, request: Request) -> String {
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

/// A place is given back a moment after the answer's end.
async fn idle(proxy: &Proxy) {
    eventually("all places to be free", || async {
        (proxy.provider("a").await["in_flight"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_stays_whichever_way_it_is_named() {
    fn member(text: &str) -> String {
        ask("hi").replacen('{', &format!("{{{text},"), 1)
    }
    type Way = fn(&str) -> Request;
    let ways: [Way; 5] = [
        of_session,
        |name| Request::messages(ask("hi")).header("session_id", name),
        |name| {
            Request::messages(member(&format!(
                r#""metadata":{{"user_id":"user_1_account__session_{name}"}}"#
            )))
        },
        |name| {
            let user = format!(r#"{{\"device_id\":\"d\",\"session_id\":\"{name}\"}}"#);
            Request::messages(member(&format!(r#""metadata":{{"user_id":"{user}"}}"#)))
        },
        |name| {
            Request::messages(member(&format!(
                r#""system":[{{"type":"text","text":"{name}","cache_control":{{"type":"ephemeral"}}}}]"#
            )))
        },
    ];
    for (index, way) in ways.into_iter().enumerate() {
        let (_first, _second, proxy) = equals(&[]).await;
        let said = |text: String| if text.contains(r#""b""#) { "b" } else { "a" };
        let (one, other) = ("0e8e8ab6-1c5c-4d3c-9c1a-01", "0e8e8ab6-1c5c-4d3c-9c1a-02");
        let home = said(answer(&proxy, way(one)).await);
        let away = said(answer(&proxy, way(other)).await);
        assert_ne!(home, away, "way {index}");
        for _ in 0..3 {
            assert_eq!(said(answer(&proxy, way(one)).await), home, "way {index}");
        }
        assert_eq!(said(answer(&proxy, way(other)).await), away, "way {index}");
    }
}

#[tokio::test]
async fn without_a_session_or_without_affinity_providers_take_turns() {
    let (first, second, proxy) = equals(&[]).await;
    for _ in 0..6 {
        answer(&proxy, Request::messages(ask("hi"))).await;
    }
    assert_eq!((first.calls(), second.calls()), (3, 3));
    let (first, second, proxy) = equals(&["affinity: {enabled: false}"]).await;
    for _ in 0..6 {
        answer(&proxy, of_session("one")).await;
    }
    assert_eq!((first.calls(), second.calls()), (3, 3));
}

/// Sessions that stay take no turns: those that come after them are shared out all the same.
#[tokio::test]
async fn those_who_stay_do_not_send_everybody_else_the_same_way() {
    let (first, second, proxy) = equals(&[]).await;
    answer(&proxy, of_session("old")).await;
    for new in 0..6 {
        answer(&proxy, of_session("old")).await;
        answer(&proxy, of_session(&format!("new {new}"))).await;
    }
    assert_eq!((first.calls(), second.calls()), (7 + 3, 3));
}

#[tokio::test]
async fn a_session_keeps_its_key_until_that_rests() {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url()).keyed(&KEYS)]);
    let proxy = Proxy::start(setup).await;
    for _ in 0..3 {
        for session in ["one", "two"] {
            answer(&proxy, of_session(session)).await;
        }
    }
    let used = |index| upstream.seen(index).header("x-api-key").unwrap().to_owned();
    assert_ne!(used(0), used(1), "keys take turns between sessions");
    for index in 2..6 {
        assert_eq!(used(index), used(index - 2), "call {index}");
    }
    let limited = Act::answer(
        429,
        &[("retry-after", "60")],
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#,
    );
    upstream.then(limited);
    answer(&proxy, of_session("one")).await;
    assert_eq!(used(6), used(0));
    let rescuer = used(7);
    assert_ne!(rescuer, used(0));
    answer(&proxy, of_session("one")).await;
    assert_eq!(used(8), rescuer, "it stays with the key that rescued it");
}

#[tokio::test]
async fn a_session_that_was_rescued_stays_with_its_rescuer_for_now() {
    let first = Upstream::first([boom()], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(ladder(&first, &second)).await;
    assert_eq!(answer(&proxy, of_session("one")).await, message("b"));
    let debug = of_session("one").header("x-pointsman-debug", "1");
    let reply = proxy.ask(debug).await;
    assert_eq!(reply.text(), message("b"));
    let trace = reply.header("x-pointsman-trace").unwrap();
    assert!(trace.starts_with("b=at home; b=served"), "{trace}");
    // Everyone else goes where they always go.
    assert_eq!(answer(&proxy, of_session("two")).await, message("a"));
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test]
async fn it_comes_back_after_a_while_and_not_between_a_tool_call_and_its_result() {
    let first = Upstream::first([boom()], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = ladder(&first, &second).setting("affinity: {return_after: 1s}");
    let proxy = Proxy::start(setup).await;
    let pushed = Instant::now();
    assert_eq!(answer(&proxy, of_session("one")).await, message("b"));
    eventually("the time to be over", || async {
        let text = answer(&proxy, with_result("one")).await;
        assert_eq!(text, message("b"), "in the middle of its work");
        (Duration::from_secs(1) < pushed.elapsed()).then_some(())
    })
    .await;
    eventually("its return", || async {
        let text = answer(&proxy, of_session("one")).await;
        (text == message("a")).then_some(())
    })
    .await;
    assert!(Duration::from_secs(1) <= pushed.elapsed());
    assert_eq!(answer(&proxy, with_result("one")).await, message("a"));
}

#[tokio::test]
async fn the_better_one_must_have_been_well_for_that_long() {
    let first = Upstream::first([boom()], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = ladder(&first, &second)
        .setting("unhealthy_threshold: 1")
        .setting("failure_cooldown: 1500ms")
        .setting("affinity: {return_after: 500ms}");
    let proxy = Proxy::start(setup).await;
    let pushed = Instant::now();
    assert_eq!(answer(&proxy, of_session("one")).await, message("b"));
    let back = eventually("its return", || async {
        let text = answer(&proxy, of_session("one")).await;
        (text == message("a")).then(|| pushed.elapsed())
    })
    .await;
    // Not while the circuit was open, and nobody else had to try it first.
    assert!(Duration::from_millis(1500) <= back, "{back:?}");
    assert_eq!(first.calls(), 2);
}

#[tokio::test]
async fn no_session_stays_with_a_broken_provider_and_none_goes_back_among_equals() {
    let (first, second, proxy) = equals(&[
        "unhealthy_threshold: 1",
        "failure_cooldown: 300ms",
        "affinity: {return_after: 0}",
    ])
    .await;
    let (home, name) = if answer(&proxy, of_session("one")).await == message("a") {
        (&first, "a")
    } else {
        (&second, "b")
    };
    let other = message(if name == "a" { "b" } else { "a" });
    home.then(boom());
    let calls = home.calls();
    assert_eq!(answer(&proxy, of_session("one")).await, other);
    assert_eq!(answer(&proxy, of_session("one")).await, other);
    assert_eq!(home.calls(), calls + 1);
    eventually("the circuit to close", || async {
        answer(&proxy, Request::messages(ask("anyone"))).await;
        (proxy.provider(name).await["circuit"] == "closed").then_some(())
    })
    .await;
    assert_eq!(answer(&proxy, of_session("one")).await, other);
}

#[tokio::test]
async fn capacity_goes_before_affinity() {
    let gate = Gate::new();
    let first = Upstream::first(
        [says("a"), Act::new().wait(&gate).and(&says("slow"))],
        says("a"),
    )
    .await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with("max_in_flight: 1"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(answer(&proxy, of_session("one")).await, message("a"));
    idle(&proxy).await;
    let slow = async { answer(&proxy, of_session("one")).await };
    let meanwhile = async {
        first.called(2).await;
        // Otherwise it would be the same call again, and wait for the same answer.
        let other = of_session("one").header("x-pointsman-no-share", "1");
        assert_eq!(answer(&proxy, other).await, message("b"));
        gate.open();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(slow, message("slow"));
    idle(&proxy).await;
    assert_eq!(answer(&proxy, of_session("one")).await, message("a"));
}

#[tokio::test]
async fn a_home_is_given_up_when_the_cache_is_cold() {
    let (first, second, proxy) = equals(&["affinity: {ttl: 200ms}"]).await;
    for _ in 0..4 {
        answer(&proxy, of_session("one")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test]
async fn a_broken_stream_unbinds_before_the_clients_repeat() {
    let gate = Gate::new();
    let broken = begins(&[start(), open_text(), delta("Hel")])
        .wait(&gate)
        .close();
    let first = Upstream::first([says("a"), broken], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(ladder(&first, &second)).await;
    assert_eq!(answer(&proxy, of_session("one")).await, message("a"));
    let mut client = proxy.connect().await;
    let stream = Request::messages(ask_stream("hi")).header("x-claude-code-session-id", "one");
    client.send(stream.bytes()).await;
    while !client.event().await.unwrap().raw.contains("Hel") {}
    gate.open();
    while client.event().await.unwrap().name != "error" {}
    // Claude Code asks for the same again within milliseconds, without a stream, and then goes on.
    assert_eq!(answer(&proxy, of_session("one")).await, message("b"));
    assert_eq!(answer(&proxy, with_result("one")).await, message("b"));
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test]
async fn sub_agents_begin_where_their_session_is() {
    let (_first, _second, proxy) = equals(&[]).await;
    let agent = |name: &str| of_session("one").header("x-claude-code-agent-id", name);
    let home = answer(&proxy, of_session("one")).await;
    for name in ["explore", "review", "explore"] {
        assert_eq!(answer(&proxy, agent(name)).await, home, "{name}");
    }
}

#[tokio::test]
async fn homes_survive_a_reload_unless_the_address_changed() {
    let (first, second, mut proxy) = equals(&[]).await;
    let home = answer(&proxy, of_session("one")).await;
    let path = proxy.config_path();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}  max_attempts: 3\n")).unwrap();
    proxy.signal("HUP");
    proxy.line("reload").await;
    for _ in 0..3 {
        assert_eq!(answer(&proxy, of_session("one")).await, home);
    }
    let moved = Upstream::always(says("moved")).await;
    let old = if home == message("a") {
        &first
    } else {
        &second
    };
    std::fs::write(&path, text.replace(&old.url(), &moved.url())).unwrap();
    let calls = (first.calls(), second.calls());
    proxy.signal("HUP");
    eventually("the new address", || async {
        let providers = proxy.providers().await.to_string();
        providers.contains(&moved.url()).then_some(())
    })
    .await;
    // Where it was at home there is nobody any more.
    answer(&proxy, of_session("one")).await;
    answer(&proxy, of_session("two")).await;
    let (asked_before, asked_now) = if home == message("a") {
        (calls.0, first.calls())
    } else {
        (calls.1, second.calls())
    };
    assert_eq!(asked_before, asked_now);
    assert!(1 <= moved.calls());
}

#[tokio::test]
async fn the_share_of_cached_tokens_is_shown() {
    let mut cached: Value = serde_json::from_str(&message("a")).unwrap();
    cached["usage"]["cache_read_input_tokens"] = json!(89);
    let act = Act::answer(
        200,
        &[("content-type", "application/json")],
        cached.to_string(),
    );
    let upstream = Upstream::always(act).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    assert_eq!(proxy.provider("a").await["cache_hit_ratio"], Value::Null);
    answer(&proxy, of_session("one")).await;
    assert_eq!(proxy.provider("a").await["cache_hit_ratio"], json!(0.89));
}

/// Names of sessions may be guessed, and some clients use the same for everyone.
#[tokio::test]
async fn one_tenants_broken_stream_moves_nobody_elses_session() {
    let gate = Gate::new();
    let broken = begins(&[start(), open_text(), delta("Hel")])
        .wait(&gate)
        .close();
    let first = Upstream::first([broken], says("a")).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .section("auth: {api_keys: [gw-key-of-team-one, gw-key-of-team-two]}");
    let proxy = Proxy::start(setup).await;
    let of_team = |team: &str, body: String| {
        Request::messages(body)
            .header("x-claude-code-session-id", "the-same")
            .header("x-api-key", &format!("gw-key-of-team-{team}"))
    };
    let mut client = proxy.connect().await;
    client.send(of_team("one", ask_stream("hi")).bytes()).await;
    client.head().await;
    while !client.event().await.unwrap().raw.contains("Hel") {}
    gate.open();
    client.rest().await;

    let other = proxy.ask(of_team("two", ask("hi"))).await;
    assert_eq!(other.text(), message("a"), "another tenant's session");
    let repeat = proxy.ask(of_team("one", ask("hi"))).await;
    assert_eq!(repeat.text(), message("b"), "its own");
}
