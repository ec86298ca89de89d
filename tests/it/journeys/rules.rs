//! Routes for some requests only: by who asks, how long the prompt is, what is in it, and what a header says.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const RULES: &str = "route_rules:
  - {when: {header: {x-team: red}}, candidates: [{provider: team}]}
  - {when: {header: {x-pointsman-lane: red}}, candidates: [{provider: team}]}
  - {models: '*sonnet*', when: {agent: true}, candidates: [{provider: agents}]}
  - {when: {images: true}, candidates: [{provider: eyes}]}
  - {when: {thinking: true, tokens_under: 1k}, candidates: [{provider: thinker}]}
  - {when: {tokens_over: 10k}, candidates: [{provider: long}]}
";

struct Place {
    _upstreams: Vec<Upstream>,
    proxy: Proxy,
}

async fn place(rules: &str, settings: &[&str]) -> Place {
    let names = ["usual", "team", "agents", "eyes", "thinker", "long"];
    let mut upstreams = Vec::new();
    let mut providers = Vec::new();
    for name in names {
        let upstream = Upstream::always(says(name)).await;
        providers.push(Provider::anthropic(name, &upstream.url()));
        upstreams.push(upstream);
    }
    let mut setup = Setup::of(providers)
        .route("*", &["provider: usual"])
        .section(rules);
    for line in settings {
        setup = setup.setting(line);
    }
    Place {
        proxy: Proxy::start(setup).await,
        _upstreams: upstreams,
    }
}

fn with(key: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(&ask("hi")).unwrap();
    body[key] = value;
    body.to_string()
}

#[tokio::test]
async fn the_first_rule_that_fits_stands_in_for_the_route() {
    let place = place(RULES, &[]).await;
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let source = json!({"type": "base64", "media_type": "image/png", "data": "A".repeat(200_000)});
    let picture = user(json!([{"type": "image", "source": source}]));
    let long = user(json!("word ".repeat(10_000)));
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let agent = |request: Request| request.header("x-claude-code-agent-id", "explore");
    let opus = ask("hi").replace("sonnet", "opus");
    let cases = [
        (Request::messages(ask("hi")), "usual"),
        (Request::messages(ask("hi")).header("x-team", "red"), "team"),
        (
            Request::messages(ask("hi")).header("x-team", "blue"),
            "usual",
        ),
        (
            Request::messages(ask("hi")).header("x-pointsman-lane", "red"),
            "team",
        ),
        (agent(Request::messages(ask("hi"))), "agents"),
        (agent(Request::messages(opus)), "usual"),
        (
            agent(Request::messages(ask("hi"))).header("x-team", "red"),
            "team",
        ),
        (Request::messages(with("messages", picture)), "eyes"),
        (Request::messages(with("thinking", thinking)), "thinker"),
        (Request::messages(with("messages", long)), "long"),
    ];
    for (request, served_by) in cases {
        let reply = place.proxy.ask(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.text(), message(served_by), "{served_by}");
    }
}

#[tokio::test]
async fn a_rule_without_an_active_provider_gives_way() {
    let rules = "route_rules:
  - {when: {agent: true}, candidates: [{provider: team, enabled: false}]}
";
    let place = place(rules, &[]).await;
    let request = Request::messages(ask("hi")).header("x-claude-code-agent-id", "explore");
    assert_eq!(place.proxy.ask(request).await.text(), message("usual"));
}

/// The same words under another rule are another request: no answer of one is given to the other.
#[tokio::test]
async fn answers_are_not_shared_across_rules() {
    let place = place(RULES, &["cache: {mode: all}", "deduplication: all"]).await;
    let plain = || Request::messages(ask("hi"));
    for (request, served_by) in [
        (plain(), "usual"),
        (plain().header("x-team", "red"), "team"),
        (
            plain().header("x-claude-code-agent-id", "explore"),
            "agents",
        ),
        (plain(), "usual"),
    ] {
        let reply = place.proxy.ask(request).await;
        assert_eq!(reply.text(), message(served_by), "{served_by}");
    }
}

#[tokio::test]
async fn a_route_has_its_own_patience() {
    let hangs = || Act::new().hang();
    let first = Upstream::script([hangs(), hangs(), hangs()]).await;
    let second = Upstream::always(says("b")).await;
    // Both providers would be waited for a minute and longer.
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .section(
        "route_rules:\n  - when: {header: {x-team: hasty}}\n    timeouts: {first_byte_whole: 200ms}\n    \
         candidates: [{provider: a, priority: 1}, {provider: b, priority: 2}]",
    )
    .setting("unhealthy_threshold: 9");
    let proxy = Proxy::start(setup).await;
    let hasty = Request::messages(ask("hi")).header("x-team", "hasty");
    let reply = proxy.ask(hasty).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    let failed = proxy.provider("a").await["last_error"].to_string();
    assert!(failed.contains("did not answer in time"), "{failed}");

    // Others wait: the request is still under way when a hasty one has come and gone.
    let mut patient = proxy.connect().await;
    patient.send(Request::messages(ask("2")).bytes()).await;
    eventually("the call", || async { (first.calls() == 2).then_some(()) }).await;
    let hasty = Request::messages(ask("3")).header("x-team", "hasty");
    assert_eq!(proxy.ask(hasty).await.text(), message("b"));
    assert_eq!(proxy.provider("a").await["in_flight"], 1);
}
