//! Who may administer: whoever has the admin key; without one, only people at this machine.
//!
//! "At this machine" cannot be told by the address alone: a web page can send requests to 127.0.0.1 under a name of
//! its own (DNS rebinding) or from its own origin, and a reverse proxy beside us makes every caller local. Hence the
//! four conditions of [`AdminGate::allows`].

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::header::FORWARDED;
use http::header::HOST;
use http::header::ORIGIN;
use http::header::VIA;
use subtle::Choice;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::access::extract;
use crate::access::key::digest;
use crate::error::Fault;
use crate::error::FaultKind;
use crate::types::Secret;

/// For callers whose other headers are taken.
const ADMIN_KEY: HeaderName = HeaderName::from_static("x-pointsman-admin-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers, besides those that begin with [`X_FORWARDED`], that only something between the caller and us adds.
const FORWARDING: [HeaderName; 7] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
];
const X_FORWARDED: &str = "x-forwarded-";

/// Guards the admin surface of one listener.
#[derive(Clone)]
pub struct AdminGate {
    digest: Option<[u8; 32]>,
    listener_is_loopback: bool,
}

/// Why an admin request was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AdminRefusal {
    /// There is an admin key, and the request has none or another one.
    #[error("invalid or missing admin key; send it as x-api-key or as authorization: bearer")]
    Key,
    /// No admin key is configured and the listener is reachable from elsewhere.
    #[error("admin is closed on this listener; set admin.key, or listen on a loopback address")]
    Listener,
    /// The `Host` is not a local one, or there is none or several.
    #[error(
        "admin without a key needs a local host header; use http://127.0.0.1, or set admin.key"
    )]
    Host,
    /// Something forwarded the request to us.
    #[error("admin without a key is not served through a proxy; set admin.key")]
    Forwarded,
    /// A web page of another origin sent it.
    #[error("admin without a key is not served to other origins; set admin.key")]
    Origin,
}

impl AdminGate {
    /// A gate with the configured key, if any, on a listener that is bound to a loopback address or not.
    pub fn new(key: Option<&Secret>, listener_is_loopback: bool) -> Self {
        AdminGate {
            digest: key.map(|key| digest(key.expose().as_bytes())),
            listener_is_loopback,
        }
    }

    /// Judges a request. `host` is the authority of the request line or of `:authority` where there is one; the `host`
    /// headers are looked at besides.
    ///
    /// With an admin key, that and nothing else counts. Without one the listener must be loopback, every host named
    /// local, nobody may have forwarded the request, and no page of another origin may have sent it.
    pub fn allows(&self, headers: &HeaderMap, host: Option<&str>) -> Result<(), AdminRefusal> {
        if let Some(known) = &self.digest {
            return if has_key(headers, known) || has_password(headers, host, known) {
                Ok(())
            } else {
                Err(AdminRefusal::Key)
            };
        }
        if !self.listener_is_loopback {
            return Err(AdminRefusal::Listener);
        }
        if !names_this_machine(headers, host) {
            return Err(AdminRefusal::Host);
        }
        if was_forwarded(headers) {
            return Err(AdminRefusal::Forwarded);
        }
        if is_foreign_page(headers, host) {
            return Err(AdminRefusal::Origin);
        }
        Ok(())
    }
}

impl From<AdminRefusal> for Fault {
    fn from(refusal: AdminRefusal) -> Fault {
        let kind = match refusal {
            AdminRefusal::Key => FaultKind::Unauthenticated,
            AdminRefusal::Listener
            | AdminRefusal::Host
            | AdminRefusal::Forwarded
            | AdminRefusal::Origin => FaultKind::Forbidden,
        };
        Fault::new(kind, refusal.to_string())
    }
}

fn has_key(headers: &HeaderMap, known: &[u8; 32]) -> bool {
    extract::credentials(headers)
        .chain(extract::lines(headers, ADMIN_KEY))
        .fold(Choice::from(0), |found, line| {
            found | known.ct_eq(&digest(line.token))
        })
        .into()
}

