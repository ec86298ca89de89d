//! A configuration as `pointsman config` speaks of it: upstreams with names, addresses and keys, one of them current.
//! The two kinds of files are written in different words (`ours.rs`, `worker.rs`) and edited in the same way.

use super::EditError;
use super::change::Change;
use super::splice::{apply_all, read};
use super::{our_routes, ours, worker};
use crate::config::import::is_foreign;
use crate::config::tree::Node;
use crate::types::Secret;

/// A file's text, understood far enough to be edited.
pub struct Document {
    text: String,
    pub(super) root: Node,
    kind: DocumentKind,
}

/// Whose words a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// Ours: `providers`, `model_routes`, `settings`.
    Ours,
    /// The worker proxy's `config.json`: `upstream`, `currentUpstream`, `loadBalance`.
    Worker,
}

/// One upstream as written; keys that are references stay references.
pub struct Upstream {
    /// Its name; empty where it has none.
    pub name: String,
    /// Which account, where several share the name.
    pub account: Option<String>,
    /// What it speaks, in the file's words.
    pub kind: String,
    /// Its address.
    pub base_url: String,
    /// What its owner wrote about it.
    pub about: Option<String>,
    /// Its keys.
    pub keys: Vec<Secret>,
    /// How it signs in, where that is not with keys.
    pub sign_in: Option<String>,
    /// How a key is chosen, where that is written.
    pub strategy: Option<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether requests go to it first.
    pub current: bool,
}

/// An upstream to be added.
#[derive(Clone, Debug)]
pub struct NewUpstream {
    /// Unlike all others.
    pub name: String,
    /// Its address.
    pub base_url: String,
    /// What it speaks, in anybody's words.
    pub kind: String,
    /// What its owner has to say about it.
    pub about: Option<String>,
    /// Its keys.
    pub keys: Vec<String>,
    /// Whether it does without keys.
    pub without_key: bool,
}

/// What is to be changed of an upstream.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Another name; routes follow.
    pub name: Option<String>,
    /// Another address.
    pub base_url: Option<String>,
    /// Another kind.
    pub kind: Option<String>,
    /// Something else to say.
    pub about: Option<String>,
}

/// A changed text, and what there is to tell about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole file.
    pub text: String,
    /// Places that somebody may not have thought of, such as patterns of routes; what that means, the caller knows.
    pub told: Vec<String>,
    /// Whether an upstream was switched on on the way.
    pub switched_on: bool,
}

impl Document {
    /// Reads a file; an empty one is one of ours without anything in it.
    pub fn read(text: &str) -> Result<Self, EditError> {
        let root = read(text)?;
        let kind = if is_foreign(&root) {
            DocumentKind::Worker
        } else {
            DocumentKind::Ours
        };
        Ok(Document {
            text: text.to_owned(),
            root,
            kind,
        })
    }

    /// Whose words it is written in.
    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// All upstreams, in file order.
    pub fn upstreams(&self) -> Vec<Upstream> {
        match self.kind {
            DocumentKind::Ours => ours::upstreams(&self.root),
            DocumentKind::Worker => worker::upstreams(&self.root),
        }
    }

    /// How a key is chosen, where that is said once for all.
    pub fn strategy(&self) -> Option<String> {
        match self.kind {
            DocumentKind::Ours => None,
            DocumentKind::Worker => Some(worker::strategy(&self.root)),
        }
    }

    /// The upstream that is meant by a name, by `name#account` or by its place. A name goes before a place.
    pub fn find(&self, word: &str) -> Result<usize, EditError> {
        let upstreams = self.upstreams();
        let full = |it: &Upstream| match &it.account {
            Some(account) => format!("{}#{account}", it.name),
            None => it.name.clone(),
        };
        let mut named = (0..)
            .zip(&upstreams)
            .filter(|(_, it)| it.name == word || full(it) == word);
        match (named.next(), named.next()) {
            (Some((i, _)), None) => return Ok(i),
            (Some(_), Some(_)) => return Err(EditError::Ambiguous(word.to_owned())),
            (None, _) => {}
        }
        let place = word
            .parse::<usize>()
            .ok()
            .filter(|it| *it < upstreams.len());
        place.ok_or_else(|| EditError::NoUpstream {
            asked: word.to_owned(),
            known: upstreams.iter().map(full).collect(),
        })
    }

    /// As it is.
    pub fn edited_nowhere(&self) -> Edited {
        Edited {
            text: self.text.clone(),
            told: Vec::new(),
            switched_on: false,
        }
    }

