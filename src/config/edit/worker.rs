//! Edits of the worker proxy's `config.json`, in its own words.

use super::change::{Change, way};
use super::document::{NewUpstream, Update, Upstream, items_of, text_of};
use super::value::Value;
use crate::config::tree::Node;
use crate::config::units;
use crate::types::Secret;

/// What it took when nothing was written.
const STRATEGY: &str = "failover";

pub(super) fn upstreams(root: &Node) -> Vec<Upstream> {
    let current = current(root);
    let upstream = |(i, it): (usize, &Node)| Upstream {
        name: text_of(it, "name").unwrap_or_default(),
        account: None,
        kind: text_of(it, "serviceType").unwrap_or_default(),
        base_url: text_of(it, "baseUrl").unwrap_or_default(),
        about: text_of(it, "description"),
        keys: items_of(it, "apiKeys")
            .iter()
            .map(|it| Secret::new(units::text(it).unwrap_or_default().to_owned()))
            .collect(),
        sign_in: None,
        strategy: None,
        enabled: true,
        current: i == current,
    };
    items_of(root, "upstream")
        .iter()
        .enumerate()
        .map(upstream)
        .collect()
}

/// The place of the current one, which may be written as a name.
fn current(root: &Node) -> usize {
    let Some(written) = root.get("currentUpstream") else {
        return 0;
    };
    let named = units::text(written).and_then(|name| {
        let mut all = items_of(root, "upstream").iter();
        all.position(|it| text_of(it, "name").as_deref() == Some(name))
    });
    let counted = || units::count(written).and_then(|it| it.try_into().ok());
    named.or_else(counted).unwrap_or(0)
}

pub(super) fn strategy(root: &Node) -> String {
    text_of(root, "loadBalance").unwrap_or_else(|| STRATEGY.to_owned())
}

pub(super) fn add(root: &Node, new: &NewUpstream) -> Vec<Change> {
    let mut entries = vec![
        ("baseUrl", Value::text(&new.base_url)),
        ("apiKeys", Value::texts(&new.keys)),
        ("serviceType", Value::text(&new.kind)),
        ("name", Value::text(&new.name)),
    ];
    if let Some(about) = &new.about {
        entries.push(("description", Value::text(about)));
    }
    let entry = Value::map(entries);
    match root.get("upstream") {
        Some(_) => vec![Change::Push(way!["upstream"], entry)],
        None => vec![Change::Set(way!["upstream"], Value::List(vec![entry]))],
    }
}

pub(super) fn update(root: &Node, index: usize, old: &Upstream, update: &Update) -> Vec<Change> {
    let values = [
        ("name", &update.name),
        ("baseUrl", &update.base_url),
        ("serviceType", &update.kind),
        ("description", &update.about),
    ];
    let set = |(key, value): (&str, &Option<String>)| {
        let value = value.as_ref()?;
        Some(Change::Set(
            way!["upstream", index, key],
            Value::text(value),
        ))
    };
    let mut changes: Vec<Change> = values.into_iter().filter_map(set).collect();
    let is_named = root.get("currentUpstream").and_then(units::text) == Some(&old.name);
    if let (Some(name), true) = (&update.name, is_named) {
        changes.push(Change::Set(way!["currentUpstream"], Value::text(name)));
    }
    changes
}

/// The current one stays the current one; where it is the one that goes, the one in its place becomes it.
pub(super) fn remove(root: &Node, index: usize) -> Vec<Change> {
    let current = current(root);
    let left = items_of(root, "upstream").len().saturating_sub(1);
    let mut changes = vec![Change::Remove(way!["upstream", index])];
    let new = if index < current {
        current - 1
    } else {
        current.min(left.saturating_sub(1))
    };
    let by_name = root
        .get("currentUpstream")
        .and_then(units::text)
        .is_some_and(|name| {
            let mut all = items_of(root, "upstream").iter();
            all.any(|it| text_of(it, "name").as_deref() == Some(name))
        });
    if (by_name && index == current) || (!by_name && new != current) {
        changes.push(Change::Set(way!["currentUpstream"], number(new)));
    }
    changes
}

pub(super) fn make_current(index: usize) -> Vec<Change> {
    vec![Change::Set(way!["currentUpstream"], number(index))]
}

pub(super) fn add_keys(root: &Node, index: usize, keys: &[String]) -> Vec<Change> {
    let has_list = items_of(root, "upstream")
        .get(index)
        .is_some_and(|it| it.get("apiKeys").is_some());
    if !has_list {
        let keys = Value::texts(keys);
        return vec![Change::Set(way!["upstream", index, "apiKeys"], keys)];
    }
    keys.iter()
        .map(|key| Change::Push(way!["upstream", index, "apiKeys"], Value::text(key)))
        .collect()
}

pub(super) fn remove_keys(index: usize, places: &[usize]) -> Vec<Change> {
    let remove = |place: &usize| Change::Remove(way!["upstream", index, "apiKeys", *place]);
    places.iter().rev().map(remove).collect()
}

pub(super) fn balance(strategy: &str) -> Vec<Change> {
    let word = strategy.replace('_', "-");
    vec![Change::Set(way!["loadBalance"], Value::Text(word))]
}

pub(super) fn clear(root: &Node) -> Vec<Change> {
    let count = items_of(root, "upstream").len();
    let mut changes: Vec<Change> = (0..count)
        .rev()
        .map(|i| Change::Remove(way!["upstream", i]))
        .collect();
    changes.push(Change::Set(way!["currentUpstream"], Value::Number(0)));
    changes
}

fn number(index: usize) -> Value {
    Value::Number(u64::try_from(index).unwrap_or_default())
}
