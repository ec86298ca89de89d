//! Credentials: what can be none.

use crate::types::Secret;

/// Values of example files that are no keys, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "replaceme",
    "secret",
    "password",
    "token",
    "test",
    "example",
    "none",
    "null",
    "undefined",
    "xxx",
    "todo",
];

/// Whether this is an example's placeholder rather than a key.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    PLACEHOLDERS.contains(&text.as_str())
        || text.contains("your-")
        || text.contains("your_")
        || (text.starts_with('<') && text.ends_with('>'))
        || (!text.is_empty() && text.chars().all(|it| matches!(it, 'x' | '*' | '.')))
}

/// A credential that fits into a header; the error is a remedy and does not quote it.
pub(super) fn secret(text: &str) -> Result<Secret, &'static str> {
    if text.trim().is_empty() {
        return Err("is empty; give a value, or remove the key");
    }
    if !text.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(
            "holds a space, line break or letter outside ASCII, which no key has; look at the end of the value",
        );
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_broken_keys_are_told() {
        for text in [
            "your-proxy-access-key",
            "your-api-key",
            "changeme",
            "ChangeMe",
            "<key>",
            "xxxx",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["sk-ant-0123", "gw-7f3a", "x9x"] {
            assert!(!is_placeholder(text), "{text}");
        }
        for text in ["", "  ", "a b", "a\r", "ключ"] {
            assert!(secret(text).is_err(), "{text:?}");
        }
    }
}
