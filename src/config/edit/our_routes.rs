//! Edits of our routes: `use` decides who is asked first, and nothing may name an upstream that is gone.

use super::change::{Change, Step, Way, way};
use super::document::{Upstream, text_of};
use super::value::Value;
use crate::config::tree::Node;
use crate::config::units;

/// The route of every model that has none of its own.
const ALL: &str = "*";
const PASSTHROUGH: &str = "passthrough";

/// A candidate of a route.
struct Candidate {
    way: Way,
    provider: String,
    /// Whether it keeps the client's name for the model.
    keeps_name: bool,
    priority: u64,
    enabled: bool,
}

/// A route with its candidates.
struct Route {
    pattern: String,
    /// Of the list.
    way: Way,
    candidates: Vec<Candidate>,
}

fn routes(root: &Node) -> Vec<Route> {
    let Some(Node::Map(routes)) = root.get("model_routes") else {
        return Vec::new();
    };
    let route = |(pattern, node): &(String, Node)| {
        let mut way = way!["model_routes", pattern.as_str()];
        let list = match node.get("candidates") {
            Some(list) => {
                way.push("candidates".into());
                list
            }
            None => node,
        };
        Route {
            pattern: pattern.clone(),
            candidates: candidates(list, &way),
            way,
        }
    };
    routes.iter().map(route).collect()
}

fn candidates(list: &Node, way: &[Step]) -> Vec<Candidate> {
    let Node::List(items) = list else {
        return Vec::new();
    };
    let candidate = |(i, it): (usize, &Node)| Candidate {
        way: [way, &[Step::Item(i)]].concat(),
        provider: text_of(it, "provider").unwrap_or_default(),
        keeps_name: text_of(it, "model").is_none_or(|it| it == PASSTHROUGH),
        priority: it.get("priority").and_then(units::count).unwrap_or(1),
        enabled: it.get("enabled").and_then(units::boolean).unwrap_or(true),
    };
    items.iter().enumerate().map(candidate).collect()
}

/// The provider that is asked first where no other route says something else.
pub(super) fn first_choice(root: &Node) -> Option<String> {
    let routes = routes(root);
    let all = routes.into_iter().find(|it| it.pattern == ALL)?;
    let candidates = all.candidates.into_iter().filter(|it| it.enabled);
    let first = candidates.min_by_key(|it| it.priority)?;
    Some(first.provider)
}

/// Candidates of routes go with their provider, and routes with their last candidate: these are told.
pub(super) fn remove(
    root: &Node,
    index: usize,
    old: &Upstream,
    all: &[Upstream],
) -> (Vec<Change>, Vec<String>) {
    let mut changes = vec![Change::Remove(way!["providers", index])];
    let mut gone = Vec::new();
    if 1 < all.iter().filter(|it| it.name == old.name).count() {
        return (changes, gone);
    }
    let routes = routes(root);
    let is_his = |it: &&Candidate| it.provider == old.name;
    for route in &routes {
        let his: Vec<&Candidate> = route.candidates.iter().filter(is_his).collect();
        if his.is_empty() {
            continue;
        }
        if his.len() == route.candidates.len() {
            gone.push(route.pattern.clone());
            changes.push(Change::Remove(way!["model_routes", route.pattern.as_str()]));
        } else {
            let ways = his.iter().rev().map(|it| Change::Remove(it.way.clone()));
            changes.extend(ways);
        }
    }
    if gone.len() == routes.len() && !gone.is_empty() {
        changes.retain(|it| it.way().first() != Some(&"model_routes".into()));
        changes.push(Change::Remove(way!["model_routes"]));
    }
    (changes, gone)
}

/// The upstream becomes the first choice of the route of everything, and of every other route that names it. Routes
/// that name only others are told: they go on as they are.
pub(super) fn make_current(root: &Node, wanted: &Upstream) -> (Vec<Change>, Vec<String>) {
    let candidate = || Value::map([("provider", Value::text(&wanted.name))]);
    if root.get("model_routes").is_none_or(|it| *it == Node::Null) {
        let route = Value::Map(vec![(ALL.to_owned(), Value::List(vec![candidate()]))]);
        return (vec![Change::Set(way!["model_routes"], route)], Vec::new());
    }
    let routes = routes(root);
    let mut changes = Vec::new();
    let mut others = Vec::new();
    for route in &routes {
        // The one that is asked first of those it has there.
        let named = route
            .candidates
            .iter()
            .filter(|it| it.provider == wanted.name)
            .min_by_key(|it| (!it.enabled, it.priority));
        match (named, route.candidates.as_slice()) {
            (Some(first), all) => changes.extend(first_of(first, all)),
            (None, [only]) if route.pattern == ALL && only.keeps_name => {
                let way = [only.way.as_slice(), &["provider".into()]].concat();
                changes.push(Change::Set(way, Value::text(&wanted.name)));
            }
            (None, all) if route.pattern == ALL => {
                changes.extend(all.iter().map(|it| prioritised(it, it.priority + 1)));
                changes.push(Change::Push(route.way.clone(), candidate()));
            }
            (None, _) => others.push(route.pattern.clone()),
        }
    }
    if !routes.iter().any(|it| it.pattern == ALL) {
        let list = Value::List(vec![candidate()]);
        changes.push(Change::Set(way!["model_routes", ALL], list));
    }
    (changes, others)
}

/// What puts a candidate before all others, which keep their order.
fn first_of(first: &Candidate, all: &[Candidate]) -> Vec<Change> {
    let mut changes = Vec::new();
    if !first.enabled {
        let way = [first.way.as_slice(), &["enabled".into()]].concat();
        changes.push(Change::Set(way, Value::Flag(true)));
    }
    let others = || all.iter().filter(|it| it.way != first.way);
    let Some(best) = others().map(|it| it.priority).min() else {
        return changes;
    };
    if first.priority < best {
        return changes;
    }
    if first.priority != 1 {
        changes.push(prioritised(first, 1));
    }
    if best <= 1 {
        changes.extend(others().map(|it| prioritised(it, it.priority + 1)));
    }
    changes
}

fn prioritised(candidate: &Candidate, priority: u64) -> Change {
    let way = [candidate.way.as_slice(), &["priority".into()]].concat();
    Change::Set(way, Value::Number(priority))
}
