//! A call whose arguments come in pieces, each with the path of its place: `$.items[0].name`.
//!
//! Gemini sends them so when asked to (`streamFunctionCallArguments`), and only then. The pieces go in any order into
//! one value, which is given out when the call is complete: text of an object cannot be written before the object is.

use serde_json::{Map, Value};

use crate::protocol::frame::limit::MAX_HELD_BYTES;
use crate::protocol::gemini::wire_answer::PartialArg;
use crate::protocol::upstream_error::StreamError;

/// Steps of one path.
const MAX_STEPS: usize = 64;
/// Entries of a list that may be left out before one that comes.
const MAX_GAP: usize = 1024;

/// What one value costs in memory besides its text, in bytes: a short path may make very many.
const VALUE_COST: usize = 64;

/// A call under way.
#[derive(Debug)]
pub(super) struct PartialCall {
    pub id: Option<String>,
    pub name: String,
    pub signature: Option<String>,
    arguments: Value,
    /// The path of the text that goes on in the next piece.
    open: Option<String>,
    /// The last piece said that more comes.
    pub continues: bool,
    held: usize,
}

impl PartialCall {
    /// A call without arguments yet.
    pub fn new(id: Option<String>, name: String, signature: Option<String>) -> Self {
        PartialCall {
            id,
            name,
            signature,
            arguments: Value::Object(Map::new()),
            open: None,
            continues: true,
            held: 0,
        }
    }

    /// Puts one piece in its place.
    pub fn add(&mut self, piece: &PartialArg<'_>) -> Result<(), StreamError> {
        let path = piece.json_path.get().ok_or(StreamError::Malformed(
            "a piece of arguments without a path",
        ))?;
        let text = piece.string_value.as_deref();
        self.held = self
            .held
            .saturating_add(path.len())
            .saturating_add(text.map_or(0, str::len));
        let goes_on = self.open.as_deref() == Some(path);
        let (place, made) = place(&mut self.arguments, path)?;
        self.held = self.held.saturating_add(made.saturating_mul(VALUE_COST));
        if MAX_HELD_BYTES < self.held {
            return Err(StreamError::TooMuch("arguments in pieces"));
        }
        match (text, piece.number_value, piece.bool_value) {
            (Some(text), _, _) => match place {
                Value::String(begun) if goes_on => begun.push_str(text),
                place => *place = Value::from(text),
            },
            (None, Some(number), _) => {
                *place = serde_json::from_str(number.get())
                    .map_err(|_| StreamError::Malformed("a number that is none"))?;
            }
            (None, None, Some(truth)) => *place = Value::Bool(truth),
            (None, None, None) => *place = Value::Null,
        }
        self.open = (piece.will_continue == Some(true)).then(|| path.to_owned());
        Ok(())
    }

    /// The arguments as JSON.
    pub fn arguments(&self) -> String {
        self.arguments.to_string()
    }
}

