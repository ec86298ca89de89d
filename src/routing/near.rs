//! Which routes somebody may have meant who mistyped a model.

use crate::routing::pattern::Pattern;

/// Names shown at most.
const SHOWN: usize = 3;
/// Longest part of a name that is compared, in characters.
const COMPARED: usize = 64;
/// Shorter words are within a slip or two of anything.
const SHORTEST_WORD: usize = 4;

/// The patterns nearest to `model`, the nearest first; only those that a few slips of the finger explain.
pub(super) fn nearest<'p>(
    model: &str,
    patterns: impl Iterator<Item = (&'p str, &'p Pattern)>,
) -> Vec<String> {
    let model = chars(model);
    let mut near: Vec<(usize, &str)> = patterns
        .filter_map(|(written, pattern)| {
            let literal = chars(&pattern.literal());
            let fit = match (pattern.is_exact(), literal.len() < SHORTEST_WORD) {
                (true, _) => Fit::Whole,
                (false, false) => Fit::Inside,
                (false, true) => return None,
            };
            let slips = distance(&literal, &model, fit);
            (slips <= (literal.len() / 3).max(1)).then_some((slips, written))
        })
        .collect();
    near.sort_by_key(|(slips, _)| *slips);
    near.truncate(SHOWN);
    near.into_iter()
        .map(|(_, written)| written.to_owned())
        .collect()
}

fn chars(text: &str) -> Vec<char> {
    text.chars()
        .take(COMPARED)
        .flat_map(char::to_lowercase)
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The word is the whole text.
    Whole,
    /// The word may lie anywhere in the text.
    Inside,
}

/// Characters to insert, delete or replace until `word` is `text`, or lies in it (Levenshtein, Sellers).
fn distance(word: &[char], text: &[char], fit: Fit) -> usize {
    let start = |at: usize| if fit == Fit::Inside { 0 } else { at };
    let mut row: Vec<usize> = (0..=text.len()).map(start).collect();
    for (done, wanted) in word.iter().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (above, found) in row.iter().skip(1).zip(text) {
            // The first cell of the row above, which `skip` leaves out, is `done` by construction.
            let replaced = diagonal + usize::from(wanted != found);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    match fit {
        Fit::Whole => row.last().copied(),
        Fit::Inside => row.iter().min().copied(),
    }
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slips(word: &str, text: &str, fit: Fit) -> usize {
        distance(&chars(word), &chars(text), fit)
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(slips("kitten", "sitting", Fit::Whole), 3);
        assert_eq!(slips("", "abc", Fit::Whole), 3);
        assert_eq!(slips("abc", "", Fit::Whole), 3);
        assert_eq!(slips("same", "same", Fit::Whole), 0);
        assert_eq!(slips("sonnet", "claude-sonet-4-5", Fit::Inside), 1);
        assert_eq!(slips("sonnet", "claude-sonnet-4-5", Fit::Inside), 0);
        assert_eq!(slips("sonnet", "", Fit::Inside), 6);
    }

    #[test]
    fn only_what_is_near_is_named() {
        let texts = ["gpt-4o", "gpt-4.1", "*sonnet*", "*opus*", "*", "o3"];
        let patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::new(text)).collect();
        let near = |model| nearest(model, texts.iter().copied().zip(&patterns));
        assert_eq!(near("claude-sonet-4-5"), ["*sonnet*"]);
        assert_eq!(near("gpt-4"), ["gpt-4o", "gpt-4.1"]);
        assert_eq!(near("o1"), ["o3"]);
        assert!(near("llama-3").is_empty());
        assert!(near(&"x".repeat(100_000)).is_empty());
    }
}
