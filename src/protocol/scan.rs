//! Walks JSON text without building anything: where the members of an object, or the elements of an array, begin
//! and end.
//!
//! Coding clients send bodies of 100 KB to 5 MB, of which the proxy needs six fields. A parser that visits every
//! byte would cost more than the rest of the trip, so strings are crossed with `memchr`. The walk is not recursive;
//! a hundred thousand brackets cost a byte each. Brackets, strings and commas are checked; scalars deep inside are
//! the upstream's to judge.

use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

/// Deepest nesting that is walked.
const MAX_DEPTH: usize = 1 << 20;

/// Why text is not JSON, with the byte where it stopped making sense.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    /// Another character was expected.
    #[error("unexpected character at byte {0}")]
    Unexpected(usize),
    /// The text ends inside a value.
    #[error("unexpected end at byte {0}")]
    End(usize),
    /// Nested more than a million levels deep.
    #[error("nested too deeply at byte {0}")]
    TooDeep(usize),
}

/// One member of an object. All ranges are into the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key without its quotes, escapes as written.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// Something to look out for on the way, so that the text need not be crossed once more for it.
#[derive(Debug)]
pub struct Watch {
    prefix: &'static [u8],
    other: Option<&'static [u8]>,
    /// A string inside an array or object began with one of them.
    pub seen: bool,
}

impl Watch {
    /// Looks out for strings that begin with `prefix`, which must not be empty.
    pub fn strings_with(prefix: &'static str) -> Self {
        Watch {
            prefix: prefix.as_bytes(),
            other: None,
            seen: false,
        }
    }

    /// And for those that begin with this one, in place of any other named before.
    #[must_use]
    pub fn or(mut self, prefix: &'static str) -> Self {
        self.other = Some(prefix.as_bytes());
        self
    }

    fn nothing() -> Self {
        Watch {
            prefix: &[],
            other: None,
            seen: true,
        }
    }

    /// A string begins at `at`.
    fn string(&mut self, text: &[u8], at: usize) {
        if !self.seen {
            let rest = text.get(at..).unwrap_or_default();
            self.seen = rest.starts_with(self.prefix)
                || self.other.is_some_and(|other| rest.starts_with(other));
        }
    }
}

/// The members of the object at `start` and the position after it.
pub fn members(text: &[u8], start: usize) -> Result<(Vec<Member>, usize), ScanError> {
    members_watching(text, start, &mut Watch::nothing())
}

/// Like [`members`], with something to look out for in their values.
pub fn members_watching(
    text: &[u8],
    start: usize,
    watch: &mut Watch,
) -> Result<(Vec<Member>, usize), ScanError> {
    let mut found = Vec::new();
    let mut at = expect(text, start, b'{')?;
    if peek(text, at)? == b'}' {
        return Ok((found, at + 1));
    }
    loop {
        at = skip_space(text, at);
        let key = string(text, at)?;
        at = skip_space(text, expect(text, key.end, b':')?);
        let value = value(text, at, watch)?;
        at = skip_space(text, value.end);
        found.push(Member {
            key: key.start + 1..key.end - 1,
            value,
        });
        match peek(text, at)? {
            b',' => at += 1,
            b'}' => return Ok((found, at + 1)),
            _ => return Err(ScanError::Unexpected(at)),
        }
    }
}

/// The elements of the array at `start` and the position after it.
pub fn elements(text: &[u8], start: usize) -> Result<(Vec<Range<usize>>, usize), ScanError> {
    let mut found = Vec::new();
    let mut at = skip_space(text, expect(text, start, b'[')?);
    if peek(text, at)? == b']' {
        return Ok((found, at + 1));
    }
    loop {
        let value = value(text, skip_space(text, at), &mut Watch::nothing())?;
        at = skip_space(text, value.end);
        found.push(value);
        match peek(text, at)? {
            b',' => at += 1,
            b']' => return Ok((found, at + 1)),
            _ => return Err(ScanError::Unexpected(at)),
        }
    }
}

/// Whether a value stands at `start`.
pub fn is_value(text: &[u8], start: usize) -> bool {
    value(text, start, &mut Watch::nothing()).is_ok()
}

/// Position of the first byte at or after `at` that is not white space.
pub fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

fn peek(text: &[u8], at: usize) -> Result<u8, ScanError> {
    let at = skip_space(text, at);
    text.get(at).copied().ok_or(ScanError::End(at))
}

fn expect(text: &[u8], at: usize, wanted: u8) -> Result<usize, ScanError> {
    let at = skip_space(text, at);
    match text.get(at) {
        Some(found) if *found == wanted => Ok(skip_space(text, at + 1)),
        Some(_) => Err(ScanError::Unexpected(at)),
        None => Err(ScanError::End(at)),
    }
}

/// The string at `at`, quotes included.
fn string(text: &[u8], at: usize) -> Result<Range<usize>, ScanError> {
    match text.get(at) {
        Some(b'"') => Ok(at..string_end(text, at + 1)?),
        Some(_) => Err(ScanError::Unexpected(at)),
        None => Err(ScanError::End(at)),
    }
}

