//! A JSON object whose members keep their order and their text: what is not looked at comes out as it came in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::anthropic::text::{push_json_string, push_single_line};

/// Members that one object may have. The vendor's own have twenty at most; inputs of tools are not read as objects.
pub(crate) const MAX_MEMBERS: usize = 1024;

/// Members in the order in which they came, each value as JSON text.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawObject {
    members: Vec<(String, Box<str>)>,
}

impl RawObject {
    /// Reads an object; of a key that stands twice, the last value counts. `None` for anything else, and for more
    /// than [`MAX_MEMBERS`] members.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The value of a member, as JSON text.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.members.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| &**value)
    }

    /// The value of a member that is a string, unescaped.
    pub fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }

    /// The value of a member that is an object.
    pub fn object(&self, key: &str) -> Option<RawObject> {
        RawObject::read(self.get(key)?.as_bytes())
    }

    /// Sets a member to a value, which must be JSON text. Returns the value that stood there; a new member goes last.
    pub fn set(&mut self, key: &str, value: impl Into<Box<str>>) -> Option<Box<str>> {
        if let Some((_, old)) = self.members.iter_mut().find(|(name, _)| name == key) {
            return Some(std::mem::replace(old, value.into()));
        }
        self.members.push((key.to_owned(), value.into()));
        None
    }

    /// Overwrites members with those of `other`. A null says nothing and leaves what is known.
    pub fn update(&mut self, other: RawObject) {
        for (key, value) in other.members {
            if &*value != "null" || self.get(&key).is_none() {
                self.set(&key, value);
            }
        }
    }

    /// Removes a member.
    pub fn remove(&mut self, key: &str) -> Option<Box<str>> {
        let at = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(at).1)
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members
            .iter()
            .map(|(key, value)| (key.as_str(), &**value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Appends the object as JSON without line ends, so that it may stand in an event.
    pub fn push_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (key, value)) in self.members().enumerate() {
            if 0 < at {
                out.push(b',');
            }
            push_json_string(key, out);
            out.push(b':');
            push_single_line(value, out);
        }
        out.push(b'}');
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut object = RawObject::default();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    object.set(&key, value);
                    if MAX_MEMBERS < object.len() {
                        return Err(A::Error::custom("too many members"));
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(object: &RawObject) -> String {
        let mut out = Vec::new();
        object.push_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_keep_order_and_text() {
        let text = r#"{"b":1.50,"a":{"x" : [12345678901234567890]},"é\n":"\u00e9\ud83d"}"#;
        let mut object = RawObject::read(text.as_bytes()).unwrap();
        assert_eq!(written(&object), text);
        assert_eq!(object.set("b", "2").as_deref(), Some("1.50"));
        assert_eq!(object.set("c", "[\n]"), None);
        assert_eq!(
            object.remove("a").as_deref(),
            Some(r#"{"x" : [12345678901234567890]}"#)
        );
        assert_eq!(written(&object), r#"{"b":2,"é\n":"\u00e9\ud83d","c":[ ]}"#);
    }

    #[test]
    fn the_last_of_two_counts_and_null_overwrites_nothing() {
        let mut object = RawObject::read(br#"{"a":1,"b":2,"a":3,"c":null}"#).unwrap();
        assert_eq!(written(&object), r#"{"a":3,"b":2,"c":null}"#);
        object.update(RawObject::read(br#"{"a":null,"b":4,"c":5,"d":null}"#).unwrap());
        assert_eq!(written(&object), r#"{"a":3,"b":4,"c":5,"d":null}"#);
    }

    #[test]
    fn other_things_are_no_object() {
        let many: Vec<String> = (0..=MAX_MEMBERS).map(|it| format!("\"{it}\":0")).collect();
        let many = format!("{{{}}}", many.join(","));
        for text in ["", "[]", "\"a\"", "{\"a\"}", "{} {}", "null", &many] {
            assert!(RawObject::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
