//! Patterns of model names: `*` is any text, `?` is any one character, everything else is itself in any case. A
//! pattern fits a whole name, never a part of it.

use std::cmp::Ordering;

/// Longest name that is compared, in bytes; no model is called anything longer.
const MAX_NAME: usize = 512;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This character, in lower case.
    Is(char),
    /// `?`
    One,
    /// `*`, never twice in a row.
    Any,
}

impl Pattern {
    /// Compiles a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let mut parts: Vec<Part> = text
            .chars()
            .flat_map(char::to_lowercase)
            .map(|c| match c {
                '*' => Part::Any,
                '?' => Part::One,
                c => Part::Is(c),
            })
            .collect();
        parts.dedup_by(|next, before| *next == Part::Any && *before == Part::Any);
        Pattern { parts }
    }

    /// Whether it fits one name only.
    pub fn is_exact(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Is(_)))
    }

    /// Whether it fits `name`. Takes at most the product of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        if MAX_NAME < name.len() {
            return false;
        }
        let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let (mut part, mut at) = (0, 0);
        // The last star seen, and what it has swallowed up to. An earlier star need never be tried again: whatever
        // it could swallow more, the last one can as well.
        let mut star: Option<(usize, usize)> = None;
        loop {
            match (self.parts.get(part), name.get(at)) {
                (None, None) => return true,
                (Some(Part::Any), _) => {
                    star = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(Part::One), Some(_)) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                (Some(Part::Is(wanted)), Some(c)) if wanted == c => {
                    part += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match star {
                Some((star_part, swallowed)) if swallowed < name.len() => {
                    star = Some((star_part, swallowed + 1));
                    part = star_part + 1;
                    at = swallowed + 1;
                }
                _ => return false,
            }
        }
    }

    /// The characters that stand for themselves, in lower case.
    pub(super) fn literal(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Is(c) => Some(*c),
                Part::One | Part::Any => None,
            })
            .collect()
    }

    /// Orders patterns by how much they say, the most telling first: exact names, then by their literal characters.
    pub fn by_specificity(&self, other: &Pattern) -> Ordering {
        let said = |pattern: &Pattern| {
            let literals = pattern
                .parts
                .iter()
                .filter(|part| matches!(part, Part::Is(_)));
            (pattern.is_exact(), literals.count())
        };
        said(other).cmp(&said(self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pattern means, as plainly as it can be said.
    fn fits(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), after) => {
                fits(rest, name) || after.is_some_and(|(_, after)| fits(pattern, after))
            }
            (Some(('?', rest)), Some((_, after))) => fits(rest, after),
            (Some((wanted, rest)), Some((c, after))) => wanted == c && fits(rest, after),
            _ => false,
        }
    }

    #[test]
    fn stars_and_question_marks_are_all_that_is_special() {
        for (pattern, name, fit) in [
            ("*sonnet*", "claude-sonnet-4-5", true),
            ("*sonnet*", "sonnet", true),
            ("*SONNET*", "Claude-Sonnet", true),
            ("claude-*", "anthropic/claude-3", false),
            ("claude-*", "claude-", true),
            ("gpt-?", "gpt-5", true),
            ("gpt-?", "gpt-55", false),
            ("gpt-?", "gpt-", false),
            ("gpt-4.1", "gpt-4x1", false),
            ("a+b[c](d)", "a+b[c](d)", true),
            ("[ab]", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("**a**", "bab", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-c-d", false),
            ("ÄB*", "äbc", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_name_takes_no_longer_than_the_product_of_the_lengths() {
        // Trying every way to share the name among the stars would take longer than the universe has.
        let pattern = Pattern::new(&format!("{}c", "a*?".repeat(100)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(MAX_NAME - 1))));
        assert!(!Pattern::new("*").matches(&"a".repeat(MAX_NAME + 1)));
    }

    #[test]
    fn exact_beats_glob_and_longer_beats_shorter() {
        let mut texts = [
            "*",
            "*sonnet*",
            "claude-*",
            "sonnet",
            "claude-sonnet-*",
            "c????????",
        ];
        texts.sort_by(|a, b| Pattern::new(a).by_specificity(&Pattern::new(b)));
        assert_eq!(
            texts,
            [
                "sonnet",
                "claude-sonnet-*",
                "claude-*",
                "*sonnet*",
                "c????????",
                "*"
            ]
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(pattern in "[ab*?]{0,8}", name in "[abc]{0,10}") {
            let plain: (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), fits(&plain.0, &plain.1));
        }

        #[test]
        fn every_pattern_without_stars_fits_itself(name in "[^*?]{0,40}") {
            prop_assert!(Pattern::new(&name).matches(&name));
            prop_assert!(Pattern::new(&name).is_exact());
        }
    }
}
