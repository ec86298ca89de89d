//! What the old file says.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::config::fault::Report;
use crate::config::keys;
use crate::config::near::hint;
use crate::config::table::find;
use crate::config::tree::Node;
use crate::config::units;
use crate::config::walk::join;

/// Its kinds of service, and ours.
const KINDS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("openaiold", "openai"),
    ("oainew", "openai"),
    ("custom", "openai"),
    ("gemini", "gemini"),
    ("claude", "anthropic"),
    // Never that proxy's words, but what people write who know ours.
    ("anthropic", "anthropic"),
    ("responses", "openai-responses"),
    ("openai-responses", "openai-responses"),
];
/// Those that it documents.
const DOCUMENTED: &str = "openai, gemini, claude, custom";

/// Its ways to choose a key, and ours.
const STRATEGIES: &[(&str, &str)] = &[
    ("round-robin", "round_robin"),
    ("round_robin", "round_robin"),
    ("random", "random"),
    ("failover", "failover"),
];
/// What it writes into a new file.
const DEFAULT_STRATEGY: &str = "failover";

const TOP: &[&str] = &["upstream", "currentUpstream", "loadBalance"];
const UPSTREAM: &[&str] = &[
    "name",
    "baseUrl",
    "apiKeys",
    "serviceType",
    "description",
    "website",
    "modelMapping",
    "insecureSkipVerify",
];

/// The file.
pub(super) struct Foreign {
    /// In its order.
    pub upstreams: Vec<Upstream>,
    /// Which one is asked.
    pub current: usize,
    /// How a key is chosen, in our words.
    pub strategy: &'static str,
}

impl Foreign {
    /// How many are not asked.
    pub fn others(&self) -> usize {
        self.upstreams.len().saturating_sub(1)
    }
}

/// One service.
pub(super) struct Upstream {
    /// Unlike all others.
    pub name: String,
    /// What it speaks, in our words.
    pub kind: &'static str,
    /// As written.
    pub base_url: String,
    /// As written.
    pub keys: Vec<Zeroizing<String>>,
    /// What its owner wrote about it.
    pub about: Vec<String>,
    /// Pieces of model names, and the model to ask for.
    pub mapping: Vec<(String, String)>,
}

/// Reads the whole file. `None` where there is nothing to go on; all that is wrong has been told.
pub(super) fn foreign(root: &Node, report: &mut Report) -> Option<Foreign> {
    tell_mixture(root, report);
    tell_unknown(root, TOP, "", report);
    let items = match root.get("upstream") {
        Some(Node::List(items)) if !items.is_empty() => items,
        None | Some(Node::List(_)) => {
            report.fault("upstream", "is empty: there is no service to ask; add one");
            return None;
        }
        Some(other) => {
            let remedy = format!("is {}; it must be a list of services", other.kind());
            report.fault("upstream", remedy);
            return None;
        }
    };
    let before = report.faults.len();
    let mut names = BTreeSet::new();
    let upstreams: Vec<Upstream> = items
        .iter()
        .enumerate()
        .map(|(i, item)| upstream(item, i, &mut names, report))
        .collect();
    let current = current(root.get("currentUpstream"), &upstreams, report);
    let strategy = strategy(root.get("loadBalance"), report);
    (report.faults.len() == before).then_some(Foreign {
        upstreams,
        current,
        strategy,
    })
}

fn upstream(item: &Node, i: usize, names: &mut BTreeSet<String>, report: &mut Report) -> Upstream {
    let at = format!("upstream[{i}]");
    if !matches!(item, Node::Map(_)) {
        let remedy = format!("is {}; it must be keys with values", item.kind());
        report.fault(&at, remedy);
    }
    tell_unknown(item, UPSTREAM, &at, report);
    if item.get("insecureSkipVerify").and_then(units::boolean) == Some(true) {
        report.warn(
            join(&at, "insecureSkipVerify"),
            "is not taken over: certificates are always verified",
        );
    }
    Upstream {
        name: name(item, i, names, &at, report),
        kind: kind(item, &at, report),
        base_url: required(item, "baseUrl", "give the service's address", &at, report).to_owned(),
        keys: keys(item, &at, report),
        about: ["description", "website"]
            .iter()
            .filter_map(|key| item.get(key).and_then(units::text))
            .map(str::to_owned)
            .collect(),
        mapping: mapping(item, &at, report),
    }
}

/// Its name, or one that tells its place; a name that was there before gets its place behind it.
fn name(
    item: &Node,
    i: usize,
    names: &mut BTreeSet<String>,
    at: &str,
    report: &mut Report,
) -> String {
    let written = item.get("name").and_then(units::text).map(str::trim);
    let mut name = match written {
        Some(written) if !written.is_empty() => written.to_owned(),
        _ => format!("upstream-{i}"),
    };
    while !names.insert(name.clone()) {
        name = format!("{name}-{i}");
    }
    if written.is_some_and(|it| !it.is_empty() && it != name) {
        let text = format!("is a name that another one has; it is called {name}");
        report.warn(join(at, "name"), text);
    }
    name
}

fn kind(item: &Node, at: &str, report: &mut Report) -> &'static str {
    let remedy = format!("say what it speaks: {DOCUMENTED}");
    let written = required(item, "serviceType", &remedy, at, report);
    if let Some(kind) = kind_of(written) {
        return kind;
    }
    if !written.is_empty() {
        let near = hint(written, KINDS.iter().map(|it| it.0));
        let remedy = format!("must be one of {DOCUMENTED}{near}");
        report.fault_at(join(at, "serviceType"), written, remedy);
    }
    "openai"
}

