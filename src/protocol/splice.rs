//! Edits of a body that leave every other byte as it was.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Replacements of ranges of one text. Ranges must not overlap; they may be added in any order.
#[derive(Clone, Debug, Default)]
pub struct Splice {
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Splice {
    /// Puts `text` in place of `range`.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<Vec<u8>>) {
        self.edits.push((range, text.into()));
    }

    /// Cuts `range` out.
    pub fn cut(&mut self, range: Range<usize>) {
        self.replace(range, Vec::new());
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The edited text; without edits the same bytes, uncopied. Overlapping edits are skipped.
    pub fn apply(mut self, text: &Bytes) -> Bytes {
        if self.edits.is_empty() {
            return text.clone();
        }
        // What is inserted before a cut comes first.
        self.edits
            .sort_by_key(|(range, _)| (range.start, range.end));
        let grown: usize = self.edits.iter().map(|(_, new)| new.len()).sum();
        let mut out = BytesMut::with_capacity(text.len() + grown);
        let mut at = 0;
        for (range, new) in &self.edits {
            let Some(kept) = text.get(at..range.start) else {
                continue;
            };
            out.extend_from_slice(kept);
            out.extend_from_slice(new);
            at = range.end;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        out.freeze()
    }
}

/// Widens the range of a member or element so that cutting it leaves valid JSON: with the comma after it, or, for
/// the last one, the comma before it.
pub fn with_comma(text: &[u8], range: Range<usize>) -> Range<usize> {
    let is_space = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t');
    let after = text.get(range.end..).unwrap_or_default();
    let space_after = after.iter().take_while(|b| is_space(b)).count();
    if after.get(space_after) == Some(&b',') {
        return range.start..range.end + space_after + 1;
    }
    let before = text.get(..range.start).unwrap_or_default();
    let space_before = before.iter().rev().take_while(|b| is_space(b)).count();
    let edge = before.len() - space_before;
    match edge.checked_sub(1).and_then(|at| before.get(at)) {
        Some(b',') => edge - 1..range.end,
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_in_any_order_leave_the_rest_alone() {
        let text = Bytes::from_static(b"0123456789");
        let mut splice = Splice::default();
        splice.cut(7..9);
        splice.replace(2..4, "ab!");
        assert_eq!(splice.apply(&text), "01ab!4569");
    }

    #[test]
    fn an_insertion_survives_a_cut_at_its_place() {
        let text = Bytes::from_static(b"0123456789");
        let mut splice = Splice::default();
        splice.cut(4..6);
        splice.replace(4..4, "ab");
        assert_eq!(splice.apply(&text), "0123ab6789");
    }

    #[test]
    fn without_edits_nothing_is_copied() {
        let text = Bytes::from_static(b"same");
        assert_eq!(Splice::default().apply(&text).as_ptr(), text.as_ptr());
    }

    #[test]
    fn cutting_with_its_comma_leaves_a_list() {
        for (text, range, left) in [
            ("[1, 2,3]", 1..2, "[ 2,3]"),
            ("[1 , 22]", 5..7, "[1 ]"),
            ("[1]", 1..2, "[]"),
        ] {
            let mut splice = Splice::default();
            splice.cut(with_comma(text.as_bytes(), range));
            assert_eq!(splice.apply(&Bytes::copy_from_slice(text.as_bytes())), left);
        }
    }
}
