//! Entries and items that stand on lines of their own.

use std::ops::Range;

use super::EditError;
use super::spans::{Entry, Spot};
use super::splice::{Splice, Writer};
use super::value::Value;

/// Where the line begins that holds `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |it| it + 1)
}

/// Behind the line that holds `at`, its break included.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |it| at + it + 1)
}

/// What stands on its line before `at`.
pub(super) fn lead(text: &str, at: usize) -> &str {
    text.get(line_start(text, at)..at).unwrap_or_default()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|it| it == ' ')
}

/// An entry at the end of the file, with an empty line before it.
pub(super) fn at_the_end(writer: &Writer<'_>, key: &str, value: &Value) -> Vec<Splice> {
    let (text, eol) = (writer.text(), writer.eol);
    let mut piece = String::new();
    if !text.is_empty() {
        if !text.ends_with('\n') {
            piece.push_str(eol);
        }
        if !text.trim_end_matches([' ', '\r']).ends_with("\n\n") && !text.ends_with("\r\n\r\n") {
            piece.push_str(eol);
        }
    }
    for line in value.entry_lines(key) {
        piece.push_str(&line);
        piece.push_str(eol);
    }
    vec![(text.len()..text.len(), piece)]
}

/// An entry behind the last one of a map.
pub(super) fn insert(
    writer: &Writer<'_>,
    entries: &[Entry],
    key: &str,
    value: &Value,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let last = entries.last().ok_or(EditError::Unsure)?;
    let first = entries.first().ok_or(EditError::Unsure)?;
    let column = lead(text, first.key.start);
    if !column.chars().all(|it| matches!(it, ' ' | '-')) {
        return Err(EditError::Unsure);
    }
    let indent = " ".repeat(column.len());
    let place = behind(text, last.value.end(), |depth| column.len() <= depth);
    Ok(vec![new_lines(
        writer,
        place,
        &indent,
        &value.entry_lines(key),
    )])
}

/// An item behind the last one of a list.
pub(super) fn push(
    writer: &Writer<'_>,
    items: &[Spot],
    value: &Value,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let last = items.last().ok_or(EditError::Unsure)?;
    let lead = lead(text, last.start);
    let indent = lead.split_once('-').map(|it| it.0);
    let indent = indent.filter(|it| is_blank(it)).ok_or(EditError::Unsure)?;
    let place = behind(text, last.end(), |depth| indent.len() < depth);
    let mut lines = value.item_lines();
    // Items that stand apart stay apart.
    let gap = items.len().checked_sub(2).and_then(|it| items.get(it));
    let gap = gap.and_then(|it| text.get(it.end()..line_start(text, last.start)));
    let apart = gap.is_some_and(|it| it.lines().skip(1).any(|it| it.trim().is_empty()));
    if apart {
        lines.insert(0, String::new());
    }
    Ok(vec![new_lines(writer, place, indent, &lines)])
}

/// Behind the line that holds `end`, and behind the comments that follow at once and belong to it by their depth.
fn behind(text: &str, end: usize, belongs: impl Fn(usize) -> bool) -> usize {
    let mut place = line_end(text, end);
    loop {
        let line = text.get(place..line_end(text, place)).unwrap_or_default();
        let comment = line.trim_start_matches(' ');
        if !comment.starts_with('#') || !belongs(line.len() - comment.len()) {
            return place;
        }
        place = line_end(text, place);
    }
}

fn new_lines(writer: &Writer<'_>, place: usize, indent: &str, lines: &[String]) -> Splice {
    let mut piece = String::new();
    let before = writer.text().get(..place).unwrap_or_default();
    if !before.is_empty() && !before.ends_with('\n') {
        piece.push_str(writer.eol);
    }
    for line in lines {
        if !line.is_empty() {
            piece.push_str(indent);
            piece.push_str(line);
        }
        piece.push_str(writer.eol);
    }
    (place..place, piece)
}

/// A value on lines below its key, where there is nothing, `[]` or `{}` behind it now.
pub(super) fn below(
    writer: &Writer<'_>,
    entry: &Entry,
    value: &Value,
) -> Result<Vec<Splice>, EditError> {
    let text = writer.text();
    let indent = lead(text, entry.key.start);
    if !indent.chars().all(|it| matches!(it, ' ' | '-')) {
        return Err(EditError::Unsure);
    }
    let indent = " ".repeat(indent.len() + 2);
    let old = entry.value.range.clone();
    let kept = text
        .get(..old.start)
        .unwrap_or_default()
        .trim_end_matches(' ');
    let place = line_end(text, old.end);
    let lines = new_lines(writer, place, &indent, &value.block_lines());
    Ok(vec![(kept.len()..old.end, String::new()), lines])
}

/// The removal of one child of several.
pub(super) fn remove(
    writer: &Writer<'_>,
    children: &[Range<usize>],
    index: usize,
    is_list: bool,
) -> Result<Splice, EditError> {
    let text = writer.text();
    let child = children.get(index).cloned().ok_or(EditError::Unsure)?;
    if is_list || is_blank(lead(text, child.start)) {
        return whole(writer, child, is_list);
    }
    // The first entry of a map in a list stands behind the dash: the next one moves there.
    let behind = line_end(text, child.end);
    let rest = text.get(behind..).unwrap_or_default();
    let next = behind + (rest.len() - rest.trim_start().len());
    Ok((child.start..next, String::new()))
}

/// The removal of all the lines of a child.
pub(super) fn whole(
    writer: &Writer<'_>,
    child: Range<usize>,
    is_list: bool,
) -> Result<Splice, EditError> {
    let text = writer.text();
    let lead = lead(text, child.start);
    let alone = if is_list {
        let dash = lead.trim_end_matches(' ').strip_suffix('-');
        dash.is_some_and(is_blank)
    } else {
        is_blank(lead)
    };
    if !alone {
        return Err(EditError::Unsure);
    }
    let lines = line_start(text, child.start)..line_end(text, child.end);
    Ok((lines, String::new()))
}
