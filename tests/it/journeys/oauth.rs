//! Tokens of accounts that have signed in by OAuth: given, refreshed ahead and after a refusal, by one at a time, and
//! with the client's own headers kept.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::authority::Agreed;
use crate::support::authority::Authority;
use crate::support::authority::access;
use crate::support::authority::refresh;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::{Act, Gate};
use crate::support::setup::Provider;
use crate::support::upstream::Seen;
use crate::support::upstream::Upstream;

/// Begins a login: where the person is sent.
pub async fn begin(proxy: &Proxy, query: &str) -> String {
    let reply = proxy
        .ask(Request::get(&format!("/oauth/generate-url{query}")))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["login_url"].as_str().unwrap().to_owned()
}

/// Brings a code by hand.
pub async fn exchange(proxy: &Proxy, code: &str, email: Option<&str>) -> Reply {
    let body = json!({"code": code, "account_email": email}).to_string();
    proxy.ask(Request::post("/oauth/exchange-code", body)).await
}

/// Signs `email` in.
pub async fn sign_in(proxy: &Proxy, authority: &Authority, email: &str) -> Agreed {
    let agreed = authority.agree(&begin(proxy, "").await, email);
    let reply = exchange(proxy, &agreed.pasted(), None).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    agreed
}

/// The JSON of `GET /oauth/status`.
pub async fn status(proxy: &Proxy) -> Value {
    proxy.ask(Request::get("/oauth/status")).await.json()
}

/// The token that a call signed in with.
pub fn bearer(seen: &Seen) -> String {
    assert_eq!(seen.header("x-api-key"), None);
    let value = seen.header("authorization").unwrap();
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

/// A proxy before `claude`, which signs in at `authority`, and `b`, which always says so.
pub async fn before(claude: &Upstream, authority: &Authority, more: &str) -> (Upstream, Proxy) {
    let second = Upstream::always(says("b")).await;
    let setup = authority.setup(
        [
            Provider::oauth("claude", &claude.url()),
            Provider::anthropic("b", &second.url()),
        ],
        more,
    );
    let proxy = Proxy::start(setup.setting("log_level: DEBUG")).await;
    (second, proxy)
}

async fn hi(proxy: &Proxy) -> String {
    proxy.ask(Request::messages(ask("hi"))).await.text()
}

#[tokio::test]
async fn until_somebody_signs_in_others_serve_and_it_is_said_why() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    assert_eq!(hi(&proxy).await, message("b"));
    let provider = proxy.provider("claude").await;
    assert_eq!(provider["healthy"], false, "{provider}");
    let why = provider["reason"].as_str().unwrap();
    assert!(why.contains("pointsman login"), "{why}");
    assert_eq!((claude.calls(), authority.calls()), (0, 0));
    assert_eq!(provider["failure_count"], 0);

    sign_in(&proxy, &authority, "Dev@Example.com").await;
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(bearer(&claude.only()), access(1));
    let provider = proxy.provider("claude").await;
    assert_eq!(provider["account_email"], "dev@example.com");
    assert_eq!(provider["healthy"], true, "{provider}");
}

#[tokio::test]
async fn a_token_request_is_a_form_with_its_verifier_and_no_more() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let agreed = sign_in(&proxy, &authority, "a@b.c").await;
    let asked = authority.asked(0);
    assert_eq!(
        asked.head.headers.get("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let mut names: Vec<&str> = asked.params.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "client_id",
        "code",
        "code_verifier",
        "grant_type",
        "redirect_uri",
    ];
    assert_eq!(names, expected);
    assert_eq!(asked.params["code"], agreed.code);
    assert_eq!(asked.params["code_verifier"].len(), 43);
}

