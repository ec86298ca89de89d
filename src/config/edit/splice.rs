//! A change of one place of a text, as splices: everything else stays byte for byte. What comes out is read again and
//! compared with what was asked for; a text in which that fails is left alone.

use std::ops::Range;

use super::EditError;
use super::change::{Change, Step, sorted};
use super::spans::{Entry, Form, Layout, Spot, What, behind_colon, layout};
use super::value::{Spelling, Value, scalar};
use super::{brackets, lines};
use crate::config::tree::{self, Node};

/// A piece of text to be put in the place of another.
pub(super) type Splice = (Range<usize>, String);

/// Applies changes one after another.
pub(super) fn apply_all(text: &str, changes: &[Change]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for change in changes {
        text = apply(&text, change)?;
    }
    Ok(text)
}

/// Applies one change.
pub(super) fn apply(text: &str, change: &Change) -> Result<String, EditError> {
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let mut wanted = read(text)?;
    let layout = layout(text).ok_or(EditError::Unsure)?;
    let new = spliced(text, Writer::of(&layout).splices(change)?);
    change.of_tree(&mut wanted)?;
    let mut found = read(&new).map_err(|_| EditError::Unsure)?;
    sorted(&mut wanted);
    sorted(&mut found);
    if wanted == found {
        Ok(format!("{mark}{new}"))
    } else {
        Err(EditError::Unsure)
    }
}

/// What a text says; a text without any value is one without keys.
pub(super) fn read(text: &str) -> Result<Node, EditError> {
    let is_empty = |it: &str| {
        let line = it.trim();
        line.is_empty() || line.starts_with('#')
    };
    if text.trim_start_matches('\u{feff}').lines().all(is_empty) {
        return Ok(Node::Map(Vec::new()));
    }
    let label = if text.trim_start().starts_with('{') {
        "config.json"
    } else {
        "config"
    };
    tree::parse(label, text).map_err(|fault| EditError::Unreadable(fault.place_and_remedy()))
}

fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|it| it.0.start);
    let mut new = String::with_capacity(text.len() + 256);
    let mut from = 0;
    for (range, piece) in splices {
        new.push_str(text.get(from..range.start).unwrap_or_default());
        new.push_str(&piece);
        from = range.end;
    }
    new.push_str(text.get(from..).unwrap_or_default());
    new
}

/// Knows the text and how it is written.
pub(super) struct Writer<'l> {
    pub layout: &'l Layout<'l>,
    pub spelling: Spelling,
    pub eol: &'static str,
}

/// A value with the entry it is the value of.
struct Found<'l> {
    spot: &'l Spot,
    entry: Option<&'l Entry>,
}

impl<'l> Writer<'l> {
    fn of(layout: &'l Layout<'l>) -> Self {
        let text = layout.text;
        let json = text.trim_start().starts_with('{')
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        Writer {
            layout,
            spelling: if json { Spelling::Json } else { Spelling::Yaml },
            eol: if text.contains("\r\n") { "\r\n" } else { "\n" },
        }
    }

