//! Tool call ids, tool names and model names that the provider accepts.
//!
//! All mappings depend on nothing but the text: a conversation is translated anew each turn, and the same id or name
//! must come out the same each time, or calls lose their results and the provider's prompt cache its prefix.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::protocol::canonical::ToolNames;

use super::profile::IdStyle;

/// Longest tool call id at OpenAI.
const MAX_ID: usize = 40;
/// Longest `call_id` of OpenAI Responses.
const MAX_CALL_ID: usize = 64;
/// Length of a tool call id at Mistral.
const MISTRAL_ID: usize = 9;
/// Longest function name.
const MAX_NAME: usize = 64;
/// What is kept of a name that is replaced: with `_` and the hash it has [`MAX_NAME`] characters.
const KEPT_NAME: usize = 55;
/// Hex digits of the hash at the end of a replaced name.
const NAME_HASH: usize = 8;

/// The id to send for a client's id.
pub(crate) fn tool_call_id(id: &str, style: IdStyle) -> Cow<'_, str> {
    match style {
        IdStyle::UpTo40 => short_id(id, MAX_ID),
        IdStyle::UpTo64 => short_id(id, MAX_CALL_ID),
        IdStyle::Nine => {
            if id.len() == MISTRAL_ID && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Cow::Borrowed(id);
            }
            Cow::Owned(nine(id))
        }
    }
}

fn short_id(id: &str, longest: usize) -> Cow<'_, str> {
    if fits(id, longest) {
        return Cow::Borrowed(id);
    }
    let prefix = "call_";
    let digits = longest.saturating_sub(prefix.len());
    Cow::Owned(format!("{prefix}{}", hex(id, digits)))
}

/// The model's name without what clients of Anthropic append to ask for its long context.
pub(crate) fn sent_model(name: &str) -> &str {
    name.strip_suffix("[1m]").unwrap_or(name)
}

/// Remembers which names were changed.
#[derive(Default)]
pub(crate) struct Names {
    changed: ToolNames,
}

impl Names {
    /// The name to send for a client's name.
    pub fn sent<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if fits(name, MAX_NAME) {
            return Cow::Borrowed(name);
        }
        let mut sent: String = name
            .chars()
            .take(KEPT_NAME)
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

/// A client's word as part of a loss's path, which ends in logs and headers: words with other characters than names
/// have, or longer ones, are shown by their hash.
pub(crate) fn shown(word: &str) -> Cow<'_, str> {
    if fits(word, MAX_NAME) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("(unprintable {})", hex(word, NAME_HASH)))
    }
}

/// The first `digits` hex digits of the text's hash, 64 at most.
pub(crate) fn hex(text: &str, digits: usize) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out.truncate(digits);
    out
}

/// Nine digits in base 62: 53 bits of the hash.
fn nine(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let mut out = String::with_capacity(MISTRAL_ID);
    for _ in 0..MISTRAL_ID {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        rest /= 62;
    }
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
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_that_fit_are_left_alone() {
        for id in ["toolu_01Cz", "call_00_abcdefghijklmnopqrstuvwxyz0123", "a"] {
            assert_eq!(tool_call_id(id, IdStyle::UpTo40), id);
        }
        assert_eq!(tool_call_id("Ab3dEf7hI", IdStyle::Nine), "Ab3dEf7hI");
    }

    #[test]
    fn ids_that_do_not_fit_are_replaced_by_their_hash() {
        for id in [
            "",
            "functions.Bash:0",
            "é",
            &"x".repeat(41),
            &"y".repeat(4000),
        ] {
            let sent = tool_call_id(id, IdStyle::UpTo40);
            assert_eq!(sent.len(), 40, "{id}");
            assert!(fits(&sent, 40), "{sent}");
            assert_eq!(sent, tool_call_id(id, IdStyle::UpTo40));
        }
        let sent = tool_call_id("toolu_01Cz", IdStyle::Nine);
        assert_eq!(sent.len(), 9);
        assert!(sent.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn names_that_do_not_fit_come_back() {
        let mut names = Names::default();
        let long = "mcp__server__".repeat(8);
        for name in ["Bash", "mcp.dots", "", "naïve", &long] {
            let sent = names.sent(name).into_owned();
            assert!(fits(&sent, MAX_NAME), "{sent}");
            assert_eq!(names.changed.restore(&sent), name);
        }
        assert_eq!(names.sent("Bash"), "Bash");
        assert_eq!(names.sent(&long).len(), 64);
    }

    proptest! {
        #[test]
        fn different_ids_stay_different(ids in prop::collection::hash_set(".{0,60}", 1..60)) {
            for style in [IdStyle::UpTo40, IdStyle::UpTo64, IdStyle::Nine] {
                let sent: HashSet<String> =
                    ids.iter().map(|id| tool_call_id(id, style).into_owned()).collect();
                prop_assert_eq!(sent.len(), ids.len());
            }
        }

        #[test]
        fn different_names_stay_different(all in prop::collection::hash_set(".{0,90}", 1..60)) {
            let mut names = Names::default();
            let sent: HashSet<String> =
                all.iter().map(|name| names.sent(name).into_owned()).collect();
            prop_assert_eq!(sent.len(), all.len());
            for name in &all {
                let sent = names.sent(name).into_owned();
                prop_assert_eq!(names.changed.restore(&sent), name);
            }
        }
    }
}
