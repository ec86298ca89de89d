//! Zed's threads: which requests share one, what ends it, what it all came to, and which requests go there at all.

use serde_json::{Value, json};

use crate::support::answers::{MODEL, ask, says, stream};
use crate::support::client::{Reply, Request};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;
use crate::support::zed::{Service, ended, gives, lines, refuses, status};

fn good() -> Act {
    gives(lines(&stream("a")) + &ended())
}

async fn alone(service: &Service, keys: &str) -> Proxy {
    Proxy::start(Setup::of([Provider::zed("z", &service.url()).with(keys)])).await
}

/// A request of the session `s`.
fn of_session(body: impl AsRef<[u8]>) -> Request {
    Request::messages(body)
        .header("x-claude-code-session-id", "s")
        .header("x-pointsman-debug", "1")
}

/// A request that brings so many results of tools, the last one just now.
fn with_results(results: usize) -> String {
    let mut messages = vec![json!({"role": "user", "content": "go"})];
    for i in 0..results {
        let id = format!("toolu_{i}");
        messages.push(json!({"role": "assistant", "content": [
            {"type": "tool_use", "id": id, "name": "look", "input": {}}]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": "ok"}]}));
    }
    json!({"model": MODEL, "max_tokens": 64, "messages": messages}).to_string()
}

async fn served(proxy: &Proxy, request: Request) -> Reply {
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn trace(reply: &Reply) -> String {
    reply
        .header("x-pointsman-trace")
        .unwrap_or_default()
        .to_owned()
}

async fn threads(proxy: &Proxy) -> Value {
    proxy.ask(Request::get("/zed/threads/status")).await.json()
}

/// Thread and prompt of each request there.
fn ids(service: &Service) -> Vec<(String, String)> {
    let asked = (0..service.calls()).map(|it| service.asked(it));
    asked
        .map(|it| (it.told("thread_id"), it.told("prompt_id")))
        .collect()
}

#[tokio::test]
async fn a_conversation_has_a_thread_and_each_wish_a_prompt() {
    let service = Service::of([good()]).await;
    let proxy = alone(&service, "zed_config: {generation: 2025}").await;
    served(&proxy, of_session(ask("one"))).await;
    served(&proxy, of_session(with_results(1))).await;
    served(&proxy, of_session(ask("two"))).await;
    let other = Request::messages(ask("one")).header("x-claude-code-session-id", "t");
    served(&proxy, other).await;
    let agent = of_session(ask("one")).header("x-claude-code-agent-id", "x");
    served(&proxy, agent).await;
    let ids = ids(&service);
    let [one, results, two, other, agent] = &ids[..] else {
        panic!("{ids:?}");
    };
    assert_eq!(one, results);
    assert_eq!(one.0, two.0);
    assert_ne!(one.1, two.1);
    assert!(other.0 != one.0 && agent.0 != one.0 && agent.0 != other.0);
    let intents: Vec<String> = (0..3).map(|it| service.asked(it).told("intent")).collect();
    assert_eq!(intents, ["user_prompt", "tool_results", "user_prompt"]);
    let seen = threads(&proxy).await;
    assert_eq!(seen["active"], 3, "{seen}");
    let listed = seen["threads"].as_array().unwrap();
    let first = listed
        .iter()
        .find(|it| it["thread_id"] == one.0.as_str())
        .unwrap();
    assert_eq!(
        (&first["requests"], &first["prompts"]),
        (&json!(3), &json!(2)),
        "{seen}"
    );
    assert_eq!(
        (&first["context_tokens"], &first["mode"]),
        (&json!(14), &json!("normal"))
    );
    // A reload is none of their business.
    proxy.ask(Request::post("/providers/reload", "")).await;
    served(&proxy, of_session(ask("three"))).await;
    assert_eq!(service.asked(5).told("thread_id"), one.0);
}

#[tokio::test]
async fn a_thread_gives_way_for_each_of_its_reasons() {
    let limit = status(&json!("tool_use_limit_reached"));
    for (keys, first, second, reason) in [
        (
            "zed_config: {context_management: {max_context_tokens: 17}}",
            ask("1"),
            ask("2"),
            Some("context"),
        ),
        (
            "zed_config: {context_management: {max_context_tokens: 18}}",
            ask("1"),
            ask("2"),
            None,
        ),
        (
            "session_config: {session_ttl: 1ms}",
            ask("1"),
            ask("2"),
            Some("ttl"),
        ),
        (
            "session_config: {max_tool_calls_per_session: 2}",
            with_results(0),
            with_results(2),
            Some("tool_calls"),
        ),
        (
            "session_config: {max_tool_calls_per_session: 2}\n    zed_config: {thread_management: {auto_rotate: false}}",
            with_results(0),
            with_results(2),
            None,
        ),
    ] {
        let service = Service::of([good()]).await;
        let proxy = alone(&service, keys).await;
        served(&proxy, of_session(first)).await;
        let reply = served(&proxy, of_session(second)).await;
        let ids = ids(&service);
        assert_eq!(ids[0].0 != ids[1].0, reason.is_some(), "{keys}");
        let told = reason.map(|it| format!("z=new thread: {it}"));
        assert!(
            trace(&reply).contains(told.as_deref().unwrap_or("z=served")),
            "{keys}: {}",
            trace(&reply)
        );
        let seen = threads(&proxy).await;
        if let Some(reason) = reason {
            assert_eq!(seen["rotations"][reason], 1, "{keys}: {seen}");
        }
    }
    let service = Service::of([gives(lines(&stream("a")) + &limit + &ended()), good()]).await;
    let proxy = alone(&service, "enabled: true").await;
    served(&proxy, of_session(ask("1"))).await;
    let reply = served(&proxy, of_session(ask("2"))).await;
    assert!(
        trace(&reply).contains("new thread: tool_calls"),
        "{}",
        trace(&reply)
    );
}

#[tokio::test]
async fn a_refused_thread_is_replaced_and_the_request_goes_on() {
    let in_stream = |code: &str| gives(status(&json!({"failed": {"code": code, "message": "no"}})));
    let in_head = |code: &str| refuses(409, &[], &json!({"code": code, "message": "no"}));
    for (act, new_thread) in [
        (in_head("thread_expired"), true),
        (in_stream("thread_corrupted"), true),
        (in_head("user_interaction_required"), false),
        (in_stream("tool_calls_limit_exceeded"), false),
        (
            gives(status(&json!("tool_use_limit_reached")) + &ended()),
            false,
        ),
    ] {
        let service = Service::of([good(), act, good()]).await;
        let proxy = alone(&service, "enabled: true").await;
        served(&proxy, of_session(ask("1"))).await;
        let reply = served(&proxy, of_session(ask("2"))).await;
        let ids = ids(&service);
        assert_eq!(ids.len(), 3, "{}", trace(&reply));
        assert_eq!(ids[1].0 != ids[2].0, new_thread, "{}", trace(&reply));
        assert_ne!(ids[1].1, ids[2].1);
        assert_eq!(proxy.provider("z").await["failure_count"], 0);
        let seen = threads(&proxy).await;
        assert_eq!(seen["rotations"]["error"], u64::from(new_thread), "{seen}");
    }
}

#[tokio::test]
async fn a_thread_that_is_always_refused_is_replaced_no_more_often_than_allowed() {
    let refused = refuses(
        409,
        &[],
        &json!({"code": "thread_expired", "message": "no"}),
    );
    let service = Service::of([refused]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::zed("z", &service.url())
            .with("zed_config: {thread_management: {max_retries: 2}}"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(of_session(ask("1"))).await;
    // The service's own 409 is the client's to hear, as any vendor's is.
    assert_eq!(
        (reply.status, service.calls()),
        (409, 3),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn modes_are_told_to_who_knows_them_and_chosen_by_what_is_asked() {
    let tools = json!({"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}]});
    let tools = tools.to_string();
    for (keys, wish, body, mode) in [
        ("default_mode: normal", "", &tools, "normal"),
        ("default_mode: burn", "", &ask("hi"), "max"),
        ("default_mode: auto", "", &ask("hi"), "normal"),
        ("default_mode: auto", "", &tools, "max"),
        (
            "default_mode: auto, auto_mode_triggers: [complex_coding_task]",
            "",
            &tools,
            "normal",
        ),
        (
            "default_mode: auto",
            "",
            &ask("look at src/a.rs and src/b.rs"),
            "max",
        ),
        ("default_mode: max", ", mode: normal", &tools, "normal"),
        (
            "default_mode: normal",
            ", session_mode: burn",
            &tools,
            "max",
        ),
    ] {
        let service = Service::of([good()]).await;
        let provider = Provider::zed("z", &service.url())
            .with(&format!("zed_config: {{generation: 2025, {keys}}}"));
        let setup = Setup::of([provider]).route("*", &[&format!("provider: z{wish}")]);
        let proxy = Proxy::start(setup).await;
        served(&proxy, of_session(body)).await;
        assert_eq!(service.asked(0).told("mode"), mode, "{keys}{wish}");
    }
}

#[tokio::test]
async fn costs_are_the_operators_own() {
    let service = Service::of([good()]).await;
    let keys = "session_config: {modes: {normal: {cost_per_prompt: 0.04, cost_per_request: 0.001}}}\n    \
                models: {\"*\": {price: {input: 1, output: 10}}}";
    let provider = Provider::zed("z", &service.url()).with(keys);
    let setup = Setup::of([provider]).section("ledger: {path: usage.sqlite}");
    let proxy = Proxy::start(setup).await;
    served(&proxy, of_session(ask("1"))).await;
    served(&proxy, of_session(with_results(1))).await;
    served(&proxy, of_session(ask("2"))).await;
    let costs = proxy.ask(Request::get("/zed/cost-analysis")).await.json();
    let row = &costs["providers"][0];
    assert_eq!(
        (&row["prompts"], &row["requests"]),
        (&json!(2), &json!(3)),
        "{costs}"
    );
    assert_eq!(row["session_cost"], 0.083);
    // Three times 11 tokens in, 3 out.
    assert_eq!(row["token_cost"], 0.000_123);
    assert_eq!(
        (&row["cheaper"], &row["mode"]),
        (&json!("token_based"), &json!("normal"))
    );
    assert_eq!(costs["total"]["session_cost"], 0.083);
    // The ledger charges what is paid for.
    let report = eventually("three rows", || async {
        let report = proxy
            .ask(Request::get("/admin/usage?by=model"))
            .await
            .json();
        (report["usage"][0]["requests"] == 3).then_some(report)
    })
    .await;
    assert_eq!(report["usage"][0]["cost_usd"], 0.083, "{report}");
}

#[tokio::test]
async fn what_the_endpoints_tell_is_for_administrators() {
    let service = Service::of([good()]).await;
    let setup = Setup::of([Provider::zed("z", &service.url())])
        .section("admin: {key: admin-canary-0123456789}")
        .secret("admin-canary-0123456789");
    let proxy = Proxy::start(setup).await;
    for path in ["/zed/threads/status", "/zed/cost-analysis"] {
        assert_eq!(proxy.ask(Request::get(path)).await.status, 401, "{path}");
        let signed = Request::get(path).header("x-api-key", "admin-canary-0123456789");
        assert_eq!(proxy.ask(signed).await.status, 200, "{path}");
        assert_eq!(
            proxy.ask(Request::post(path, "")).await.status,
            405,
            "{path}"
        );
    }
}

/// A proxy with one provider for sessions and one for tokens, which stands first.
async fn routed(service: &Service, tokens: &Upstream, routing: &str) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("t", &tokens.url()),
        Provider::zed("z", &service.url()),
    ]);
    Proxy::start(setup.section(routing)).await
}

fn asks(text: &str, tools: usize) -> String {
    let tools: Vec<Value> = (0..tools)
        .map(|it| json!({"name": format!("t{it}"), "input_schema": {"type": "object"}}))
        .collect();
    json!({"model": MODEL, "max_tokens": 64, "tools": tools, "messages": [{"role": "user", "content": text}]})
        .to_string()
}

#[tokio::test]
async fn requests_go_where_they_are_better_paid_for() {
    let (service, tokens) = (
        Service::of([good()]).await,
        Upstream::always(says("t")).await,
    );
    let proxy = routed(&service, &tokens, "routing: {enabled: true}").await;
    let long = "x".repeat(2000);
    for (text, tools, served_by, why) in [
        ("what is a monad?", 0, "t", "token_based, small"),
        ("hello there", 3, "z", "session_based, large"),
        (long.as_str(), 0, "z", "session_based, large"),
        (
            "compare src/a.rs with src/b.rs",
            0,
            "z",
            "session_based, large",
        ),
        ("请分析并调试", 0, "z", "session_based, by its words"),
        ("good morning", 0, "t", "token_based, by its tools"),
        ("good morning", 1, "z", "session_based, by its tools"),
    ] {
        let request = Request::messages(asks(text, tools)).header("x-pointsman-debug", "1");
        let reply = served(&proxy, request).await;
        assert_eq!(
            reply.header("x-pointsman-provider"),
            Some(served_by),
            "{text}"
        );
        assert!(
            trace(&reply).contains(&format!("routing={why}")),
            "{text}: {}",
            trace(&reply)
        );
    }
    let told = eventually("the requests", || async {
        let seen = proxy.ask(Request::get("/admin/requests")).await.json();
        (seen["kept"] == 7).then_some(seen.to_string())
    })
    .await;
    assert!(
        told.contains("session_based, large (3 tools, 11 characters"),
        "{told}"
    );
}

#[tokio::test]
async fn a_clients_own_wish_counts_and_stays_here() {
    for routing in ["routing: {enabled: true}", "admin: {requests: 9}"] {
        let (service, tokens) = (
            Service::of([good()]).await,
            Upstream::always(says("t")).await,
        );
        let proxy = routed(&service, &tokens, routing).await;
        for (wish, served_by) in [("session_based", "z"), ("token_based", "t")] {
            let body = asks("hello there", 3).replacen(
                '{',
                &format!(r#"{{"preferred_billing_model":"{wish}","#),
                1,
            );
            let reply = served(&proxy, Request::messages(body)).await;
            assert_eq!(
                reply.header("x-pointsman-provider"),
                Some(served_by),
                "{routing}"
            );
        }
        for sent in [service.asked(0).body, tokens.only().body] {
            let text = String::from_utf8(sent).unwrap();
            assert!(!text.contains("preferred_billing_model"), "{text}");
        }
        let odd = asks("hi", 0).replacen('{', r#"{"preferred_billing_model":"both","#, 1);
        let reply = proxy.ask(Request::messages(odd)).await;
        assert_eq!(reply.status, 400);
        assert!(
            reply.text().contains("preferred_billing_model"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_home_of_the_other_kind_does_not_lead() {
    let (service, tokens) = (
        Service::of([good()]).await,
        Upstream::always(says("t")).await,
    );
    let proxy = routed(&service, &tokens, "routing: {enabled: true}").await;
    for (text, tools, served_by) in [
        ("what is a monad?", 0, "t"),
        ("hello there", 3, "z"),
        ("what is a monoid?", 0, "t"),
    ] {
        let reply = served(&proxy, of_session(asks(text, tools))).await;
        let provider = reply.header("x-pointsman-provider");
        assert_eq!(provider, Some(served_by), "{text}: {}", trace(&reply));
    }
}

#[tokio::test]
async fn when_the_preferred_kind_fails_the_other_follows() {
    let broke = refuses(402, &[], &json!({"code": "x", "message": "pay"}));
    let (service, tokens) = (
        Service::of([broke]).await,
        Upstream::always(says("t")).await,
    );
    let proxy = routed(&service, &tokens, "routing: {enabled: true}").await;
    let request = Request::messages(asks("hello there", 3)).header("x-pointsman-debug", "1");
    let reply = served(&proxy, request).await;
    assert_eq!(reply.header("x-pointsman-provider"), Some("t"));
    assert!(
        trace(&reply).contains("z=402 upstream_credit"),
        "{}",
        trace(&reply)
    );
    // Nothing of the preferred kind is there: the others serve.
    let request = Request::messages(asks("hello again", 3));
    assert_eq!(
        served(&proxy, request).await.header("x-pointsman-provider"),
        Some("t")
    );
    assert_eq!(service.calls(), 1);
}
