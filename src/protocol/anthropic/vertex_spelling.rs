//! How Google Cloud (Vertex AI, now Agent Platform) spells what the vendor's own API spells otherwise: versions, names
//! of models, and the body of a count. The body of a message is edited in `vertex.rs`.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/claude-models-on-google-cloud/google-managed> and the
//! vendor's SDKs (anthropic 0.125 and 2.11 for Python, vertex-sdk 1.1 for TypeScript), seen November 2026.

use std::borrow::Cow;

use bytes::Bytes;

use crate::protocol::scan::{self, ScanError};
use crate::protocol::splice::Splice;

/// The version that stands for `anthropic-version: 2023-06-01`; that date itself is not taken there.
const FIRST_VERSION: &str = "vertex-2023-10-16";
/// The version of the vendor's own API that the platform's first one is.
const FIRST_DATE: &str = "2023-06-01";

/// The version to put into the body for a client that asked for `asked` in `anthropic-version`. Versions differ in what
/// they refuse (`temperature` since 2026-10-21), so a client's choice is kept.
pub fn vertex_version(asked: Option<&str>) -> &str {
    let is_date = |it: &&str| {
        let fits = |(i, byte): (usize, u8)| match i {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        it.len() == FIRST_DATE.len() && it.bytes().enumerate().all(fits)
    };
    asked
        .map(str::trim)
        .filter(is_date)
        .filter(|it| FIRST_DATE < *it)
        .unwrap_or(FIRST_VERSION)
}

/// The name of a model there: a date behind it follows an `@`, `claude-opus-4-5@20251101`.
pub fn vertex_model(model: &str) -> Cow<'_, str> {
    let is_date = |it: &str| it.len() == 8 && it.bytes().all(|it| it.is_ascii_digit());
    match model.rsplit_once('-') {
        Some((name, date)) if !name.is_empty() && is_date(date) => {
            Cow::Owned(format!("{name}@{date}"))
        }
        _ => Cow::Borrowed(model),
    }
}

/// The body of a count: with `anthropic_version` unless it is there, and with its model, because the path is the same
/// for all models. An error means that `body` is no JSON object.
pub fn count_for_vertex(body: &Bytes, anthropic_version: &str) -> Result<Bytes, ScanError> {
    let start = scan::skip_space(body, 0);
    let (members, _) = scan::members(body, start)?;
    let mut keys = members.iter().map(|it| body.get(it.key.clone()));
    let mut splice = Splice::default();
    if !keys.any(|it| it == Some(b"anthropic_version")) {
        let version = serde_json::Value::from(anthropic_version);
        let comma = if members.is_empty() { "" } else { "," };
        let member = format!("\"anthropic_version\":{version}{comma}");
        splice.replace(start + 1..start + 1, member);
    }
    Ok(splice.apply(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_own_version_decides() {
        for (asked, expected) in [
            (None, "vertex-2023-10-16"),
            (Some("2023-06-01"), "vertex-2023-10-16"),
            (Some("2023-01-01"), "vertex-2023-10-16"),
            (Some("2026-10-21"), "2026-10-21"),
            (Some(" 2027-01-01 "), "2027-01-01"),
            (Some("next"), "vertex-2023-10-16"),
            (Some("2026-10-2\""), "vertex-2023-10-16"),
        ] {
            assert_eq!(vertex_version(asked), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_dated_name_is_spelt_as_there() {
        for (model, expected) in [
            ("claude-opus-4-5-20251101", "claude-opus-4-5@20251101"),
            ("claude-opus-4-5@20251101", "claude-opus-4-5@20251101"),
            ("claude-opus-4-8", "claude-opus-4-8"),
            ("-20251101", "-20251101"),
            ("claude-2025110", "claude-2025110"),
            ("", ""),
        ] {
            assert_eq!(vertex_model(model), expected);
        }
    }

    #[test]
    fn a_count_gains_a_version_and_nothing_else() {
        for (body, expected) in [
            (
                "{ \"model\" : \"m\" }",
                "{\"anthropic_version\":\"v\", \"model\" : \"m\" }",
            ),
            (" {}", " {\"anthropic_version\":\"v\"}"),
            (
                "{\"a\":1.0,\"anthropic_version\":\"mine\"}",
                "{\"a\":1.0,\"anthropic_version\":\"mine\"}",
            ),
        ] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert_eq!(count_for_vertex(&body, "v").unwrap(), expected);
        }
        for body in ["", "[1]", "null", "{\"a\""] {
            assert!(count_for_vertex(&Bytes::from(body), "v").is_err(), "{body}");
        }
    }
}