/// Whether a browser shows the key as the password of any name (RFC 7617). It does so with every request that any page
/// makes it send, so that it counts for our own pages only.
fn has_password(headers: &HeaderMap, host: Option<&str>, known: &[u8; 32]) -> bool {
    if is_foreign_page(headers, host) {
        return false;
    }
    let passwords = headers
        .get_all(AUTHORIZATION)
        .into_iter()
        .filter_map(password);
    passwords
        .fold(Choice::from(0), |found, password| {
            found | known.ct_eq(&digest(&password))
        })
        .into()
}

fn password(line: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    const SCHEME: &[u8] = b"basic ";
    let (scheme, coded) = line.as_bytes().split_at_checked(SCHEME.len())?;
    let pair = STANDARD
        .decode(coded.trim_ascii())
        .ok()
        .map(Zeroizing::new)?;
    let colon = pair.iter().position(|it| *it == b':')?;
    let password = pair.get(colon + 1..).filter(|it| !it.is_empty())?;
    let is_basic = scheme.eq_ignore_ascii_case(SCHEME);
    is_basic.then(|| Zeroizing::new(password.to_vec()))
}

/// Whether a request shows a credential of any kind.
pub fn shows_credential(headers: &HeaderMap) -> bool {
    let own = extract::lines(headers, ADMIN_KEY);
    extract::credentials(headers).chain(own).next().is_some()
}

fn names_this_machine(headers: &HeaderMap, host: Option<&str>) -> bool {
    let mut lines = headers.get_all(HOST).into_iter();
    let line = lines.next();
    if lines.next().is_some() || (line.is_none() && host.is_none()) {
        return false;
    }
    line.is_none_or(|line| line.to_str().is_ok_and(is_local)) && host.is_none_or(is_local)
}

/// Whether an authority (`host` or `host:port`) is `localhost`, in 127.0.0.0/8, or `[::1]`. Anything else around them,
/// such as a user name, a path or a fragment, is not.
fn is_local(authority: &str) -> bool {
    let (name, port) = match authority.strip_prefix('[') {
        // The bracket stays, so that no name can be taken for an address nor the other way round.
        Some(rest) => authority.split_at(rest.find(']').map_or(0, |at| at + 2)),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let version6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .and_then(|name| name.parse().ok())
        .is_some_and(|address: Ipv6Addr| address.is_loopback());
    let version4 = name
        .parse()
        .is_ok_and(|address: Ipv4Addr| address.is_loopback());
    let local = version6 || version4 || name.eq_ignore_ascii_case("localhost");
    local && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    let number: Result<u16, _> = text.parse();
    number.is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn was_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name.as_str().starts_with(X_FORWARDED) || FORWARDING.contains(name))
}

/// Whether a web page of another origin sent this: another port of this machine is another origin, too. Browsers name
/// the origin of a page with every request that can change something, and newer ones say how far away it is.
fn is_foreign_page(headers: &HeaderMap, host: Option<&str>) -> bool {
    let near = [&b"same-origin"[..], b"none"];
    let far = headers
        .get_all(SEC_FETCH_SITE)
        .into_iter()
        .any(|site| !near.contains(&site.as_bytes()));
    let line = headers.get(HOST).and_then(|line| line.to_str().ok());
    let foreign = headers.get_all(ORIGIN).into_iter().any(|origin| {
        let origin = authority_of(origin);
        origin.is_none() || origin != host.or(line)
    });
    far || foreign
}

/// The authority of an origin on the web.
fn authority_of(origin: &HeaderValue) -> Option<&str> {
    let origin = origin.to_str().ok()?;
    let web = origin.strip_prefix("http://");
    web.or_else(|| origin.strip_prefix("https://"))
}

