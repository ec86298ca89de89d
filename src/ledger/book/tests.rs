//! Rows that are written, wait, are lost and are read again.

use std::fs;
use std::time::UNIX_EPOCH;

use tempfile::TempDir;

use super::*;
use crate::ledger::question::{By, Question, Words};
use crate::ledger::row::Source;
use crate::ledger::store::{ask, spending};
use crate::types::{MicroUsd, TokenKinds};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn row(key: &str, on: Day, cost: u64) -> Row {
    Row {
        key: Some(key.to_owned()),
        team: Some("platform".to_owned()),
        model_sent: Some("claude-sonnet-4-5".to_owned()),
        tokens: Some(TokenKinds {
            input: 10,
            output: 2,
            ..TokenKinds::default()
        }),
        cost: Some(MicroUsd(cost)),
        ..Row::new(on.start(), "req_1", "anthropic", "*asked*")
    }
}

fn everything(by: &str) -> Question {
    let words = Words {
        by: Some(by),
        since: Some("1970-01-01"),
        until: Some("2099-01-01"),
    };
    Question::read(words, UNIX_EPOCH).unwrap()
}

#[test]
fn rows_are_written_and_summed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deep/er/ledger.sqlite");
    let (ledger, now) = (Ledger::default(), Instant::now());
    let (first, second) = (day("2026-10-31"), day("2026-11-01"));
    ledger.record(row("alice", first, 5));
    ledger.record(row("alice", second, 7));
    ledger.record(row("bob", second, 100));
    ledger.record(Row {
        source: Source::Shared,
        tokens: None,
        cost: None,
        outcome: "client_gone",
        ..row("bob", second, 0)
    });
    ledger.record(Row {
        cost: None,
        key: None,
        ..row("", second, 0)
    });
    ledger.write(&path, now);
    assert_eq!(ledger.trouble(), None);

    let by_key = ask(&path, &everything("key")).unwrap();
    let names: Vec<Option<&str>> = by_key.lines.iter().map(|it| it.name.as_deref()).collect();
    assert_eq!(names, [Some("bob"), Some("alice"), None]);
    let bob = &by_key.lines[0];
    assert_eq!(
        (bob.requests, bob.failed, bob.shared, bob.unpriced),
        (2, 1, 1, 0)
    );
    assert_eq!((bob.input, bob.cost), (10, MicroUsd(100)));
    assert_eq!(by_key.lines[2].unpriced, 1);
    assert_eq!(
        (by_key.total().requests, by_key.total().cost),
        (5, MicroUsd(112))
    );
    let by_day = ask(&path, &everything("day")).unwrap();
    let days: Vec<Option<&str>> = by_day.lines.iter().map(|it| it.name.as_deref()).collect();
    assert_eq!(days, [Some("2026-10-31"), Some("2026-11-01")]);
    for by in By::WORDS {
        assert!(ask(&path, &everything(by)).is_ok(), "{by}");
    }
    let csv = by_key.csv();
    assert!(
        csv.contains("\r\nalice,2,0,0,20,0,0,4,0,0.000012,0,0\r\n"),
        "{csv}"
    );
    assert_eq!(by_key.json()["usage"][0]["key"], "bob");

    let spent = ledger.spending(&path, second, now);
    let alice = Spending {
        key: "alice".to_owned(),
        today: MicroUsd(7),
        this_month: MicroUsd(7),
    };
    assert_eq!(spent[0], alice, "October is another month");
    assert_eq!(spending(&path, second).unwrap(), spent);
}

#[test]
fn a_disk_that_cannot_be_written_loses_nothing_at_first_and_is_told() {
    let dir = TempDir::new().unwrap();
    let blocked = dir.path().join("blocked");
    fs::write(&blocked, "a file, no folder").unwrap();
    let path = blocked.join("ledger.sqlite");
    let (ledger, now) = (Ledger::default(), Instant::now());
    ledger.record(row("alice", day("2026-11-01"), 5));
    ledger.write(&path, now);
    let trouble = ledger.trouble().unwrap();
    assert_eq!((trouble.waiting, trouble.dropped), (1, 0));
    assert!(trouble.why.unwrap().contains("blocked"));

    fs::remove_file(&blocked).unwrap();
    ledger.write(&path, now + Duration::from_secs(1));
    assert!(ledger.trouble().is_some(), "it is not tried all the time");
    ledger.write(&path, now + PATIENCE);
    assert_eq!(ledger.trouble(), None);
    assert_eq!(ask(&path, &everything("key")).unwrap().total().requests, 1);
}

#[test]
fn a_quiet_time_is_no_recovery() {
    let dir = TempDir::new().unwrap();
    let blocked = dir.path().join("blocked");
    fs::write(&blocked, "a file, no folder").unwrap();
    let path = blocked.join("ledger.sqlite");
    let (ledger, now) = (Ledger::default(), Instant::now());
    assert!(ledger.spending(&path, day("2026-11-01"), now).is_empty());
    assert!(ledger.trouble().is_some());
    ledger.write(&path, now + PATIENCE);
    assert!(ledger.trouble().is_some(), "nothing was written");
    fs::remove_file(&blocked).unwrap();
    ledger.write(&path, now + PATIENCE * 2);
    assert_eq!(ledger.trouble(), None);
}

#[test]
fn too_many_waiting_rows_drop_the_oldest_and_are_counted() {
    let ledger = Ledger::default();
    for cost in 0..MAX_WAITING as u64 + 5 {
        ledger.record(row("alice", day("2026-11-01"), cost));
    }
    let trouble = ledger.trouble().unwrap();
    assert_eq!((trouble.waiting, trouble.dropped), (MAX_WAITING, 5));
    let first = ledger.waiting.lock().rows.front().unwrap().cost;
    assert_eq!(first, Some(MicroUsd(5)));
}

#[test]
fn old_rows_go_and_a_file_that_is_gone_is_made_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.sqlite");
    let (ledger, now) = (Ledger::default(), Instant::now());
    for on in ["2026-01-01", "2026-10-01", "2026-11-01"] {
        ledger.record(row("alice", day(on), 1));
    }
    ledger.write(&path, now);
    ledger.prune(90, day("2026-11-02").start(), now);
    let days = ask(&path, &everything("day")).unwrap().lines;
    assert_eq!(days.len(), 2);

    fs::remove_file(&path).unwrap();
    ledger.record(row("bob", day("2026-11-01"), 1));
    ledger.write(&path, now);
    assert_eq!(ask(&path, &everything("key")).unwrap().lines.len(), 1);
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.sqlite");
    let (ledger, now) = (Ledger::default(), Instant::now());
    ledger.record(row("alice", day("2026-11-01"), 1));
    ledger.write(&path, now);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    let later = Ledger::default();
    later.record(row("bob", day("2026-11-01"), 1));
    later.write(&path, now);
    let why = later.trouble().unwrap().why.unwrap();
    assert!(why.contains("later version"), "{why}");
    assert_eq!(ask(&path, &everything("key")).unwrap().lines.len(), 1);
}

#[test]
fn only_the_operator_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("own/ledger.sqlite");
    let ledger = Ledger::default();
    ledger.record(row("alice", day("2026-11-01"), 1));
    ledger.write(&path, Instant::now());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn a_question_to_no_ledger_says_so() {
    let error = ask(Path::new("nowhere/ledger.sqlite"), &everything("key")).unwrap_err();
    assert!(
        error.to_string().contains("no ledger at nowhere"),
        "{error}"
    );
}
