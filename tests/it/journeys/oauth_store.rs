//! Where accounts are kept: across restarts and upgrades, by several processes at once, and not in anybody's sight.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::journeys::oauth::bearer;
use crate::journeys::oauth::before;
use crate::journeys::oauth::sign_in;
use crate::journeys::oauth::status;
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::authority::Authority;
use crate::support::authority::access;
use crate::support::authority::refresh;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::upstream::Upstream;

async fn hi(proxy: &Proxy) -> String {
    proxy.ask(Request::messages(ask("hi"))).await.text()
}

#[tokio::test]
async fn accounts_outlive_a_crash_in_a_file_that_shows_nothing() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, mut proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let file = proxy
        .config_path()
        .with_file_name("data")
        .join("oauth-tokens");
    let meta = fs::metadata(&file).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    for secret in [access(1), refresh(1), "a@b.c".to_owned()] {
        let found = bytes
            .windows(secret.len())
            .any(|it| it == secret.as_bytes());
        assert!(!found, "{secret}");
    }
    proxy.kill();
    proxy.start_again().await;
    assert_eq!(hi(&proxy).await, message("a"));
    // What was kept is good still.
    assert_eq!((bearer(&claude.only()), authority.calls()), (access(1), 1));
}

#[tokio::test]
async fn a_new_refresh_token_is_on_the_disk_before_the_token_is_used() {
    let gate = Gate::new();
    let expired = refuses(401, "authentication_error", "token revoked");
    let claude = Upstream::first([expired, Act::new().wait(&gate)], says("a")).await;
    let authority = Authority::start().await;
    let (_second, mut proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let mut client = proxy.connect().await;
    client.send(Request::messages(ask("hi")).bytes()).await;
    // The new token has just arrived at the provider.
    claude.called(2).await;
    proxy.kill();
    proxy.start_again().await;
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!(bearer(&claude.seen(2)), access(2));
    assert_eq!(authority.refreshes(), 1);
}

#[tokio::test]
async fn a_store_that_does_not_open_is_left_alone_and_told() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, mut proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    proxy.kill();
    let file = proxy
        .config_path()
        .with_file_name("data")
        .join("oauth-tokens");
    let whole = fs::read(&file).unwrap();
    let torn = &whole[..whole.len() - 1];
    fs::write(&file, torn).unwrap();
    proxy.start_again().await;
    assert_eq!(hi(&proxy).await, message("b"));
    let why = proxy.provider("claude").await["reason"].to_string();
    assert!(why.contains("does not open"), "{why}");
    let told = status(&proxy).await;
    assert_eq!(told["system"]["oauth_manager_status"], "trouble", "{told}");
    let begun = proxy.ask(Request::get("/oauth/generate-url")).await;
    assert_eq!(begun.status, 503, "{}", begun.text());
    let (text, code) = proxy.command(&["login"]);
    assert!(code == Some(1) && text.contains("does not open"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), torn);
    // The right file is put back: it is used without a restart.
    fs::write(&file, &whole).unwrap();
    eventually("the account", || async {
        (hi(&proxy).await == message("a")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_processes_with_one_store_make_one_refresh() {
    let gate = Gate::new();
    let expired = || refuses(401, "authentication_error", "token revoked");
    let claude = Upstream::first([expired(), expired()], says("a")).await;
    let authority = Authority::start().await;
    let shared = tempfile::TempDir::new().unwrap();
    let store = format!(
        "  store: {{path: {}/tokens, key: k3y-canary-0123456789abcdef0123456789}}\n",
        shared.path().display()
    );
    let setup = || {
        authority
            .setup_with([Provider::oauth("claude", &claude.url())], "", &store)
            .secret("k3y-canary")
    };
    let (one, two) = (Proxy::start(setup()).await, Proxy::start(setup()).await);
    sign_in(&one, &authority, "a@b.c").await;
    eventually("the account in the other process", || async {
        let told = status(&two).await;
        (told["summary"]["total_tokens"] == 1).then_some(())
    })
    .await;
    authority.waits_for(&gate);
    let asked = [one.address(), two.address()].map(|address| {
        tokio::spawn(async move {
            let mut client = crate::support::client::Client::connect(address).await;
            client.ask(Request::messages(ask("hi"))).await.text()
        })
    });
    claude.called(2).await;
    authority.called(2).await;
    gate.open();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), message("a"));
    }
    assert_eq!(authority.refreshes(), 1);
    assert_eq!(bearer(&claude.seen(3)), access(2));
    assert!(!shared.path().join("tokens.key").exists());
}

#[tokio::test]
async fn in_memory_nothing_is_written() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let setup = authority
        .setup([Provider::oauth("claude", &claude.url())], "")
        .setting("oauth: {enable_persistence: false}");
    let proxy = Proxy::start(setup).await;
    sign_in(&proxy, &authority, "a@b.c").await;
    assert_eq!(hi(&proxy).await, message("a"));
    assert!(!proxy.config_path().with_file_name("data").exists());
    let (text, code) = proxy.command(&["login"]);
    assert!(code == Some(1) && text.contains("memory only"), "{text}");
}

#[tokio::test]
async fn a_reload_keeps_accounts_and_what_is_at_hand() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let reply = proxy.ask(Request::post("/providers/reload", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(hi(&proxy).await, message("a"));
    assert_eq!((bearer(&claude.only()), authority.calls()), (access(1), 1));
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 1);
}
