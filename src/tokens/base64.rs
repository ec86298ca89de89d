//! Reads base64 byte by byte, so that the head of a picture is seen without decoding the picture.

/// The decoded bytes of base64 text. Characters outside the alphabet (line breaks, the backslash of JSON's `\/`) are skipped; padding
/// ends it.
pub(super) struct Decoded<'t> {
    text: std::slice::Iter<'t, u8>,
    bits: u32,
    held: u32,
}

impl<'t> Decoded<'t> {
    /// Decodes `text` as it is asked for.
    pub(super) fn new(text: &'t str) -> Self {
        Decoded {
            text: text.as_bytes().iter(),
            bits: 0,
            held: 0,
        }
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.held < 8 {
            let value = match *self.text.next()? {
                letter @ b'A'..=b'Z' => letter - b'A',
                letter @ b'a'..=b'z' => letter - b'a' + 26,
                digit @ b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => return None,
                _ => continue,
            };
            self.bits = (self.bits << 6) | u32::from(value);
            self.held += 6;
        }
        self.held -= 8;
        let [_, _, _, byte] = (self.bits >> self.held).to_be_bytes();
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_with_padding_without_and_with_line_breaks() {
        let decode = |text: &str| Decoded::new(text).collect::<Vec<u8>>();
        assert_eq!(decode("aGVsbG8="), b"hello");
        assert_eq!(decode("aGVsbG8"), b"hello");
        assert_eq!(decode("aGVs\r\nbG8h"), b"hello!");
        assert_eq!(decode("/+8="), [0xff, 0xef]);
        assert_eq!(decode(""), b"");
    }
}
