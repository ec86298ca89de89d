//! The walk over everything a human wrote, beside the tables: unknown and doubled keys, missing ones, wrong types and
//! ranges, old names. What only makes sense between keys is checked where the keys are resolved.

use crate::config::expand::quoted;
use crate::config::fault::Report;
use crate::config::keys::{SETTINGS, TOP};
use crate::config::near::hint;
use crate::config::table::{Field, Kind, State, Table, find};
use crate::config::tree::Node;
use crate::config::units;

/// Walks the whole file.
pub(super) fn walk(root: &Node, rows: Table, report: &mut Report) {
    section(root, rows, "", report);
}

fn section(node: &Node, rows: Table, path: &str, report: &mut Report) {
    let entries: &[(String, Node)] = match node {
        Node::Map(entries) => entries,
        Node::Null => &[],
        other => {
            let remedy = format!("is {}; it must be keys with values", other.kind());
            report.fault(path, remedy);
            return;
        }
    };
    for (i, (key, value)) in entries.iter().enumerate() {
        let place = join(path, key);
        if entries.iter().take(i).any(|it| it.0 == *key) {
            report.fault(place, "is written twice; keep one of them");
            continue;
        }
        match find(rows, key) {
            Some(field) => {
                if is_absent(value, field.kind) {
                    continue;
                }
                tell_state(field, entries, &place, report);
                check(value, field, &place, report);
            }
            // Room for YAML anchors, as in compose files.
            None if path.is_empty() && key.starts_with("x-") => {}
            None => {
                report.fault(
                    place,
                    format!("is not a known key{}", meant(key, rows, path)),
                );
            }
        }
    }
    for field in rows.iter().filter(|it| it.required) {
        let given = entries
            .iter()
            .any(|it| it.0 == field.key && !is_absent(&it.1, field.kind));
        if !given {
            report.fault(join(path, field.key), format!("is missing: {}", field.doc));
        }
    }
}

/// What an unknown key was meant to be: a key of another section, or a near one of this.
fn meant(key: &str, rows: Table, path: &str) -> String {
    if path != "settings" && find(SETTINGS, key).is_some() {
        "; it belongs under `settings`".to_owned()
    } else if !path.is_empty() && find(TOP, key).is_some() {
        "; it belongs at the top".to_owned()
    } else {
        hint(key, rows.iter().map(|it| it.key))
    }
}

/// Nothing, or a reference that led to nothing; a secret that is empty is for its owner to judge.
pub(super) fn is_absent(node: &Node, kind: Kind) -> bool {
    match node {
        Node::Null => true,
        Node::Text { text, .. } => text.is_empty() && !kind.is_secret(),
        Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged
        | Node::Broken => false,
    }
}

fn tell_state(field: &Field, entries: &[(String, Node)], path: &str, report: &mut Report) {
    match field.state {
        State::Active => {}
        State::Old(new) => {
            report.remark(path, format!("is an old name; the new one is `{new}`"));
            if entries.iter().any(|it| it.0 == new) {
                let text = format!("has no effect: `{new}` is there, too; remove one of them");
                report.warn(path, text);
            }
        }
        State::Unused(why) => report.remark(path, format!("has no effect: {why}")),
    }
}

fn check(node: &Node, field: &Field, path: &str, report: &mut Report) {
    match (field.kind, node) {
        (_, Node::Broken) => {}
        (Kind::One(rows), _) => section(node, rows, path, report),
        (Kind::ChoiceOr(_, rows), Node::Map(_)) => section(node, rows, path, report),
        (Kind::Many(rows), _) => items(node, rows, path, report),
        (Kind::Named(rows), Node::Map(entries)) => {
            named(entries, path, report, |value, place, report| {
                section(value, rows, place, report);
            });
        }
        (Kind::NamedShort(key, rows), Node::Map(entries)) => {
            let listed = find(rows, key).map_or(&[][..], |it| it.kind.rows());
            named(entries, path, report, |value, place, report| match value {
                Node::Map(_) => section(value, rows, place, report),
                _ => items(value, listed, place, report),
            });
        }
        (Kind::Headers, Node::Map(entries)) => {
            named(entries, path, report, |value, place, report| {
                if matches!(
                    value,
                    Node::List(_) | Node::Map(_) | Node::Tagged | Node::Null
                ) {
                    report.fault(place, format!("is {}; it must be text", value.kind()));
                }
            });
        }
        (Kind::Weights, Node::Map(entries)) => {
            named(entries, path, report, |value, place, report| {
                if let Err(remedy) = leaf(value, Kind::Number, "") {
                    report.fault(place, remedy);
                }
            });
        }
        (_, Node::Tagged) => {
            report.fault(path, "has a YAML tag (`!…`); remove the tag");
        }
        (Kind::Any, _) => {}
        (kind, _) => {
            if let Err(remedy) = leaf(node, kind, field.default) {
                match node.shown() {
                    Some(value) if !kind.is_secret() => report.fault_at(path, &value, remedy),
                    _ => report.fault(path, remedy),
                }
            }
        }
    }
}

