//! Logins: states that are good once, codes in every shape people bring them, servers that are not who they should be,
//! and `pointsman login`.

use std::io::Write;
use std::process::Command;
use std::process::Stdio;

use crate::journeys::oauth::before;
use crate::journeys::oauth::begin;
use crate::journeys::oauth::exchange;
use crate::journeys::oauth::status;
use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::authority::Authority;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::upstream::Upstream;

async fn called_back(proxy: &Proxy, target: &str) -> Reply {
    proxy.ask(Request::get(target)).await
}

#[tokio::test]
async fn a_browser_is_sent_there_and_signed_in_when_it_comes_back() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let browser =
        Request::get("/oauth/authorize?account_email=a@b.c").header("accept", "text/html,*/*");
    let reply = proxy.ask(browser).await;
    assert_eq!((reply.status, reply.text()), (302, String::new()));
    let agreed = authority.agree(reply.header("location").unwrap(), "a@b.c");
    let reply = called_back(&proxy, &agreed.target()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("a@b.c") && reply.text().starts_with("<!doctype html>"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("a"));
    // Programs get JSON.
    let reply = proxy.ask(Request::get("/oauth/authorize")).await;
    assert_eq!(reply.json()["expires_in"], 600);
}

#[tokio::test]
async fn a_code_is_taken_in_every_shape() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    for shape in 0..4 {
        let agreed = authority.agree(&begin(&proxy, "").await, "a@b.c");
        let pasted = match shape {
            0 => agreed.code.clone(),
            1 => agreed.pasted(),
            2 => agreed.callback.clone(),
            _ => format!("  {}&scope=x#{}&y=z \n", agreed.code, agreed.state),
        };
        let reply = exchange(&proxy, &pasted, None).await;
        assert_eq!(reply.status, 200, "{pasted}: {}", reply.text());
        let told = reply.json();
        assert_eq!(told["status"], "success");
        assert_eq!(told["message"], "Authorization successful");
        assert_eq!(told["account_email"], "a@b.c");
        assert_eq!(told["scopes"][0], "infer");
        assert!(told["expires_at"].as_u64().is_some());
    }
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 1);
}

#[tokio::test]
async fn a_state_is_good_once_and_only_as_it_was_given() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let agreed = authority.agree(&begin(&proxy, "").await, "a@b.c");
    let mut wrong = agreed.state.clone();
    wrong.replace_range(0..1, if wrong.starts_with('A') { "B" } else { "A" });
    for state in [wrong.as_str(), "", &agreed.state[1..]] {
        let target = format!("/oauth/callback?code={}&state={state}", agreed.code);
        let reply = called_back(&proxy, &target).await;
        assert_eq!(reply.status, 400, "{state}");
        let reply = exchange(&proxy, &format!("{}#{state}x", agreed.code), None).await;
        assert_eq!(reply.status, 400, "{state}");
    }
    assert_eq!(authority.calls(), 0);
    assert_eq!(called_back(&proxy, &agreed.target()).await.status, 200);
    let again = called_back(&proxy, &agreed.target()).await;
    assert_eq!(again.status, 400);
    assert!(
        again.text().contains("was used already"),
        "{}",
        again.text()
    );
    assert_eq!(authority.calls(), 1);
}

#[tokio::test]
async fn what_comes_back_without_a_code_is_said_and_kept_out_of_the_page_s_markup() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let agreed = authority.agree(&begin(&proxy, "").await, "a@b.c");
    for (query, expected) in [
        (String::new(), "Missing authorization code"),
        (format!("code={}", agreed.code), "Missing state"),
        (
            format!("state={}", agreed.state),
            "Missing authorization code",
        ),
        (
            format!("code={0}&code={0}&state={1}", agreed.code, agreed.state),
            "Missing authorization code",
        ),
        (
            format!(
                "error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E&state={}",
                agreed.state
            ),
            "access_denied: &lt;b&gt;no&lt;/b&gt;",
        ),
        // That was its end.
        (
            format!("code={}&state={}", agreed.code, agreed.state),
            "was used already",
        ),
    ] {
        let reply = called_back(&proxy, &format!("/oauth/callback?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.text().contains(expected), "{query}: {}", reply.text());
    }
    assert_eq!(authority.calls(), 0);
    let body = proxy.ask(Request::post("/oauth/exchange-code", "{}")).await;
    assert_eq!(
        (body.status, body.text()),
        (400, r#"{"error":"Missing authorization code"}"#.to_owned())
    );
    let body = proxy
        .ask(Request::post("/oauth/exchange-code", "code=1"))
        .await;
    assert_eq!(body.status, 400, "{}", body.text());
}

#[tokio::test]
async fn logins_at_the_same_time_do_not_know_of_each_other() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let mut agreed = Vec::new();
    for name in ["one@b.c", "two@b.c", "three@b.c"] {
        agreed.push(authority.agree(&begin(&proxy, "").await, name));
    }
    // Which of the three a bare code belongs to nobody can tell.
    let reply = exchange(&proxy, &agreed[0].code, None).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("3 are under way"), "{}", reply.text());
    for it in agreed.iter().rev() {
        assert_eq!(called_back(&proxy, &it.target()).await.status, 200);
    }
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 3);
}

