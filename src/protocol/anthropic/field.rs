//! Reading raw values with their path at hand, so that every error names its field.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::protocol::canonical::{Problem, TranslateError};

use super::wire_request::Raw;

/// Where a value stands. Borrowed from the caller's, so that a path costs nothing until it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A top-level field.
    pub fn root(key: &'static str) -> Self {
        Path {
            parent: None,
            step: Step::Key(key),
        }
    }

    /// A field of this.
    pub fn key(&'a self, key: &'static str) -> Path<'a> {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    /// An entry of this.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// Anthropic's way of writing it, for errors: `messages.3.content.0`.
    pub fn dotted(&self) -> String {
        self.written(&|out, step| {
            let dot = if out.is_empty() { "" } else { "." };
            match step {
                Step::Key(key) => write!(out, "{dot}{key}"),
                Step::Index(index) => write!(out, "{dot}{index}"),
            }
        })
    }

    /// The way losses are written: `messages[3].content[0]`.
    pub fn bracketed(&self) -> String {
        self.written(&|out, step| match step {
            Step::Key(key) if out.is_empty() => write!(out, "{key}"),
            Step::Key(key) => write!(out, ".{key}"),
            Step::Index(index) => write!(out, "[{index}]"),
        })
    }

    fn written(&self, step: &dyn Fn(&mut String, Step) -> std::fmt::Result) -> String {
        let mut steps = vec![self.step];
        let mut above = self.parent;
        while let Some(path) = above {
            steps.push(path.step);
            above = path.parent;
        }
        let mut out = String::new();
        for one in steps.into_iter().rev() {
            // Writing into a string cannot fail.
            let _ = step(&mut out, one);
        }
        out
    }

    /// An error about this value.
    pub fn error(&self, problem: Problem) -> TranslateError {
        TranslateError::Field {
            path: self.dotted(),
            problem,
        }
    }

    /// This value should be something else.
    pub fn expected(&self, what: &'static str) -> TranslateError {
        self.error(Problem::Expected(what))
    }
}

/// Reads a value; `what` completes `input should be …`.
pub(crate) fn read<'de, T: Deserialize<'de>>(
    raw: &'de RawValue,
    at: Path<'_>,
    what: &'static str,
) -> Result<T, TranslateError> {
    serde_json::from_str(raw.get()).map_err(|error| match error.classify() {
        Category::Data => at.expected(what),
        Category::Io | Category::Syntax | Category::Eof => at.error(Problem::Json(error)),
    })
}

/// Reads a value that may be absent.
pub(crate) fn optional<'de, T: Deserialize<'de>>(
    raw: Raw<'de>,
    at: Path<'_>,
    what: &'static str,
) -> Result<Option<T>, TranslateError> {
    raw.map(|raw| read(raw, at, what)).transpose()
}

/// Reads an object. Alone, a derived reader would take a list for the fields in their order.
pub(crate) fn object<'de, T: Deserialize<'de>>(
    raw: &'de RawValue,
    at: Path<'_>,
) -> Result<T, TranslateError> {
    if raw.get().starts_with('{') {
        read(raw, at, OBJECT)
    } else {
        Err(at.expected(OBJECT))
    }
}

/// Reads an object that may be absent.
pub(crate) fn optional_object<'de, T: Deserialize<'de>>(
    raw: Raw<'de>,
    at: Path<'_>,
) -> Result<Option<T>, TranslateError> {
    raw.map(|raw| object(raw, at)).transpose()
}

/// The raw text of a value that must be there.
pub(crate) fn required<'de>(raw: Raw<'de>, at: Path<'_>) -> Result<&'de RawValue, TranslateError> {
    raw.ok_or_else(|| at.error(Problem::Missing))
}

/// A string that must be there.
pub(crate) fn string(raw: Raw<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    read(required(raw, at)?, at, STRING)
}

/// A string that may be absent.
pub(crate) fn optional_string(
    raw: Raw<'_>,
    at: Path<'_>,
) -> Result<Option<String>, TranslateError> {
    optional(raw, at, STRING)
}

/// The entries of a list, unread.
pub(crate) fn list<'de>(
    raw: &'de RawValue,
    at: Path<'_>,
) -> Result<Vec<&'de RawValue>, TranslateError> {
    read(raw, at, LIST)
}

/// Whether a value is a JSON string, told by its first byte.
pub(crate) fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

pub(crate) const STRING: &str = "a valid string";
const LIST: &str = "a valid list";
const OBJECT: &str = "a valid object";
pub(crate) const NUMBER: &str = "a valid number";
pub(crate) const BOOLEAN: &str = "a valid boolean";
pub(crate) const COUNT: &str = "a valid integer of 0 or more";
