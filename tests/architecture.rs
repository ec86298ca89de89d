//! The arrows between the rooms of `src/`, and which crates may be named where. A wrong import fails the build; a new
//! arrow is a change of this table, with its reason in the commit.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom. Every room may import `error` and `types`; what is not listed is forbidden.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("error", &[]),
    ("config", &[]),
    ("protocol", &[]),
    ("access", &["config", "routing"]),
    ("ledger", &[]),
    ("cache", &[]),
    ("tokens", &["protocol"]),
    ("telemetry", &["config"]),
    ("net", &["config"]),
    ("health", &["config"]),
    ("credential", &["config"]),
    ("oauth", &["config", "credential", "net"]),
    ("routing", &["config"]),
    ("zed", &["config", "credential"]),
    (
        "snapshot",
        &[
            "access",
            "config",
            "credential",
            "health",
            "net",
            "oauth",
            "routing",
            "zed",
        ],
    ),
    (
        "admin",
        &[
            "access",
            "config",
            "credential",
            "health",
            "oauth",
            "routing",
            "snapshot",
            "telemetry",
            "tokens",
            "zed",
        ],
    ),
    ("demo", &["config"]),
    (
        "proxy",
        &[
            "access",
            "admin",
            "cache",
            "config",
            "credential",
            "health",
            "ledger",
            "oauth",
            "protocol",
            "routing",
            "snapshot",
            "telemetry",
            "tokens",
            "zed",
        ],
    ),
    (
        "runtime",
        &[
            "access",
            "config",
            "credential",
            "demo",
            "ledger",
            "net",
            "proxy",
            "snapshot",
            "supervise",
            "telemetry",
            "zed",
        ],
    ),
    ("supervise", &["config", "telemetry"]),
    (
        "cli",
        &[
            "access",
            "config",
            "demo",
            "ledger",
            "net",
            "oauth",
            "routing",
            "runtime",
            "supervise",
        ],
    ),
];

/// Crates that are named in these rooms only.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("pingora", &["net", "proxy", "runtime"]),
    ("clap", &["cli"]),
    ("tiktoken_rs", &["tokens"]),
    ("saphyr_parser", &["config"]),
    ("serde_yaml", &["config"]),
    ("ring", &["access", "config", "oauth"]),
    ("rusqlite", &["ledger"]),
    ("rustls", &["cli", "config", "proxy"]),
];

/// Crates that are not named in these rooms.
const NEVER_IN: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "types", "config", "protocol", "tokens", "routing", "health", "access", "admin",
        ],
    ),
    (
        "log",
        &["types", "protocol", "tokens", "config", "routing", "access"],
    ),
];

struct Source {
    /// Below `src/`, with forward slashes.
    path: String,
    room: String,
    /// Without comments and without the test module at its end.
    code: String,
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(Path::new("src"), &mut found);
    assert!(50 < found.len(), "the sources were not found");
    found.iter().map(|path| read(path)).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            found.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "tests.rs" || name == "sample.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let body = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let code: Vec<&str> = body
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let path = path
        .strip_prefix("src")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let room = path
        .split('/')
        .next()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned();
    Source {
        path,
        room,
        code: code.join("\n"),
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// What one file imports that it may not.
fn wrong_imports(source: &Source) -> Vec<String> {
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(room, _)| *room == source.room) else {
        return vec![format!("{}: this room is not in the table", source.path)];
    };
    let mut faults = Vec::new();
    for rest in source.code.split("crate::").skip(1) {
        let name = words(rest).next().unwrap_or_default();
        let shared = matches!(name, "error" | "types");
        if name != source.room && !shared && !allowed.contains(&name) {
            faults.push(format!(
                "{}: {} may not import \"{name}\"",
                source.path, source.room
            ));
        }
    }
    if source.code.contains("super::super") {
        faults.push(format!(
            "{}: climbing with super::super hides an arrow",
            source.path
        ));
    }
    faults
}

#[test]
fn imports_point_one_way() {
    let in_rooms = |source: &Source| !matches!(source.room.as_str(), "lib" | "main");
    let faults: Vec<String> = sources()
        .iter()
        .filter(|source| in_rooms(source))
        .flat_map(wrong_imports)
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_planted_arrow_is_found() {
    let planted = |room: &str, code: &str| {
        let path = format!("{room}/planted.rs");
        wrong_imports(&Source {
            path,
            room: room.to_owned(),
            code: code.to_owned(),
        })
        .len()
    };
    assert_eq!(planted("protocol", "use crate::proxy::Cap;"), 1);
    assert_eq!(
        planted("protocol", "use crate::{proxy, error};"),
        1,
        "braces hide arrows"
    );
    assert_eq!(planted("protocol", "use super::super::proxy;"), 1);
    assert_eq!(planted("attic", ""), 1, "a room that is not in the table");
    assert_eq!(
        planted(
            "proxy",
            "use crate::health::Breaker; use crate::error::Fault;"
        ),
        0
    );
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for source in &sources() {
        let names = |wanted: &str| {
            let called = |word: &str| {
                word == wanted || (wanted == "pingora" && word.starts_with("pingora_"))
            };
            source
                .code
                .lines()
                .any(|line| line.contains("::") && words(line).any(called))
        };
        for (name, rooms) in ONLY_IN {
            if names(name) && !rooms.contains(&source.room.as_str()) {
                faults.push(format!(
                    "{}: {name} is named outside {rooms:?}",
                    source.path
                ));
            }
        }
        for (name, rooms) in NEVER_IN {
            if names(name) && rooms.contains(&source.room.as_str()) {
                faults.push(format!(
                    "{}: {name} is named in {}",
                    source.path, source.room
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = {
        let mut found = Vec::new();
        collect(Path::new("src"), &mut found);
        let opens = |path: &PathBuf| fs::read_to_string(path).unwrap().starts_with("//! ");
        found
            .into_iter()
            .filter(|path| !opens(path))
            .map(|path| path.display().to_string())
            .collect()
    };
    assert!(silent.is_empty(), "no module documentation in {silent:?}");
}

#[test]
fn links_of_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("README.zh-CN.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    pages.retain(|it| it.extension().is_some_and(|it| it == "md"));
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next())
        {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let there = page.parent().unwrap().join(file);
            assert!(there.exists(), "{}: {target}", page.display());
            count += 1;
        }
    }
    assert!(30 < count, "{count} links");
}
