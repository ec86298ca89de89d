//! Reads base64, for text files that came as one.

/// The text that is inside; `None` when it is no base64 or no text.
pub(super) fn text(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for letter in encoded.bytes().filter(|it| !it.is_ascii_whitespace()) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if 8 <= bits {
            bits -= 8;
            let [_, _, _, byte] = (held >> bits).to_be_bytes();
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn text_comes_out_and_nothing_else_does() {
        assert_eq!(text("aGVsbG8=").as_deref(), Some("hello"));
        assert_eq!(text("aGVs\r\nbG8h").as_deref(), Some("hello!"));
        assert_eq!(text("w6k").as_deref(), Some("é"));
        assert_eq!(text(""), Some(String::new()));
        assert_eq!(text("/+8="), None);
        assert_eq!(text("a*b"), None);
    }
}
