//! What a provider is sent: path, headers, credential, body.
//!
//! Headers of a client go on by deny-list: what the vendor invents tomorrow passes today. Credentials and whatever
//! tells who stands behind the proxy stay here.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use zeroize::Zeroizing;

use super::answer::is_hop_by_hop;
use crate::config::{Platform, Provider, ProviderAuth};
use crate::error::Fault;
use crate::types::{Dialect, Secret};

/// Headers of a client that go no further, besides the hop-by-hop ones.
const STOPPED: [&str; 16] = [
    "host",
    "content-length",
    "expect",
    "authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "accept-encoding",
    "content-encoding",
    // Whose web page it was is between the browser and us: vendors refuse pages that they do not know.
    "origin",
    "referer",
];
/// Families of headers that go no further.
const STOPPED_FAMILIES: [&str; 5] = [
    "x-forwarded-",
    "cf-",
    "x-amzn-",
    "x-pointsman-",
    "sec-fetch-",
];
/// A list that clients and OAuth profiles both write.
const BETA: &str = "anthropic-beta";
/// What Anthropic's endpoints are told when the client says nothing: the version all its older clients send.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// The headers of a client that a provider of its own dialect gets.
pub fn forwarded(client: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let named = named_by_connection(client);
    let passes = |name: &HeaderName| {
        let text = name.as_str();
        !STOPPED.contains(&text)
            && !is_hop_by_hop(name)
            && !named.contains(name)
            && !STOPPED_FAMILIES
                .iter()
                .any(|family| text.starts_with(family))
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(client.len() + 4);
    headers.extend(
        client
            .iter()
            .filter(|(name, _)| passes(name))
            .map(|(n, v)| (n.clone(), v.clone())),
    );
    // A compressed answer would blind the tap that watches it.
    headers.push((
        HeaderName::from_static("accept-encoding"),
        HeaderValue::from_static("identity"),
    ));
    headers
}

/// Whose headers an attempt begins with.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// The client's, as [`forwarded`] gives them: the dialect is the same.
    Client(&'a [(HeaderName, HeaderValue)]),
    /// Ours, asking for a stream.
    OursForStream,
    /// Ours, asking for a whole answer.
    OursForWhole,
    /// Ours, asking for lines of Zed's service.
    OursForLines,
}

/// All headers of a call to `provider`, with its `key` or with what the client signs in with itself (`passthrough`).
///
/// # Errors
///
/// An internal fault where there is no key to sign in with, or none that fits into a header.
pub fn signed_headers(
    provider: &Provider,
    upstream: Dialect,
    origin: Origin<'_>,
    key: Option<&Secret>,
    passthrough: &[(HeaderName, HeaderValue)],
) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let mut headers = headers(provider, upstream, origin);
    sign_in(&mut headers, provider, upstream, key, passthrough)?;
    Ok(headers)
}

/// `path` with the client's own query behind it.
pub fn with_query(mut path: String, query: Option<&str>) -> String {
    if let Some(query) = query {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(query);
    }
    path
}

/// The headers but for the credential: where they come from, what the dialect needs, and what the operator adds.
fn headers(
    provider: &Provider,
    upstream: Dialect,
    origin: Origin<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = match origin {
        Origin::Client(client) => client.to_vec(),
        Origin::OursForStream => ours("text/event-stream"),
        Origin::OursForWhole => ours("application/json"),
        Origin::OursForLines => ours("*/*"),
    };
    let has =
        |headers: &[(HeaderName, HeaderValue)], name: &str| headers.iter().any(|(n, _)| n == name);
    if provider.platform != Platform::Own {
        // It stands in the body there, or is the service's own business.
        headers.retain(|(name, _)| name != "anthropic-version");
    } else if upstream == Dialect::Anthropic && !has(&headers, "anthropic-version") {
        let version = HeaderValue::from_static(ANTHROPIC_VERSION);
        headers.push((HeaderName::from_static("anthropic-version"), version));
    }
    if !has(&headers, "content-type") {
        headers.push((
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ));
    }
    for (name, value) in &provider.headers {
        let parsed = (name.parse::<HeaderName>(), sensitive(["", value.expose()]));
        let (Ok(name), Ok(value)) = parsed else {
            continue;
        };
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value));
    }
    let profile = provider.oauth.iter().flat_map(|it| &it.upstream_headers);
    for (name, value) in profile {
        add(&mut headers, name, value.expose());
    }
    headers
}

