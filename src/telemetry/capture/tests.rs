//! Bodies in files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn settings(directory: &Path) -> Capture {
    Capture {
        directory: directory.to_owned(),
        requests: true,
        responses: true,
        routes: Vec::new(),
        max_body_bytes: 100,
        max_bytes: 1000,
        max_files: 3,
    }
}

fn keep(captures: &Captures, settings: &Capture, text: &str) {
    let id = RequestId::random();
    let body = Body {
        id: &id,
        part: Part::Request,
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        secrets: vec![
            Secret::new("canary/0123".to_owned()),
            Secret::new(String::new()),
        ],
    };
    captures.keep(settings, body);
    captures.flush(Duration::from_secs(20));
}

/// The files' texts in the order of their names.
fn texts(directory: &Path) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|it| fs::read_to_string(it).unwrap())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_are_black_and_nobody_else_may_read() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a/b");
    let captures = Captures::default();
    let text = r#"{"a":"canary/0123","b":"canary\/0123","c":"sk-ant-0123456789","d":"é"}"#;
    keep(&captures, &settings(&directory), text);
    let clean = r#"{"a":"***","b":"***","c":"sk-***","d":"é"}"#;
    assert_eq!(texts(&directory), [clean]);
    assert_eq!(mode(&directory), 0o700);
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap();
    assert_eq!(mode(&file.path()), 0o600);
    assert_eq!(captures.lost(), 0);
}

#[test]
fn a_secret_that_the_limit_would_cut_is_black_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("c");
    let captures = Captures::default();
    let text = format!("{}canary/0123 and more", "x".repeat(95));
    keep(&captures, &settings(&directory), &text);
    let text = texts(&directory).pop().unwrap();
    assert!(!text.contains("can"), "{text}");
    assert!(text.starts_with(&format!("{}*** a\n[cut here", "x".repeat(95))));
}

#[test]
fn the_oldest_go_and_what_is_not_ours_stays() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("c");
    let captures = Captures::default();
    let own = settings(&directory);
    keep(&captures, &own, "0");
    fs::write(directory.join("0-notes.txt"), "mine").unwrap();
    // Another process finds what the last one left.
    let captures = Captures::default();
    for text in ["1", "2", "3"] {
        keep(&captures, &own, text);
        // Names tell milliseconds.
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(texts(&directory), ["mine", "1", "2", "3"]);
    let small = Capture {
        max_bytes: 2,
        ..own
    };
    keep(&captures, &small, "4");
    assert_eq!(texts(&directory), ["mine", "3", "4"]);
}

#[test]
fn a_directory_that_others_may_enter_gets_nothing() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("open");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let captures = Captures::default();
    keep(&captures, &settings(&directory), "private");
    assert_eq!(texts(&directory), Vec::<String>::new());
    assert_eq!(captures.lost(), 1);
}

#[test]
fn an_answer_is_collected_as_far_as_it_is_kept() {
    let mut tap = Tap::new(&settings(Path::new("")));
    for _ in 0..100 {
        tap.push(&[b'x'; 1000]);
    }
    assert_eq!(tap.into_bytes().len(), 100 + LONGEST_SECRET);
}
