//! Typed access to a walked section: old names are looked up beside new ones, and what the walk has already told as a
//! fault reads as absent.

use std::time::Duration;

use crate::config::table::{Field, Kind, State, Table, find};
use crate::config::tree::Node;
use crate::config::units;
use crate::config::walk::{is_absent, join};

/// One section as written.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rows: Table,
    node: Option<&'a Node>,
    /// Where it is.
    pub path: String,
}

impl<'a> Reader<'a> {
    /// Reads `node` by `rows`.
    pub fn new(rows: Table, node: Option<&'a Node>, path: impl Into<String>) -> Self {
        Reader {
            rows,
            node,
            path: path.into(),
        }
    }

    /// Path of `key`, under the name that was written.
    pub fn at(&self, key: &str) -> String {
        let written = self.find(key).map_or(key, |it| it.0);
        join(&self.path, written)
    }

    /// What stands under `key` or an old name of it, nothing included.
    pub fn raw(&self, key: &str) -> Option<&'a Node> {
        self.find(key).map(|it| it.1)
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn find(&self, key: &str) -> Option<(&'a str, &'a Node)> {
        let Some(Node::Map(entries)) = self.node else {
            return None;
        };
        let by_name = |name: &str| {
            entries
                .iter()
                .find(|it| it.0 == name)
                .map(|it| (it.0.as_str(), &it.1))
        };
        by_name(key).or_else(|| {
            self.rows
                .iter()
                .filter(|it| it.state == State::Old(it_new(it)) && it_new(it) == key)
                .find_map(|it| by_name(it.key))
        })
    }

    fn value(&self, key: &str) -> Option<&'a Node> {
        let kind = find(self.rows, key)?.kind;
        self.raw(key).filter(|it| !is_absent(it, kind))
    }

    /// The section under `key`; an empty one when there is none.
    pub fn section(&self, key: &str) -> Reader<'a> {
        Reader::new(self.rows_of(key), self.raw(key), self.at(key))
    }

    fn rows_of(&self, key: &str) -> Table {
        find(self.rows, key).map_or(&[], |it| it.kind.rows())
    }

    /// Whether a list stands in its place, and an empty one.
    pub fn is_empty_list(&self) -> bool {
        matches!(self.node, Some(Node::List(items)) if items.is_empty())
    }

    /// The sections in the list under `key`.
    pub fn list(&self, key: &str) -> Vec<Reader<'a>> {
        sections(self.rows_of(key), self.raw(key), &self.at(key))
    }

    /// The sections under the free names below `key`.
    pub fn named(&self, key: &str) -> Vec<(&'a str, Reader<'a>)> {
        let rows = self.rows_of(key);
        self.entries(key)
            .map(|(name, node)| {
                let path = join(&self.at(key), name);
                (name, Reader::new(rows, Some(node), path))
            })
            .collect()
    }

    /// The sections under the free names below `key`, each with the list in it for which it may be short.
    pub fn named_short(&self, key: &str) -> Vec<(&'a str, Reader<'a>, Vec<Reader<'a>>)> {
        let Some(Kind::NamedShort(listed, rows)) = find(self.rows, key).map(|it| it.kind) else {
            return Vec::new();
        };
        self.entries(key)
            .map(|(name, node)| {
                let path = join(&self.at(key), name);
                let whole = Reader::new(rows, Some(node), path);
                let list = match node {
                    Node::List(_) => sections(whole.rows_of(listed), Some(node), &whole.path),
                    _ => whole.list(listed),
                };
                (name, whole, list)
            })
            .collect()
    }

    /// Free names and values below `key`.
    pub fn entries(&self, key: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let entries: &'a [(String, Node)] = match self.raw(key) {
            Some(Node::Map(entries)) => entries,
            _ => &[],
        };
        entries.iter().map(|it| (it.0.as_str(), &it.1))
    }

    /// True or false.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key).and_then(units::boolean)
    }

    /// A whole number that fits the type asked for.
    pub fn count<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        let count = self.value(key).and_then(units::count)?;
        T::try_from(count).ok()
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.value(key).and_then(units::number)
    }

    /// Text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.value(key).and_then(units::text)
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.value(key).and_then(units::duration)
    }

    /// A size in bytes.
    pub fn size(&self, key: &str) -> Option<usize> {
        self.value(key).and_then(units::size)
    }

    /// A number of tokens.
    pub fn tokens(&self, key: &str) -> Option<u64> {
        self.value(key).and_then(units::tokens)
    }

    /// Texts; none when absent.
    pub fn texts(&self, key: &str) -> Vec<&'a str> {
        self.value(key).and_then(units::texts).unwrap_or_default()
    }

    /// HTTP statuses; none when absent.
    pub fn codes(&self, key: &str) -> Vec<u16> {
        self.value(key).and_then(units::codes).unwrap_or_default()
    }

    /// The word chosen, as the table spells it.
    pub fn choice(&self, key: &str) -> Option<&'static str> {
        let (Kind::Choice(choices) | Kind::ChoiceOr(choices, _)) = find(self.rows, key)?.kind
        else {
            return None;
        };
        units::choice(self.value(key)?, choices)
    }
}

fn it_new(field: &Field) -> &'static str {
    match field.state {
        State::Old(new) => new,
        State::Active | State::Unused(_) => "",
    }
}

fn sections<'a>(rows: Table, node: Option<&'a Node>, path: &str) -> Vec<Reader<'a>> {
    let Some(Node::List(items)) = node else {
        return Vec::new();
    };
    items
        .iter()
        .enumerate()
        .map(|(i, item)| Reader::new(rows, Some(item), format!("{path}[{i}]")))
        .collect()
}
