//! Changes to the list of named keys in a file that a person wrote: only the lines concerned are touched, comments and
//! order stay. What cannot be changed without understanding the whole of YAML is left to the person.

use std::ops::Range;

use super::EditError;
use crate::config::tree::{self, Node};

/// Adds an `entry`, whose first line begins with `- `, to the list of keys.
pub fn add_key(text: &str, name: &str, entry: &str) -> Result<String, EditError> {
    let before = names(text)?;
    if before.iter().any(|it| it == name) {
        return Err(EditError::Exists(name.to_owned()));
    }
    let lines = Lines::of(text);
    let new = match lines.list()? {
        None => {
            let mut new = text.trim_end().to_owned();
            new.push_str(lines.eol);
            new.push_str(lines.eol);
            new.push_str("keys:");
            new.push_str(lines.eol);
            new + &lines.indented(entry, "  ")
        }
        Some(list) => {
            let indent = " ".repeat(list.indent.unwrap_or(2));
            let heading = lines.all.get(list.heading).copied().unwrap_or_default();
            // `keys: []` becomes the heading of a list.
            let heading = heading.replacen("[]", "", 1);
            let mut new = lines.text(0..list.heading);
            new.push_str(heading.trim_end());
            new.push_str(lines.eol);
            new.push_str(&lines.text(list.heading + 1..list.end));
            if !new.ends_with('\n') {
                new.push_str(lines.eol);
            }
            new.push_str(&lines.indented(entry, &indent));
            new + &lines.text(list.end..lines.all.len())
        }
    };
    let mut wanted = before;
    wanted.push(name.to_owned());
    checked(text, new, &wanted)
}

/// Marks a key as revoked.
pub fn revoke_key(text: &str, name: &str) -> Result<String, EditError> {
    let before = names(text)?;
    let lines = Lines::of(text);
    let item = lines.item(name)?;
    let is_mark = |it: &usize| {
        let line = lines.all.get(*it).copied().unwrap_or_default();
        line.trim_start().starts_with("revoked:")
    };
    let mark = item.lines.clone().find(is_mark);
    let place = mark.unwrap_or(item.lines.end);
    let mut new = lines.text(0..place);
    if !new.ends_with('\n') {
        new.push_str(lines.eol);
    }
    new.push_str(&" ".repeat(item.indent));
    new.push_str("revoked: true");
    new.push_str(lines.eol);
    new.push_str(&lines.text(place + usize::from(mark.is_some())..lines.all.len()));
    checked(text, new, &before)
}

/// Takes a key out of the list. The list stays, be it empty: without it everybody might call.
pub fn remove_key(text: &str, name: &str) -> Result<String, EditError> {
    let mut wanted = names(text)?;
    let lines = Lines::of(text);
    let item = lines.item(name)?;
    wanted.retain(|it| it != name);
    let heading = match lines.list()? {
        Some(list) if wanted.is_empty() => Some(list.heading),
        _ => None,
    };
    let mut new = String::with_capacity(text.len());
    for (i, line) in lines.all.iter().enumerate() {
        if Some(i) == heading {
            let (key, rest) = line.split_once("keys:").unwrap_or_default();
            new.push_str(key);
            new.push_str("keys: []");
            new.push_str(rest);
        } else if !item.lines.contains(&i) {
            new.push_str(line);
        }
    }
    checked(text, new, &wanted)
}

/// The new text, if it says the same as the old one but for the list of keys, and that holds these names.
fn checked(old: &str, new: String, wanted: &[String]) -> Result<String, EditError> {
    let rest = |text: &str| {
        let Ok(Node::Map(entries)) = tree::parse("config", text) else {
            return None;
        };
        let others = entries.into_iter().filter(|it| it.0 != "keys");
        Some(others.collect::<Vec<_>>())
    };
    let same = rest(old).is_some_and(|it| rest(&new) == Some(it));
    if same && names(&new).as_deref() == Ok(wanted) {
        Ok(new)
    } else {
        Err(EditError::Unsure)
    }
}

/// The names of all keys, in order.
fn names(text: &str) -> Result<Vec<String>, EditError> {
    if text.trim_start().starts_with('{') {
        return Err(EditError::Unreadable("it is JSON".to_owned()));
    }
    let tree =
        tree::parse("config", text).map_err(|fault| EditError::Unreadable(fault.to_string()))?;
    let Node::Map(entries) = tree else {
        return Err(EditError::Unsure);
    };
    let list = entries.into_iter().find(|it| it.0 == "keys").map(|it| it.1);
    match list {
        None | Some(Node::Null) => Ok(Vec::new()),
        Some(Node::List(items)) => items.iter().map(name_of).collect(),
        Some(_) => Err(EditError::Unsure),
    }
}

fn name_of(item: &Node) -> Result<String, EditError> {
    let Node::Map(entries) = item else {
        return Err(EditError::Unsure);
    };
    match entries.iter().find(|it| it.0 == "name") {
        Some((_, Node::Text { text, .. })) => Ok(text.clone()),
        Some(_) | None => Err(EditError::Unsure),
    }
}

