//! Sessions stay where their prompt cache is, as long as that is a good place.

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn pair(settings: &[&str], candidates: &[&str]) -> (Upstream, Upstream, Proxy) {
    let first = Upstream::always(says("a")).await;
    let second = Upstream::always(says("b")).await;
    let mut setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .route("*", candidates);
    for line in settings {
        setup = setup.setting(line);
    }
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

const EQUAL: [&str; 2] = [
    "provider: a, model: passthrough, priority: 1",
    "provider: b, model: passthrough, priority: 1",
];

async fn answer(proxy: &Proxy, request: Request) -> String {
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[tokio::test]
async fn without_a_session_providers_take_turns() {
    let (first, second, proxy) = pair(&["selection_strategy: round_robin"], &EQUAL).await;
    for _ in 0..6 {
        answer(&proxy, Request::messages(ask("hi"))).await;
    }
    assert_eq!((first.calls(), second.calls()), (3, 3));
}

#[tokio::test]
async fn a_session_stays_whichever_way_it_is_named() {
    let by_header =
        |name: &str| Request::messages(ask("hi")).header("x-claude-code-session-id", name);
    let by_metadata = |name: &str| {
        let user = format!("user_1_account__session_{name}");
        let body = ask("hi").replacen('{', &format!(r#"{{"metadata":{{"user_id":"{user}"}},"#), 1);
        Request::messages(body)
    };
    let by_json = |name: &str| {
        let user = format!(r#"{{\"device_id\":\"d\",\"session_id\":\"{name}\"}}"#);
        let body = ask("hi").replacen('{', &format!(r#"{{"metadata":{{"user_id":"{user}"}},"#), 1);
        Request::messages(body)
    };
    let by_prompt = |name: &str| {
        Request::messages(format!(
            r#"{{"model":"{MODEL}","max_tokens":1,"system":[{{"type":"text","text":"{name}","cache_control":{{"type":"ephemeral"}}}}],"messages":[{{"role":"user","content":"hi"}}]}}"#
        ))
    };
    let ways: [&dyn Fn(&str) -> Request; 4] = [&by_header, &by_metadata, &by_json, &by_prompt];
    for (index, way) in ways.into_iter().enumerate() {
        let (_first, _second, proxy) = pair(&["selection_strategy: round_robin"], &EQUAL).await;
        let one = "0e8e8ab6-1c5c-4d3c-9c1a-000000000001";
        let other = "0e8e8ab6-1c5c-4d3c-9c1a-000000000002";
        let home = answer(&proxy, way(one)).await;
        let away = answer(&proxy, way(other)).await;
        assert_ne!(home, away, "way {index}");
        for _ in 0..3 {
            assert_eq!(answer(&proxy, way(one)).await, home, "way {index}");
        }
        assert_eq!(answer(&proxy, way(other)).await, away, "way {index}");
    }
}

#[tokio::test]
async fn a_session_that_was_rescued_stays_with_its_rescuer_for_now() {
    let first = Upstream::script([refuses(500, "api_error", "boom"), says("a")]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let session =
        |name: &str| Request::messages(ask("hi")).header("x-claude-code-session-id", name);
    assert_eq!(answer(&proxy, session("one")).await, message("b"));
    assert_eq!(answer(&proxy, session("one")).await, message("b"));
    // Everyone else goes where they always go.
    assert_eq!(answer(&proxy, session("two")).await, message("a"));
    assert_eq!((first.calls(), second.calls()), (2, 2));
}

#[tokio::test]
async fn no_session_stays_with_a_broken_provider() {
    let (first, second, proxy) = pair(
        &["selection_strategy: round_robin", "unhealthy_threshold: 1"],
        &EQUAL,
    )
    .await;
    let session = || Request::messages(ask("hi")).header("x-claude-code-session-id", "one");
    let (home, other) = if answer(&proxy, session()).await == message("a") {
        (&first, "b")
    } else {
        (&second, "a")
    };
    home.then(refuses(500, "api_error", "boom"));
    let calls = home.calls();
    assert_eq!(answer(&proxy, session()).await, message(other));
    assert_eq!(answer(&proxy, session()).await, message(other));
    assert_eq!(home.calls(), calls + 1);
}

#[tokio::test]
async fn a_session_keeps_its_key() {
    let keys = [
        "sk-canary-pool-one-0123456789",
        "sk-canary-pool-two-0123456789",
    ];
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url()).keyed(&keys)]);
    let proxy = Proxy::start(setup).await;
    for _ in 0..4 {
        let request = Request::messages(ask("hi")).header("x-claude-code-session-id", "one");
        answer(&proxy, request).await;
    }
    let used: Vec<_> = (0..4)
        .map(|index| upstream.seen(index).header("x-api-key").map(str::to_owned))
        .collect();
    assert!(used.iter().all(|key| *key == used[0]), "{used:?}");
}

#[tokio::test]
async fn weights_are_kept() {
    let candidates = [
        "provider: a, model: passthrough, priority: 1, weight: 3",
        "provider: b, model: passthrough, priority: 1, weight: 1",
    ];
    let (first, second, proxy) = pair(&["selection_strategy: weighted"], &candidates).await;
    for _ in 0..80 {
        answer(&proxy, Request::messages(ask("hi"))).await;
    }
    assert_eq!(first.calls() + second.calls(), 80);
    // Chance may play a part, but not this much of one: 60 expected, five deviations either side.
    assert!((40..=79).contains(&first.calls()), "{}", first.calls());
}
