//! The editing commands as people type them: the documents' own lines, what goes wrong, what a terminal shows, and what a
//! crash, a full disk and a crowd of editors leave behind.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::answers::{ask, message, says};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pointsman");
const KEYS: [&str; 3] = [
    "sk-canary-typed-one-0123456789",
    "sk-canary-typed-two-0123456789",
    "AIza-canary-typed-0123456789",
];
const GOOD: &str = "# mine\nproviders:\n  - name: a   # first\n    type: openai\n    base_url: https://a.example/v1\n    auth_value: sk-canary-old-0123456789\n";

/// A directory to type in.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            dir: TempDir::new().unwrap(),
        }
    }

    fn with(file: &str, text: &str) -> Desk {
        let desk = Desk::new();
        fs::write(desk.path(file), text).unwrap();
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn settled<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm")
    }

    fn types_in(&self, lang: &str, line: &str) -> Typed {
        let mut command = Command::new(PROGRAM);
        let command = self.settled(&mut command).env("LANG", lang);
        Typed::of(&command.args(line.split(' ')).output().unwrap())
    }

    /// A line without the name of the program; it must end well.
    fn types(&self, line: &str) -> String {
        let typed = self.types_in("C", line);
        assert_eq!(typed.code, Some(0), "{line}: {} {}", typed.out, typed.err);
        typed.out
    }

    /// A line that must end with a code and leave the files as they are.
    fn fails(&self, line: &str, code: i32) -> String {
        let before = (self.files(), fs::read(self.path("config.yaml")).ok());
        let typed = self.types_in("C", line);
        assert_eq!(
            typed.code,
            Some(code),
            "{line}: {} {}",
            typed.out,
            typed.err
        );
        assert_eq!(
            before,
            (self.files(), fs::read(self.path("config.yaml")).ok()),
            "{line}"
        );
        typed.err
    }

    /// A shell's line, in which `$P` is the program.
    fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("sh");
        let command = self.settled(&mut command).env("P", PROGRAM);
        command.args(["-c", line]).output().unwrap()
    }

    /// A line typed at a terminal, and what is answered there.
    fn at_a_terminal(&self, line: &str, answer: &str) -> Typed {
        let mut command = Command::new("script");
        let mut child = self
            .settled(&mut command)
            .args(["-qec", &format!("{PROGRAM} {line}"), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(answer.as_bytes())
            .unwrap();
        Typed::of(&child.wait_with_output().unwrap())
    }
}

/// What came of a line.
struct Typed {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Typed {
    fn of(output: &Output) -> Typed {
        let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
        let typed = Typed {
            out: text(&output.stdout),
            err: text(&output.stderr),
            code: output.status.code(),
        };
        for key in KEYS {
            assert!(
                !typed.out.contains(key) && !typed.err.contains(key),
                "{}{}",
                typed.out,
                typed.err
            );
        }
        typed
    }
}

/// The lines of the worker proxy's documents, in their order.
fn as_documented(desk: &Desk, file: &str) {
    let [one, two, three] = KEYS;
    let on = format!("--config {file}");
    for line in [
        "config add openai-api https://api.openai.com openai".to_owned(),
        "config add gemini-api https://generativelanguage.googleapis.com gemini".to_owned(),
        "config add custom-api https://your-api.com custom".to_owned(),
        // As it was, whatever the documents said.
        "config add claude-api claude https://claude.example --description mine".to_owned(),
        format!("config key openai-api add {one} {two}"),
        "config key 0 list".to_owned(),
        format!("config key 1 add {three}"),
        "config use openai-api".to_owned(),
        "config use 1".to_owned(),
        "config show".to_owned(),
        "config remove custom-api".to_owned(),
        "config remove 2".to_owned(),
        "config balance round-robin".to_owned(),
        format!("config key openai-api remove {two}"),
        "config --help".to_owned(),
        "check".to_owned(),
    ] {
        desk.types(&format!("{line} {on}"));
    }
    let shown = desk.types(&format!("config show --json {on}"));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let upstreams = shown["upstreams"].as_array().unwrap();
    assert_eq!(upstreams.len(), 2, "{shown}");
    assert_eq!(upstreams[0]["name"], "openai-api");
    assert_eq!(upstreams[0]["keys"], serde_json::json!(["sk-c…6789"]));
    assert_eq!(upstreams[1]["current"], true, "{shown}");
    desk.types(&format!("config clear {on}"));
    let shown = desk.types(&format!("config show {on}"));
    assert!(shown.contains("no upstreams"), "{shown}");
}

#[test]
fn the_documented_lines_work_on_either_file() {
    as_documented(&Desk::new(), "config.yaml");
    as_documented(&Desk::new(), "config.json");
}

#[test]
fn options_behind_keys_are_no_keys() {
    let desk = Desk::with("config.yaml", GOOD);
    let said = desk.types("config key a add sk-2 --lang zh");
    assert!(said.contains("已添加"), "{said}");
    assert!(!desk.text("config.yaml").contains("--lang"));
    desk.fails("config key a add sk-3 --wrong", 2);
}

#[test]
fn what_goes_wrong_has_a_name_a_remedy_and_a_code() {
    let desk = Desk::with("config.yaml", GOOD);
    for (line, code, says) in [
        (
            "config add b https://b.example fax",
            2,
            "unsupported type: fax",
        ),
        ("config add b openai gemini", 2, "no address"),
        ("config add b custom", 2, "config add <name> <url> <type>"),
        ("config add 7 https://b.example openai", 2, "bare number"),
        ("config add a https://b.example openai", 3, "already"),
        (
            "config add b https://b.example/v1/messages claude --key sk-1",
            5,
            "names a whole call",
        ),
        ("config update a", 2, "--description"),
        ("config use b", 3, "there are 0 (a)"),
        ("config use 1", 3, "there are 0 (a)"),
        ("config key b add sk-1", 3, "no upstream"),
        ("config key a add", 2, "config key"),
        ("config key a burn sk-1", 2, "add|list|remove"),
        ("config key a remove sk-2", 3, "no such API key"),
        ("config key a remove 0", 5, "is missing"),
        ("config balance quickly", 2, "round-robin, random, failover"),
        ("config remove a", 5, "is an empty list"),
        ("config show --config none.yaml --json", 0, ""),
        ("config use a --config none.yaml", 6, "does not exist"),
    ] {
        let said = desk.fails(line, code);
        assert!(said.contains(says), "{line}: {said}");
    }
    let chinese = desk.types_in("zh_CN.UTF-8", "config use b");
    assert_eq!(chinese.err, "错误: 无效的上游: b；现有: 0 (a)\n");
    let json = desk.types_in("C", "config use b --json");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["ok"], &json["error"]),
        (&false.into(), &"not_found".into())
    );
}

