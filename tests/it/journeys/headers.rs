//! What may not cross: connections' own headers, credentials, cookies, traces of proxies.

use crate::support::answers::ask;
use crate::support::answers::completion;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn the_upstream_sees_nothing_it_should_not() {
    let upstream = Upstream::script([says("hello")]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let denied = [
        ("connection", "keep-alive, x-named-by-connection"),
        ("x-named-by-connection", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("authorization", "Bearer of-the-client"),
        ("x-api-key", "of-the-client"),
        ("cookie", "session=of-the-client"),
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "front.example"),
        ("via", "1.1 front"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("cf-ray", "1"),
        ("x-amzn-trace-id", "1"),
        ("x-pointsman-debug", "1"),
        ("x-pointsman-anything", "1"),
    ];
    let mut request = Request::messages(ask("hi")).header("accept-encoding", "gzip, br, zstd");
    for (name, value) in denied {
        request = request.header(name, value);
    }

    assert_eq!(proxy.ask(request).await.status, 200);

    let seen = upstream.only();
    for (name, value) in denied {
        let kept = seen.headers().all(name);
        assert!(!kept.contains(&value), "{name}: {kept:?}");
    }
    let text = String::from_utf8_lossy(&seen.head.bytes).to_lowercase();
    for word in [
        "of-the-client",
        "192.0.2.1",
        "pointsman",
        "c2vjcmv0",
        "x-named-by",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(seen.headers().all("accept-encoding"), ["identity"]);
    assert_eq!(seen.headers().all("x-api-key"), [key_of("a")]);
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.headers().all("content-length").len(), 1);
    let host = upstream.url().replace("http://", "");
    assert_eq!(seen.headers().all("host"), [host]);
}

#[tokio::test]
async fn the_client_sees_nothing_it_should_not() {
    let headers = [
        ("set-cookie", "session=of-the-vendor"),
        ("server", "vendor"),
        ("alt-svc", "h3=\":443\""),
        ("strict-transport-security", "max-age=1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("connection", "x-named-by-connection"),
        ("x-named-by-connection", "1"),
        ("x-kept", "1"),
    ];
    let upstream = Upstream::script([Act::answer(200, &headers, message("hello"))]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "x-kept") {
        let kept = reply.headers().all(name);
        assert!(!kept.contains(value), "{name}: {kept:?}");
    }
    assert_eq!(reply.header("x-kept"), Some("1"));
}

#[tokio::test]
async fn each_provider_gets_its_own_key_where_it_looks_for_it() {
    let anthropic = Upstream::always(says("hello")).await;
    let bearer = Upstream::always(says("hello")).await;
    let openai = Upstream::always(Act::answer(200, &[], completion("hello"))).await;
    let setup = Setup::of([
        Provider::anthropic("a", &anthropic.url()),
        Provider::anthropic("b", &bearer.url()).token("sk-canary-token-0123456789"),
        Provider::openai("o", &openai.url()),
    ])
    .route(
        "claude-a",
        &["provider: a, model: passthrough, priority: 1"],
    )
    .route(
        "claude-b",
        &["provider: b, model: passthrough, priority: 1"],
    )
    .route("gpt-o", &["provider: o, model: passthrough, priority: 1"])
    .gateway_key("sk-canary-gateway-0123456789");
    let proxy = Proxy::start(setup).await;
    let model = crate::support::answers::MODEL;

    for (name, request) in [
        (
            "claude-a",
            Request::messages(ask("hi").replace(model, "claude-a")),
        ),
        (
            "claude-b",
            Request::messages(ask("hi").replace(model, "claude-b")),
        ),
        (
            "gpt-o",
            Request::messages(ask("hi").replace(model, "gpt-o")),
        ),
    ] {
        // The seeds' set-up of Claude Code sends both headers, with different values.
        let reply = proxy
            .ask(
                request
                    .header("x-api-key", "sk-canary-gateway-0123456789")
                    .header("authorization", "Bearer something-else"),
            )
            .await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    }

    let seen = anthropic.only();
    assert_eq!(seen.headers().all("x-api-key"), [key_of("a")]);
    assert_eq!(seen.header("authorization"), None);
    let seen = bearer.only();
    assert_eq!(
        seen.headers().all("authorization"),
        ["Bearer sk-canary-token-0123456789"]
    );
    assert_eq!(seen.header("x-api-key"), None);
    let seen = openai.only();
    assert_eq!(
        seen.headers().all("authorization"),
        [format!("Bearer {}", key_of("o"))]
    );
    assert_eq!(seen.header("x-api-key"), None);
}

#[tokio::test]
async fn under_passthrough_the_clients_own_credential_goes_on_and_the_gateways_does_not() {
    let upstream = Upstream::always(says("hello")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url()).passthrough()])
        .gateway_key("sk-canary-gateway-0123456789");
    let proxy = Proxy::start(setup).await;
    let request = Request::messages(ask("hi"))
        .header("authorization", "Bearer login-of-the-developer")
        .header("anthropic-beta", "oauth-2025-04-20");
    let reply = proxy
        .ask(request.header("x-api-key", "sk-canary-gateway-0123456789"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    assert_eq!(
        seen.headers().all("authorization"),
        ["Bearer login-of-the-developer"]
    );
    assert_eq!(seen.header("x-api-key"), None);
    assert_eq!(seen.header("anthropic-beta"), Some("oauth-2025-04-20"));
}

#[tokio::test]
async fn a_failover_takes_no_key_of_one_provider_to_the_other() {
    let first = Upstream::script([Act::answer(500, &[], "{}")]).await;
    let second = Upstream::script([says("hello")]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with("headers: {x-only-for-a: \"1\"}"),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(proxy.ask(Request::messages(ask("hi"))).await.status, 200);
    assert_eq!(first.only().headers().all("x-api-key"), [key_of("a")]);
    assert_eq!(first.only().header("x-only-for-a"), Some("1"));
    assert_eq!(second.only().headers().all("x-api-key"), [key_of("b")]);
    assert_eq!(second.only().header("x-only-for-a"), None);
}

/// A provider may bind an account to a connection: two users never share one, whichever header tells them apart.
#[tokio::test]
async fn under_passthrough_users_do_not_share_connections() {
    let upstream = Upstream::always(says("a")).await;
    let provider = Provider::anthropic("a", &upstream.url()).passthrough();
    let proxy = Proxy::start(Setup::of([provider])).await;
    let users = ["one", "one", "two", "one", "two", "two"];
    for user in users {
        let request = Request::messages(ask("hi"))
            .header("x-api-key", "common")
            .header("authorization", &format!("Bearer {user}"));
        assert_eq!(proxy.ask(request).await.status, 200);
    }
    let of = |user: &str| -> Vec<usize> {
        let mine = (0..users.len()).filter(|i| users[*i] == user);
        mine.map(|i| upstream.seen(i).connection).collect()
    };
    let (one, two) = (of("one"), of("two"));
    assert!(one.iter().all(|it| !two.contains(it)), "{one:?} {two:?}");
}
