//! Edits of a configuration of ours; `our_routes.rs` has those of routes.

use super::EditError;
use super::change::{Change, Way, way};
use super::document::{NewUpstream, Update, Upstream, items_of, text_of};
use super::our_routes::first_choice;
use super::value::Value;
use crate::config::import;
use crate::config::tree::Node;
use crate::config::units;
use crate::config::url::Address;
use crate::types::{Secret, Vendor};

pub(super) fn upstreams(root: &Node) -> Vec<Upstream> {
    let current = first_choice(root);
    let mut upstreams: Vec<Upstream> = items_of(root, "providers").iter().map(upstream).collect();
    // A lone provider serves everything without a route.
    let routeless = root.get("model_routes").is_none() && upstreams.len() == 1;
    for it in &mut upstreams {
        it.current = it.enabled && (routeless || current.as_ref() == Some(&it.name));
    }
    upstreams
}

fn upstream(it: &Node) -> Upstream {
    let value = text_of(it, "auth_value");
    let several = items_of(it, "api_keys");
    let sign_in = match (value.as_deref(), text_of(it, "auth_type")) {
        (Some(word @ ("passthrough" | "oauth")), _) => Some(word.to_owned()),
        (_, Some(word)) if !matches!(word.as_str(), "api_key" | "auth_token") => Some(word),
        _ => None,
    };
    let keys = match (&sign_in, value) {
        (Some(_), _) => Vec::new(),
        (None, Some(value)) => vec![Secret::new(value)],
        (None, None) => several
            .iter()
            .map(|it| Secret::new(units::text(it).unwrap_or_default().to_owned()))
            .collect(),
    };
    let vendor = text_of(it, "vendor");
    let own_kind = || vendor.clone().unwrap_or_else(|| "anthropic".to_owned());
    let own_url = || {
        let vendor = Vendor::named(vendor.as_deref()?)?;
        Some(vendor.base_url.to_owned())
    };
    Upstream {
        name: text_of(it, "name").unwrap_or_default(),
        account: text_of(it, "account_email"),
        kind: text_of(it, "type").unwrap_or_else(own_kind),
        base_url: text_of(it, "base_url")
            .or_else(|| text_of(it, "endpoint_url"))
            .or_else(own_url)
            .unwrap_or_default(),
        about: text_of(it, "description"),
        keys,
        sign_in,
        strategy: text_of(it, "key_strategy"),
        enabled: it.get("enabled").and_then(units::boolean).unwrap_or(true),
        current: false,
    }
}

/// What a provider speaks, in our words: a vendor's name brings its own along.
fn kind(word: &str) -> (&'static str, String) {
    match import::kind_of(word) {
        Some(kind) => ("type", kind.to_owned()),
        None if Vendor::named(word).is_some() => ("vendor", word.to_owned()),
        None => ("type", word.to_owned()),
    }
}

pub(super) fn add(root: &Node, new: &NewUpstream) -> Vec<Change> {
    let (key, word) = kind(&new.kind);
    let mut entries = vec![("name", Value::text(&new.name)), (key, Value::text(&word))];
    if !new.base_url.is_empty() {
        entries.push(("base_url", Value::text(&new.base_url)));
    }
    if let Some(about) = &new.about {
        entries.push(("description", Value::text(about)));
    }
    if is_old(&new.kind) {
        let quirks = Value::map([("max_completion_tokens", Value::Flag(false))]);
        entries.push(("quirks", quirks));
    }
    if new.without_key {
        entries.push(("auth_type", Value::text("none")));
    } else if new.keys.is_empty() {
        entries.push(("enabled", Value::Flag(false)));
    } else {
        if wants_bearer(&word, &new.base_url, &new.keys) {
            entries.push(("auth_type", Value::text("auth_token")));
        }
        entries.push(("api_keys", Value::texts(&new.keys)));
    }
    if let Some(strategy) = common_strategy(root) {
        entries.push(("key_strategy", Value::Text(strategy)));
    }
    let entry = Value::map(entries);
    match root.get("providers") {
        Some(_) => vec![Change::Push(way!["providers"], entry)],
        None => vec![Change::Set(way!["providers"], Value::List(vec![entry]))],
    }
}

/// Services of the old dialect want `max_tokens`.
fn is_old(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("openaiold")
}

/// Services that speak Anthropic's dialect without being Anthropic take keys as bearer tokens.
fn wants_bearer(kind: &str, base_url: &str, keys: &[String]) -> bool {
    let host = Address::parse_base(base_url).map(|it| it.host);
    let vendor = host.ok().and_then(|it| Vendor::of_host(&it));
    let is_anthropics = |it: &String| it.starts_with("sk-ant-") || it.starts_with("${");
    kind == "anthropic" && vendor.is_none() && !keys.iter().any(is_anthropics)
}

/// The way to choose a key that all have written.
fn common_strategy(root: &Node) -> Option<String> {
    let mut all = items_of(root, "providers").iter();
    let first = text_of(all.next()?, "key_strategy")?;
    all.all(|it| text_of(it, "key_strategy").as_ref() == Some(&first))
        .then_some(first)
}