#[tokio::test]
async fn a_profile_may_want_json_its_state_and_more_parameters() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let more = ", token_request_format: json, send_state: true, client_secret: s3cret-canary, client_secret_in: body, \
                authorize_params: {display: 'true', prompt: a b}, token_params: {audience: x}";
    let (_second, proxy) = before(&claude, &authority, more).await;
    let url = begin(&proxy, "").await;
    assert!(
        url.contains("display=true") && url.contains("prompt=a%20b"),
        "{url}"
    );
    assert!(url.contains("scope=infer%20profile"), "{url}");
    let agreed = authority.agree(&url, "a@b.c");
    assert_eq!(exchange(&proxy, &agreed.pasted(), None).await.status, 200);
    let asked = authority.asked(0);
    assert_eq!(asked.params["state"], agreed.state);
    assert_eq!(asked.params["audience"], "x");
    assert_eq!(asked.params["client_secret"], "s3cret-canary");
    assert!(!proxy.console().contains("s3cret"));
}

#[tokio::test]
async fn a_secret_client_shows_itself_in_the_header() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, ", client_secret: 'a:b c'").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let asked = authority.asked(0);
    // journey-client:a%3Ab%20c
    assert_eq!(
        asked.head.headers.get("authorization"),
        Some("Basic am91cm5leS1jbGllbnQ6YSUzQWIlMjBj")
    );
    assert!(!asked.params.contains_key("client_secret"));
}