#[test]
fn a_broken_file_is_named_with_its_place_and_left_alone() {
    for (text, says) in [
        (
            "providers:\n\t- name: a\n",
            "2:1: the line is indented with a tab",
        ),
        ("providers: [\n", "2:1: is not valid YAML"),
        ("a: 1\n---\nb: 1\n", "several YAML documents"),
        ("{\"upstream\": [}", "config.yaml: the file cannot be read"),
    ] {
        let desk = Desk::with("config.yaml", text);
        let said = desk.fails("config add b https://b.example openai", 4);
        assert!(said.contains(says), "{text}: {said}");
        desk.fails("config show", 4);
    }
    let desk = Desk::new();
    fs::write(desk.path("config.yaml"), b"a: \xff\xfe").unwrap();
    assert!(desk.fails("config use a", 4).contains("UTF-8"));
    let shared = "x: &k [sk-1]\nproviders:\n- {name: a, base_url: https://a.example, api_keys: *k}\n- {name: b, base_url: https://b.example, api_keys: *k}\n";
    let desk = Desk::with("config.yaml", shared);
    assert!(
        desk.fails("config key a add sk-2", 4)
            .contains("anchor `&k`")
    );
}

#[test]
fn links_permissions_and_the_last_versions_are_kept() {
    let desk = Desk::with("real.yaml", GOOD);
    fs::set_permissions(desk.path("real.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.yaml", desk.path("config.yaml")).unwrap();
    for i in 0..7 {
        desk.types(&format!("config key a add sk-{i}"));
    }
    assert!(
        fs::symlink_metadata(desk.path("config.yaml"))
            .unwrap()
            .is_symlink()
    );
    let new = fs::metadata(desk.path("real.yaml")).unwrap();
    assert_eq!(new.mode() & 0o777, 0o640);
    let mut files = vec!["config.yaml", "real.yaml", "real.yaml.bak"];
    files.extend([
        "real.yaml.bak.1",
        "real.yaml.bak.2",
        "real.yaml.bak.3",
        "real.yaml.bak.4",
    ]);
    assert_eq!(desk.files(), files);
    assert!(
        desk.text("real.yaml.bak").contains("sk-5]")
            && desk.text("real.yaml.bak.4").contains("sk-1]")
    );
    let made = Desk::new();
    made.types("config add a https://a.example openai --key sk-1");
    let made = fs::metadata(made.path("config.yaml")).unwrap();
    assert_eq!(made.mode() & 0o777, 0o600);
}

#[test]
fn a_crash_or_a_full_disk_on_the_way_leaves_the_old_file() {
    let desk = Desk::with("config.yaml", GOOD);
    // The system kills whoever writes more than it may.
    let killed = desk.shell("ulimit -c 0; ulimit -f 0; exec $P config key a add sk-2");
    assert_eq!(killed.status.code(), None, "{killed:?}");
    assert_eq!(desk.text("config.yaml"), GOOD);
    // The same as an error: the disk is full.
    let full = desk.shell("trap '' XFSZ; ulimit -f 0; exec $P config key a add sk-2");
    let said = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(6), "{said}");
    assert!(
        said.contains("disk is full") && said.contains("as it was"),
        "{said}"
    );
    assert_eq!(desk.text("config.yaml"), GOOD);
    assert_eq!(desk.files(), ["config.yaml"], "nothing is left over");
    desk.types("config key a add sk-2");
    assert!(
        desk.text("config.yaml").contains("sk-2]   # first")
            || desk.text("config.yaml").contains(", sk-2]")
    );
}

