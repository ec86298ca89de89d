//! The free text of a custom tool out of the arguments of the function that stands for it: the string in
//! `{"input":"…"}`, unescaped while it comes in, cut anywhere.
//!
//! Arguments of another shape are taken as a whole when they are complete: the one string of an object, a string, or
//! the text itself, so that the client's tool sees what the model wrote.

use memchr::memchr2;
use serde_json::{Map, Value};

/// Text that grows.
#[derive(Debug, Default)]
pub(super) struct Freeform {
    state: State,
    /// How much of [`HEAD`] has come.
    matched: usize,
    /// Half of a surrogate pair that waits for the other.
    half: Option<u32>,
    /// What came before the text, or all that came where it has another shape.
    raw: String,
    text: String,
    /// Where in `text` the last piece begins.
    told: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the string.
    #[default]
    Head,
    Text,
    /// Behind a backslash.
    Escape,
    /// Inside the digits of `\u`: how many came, and their value.
    Unicode {
        digits: u8,
        value: u32,
    },
    /// The string is closed; what follows says nothing.
    Done,
    /// Another shape.
    Other,
}

/// What opens the text, spaces aside.
const HEAD: &[u8] = b"{\"input\":\"";

impl Freeform {
    /// Takes the next piece of the arguments; returns the text that is new.
    pub fn push(&mut self, piece: &str) -> &str {
        self.told = self.text.len();
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.state {
                State::Head => self.head(rest),
                State::Text => self.plain(rest),
                State::Escape | State::Unicode { .. } => self.escaped(rest),
                State::Done => "",
                State::Other => {
                    self.raw.push_str(rest);
                    ""
                }
            };
        }
        self.text.get(self.told..).unwrap_or_default()
    }

    /// The arguments are complete; returns the text that is new.
    pub fn finish(&mut self) -> &str {
        self.told = self.text.len();
        match self.state {
            State::Head | State::Other => {
                let raw = std::mem::take(&mut self.raw);
                self.text = whole(&raw);
            }
            State::Text | State::Escape | State::Unicode { .. } | State::Done => {}
        }
        self.lone_half();
        self.state = State::Done;
        self.text.get(self.told..).unwrap_or_default()
    }

    /// All of the text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.raw.len().saturating_add(self.text.len())
    }

    fn head<'a>(&mut self, piece: &'a str) -> &'a str {
        for (at, byte) in piece.bytes().enumerate() {
            // Between the tokens, that is, not inside the key.
            let between = matches!(self.matched, 0 | 1 | 8 | 9);
            if between && byte.is_ascii_whitespace() {
                continue;
            }
            if HEAD.get(self.matched) != Some(&byte) {
                self.state = State::Other;
                self.raw.push_str(piece);
                return "";
            }
            self.matched += 1;
            if self.matched == HEAD.len() {
                self.raw.clear();
                self.state = State::Text;
                return piece.get(at + 1..).unwrap_or_default();
            }
        }
        self.raw.push_str(piece);
        ""
    }

    fn plain<'a>(&mut self, piece: &'a str) -> &'a str {
        let end = memchr2(b'"', b'\\', piece.as_bytes());
        let (plain, rest) = piece
            .split_at_checked(end.unwrap_or(piece.len()))
            .unwrap_or((piece, ""));
        if !plain.is_empty() {
            self.lone_half();
            self.text.push_str(plain);
        }
        let mut rest = rest.chars();
        match rest.next() {
            Some('"') => {
                self.lone_half();
                self.state = State::Done;
            }
            Some(_) => self.state = State::Escape,
            None => {}
        }
        rest.as_str()
    }

    fn escaped<'a>(&mut self, piece: &'a str) -> &'a str {
        let mut rest = piece.chars();
        let Some(next) = rest.next() else {
            return "";
        };
        if let State::Unicode { digits, value } = self.state {
            let Some(digit) = next.to_digit(16) else {
                self.lone_half();
                self.text.push(char::REPLACEMENT_CHARACTER);
                self.state = State::Text;
                return piece;
            };
            let value = value * 16 + digit;
            if digits < 3 {
                let digits = digits + 1;
                self.state = State::Unicode { digits, value };
            } else {
                self.state = State::Text;
                self.unit(value);
            }
            return rest.as_str();
        }
        if next == 'u' {
            let (digits, value) = (0, 0);
            self.state = State::Unicode { digits, value };
            return rest.as_str();
        }
        self.lone_half();
        self.text.push(match next {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            // Models escape what needs none.
            other => other,
        });
        self.state = State::Text;
        rest.as_str()
    }

    /// Takes one unit of UTF-16.
    fn unit(&mut self, unit: u32) {
        if let (Some(high), 0xDC00..=0xDFFF) = (self.half, unit) {
            self.half = None;
            let pair = 0x1_0000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
            let pair = char::from_u32(pair);
            self.text.push(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
            return;
        }
        self.lone_half();
        if let 0xD800..=0xDBFF = unit {
            self.half = Some(unit);
        } else {
            let unit = char::from_u32(unit);
            self.text.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }

    /// The other half does not come.
    fn lone_half(&mut self) {
        if self.half.take().is_some() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// The text of arguments that did not begin as expected.
fn whole(raw: &str) -> String {
    let object = serde_json::from_str::<Map<String, Value>>(raw);
    if let Ok(object) = &object {
        let only = object.values().next().filter(|_| object.len() == 1);
        match object.get("input").or(only) {
            Some(Value::String(text)) => return text.clone(),
            None if object.is_empty() => return String::new(),
            _ => return raw.to_owned(),
        }
    }
    serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(pieces: &[&str]) -> String {
        let mut freeform = Freeform::default();
        let mut told = String::new();
        for piece in pieces {
            told.push_str(freeform.push(piece));
        }
        told.push_str(freeform.finish());
        assert_eq!(told, freeform.text());
        told
    }

    #[test]
    fn the_text_comes_out_of_any_shape() {
        for (arguments, text) in [
            (r#"{"input":"a"}"#, "a"),
            (" {\n \"input\" :\t\"a\" , \"more\": 1 }", "a"),
            (r#"{"input":""}"#, ""),
            (
                r#"{"input":"*** Begin\n+\"x\"\\ \/ \u00e9 \ud83d\ude00"}"#,
                "*** Begin\n+\"x\"\\ / é 😀",
            ),
            (r#"{"input":"\ud83d-\ude00"}"#, "\u{fffd}-\u{fffd}"),
            (r#"{"input":"\ud83d"}"#, "\u{fffd}"),
            (r#"{"input":"\u12x"}"#, "\u{fffd}x"),
            (r#"{"input":"it\'s"}"#, "it's"),
            // Cut by a limit.
            (r#"{"input":"half a pat"#, "half a pat"),
            (r#"{"input":"half\"#, "half"),
            (r#"{"input":"half\ud83d"#, "half\u{fffd}"),
            // Other shapes.
            (r#"{"patch":"a\nb"}"#, "a\nb"),
            (r#"{"note":"x","input":"a"}"#, "a"),
            (r#"{"input":7}"#, r#"{"input":7}"#),
            (r#"{"a":"x","b":"y"}"#, r#"{"a":"x","b":"y"}"#),
            (r#""a\nb""#, "a\nb"),
            ("*** Begin Patch", "*** Begin Patch"),
            ("{}", ""),
            ("", ""),
        ] {
            assert_eq!(read(&[arguments]), text, "{arguments}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_text(text in any::<String>(), ascii: bool, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut arguments = json!({"input": text}).to_string();
            if ascii {
                arguments = arguments.encode_utf16().map(|it| match u8::try_from(it) {
                    Ok(it) if it.is_ascii() => char::from(it).to_string(),
                    _ => format!("\\u{it:04x}"),
                }).collect();
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|it| it.index(arguments.len() + 1)).filter(|it| arguments.is_char_boundary(*it)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&arguments[from..cut]);
                from = cut;
            }
            pieces.push(&arguments[from..]);
            prop_assert_eq!(read(&pieces), text);
        }

        #[test]
        fn damage_is_read_the_same_however_it_is_cut(arguments in "[{}\"a-c\\\\u0-9input: é]{0,30}") {
            let chars: Vec<String> = arguments.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            prop_assert_eq!(read(&chars), read(&[&arguments]));
        }
    }
}