fn items(node: &Node, rows: Table, path: &str, report: &mut Report) {
    let Node::List(items) = node else {
        let remedy = format!("is {}; it must be a list (`- …`)", node.kind());
        report.fault(path, remedy);
        return;
    };
    for (i, item) in items.iter().enumerate() {
        section(item, rows, &format!("{path}[{i}]"), report);
    }
}

fn named(
    entries: &[(String, Node)],
    path: &str,
    report: &mut Report,
    mut each: impl FnMut(&Node, &str, &mut Report),
) {
    for (i, (key, value)) in entries.iter().enumerate() {
        let place = join(path, key);
        if entries.iter().take(i).any(|it| it.0 == *key) {
            report.fault(place, "is written twice; keep one of them");
        } else {
            each(value, &place, report);
        }
    }
}

/// Checks a value without keys of its own; the error says what would be right.
fn leaf(node: &Node, kind: Kind, default: &str) -> Result<(), String> {
    let (fits, remedy) = match kind {
        Kind::Bool => (
            units::boolean(node).is_some(),
            "must be true or false".to_owned(),
        ),
        Kind::Count(least, most) => (
            units::count(node).is_some_and(|it| (least..=most).contains(&it)),
            format!("must be a whole number from {least} to {most}"),
        ),
        Kind::Number => (
            units::number(node).is_some_and(|it| it.is_finite() && 0.0 <= it),
            "must be a finite number, 0 or more".to_owned(),
        ),
        Kind::Text | Kind::Secret => (
            units::text(node).is_some(),
            "must be text; put it in quotes".to_owned(),
        ),
        Kind::Duration => return above_zero(node, default),
        Kind::DurationOrZero => (
            units::duration(node).is_some(),
            "must be seconds, or a duration such as 10s, 5m, 500ms, 1h".to_owned(),
        ),
        Kind::Size => (
            units::size(node).is_some_and(|it| 0 < it),
            "must be bytes above 0, or a size such as 64MiB".to_owned(),
        ),
        Kind::Tokens => (
            units::tokens(node).is_some_and(|it| 0 < it),
            "must be tokens above 0, such as 200000 or 200k".to_owned(),
        ),
        Kind::Choice(choices) => (
            units::choice(node, choices).is_some(),
            format!(
                "must be one of {}{}",
                choices.join(", "),
                near(node, choices)
            ),
        ),
        Kind::ChoiceOr(choices, _) => (
            units::choice(node, choices).is_some(),
            format!("must be one of {}, or keys with values", choices.join(", ")),
        ),
        Kind::Texts | Kind::Secrets => (
            units::texts(node).is_some(),
            "must be a list of texts; put each in quotes".to_owned(),
        ),
        Kind::Codes => (
            units::codes(node).is_some(),
            "must be a list of HTTP statuses from 100 to 599".to_owned(),
        ),
        Kind::Choices(choices) => (
            units::texts(node).is_some_and(|it| it.iter().all(|it| choices.contains(it))),
            format!("must be a list of {}", choices.join(", ")),
        ),
        Kind::Headers | Kind::Weights | Kind::Named(_) | Kind::NamedShort(..) => (
            false,
            format!("is {}; it must be names with values", node.kind()),
        ),
        Kind::One(_) | Kind::Many(_) | Kind::Any => (true, String::new()),
    };
    if fits { Ok(()) } else { Err(remedy) }
}

fn above_zero(node: &Node, default: &str) -> Result<(), String> {
    let instead = if default.is_empty() {
        "leave the key out for none".to_owned()
    } else {
        format!("leave the key out for the default, {default}")
    };
    match units::duration(node) {
        Some(it) if it.is_zero() => Err(format!("0 would end everything at once; {instead}")),
        Some(_) => Ok(()),
        None => Err("must be seconds above 0, or a duration such as 10s, 5m, 500ms, 1h".to_owned()),
    }
}

fn near(node: &Node, choices: &[&'static str]) -> String {
    units::text(node).map_or_else(String::new, |it| hint(it, choices.iter().copied()))
}

/// The path of `key` below `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        quoted(key)
    } else {
        format!("{path}.{}", quoted(key))
    }
}