/// A file by lines, each with its end.
struct Lines<'t> {
    all: Vec<&'t str>,
    eol: &'static str,
}

/// Where the list of keys is.
struct List {
    /// The line `keys:`.
    heading: usize,
    /// Behind its last line.
    end: usize,
    /// Before the dash of its items; `None` when there are none.
    indent: Option<usize>,
}

/// Where one key is.
struct Item {
    lines: Range<usize>,
    /// Of its keys.
    indent: usize,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        Lines {
            all: text.split_inclusive('\n').collect(),
            eol: if text.contains("\r\n") { "\r\n" } else { "\n" },
        }
    }

    fn text(&self, range: Range<usize>) -> String {
        self.all.get(range).unwrap_or_default().concat()
    }

    fn indented(&self, entry: &str, indent: &str) -> String {
        let line = |it: &str| format!("{indent}{it}{}", self.eol);
        entry.lines().map(line).collect()
    }

    fn list(&self) -> Result<Option<List>, EditError> {
        let Some(heading) = self.all.iter().position(|it| it.starts_with("keys:")) else {
            return Ok(None);
        };
        let line = self.all.get(heading).copied().unwrap_or_default();
        let value = without_comment(line.strip_prefix("keys:").unwrap_or_default());
        if !matches!(value, "" | "[]" | "~" | "null") {
            return Err(EditError::Brackets);
        }
        let (mut end, mut indent) = (heading + 1, None);
        for (i, line) in self.all.iter().enumerate().skip(heading + 1) {
            if without_comment(line).is_empty() {
                continue;
            }
            let depth = depth(line);
            let is_item = line.trim_start().starts_with("- ");
            if depth == 0 && !is_item {
                break;
            }
            if is_item && indent.is_none() {
                indent = Some(depth);
            }
            end = i + 1;
        }
        Ok(Some(List {
            heading,
            end,
            indent,
        }))
    }

    fn item(&self, name: &str) -> Result<Item, EditError> {
        let missing = || EditError::Missing(name.to_owned());
        let position = names(&self.text(0..self.all.len()))?
            .iter()
            .position(|it| it == name)
            .ok_or_else(missing)?;
        let list = self.list()?.ok_or_else(missing)?;
        let indent = list.indent.ok_or(EditError::Brackets)?;
        let begins: Vec<usize> = (list.heading + 1..list.end)
            .filter(|i| {
                let line = self.all.get(*i).copied().unwrap_or_default();
                depth(line) == indent && line.trim_start().starts_with("- ")
            })
            .collect();
        let first = *begins.get(position).ok_or(EditError::Unsure)?;
        let behind = begins.get(position + 1).copied().unwrap_or(list.end);
        let line = self.all.get(first).copied().unwrap_or_default();
        let after_dash = line.trim_start().trim_start_matches('-');
        if after_dash.trim_start().starts_with('{') {
            return Err(EditError::Brackets);
        }
        // Comments before the next item belong to that.
        let speaks = |i: &usize| {
            let line = self.all.get(*i).copied().unwrap_or_default();
            !without_comment(line).is_empty()
        };
        let tail = (first..behind).rfind(speaks).unwrap_or(first);
        let blanks = after_dash.len() - after_dash.trim_start().len();
        Ok(Item {
            lines: first..tail + 1,
            indent: indent + 1 + blanks,
        })
    }
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// What is on a line besides a comment that is all of it, or stands behind a blank.
fn without_comment(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    text.split(" #").next().unwrap_or_default().trim_end()
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
                "keys:    # nobody yet\n  - name: bob\n    sha256: \"00\"\nadmin: {}\n",
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
            "keys:\n  - name: a\n    revoked: true\n    rpm: 1\n"
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
    fn what_is_not_understood_is_left_alone() {
        let list = "keys: [{name: a}]\n";
        assert_eq!(add_key(list, "bob", ENTRY), Err(EditError::Brackets));
        let braces = "keys:\n  - {name: a}\n";
        assert_eq!(revoke_key(braces, "a"), Err(EditError::Brackets));
        assert_eq!(
            revoke_key(braces, "b"),
            Err(EditError::Missing("b".to_owned()))
        );
        assert_eq!(
            add_key(braces, "a", ENTRY),
            Err(EditError::Exists("a".to_owned()))
        );
        assert!(matches!(
            add_key("{}", "bob", ENTRY),
            Err(EditError::Unreadable(_))
        ));
        assert!(matches!(
            add_key("a: [", "bob", ENTRY),
            Err(EditError::Unreadable(_))
        ));
        // A text that looks like the list, inside another value.
        let hidden = "note: \"\nkeys:\n  - name: x\n\"\n";
        assert_eq!(add_key(hidden, "bob", ENTRY), Err(EditError::Unsure));
    }
}
