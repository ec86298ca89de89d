use clap::Parser;

use super::arguments::{Add, KeyAction, Wrong, key, strategy};
use super::show::masked;
use crate::cli::words::{Lang, Said};
use crate::config::{DocumentKind, Env, NewUpstream};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    add: Add,
}

fn added(line: &str, file: DocumentKind) -> Result<NewUpstream, Wrong> {
    let words = std::iter::once("add").chain(line.split(' '));
    Line::parse_from(words).add.upstream(file)
}

#[test]
fn an_address_is_known_by_its_looks() {
    for line in [
        "a https://b.example gemini",
        "a gemini https://b.example",
        "a --key k gemini https://b.example --description x",
    ] {
        for file in [DocumentKind::Ours, DocumentKind::Worker] {
            let new = added(line, file).unwrap();
            assert_eq!(
                (new.name.as_str(), new.kind.as_str()),
                ("a", "gemini"),
                "{line}"
            );
            assert_eq!(new.base_url, "https://b.example", "{line}");
        }
    }
    let known = added("a https://api.anthropic.com/v1", DocumentKind::Worker).unwrap();
    assert_eq!(known.kind, "anthropic");
    let vendor = added("a deepseek", DocumentKind::Ours).unwrap();
    assert_eq!(
        (vendor.kind.as_str(), vendor.base_url.as_str()),
        ("deepseek", "")
    );
    for (line, wrong) in [
        ("a b.example openai", Wrong::Address("b.example".to_owned())),
        ("a openai b.example", Wrong::Address("b.example".to_owned())),
        ("a https://b.example fax", Wrong::Type("fax".to_owned())),
        ("a https://b.example groq", Wrong::Type("groq".to_owned())),
        ("12 https://b.example openai", Wrong::Name),
    ] {
        assert_eq!(
            added(line, DocumentKind::Worker).unwrap_err(),
            wrong,
            "{line}"
        );
    }
    for line in ["a", "a https://b.example", "a deepseek"] {
        assert!(
            matches!(added(line, DocumentKind::Worker), Err(Wrong::Usage(_))),
            "{line}"
        );
    }
}

#[test]
fn keys_are_spoken_of_in_either_order() {
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    for (line, upstream, action, keys) in [
        ("a add k1 k2", "a", KeyAction::Add, 2),
        ("add a k1", "a", KeyAction::Add, 1),
        ("0 list", "0", KeyAction::List, 0),
        ("list 0", "0", KeyAction::List, 0),
        // An upstream of that name.
        ("add remove k1", "add", KeyAction::Remove, 1),
    ] {
        let words = words(line);
        let found = key(&words).unwrap();
        assert_eq!(
            (found.0, found.1, found.2.len()),
            (upstream, action, keys),
            "{line}"
        );
    }
    assert!(key(&words("a")).is_err() && key(&words("a burn k")).is_err());
    assert_eq!(strategy("Round_Robin"), Some("round-robin"));
    assert_eq!(strategy("first"), None);
}

#[test]
fn the_language_is_asked_for_or_the_environments() {
    let env = |all: &[(&str, &str)]| -> Env {
        let all = all.iter().map(|it| (it.0.to_owned(), it.1.to_owned()));
        all.collect()
    };
    assert_eq!(Lang::of(None, &env(&[("LANG", "zh_CN.UTF-8")])), Lang::Zh);
    assert_eq!(
        Lang::of(Some(Lang::En), &env(&[("LANG", "zh_CN.UTF-8")])),
        Lang::En
    );
    let mixed = env(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]);
    assert_eq!(Lang::of(None, &mixed), Lang::En);
    assert_eq!(Said::Used("a").words(Lang::Zh), "已切换到上游: a");
}

#[test]
fn references_are_shown_and_keys_are_not() {
    assert_eq!(masked("${OPENAI_API_KEY}"), "${OPENAI_API_KEY}");
    assert_eq!(masked("${K:-sk-0123456789abcdef}"), "${K:…def}");
    assert!(!masked("${A}sk-0123456789abcdef${B}").contains("0123456789"));
    assert_eq!(masked("sk-short"), "***");
}
