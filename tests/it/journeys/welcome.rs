//! The first minutes, and two in the morning: `init` and `connect` at a terminal, and `doctor` with everything that can be
//! wrong with a provider.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::answers::ask;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::PROGRAM;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::soon;
use crate::support::terminal::Terminal;
use crate::support::upstream::Upstream;

const KEY: &str = "mine-canary-0123456789abcdef";

/// A home, and a directory to work in.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        fs::create_dir(place.work()).unwrap();
        place
    }

    fn work(&self) -> std::path::PathBuf {
        self.0.path().join("work")
    }

    fn home(&self) -> &Path {
        self.0.path()
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap_or_default()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn terminal(&self, arguments: &[&str]) -> Terminal {
        let home = self.home().to_str().unwrap();
        Terminal::start(&self.work(), arguments, &[("HOME", home)])
    }

    /// Without a terminal: its code, and what it said.
    async fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.home())
            .envs(env.iter().copied())
            .stdin(std::process::Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = soon("the command", ended).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    }
}

#[tokio::test]
async fn a_newcomer_at_a_terminal_is_served_a_minute_later() {
    let upstream = Upstream::always(says("a")).await;
    let place = Place::new();
    place.write(".claude/settings.json", "{\"model\": \"opus\"}\n");
    let mut terminal = place.terminal(&["init", "--port", "0"]);
    let mine = format!("mine={}", upstream.url());
    terminal.answers("Who answers", &mine).await;
    terminal.answers("What mine speaks", "").await;
    terminal.shows("Key of mine").await;
    assert!(!terminal.echoes());
    terminal.types(&format!("wrong\u{15}{KEY}\n"));
    terminal.answers("Where it listens", "").await;
    assert!(terminal.echoes(), "the terminal is as it was");
    terminal.answers("Shall clients show a key", "y").await;
    terminal.answers("Try each key now", "").await;
    terminal.shows("answers as").await;
    terminal.answers("Connect Claude Code", "n").await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        !shown.contains("canary") && shown.contains("mine…cdef"),
        "{shown}"
    );
    assert!(shown.contains("3. pointsman doctor"), "{shown}");
    let tried = upstream.seen(upstream.calls() - 1);
    assert_eq!(tried.header("x-api-key"), Some(KEY));
    assert_eq!(tried.json()["max_tokens"], 1);
    assert!(!place.text("work/config.yaml").contains("canary"));
    assert_eq!(
        place.text(".claude/settings.json"),
        "{\"model\": \"opus\"}\n"
    );
    let (code, said) = place.run(&["check"], &[]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn whoever_thinks_better_of_it_leaves_nothing_behind() {
    for end in ["\u{3}", "\u{4}"] {
        let place = Place::new();
        let mut terminal = place.terminal(&["init"]);
        terminal.answers("Who answers", "anthropic").await;
        terminal.shows("Key of anthropic").await;
        terminal.types(end);
        terminal.shows("nothing was written").await;
        assert!(terminal.echoes(), "the terminal is as it was");
        assert_eq!(terminal.ends().await.0, Some(1));
        assert_eq!(fs::read_dir(place.work()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn without_a_terminal_it_takes_what_is_found_or_says_what_is_missing() {
    let upstream = Upstream::always(says("a")).await;
    let place = Place::new();
    let (code, said) = place.run(&["init"], &[]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("--yes"), "{said}");
    let (code, said) = place.run(&["init", "--yes"], &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ANTHROPIC_API_KEY"), "{said}");
    let mine = format!("mine={}", upstream.url());
    let arguments = [
        "init",
        "--yes",
        "--json",
        "--provider",
        &mine,
        "--port",
        "0",
        "--connect",
    ];
    let (code, said) = place.run(&arguments, &[("MINE_API_KEY", KEY)]).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    // A port that nobody knows is nothing to connect to; the configuration stands.
    assert_eq!(
        (code, told["connected"].as_bool()),
        (Some(0), Some(false)),
        "{said}"
    );
    assert_eq!(told["tried"][0]["level"], "good", "{said}");
    assert_eq!(told["keys"][0]["found"], "in the environment");
    assert!(!said.contains("canary"), "{said}");
    let (code, said) = place.run(&arguments, &[("MINE_API_KEY", KEY)]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("--force"), "{said}");
}

const TWO: &str =
    "{\n    \"env\": {\"A_TOKEN\": \"sk-canary-0123456789abcdef\"},\n    \"model\": \"opus\"\n}\n";

#[tokio::test]
async fn claude_codes_settings_are_shown_before_they_change_and_come_back() {
    let place = Place::new();
    place.write(
        "work/config.yaml",
        "providers: [{name: a, base_url: 'https://a.b', auth_value: sk-canary-0123456789abcdef}]\n\
         auth: {api_key: gw-canary-0123456789abcdef}\n",
    );
    place.write(".claude/settings.json", TWO);
    let mut terminal = place.terminal(&["connect", "claude-code"]);
    terminal
        .shows("\"ANTHROPIC_BASE_URL\": \"http://127.0.0.1:8080\"")
        .await;
    terminal.answers("Write this?", "n").await;
    let (code, shown) = terminal.ends().await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(place.text(".claude/settings.json"), TWO);

    let (code, _) = place.run(&["connect", "claude-code"], &[]).await;
    assert_eq!(code, Some(2), "nobody is there to say yes");
    let mut terminal = place.terminal(&["connect", "claude-code"]);
    terminal.answers("Write this?", "").await;
    assert_eq!(terminal.ends().await.0, Some(0));
    let settings: Value = serde_json::from_str(&place.text(".claude/settings.json")).unwrap();
    assert_eq!(
        settings["env"]["ANTHROPIC_AUTH_TOKEN"],
        "gw-canary-0123456789abcdef"
    );
    let (code, said) = place
        .run(&["connect", "claude-code", "--undo", "--yes"], &[])
        .await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(place.text(".claude/settings.json"), TWO);

    let arguments = [
        "connect",
        "codex",
        "--yes",
        "--json",
        "--model",
        "gpt-5.2-codex",
    ];
    let (code, said) = place.run(&arguments, &[]).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, told["changed"].as_bool()),
        (Some(0), Some(true)),
        "{said}"
    );
    assert!(
        place
            .text(".codex/config.toml")
            .contains("env_key = \"POINTSMAN_KEY\"")
    );
    let (code, said) = place
        .run(&["connect", "codex", "--undo", "--yes"], &[])
        .await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(place.text(".codex/config.toml"), "");
}

/// What the doctor says of a provider that answers every call like that: its code, and the finding about the key.
async fn diagnosed(act: Act) -> (Option<i32>, Value, String) {
    let upstream = Upstream::always(act).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let place = Place::new();
    place.write("work/config.yaml", &setup.yaml());
    let (code, said) = place.run(&["doctor", "--json"], &[]).await;
    assert!(!said.contains(&key_of("a")), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let sections = told["sections"].as_array().unwrap();
    let keys = sections.iter().find(|it| it["title"] == "Keys").unwrap();
    (code, keys["findings"][0].clone(), said)
}

#[tokio::test]
async fn every_way_in_which_a_key_fails_is_told_with_its_remedy() {
    let quoting = format!("invalid x-api-key {}", key_of("a"));
    for (act, code, level, remedy) in [
        (says("a"), 0, "good", ""),
        (
            refuses(401, "authentication_error", &quoting),
            1,
            "broken",
            "good key",
        ),
        (
            refuses(403, "permission_error", "not for you"),
            1,
            "broken",
            "permissions",
        ),
        (
            refuses(402, "billing_error", "credit balance is too low"),
            1,
            "broken",
            "top up",
        ),
        (
            refuses(404, "not_found_error", "model: x"),
            1,
            "broken",
            "model_routes",
        ),
        (
            refuses(429, "rate_limit_error", "slow down"),
            0,
            "doubtful",
            "by itself",
        ),
        (
            refuses(529, "overloaded_error", "Overloaded"),
            0,
            "doubtful",
            "second candidate",
        ),
        (
            refuses(500, "api_error", "Internal server error"),
            1,
            "broken",
            "status page",
        ),
        (
            Act::answer(200, &[], "<html>hello</html>"),
            1,
            "broken",
            "base_url",
        ),
        (
            Act::answer(200, &[], error_body("authentication_error", "wrong key")),
            1,
            "broken",
            "good key",
        ),
    ] {
        let (ended, finding, said) = diagnosed(act).await;
        assert_eq!(finding["level"], level, "{said}");
        let told = finding["remedy"].as_str().unwrap_or_default();
        assert!(told.contains(remedy), "{remedy}: {said}");
        assert_eq!(ended, Some(code), "{said}");
    }
}

#[tokio::test]
async fn the_doctor_knows_the_way_and_calls_nobody_unless_asked_to() {
    let upstream = Upstream::always(says("a")).await;
    let clear = Upstream::always(says("clear")).await;
    let place = Place::new();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let setup = Setup::of([
        Provider::anthropic("a", &upstream.url()),
        Provider::anthropic("gone", &format!("http://{gone}")),
        Provider::anthropic("slip", "http://no-such-host.invalid"),
        // It speaks no TLS.
        Provider::anthropic("clear", &clear.url().replace("http://", "https://")),
    ]);
    place.write("work/config.yaml", &setup.yaml());
    let (code, said) = place.run(&["doctor", "--no-calls"], &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(upstream.calls(), 0, "{said}");
    for expected in [
        "✓ a: ",
        "✗ gone: no connection to",
        "✗ slip: the name no-such-host.invalid is not known",
        "✗ clear: TLS with",
        "→ that port does not speak TLS",
        "no key was tried",
        "3 things are broken",
    ] {
        assert!(said.contains(expected), "{expected} is missing in\n{said}");
    }
    assert!(!said.contains("canary"), "{said}");

    place.write("work/config.yaml", "providers: [\n");
    let (code, said) = place.run(&["doctor"], &[]).await;
    assert_eq!(code, Some(2), "{said}");
    let nothing = Place::new();
    let (code, said) = nothing.run(&["doctor"], &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("pointsman init"), "{said}");
}

#[tokio::test]
async fn a_pointsman_that_runs_is_recognised_and_goes_on_undisturbed() {
    let upstream = Upstream::always(says("a")).await;
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("socket");
    let unix = format!("{{address: 'unix:{}'}}", socket.display());
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .listening(&["{address: '127.0.0.1:0'}", &unix]);
    let proxy = Proxy::start(setup).await;
    let (code, said) = proxy.elsewhere(&["doctor"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Pointsman answers"), "{said}");
    let provider = proxy.provider("a").await;
    assert_eq!(
        provider["total_requests"].as_u64().unwrap_or_default(),
        0,
        "{provider}"
    );
    let reply = proxy.ask(Request::messages(ask("1"))).await;
    assert_eq!(reply.text(), message("a"));
}
