//! Edits of every way of writing.

use super::EditError;
use super::change::{Change, way};
use super::splice::{apply, apply_all};
use super::value::Value;

fn set(text: &str, way: super::change::Way, value: &str) -> Result<String, EditError> {
    apply(text, &Change::Set(way, Value::text(value)))
}

/// Edits and what becomes of the text.
fn table(rows: &[(&str, Change, &str)]) {
    for (before, change, after) in rows {
        assert_eq!(apply(before, change).as_deref(), Ok(*after), "{before}");
    }
}

fn key(text: &str) -> Value {
    Value::text(text)
}

#[test]
fn values_are_set_where_they_stand() {
    table(&[
        (
            "a: 'x' # why\nb: 2\n",
            Change::Set(way!["a"], key("z")),
            "a: z # why\nb: 2\n",
        ),
        (
            "l:\r\n- n: \"你好\" # 你\r\n  u:\r\n# end\r\n",
            Change::Set(way!["l", 0, "u"], key("yes")),
            "l:\r\n- n: \"你好\" # 你\r\n  u: \"yes\"\r\n# end\r\n",
        ),
        (
            "l: [ {n: a, u: b}, c ] # x\n",
            Change::Set(way!["l", 0, "u"], key("a, b")),
            "l: [ {n: a, u: \"a, b\"}, c ] # x\n",
        ),
        (
            "l: [ {n: a}, c ]",
            Change::Set(way!["l", 0, "u"], Value::Number(2)),
            "l: [ {n: a, u: 2}, c ]",
        ),
        (
            "l:\n  - n: a\n    # about u\n  - n: b",
            Change::Set(way!["l", 1, "u"], Value::Flag(true)),
            "l:\n  - n: a\n    # about u\n  - n: b\n    u: true\n",
        ),
        (
            "l:\n  - n: |\n      long\n\n      text\n\n  # b\n  - n: b\n",
            Change::Set(way!["l", 0, "u"], key("x")),
            "l:\n  - n: |\n      long\n\n      text\n    u: x\n\n  # b\n  - n: b\n",
        ),
        (
            "l:\n- \"a b\"\n- 'c'\n",
            Change::Set(way!["l", 1], key("d")),
            "l:\n- \"a b\"\n- d\n",
        ),
        (
            "# only a comment\n",
            Change::Set(
                way!["a"],
                Value::List(vec![Value::map([("name", key("x"))])]),
            ),
            "# only a comment\n\na:\n  - name: x\n",
        ),
        (
            "a: 1",
            Change::Set(
                way!["b"],
                Value::texts(&["x".to_owned(), "${Y}".to_owned()]),
            ),
            "a: 1\n\nb: [x, \"${Y}\"]\n",
        ),
    ]);
}

#[test]
fn entries_are_replaced_and_taken_out() {
    table(&[
        (
            "l:\n- n: a\n  v: 'k, 1' # the key\n  z: 1\n",
            Change::Replace(way!["l", 0, "v"], "ks", Value::texts(&["k, 1".to_owned()])),
            "l:\n- n: a\n  ks: [\"k, 1\"] # the key\n  z: 1\n",
        ),
        (
            "l:\n- n: a\n  # about v\n  v: 1 # gone\n\n  z: 1\n",
            Change::Remove(way!["l", 0, "v"]),
            "l:\n- n: a\n  # about v\n\n  z: 1\n",
        ),
        (
            "l:\n- n: a # gone\n  # about v\n  v: 1\n",
            Change::Remove(way!["l", 0, "n"]),
            "l:\n- # about v\n  v: 1\n",
        ),
        (
            "l:\n- n: a\n# about b\n- n: b\n  x: [1,\n    2]\n# end\n",
            Change::Remove(way!["l", 1]),
            "l:\n- n: a\n# about b\n# end\n",
        ),
        (
            "l: # all\n- n: a\n# end\nx: 1\n",
            Change::Remove(way!["l", 0]),
            "l: [] # all\n# end\nx: 1\n",
        ),
        (
            "a:\n  b: 1\nc: 2\n",
            Change::Remove(way!["a", "b"]),
            "a: {}\nc: 2\n",
        ),
        ("a: 1\n# x\n", Change::Remove(way!["a"]), "# x\n"),
        (
            "a: [b, c, d]\n",
            Change::Remove(way!["a", 0]),
            "a: [c, d]\n",
        ),
        (
            "a: [b, c, d]\n",
            Change::Remove(way!["a", 2]),
            "a: [b, c]\n",
        ),
        ("a: [ b ]\n", Change::Remove(way!["a", 0]), "a: []\n"),
        (
            "a: [\n  b, # first\n  c, # second\n]\n",
            Change::Remove(way!["a", 0]),
            "a: [\n  c, # second\n]\n",
        ),
        (
            "a: [\n  b, # first\n  c, # second\n]\n",
            Change::Remove(way!["a", 1]),
            "a: [\n  b, # first\n]\n",
        ),
    ]);
}

