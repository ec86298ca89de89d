//! Entries and items in brackets and braces: YAML's flow style, and JSON.

use std::ops::Range;

use super::EditError;
use super::lines::{lead, line_end, line_start};
use super::spans::{Form, Spot, What};
use super::splice::{Splice, Writer};
use super::value::{Spelling, Value, scalar};

/// A value behind the last one of a list, or with its key behind the last entry of a map.
pub(super) fn insert(
    writer: &Writer<'_>,
    within: &Spot,
    key: Option<&str>,
    value: &Value,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let last = match &within.what {
        What::List { items, .. } => items.last().map(|it| it.start..it.end()),
        What::Map { entries, .. } => entries.last().map(|it| it.key.start..it.value.end()),
        _ => return Err(EditError::Unsure),
    };
    let Some(last) = last else {
        return first(writer, within, key, value);
    };
    let indent = lead(text, last.start);
    if !indent.chars().all(|it| matches!(it, ' ' | '\t')) {
        let piece = format!(", {}", in_line(writer, key, value));
        return Ok(vec![(last.end..last.end, piece)]);
    }
    let piece = in_lines(writer, key, value, indent);
    let line = line_end(text, last.end).min(within.end() - 1);
    let tail = text.get(last.end..line).unwrap_or_default();
    let comma = tail.trim_start().starts_with(',');
    if tail.trim_matches([' ', '\t', '\r', '\n']).is_empty() || !tail.ends_with('\n') {
        let piece = format!(",{}{indent}{piece}", writer.eol);
        return Ok(vec![(last.end..last.end, piece)]);
    }
    // Comments stay with what they stand behind, and a comma at the end stays the style.
    let mut splices = vec![];
    if !comma {
        splices.push((last.end..last.end, ",".to_owned()));
    }
    let end = if comma { "," } else { "" };
    let piece = format!("{indent}{piece}{end}{}", writer.eol);
    splices.push((line..line, piece));
    Ok(splices)
}

/// The first value in empty brackets.
fn first(
    writer: &Writer<'_>,
    within: &Spot,
    key: Option<&str>,
    value: &Value,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let inside = within.range.start + 1..within.range.end - 1;
    let written = text.get(inside.clone()).unwrap_or_default();
    if !written.trim().is_empty() {
        return Err(EditError::Unsure);
    }
    let in_one = writer.spelling == Spelling::Yaml
        || !text.trim().contains('\n')
        || (key.is_none() && value.is_short() && lists_are_short(writer));
    if in_one {
        return Ok(vec![(inside, in_line(writer, key, value))]);
    }
    let opening = lead(text, within.range.start);
    let blanks = opening.len() - opening.trim_start_matches([' ', '\t']).len();
    let outer = opening.get(..blanks).unwrap_or_default();
    let indent = format!("{outer}{}", unit(writer));
    let piece = in_lines(writer, key, value, &indent);
    let eol = writer.eol;
    Ok(vec![(inside, format!("{eol}{indent}{piece}{eol}{outer}"))])
}

fn in_line(writer: &Writer<'_>, key: Option<&str>, value: &Value) -> String {
    let value = value.in_line(writer.spelling);
    match key {
        Some(key) => format!("{}: {value}", scalar(key, writer.spelling)),
        None => value,
    }
}

fn in_lines(writer: &Writer<'_>, key: Option<&str>, value: &Value, indent: &str) -> String {
    if writer.spelling == Spelling::Yaml {
        return in_line(writer, key, value);
    }
    let value = value.in_json_lines(indent, &unit(writer), writer.eol);
    match key {
        Some(key) => format!("{}: {value}", scalar(key, writer.spelling)),
        None => value,
    }
}

/// One level of indentation, as the file has it.
fn unit(writer: &Writer<'_>) -> String {
    let first = match writer.layout.root.as_ref().map(|it| &it.what) {
        Some(What::Map { entries, .. }) => entries.first(),
        _ => None,
    };
    let lead = first.map_or("", |it| lead(writer.text(), it.key.start));
    if !lead.is_empty() && lead.chars().all(|it| matches!(it, ' ' | '\t')) {
        lead.to_owned()
    } else {
        "  ".to_owned()
    }
}

/// Whether the file has lists on one line, and so will have this one.
fn lists_are_short(writer: &Writer<'_>) -> bool {
    fn any(writer: &Writer<'_>, spot: &Spot) -> bool {
        match &spot.what {
            What::List {
                form: Form::Flow,
                items,
            } if !items.is_empty() => {
                let text = writer.text().get(spot.range.clone()).unwrap_or_default();
                !text.contains('\n') || items.iter().any(|it| any(writer, it))
            }
            What::List { items, .. } => items.iter().any(|it| any(writer, it)),
            What::Map { entries, .. } => entries.iter().any(|it| any(writer, &it.value)),
            What::Nothing | What::Scalar | What::BlockScalar | What::Alias => false,
        }
    }
    let root = writer.layout.root.as_ref();
    root.is_some_and(|it| any(writer, it))
}

/// The removal of one child, with its comma.
pub(super) fn remove(
    writer: &Writer<'_>,
    within: &Spot,
    children: &[Range<usize>],
    index: usize,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let child = children.get(index).cloned().ok_or(EditError::Unsure)?;
    let between = |range: Range<usize>| text.get(range).unwrap_or_default();
    let range = if children.len() == 1 {
        let inside = within.range.start + 1..within.range.end - 1;
        let before = between(inside.start..child.start);
        let after = between(child.end..inside.end);
        if before.contains('#') || after.contains('#') {
            own_line(text, &child)?
        } else {
            inside
        }
    } else if let Some(next) = children.get(index + 1) {
        if between(child.end..next.start).contains('#') {
            own_line(text, &child)?
        } else {
            child.start..next.start
        }
    } else {
        let last = index.checked_sub(1).and_then(|it| children.get(it));
        let last = last.ok_or(EditError::Unsure)?;
        if between(last.end..child.start).contains('#') {
            own_line(text, &child)?
        } else {
            last.end..child.end
        }
    };
    Ok(vec![(range, String::new())])
}

/// The lines of a child that shares them with nobody; comments on them are its own.
fn own_line(text: &str, child: &Range<usize>) -> Result<Range<usize>, EditError> {
    let end = line_end(text, child.end);
    let tail = text.get(child.end..end).unwrap_or_default().trim_start();
    let tail = tail.strip_prefix(',').unwrap_or(tail).trim_start();
    let alone = lead(text, child.start).trim().is_empty();
    if alone && (tail.is_empty() || tail.starts_with('#')) {
        Ok(line_start(text, child.start)..end)
    } else {
        Err(EditError::Unsure)
    }
}