/// Adds a header of an OAuth profile: to the list that is there, where it is one, else in place of what is there.
fn add(headers: &mut Vec<(HeaderName, HeaderValue)>, name: &str, value: &str) {
    let Ok(name) = name.parse::<HeaderName>() else {
        return;
    };
    let mut value = value.to_owned();
    if name == BETA {
        let there = headers.iter().filter(|(n, _)| *n == name);
        let there: Vec<&str> = there.filter_map(|(_, it)| it.to_str().ok()).collect();
        let ours = value.split(',').map(str::trim);
        let mut all: Vec<&str> = Vec::new();
        for one in there
            .iter()
            .flat_map(|it| it.split(','))
            .map(str::trim)
            .chain(ours)
        {
            if !one.is_empty() && !all.contains(&one) {
                all.push(one);
            }
        }
        value = all.join(",");
    }
    if let Ok(mut value) = HeaderValue::from_str(&value) {
        value.set_sensitive(name != BETA);
        headers.retain(|(n, _)| *n != name);
        headers.push((name, value));
    }
}

/// Adds the credential. `passthrough` is what the client signs in with itself.
fn sign_in(
    headers: &mut Vec<(HeaderName, HeaderValue)>,
    provider: &Provider,
    upstream: Dialect,
    key: Option<&Secret>,
    passthrough: &[(HeaderName, HeaderValue)],
) -> Result<(), Fault> {
    let place = match (provider.auth, upstream) {
        (ProviderAuth::None, _) => return Ok(()),
        (ProviderAuth::Passthrough, _) => {
            headers.extend_from_slice(passthrough);
            return Ok(());
        }
        (ProviderAuth::ApiKey, Dialect::Anthropic) => Some("x-api-key"),
        (ProviderAuth::ApiKey, Dialect::Gemini) => Some("x-goog-api-key"),
        (ProviderAuth::ApiKey, Dialect::OpenAiChat | Dialect::OpenAiResponses) => {
            provider.key_header
        }
        (
            ProviderAuth::AuthToken
            | ProviderAuth::ServiceAccount
            | ProviderAuth::OAuth
            | ProviderAuth::ZedAccount,
            _,
        ) => None,
    };
    let key =
        key.ok_or_else(|| Fault::internal("an endpoint that signs in with a key has none"))?;
    let scheme = if place.is_none() { "Bearer " } else { "" };
    let value = sensitive([scheme, key.expose()])
        .map_err(|_| Fault::internal("a key that is no header value"))?;
    let name = place.map_or(http::header::AUTHORIZATION, HeaderName::from_static);
    headers.push((name, value));
    Ok(())
}

/// A value that is wiped when its last holder lets go, which `Debug` does not show and HTTP/2 keeps out of its tables.
fn sensitive(parts: [&str; 2]) -> Result<HeaderValue, InvalidHeaderValue> {
    // Of its final size from the start: a text that grows leaves copies behind.
    let text = Zeroizing::new(parts.concat().into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))?;
    value.set_sensitive(true);
    Ok(value)
}

fn ours(accept: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (http::header::ACCEPT, HeaderValue::from_static(accept)),
        (
            http::header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        ),
        (
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            http::header::USER_AGENT,
            HeaderValue::from_static(concat!("pointsman/", env!("CARGO_PKG_VERSION"))),
        ),
    ]
}

fn named_by_connection(client: &HeaderMap) -> Vec<HeaderName> {
    let values = client
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_say_what_they_should_and_show_nothing() {
        let value = sensitive(["Bearer ", "sk-canary"]).unwrap();
        assert_eq!(value.as_bytes(), b"Bearer sk-canary");
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(sensitive(["", "line\nbreak"]).is_err());
    }

    #[test]
    fn unknown_headers_pass_and_credentials_and_hops_stop() {
        let mut client = HeaderMap::new();
        for (name, value) in [
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-new-thing", "1"),
            ("x-stainless-lang", "js"),
            ("user-agent", "claude-cli"),
            ("authorization", "Bearer gateway"),
            ("x-api-key", "gateway"),
            ("cookie", "c"),
            ("host", "h"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "1.2.3.4"),
            ("cf-ray", "1"),
            ("x-pointsman-debug", "1"),
            ("accept-encoding", "gzip"),
        ] {
            client.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_static(value),
            );
        }
        let mut names: Vec<String> = forwarded(&client)
            .iter()
            .map(|(n, v)| format!("{n}={}", v.to_str().unwrap()))
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accept-encoding=identity",
                "anthropic-beta=a",
                "anthropic-beta=b",
                "user-agent=claude-cli",
                "x-new-thing=1",
                "x-stainless-lang=js"
            ]
        );
    }
}
