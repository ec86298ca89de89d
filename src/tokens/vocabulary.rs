//! Tokenising text with the embedded OpenAI vocabularies, safely: whatever text comes, it ends soon and never panics.
//!
//! The tokeniser's regex gives up with a panic on a very long run of white space, and merging a very long word takes
//! ever longer per byte. Both are cured by feeding it in pieces, cut between words where there are words.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use once_cell::sync::OnceCell;
use tiktoken_rs::CoreBPE;

/// Bytes of text for one token where nothing better is known.
pub(super) const BYTES_PER_TOKEN: u64 = 4;
/// Largest piece given to the tokeniser, in bytes. A cut costs at most a token or two, so the error stays below 0.1 %.
const PIECE_BYTES: usize = 8 * 1024;
/// How far back from the end of a piece a gap between words is looked for, in bytes.
const GAP_BYTES: usize = 256;
/// Even the shortest text costs the tokeniser as much time as about this many bytes of a long one.
const LEAST_COST: usize = 32;
/// Text of one request that is really tokenised, in bytes; the rest is taken to be as dense as this.
const EXACT_BYTES: usize = 8 * 1024 * 1024;

/// A vocabulary with its way to split text into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// GPT-4 and GPT-3.5.
    Cl100k,
    /// GPT-4o and later.
    O200k,
}

/// The vocabularies, each loaded at its first use. `None` inside a cell: it could not be loaded, which an embedded
/// one never does, and text is then counted by its length.
#[derive(Default)]
pub(super) struct Vocabularies {
    cl100k: OnceCell<Option<CoreBPE>>,
    o200k: OnceCell<Option<CoreBPE>>,
}

impl Vocabularies {
    /// A meter for the text of one request.
    pub(super) fn meter(&self, encoding: Encoding) -> Meter<'_> {
        Meter {
            vocabulary: self.get(encoding),
            exact_left: EXACT_BYTES,
            exact: Amount::default(),
            unread: 0,
        }
    }

    fn get(&self, encoding: Encoding) -> Option<&CoreBPE> {
        match encoding {
            Encoding::Cl100k => self
                .cl100k
                .get_or_init(|| tiktoken_rs::cl100k_base().ok())
                .as_ref(),
            Encoding::O200k => self
                .o200k
                .get_or_init(|| tiktoken_rs::o200k_base().ok())
                .as_ref(),
        }
    }
}

/// Text that was tokenised.
#[derive(Clone, Copy, Default)]
struct Amount {
    bytes: u64,
    tokens: u64,
}

/// Adds up the text of one request.
pub(super) struct Meter<'v> {
    vocabulary: Option<&'v CoreBPE>,
    exact_left: usize,
    exact: Amount,
    /// Bytes beyond [`EXACT_BYTES`].
    unread: u64,
}

impl Meter<'_> {
    /// Adds a text.
    pub(super) fn add(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() && 0 < self.exact_left {
            let (piece, after) = cut(rest);
            self.exact.bytes += piece.len() as u64;
            self.exact.tokens += tokens_of(self.vocabulary, piece);
            self.exact_left = self.exact_left.saturating_sub(piece.len().max(LEAST_COST));
            rest = after;
        }
        self.unread += rest.len() as u64;
    }

    /// Tokens of everything added.
    pub(super) fn tokens(&self) -> u64 {
        let Amount { bytes, tokens } = self.exact;
        if self.unread == 0 || bytes == 0 {
            return tokens + self.unread.div_ceil(BYTES_PER_TOKEN);
        }
        let unread = u128::from(self.unread) * u128::from(tokens) / u128::from(bytes);
        tokens.saturating_add(u64::try_from(unread).unwrap_or(u64::MAX))
    }
}

/// Tokens of a piece of at most [`PIECE_BYTES`]. A panic of the tokeniser, should one be left, costs precision only.
fn tokens_of(vocabulary: Option<&CoreBPE>, piece: &str) -> u64 {
    let by_length = || (piece.len() as u64).div_ceil(BYTES_PER_TOKEN);
    let Some(vocabulary) = vocabulary else {
        return by_length();
    };
    catch_unwind(AssertUnwindSafe(|| vocabulary.count_ordinary(piece)))
        .map_or_else(|_| by_length(), |tokens| tokens as u64)
}

/// Splits off the next piece: after at most [`PIECE_BYTES`], before the last white space near that if there is any,
/// because a word's token includes the space in front of it.
fn cut(text: &str) -> (&str, &str) {
    if text.len() <= PIECE_BYTES {
        return (text, "");
    }
    let end = text.floor_char_boundary(PIECE_BYTES);
    let from = text.floor_char_boundary(end - GAP_BYTES);
    let gap = text
        .get(from..end)
        .and_then(|tail| tail.rfind(char::is_whitespace))
        .map(|at| from + at);
    text.split_at(gap.unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> u64 {
        let vocabularies = Vocabularies::default();
        let mut meter = vocabularies.meter(Encoding::O200k);
        meter.add(text);
        meter.tokens()
    }

    #[test]
    fn pieces_are_bounded_and_lose_nothing() {
        for text in ["word ".repeat(5000), "é".repeat(20_000), " ".repeat(30_000)] {
            let mut rest = text.as_str();
            let mut joined = String::new();
            while !rest.is_empty() {
                let (piece, after) = cut(rest);
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES);
                joined.push_str(piece);
                rest = after;
            }
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn cutting_between_words_costs_next_to_nothing() {
        let sentence = "The quick brown fox jumps over the lazy dog. ";
        let one = count(sentence);
        let many = count(&sentence.repeat(2000));
        assert!(
            many <= one * 2000 + 40 && one * 2000 - 2000 <= many,
            "{one} {many}"
        );
    }

    #[test]
    fn a_million_spaces_do_not_panic() {
        assert!(0 < count(&" ".repeat(1_000_000)));
    }

    #[test]
    fn special_token_text_counts_as_text() {
        assert!(3 < count("<|endoftext|>"));
    }

    #[test]
    fn text_beyond_the_exact_part_is_as_dense_as_it() {
        let vocabularies = Vocabularies::default();
        let mut meter = vocabularies.meter(Encoding::O200k);
        meter.exact_left = 10_000;
        let text = "some words ".repeat(10_000);
        meter.add(&text);
        let whole = count(&text);
        assert!(meter.tokens().abs_diff(whole) < whole / 50);
        assert!(meter.exact.bytes < 20_000);
    }

    #[test]
    fn without_a_vocabulary_length_decides() {
        assert_eq!(tokens_of(None, "12345"), 2);
    }
}