#[tokio::test]
async fn logins_that_nobody_finishes_make_room() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let first = authority.agree(&begin(&proxy, "").await, "a@b.c");
    for _ in 0..32 {
        begin(&proxy, "").await;
    }
    let reply = exchange(&proxy, &first.pasted(), None).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[tokio::test]
async fn somebody_else_than_expected_is_not_kept() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let url = begin(&proxy, "?account_email=Wanted@B.C").await;
    let agreed = authority.agree(&url, "other@b.c");
    let reply = exchange(&proxy, &agreed.pasted(), None).await;
    assert_eq!(reply.status, 400);
    let told = reply.json()["error"].as_str().unwrap().to_owned();
    assert!(
        told.contains("other@b.c") && told.contains("wanted@b.c"),
        "{told}"
    );
    assert_eq!(status(&proxy).await["summary"]["total_tokens"], 0);
}

#[tokio::test]
async fn the_server_tells_who_it_was_or_the_operator_does() {
    let claude = Upstream::always(says("a")).await;
    let authority = Authority::start().await.anonymous();
    let (_second, proxy) = before(&claude, &authority, "").await;
    for (given, kept) in [(Some(" Me@B.C "), "me@b.c"), (None, "default")] {
        let agreed = authority.agree(&begin(&proxy, "").await, "x");
        let reply = exchange(&proxy, &agreed.pasted(), given).await;
        assert_eq!(reply.json()["account_email"], kept, "{}", reply.text());
    }
    let more = format!(
        ", profile_url: {}",
        authority
            .lines()
            .split(['{', ' '])
            .nth(1)
            .unwrap()
            .replace("/authorize,", "/profile")
    );
    let (_second, proxy) = before(&claude, &authority, &more).await;
    let agreed = authority.agree(&begin(&proxy, "").await, "x");
    let reply = exchange(&proxy, &agreed.pasted(), None).await;
    assert_eq!(
        reply.json()["account_email"],
        "told@example.com",
        "{}",
        reply.text()
    );
    assert_eq!(authority.profile_calls(), 1);
}

#[tokio::test]
async fn an_answer_without_anything_optional_is_enough() {
    let (claude, authority) = (
        Upstream::always(says("a")).await,
        Authority::start().await.terse(),
    );
    let (second, proxy) = before(&claude, &authority, "").await;
    let agreed = authority.agree(&begin(&proxy, "").await, "x");
    let reply = exchange(&proxy, &agreed.pasted(), Some("a@b.c")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["scopes"][1], "profile");
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("a"));
    assert_eq!(second.calls(), 0);
}

#[tokio::test]
async fn a_redirect_of_another_server_is_refused() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let own = authority
        .lines()
        .split(' ')
        .nth(1)
        .unwrap()
        .replace("/authorize,", "");
    for (more, iss, status) in [
        (String::new(), Some("https://evil.example"), 400),
        (String::new(), Some(own.as_str()), 200),
        (String::new(), None, 200),
        (", issuer: 'https://as.example'".to_owned(), None, 400),
        (
            ", issuer: 'https://as.example'".to_owned(),
            Some(own.as_str()),
            400,
        ),
        (
            ", issuer: 'https://as.example'".to_owned(),
            Some("https://as.example"),
            200,
        ),
    ] {
        let (_second, proxy) = before(&claude, &authority, &more).await;
        let agreed = authority.agree(&begin(&proxy, "").await, "a@b.c");
        let iss = iss.map(|it| format!("&iss={it}")).unwrap_or_default();
        let reply = called_back(&proxy, &format!("{}{iss}", agreed.target())).await;
        assert_eq!(reply.status, status, "{more} {iss}: {}", reply.text());
    }
}