pub(super) fn update(root: &Node, index: usize, old: &Upstream, update: &Update) -> Vec<Change> {
    let at = |key: &str| way!["providers", index, key];
    let set = |key: &str, value: &str| Change::Set(at(key), Value::text(value));
    let mut changes = Vec::new();
    let provider = items_of(root, "providers").get(index);
    let has = |key: &str| provider.is_some_and(|it| it.get(key).is_some());
    if let Some(base_url) = &update.base_url {
        changes.push(set("base_url", base_url));
        if has("endpoint_url") {
            changes.push(Change::Remove(at("endpoint_url")));
        }
    }
    if let Some(word) = &update.kind {
        let (key, word) = kind(word);
        changes.push(set(key, &word));
        let other = if key == "type" { "vendor" } else { "type" };
        if has(other) {
            changes.push(Change::Remove(at(other)));
        }
    }
    if let Some(about) = &update.about {
        changes.push(set("description", about));
    }
    if let Some(name) = update.name.as_ref().filter(|it| **it != old.name) {
        changes.push(set("name", name));
        // Accounts that share a name keep it, and routes mean them all.
        let shared = upstreams(root)
            .iter()
            .filter(|it| it.name == old.name)
            .count();
        if shared == 1 {
            let value = Value::text(name);
            let named = mentions(root, &old.name);
            changes.extend(named.into_iter().map(|it| Change::Set(it, value.clone())));
        }
    }
    changes
}

/// Every place besides its own entry that names a provider.
fn mentions(root: &Node, name: &str) -> Vec<Way> {
    let mut found = Vec::new();
    for (key, leaf) in [
        ("model_routes", "provider"),
        ("route_rules", "provider"),
        ("keys", "providers"),
        ("teams", "providers"),
    ] {
        if let Some(node) = root.get(key) {
            search(node, name, leaf, &mut way![key], &mut found);
        }
    }
    found
}

fn search(node: &Node, name: &str, leaf: &str, at: &mut Way, found: &mut Vec<Way>) {
    let is_name = |it: &Node| units::text(it) == Some(name);
    match node {
        Node::List(items) => {
            let named = at.last() == Some(&leaf.into());
            for (i, item) in items.iter().enumerate() {
                at.push(i.into());
                if named && is_name(item) {
                    found.push(at.clone());
                }
                search(item, name, leaf, at, found);
                at.pop();
            }
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                at.push(key.as_str().into());
                if key == leaf && is_name(value) {
                    found.push(at.clone());
                }
                search(value, name, leaf, at, found);
                at.pop();
            }
        }
        _ => {}
    }
}

/// More keys. `auth_value` holds one and becomes `api_keys`; the second result says whether it was switched on.
pub(super) fn add_keys(
    root: &Node,
    index: usize,
    old: &Upstream,
    keys: &[String],
) -> Result<(Vec<Change>, bool), EditError> {
    let at = |key: &str| way!["providers", index, key];
    if let Some(way) = &old.sign_in {
        return Err(EditError::OtherSignIn(way.clone()));
    }
    let provider = items_of(root, "providers").get(index);
    let has = |key: &str| provider.and_then(|it| it.get(key)).is_some();
    let mut changes: Vec<Change> = match (has("auth_value"), has("api_keys")) {
        (true, _) => {
            let old = old.keys.iter().map(|it| it.expose().to_owned());
            let all: Vec<String> = old.chain(keys.iter().cloned()).collect();
            vec![Change::Replace(
                at("auth_value"),
                "api_keys",
                Value::texts(&all),
            )]
        }
        (false, true) => keys
            .iter()
            .map(|key| Change::Push(at("api_keys"), Value::text(key)))
            .collect(),
        (false, false) => vec![Change::Set(at("api_keys"), Value::texts(keys))],
    };
    let first = old.keys.is_empty();
    if first && !has("auth_type") && wants_bearer(&old.kind, &old.base_url, keys) {
        changes.push(Change::Set(at("auth_type"), Value::text("auth_token")));
    }
    let switched_on = first && !old.enabled;
    if switched_on {
        changes.push(switch_on(index));
    }
    Ok((changes, switched_on))
}

/// What is on has nothing written about it.
pub(super) fn switch_on(index: usize) -> Change {
    Change::Remove(way!["providers", index, "enabled"])
}

pub(super) fn remove_keys(root: &Node, index: usize, places: &[usize]) -> Vec<Change> {
    let provider = items_of(root, "providers").get(index);
    if provider.is_some_and(|it| it.get("auth_value").is_some()) {
        let way = way!["providers", index, "auth_value"];
        return places.iter().map(|_| Change::Remove(way.clone())).collect();
    }
    let remove = |place: &usize| Change::Remove(way!["providers", index, "api_keys", *place]);
    places.iter().rev().map(remove).collect()
}

pub(super) fn balance(all: &[Upstream], strategy: &str, index: Option<usize>) -> Vec<Change> {
    let meant = |(i, it): &(usize, &Upstream)| match index {
        Some(index) => *i == index,
        None => it.sign_in.is_none(),
    };
    let word = strategy.replace('-', "_");
    all.iter()
        .enumerate()
        .filter(meant)
        .map(|(i, _)| Change::Set(way!["providers", i, "key_strategy"], Value::text(&word)))
        .collect()
}

/// Routes and rules are nothing without providers.
pub(super) fn clear(root: &Node) -> Vec<Change> {
    ["route_rules", "model_routes", "providers"]
        .into_iter()
        .filter(|it| root.get(it).is_some())
        .map(|it| Change::Remove(way![it]))
        .collect()
}