/// The value at a path; what is missing on the way is made, and counted.
fn place<'a>(root: &'a mut Value, path: &str) -> Result<(&'a mut Value, usize), StreamError> {
    const BAD: StreamError = StreamError::Malformed("a path of arguments that leads nowhere");
    let mut rest = path.strip_prefix('$').ok_or(BAD)?;
    let mut value = root;
    let mut steps = 0;
    let mut made = 0;
    while !rest.is_empty() {
        steps += 1;
        if MAX_STEPS < steps {
            return Err(BAD);
        }
        let (step, after) = next_step(rest).ok_or(BAD)?;
        rest = after;
        value = match step {
            Step::Key(key) => {
                if value.is_null() {
                    *value = Value::Object(Map::new());
                }
                let fields = value.as_object_mut().ok_or(BAD)?;
                made += usize::from(!fields.contains_key(key));
                fields.entry(key).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if value.is_null() {
                    *value = Value::Array(Vec::new());
                }
                let entries = value.as_array_mut().ok_or(BAD)?;
                if entries.len().saturating_add(MAX_GAP) < index {
                    return Err(BAD);
                }
                if entries.len() <= index {
                    made += index.saturating_add(1) - entries.len();
                    entries.resize(index.saturating_add(1), Value::Null);
                }
                entries.get_mut(index).ok_or(BAD)?
            }
        };
    }
    Ok((value, made))
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `.name`, `[3]`, `['a name']`, `["a name"]`.
fn next_step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, rest) = rest.split_at_checked(end)?;
        return (!key.is_empty()).then_some((Step::Key(key), rest));
    }
    let rest = path.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let (key, rest) = quoted.split_once(quote)?;
            return Some((Step::Key(key), rest.strip_prefix(']')?));
        }
    }
    let (index, rest) = rest.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(pieces: &[&'static str]) -> Result<String, StreamError> {
        let mut call = PartialCall::new(None, "f".to_owned(), None);
        for piece in pieces {
            call.add(&serde_json::from_str(piece).unwrap())?;
        }
        Ok(call.arguments())
    }

    #[test]
    fn pieces_find_their_places() {
        let whole = call(&[
            r#"{"jsonPath":"$.items[0].name","stringValue":"red ","willContinue":true}"#,
            r#"{"jsonPath":"$.items[0].name","stringValue":"apple","willContinue":true}"#,
            r#"{"jsonPath":"$.items[0].name","stringValue":""}"#,
            r#"{"jsonPath":"$.items[0].price","numberValue":0.5}"#,
            r#"{"jsonPath":"$.items[1].price","numberValue":12}"#,
            r#"{"jsonPath":"$['a key'].b","boolValue":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
        ]);
        let expected = r#"{"items":[{"name":"red apple","price":0.5},{"price":12}],"a key":{"b":true},"none":null}"#;
        assert_eq!(whole.unwrap(), expected);
    }

    #[test]
    fn a_text_that_ended_begins_anew() {
        let whole = call(&[
            r#"{"jsonPath":"$.a","stringValue":"one"}"#,
            r#"{"jsonPath":"$.a","stringValue":"two"}"#,
        ]);
        assert_eq!(whole.unwrap(), r#"{"a":"two"}"#);
    }

    #[test]
    fn short_paths_cannot_make_values_without_end() {
        let mut call = PartialCall::new(None, "f".to_owned(), None);
        let mut add = |piece: usize| {
            let path = format!("$.a[{}]", piece * MAX_GAP);
            let piece = format!(r#"{{"jsonPath":"{path}","boolValue":true}}"#);
            call.add(&serde_json::from_str(&piece).unwrap())
        };
        let given = (0..MAX_HELD_BYTES).try_for_each(&mut add);
        assert_eq!(given, Err(StreamError::TooMuch("arguments in pieces")));
        let made = call.arguments["a"].as_array().unwrap().len();
        assert!(made * VALUE_COST <= 2 * MAX_HELD_BYTES, "{made}");
    }

    #[test]
    fn paths_that_lead_nowhere_are_errors() {
        for path in [
            "", "a", "$x", "$.", "$[", "$[x]", "$[5000]", "$.a.b", "$['a'",
        ] {
            let piece = format!(r#"{{"jsonPath":"{path}","stringValue":"x"}}"#);
            let mut call = PartialCall::new(None, "f".to_owned(), None);
            let first = serde_json::from_str(r#"{"jsonPath":"$.a","stringValue":"x"}"#).unwrap();
            call.add(&first).unwrap();
            assert!(
                call.add(&serde_json::from_str(&piece).unwrap()).is_err(),
                "{path}"
            );
        }
        let deep = format!("${}", "[0]".repeat(MAX_STEPS + 1));
        let piece = format!(r#"{{"jsonPath":"{deep}","stringValue":"x"}}"#);
        let mut call = PartialCall::new(None, "f".to_owned(), None);
        assert!(call.add(&serde_json::from_str(&piece).unwrap()).is_err());
    }
}