    /// With another upstream.
    pub fn add(&self, new: &NewUpstream) -> Result<Edited, EditError> {
        if self.upstreams().iter().any(|it| it.name == new.name) {
            return Err(EditError::NameTaken(new.name.clone()));
        }
        let changes = match self.kind {
            DocumentKind::Ours => ours::add(&self.root, new),
            DocumentKind::Worker => worker::add(&self.root, new),
        };
        self.edited(&changes)
    }

    /// With an upstream changed.
    pub fn update(&self, index: usize, update: &Update) -> Result<Edited, EditError> {
        let upstreams = self.upstreams();
        let taken = |name: &String| {
            let others = upstreams.iter().enumerate().filter(|it| it.0 != index);
            others.map(|it| it.1).any(|it| it.name == *name)
        };
        if let Some(name) = update.name.as_ref().filter(|it| taken(it)) {
            return Err(EditError::NameTaken(name.clone()));
        }
        let old = upstreams.get(index).ok_or(EditError::Unsure)?;
        let changes = match self.kind {
            DocumentKind::Ours => ours::update(&self.root, index, old, update),
            DocumentKind::Worker => worker::update(&self.root, index, old, update),
        };
        self.edited(&changes)
    }

    /// Without an upstream; routes that are gone with it are told.
    pub fn remove(&self, index: usize) -> Result<Edited, EditError> {
        let upstreams = self.upstreams();
        let old = upstreams.get(index).ok_or(EditError::Unsure)?;
        let (changes, told) = match self.kind {
            DocumentKind::Ours => our_routes::remove(&self.root, index, old, &upstreams),
            DocumentKind::Worker => (worker::remove(&self.root, index), Vec::new()),
        };
        Ok(Edited {
            told,
            ..self.edited(&changes)?
        })
    }

    /// With all requests going to an upstream first; routes that do not are told.
    pub fn make_current(&self, index: usize) -> Result<Edited, EditError> {
        let upstreams = self.upstreams();
        let wanted = upstreams.get(index).ok_or(EditError::Unsure)?;
        let (mut changes, told) = match self.kind {
            DocumentKind::Ours => our_routes::make_current(&self.root, wanted),
            DocumentKind::Worker => (worker::make_current(index), Vec::new()),
        };
        let has_key = !wanted.keys.is_empty() || wanted.sign_in.is_some();
        let switched_on = !wanted.enabled && has_key;
        if switched_on {
            changes.push(ours::switch_on(index));
        }
        Ok(Edited {
            told,
            switched_on,
            ..self.edited(&changes)?
        })
    }

    /// With more keys for an upstream. All of them must be new to it. One that was off for want of a key is on then.
    pub fn add_keys(&self, index: usize, keys: &[String]) -> Result<Edited, EditError> {
        let upstreams = self.upstreams();
        let old = upstreams.get(index).ok_or(EditError::Unsure)?;
        let (changes, switched_on) = match self.kind {
            DocumentKind::Ours => ours::add_keys(&self.root, index, old, keys)?,
            DocumentKind::Worker => (worker::add_keys(&self.root, index, keys), false),
        };
        Ok(Edited {
            switched_on,
            ..self.edited(&changes)?
        })
    }

    /// Without the keys at these places of an upstream.
    pub fn remove_keys(&self, index: usize, places: &[usize]) -> Result<Edited, EditError> {
        let mut places = places.to_vec();
        places.sort_unstable();
        places.dedup();
        let changes = match self.kind {
            DocumentKind::Ours => ours::remove_keys(&self.root, index, &places),
            DocumentKind::Worker => worker::remove_keys(index, &places),
        };
        self.edited(&changes)
    }

    /// With keys chosen in another way, at one upstream or at all that have keys.
    pub fn balance(&self, strategy: &str, index: Option<usize>) -> Result<Edited, EditError> {
        let changes = match self.kind {
            DocumentKind::Ours => ours::balance(&self.upstreams(), strategy, index),
            DocumentKind::Worker => worker::balance(strategy),
        };
        self.edited(&changes)
    }

    /// Without any upstream.
    pub fn clear(&self) -> Result<Edited, EditError> {
        let changes = match self.kind {
            DocumentKind::Ours => ours::clear(&self.root),
            DocumentKind::Worker => worker::clear(&self.root),
        };
        self.edited(&changes)
    }

    fn edited(&self, changes: &[Change]) -> Result<Edited, EditError> {
        Ok(Edited {
            text: apply_all(&self.text, changes)?,
            told: Vec::new(),
            switched_on: false,
        })
    }
}

/// A text under a key; empty where there is none.
pub(super) fn text_of(node: &Node, key: &str) -> Option<String> {
    match node.get(key) {
        Some(Node::Text { text, .. }) => Some(text.clone()),
        _ => None,
    }
}

/// The items of a list under a key.
pub(super) fn items_of<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key) {
        Some(Node::List(items)) => items,
        _ => &[],
    }
}
