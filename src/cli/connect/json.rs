//! One value inside one section of a JSON file that a person wrote: set, or taken out, while every other byte stays.
//! The file is read by the JSON library first; what is walked here is known to be good.

use std::ops::Range;

use serde_json::Value;
use thiserror::Error;

/// Why a file is not changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JsonError {
    /// It is no JSON.
    #[error("is no valid JSON (line {line}, column {column}: {what}); put that right first")]
    Broken {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// In the words of the library, which quote nothing.
        what: &'static str,
    },
    /// The top, or the section, is something else.
    #[error("{0} is no object; put that right first")]
    NoObject(String),
    /// One name twice, of which readers take one or the other.
    #[error("\"{0}\" is written twice; take one of them out first")]
    Twice(String),
}

/// The text of `section.name`, if it is there and a text.
pub fn get(text: &str, section: &str, name: &str) -> Option<String> {
    let value: Value = serde_json::from_str(without_mark(text)).ok()?;
    let text = value.get(section)?.get(name)?.as_str()?;
    Some(text.to_owned())
}

/// The file with `section.name` set to a text; the section is made where there is none.
pub fn set(text: &str, section: &str, name: &str, value: &str) -> Result<String, JsonError> {
    if without_mark(text).trim().is_empty() {
        let value = quoted(value);
        return Ok(format!(
            "{{\n  {}: {{\n    {}: {value}\n  }}\n}}\n",
            quoted(section),
            quoted(name)
        ));
    }
    let top = read(text)?;
    let layout = Layout::of(text, &top);
    let Some(inner) = top.only(section)? else {
        let (open, close) = (layout.line(2), layout.line(1));
        let entry = format!(
            "{}: {{{open}{}: {}{close}}}",
            quoted(section),
            quoted(name),
            quoted(value)
        );
        return Ok(layout.added(text, &top, &entry, 1));
    };
    let inner = object(text, inner.value.start)
        .ok_or_else(|| JsonError::NoObject(format!("\"{section}\"")))?;
    if let Some(member) = inner.only(name)? {
        return Ok(spliced(text, member.value.clone(), &quoted(value)));
    }
    let entry = format!("{}: {}", quoted(name), quoted(value));
    Ok(layout.added(text, &inner, &entry, 2))
}

/// The file without `section.name`, and without the section where that was all of it.
pub fn remove(text: &str, section: &str, name: &str) -> Result<String, JsonError> {
    if without_mark(text).trim().is_empty() {
        return Ok(text.to_owned());
    }
    let top = read(text)?;
    let Some(outer) = top.only(section)? else {
        return Ok(text.to_owned());
    };
    let Some(inner) = object(text, outer.value.start) else {
        return Ok(text.to_owned());
    };
    if inner.only(name)?.is_none() {
        return Ok(text.to_owned());
    }
    let (from, name) = match inner.members.len() {
        1 => (&top, section),
        _ => (&inner, name),
    };
    Ok(spliced(text, from.place_of(name), ""))
}

fn read(text: &str) -> Result<Object, JsonError> {
    let bare = without_mark(text);
    if let Err(error) = serde_json::from_str::<Value>(bare) {
        return Err(JsonError::Broken {
            line: error.line(),
            column: error.column(),
            what: if error.is_eof() {
                "it ends too early"
            } else {
                "something else is expected there"
            },
        });
    }
    let start = blank_end(text, text.len() - bare.len());
    object(text, start).ok_or_else(|| JsonError::NoObject("the file".to_owned()))
}

/// Some editors begin a file with a mark of its encoding.
fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn spliced(text: &str, place: Range<usize>, new: &str) -> String {
    let before = text.get(..place.start).unwrap_or_default();
    let behind = text.get(place.end..).unwrap_or_default();
    [before, new, behind].concat()
}

struct Member {
    name: String,
    /// With its name.
    place: Range<usize>,
    value: Range<usize>,
}

struct Object {
    /// Behind the brace that opens it.
    open: usize,
    members: Vec<Member>,
    /// Before the brace that closes it.
    close: usize,
}

impl Object {
    fn only(&self, name: &str) -> Result<Option<&Member>, JsonError> {
        let mut found = self.members.iter().filter(|it| it.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(JsonError::Twice(name.to_owned())),
            (first, None) => Ok(first),
        }
    }

