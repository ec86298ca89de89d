//! The last belt: secrets that reach a log line in spite of everything are blacked out by their shape.

use std::borrow::Cow;

/// What secrets begin with, and how many characters of a token must follow for it to be one.
const SHAPES: [(&str, usize); 8] = [
    ("sk-", 8),
    ("bearer ", 8),
    ("basic ", 20),
    ("AIza", 20),
    ("gsk_", 8),
    ("xai-", 8),
    ("ya29.", 8),
    ("eyJ", 20),
];
const BLACK: &str = "***";

/// The text with everything that looks like a secret replaced by `***`; what it begins with stays.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some((from, until)) = next_secret(text, at) {
        clean.push_str(text.get(copied..from).unwrap_or_default());
        clean.push_str(BLACK);
        copied = until;
        at = until;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Where the next secret lies at or behind `start`, without what it begins with.
fn next_secret(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut before = text.get(..start)?.chars().next_back();
    for (offset, letter) in text.get(start..)?.char_indices() {
        let at = start + offset;
        let begins_word = !before.is_some_and(|before| before.is_ascii_alphanumeric());
        before = Some(letter);
        if begins_word && let Some(secret) = secret_at(text, at) {
            return Some(secret);
        }
    }
    None
}

fn secret_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    SHAPES.iter().find_map(|(start, least)| {
        let (begin, token) = rest.split_at_checked(start.len())?;
        if !begin.eq_ignore_ascii_case(start) {
            return None;
        }
        let spaces = token.len() - token.trim_start_matches(' ').len();
        let from = at + start.len() + spaces;
        let token = text.get(from..)?.bytes();
        let length = token.take_while(|byte| is_of_token(*byte)).count();
        (*least <= length).then_some((from, from + length))
    })
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~+/=:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_words_stay() {
        for (text, clean) in [
            ("key sk-ant-api03-abcdefgh refused", "key sk-*** refused"),
            ("(sk-0123456789)", "(sk-***)"),
            (
                "Authorization: Bearer abcdefgh.ijk",
                "Authorization: Bearer ***",
            ),
            (
                "authorization: bearer   abcdefghi",
                "authorization: bearer   ***",
            ),
            ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
            ("basic authentication", "basic authentication"),
            ("sk-aaaaaaaaa and sk-bbbbbbbbb", "sk-*** and sk-***"),
            ("?key=AIzaSyA0123456789012345678", "?key=AIza***"),
            ("task-force-is-at-work", "task-force-is-at-work"),
            ("the bearer of news", "the bearer of news"),
            ("sk-short", "sk-short"),
            ("grüße sk-", "grüße sk-"),
            ("", ""),
        ] {
            assert_eq!(redact(text), clean);
        }
    }
}
