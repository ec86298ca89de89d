//! The worker proxy's `config.json` → our configuration. There is one conversion: the text that `pointsman import`
//! writes, which is also what a `config.json` that is run directly is read as. So both mean the same, and whoever wants
//! to know what their file means can look at it.
//!
//! That proxy asked one upstream at a time, the current one; load balancing chose among its keys. Keys of ours are what
//! `read` and `write` say; nothing of the old file is judged here that the loader judges anyway, and where it speaks of
//! our keys, [`restore_names`] puts the old ones in their place.

mod read;
mod write;

use zeroize::Zeroizing;

use crate::config::fault::{ConfigFault, Report};
use crate::config::model::{Config, Note};
use crate::config::tree::{self, Node};

/// What a file is called whose name nobody told.
const LABEL: &str = "config.json";

/// What tells such a file from ours.
const KEYS: &[&str] = &["upstream", "currentUpstream", "loadBalance"];

/// A converted file.
pub struct Imported {
    /// The text of a `config.yaml`, keys of providers in it.
    pub yaml: Zeroizing<String>,
    /// What was left out or changed, for its owner to know.
    pub notes: Vec<Note>,
}

/// The text of a worker proxy's `config.json` as that of a `config.yaml`.
///
/// # Errors
///
/// Everything that keeps it from being understood, by the names of the file itself.
pub fn to_yaml(text: &str) -> Result<Imported, Vec<ConfigFault>> {
    let mut report = Report::new(LABEL);
    let mut root = tree::parse(LABEL, text).map_err(|fault| vec![fault])?;
    let foreign = if is_foreign(&root) {
        read::foreign(&root, &mut report)
    } else {
        report.fault(
            "upstream",
            "is missing: this is no configuration of the worker proxy; a file of the balancer runs as it is",
        );
        None
    };
    root.wipe();
    match foreign {
        Some(foreign) if report.faults.is_empty() => Ok(Imported {
            yaml: write::yaml(&foreign),
            notes: report.notes,
        }),
        _ => Err(report.faults),
    }
}

/// What an upstream speaks, in our words, for a word of the worker proxy or of ours.
pub(super) fn kind_of(word: &str) -> Option<&'static str> {
    read::kind_of(word)
}

/// Whether a word says what an upstream speaks, in the worker proxy's words or in ours.
pub fn is_kind(word: &str) -> bool {
    kind_of(word).is_some()
}

/// Whether this is the worker proxy's file.
pub(super) fn is_foreign(root: &Node) -> bool {
    KEYS.iter().any(|key| root.get(key).is_some())
}

/// Such a file as one of ours, to be loaded: upstreams that are not in use are switched off. `None` where it cannot be
/// understood; that has been told.
pub(super) fn tree(root: &Node, report: &mut Report) -> Option<Node> {
    let foreign = read::foreign(root, report)?;
    let text = write::yaml(&foreign);
    let mut tree = match tree::parse(LABEL, &text) {
        Ok(tree) => tree,
        Err(fault) => {
            report.faults.push(fault);
            return None;
        }
    };
    switch_off_all_but(foreign.current, &mut tree);
    if let (Some(current), 1..) = (foreign.upstreams.get(foreign.current), foreign.others()) {
        report.remark(
            "currentUpstream",
            format!(
                "{} is asked and no other; `pointsman import` makes a config.yaml in which others can step in for it",
                current.name
            ),
        );
    }
    Some(tree)
}

fn switch_off_all_but(current: usize, tree: &mut Node) {
    let Node::Map(sections) = tree else { return };
    let providers = sections.iter_mut().find(|it| it.0 == "providers");
    let Some((_, Node::List(providers))) = providers else {
        return;
    };
    for (i, provider) in providers.iter_mut().enumerate() {
        if let (true, Node::Map(entries)) = (i != current, provider) {
            entries.retain(|it| it.0 != "enabled");
            entries.push(("enabled".to_owned(), Node::Bool(false)));
        }
    }
}

/// Puts the file's own names into what loading its conversion came to, behind what was told by them already: so many
/// faults, so many notes.
pub(super) fn restore_names(
    outcome: &mut Result<Config, Vec<ConfigFault>>,
    (faults, notes): (usize, usize),
) {
    match outcome {
        Ok(config) => {
            for note in config.notes.iter_mut().skip(notes) {
                note.path = old_name(&note.path);
            }
        }
        Err(told) => {
            for fault in told.iter_mut().skip(faults) {
                fault.path = old_name(&fault.path);
            }
        }
    }
}

/// The old file's name of one of our places; a place that it has no name for stays.
fn old_name(path: &str) -> String {
    if path.starts_with("model_routes") {
        return "currentUpstream".to_owned();
    }
    let Some(rest) = path.strip_prefix("providers") else {
        return path.to_owned();
    };
    let (place, key) = rest.split_once('.').unwrap_or((rest, ""));
    let (name, index) = key.split_at(key.find('[').unwrap_or(key.len()));
    match name {
        "" => format!("upstream{place}"),
        "base_url" => format!("upstream{place}.baseUrl"),
        "api_keys" | "auth_value" => format!("upstream{place}.apiKeys{index}"),
        "type" => format!("upstream{place}.serviceType"),
        "key_strategy" => "loadBalance".to_owned(),
        other => format!("upstream{place}.{other}"),
    }
}

#[cfg(test)]
mod tests;
