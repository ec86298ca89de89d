//! `docs/coming-from.md` names a test for every promise; this one looks whether they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a row says whose feature has tests of its own, named by no function.
const OWN: [&str; 2] = ["its own tests", "in `tests/it/"];

fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let named = text.split("fn ").skip(1);
            found.extend(named.filter_map(|it| Some(it.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    for folder in ["src", "tests/it"] {
        functions(&root.join(folder), &mut known);
    }
    let text = fs::read_to_string(root.join("docs/coming-from.md")).unwrap();
    let promises = text.split("\n## What is done differently").next().unwrap();
    let mut count = 0;
    for line in promises.lines().filter(|it| it.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [promise, now, tests] = cells.as_slice() else {
            panic!("three cells: {line}");
        };
        if *promise == "promise" {
            continue;
        }
        count += 1;
        assert!(!now.is_empty(), "{promise}");
        if OWN.iter().any(|it| tests.contains(it)) {
            continue;
        }
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{promise} names no test");
        for name in names {
            let function = name.rsplit("::").next().unwrap();
            assert!(known.contains(function), "{promise}: {name} is not there");
        }
    }
    assert!(60 < count, "{count}");
}
