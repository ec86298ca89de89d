//! JSON text written straight into bytes: strings and numbers, without a detour over a value.

/// Appends `text` as a JSON string, quotes included. Never holds a line end, so it may stand in an event.
pub(crate) fn push_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Every piece but the last ends with a byte that must be escaped.
    for piece in text.as_bytes().split_inclusive(|it| must_be_escaped(*it)) {
        match piece.split_last() {
            Some((last, plain)) if must_be_escaped(*last) => {
                out.extend_from_slice(plain);
                push_escaped(*last, out);
            }
            _ => out.extend_from_slice(piece),
        }
    }
    out.push(b'"');
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        other => {
            out.extend_from_slice(format!("\\u{other:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends a number in decimal.
pub(crate) fn push_number(number: u64, out: &mut Vec<u8>) {
    if let 0..=9 = number {
        // Most block indexes.
        out.push(b'0' + u8::try_from(number).unwrap_or(0));
    } else {
        out.extend_from_slice(number.to_string().as_bytes());
    }
}

/// Appends JSON text in one line: raw JSON may hold line ends between its tokens; an event may not.
pub(crate) fn push_single_line(json: &str, out: &mut Vec<u8>) {
    out.extend(json.bytes().map(|it| match it {
        b'\n' | b'\r' => b' ',
        it => it,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_is_read_back_as_it_was(text in any::<String>()) {
            let mut out = Vec::new();
            push_json_string(&text, &mut out);
            prop_assert!(out.iter().all(|it| 0x20 <= *it));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn a_number_is_read_back_as_it_was(number in any::<u64>()) {
            let mut out = Vec::new();
            push_number(number, &mut out);
            prop_assert_eq!(serde_json::from_slice::<u64>(&out).unwrap(), number);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let text: String = (0u8..0x20).map(char::from).collect();
        let mut out = Vec::new();
        push_json_string(&text, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
