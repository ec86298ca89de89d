//! Where clients put credentials: `x-api-key`, `api-key`, `authorization`. Never the query string.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header::AUTHORIZATION;

/// Anthropic's clients.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Azure's.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// One header line that carries a credential.
pub(super) struct Line<'h> {
    /// The header.
    pub(super) name: HeaderName,
    /// As it came.
    pub(super) value: &'h HeaderValue,
    /// The credential in it, never empty.
    pub(super) token: &'h [u8],
}

/// Every credential of a request; a header may come in several lines.
pub(super) fn credentials(headers: &HeaderMap) -> impl Iterator<Item = Line<'_>> {
    [X_API_KEY, API_KEY, AUTHORIZATION]
        .into_iter()
        .flat_map(move |name| lines(headers, name))
}

/// The credentials in the lines of one header.
pub(super) fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Line<'_>> {
    headers.get_all(&name).into_iter().filter_map(move |value| {
        let token = match name {
            AUTHORIZATION => without_scheme(value.as_bytes()),
            _ => value.as_bytes().trim_ascii(),
        };
        (!token.is_empty()).then(|| Line {
            name: name.clone(),
            value,
            token,
        })
    })
}

/// What follows `Bearer` in any case, or everything where there is no such word.
fn without_scheme(value: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer";
    let value = value.trim_ascii();
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => match token.first() {
            Some(b' ' | b'\t') | None => token.trim_ascii(),
            Some(_) => value,
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_goes_whatever_its_case() {
        for (value, token) in [
            ("Bearer k", "k"),
            ("bearer   k ", "k"),
            ("BEARER\tk", "k"),
            ("k", "k"),
            ("  k", "k"),
            ("Bearer", ""),
            ("Bearer ", ""),
            ("bearerk", "bearerk"),
            ("Basic k", "Basic k"),
            ("", ""),
        ] {
            assert_eq!(
                without_scheme(value.as_bytes()),
                token.as_bytes(),
                "{value}"
            );
        }
    }
}
