//! The list of named keys: one more, one marked as revoked, one less.

use super::EditError;
use super::change::{Change, way};
use super::document::text_of;
use super::splice::{apply, read};
use super::value::Value;
use crate::config::tree::Node;

const KEYS: &str = "keys";

/// Adds an `entry`, whose first line begins with `- `, to the list of keys.
pub fn add_key(text: &str, name: &str, entry: &str) -> Result<String, EditError> {
    let root = read(text)?;
    if place(&root, name).is_some() {
        return Err(EditError::Exists(name.to_owned()));
    }
    let parsed = read(&format!("{KEYS}:\n{entry}"))?;
    let entry = items(&parsed).first().and_then(Value::of);
    let entry = entry.ok_or(EditError::Unsure)?;
    let change = match root.get(KEYS) {
        Some(_) => Change::Push(way![KEYS], entry),
        None => Change::Set(way![KEYS], Value::List(vec![entry])),
    };
    apply(text, &change)
}

/// Marks a key as revoked.
pub fn revoke_key(text: &str, name: &str) -> Result<String, EditError> {
    let place = known(text, name)?;
    let mark = Change::Set(way![KEYS, place, "revoked"], Value::Flag(true));
    apply(text, &mark)
}

/// Takes a key out of the list. The list stays, be it empty: without it everybody might call.
pub fn remove_key(text: &str, name: &str) -> Result<String, EditError> {
    let place = known(text, name)?;
    apply(text, &Change::Remove(way![KEYS, place]))
}

fn known(text: &str, name: &str) -> Result<usize, EditError> {
    place(&read(text)?, name).ok_or_else(|| EditError::Missing(name.to_owned()))
}

fn place(root: &Node, name: &str) -> Option<usize> {
    let mut items = items(root).iter();
    items.position(|it| text_of(it, "name").as_deref() == Some(name))
}

fn items(root: &Node) -> &[Node] {
    match root.get(KEYS) {
        Some(Node::List(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "- name: bob\n  sha256: \"00\"\n";

    #[test]
    fn a_key_is_added_where_the_list_is_and_nothing_else_changes() {
        for (before, after) in [
            (
                "# mine\nproviders: [] # all\n",
                "# mine\nproviders: [] # all\n\nkeys:\n  - name: bob\n    sha256: \"00\"\n",
            ),
            (
                "keys: []   # nobody yet\nadmin: {}\n",
                "keys:   # nobody yet\n  - name: bob\n    sha256: \"00\"\nadmin: {}\n",
            ),
            (
                "keys:\n- name: a # first\n  rpm: 1\n\n# about admin\nadmin: {}\n",
                "keys:\n- name: a # first\n  rpm: 1\n- name: bob\n  sha256: \"00\"\n\n# about admin\nadmin: {}\n",
            ),
            (
                "a: 1\r\nkeys:\r\n    - name: a",
                "a: 1\r\nkeys:\r\n    - name: a\r\n    - name: bob\r\n      sha256: \"00\"\r\n",
            ),
        ] {
            assert_eq!(add_key(before, "bob", ENTRY).as_deref(), Ok(after));
        }
    }

    #[test]
    fn a_key_is_marked_or_taken_out() {
        let text = "keys:\n  # Alice\n  - name: alice\n    models: [a,\n      b]\n\n  # Bob\n  - name: \"bob\" # him\n\nx: 1\n";
        assert_eq!(
            revoke_key(text, "alice").unwrap(),
            text.replace("      b]\n", "      b]\n    revoked: true\n")
        );
        assert_eq!(
            revoke_key(text, "bob").unwrap(),
            text.replace("# him\n", "# him\n    revoked: true\n")
        );
        let marked = "keys:\n  - name: a\n    revoked: false # yet\n    rpm: 1\n";
        assert_eq!(
            revoke_key(marked, "a").unwrap(),
            "keys:\n  - name: a\n    revoked: true # yet\n    rpm: 1\n"
        );
        let one = remove_key(text, "alice").unwrap();
        assert_eq!(
            one,
            "keys:\n  # Alice\n\n  # Bob\n  - name: \"bob\" # him\n\nx: 1\n"
        );
        let none = remove_key(&one, "bob").unwrap();
        assert!(none.starts_with("keys: []\n"), "{none}");
    }

    #[test]
    fn brackets_and_json_are_understood_and_names_are_unique() {
        let braces = "keys:\n  - {name: a} # she\n";
        assert_eq!(
            revoke_key(braces, "a").as_deref(),
            Ok("keys:\n  - {name: a, revoked: true} # she\n")
        );
        let comma = "keys:\n  - {name: a, x: 1}\n  - {name: b, sha256: \"00\", }\n\n";
        assert_eq!(
            remove_key(comma, "b").as_deref(),
            Ok("keys:\n  - {name: a, x: 1}\n\n")
        );
        assert_eq!(
            add_key("{\"keys\": []}", "bob", ENTRY).as_deref(),
            Ok("{\"keys\": [{ \"name\": \"bob\", \"sha256\": \"00\" }]}")
        );
        assert_eq!(
            add_key(
                "a: 1\n",
                "bob",
                "- name: bob\n  daily_usd: 0.5\n  tpm: 200k\n"
            )
            .as_deref(),
            Ok("a: 1\n\nkeys:\n  - name: bob\n    daily_usd: 0.5\n    tpm: \"200k\"\n")
        );
        assert_eq!(
            revoke_key(braces, "b"),
            Err(EditError::Missing("b".to_owned()))
        );
        assert_eq!(
            add_key(braces, "a", ENTRY),
            Err(EditError::Exists("a".to_owned()))
        );
        assert!(matches!(
            add_key("a: [", "bob", ENTRY),
            Err(EditError::Unreadable(_))
        ));
        // A text that looks like the list, inside another value.
        let hidden = "note: \"\nkeys:\n  - name: x\n\"\n";
        assert_eq!(add_key(hidden, "bob", ENTRY), Err(EditError::Unsure));
    }
}