#[tokio::test]
async fn the_clients_betas_stay_and_ours_join_them() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let more = ", upstream_headers: {anthropic-beta: 'oauth-2099, fine-2099', x-team: t}";
    let (second, proxy) = before(&claude, &authority, more).await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let request = Request::messages(ask("hi"))
        .header("anthropic-beta", "context-2099,fine-2099")
        .header("anthropic-beta", "new-2099");
    proxy.ask(request).await;
    hi(&proxy).await;
    let seen = claude.seen(0);
    let expected = ["context-2099,fine-2099,new-2099,oauth-2099"];
    assert_eq!(seen.headers().all("anthropic-beta"), expected);
    assert_eq!(seen.header("x-team"), Some("t"));
    let alone = claude.seen(1);
    assert_eq!(
        alone.headers().all("anthropic-beta"),
        ["oauth-2099,fine-2099"]
    );
    assert_eq!(second.calls(), 0);
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_ends_and_the_new_refresh_token_is_used_next() {
    let claude = Upstream::always(says("a")).await;
    let authority = Authority::start().await.lives(Some(4));
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    // Nobody asks for anything meanwhile.
    authority.called(3).await;
    assert_eq!(authority.asked(1).params["refresh_token"], refresh(1));
    assert_eq!(authority.asked(2).params["refresh_token"], refresh(2));
    assert_eq!(hi(&proxy).await, message("a"));
    assert_ne!(bearer(&claude.only()), access(1));
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays_good() {
    let claude = Upstream::always(says("a")).await;
    let authority = Authority::start()
        .await
        .lives(Some(4))
        .keeps_refresh_tokens();
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.called(3).await;
    for call in [1, 2] {
        assert_eq!(authority.asked(call).params["refresh_token"], refresh(1));
    }
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_nobody_notices() {
    let expired = refuses(401, "authentication_error", "token revoked");
    let claude = Upstream::first([expired], says("a")).await;
    let authority = Authority::start().await;
    let (second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!((claude.calls(), second.calls()), (2, 0));
    assert_eq!(authority.refreshes(), 1);
    assert_eq!(bearer(&claude.seen(0)), access(1));
    assert_eq!(bearer(&claude.seen(1)), access(2));
    assert_eq!(claude.seen(0).body, claude.seen(1).body);
    assert_eq!(proxy.provider("claude").await["failure_count"], 0);
}

#[tokio::test]
async fn requests_that_are_refused_together_make_one_refresh() {
    let gate = Gate::new();
    // None is refused before all have come: a late one would wait for the new token and never be refused.
    let all_there = Gate::new();
    let refused = refuses(401, "authentication_error", "token revoked");
    let expired = || Act::new().wait(&all_there).and(&refused);
    let claude = Upstream::first((0..8).map(|_| expired()), says("a")).await;
    let authority = Authority::start().await;
    let (second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.waits_for(&gate);
    let texts: Vec<String> = (0..8).map(|it| it.to_string()).collect();
    let mut asked = tokio::task::JoinSet::new();
    for text in texts {
        let address = proxy.address();
        asked.spawn(async move {
            let mut client = crate::support::client::Client::connect(address).await;
            client.ask(Request::messages(ask(&text))).await.text()
        });
    }
    claude.called(8).await;
    all_there.open();
    authority.called(2).await;
    gate.open();
    assert_eq!(asked.join_all().await, vec![message("a"); 8]);
    assert_eq!((authority.refreshes(), second.calls()), (1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_refresh_loses_nobody_the_account() {
    let gate = Gate::new();
    let expired = refuses(401, "authentication_error", "token revoked");
    let claude = Upstream::first([expired], says("a")).await;
    let authority = Authority::start().await;
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.waits_for(&gate);
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    authority.called(2).await;
    client.abort();
    // The proxy sees that it has gone before the server answers.
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.open();
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(bearer(&claude.seen(1)), access(2));
    assert_eq!(authority.refreshes(), 1);
}

#[tokio::test]
async fn a_withdrawn_account_needs_a_new_login_and_is_not_asked_about_again() {
    let expired = || refuses(401, "authentication_error", "token revoked");
    let claude = Upstream::first([expired()], says("a")).await;
    let authority = Authority::start().await;
    let (second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.revokes();
    assert_eq!(hi(&proxy).await, message("b"));
    assert_eq!(authority.refreshes(), 1);
    for _ in 0..3 {
        assert_eq!(hi(&proxy).await, message("b"));
    }
    assert_eq!(
        (authority.refreshes(), claude.calls(), second.calls()),
        (1, 1, 4)
    );
    let provider = proxy.provider("claude").await;
    let why = provider["reason"].as_str().unwrap();
    assert!(
        why.contains("sign in again") && why.contains("invalid_grant"),
        "{why}"
    );
    let told = status(&proxy).await;
    assert_eq!(told["tokens"][0]["needs_login"], true, "{told}");
    assert_eq!(told["summary"]["need_login"], 1);

    // The same account, written otherwise.
    sign_in(&proxy, &authority, "A@B.C").await;
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 1);
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_as_long_as_it_says() {
    let claude = Upstream::always(says("a")).await;
    let authority = Authority::start().await.lives(Some(12));
    let (second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.fails(503, &[], "{}");
    authority.fails(429, &[("retry-after", "60")], "{}");
    // Due at half its life, and once more a second later.
    authority.called(3).await;
    let told = eventually("the reason", || async {
        let told = status(&proxy).await;
        let why = told["tokens"][0]["why"].as_str()?.contains("429");
        why.then_some(told)
    })
    .await;
    assert_eq!(told["tokens"][0]["needs_login"], false, "{told}");
    // The old token serves all the while.
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(bearer(&claude.only()), access(1));
    assert_eq!((authority.calls(), second.calls()), (3, 0));
}

#[tokio::test]
async fn without_auto_refresh_a_token_is_refreshed_when_it_is_needed() {
    let claude = Upstream::always(says("a")).await;
    let authority = Authority::start().await.lives(Some(2));
    let setup = authority
        .setup([Provider::oauth("claude", &claude.url())], "")
        .setting("oauth: {enable_auto_refresh: false}");
    let proxy = Proxy::start(setup).await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.live_for(3600);
    eventually("the end of the token", || async {
        let told = status(&proxy).await;
        (told["tokens"][0]["is_expired"] == true).then_some(())
    })
    .await;
    assert_eq!(authority.refreshes(), 0);
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(
        (authority.refreshes(), bearer(&claude.only())),
        (1, access(2))
    );
}