#[test]
fn items_are_added_in_the_style_of_the_list() {
    let item = || Value::map([("name", key("z")), ("m", Value::Number(1))]);
    table(&[
        (
            "l:\n- n: a\n  # x: 1\n\n# end\n",
            Change::Push(way!["l"], item()),
            "l:\n- n: a\n  # x: 1\n- name: z\n  m: 1\n\n# end\n",
        ),
        (
            "l:\n  - n: a\n\n  - n: b\nx: 1\n",
            Change::Push(way!["l"], item()),
            "l:\n  - n: a\n\n  - n: b\n\n  - name: z\n    m: 1\nx: 1\n",
        ),
        (
            "l: [] # none\nx: 1\n",
            Change::Push(way!["l"], item()),
            "l: # none\n  - name: z\n    m: 1\nx: 1\n",
        ),
        (
            "l:\nx: 1\n",
            Change::Push(way!["l"], key("a")),
            "l: [a]\nx: 1\n",
        ),
        (
            "l: [a, b,]\n",
            Change::Push(way!["l"], key("c")),
            "l: [a, b, c,]\n",
        ),
        (
            "l: [\n  a, # first\n  b # second\n]\n",
            Change::Push(way!["l"], key("c")),
            "l: [\n  a, # first\n  b, # second\n  c\n]\n",
        ),
        (
            "l: [\n  a, # first\n  b, # second\n]\n",
            Change::Push(way!["l"], key("c")),
            "l: [\n  a, # first\n  b, # second\n  c,\n]\n",
        ),
    ]);
}

#[test]
fn json_keeps_its_style() {
    let entry = || Value::map([("baseUrl", key("u")), ("apiKeys", Value::List(Vec::new()))]);
    table(&[
        (
            "{\n    \"upstream\": [],\n    \"n\": 0\n}\n",
            Change::Push(way!["upstream"], entry()),
            "{\n    \"upstream\": [\n        {\n            \"baseUrl\": \"u\",\n            \"apiKeys\": []\n        }\n    ],\n    \"n\": 0\n}\n",
        ),
        (
            "{\n  \"u\": [\n    {\n      \"k\": [\"a\"]\n    }\n  ]\n}",
            Change::Push(way!["u"], entry()),
            "{\n  \"u\": [\n    {\n      \"k\": [\"a\"]\n    },\n    {\n      \"baseUrl\": \"u\",\n      \"apiKeys\": []\n    }\n  ]\n}",
        ),
        (
            "{\n  \"k\": []\n}\n",
            Change::Push(way!["k"], key("a")),
            "{\n  \"k\": [\n    \"a\"\n  ]\n}\n",
        ),
        (
            "{\n  \"k\": [], \"l\": [\"x\"]\n}\n",
            Change::Push(way!["k"], key("a")),
            "{\n  \"k\": [\"a\"], \"l\": [\"x\"]\n}\n",
        ),
        (
            "{\n  \"k\": [\n    \"a\",\n    \"b\"\n  ]\n}\n",
            Change::Remove(way!["k", 1]),
            "{\n  \"k\": [\n    \"a\"\n  ]\n}\n",
        ),
        (
            "{\"a\":1,\"b\":[1]}",
            Change::Set(way!["c"], key("x")),
            "{\"a\":1,\"b\":[1], \"c\": \"x\"}",
        ),
        (
            "{\n\t\"a\": 1\n}\n",
            Change::Set(way!["c"], key("x")),
            "{\n\t\"a\": 1,\n\t\"c\": \"x\"\n}\n",
        ),
    ]);
}

#[test]
fn shared_places_are_left_alone() {
    let text =
        "x-base: &base\n  u: 1\n  l: [a]\np:\n- <<: *base\n  n: a\n- *base\n- &own\n  n: b\n";
    let shared = || EditError::Shared("base".to_owned());
    assert_eq!(set(text, way!["x-base", "u"], "2"), Err(shared()));
    assert_eq!(set(text, way!["p", 1, "u"], "2"), Err(shared()));
    assert_eq!(apply(text, &Change::Remove(way!["x-base"])), Err(shared()));
    assert_eq!(
        apply(text, &Change::Remove(way!["p", 0, "u"])),
        Err(EditError::Inherited("u".to_owned()))
    );
    assert_eq!(
        apply(text, &Change::Push(way!["p", 0, "l"], key("b"))),
        Err(EditError::Inherited("l".to_owned()))
    );
    // Its own entries are its own, also such as go before those of the anchor.
    assert_eq!(
        set(text, way!["p", 0, "u"], "2").unwrap(),
        text.replace("  n: a\n", "  n: a\n  u: \"2\"\n")
    );
    assert_eq!(
        set(text, way!["p", 2, "n"], "c").unwrap(),
        text.replace("n: b", "n: c")
    );
    assert_eq!(
        apply(text, &Change::Remove(way!["p", 1])).unwrap(),
        text.replace("- *base\n", "")
    );
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for (text, change) in [
        ("? a\n: 1\n", Change::Remove(way!["a"])),
        ("a: |\n  b\n", Change::Set(way!["a"], key("x"))),
        ("a: [b: c]\n", Change::Set(way!["a", 0, "d"], key("x"))),
        ("a:\n-\n  b: 1\n- c\n", Change::Remove(way!["a", 0])),
        ("a: !t {b: 1}\n", Change::Set(way!["a", "b"], key("x"))),
        ("a: 1\n...\n", Change::Set(way!["b"], key("x"))),
    ] {
        assert_eq!(apply(text, &change), Err(EditError::Unsure), "{text}");
    }
    for text in [
        "a: [",
        "a: 1\n---\nb: 1\n",
        "- a\n",
        "{\"a\": 1",
        "a:\n\tb: 1\n",
    ] {
        let change = Change::Set(way!["b"], key("x"));
        let refused = apply(text, &change);
        assert!(matches!(refused, Err(EditError::Unreadable(_))), "{text}");
    }
}

#[test]
fn several_changes_follow_each_other() {
    let changes = [
        Change::Remove(way!["l", 0]),
        Change::Set(way!["l", 0, "p"], Value::Number(1)),
        Change::Set(way!["m"], key("x")),
    ];
    assert_eq!(
        apply_all("l:\n- a: 1\n- b: 2 # two\n", &changes).as_deref(),
        Ok("l:\n- b: 2 # two\n  p: 1\n\nm: x\n")
    );
}
