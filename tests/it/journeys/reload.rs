//! The configuration is changed under a running proxy: by call, by signal, by writing its files.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::answers::{
    ask, ask_stream, begins, delta, finish, message, open_text, says, start, stream, streams,
};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup, key_of};
use crate::support::upstream::Upstream;

fn reload() -> Request {
    Request::post("/providers/reload", "")
}

#[tokio::test]
async fn a_hangup_signal_reloads() {
    let first = Upstream::always(says("old")).await;
    let second = Upstream::always(says("new")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    assert_eq!(
        proxy.ask(Request::messages(ask("1"))).await.text(),
        message("old")
    );
    let other = Setup::of([Provider::anthropic("b", &second.url())]);
    fs::write(proxy.config_path(), other.yaml()).unwrap();
    proxy.signal("HUP");
    eventually("the new file", || async {
        let reply = proxy.ask(Request::messages(ask("2"))).await;
        (reply.text() == message("new")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let upstream = Upstream::always(says("old")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let good = fs::read_to_string(proxy.config_path()).unwrap();
    for (bad, word) in [
        ("providers: [".to_owned(), ""),
        (String::new(), ""),
        (
            good.replace("type: anthropic", "type: antropic"),
            "antropic",
        ),
        (good.replace("provider: a,", "provider: zz,"), "zz"),
        (good.replace("settings:", "setings:"), "setings"),
        (
            good.replace("auth_value: ", "auth_value: ${UNSET_IN_THIS_JOURNEY} # "),
            "UNSET_IN_THIS_JOURNEY",
        ),
    ] {
        fs::write(proxy.config_path(), &bad).unwrap();
        let reply = proxy.ask(reload()).await;
        assert_eq!(reply.status, 500, "{bad}: {}", reply.text());
        let json = reply.json();
        assert_eq!(json["status"], "error", "{json}");
        let text = json["message"].as_str().unwrap();
        assert!(text.contains(word), "{word}: {text}");
        assert!(!text.contains(&key_of("a")), "{text}");
        assert_eq!(
            proxy.ask(Request::messages(ask("hi"))).await.text(),
            message("old")
        );
    }
    fs::write(proxy.config_path(), good).unwrap();
    assert_eq!(proxy.ask(reload()).await.status, 200);
}

#[tokio::test]
async fn a_file_without_a_key_does_not_open_a_listener_that_others_reach() {
    const KEY: &str = "sk-canary-gateway-0123456789";
    let upstream = Upstream::always(says("hi")).await;
    let a = || Provider::anthropic("a", &upstream.url());
    let closed = Setup::of([a()]).setting("host: 0.0.0.0").gateway_key(KEY);
    let mut proxy = Proxy::start(closed).await;
    let known = Request::messages(ask("0")).header("x-api-key", KEY);
    assert_eq!(proxy.ask(known).await.status, 200);

    // In itself this file is right: it asks for a listener on the loopback.
    fs::write(proxy.config_path(), Setup::of([a()]).yaml()).unwrap();
    proxy.signal("HUP");
    proxy.line("not reloaded").await;

    let stranger = proxy.ask(Request::messages(ask("1"))).await;
    assert_eq!(stranger.status, 401, "{}", stranger.text());
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn what_only_a_restart_changes_is_said() {
    let upstream = Upstream::silent().await;
    let a = || Provider::anthropic("a", &upstream.url());
    let mut proxy = Proxy::start(Setup::of([a()])).await;
    let other = Setup::of([a()]).setting("log_level: DEBUG");
    fs::write(proxy.config_path(), other.yaml()).unwrap();
    assert_eq!(proxy.ask(reload()).await.status, 200);
    proxy
        .line("restart or upgrade to change settings.log_level")
        .await;
}

#[tokio::test]
async fn a_stream_outlives_the_removal_of_its_provider() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("old")])
        .wait(&gate)
        .data(finish())
        .end();
    let first = Upstream::script([act]).await;
    let second = Upstream::always(says("new")).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &first.url())])).await;
    let mut client = proxy.connect().await;
    client
        .send(Request::messages(ask_stream("hi")).bytes())
        .await;
    client.head().await;
    while client.event().await.unwrap().name != "content_block_delta" {}

    let other = Setup::of([Provider::anthropic("b", &second.url())]);
    fs::write(proxy.config_path(), other.yaml()).unwrap();
    assert_eq!(proxy.ask(reload()).await.status, 200);
    assert_eq!(
        proxy.ask(Request::messages(ask("2"))).await.text(),
        message("new")
    );
    gate.open();
    assert_eq!(client.rest().await, finish());
}

#[tokio::test]
async fn a_hundred_reloads_under_load_lose_nothing_and_keep_nothing() {
    const ROUNDS: usize = 100;
    let upstream = Upstream::always(streams("whole")).await;
    let setup = || Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(setup()).await;
    let asking = async {
        for index in 0..150 {
            let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
            assert_eq!(
                (reply.status, reply.text()),
                (200, stream("whole")),
                "{index}"
            );
        }
    };
    let reloading = async {
        let mut after_warm_up = 0;
        for round in 0..ROUNDS {
            let broken = round % 10 == 9;
            let file = if broken {
                "providers: [".to_owned()
            } else {
                setup()
                    .setting(&format!("max_attempts: {}", 2 + round % 3))
                    .yaml()
            };
            fs::write(proxy.config_path(), file).unwrap();
            let status = proxy.ask(reload()).await.status;
            assert_eq!(status, if broken { 500 } else { 200 }, "{round}");
            if round == ROUNDS / 5 {
                after_warm_up = proxy.memory();
            }
        }
        after_warm_up
    };
    let ((), before) = tokio::join!(asking, reloading);
    assert_eq!(upstream.calls(), 150);
    let generation = proxy.providers().await["config"]["generation"].clone();
    assert_eq!(generation, ROUNDS - ROUNDS / 10);
    // A snapshot that stayed would be some hundred KiB each.
    assert!(
        proxy.memory() < before + (8 << 20),
        "{before}, then {}",
        proxy.memory()
    );
}

