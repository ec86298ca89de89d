//! Several accounts of one provider: in turns, each with health of its own, pinned, signed out.

use crate::journeys::oauth::bearer;
use crate::journeys::oauth::before;
use crate::journeys::oauth::begin;
use crate::journeys::oauth::exchange;
use crate::journeys::oauth::sign_in;
use crate::journeys::oauth::status;
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::authority::Authority;
use crate::support::authority::access;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::upstream::Upstream;

async fn hi(proxy: &Proxy, text: &str) -> String {
    proxy.ask(Request::messages(ask(text))).await.text()
}

async fn delete(proxy: &Proxy, path: &str) -> (u16, serde_json::Value) {
    let reply = proxy.ask(Request::new("DELETE", path)).await;
    (reply.status, reply.json())
}

/// The accounts of `GET /providers`, and whether they are well.
async fn accounts(proxy: &Proxy) -> Vec<(String, bool)> {
    let all = proxy.providers().await;
    let all = all["providers"].as_array().unwrap().iter();
    let claude = all.filter(|it| it["name"] == "claude");
    claude
        .map(|it| {
            let email = it["account_email"].as_str().unwrap_or_default().to_owned();
            (email, it["healthy"] == true)
        })
        .collect()
}

#[tokio::test]
async fn accounts_take_turns() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (second, proxy) = before(&claude, &authority, "").await;
    for email in ["one@b.c", "two@b.c", "three@b.c"] {
        sign_in(&proxy, &authority, email).await;
    }
    for text in ["1", "2", "3", "4", "5", "6"] {
        assert_eq!(hi(&proxy, text).await, message("a"));
    }
    let mut used: Vec<String> = (0..6).map(|call| bearer(&claude.seen(call))).collect();
    assert_eq!(used[..3], used[3..]);
    used.sort();
    used.dedup();
    assert_eq!(used, [access(1), access(2), access(3)]);
    assert_eq!(second.calls(), 0);
    let told = status(&proxy).await;
    assert_eq!(told["summary"]["healthy_tokens"], 3, "{told}");
    assert_eq!(told["tokens"][0]["usage_count"], 2, "{told}");
    assert_eq!(told["active_token"]["is_current"], true, "{told}");
}

#[tokio::test]
async fn the_trouble_of_one_account_is_not_that_of_another() {
    let limited = refuses(429, "rate_limit_error", "slow down");
    let claude = Upstream::first([limited], says("a")).await;
    let authority = Authority::start().await;
    let (second, proxy) = before(&claude, &authority, "").await;
    for email in ["one@b.c", "two@b.c"] {
        sign_in(&proxy, &authority, email).await;
    }
    // The first account is limited: the other one serves, now and from now on.
    for text in ["1", "2", "3"] {
        assert_eq!(hi(&proxy, text).await, message("a"));
    }
    assert_eq!((claude.calls(), second.calls()), (4, 0));
    let limited = bearer(&claude.seen(0));
    for call in 1..4 {
        assert_ne!(bearer(&claude.seen(call)), limited);
    }
    let well: Vec<bool> = accounts(&proxy).await.into_iter().map(|it| it.1).collect();
    assert_eq!(well.iter().filter(|it| **it).count(), 1, "{well:?}");
}

#[tokio::test]
async fn accounts_may_be_pinned_and_are_found_however_they_are_written() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let setup = authority
        .setup(
            [
                Provider::oauth("claude", &claude.url()).with("account_email: One@B.C"),
                Provider::oauth("claude", &claude.url()).with("account_email: two@b.c"),
            ],
            "",
        )
        .route("*", &["provider: claude, account_email: TWO@b.c"]);
    let proxy = Proxy::start(setup).await;
    // The first one to sign in is not the one that is asked for.
    sign_in(&proxy, &authority, "ONE@b.c").await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    sign_in(&proxy, &authority, "Two@B.C").await;
    for text in ["1", "2"] {
        assert_eq!(hi(&proxy, text).await, message("a"));
    }
    assert_eq!(bearer(&claude.seen(0)), access(2));
    assert_eq!(bearer(&claude.seen(1)), access(2));
    let expected = [("one@b.c".to_owned(), true), ("two@b.c".to_owned(), true)];
    assert_eq!(accounts(&proxy).await, expected);
}

#[tokio::test]
async fn an_account_is_refreshed_on_demand() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    let reply = proxy.ask(Request::post("/oauth/refresh/A%40B.C", "")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!(told["status"], "success");
    assert_eq!(told["account_email"], "a@b.c");
    assert!(told["refreshed_at"].as_u64().is_some(), "{told}");
    assert!(!told.to_string().contains(&access(2)), "{told}");
    hi(&proxy, "hi").await;
    assert_eq!(bearer(&claude.only()), access(2));
    let nobody = proxy.ask(Request::post("/oauth/refresh/x@b.c", "")).await;
    assert_eq!(
        (nobody.status, nobody.json()["error"].is_string()),
        (404, true)
    );
    // One that fails takes nothing away.
    authority.fails(503, &[], "{}");
    let reply = proxy.ask(Request::post("/oauth/refresh/a@b.c", "")).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(hi(&proxy, "2").await, message("a"));
    assert_eq!(bearer(&claude.seen(1)), access(2));
}

#[tokio::test]
async fn accounts_are_signed_out_one_by_one_or_all() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    for email in ["one@b.c", "two@b.c", "three@b.c"] {
        sign_in(&proxy, &authority, email).await;
    }
    assert_eq!(delete(&proxy, "/oauth/tokens/x@b.c").await.0, 404);
    let (code, told) = delete(&proxy, "/oauth/tokens/ONE@b.c").await;
    assert_eq!(
        (code, &told["removed"][0]),
        (200, &"one@b.c".into()),
        "{told}"
    );
    assert_eq!(accounts(&proxy).await.len(), 2);
    for text in ["1", "2", "3"] {
        assert_eq!(hi(&proxy, text).await, message("a"));
        assert_ne!(bearer(&claude.seen(claude.calls() - 1)), access(1));
    }
    let waiting = authority.agree(&begin(&proxy, "").await, "four@b.c");
    let (code, told) = delete(&proxy, "/oauth/tokens").await;
    assert_eq!((code, told["removed"].as_array().unwrap().len()), (200, 2));
    assert_eq!(hi(&proxy, "4").await, message("b"));
    assert_eq!(accounts(&proxy).await, [(String::new(), false)]);
    // Logins under way are over, too.
    assert_eq!(exchange(&proxy, &waiting.pasted(), None).await.status, 400);
}

#[tokio::test]
async fn an_account_that_is_signed_out_while_it_is_refreshed_stays_out() {
    let gate = Gate::new();
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    sign_in(&proxy, &authority, "a@b.c").await;
    authority.waits_for(&gate);
    let address = proxy.address();
    let refreshing = tokio::spawn(async move {
        let mut client = crate::support::client::Client::connect(address).await;
        client
            .ask(Request::post("/oauth/refresh/a@b.c", ""))
            .await
            .status
    });
    authority.called(2).await;
    assert_eq!(delete(&proxy, "/oauth/tokens/a@b.c").await.0, 200);
    gate.open();
    assert_eq!(refreshing.await.unwrap(), 409);
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 0);
    assert_eq!(hi(&proxy, "hi").await, message("b"));
}