/// Our word for a kind of service.
pub(super) fn kind_of(word: &str) -> Option<&'static str> {
    let same = |it: &&(&str, &str)| it.0.eq_ignore_ascii_case(word.trim());
    KINDS.iter().find(same).map(|it| it.1)
}

/// A text that must be there.
fn required<'n>(item: &'n Node, key: &str, remedy: &str, at: &str, report: &mut Report) -> &'n str {
    match item.get(key) {
        Some(Node::Text { text, .. }) if !text.trim().is_empty() => text,
        None | Some(Node::Null | Node::Text { .. }) => {
            if matches!(item, Node::Map(_)) {
                report.fault(join(at, key), format!("is missing: {remedy}"));
            }
            ""
        }
        Some(other) => {
            let remedy = format!("is {}; it must be text", other.kind());
            report.fault(join(at, key), remedy);
            ""
        }
    }
}

fn keys(item: &Node, at: &str, report: &mut Report) -> Vec<Zeroizing<String>> {
    let at = join(at, "apiKeys");
    let items = match item.get("apiKeys") {
        None | Some(Node::Null) => return Vec::new(),
        Some(Node::List(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut keys = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match item {
            Node::Text { text, .. } => keys.push(Zeroizing::new(text.clone())),
            other => {
                let remedy = format!("is {}; a key is text", other.kind());
                report.fault(format!("{at}[{i}]"), remedy);
            }
        }
    }
    keys
}

/// That proxy looked for `opus`, `sonnet` and `haiku` in a model's name, later for any text.
fn mapping(item: &Node, at: &str, report: &mut Report) -> Vec<(String, String)> {
    let at = join(at, "modelMapping");
    let entries = match item.get("modelMapping") {
        None | Some(Node::Null) => return Vec::new(),
        Some(Node::Map(entries)) => entries,
        Some(other) => {
            let remedy = format!("is {}; it must be names with models", other.kind());
            report.fault(at, remedy);
            return Vec::new();
        }
    };
    let mut mapping: Vec<(String, String)> = Vec::new();
    for (from, to) in entries {
        let place = join(&at, from);
        let Some(to) = units::text(to).filter(|it| !it.trim().is_empty()) else {
            report.fault(place, "must be the name of a model");
            continue;
        };
        if from.trim().is_empty() || mapping.iter().any(|it| it.0.eq_ignore_ascii_case(from)) {
            report.warn(place, "is empty or there already; it is left out");
            continue;
        }
        mapping.push((from.clone(), to.to_owned()));
    }
    mapping
}

/// A place in the list, or a name in it.
fn current(written: Option<&Node>, upstreams: &[Upstream], report: &mut Report) -> usize {
    let named = |text: &str| upstreams.iter().position(|it| it.name == text);
    let place = |written: &Node| match written {
        Node::Null => Some(0),
        Node::Text { text, .. } => named(text).or_else(|| units::count(written)?.try_into().ok()),
        other => units::count(other)?.try_into().ok(),
    };
    let Some(written) = written else { return 0 };
    if let Some(current) = place(written).filter(|it| *it < upstreams.len()) {
        return current;
    }
    let choices: Vec<String> = upstreams
        .iter()
        .enumerate()
        .map(|(i, it)| format!("{i} ({})", it.name))
        .collect();
    let remedy = format!(
        "is none of the upstreams; write one of {}",
        choices.join(", ")
    );
    match written.shown() {
        Some(value) => report.fault_at("currentUpstream", &value, remedy),
        None => report.fault("currentUpstream", remedy),
    }
    0
}

fn strategy(written: Option<&Node>, report: &mut Report) -> &'static str {
    let written = match written {
        None | Some(Node::Null) => return DEFAULT_STRATEGY,
        Some(written) => written,
    };
    let word = units::text(written).unwrap_or_default().trim();
    let found = STRATEGIES.iter().find(|it| it.0.eq_ignore_ascii_case(word));
    if let Some((_, strategy)) = found {
        return strategy;
    }
    let near = hint(word, STRATEGIES.iter().map(|it| it.0));
    let remedy = format!("must be one of round-robin, random, failover{near}");
    match written.shown() {
        Some(value) => report.fault_at("loadBalance", &value, remedy),
        None => report.fault("loadBalance", remedy),
    }
    DEFAULT_STRATEGY
}

/// Half of a mixture would be lost, whichever half is read.
fn tell_mixture(root: &Node, report: &mut Report) {
    let Node::Map(entries) = root else { return };
    for (key, _) in entries.iter().filter(|it| find(keys::TOP, &it.0).is_some()) {
        report.fault(
            join("", key),
            "is a key of config.yaml and stands beside keys of the worker proxy's config.json (`upstream`, \
             `currentUpstream`, `loadBalance`); run `pointsman import` on that file, and go on with what it makes",
        );
    }
}

/// What nobody knows is not silently gone.
fn tell_unknown(node: &Node, known: &[&str], at: &str, report: &mut Report) {
    let Node::Map(entries) = node else { return };
    for (i, (key, _)) in entries.iter().enumerate() {
        if entries.iter().take(i).any(|it| it.0 == *key) {
            report.fault(join(at, key), "is written twice; keep one of them");
        } else if !known.contains(&key.as_str()) && find(keys::TOP, key).is_none() {
            let near = hint(key, known.iter().copied());
            report.warn(join(at, key), format!("is not taken over{near}"));
        }
    }
}