#[tokio::test]
async fn only_the_callback_is_open_to_who_has_no_admin_key() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let setup = authority
        .setup(
            [crate::support::setup::Provider::oauth(
                "claude",
                &claude.url(),
            )],
            "",
        )
        .section("admin: {key: admin-canary-0123456789}")
        .secret("admin-canary-0123456789");
    let proxy = Proxy::start(setup).await;
    for (method, path) in [
        ("GET", "/oauth/authorize"),
        ("GET", "/oauth/generate-url"),
        ("GET", "/oauth/status"),
        ("POST", "/oauth/exchange-code"),
        ("POST", "/oauth/refresh/a@b.c"),
        ("DELETE", "/oauth/tokens"),
        ("DELETE", "/oauth/tokens/a@b.c"),
    ] {
        let reply = proxy.ask(Request::new(method, path)).await;
        assert_eq!(reply.status, 401, "{method} {path}");
        let signed = Request::new(method, path).header("x-api-key", "admin-canary-0123456789");
        assert_ne!(proxy.ask(signed).await.status, 401, "{method} {path}");
    }
    assert_eq!(
        called_back(&proxy, "/oauth/callback?code=x&state=y")
            .await
            .status,
        400
    );
    // Looking begins nothing.
    assert_eq!(
        proxy
            .ask(Request::new("HEAD", "/oauth/callback"))
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn without_a_profile_there_is_nothing_there() {
    let claude = Upstream::always(says("a")).await;
    let setup = crate::support::setup::Setup::of([
        crate::support::setup::Provider::oauth("o", &claude.url()),
        crate::support::setup::Provider::anthropic("a", &claude.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    for path in [
        "/oauth/status",
        "/oauth/generate-url",
        "/oauth/callback?code=a&state=b",
    ] {
        assert_eq!(proxy.ask(Request::get(path)).await.status, 404, "{path}");
    }
    let provider = proxy.provider("o").await;
    assert_eq!(provider["status"], "inactive", "{provider}");
    assert!(!proxy.config_path().with_file_name("data").exists());
}

/// Runs `pointsman login` beside the proxy, and gives its input and what ends it.
fn login(proxy: &Proxy, arguments: &[&str]) -> std::process::Child {
    let config = proxy.config_path();
    Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .arg("login")
        .args(arguments)
        .arg("--config")
        .arg(&config)
        .current_dir(config.parent().unwrap())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what it says up to the address.
fn invited(child: &mut std::process::Child) -> String {
    use std::io::BufRead;
    let lines = std::io::BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines
        .map(Result::unwrap)
        .find(|it| it.starts_with("http"))
        .unwrap()
}

#[tokio::test]
async fn a_login_in_the_terminal_is_pasted_and_served_at_once() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let mut child = login(&proxy, &["claude", "--account", "a@b.c"]);
    let agreed = authority.agree(&invited(&mut child), "a@b.c");
    let mut input = child.stdin.take().unwrap();
    // The code of somebody else's login first.
    writeln!(input, "code#of-another-login\n{}", agreed.code).unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("a@b.c has signed in") && !text.contains("at-canary"),
        "{text}"
    );
    eventually("the account to be served", || async {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        (reply.text() == message("a")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_login_in_the_terminal_takes_the_redirect_itself() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    // A port that is free, but for the moment.
    let port = {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        held.local_addr().unwrap().port()
    };
    let setup = authority.setup(
        [crate::support::setup::Provider::oauth(
            "claude",
            &claude.url(),
        )],
        "",
    );
    let proxy = Proxy::start(setup).await;
    let text = std::fs::read_to_string(proxy.config_path()).unwrap();
    let text = text.replace("localhost:9/", &format!("127.0.0.1:{port}/"));
    std::fs::write(proxy.config_path(), text).unwrap();
    let mut child = login(&proxy, &[]);
    let agreed = authority.agree(&invited(&mut child), "a@b.c");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut browser = crate::support::client::Client::connect(address).await;
    let reply = browser.ask(Request::get(&agreed.target())).await;
    assert_eq!(reply.status, 200);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    assert_eq!(output.await.unwrap().status.code(), Some(0));
    eventually("the account to be known", || async {
        let told = status(&proxy).await;
        (told["summary"]["total_tokens"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_running_pointsman_may_take_the_redirect_of_a_login_in_the_terminal() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let mut child = login(&proxy, &["--profile", "desk"]);
    let agreed = authority.agree(&invited(&mut child), "a@b.c");
    assert_eq!(called_back(&proxy, &agreed.target()).await.status, 200);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("a@b.c has signed in"), "{text}");
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.text(), message("a"));
}

#[tokio::test]
async fn a_login_that_cannot_succeed_says_why_and_ends_with_another_code() {
    let (claude, authority) = (Upstream::always(says("a")).await, Authority::start().await);
    let (_second, proxy) = before(&claude, &authority, "").await;
    let (text, code) = proxy.command(&["login", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is claude"), "{text}");
    let mut child = login(&proxy, &["claude"]);
    let url = invited(&mut child);
    let agreed = authority.agree(&url, "a@b.c");
    authority.fails(400, &[], r#"{"error":"invalid_grant"}"#);
    writeln!(child.stdin.as_mut().unwrap(), "{}", agreed.pasted()).unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("invalid_grant"), "{text}");
    assert_eq!(authority.calls(), 1);
}
