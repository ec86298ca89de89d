//! Ids of tool calls and names of tools that the API accepts.
//!
//! What is sent depends on nothing but the conversation before it: it is translated anew each turn, and the same id or
//! name must come out the same each time, or the provider's prompt cache loses its prefix.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::protocol::canonical::ToolNames;

/// Longest id that is sent as it is, bytes.
const MAX_ID: usize = 128;
/// Hex digits of the hash that stands for an id, or for a user.
const ID_HASH: usize = 32;
/// Hex digits of the hash at the end of a replaced name.
const NAME_HASH: usize = 8;

/// The ids of one conversation. A call's id must be unique in all of it; clients that count from zero in every turn
/// use one again and again.
#[derive(Default)]
pub(super) struct Ids {
    used: HashSet<String>,
    again: HashMap<String, u64>,
}

impl Ids {
    /// The id to send for a new call.
    pub fn call<'a>(&mut self, id: &'a str) -> Cow<'a, str> {
        let plain = plain_id(id);
        if self.used.insert(plain.clone().into_owned()) {
            return plain;
        }
        loop {
            let times = self.again.entry(id.to_owned()).or_insert(1);
            *times = times.saturating_add(1);
            let next = plain_id(&format!("{id}_{times}")).into_owned();
            if self.used.insert(next.clone()) {
                return Cow::Owned(next);
            }
        }
    }
}

fn plain_id(id: &str) -> Cow<'_, str> {
    if fits(id, MAX_ID) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(format!("toolu_{}", hex(id, ID_HASH)))
    }
}

/// Remembers which names were changed.
pub(super) struct Names {
    longest: usize,
    changed: ToolNames,
}

impl Names {
    /// No names yet; `longest` in bytes, 64 or more.
    pub fn new(longest: usize) -> Self {
        Names {
            longest,
            changed: ToolNames::default(),
        }
    }

    /// The name to send for a client's name.
    pub fn sent<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if fits(name, self.longest) {
            return Cow::Borrowed(name);
        }
        let kept = self.longest.saturating_sub(NAME_HASH).saturating_sub(1);
        let mut sent: String = name
            .chars()
            .take(kept)
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        sent.push('_');
        sent.push_str(&hex(name, NAME_HASH));
        self.changed.insert(sent.clone(), name.to_owned());
        Cow::Owned(sent)
    }

    /// What the way back needs.
    pub fn into_tool_names(self) -> ToolNames {
        self.changed
    }
}

/// What stands for a user whose id must not be told.
pub(super) fn pseudonym(user: &str) -> String {
    format!("user_{}", hex(user, ID_HASH))
}

/// A client's word as part of a loss's path, which ends in logs and headers: words with other characters than names
/// have, or longer ones, are shown by their hash.
pub(super) fn shown(word: &str) -> Cow<'_, str> {
    if fits(word, MAX_ID) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("(unprintable {})", hex(word, NAME_HASH)))
    }
}

/// The first `digits` hex digits of the text's hash, 64 at most.
fn hex(text: &str, digits: usize) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out.truncate(digits);
    out
}

fn fits(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && text.chars().all(is_plain)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_plain_and_never_come_twice() {
        let mut ids = Ids::default();
        assert_eq!(ids.call("call_0"), "call_0");
        assert_eq!(ids.call("call_0"), "call_0_2");
        assert_eq!(ids.call("call_0_3"), "call_0_3");
        assert_eq!(ids.call("call_0"), "call_0_4");
        let replaced = ids.call("functions.Bash:0").into_owned();
        assert!(
            replaced.starts_with("toolu_") && replaced.len() == 38,
            "{replaced}"
        );
        assert_ne!(ids.call("functions.Bash:0"), replaced);
        assert_eq!(Ids::default().call("functions.Bash:0"), replaced);
        assert!(fits(&ids.call(""), MAX_ID));
    }

    #[test]
    fn names_that_do_not_fit_come_back() {
        let mut names = Names::new(64);
        let long = "mcp__server__".repeat(8);
        for name in ["Bash", "mcp.dots", "", "naïve", &long] {
            let sent = names.sent(name).into_owned();
            assert!(fits(&sent, 64), "{sent}");
            assert_eq!(names.changed.restore(&sent), name);
        }
        assert_eq!(Names::new(128).sent(&long), long);
    }

    proptest! {
        #[test]
        fn any_ids_stay_apart(ids in prop::collection::vec("[ab._]{0,2}(_[2-4])?", 1..60)) {
            let mut sent = Ids::default();
            let given: HashSet<String> = ids.iter().map(|id| sent.call(id).into_owned()).collect();
            prop_assert_eq!(given.len(), ids.len());
            prop_assert!(given.iter().all(|id| fits(id, MAX_ID)));
        }

        #[test]
        fn different_names_stay_different(all in prop::collection::hash_set(".{0,90}", 1..60)) {
            let mut names = Names::new(64);
            let sent: HashSet<String> =
                all.iter().map(|name| names.sent(name).into_owned()).collect();
            prop_assert_eq!(sent.len(), all.len());
        }
    }
}
