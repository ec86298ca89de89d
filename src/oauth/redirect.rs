//! The address where a person signs in, and what comes back from there: as a redirect, or pasted by hand.

use std::fmt::Write as _;

use super::pkce;
use crate::config::OAuthProfile;
use crate::types::Secret;

/// Longest text that is taken for a code.
const MAX_PASTED: usize = 8 * 1024;

/// What came back from the authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// The code.
    pub code: Option<Secret>,
    /// Which login it belongs to.
    pub state: Option<Secret>,
    /// Who says so (RFC 9207).
    pub issuer: Option<String>,
    /// Why there is no code: `access_denied`.
    pub error: Option<String>,
    /// Whether the redirect itself was seen, not only a code that somebody copied.
    pub is_redirect: bool,
}

/// The address where a person signs in.
pub(super) fn authorize_url(profile: &OAuthProfile, state: &Secret, verifier: &Secret) -> String {
    let scope = profile.scopes.join(" ");
    let challenge = pkce::challenge(verifier);
    let own = [
        ("response_type", "code"),
        ("client_id", &profile.client_id),
        ("redirect_uri", &profile.redirect_uri),
        ("scope", &scope),
        ("state", state.expose()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let further = profile.authorize_params.iter();
    let further = further.map(|(name, value)| (name.as_str(), value.expose()));
    let said = own
        .into_iter()
        .filter(|(name, value)| *name != "scope" || !value.is_empty());
    let mut url = profile.authorize_url.clone();
    for (name, value) in further.chain(said) {
        url.push(if url.contains('?') { '&' } else { '?' });
        let _ = write!(url, "{}={}", escaped(name), escaped(value));
    }
    url
}

/// `text` as a value of a query or a form: everything but RFC 3986's unreserved characters as `%20`.
pub(super) fn escaped(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
            continue;
        }
        out.push('%');
        for nibble in [byte >> 4, byte & 15] {
            out.extend(HEX.get(usize::from(nibble)).map(|it| char::from(*it)));
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let hex = digits.and_then(|it| std::str::from_utf8(it).ok());
        let hex = hex.filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let byte = hex.and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = after
            .get(if byte.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// What the query of a redirect says. Of a parameter that is there twice, neither counts.
pub fn read_query(query: &str) -> Returned {
    let value = |name: &str| {
        let mut values = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| *key == name);
        let first = values.next()?;
        let value = unescaped(first.1);
        (values.next().is_none() && !value.is_empty()).then_some(value)
    };
    Returned {
        code: value("code").map(Secret::new),
        state: value("state").map(Secret::new),
        issuer: value("iss"),
        error: value("error").map(|error| {
            let text = match value("error_description") {
                Some(more) => format!("{error}: {more}"),
                None => error,
            };
            one_line(&text)
        }),
        is_redirect: true,
    }
}

/// What somebody has pasted: `code`, `code#state`, or the whole address that the redirect led to.
pub fn read_pasted(text: &str) -> Returned {
    let text = text.trim();
    if MAX_PASTED < text.len() {
        return Returned::default();
    }
    let is_address = text.starts_with("http://") || text.starts_with("https://");
    let query = text.split_once('?').map(|(_, query)| query);
    let query = query.map(|it| it.split('#').next().unwrap_or(it));
    match query {
        Some(query) if is_address => return read_query(query),
        None if is_address => return Returned::default(),
        // The query alone, as some people copy it.
        _ if text.starts_with("code=") || text.contains("&code=") => {
            return read_query(text.trim_start_matches('?'));
        }
        _ => {}
    }
    let (code, state) = text.split_once('#').unwrap_or((text, ""));
    // Some pages show more parameters behind the code.
    let plain = |it: &str| it.split('&').next().unwrap_or_default().trim().to_owned();
    let secret = |it: String| (!it.is_empty()).then(|| Secret::new(it));
    Returned {
        code: secret(plain(code)),
        state: secret(plain(state)),
        ..Returned::default()
    }
}

/// A text of the authorization server on one line that is fit for logs and pages.
pub(super) fn one_line(text: &str) -> String {
    const MAX_WORDS: usize = 200;
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    text.chars().map(plain).take(MAX_WORDS).collect()
}

/// Whether the server that redirected may be the profile's (RFC 9207): by the issuer that was written, or else by being
/// where the person was sent to.
pub(super) fn is_issuer(profile: &OAuthProfile, returned: &Returned) -> bool {
    match (&profile.issuer, &returned.issuer) {
        (Some(wanted), Some(given)) => wanted == given,
        (Some(_), None) => !returned.is_redirect,
        (None, Some(given)) => origin(given) == origin(&profile.authorize_url),
        (None, None) => true,
    }
}

fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{authority}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
