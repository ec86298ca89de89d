//! A change of one place of a file, and what the file must say afterwards.

use super::EditError;
use super::value::Value;
use crate::config::tree::Node;

/// One step of a way into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(item: usize) -> Self {
        Step::Item(item)
    }
}

/// A way into a value.
pub(super) type Way = Vec<Step>;

/// A way from its steps.
macro_rules! way {
    ($($step:expr),* $(,)?) => {
        vec![$(crate::config::edit::change::Step::from($step)),*]
    };
}
pub(super) use way;

/// What is to be changed. All but the last step of a way must be there.
#[derive(Clone)]
pub(super) enum Change {
    /// Puts a value there, in place of the one that may be there.
    Set(Way, Value),
    /// Puts another key and value in place of an entry.
    Replace(Way, &'static str, Value),
    /// Takes an entry or an item out.
    Remove(Way),
    /// Adds an item at the end of a list.
    Push(Way, Value),
}

impl Change {
    /// Where it happens.
    pub fn way(&self) -> &Way {
        match self {
            Change::Set(way, _)
            | Change::Replace(way, _, _)
            | Change::Remove(way)
            | Change::Push(way, _) => way,
        }
    }

    /// The same change of what the file says: the measure of the change of its text.
    pub fn of_tree(&self, root: &mut Node) -> Result<(), EditError> {
        if let Change::Push(way, value) = self {
            let list = at(root, way).ok_or(EditError::Unsure)?;
            match list {
                Node::List(items) => items.push(value.node()),
                Node::Null => *list = Node::List(vec![value.node()]),
                _ => return Err(EditError::Unsure),
            }
            return Ok(());
        }
        let (last, parents) = self.way().split_last().ok_or(EditError::Unsure)?;
        let parent = at(root, parents).ok_or(EditError::Unsure)?;
        match (parent, last) {
            (Node::Map(entries), Step::Key(key)) => {
                let place = entries.iter().position(|it| it.0 == *key);
                match (self, place) {
                    (Change::Remove(_), Some(i)) => {
                        entries.remove(i);
                    }
                    (Change::Replace(_, key, value), Some(i)) => {
                        if let Some(entry) = entries.get_mut(i) {
                            *entry = ((*key).to_owned(), value.node());
                        }
                    }
                    (Change::Set(_, value), Some(i)) => {
                        if let Some(entry) = entries.get_mut(i) {
                            entry.1 = value.node();
                        }
                    }
                    (Change::Set(_, value), None) => entries.push((key.clone(), value.node())),
                    (Change::Remove(_) | Change::Replace(..) | Change::Push(..), _) => {
                        return Err(EditError::Unsure);
                    }
                }
            }
            (Node::List(items), Step::Item(i)) if *i < items.len() => match self {
                Change::Remove(_) => {
                    items.remove(*i);
                }
                Change::Set(_, value) => {
                    if let Some(item) = items.get_mut(*i) {
                        *item = value.node();
                    }
                }
                Change::Replace(..) | Change::Push(..) => return Err(EditError::Unsure),
            },
            _ => return Err(EditError::Unsure),
        }
        Ok(())
    }
}

/// The value at the end of a way.
fn at<'n>(root: &'n mut Node, way: &[Step]) -> Option<&'n mut Node> {
    let mut node = root;
    for step in way {
        node = match (node, step) {
            (Node::Map(entries), Step::Key(key)) => {
                let entry = entries.iter_mut().find(|it| it.0 == *key)?;
                &mut entry.1
            }
            (Node::List(items), Step::Item(i)) => items.get_mut(*i)?,
            _ => return None,
        };
    }
    Some(node)
}

/// Entries by name: where a merge stands among them makes no difference.
pub(super) fn sorted(node: &mut Node) {
    match node {
        Node::List(items) => items.iter_mut().for_each(sorted),
        Node::Map(entries) => {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            for (_, value) in entries {
                sorted(value);
            }
        }
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::Text { .. }
        | Node::Tagged
        | Node::Broken => {}
    }
}