/// A setup whose files are looked at.
fn watched(provider: Provider) -> Setup {
    Setup::of([provider]).setting("watch_config: 20ms")
}

async fn until_it_says(proxy: &Proxy, text: &str) {
    eventually(text, || async {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        (reply.text() == message(text)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_written_file_is_in_force_without_a_word() {
    let (old, new) = (
        Upstream::always(says("old")).await,
        Upstream::always(says("new")).await,
    );
    let mut proxy = Proxy::start(watched(Provider::anthropic("a", &old.url()))).await;
    until_it_says(&proxy, "old").await;

    let file = watched(Provider::anthropic("a", &new.url())).setting("max_attempts: 3");
    fs::write(proxy.config_path(), file.yaml()).unwrap();
    until_it_says(&proxy, "new").await;

    // What changed is told.
    proxy
        .line("configuration: settings.max_attempts: 4 → 3")
        .await;
}

#[tokio::test]
async fn a_file_that_an_editor_puts_in_place_of_the_old_one_is_seen_each_time() {
    let (old, new) = (
        Upstream::always(says("old")).await,
        Upstream::always(says("new")).await,
    );
    let proxy = Proxy::start(watched(Provider::anthropic("a", &old.url()))).await;
    let aside = proxy.config_path().with_extension("swap");
    for (upstream, text) in [(&new, "new"), (&old, "old"), (&new, "new")] {
        let file = watched(Provider::anthropic("a", &upstream.url())).yaml();
        fs::write(&aside, file).unwrap();
        fs::rename(&aside, proxy.config_path()).unwrap();
        until_it_says(&proxy, text).await;
    }
}

#[tokio::test]
async fn a_config_map_that_turns_its_link_is_seen() {
    let (old, new) = (
        Upstream::always(says("old")).await,
        Upstream::always(says("new")).await,
    );
    let first = watched(Provider::anthropic("a", &old.url()));
    let proxy = Proxy::start(first).await;
    let path = proxy.config_path();
    let dir = path.parent().unwrap();
    let version = |name: &str, upstream: &Upstream| {
        fs::create_dir(dir.join(name)).unwrap();
        let file = watched(Provider::anthropic("a", &upstream.url())).yaml();
        fs::write(dir.join(name).join("config"), file).unwrap();
    };
    let put = |target: &str, link: &std::path::Path| {
        symlink(target, dir.join("link")).unwrap();
        fs::rename(dir.join("link"), link).unwrap();
    };
    version("..1", &old);
    put("..1", &dir.join("..data"));
    put("..data/config", &path);
    until_it_says(&proxy, "old").await;
    version("..2", &new);
    put("..2", &dir.join("..data"));
    until_it_says(&proxy, "new").await;
}

#[tokio::test]
async fn a_key_in_a_file_of_its_own_is_read_again_when_it_is_rotated() {
    let upstream = Upstream::always(says("hi")).await;
    let provider = || Provider::anthropic("a", &upstream.url()).keyed(&["'${file:key.txt}'"]);
    let old = "sk-canary-old-0123456789abcdef";
    let new = "sk-canary-new-0123456789abcdef";
    let plain = Provider::anthropic("a", &upstream.url());
    let proxy = Proxy::start(watched(plain).secret(old).secret(new)).await;
    let key = proxy.config_path().with_file_name("key.txt");
    fs::write(&key, old).unwrap();
    fs::write(proxy.config_path(), watched(provider()).yaml()).unwrap();
    let until_called_with = |key: &'static str| {
        let (proxy, upstream) = (&proxy, &upstream);
        async move {
            eventually(key, || async {
                proxy.ask(Request::messages(ask("hi"))).await;
                let call = upstream.seen(upstream.calls() - 1);
                (call.header("x-api-key") == Some(key)).then_some(())
            })
            .await;
        }
    };
    until_called_with(old).await;
    fs::write(&key, new).unwrap();
    until_called_with(new).await;
}

#[tokio::test]
async fn a_broken_file_stays_out_of_force_and_health_says_so_until_it_is_mended() {
    let upstream = Upstream::always(says("old")).await;
    let setup = || watched(Provider::anthropic("a", &upstream.url()));
    let mut proxy = Proxy::start(setup()).await;
    let health = || async { proxy.ask(Request::get("/health")).await };
    assert_eq!(health().await.json().get("warnings"), None);

    fs::write(
        proxy.config_path(),
        setup().yaml().replace("settings:", "setings:"),
    )
    .unwrap();
    let warned = eventually("a warning", || async {
        let reply = health().await;
        assert_eq!(reply.status, 200);
        reply.json()["warnings"][0].as_str().map(str::to_owned)
    })
    .await;
    assert!(
        warned.contains("not in force") && !warned.contains("setings"),
        "{warned}"
    );
    let why = proxy.providers().await["config"]["not_reloaded"].clone();
    assert!(why.as_str().unwrap().contains("setings"), "{why}");
    let reply = proxy.ask(Request::post("/admin/config/reload", "")).await;
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("setings"), "{}", reply.text());
    until_it_says(&proxy, "old").await;

    fs::write(proxy.config_path(), setup().yaml()).unwrap();
    eventually("no warning", || async {
        health()
            .await
            .json()
            .get("warnings")
            .is_none()
            .then_some(())
    })
    .await;
    assert_eq!(
        proxy
            .ask(Request::post("/admin/config/reload", ""))
            .await
            .status,
        200
    );
    proxy.line("not reloaded").await;
}