/// Lets a request in that shows no key because none is asked for, unless a web page sent it that is not of this
/// machine: every page that somebody opens here could use the providers else, by a name of its own for this address
/// (DNS rebinding), too. Programs with pages of their own, which have no address on the web, are no web pages.
pub fn admit_page(headers: &HeaderMap) -> Result<(), Fault> {
    let is_foreign = |origin: &HeaderValue| match authority_of(origin) {
        Some(authority) => !is_local(authority),
        // Of a file, or of a frame that hides where it is from.
        None => origin == "null",
    };
    if headers.get_all(ORIGIN).into_iter().any(is_foreign) {
        return Err(Fault::new(
            FaultKind::Forbidden,
            "web pages of other origins may not call without a key; set auth.api_key, or list the origin in \
             settings.cors.origins",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[test]
    fn only_this_machine_is_local() {
        for local in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]",
        ] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "evil.example#localhost",
            "localhost#evil",
            "localhost?x",
            "localhost/",
            "127.0.0.1:80@evil",
            "127.0.0.1:",
            "127.0.0.1:+80",
            "127.0.0.1:99999",
            "127.1",
            "0177.0.0.1",
            "128.0.0.1",
            "0.0.0.0",
            "::1",
            "[::1",
            "[::1]80",
            "[::2]",
            "[::1]:x",
            "[::ffff:127.0.0.1]",
            "[localhost]",
            "user:pw@localhost",
            "localhost ",
            " localhost",
            "localhost:8080:90",
            "127.0.0.1.evil.example",
            "app.localhost",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }

    #[test]
    fn with_a_key_only_the_key_counts() {
        let key = Secret::new("admin".to_owned());
        for loopback in [true, false] {
            let gate = AdminGate::new(Some(&key), loopback);
            for line in [
                ("x-api-key", "admin"),
                ("authorization", "Bearer admin"),
                ("authorization", "admin"),
                ("x-pointsman-admin-key", "admin"),
                ("api-key", "admin"),
            ] {
                let with = headers(&[line, ("x-forwarded-for", "1.2.3.4")]);
                assert_eq!(
                    gate.allows(&with, Some("pointsman.example")),
                    Ok(()),
                    "{line:?}"
                );
            }
            for lines in [&[][..], &[("x-api-key", "admi")], &[("cookie", "admin")]] {
                let local = gate.allows(&headers(lines), Some("127.0.0.1"));
                assert_eq!(local, Err(AdminRefusal::Key), "{lines:?}");
            }
        }
        let empty = AdminGate::new(Some(&Secret::new(String::new())), true);
        let refused = empty.allows(&headers(&[("x-api-key", "")]), Some("localhost"));
        assert_eq!(refused, Err(AdminRefusal::Key));
    }

    #[test]
    fn a_browser_may_show_the_key_as_a_password_on_our_own_pages() {
        let gate = AdminGate::new(Some(&Secret::new("admin:é".to_owned())), false);
        let key = Err(AdminRefusal::Key);
        // `anybody:admin:é`, `:admin:é`, `admin:é` (a name and a password), `anybody:`
        for (line, outcome) in [
            ("Basic YW55Ym9keTphZG1pbjrDqQ==", Ok(())),
            ("bAsIc OmFkbWluOsOp", Ok(())),
            ("Basic YWRtaW46w6k=", key),
            ("Basic YW55Ym9keTo=", key),
            ("Basic %%%", key),
            ("Basic", key),
        ] {
            let shown = ("authorization", line);
            assert_eq!(gate.allows(&headers(&[shown]), None), outcome, "{line}");
            for page in [
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
            ] {
                let with = headers(&[("host", "gateway.example"), shown, page]);
                assert_eq!(gate.allows(&with, None), key, "{line} {page:?}");
            }
            let own = [
                ("host", "gateway.example"),
                shown,
                ("origin", "https://gateway.example"),
            ];
            assert_eq!(gate.allows(&headers(&own), None), outcome, "{line}");
        }
    }

    #[test]
    fn without_a_key_everything_must_be_local() {
        let gate = AdminGate::new(None, true);
        let table: &[(Lines, Option<&str>, Result<(), AdminRefusal>)] = &[
            (&[("host", "localhost:8080")], None, Ok(())),
            (&[], Some("[::1]:8080"), Ok(())),
            (&[("host", "127.0.0.1")], Some("127.0.0.1"), Ok(())),
            (
                &[("host", "localhost"), ("sec-fetch-site", "same-origin")],
                None,
                Ok(()),
            ),
            (&[], None, Err(AdminRefusal::Host)),
            (&[("host", "evil.example")], None, Err(AdminRefusal::Host)),
            (
                &[("host", "evil.example")],
                Some("localhost"),
                Err(AdminRefusal::Host),
            ),
            (
                &[("host", "localhost")],
                Some("evil.example"),
                Err(AdminRefusal::Host),
            ),
            (
                &[("host", "localhost"), ("host", "localhost")],
                None,
                Err(AdminRefusal::Host),
            ),
            (
                &[("host", "localhost"), ("forwarded", "for=1.2.3.4")],
                None,
                Err(AdminRefusal::Forwarded),
            ),
            (
                &[("host", "localhost"), ("x-forwarded-for", "")],
                None,
                Err(AdminRefusal::Forwarded),
            ),
            (
                &[("host", "localhost"), ("x-forwarded-proto", "https")],
                None,
                Err(AdminRefusal::Forwarded),
            ),
            (
                &[("host", "localhost"), ("via", "1.1 x")],
                None,
                Err(AdminRefusal::Forwarded),
            ),
            (
                &[("host", "localhost"), ("x-real-ip", "1.2.3.4")],
                None,
                Err(AdminRefusal::Forwarded),
            ),
            (
                &[("host", "localhost"), ("origin", "https://evil.example")],
                None,
                Err(AdminRefusal::Origin),
            ),
            (
                &[("host", "localhost"), ("origin", "http://localhost@evil")],
                None,
                Err(AdminRefusal::Origin),
            ),
            (
                &[("host", "localhost"), ("origin", "null")],
                None,
                Err(AdminRefusal::Origin),
            ),
            (
                &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
                None,
                Err(AdminRefusal::Origin),
            ),
        ];
        for (lines, host, outcome) in table {
            assert_eq!(
                gate.allows(&headers(lines), *host),
                *outcome,
                "{lines:?} {host:?}"
            );
        }
    }

    #[test]
    fn without_a_key_a_page_must_be_our_own() {
        let gate = AdminGate::new(None, true);
        let foreign = Err(AdminRefusal::Origin);
        let here = ("host", "localhost:8080");
        for (page, outcome) in [
            (("origin", "http://localhost:8080"), Ok(())),
            (("origin", "http://localhost:3000"), foreign),
            (("origin", "http://127.0.0.1:8080"), foreign),
            (("sec-fetch-site", "same-origin"), Ok(())),
            (("sec-fetch-site", "none"), Ok(())),
            (("sec-fetch-site", "same-site"), foreign),
        ] {
            let outcome_of = gate.allows(&headers(&[here, page]), None);
            assert_eq!(outcome_of, outcome, "{page:?}");
        }
        let own = headers(&[("origin", "http://127.0.0.1:8080")]);
        assert_eq!(gate.allows(&own, Some("127.0.0.1:8080")), Ok(()));
    }

    #[test]
    fn without_a_key_a_public_listener_is_closed() {
        let gate = AdminGate::new(None, false);
        let refused = gate.allows(&headers(&[("host", "localhost")]), None);
        assert_eq!(refused, Err(AdminRefusal::Listener));
        let fault = Fault::from(AdminRefusal::Listener);
        assert_eq!(fault.kind, FaultKind::Forbidden);
        assert_eq!(
            Fault::from(AdminRefusal::Key).kind,
            FaultKind::Unauthenticated
        );
    }

    #[test]
    fn pages_of_the_web_need_a_key_and_programs_do_not() {
        for (origins, outcome) in [
            (&[][..], true),
            (&["http://localhost:3000"], true),
            (&["http://127.0.0.1"], true),
            (&["vscode-webview://abc"], true),
            (&["https://evil.example"], false),
            (&["http://localhost.evil.example"], false),
            (&["null"], false),
            (&["http://localhost", "http://evil.example"], false),
        ] {
            let lines: Vec<_> = origins.iter().map(|it| ("origin", *it)).collect();
            assert_eq!(admit_page(&headers(&lines)).is_ok(), outcome, "{origins:?}");
        }
    }
}
