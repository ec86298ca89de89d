//! JSON objects, member by member.

use crate::protocol::anthropic::text::{push_json_string, push_number};

/// The members of an object behind its first one.
pub(in crate::protocol::openai_responses) struct Fields<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Fields<'a> {
    /// Goes on after what `out` ends with: the first member of an object.
    pub fn after(out: &'a mut Vec<u8>) -> Self {
        Fields { out }
    }

    fn key(&mut self, key: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A string. `key` needs no escapes, here and below.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_json_string(value, self.out);
    }

    /// A number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        push_number(value, self.out);
    }

    /// JSON in one line.
    pub fn json(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(value);
    }

    /// A list of what `entries` holds as JSON, separated by commas.
    pub fn list(&mut self, key: &str, entries: &[u8]) {
        self.key(key);
        self.out.push(b'[');
        self.out.extend_from_slice(entries);
        self.out.push(b']');
    }
}

/// An object: its first member is a string, `fields` writes the others.
pub(super) fn object(first: (&str, &str), fields: impl FnOnce(&mut Fields<'_>)) -> Vec<u8> {
    let mut out = vec![b'{'];
    push_json_string(first.0, &mut out);
    out.push(b':');
    push_json_string(first.1, &mut out);
    fields(&mut Fields::after(&mut out));
    out.push(b'}');
    out
}