/// The position after the closing quote of the string whose first character is at `start`. Looks for quotes only and
/// then back at the backslashes before them: file contents are full of escapes, most of them line breaks.
fn string_end(text: &[u8], start: usize) -> Result<usize, ScanError> {
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(step) = memchr(b'"', rest) else {
            return Err(ScanError::End(text.len()));
        };
        let quote = at + step;
        let before = text.get(start..quote).unwrap_or_default();
        let backslashes = before.iter().rev().take_while(|b| **b == b'\\').count();
        if backslashes % 2 == 0 {
            return Ok(quote + 1);
        }
        at = quote + 1;
    }
}

fn value(text: &[u8], at: usize, watch: &mut Watch) -> Result<Range<usize>, ScanError> {
    match text.get(at) {
        None => Err(ScanError::End(at)),
        Some(b'"') => string(text, at),
        Some(b'{' | b'[') => Ok(at..container_end(text, at, watch)?),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            let rest = text.get(at..).unwrap_or_default();
            let length = rest
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
                .count();
            match serde_json::from_slice::<serde::de::IgnoredAny>(
                rest.get(..length).unwrap_or_default(),
            ) {
                Ok(_) => Ok(at..at + length),
                Err(_) => Err(ScanError::Unexpected(at)),
            }
        }
        Some(_) => Err(ScanError::Unexpected(at)),
    }
}

/// The position after the container that opens at `at`.
fn container_end(text: &[u8], mut at: usize, watch: &mut Watch) -> Result<usize, ScanError> {
    let mut closers: Vec<u8> = Vec::with_capacity(16);
    loop {
        match text.get(at) {
            None => return Err(ScanError::End(at)),
            Some(b'"') => {
                watch.string(text, at + 1);
                at = string_end(text, at + 1)?;
            }
            Some(open @ (b'{' | b'[')) => {
                if MAX_DEPTH <= closers.len() {
                    return Err(ScanError::TooDeep(at));
                }
                closers.push(if *open == b'{' { b'}' } else { b']' });
                at += 1;
            }
            Some(close @ (b'}' | b']')) => {
                if closers.pop() != Some(*close) {
                    return Err(ScanError::Unexpected(at));
                }
                at += 1;
                if closers.is_empty() {
                    return Ok(at);
                }
            }
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        let (found, _) = members(text.as_bytes(), 0).unwrap();
        found
            .into_iter()
            .map(|m| (text[m.key].to_owned(), text[m.value].to_owned()))
            .collect()
    }

    #[test]
    fn finds_members_with_their_exact_text() {
        let found = keys(" { \"a\" : 1.50 , \"b\":\"x\\\"}\", \"c\" : [ {\"d\":[]} ] ,\"e\":null}");
        let expected = [
            ("a", "1.50"),
            ("b", "\"x\\\"}\""),
            ("c", "[ {\"d\":[]} ]"),
            ("e", "null"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(keys("{}").is_empty());
    }

    #[test]
    fn sees_what_it_looks_out_for_inside_values_only() {
        for (text, seen) in [
            (r#"{"a":[{"b":"pm1.x"}]}"#, true),
            (r#"{"a":["another","otherwise"]}"#, true),
            (r#"{"a":["pm1"," pm1.","xpm1."]}"#, false),
            (r#"{"pm1.a":1}"#, false),
        ] {
            let mut watch = Watch::strings_with("pm1.").or("other");
            members_watching(text.as_bytes(), 0, &mut watch).unwrap();
            assert_eq!(watch.seen, seen, "{text}");
        }
    }

    #[test]
    fn finds_elements() {
        let text = b"[ 1, \"two\" ,{}]";
        let (found, end) = elements(text, 0).unwrap();
        assert_eq!(found, [2..3, 5..10, 12..14]);
        assert_eq!(end, text.len());
    }

    #[test]
    fn broken_text_is_an_error_and_names_the_byte() {
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":[}",
            "{\"a\":tru}",
        ] {
            assert!(members(text.as_bytes(), 0).is_err(), "{text}");
        }
        assert_eq!(members(b"{\"a\":\"b", 0), Err(ScanError::End(7)));
    }

    #[test]
    fn a_hundred_thousand_brackets_are_walked_without_recursion() {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(members(text.as_bytes(), 0).unwrap().0.len(), 1);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 2.0)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_parser(value in any_json(), pretty in any::<bool>()) {
            let object = serde_json::json!({"first": value, "second": [value]});
            let text = if pretty { format!("{object:#}") } else { object.to_string() };
            for (key, raw) in keys(&text) {
                prop_assert_eq!(&serde_json::from_str::<Value>(&raw).unwrap(), &object[&key]);
            }
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = members(&text, 0);
            let _ = elements(&text, 0);
        }

        #[test]
        fn never_panics_on_nearly_json(text in r#"[{}\[\]",:\\a1 ]{0,40}"#) {
            let _ = members(text.as_bytes(), 0);
        }
    }
}