    pub fn text(&self) -> &'l str {
        self.layout.text
    }

    fn splices(&self, change: &Change) -> Result<Vec<Splice>, EditError> {
        if let Change::Push(way, value) = change {
            let found = self.find(way)?;
            self.unshared(found.spot)?;
            return self.push(&found, value);
        }
        let (last, parents) = change.way().split_last().ok_or(EditError::Unsure)?;
        if self.layout.root.is_none() {
            return match (change, last) {
                (Change::Set(_, value), Step::Key(key)) if parents.is_empty() => {
                    Ok(lines::at_the_end(self, key, value))
                }
                _ => Err(EditError::Unsure),
            };
        }
        let parent = self.find(parents)?;
        self.unshared(parent.spot)?;
        match (&parent.spot.what, last) {
            (What::Map { form, entries }, Step::Key(key)) => {
                let entry = entries.iter().position(|it| it.name.as_ref() == Some(key));
                match (change, entry) {
                    (Change::Set(_, value), Some(i)) => {
                        let entry = entries.get(i).ok_or(EditError::Unsure)?;
                        self.unshared(&entry.value)?;
                        self.put(*form, entry, value)
                    }
                    (Change::Set(_, value), None) => self.insert(parent.spot, key, value),
                    (Change::Replace(_, key, value), Some(i)) => {
                        let entry = entries.get(i).ok_or(EditError::Unsure)?;
                        self.unshared(&entry.value)?;
                        self.replace(entry, key, value)
                    }
                    (Change::Remove(_), Some(i)) => self.remove(&parent, i),
                    (Change::Remove(_) | Change::Replace(..) | Change::Push(..), _) => {
                        Err(EditError::Inherited(key.clone()))
                    }
                }
            }
            (What::List { items, .. }, Step::Item(i)) => match change {
                Change::Remove(_) => self.remove(&parent, *i),
                Change::Set(_, value) if value.is_short() => {
                    let item = items.get(*i).ok_or(EditError::Unsure)?;
                    self.unshared(item)?;
                    match item.what {
                        What::Scalar => {
                            Ok(vec![(item.range.clone(), value.in_line(self.spelling))])
                        }
                        _ => Err(EditError::Unsure),
                    }
                }
                Change::Set(..) | Change::Replace(..) | Change::Push(..) => Err(EditError::Unsure),
            },
            _ => Err(EditError::Unsure),
        }
    }

    /// The value at the end of a way; nothing on it is written elsewhere or read from elsewhere as well.
    fn find(&self, way: &[Step]) -> Result<Found<'l>, EditError> {
        let root = self.layout.root.as_ref().ok_or(EditError::Unsure)?;
        let mut found = Found {
            spot: root,
            entry: None,
        };
        for step in way {
            self.unshared(found.spot)?;
            found = match (&found.spot.what, step) {
                (What::Map { entries, .. }, Step::Key(key)) => {
                    let entry = entries.iter().find(|it| it.name.as_ref() == Some(key));
                    let entry = entry.ok_or_else(|| EditError::Inherited(key.clone()))?;
                    Found {
                        spot: &entry.value,
                        entry: Some(entry),
                    }
                }
                (What::List { items, .. }, Step::Item(i)) => Found {
                    spot: items.get(*i).ok_or(EditError::Unsure)?,
                    entry: None,
                },
                (What::Alias, _) => return Err(self.alias(found.spot)),
                _ => return Err(EditError::Unsure),
            };
        }
        if let What::Alias = found.spot.what {
            return Err(self.alias(found.spot));
        }
        Ok(found)
    }

    fn alias(&self, spot: &Spot) -> EditError {
        let name = self.text().get(spot.range.clone()).unwrap_or_default();
        EditError::Shared(name.trim_start_matches('*').to_owned())
    }

    /// Refuses what others read as well.
    fn unshared(&self, spot: &Spot) -> Result<(), EditError> {
        match self.layout.shared.get(&spot.anchor) {
            Some(name) => Err(EditError::Shared(name.clone())),
            None => Ok(()),
        }
    }

    /// Refuses to take away what others read.
    fn unused(&self, spot: &Spot) -> Result<(), EditError> {
        self.unshared(spot)?;
        match &spot.what {
            What::List { items, .. } => items.iter().try_for_each(|it| self.unused(it)),
            What::Map { entries, .. } => entries.iter().try_for_each(|it| {
                self.unused(&it.key)?;
                self.unused(&it.value)
            }),
            What::Nothing | What::Scalar | What::BlockScalar | What::Alias => Ok(()),
        }
    }

    /// Another value for an entry that is there.
    fn put(&self, form: Form, entry: &Entry, value: &Value) -> Result<Vec<Splice>, EditError> {
        let spot = &entry.value;
        let in_lines = form == Form::Block && !value.is_short();
        match &spot.what {
            What::Nothing if in_lines => lines::below(self, entry, value),
            What::List {
                form: Form::Flow,
                items,
            } if in_lines && items.is_empty() => lines::below(self, entry, value),
            What::Map {
                form: Form::Flow,
                entries,
            } if in_lines && entries.is_empty() => lines::below(self, entry, value),
            What::Nothing => {
                let piece = format!(" {}", value.in_line(self.spelling));
                Ok(vec![(spot.range.clone(), piece)])
            }
            What::Scalar
            | What::Alias
            | What::List {
                form: Form::Flow, ..
            }
            | What::Map {
                form: Form::Flow, ..
            } => {
                self.unused(spot)?;
                Ok(vec![(spot.range.clone(), value.in_line(self.spelling))])
            }
            What::BlockScalar | What::List { .. } | What::Map { .. } => Err(EditError::Unsure),
        }
    }

    /// Another key and value in the place of an entry on one line.
    fn replace(&self, entry: &Entry, key: &str, value: &Value) -> Result<Vec<Splice>, EditError> {
        match entry.value.what {
            What::Nothing | What::Scalar => {
                let range = entry.key.range.start..entry.value.end();
                let key = scalar(key, self.spelling);
                let piece = format!("{key}: {}", value.in_line(self.spelling));
                Ok(vec![(range, piece)])
            }
            What::BlockScalar | What::Alias | What::List { .. } | What::Map { .. } => {
                Err(EditError::Unsure)
            }
        }
    }

    fn insert(&self, map: &Spot, key: &str, value: &Value) -> Result<Vec<Splice>, EditError> {
        let What::Map { form, entries } = &map.what else {
            return Err(EditError::Unsure);
        };
        match form {
            Form::Flow => brackets::insert(self, map, Some(key), value),
            Form::Block if std::ptr::eq(map, self.root()?) => {
                Ok(lines::at_the_end(self, key, value))
            }
            Form::Block => lines::insert(self, entries, key, value),
            Form::Pair => Err(EditError::Unsure),
        }
    }

    fn root(&self) -> Result<&Spot, EditError> {
        self.layout.root.as_ref().ok_or(EditError::Unsure)
    }

    fn push(&self, found: &Found<'_>, value: &Value) -> Result<Vec<Splice>, EditError> {
        match &found.spot.what {
            What::List {
                form: Form::Flow,
                items,
            } => {
                let in_lines = items.is_empty() && !value.is_short();
                match found.entry.filter(|_| in_lines && self.is_by_lines()) {
                    Some(entry) => lines::below(self, entry, &Value::List(vec![value.clone()])),
                    None => brackets::insert(self, found.spot, None, value),
                }
            }
            What::List {
                form: Form::Block,
                items,
            } => lines::push(self, items, value),
            What::Nothing => {
                let entry = found.entry.ok_or(EditError::Unsure)?;
                self.put(Form::Block, entry, &Value::List(vec![value.clone()]))
            }
            _ => Err(EditError::Unsure),
        }
    }

    /// Whether the file as a whole is written line by line.
    fn is_by_lines(&self) -> bool {
        let root = self.layout.root.as_ref();
        root.is_some_and(|it| {
            matches!(
                it.what,
                What::Map {
                    form: Form::Block,
                    ..
                }
            )
        })
    }

    fn remove(&self, parent: &Found<'_>, index: usize) -> Result<Vec<Splice>, EditError> {
        let (form, children) = match &parent.spot.what {
            What::List { form, items } => {
                let item = items.get(index).ok_or(EditError::Unsure)?;
                self.unused(item)?;
                (*form, items.iter().map(|it| it.start..it.end()).collect())
            }
            What::Map { form, entries } => {
                let entry = entries.get(index).ok_or(EditError::Unsure)?;
                self.unused(&entry.key)?;
                self.unused(&entry.value)?;
                let range = |it: &Entry| it.key.start..it.value.end();
                (*form, entries.iter().map(range).collect::<Vec<_>>())
            }
            _ => return Err(EditError::Unsure),
        };
        let is_list = matches!(parent.spot.what, What::List { .. });
        match form {
            Form::Flow => brackets::remove(self, parent.spot, &children, index),
            Form::Pair => Err(EditError::Unsure),
            Form::Block if children.len() == 1 => {
                let only = children.first().cloned().ok_or(EditError::Unsure)?;
                let mut splices = vec![];
                if let Some(entry) = parent.entry {
                    let place = behind_colon(self.text(), entry.key.end());
                    let empty = if is_list { " []" } else { " {}" };
                    splices.push((place..place, empty.to_owned()));
                } else if !std::ptr::eq(parent.spot, self.root()?) {
                    return Err(EditError::Unsure);
                }
                splices.push(lines::whole(self, only, is_list)?);
                Ok(splices)
            }
            Form::Block => lines::remove(self, &children, index, is_list).map(|it| vec![it]),
        }
    }
}
