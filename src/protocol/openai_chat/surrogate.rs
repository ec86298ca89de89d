//! Characters outside the basic plane that a provider cuts in the middle: `"\ud83d"` in one chunk, `"\ude00"` in the
//! next. Each half alone is invalid JSON text to a strict parser.
//!
//! A chunk that does not parse is repaired once: each lone half becomes a stand-in from the last private-use plane,
//! and a [`Joiner`] puts halves together again across chunks. A half that stays alone becomes U+FFFD.

use std::borrow::Cow;

/// Stand-in of the high half 0xD800; the others follow.
const HIGH: u32 = 0x0010_F800;
/// Stand-in of the low half 0xDC00; the others follow.
const LOW: u32 = 0x0010_FC00;

/// The JSON text with stand-ins for lone halves; `None` when there are none.
pub(crate) fn repair(json: &[u8]) -> Option<Vec<u8>> {
    let mut repaired = Vec::with_capacity(json.len() + 32);
    let mut found = false;
    let mut rest = json;
    loop {
        match rest {
            [] => break,
            [b'\\', b'u', after @ ..] => {
                let high = unit(after);
                let low = match after.get(4..) {
                    Some([b'\\', b'u', next @ ..]) => unit(next),
                    _ => None,
                };
                let (taken, stand_in) = match (high, low) {
                    (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
                    (Some(half @ 0xD800..=0xDBFF), _) => (6, Some((0xDBFE, half + 0x400))),
                    (Some(half @ 0xDC00..=0xDFFF), _) => (6, Some((0xDBFF, half))),
                    _ => (2, None),
                };
                let (head, tail) = rest.split_at_checked(taken)?;
                if let Some((first, second)) = stand_in {
                    found = true;
                    repaired.extend_from_slice(format!("\\u{first:04x}\\u{second:04x}").as_bytes());
                } else {
                    repaired.extend_from_slice(head);
                }
                rest = tail;
            }
            [b'\\', escaped, after @ ..] => {
                repaired.extend_from_slice(&[b'\\', *escaped]);
                rest = after;
            }
            [byte, after @ ..] => {
                repaired.push(*byte);
                rest = after;
            }
        }
    }
    found.then_some(repaired)
}

/// Four hexadecimal digits at the start of `text`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(text.get(..4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// Joins the halves of one run of text: the words, the thinking, one call's arguments.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    /// A high half at the end of the last piece, as its stand-in's distance from [`HIGH`].
    high: Option<u32>,
}

impl Joiner {
    /// The next piece, with halves joined. `repaired` says whether it may hold stand-ins.
    pub fn join<'a>(&mut self, piece: &'a str, repaired: bool) -> Cow<'a, str> {
        if !repaired && self.high.is_none() {
            return Cow::Borrowed(piece);
        }
        let mut joined = String::with_capacity(piece.len());
        for it in piece.chars() {
            let code = u32::from(it);
            let high = self.high.take();
            if repaired && (HIGH..LOW).contains(&code) {
                joined.extend(high.map(|_| char::REPLACEMENT_CHARACTER));
                self.high = Some(code - HIGH);
            } else if repaired && LOW <= code {
                let whole =
                    high.and_then(|high| char::from_u32(0x10000 + (high << 10) + (code - LOW)));
                joined.push(whole.unwrap_or(char::REPLACEMENT_CHARACTER));
            } else {
                joined.extend(high.map(|_| char::REPLACEMENT_CHARACTER));
                joined.push(it);
            }
        }
        Cow::Owned(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        let repaired = repair(json.as_bytes()).unwrap();
        serde_json::from_slice(&repaired).unwrap()
    }

    #[test]
    fn halves_are_joined_across_pieces() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.join(&text(r#""a\ud83d""#), true), "a");
        assert_eq!(joiner.join(&text(r#""\ude00b""#), true), "😀b");
        assert_eq!(joiner.join("c", false), "c");
    }

    #[test]
    fn lone_halves_become_the_replacement_character() {
        let mut joiner = Joiner::default();
        assert_eq!(
            joiner.join(&text(r#""\ud83d\ud83d x""#), true),
            "\u{FFFD}\u{FFFD} x"
        );
        assert_eq!(joiner.join(&text(r#""\ude00""#), true), "\u{FFFD}");
        assert_eq!(joiner.join(&text(r#""\ud83d""#), true), "");
        assert_eq!(joiner.join("x", false), "\u{FFFD}x");
    }

    #[test]
    fn whole_pairs_and_escaped_backslashes_are_left_alone() {
        assert_eq!(repair(br#""\ud83d\ude00""#), None);
        assert_eq!(repair(br#""\\ud83d""#), None);
        assert_eq!(repair(br#""\u00e9""#), None);
        assert_eq!(repair(br#"{"cut":"\u"#), None);
    }
}
