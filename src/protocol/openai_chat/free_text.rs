//! The argument of a tool that takes free text. Models call it with `{"input": "…"}`; this dialect shows the text
//! itself, so the string is unescaped while it arrives.
//!
//! A model that calls it with anything else is shown word for word: the client tells it what was wrong.

use memchr::memchr2;

/// Unescapes one argument. Any split of it gives the same text.
#[derive(Debug, Default)]
pub(super) struct FreeText {
    state: State,
    /// The first half of a character that is escaped in two halves.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In front of the string: so many bytes of [`OPENING`] have come.
    Opening(usize),
    Inside,
    /// Behind a backslash.
    Escape,
    /// Inside `\uXXXX`: how many digits have come, and their value.
    Unicode(u8, u16),
    /// The string has ended.
    Done,
    /// It is something else, shown as it is.
    Verbatim,
}

impl Default for State {
    fn default() -> Self {
        State::Opening(0)
    }
}

/// What stands in front of the text, spaces aside.
const OPENING: &str = "{\"input\":\"";

impl FreeText {
    /// Takes the next piece of the argument and gives the text in it.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        let mut rest = piece;
        while let Some(next) = rest.chars().next() {
            let taken = match self.state {
                State::Opening(at) => self.open(at, next, &mut out),
                State::Inside => self.inside(rest, &mut out),
                State::Escape => self.escape(next, &mut out),
                State::Unicode(digits, value) => self.digit(digits, value, next, &mut out),
                State::Done => return out,
                State::Verbatim => {
                    out.push_str(rest);
                    return out;
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        out
    }

    /// Each of these gives the number of bytes that it took.
    fn open(&mut self, at: usize, next: char, out: &mut String) -> usize {
        let wanted = OPENING.get(at..).and_then(|it| it.chars().next());
        if wanted == Some(next) {
            let at = at.saturating_add(1);
            self.state = if at == OPENING.len() {
                State::Inside
            } else {
                State::Opening(at)
            };
            return next.len_utf8();
        }
        // Not inside the name of the field.
        if next.is_ascii_whitespace() && !(2..8).contains(&at) {
            return next.len_utf8();
        }
        if (at, next) == (1, '}') {
            self.state = State::Done;
            return next.len_utf8();
        }
        self.state = State::Verbatim;
        out.push_str(OPENING.get(..at).unwrap_or_default());
        0
    }

    fn inside(&mut self, rest: &str, out: &mut String) -> usize {
        let end = memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        match tail.as_bytes().first() {
            Some(b'\\') => {
                if !plain.is_empty() {
                    self.give_up_half(out);
                }
                self.state = State::Escape;
            }
            Some(_) => {
                self.give_up_half(out);
                self.state = State::Done;
            }
            None => self.give_up_half(out),
        }
        out.push_str(plain);
        end.saturating_add(usize::from(!tail.is_empty()))
    }

    fn escape(&mut self, next: char, out: &mut String) -> usize {
        self.state = State::Inside;
        if next == 'u' {
            self.state = State::Unicode(0, 0);
            return 1;
        }
        self.give_up_half(out);
        out.push(match next {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        });
        next.len_utf8()
    }

    fn digit(&mut self, digits: u8, value: u16, next: char, out: &mut String) -> usize {
        let Some(digit) = next.to_digit(16).and_then(|it| u16::try_from(it).ok()) else {
            self.give_up_half(out);
            out.push(char::REPLACEMENT_CHARACTER);
            self.state = State::Inside;
            return 0;
        };
        let value = value.wrapping_shl(4) | digit;
        if digits < 3 {
            self.state = State::Unicode(digits.saturating_add(1), value);
        } else {
            self.state = State::Inside;
            self.unit(value, out);
        }
        1
    }

    /// One UTF-16 unit.
    fn unit(&mut self, unit: u16, out: &mut String) {
        let units: Vec<u16> = self.high.take().into_iter().chain([unit]).collect();
        let mut read = char::decode_utf16(units).peekable();
        while let Some(one) = read.next() {
            match one {
                Ok(char) => out.push(char),
                Err(half) if read.peek().is_none() && half.unpaired_surrogate() < 0xDC00 => {
                    self.high = Some(half.unpaired_surrogate());
                }
                Err(_) => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    /// A half whose other half does not follow.
    fn give_up_half(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(argument: &str) -> String {
        FreeText::default().push(argument)
    }

    #[test]
    fn the_string_is_unescaped() {
        for (argument, text) in [
            (r#"{"input":"ls -l\n\"a\" \\ \/"}"#, "ls -l\n\"a\" \\ /"),
            ("  {\n \"input\" :\t\"x\" }", "x"),
            (r#"{"input":"\ud83d\ude00é\u00e9\t"}"#, "😀éé\t"),
            (
                r#"{"input":"\ud83dx\ud83d\ud83d\ude00\ude00\n"}"#,
                "\u{fffd}x\u{fffd}😀\u{fffd}\n",
            ),
            (r#"{"input":"\ud83d"}"#, "\u{fffd}"),
            (r#"{"input":"\u12"}"#, "\u{fffd}"),
            (r#"{"input":"x","more":"y"}"#, "x"),
            ("{}", ""),
            ("", ""),
        ] {
            assert_eq!(whole(argument), text, "{argument}");
        }
    }

    #[test]
    fn anything_else_is_shown_as_it_is() {
        for argument in [
            r#"{"command":"ls"}"#,
            r#"{"in put":"ls"}"#,
            r#"{"input":["ls"]}"#,
            r#""ls""#,
            "*** Begin Patch",
        ] {
            assert_eq!(whole(argument), argument);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), at in any::<prop::sample::Index>()) {
            let json = serde_json::json!({ "input": text }).to_string();
            let cuts: Vec<usize> = json.char_indices().map(|(at, _)| at).collect();
            let (head, tail) = json.split_at(cuts[at.index(cuts.len())]);
            let mut free = FreeText::default();
            prop_assert_eq!(free.push(head) + &free.push(tail), text);
        }

        #[test]
        fn any_split_gives_the_same(argument in "[{}\":\\\\ inputud83de0x]{0,40}") {
            for opened in [String::new(), "{\"input\":\"".to_owned()] {
                let argument = opened + &argument;
                let mut free = FreeText::default();
                let pieces: String = argument.chars().map(|it| free.push(&it.to_string())).collect();
                prop_assert_eq!(pieces, whole(&argument));
            }
        }
    }
}