    /// A member with the comma that goes with it.
    fn place_of(&self, name: &str) -> Range<usize> {
        let Some(i) = self.members.iter().position(|it| it.name == name) else {
            return self.open..self.open;
        };
        let start = |i: usize| self.members.get(i).map(|it| it.place.start);
        let end = |i: usize| self.members.get(i).map(|it| it.place.end);
        match (i.checked_sub(1).and_then(end), start(i + 1)) {
            (None, None) => self.open..self.close,
            (None, Some(next)) => start(i).unwrap_or(next)..next,
            (Some(before), _) => before..end(i).unwrap_or(before),
        }
    }
}

/// How the file is laid out.
struct Layout<'t> {
    /// Between lines; `None` where all stands on one.
    eol: Option<&'t str>,
    unit: String,
}

impl<'t> Layout<'t> {
    fn of(text: &'t str, top: &Object) -> Self {
        let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let Some(first) = top.members.first() else {
            let unit = "  ".to_owned();
            return Layout {
                eol: Some(eol),
                unit,
            };
        };
        let before = text.get(top.open..first.place.start).unwrap_or_default();
        match before.rsplit_once('\n') {
            Some((_, unit)) => Layout {
                eol: Some(eol),
                unit: unit.to_owned(),
            },
            None => Layout {
                eol: None,
                unit: String::new(),
            },
        }
    }

    /// What stands before something at this depth.
    fn line(&self, depth: usize) -> String {
        match self.eol {
            Some(eol) => format!("{eol}{}", self.unit.repeat(depth)),
            None => String::new(),
        }
    }

    /// The text with an entry behind the last one of an object, set like that one.
    fn added(&self, text: &str, object: &Object, entry: &str, depth: usize) -> String {
        let Some(last) = object.members.last() else {
            let new = format!("{}{entry}{}", self.line(depth), self.line(depth - 1));
            return spliced(text, object.open..object.close, &new);
        };
        let from = object.members.iter().rev().nth(1);
        let from = from.map_or(object.open, |it| it.place.end + 1);
        let before = text.get(from..last.place.start).unwrap_or_default();
        let blank = match before.rfind('\n') {
            Some(line) => {
                let eol = self.eol.unwrap_or("\n");
                format!("{eol}{}", before.get(line + 1..).unwrap_or_default())
            }
            None => " ".to_owned(),
        };
        let end = last.place.end;
        spliced(text, end..end, &format!(",{blank}{entry}"))
    }
}

/// The object that begins at `at`.
fn object(text: &str, at: usize) -> Option<Object> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let open = at + 1;
    let (mut at, mut members) = (blank_end(text, open), Vec::new());
    if bytes.get(at) == Some(&b'}') {
        return Some(Object {
            open,
            members,
            close: at,
        });
    }
    loop {
        let start = at;
        let name_end = value_end(text, start)?;
        let colon = blank_end(text, name_end);
        let value = blank_end(text, colon + 1);
        let end = value_end(text, value)?;
        members.push(Member {
            name: serde_json::from_str(text.get(start..name_end)?).ok()?,
            place: start..end,
            value: value..end,
        });
        let behind = blank_end(text, end);
        match bytes.get(behind)? {
            b',' => at = blank_end(text, behind + 1),
            _ => {
                return Some(Object {
                    open,
                    members,
                    close: behind,
                });
            }
        }
    }
}

fn blank_end(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let blanks = rest.iter().take_while(|it| it.is_ascii_whitespace());
    at + blanks.count()
}

/// Behind the value that begins at `at`.
fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut i, mut quoted) = (0_usize, at, false);
    loop {
        let byte = *bytes.get(i)?;
        match byte {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        i += 1;
        if quoted || 0 < depth {
            continue;
        }
        let is_scalar = !matches!(byte, b'"' | b'}' | b']');
        let next = bytes.get(i).copied().unwrap_or(b',');
        if !is_scalar || matches!(next, b',' | b'}' | b']') || next.is_ascii_whitespace() {
            return Some(i);
        }
    }
}

#[cfg(test)]
mod tests;