#[test]
fn editors_take_turns() {
    let desk = Desk::with("config.yaml", GOOD);
    let editor = |i: usize| {
        let mut command = Command::new(PROGRAM);
        let key = format!("sk-{i}");
        let command = desk.settled(&mut command);
        command.args(["config", "key", "a", "add", &key]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let editors: Vec<_> = (0..6).map(editor).collect();
    for mut editor in editors {
        assert!(editor.wait().unwrap().success());
    }
    let text = desk.text("config.yaml");
    assert!((0..6).all(|i| text.contains(&format!("sk-{i}"))), "{text}");
    assert!(
        text.starts_with("# mine\n") && text.contains("name: a   # first\n"),
        "{text}"
    );
}

#[test]
fn a_terminal_is_asked_and_answered_in_its_language() {
    let desk = Desk::with("config.yaml", GOOD);
    let no = desk.at_a_terminal("config clear --lang zh", "n\n");
    assert!(
        no.out.contains("确定要清除") && no.out.contains("未作更改"),
        "{}",
        no.out
    );
    assert_eq!(desk.text("config.yaml"), GOOD);
    let shown = desk.at_a_terminal("config show --lang zh", "");
    assert!(
        shown.out.contains("\x1b[1ma\x1b[0m\x1b[32m (当前)"),
        "{:?}",
        shown.out
    );
    assert!(shown.out.contains("sk-c…6789"), "{}", shown.out);
    let yes = desk.at_a_terminal("config clear", "y\n");
    assert!(yes.out.contains("removed all upstreams"), "{}", yes.out);
    assert_eq!(desk.text("config.yaml"), "# mine\n");
    assert_eq!(desk.text("config.yaml.bak"), GOOD);
    let wrong = desk.at_a_terminal("config use nobody", "");
    assert_eq!(wrong.code, Some(3));
    assert!(
        wrong.out.contains("\x1b[31merror:\x1b[0m"),
        "{:?}",
        wrong.out
    );
}

#[test]
fn an_old_file_is_converted_and_kept() {
    let old = include_str!("../../fixtures/config/worker-proxy.json");
    let desk = Desk::with("config.json", old);
    desk.types("import");
    assert_eq!(desk.text("config.json"), old);
    let checked: serde_json::Value = serde_json::from_str(&desk.types("check --json")).unwrap();
    assert_eq!(checked["source"], "config.yaml");
    assert_eq!(checked["providers"][0]["id"], "openai-api");
    assert_eq!(desk.types("import -o -"), desk.text("config.yaml"));
    desk.fails("import", 3);
    desk.types("config add third https://c.example openai");
    desk.types("import --force");
    assert!(desk.text("config.yaml.bak").contains("third"));
    desk.fails("import nothing.json -o x.yaml", 6);
    fs::write(desk.path("broken.json"), "{\"upstream\": [").unwrap();
    desk.fails("import broken.json -o x.yaml", 4);
}

#[test]
fn shells_take_the_completions() {
    let desk = Desk::new();
    let checked =
        desk.shell("$P completions bash > c && bash -n c && $P man config key > m && head -c 4 m");
    assert!(checked.status.success(), "{checked:?}");
    desk.types("man --dir pages");
    let pages = fs::read_dir(desk.path("pages")).unwrap().count();
    assert!(20 < pages, "{pages}");
}

#[tokio::test]
async fn a_running_process_takes_edits_in_and_tells_how_it_fares() {
    let (first, second) = (
        Upstream::always(says("a")).await,
        Upstream::always(says("b")).await,
    );
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
    .setting("watch_config: 20ms")
    .route("*", &["provider: a"]);
    let proxy = Proxy::start(setup).await;
    let served = || async {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        (reply.status == 200).then(|| reply.text())
    };
    assert_eq!(served().await, Some(message("a")));
    let (said, code) = proxy.command(&["config", "use", "b"]);
    assert_eq!(code, Some(0), "{said}");
    eventually("the other one to be in use", || async {
        served().await.filter(|it| *it == message("b"))
    })
    .await;
    let port = proxy.address().port().to_string();
    let (table, code) = proxy.command(&["providers", "--port", &port]);
    assert_eq!(code, Some(0), "{table}");
    assert!(
        table.contains("closed") && table.contains("2 of 2 well"),
        "{table}"
    );
    let (json, _) = proxy.command(&["providers", "--json", "--port", &port]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["providers"][1]["name"], "b", "{json}");
    drawn_over(&proxy.config_path(), &port);
}

/// `--watch` on a terminal draws over what stood there.
fn drawn_over(config: &Path, port: &str) {
    let line = format!(
        "{PROGRAM} providers --watch 0.1 --port {port} --config {}",
        config.display()
    );
    let watched = Command::new("script")
        .args([
            "-qec",
            &format!("timeout --foreground 1.5 {line}"),
            "/dev/null",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(watched.stdout).unwrap();
    assert!(
        1 < shown.matches("\x1b[H").count() && shown.contains("2 of 2 well"),
        "{shown:?}"
    );
}

#[test]
fn nobody_there_is_told_with_a_code_of_its_own() {
    let desk = Desk::with("config.yaml", GOOD);
    let said = desk.fails("providers --port 1", 2);
    assert!(said.contains("is it running"), "{said}");
}
