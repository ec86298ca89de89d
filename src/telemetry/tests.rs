//! What lines look like, what never gets into them, and what happens when the disk refuses.

use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use log::Level;
use log::Log;
use log::Record;
use log::kv::Value;
use serde_json::Value as Json;

use crate::config::AccessLog;
use crate::config::LogLevel;
use crate::config::LogSettings;
use crate::telemetry::AccessLine;
use crate::telemetry::End;
use crate::telemetry::Outputs;
use crate::telemetry::Style;
use crate::telemetry::TokenCounts;
use crate::telemetry::console;
use crate::telemetry::json;
use crate::telemetry::line::Line;
use crate::telemetry::may_be_printed;
use crate::telemetry::sink::FileSink;
use crate::telemetry::wants_color;
use crate::types::Dialect;
use crate::types::RequestId;

const PLAIN: Style = Style {
    color: false,
    json: false,
    access_json: false,
};
const WAIT: Duration = Duration::from_secs(30);

fn line(target: &str, message: &str, fields: &[(&str, Value<'_>)]) -> Line {
    let time: SystemTime = UNIX_EPOCH;
    Line::of(
        &Record::builder()
            .level(Level::Warn)
            .target(target)
            .args(format_args!("{message}"))
            .key_values(&fields)
            .build(),
        time,
    )
}

fn plain(line: &Line) -> String {
    console::render(line, false)
}

fn parsed(line: &Line) -> Json {
    let text = json::render(line);
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    serde_json::from_str(&text).expect("a JSON line")
}

#[test]
fn both_outputs_show_the_sentence_and_the_fields() {
    let line = line(
        "pointsman::proxy",
        "endpoint failed",
        &[
            ("endpoint", Value::from("a b")),
            ("attempt", Value::from(2)),
            ("ok", Value::from(false)),
            ("empty", Value::from("")),
        ],
    );
    assert_eq!(
        plain(&line),
        "1970-01-01T00:00:00.000Z WARN  endpoint failed endpoint=\"a b\" attempt=2 ok=false empty=\"\"\n"
    );
    let text = json::render(&line);
    let start = r#"{"timestamp":"1970-01-01T00:00:00.000Z","level":"WARN","target":"pointsman::proxy","message":"#;
    assert!(text.starts_with(start), "{text}");
    let json = parsed(&line);
    assert_eq!(json["attempt"], 2);
    assert_eq!(json["ok"], false);
    assert_eq!(json["endpoint"], "a b");
}

#[test]
fn lines_of_requests_have_the_fields_of_the_old_logs_besides_ours() {
    let fields = [
        ("request.id", Value::from("req_1")),
        ("duration_ms", Value::from(12)),
    ];
    let access = parsed(&line("access", "200 POST /v1/messages", &fields));
    assert_eq!(access["message"], "request finished");
    assert_eq!(
        (&access["request_id"], &access["request.id"]),
        (&"req_1".into(), &"req_1".into())
    );
    assert_eq!(
        (&access["response_time"], &access["duration_ms"]),
        (&12.into(), &12.into())
    );
    let other = parsed(&line("pointsman::proxy", "endpoint failed", &fields));
    assert_eq!(other["request_id"], "req_1");
    assert!(other.get("response_time").is_none(), "of an attempt");
}

#[test]
fn a_library_is_named_and_colour_is_only_paint() {
    let line = line("pingora_core::server", "hello", &[("k", Value::from("v"))]);
    assert!(plain(&line).ends_with("WARN  pingora_core::server hello k=v\n"));
    let colored = console::render(&line, true);
    assert!(colored.contains("\x1b[33mWARN \x1b[0m"), "{colored:?}");
    let mut bare = colored;
    for paint in ["\x1b[33m", "\x1b[2m", "\x1b[0m"] {
        bare = bare.replace(paint, "");
    }
    assert_eq!(bare, plain(&line));
}

#[test]
fn nothing_can_forge_a_line_or_steer_the_terminal() {
    let evil = "x\n1970-01-01 INFO fake\r\x1b[2J\u{9b}31m\u{7f}\u{202e}\u{2028}";
    let line = line(
        "pointsman",
        evil,
        &[("k", Value::from(evil)), ("a b\n", Value::from(1))],
    );
    let text = plain(&line);
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    assert!(
        text.trim_end()
            .chars()
            .all(|c| !c.is_control() && c != '\u{202e}'),
        "{text:?}"
    );
    let text = json::render(&line);
    assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
    assert_eq!(parsed(&line)["message"], evil);
}

#[test]
fn a_field_cannot_replace_the_outline() {
    let line = line("pointsman", "hello", &[("level", Value::from("fine"))]);
    let json = parsed(&line);
    assert_eq!(
        (&json["level"], &json["field.level"]),
        (&"WARN".into(), &"fine".into())
    );
}

#[test]
fn secrets_are_blacked_out_in_messages_and_values() {
    let secret = "sk-ant-api03-aaaabbbbcccc";
    let shown = format!("{:?}", Some(format!("Bearer {secret}")));
    let fields = [("a", Value::from(secret)), ("b", Value::from_debug(&shown))];
    let line = line("pointsman", &format!("refused {secret}"), &fields);
    for text in [plain(&line), json::render(&line)] {
        assert!(!text.contains("aaaabbbb"), "{text}");
        assert!(text.contains("refused sk-***"), "{text}");
    }
}

#[test]
fn long_texts_are_cut() {
    let line = line("pointsman", &"é".repeat(100_000), &[]);
    assert!(plain(&line).len() < 5000);
}

#[test]
fn the_terminal_the_setting_and_no_color_decide_together() {
    for (setting, no_color, terminal, wanted) in [
        (None, false, true, true),
        (None, false, false, false),
        (None, true, true, false),
        (Some(true), false, true, true),
        (Some(true), false, false, false),
        (Some(true), true, true, false),
        (Some(false), false, true, false),
    ] {
        assert_eq!(wants_color(setting, no_color, terminal), wanted);
    }
}

#[test]
fn levels_follow_the_setting_but_libraries_stay_quiet() {
    let shown = |setting: LogLevel, directives: Option<&str>, target: &str, level: Level| {
        let terminal = super::Terminal::new(std::io::sink());
        let outputs = Outputs {
            console: super::console(setting, directives, PLAIN, &terminal),
            terminal,
            file: None,
        };
        outputs.enabled(&log::Metadata::builder().target(target).level(level).build())
    };
    use LogLevel::{Debug, Error, Info};
    assert!(shown(Info, None, "access", Level::Info));
    assert!(shown(Debug, None, "pointsman::proxy", Level::Debug));
    assert!(!shown(Info, None, "pointsman::proxy", Level::Debug));
    assert!(!shown(Error, None, "access", Level::Info));
    assert!(!shown(Debug, None, "pingora_core::server", Level::Info));
    assert!(shown(Debug, None, "pingora_core::server", Level::Warn));
    assert!(!shown(Error, None, "pingora_core::server", Level::Warn));
    assert!(shown(
        Info,
        Some("pingora_core=info"),
        "pingora_core::x",
        Level::Info
    ));
    assert!(!shown(Info, Some("trace"), "pingora_proxy", Level::Debug));
    assert!(!shown(
        Info,
        Some("h2=trace,pingora=debug"),
        "h2::codec",
        Level::Debug
    ));
    // Ours are named, not theirs: a library that comes tomorrow is held back as well.
    for (target, free) in [
        ("pointsman", true),
        ("pointsman::proxy::send", true),
        ("access", true),
        ("pingora_proxy::proxy_h1", false),
        ("library_of_tomorrow", false),
        ("pointsman_elsewhere", false),
    ] {
        let debug = log::Metadata::builder()
            .target(target)
            .level(Level::Debug)
            .build();
        assert_eq!(may_be_printed(&debug), free, "{target}");
    }
    // Compiled out, whoever asks.
    assert_eq!(log::STATIC_MAX_LEVEL, log::LevelFilter::Debug);
}

fn access_line(id: &RequestId) -> AccessLine<'_> {
    AccessLine {
        certificate: None,
        dialect: Some(Dialect::Anthropic),
        model_asked: Some("claude-sonnet-4-5"),
        model_sent: Some("glm-4.6"),
        provider: Some("zhipu"),
        attempts: 2,
        stream: true,
        ttft: Some(Duration::from_millis(812)),
        duration: Duration::from_millis(12_345),
        tokens: TokenCounts {
            input: Some(1200),
            output: Some(50),
            cache_read: Some(900),
            cache_creation: None,
            estimated: false,
        },
        stop_reason: Some("end_turn"),
        ..AccessLine::of(
            id,
            "POST",
            "/v1/messages?key=sk-0123456789",
            Some(200),
            Duration::ZERO,
        )
    }
}

#[test]
fn the_access_line_reads_well_and_holds_everything() {
    let id = RequestId::random();
    let mut access = access_line(&id);
    assert_eq!(
        access.sentence(),
        format!(
            "200 POST /v1/messages           12.3s   812ms  claude-sonnet-4-5 → glm-4.6 @ zhipu (2 attempts)  \
             in 1200 (900 cached) out 50  end_turn  {id}"
        )
    );
    let sentence = access.sentence();
    let json = parsed(&line("access", &sentence, &access.fields()));
    assert_eq!(json["message"], "request finished");
    assert_eq!(json["path"], "/v1/messages");
    assert_eq!(json["request.id"], id.as_str());
    assert_eq!(json["duration_ms"], 12_345);
    assert_eq!(json["gen_ai.usage.cache_read.input_tokens"], 900);
    assert_eq!(json.get("gen_ai.usage.cache_creation.input_tokens"), None);
    assert_eq!(json["end"], "ok");

    assert_eq!(json.get("usage.estimated"), None);
    assert_eq!(json.get("hedge.outcome"), None);

    access.hedge = Some("won");
    assert!(access.sentence().contains("(2 attempts, hedge won)"));
    let json = parsed(&line("access", "", &access.fields()));
    assert_eq!(json["hedge.outcome"], "won");

    access.tokens = TokenCounts {
        input: Some(1200),
        output: Some(50),
        estimated: true,
        ..TokenCounts::default()
    };
    assert!(access.sentence().contains("in ~1200 out ~50"));
    let json = parsed(&line("access", "", &access.fields()));
    assert_eq!(json["usage.estimated"], true);

    access.end = End::Rejected("unauthenticated");
    access.status = None;
    assert!(access.sentence().contains("rejected:unauthenticated"));
    assert!(access.sentence().starts_with("--- POST"));
    assert_eq!(
        parsed(&line("access", "", &access.fields()))["end.reason"],
        "unauthenticated"
    );
}

fn lines_of(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).expect("a log file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

fn numbered(number: u64) -> String {
    json::render(&line(
        "pointsman",
        "numbered",
        &[("number", Value::from(number))],
    ))
}

#[test]
fn the_file_and_its_directories_appear_and_lines_keep_their_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new/deep/log.jsonl");
    let sink = FileSink::new(path.clone());
    (0..1000).for_each(|number| sink.write(numbered(number)));
    sink.flush(WAIT);
    let numbers: Vec<u64> = lines_of(&path)
        .iter()
        .filter_map(|line| line["number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<u64>>());
    assert_eq!(sink.lost(), 0);
}

#[test]
fn a_moved_file_is_left_alone_after_reopening() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
    let sink = FileSink::new(path.clone());
    sink.write(numbered(1));
    sink.flush(WAIT);
    std::fs::rename(&path, &moved).expect("moved");
    sink.reopen();
    sink.write(numbered(2));
    sink.flush(WAIT);
    assert_eq!((lines_of(&moved).len(), lines_of(&path).len()), (1, 1));
}

#[test]
fn a_refusing_disk_loses_lines_counts_them_and_says_so_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    std::fs::create_dir(&path).expect("something in the way");
    let sink = FileSink::new(path.clone());
    sink.write(numbered(1));
    sink.flush(WAIT);
    sink.write(numbered(2));
    sink.flush(WAIT);
    assert_eq!(sink.lost(), 2);
    std::fs::remove_dir(&path).expect("out of the way");
    sink.reopen();
    sink.write(numbered(3));
    sink.flush(WAIT);
    let lines = lines_of(&path);
    assert_eq!(lines[0]["message"], "log lines were lost");
    assert_eq!(lines[0]["lines"], 2);
    assert_eq!(lines[1]["number"], 3);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_neither_panics_nor_blocks() {
    let sink = FileSink::new("/dev/full".into());
    (0..100_000).for_each(|number| sink.write(numbered(number)));
    sink.flush(WAIT);
    assert_eq!(sink.lost(), 100_000);
}

#[test]
fn set_up_once_lines_reach_the_file_through_the_facade() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("logs/logs.jsonl");
    let settings = LogSettings {
        level: LogLevel::Info,
        color: None,
        file: Some(path.clone()),
        json: false,
    };
    let logs = super::init(&settings, AccessLog::default()).expect("the first set-up");
    log::info!(endpoint = "a", attempt = 3; "endpoint chosen");
    log::debug!("not shown");
    log::info!(target: "pingora_core", "not shown either");
    let id = RequestId::random();
    access_line(&id).emit(1.0);
    logs.flush();
    let lines = lines_of(&path);
    let messages: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert_eq!(messages, ["endpoint chosen", "request finished"]);
    assert_eq!(
        (&lines[0]["endpoint"], &lines[0]["attempt"]),
        (&"a".into(), &3.into())
    );
    assert_eq!(lines[1]["request.id"], id.as_str());
    assert_eq!(logs.lost_lines(), 0);
    assert!(super::init(&settings, AccessLog::default()).is_err());
}
