//! Tool names that Gemini accepts: a letter or `_`, then letters, digits and `_ . : -`, 64 in all. Newer models take
//! 128, older ones do not.
//!
//! What is sent depends on nothing but the name, so that it is the same in every turn.

use std::borrow::Cow;

use crate::protocol::canonical::ToolNames;
use crate::protocol::openai_chat::names::hex;

/// Longest name.
const MAX_NAME: usize = 64;
/// What is kept of a name that is replaced: with two `_` and the hash it has [`MAX_NAME`] characters at most.
const KEPT: usize = 54;
/// Hex digits of the hash at the end of a replaced name.
const HASH: usize = 8;

/// Remembers which names were changed.
#[derive(Default)]
pub(super) struct Names {
    changed: ToolNames,
}

impl Names {
    /// The name to send for a client's name.
    pub fn sent<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        if fits(name) {
            return Cow::Borrowed(name);
        }
        let mut sent = String::with_capacity(MAX_NAME);
        if !name.starts_with(is_first) {
            sent.push('_');
        }
        sent.extend(
            name.chars()
                .take(KEPT)
                .map(|c| if is_later(c) { c } else { '_' }),
        );
        sent.push('_');
        sent.push_str(&hex(name, HASH));
        self.changed.insert(sent.clone(), name.to_owned());
        Cow::Owned(sent)
    }

    /// What the way back needs.
    pub fn into_tool_names(self) -> ToolNames {
        self.changed
    }
}

fn fits(name: &str) -> bool {
    name.starts_with(is_first) && name.len() <= MAX_NAME && name.chars().all(is_later)
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_later(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_do_not_fit_come_back() {
        let mut names = Names::default();
        let long = "mcp__server__".repeat(8);
        for name in [
            "Bash",
            "mcp.dots:and-more",
            "_x",
            "1st",
            "",
            "naïve",
            "a b",
            &long,
        ] {
            let sent = names.sent(name).into_owned();
            assert!(fits(&sent), "{name}: {sent}");
            assert_eq!(names.changed.restore(&sent), name);
        }
        assert_eq!(names.sent("mcp.dots:and-more"), "mcp.dots:and-more");
        assert_ne!(names.sent("1st"), "1st");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(all in prop::collection::hash_set(".{0,90}", 1..60)) {
            let mut names = Names::default();
            let sent: HashSet<String> =
                all.iter().map(|name| names.sent(name).into_owned()).collect();
            prop_assert_eq!(sent.len(), all.len());
            for name in &all {
                let sent = names.sent(name).into_owned();
                prop_assert!(fits(&sent));
                prop_assert_eq!(names.changed.restore(&sent), name);
            }
        }
    }
}
