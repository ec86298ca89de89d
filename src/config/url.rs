//! Addresses of providers and egress proxies, parsed strictly: whatever could smuggle a header, a credential or
//! another target into a request is refused here with its remedy.

use std::net::Ipv6Addr;

use crate::config::model::{CallPath, Target};
use crate::types::{Dialect, Vendor};

/// A parsed address.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Lower case.
    pub scheme: &'static str,
    /// `name:password` as written.
    pub userinfo: Option<String>,
    /// Without brackets.
    pub host: String,
    /// As written.
    pub port: Option<u16>,
    /// Without trailing slashes; empty or starting with `/`.
    pub path: String,
    /// Without `?`.
    pub query: Option<String>,
}

impl Address {
    /// Parses `text`; the error is a remedy.
    pub fn parse(text: &str, schemes: &[&'static str]) -> Result<Address, String> {
        check_characters(text)?;
        let expected = schemes.join(":// or ");
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("must start with {expected}://"))?;
        let scheme = schemes
            .iter()
            .copied()
            .find(|it| it.eq_ignore_ascii_case(scheme))
            .ok_or_else(|| format!("must start with {expected}://"))?;
        if rest.contains('#') {
            return Err("has a fragment (`#…`), which is never sent; remove it".to_owned());
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo.to_owned()), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        check_path(path)?;
        Ok(Address {
            scheme,
            userinfo,
            host: check_host(host)?,
            port,
            path: path.trim_end_matches('/').to_owned(),
            query,
        })
    }

    /// Parses the address of a provider.
    pub fn parse_base(text: &str) -> Result<Address, String> {
        let address = Address::parse(text, &["https", "http"])?;
        address.refuse_userinfo()?;
        if address.query.is_some() {
            return Err("has a query (`?…`); use `endpoint_url` for a whole URL".to_owned());
        }
        let pasted = ["/messages", "/chat/completions", "/responses"];
        // `…/models/gemini-2.5-pro:generateContent`
        let last = address.path.rsplit('/').next().unwrap_or_default();
        let of_model = address.path.contains("/models/") && last.contains(':');
        if of_model || pasted.iter().any(|it| address.path.ends_with(it)) {
            return Err(
                "names a whole call; remove the last part, or write it as `endpoint_url`"
                    .to_owned(),
            );
        }
        Ok(address)
    }

    /// Parses the whole URL of a call.
    pub fn parse_endpoint(text: &str) -> Result<Address, String> {
        let address = Address::parse(text, &["https", "http"])?;
        address.refuse_userinfo()?;
        let names = ["key", "token", "secret", "sig", "password", "auth"];
        let query = address.query.as_deref().unwrap_or_default();
        let secret = query.split('&').any(|it| {
            let name = it.split('=').next().unwrap_or(it).to_ascii_lowercase();
            names.iter().any(|it| name.contains(it))
        });
        if secret {
            return Err(
                "carries a credential in its query; use `auth_value` or `headers`".to_owned(),
            );
        }
        Ok(address)
    }

    fn refuse_userinfo(&self) -> Result<(), String> {
        if self.userinfo.is_some() {
            return Err("carries a name or password before `@`; use `auth_value`".to_owned());
        }
        Ok(())
    }

    /// Whether TLS is spoken.
    pub fn tls(&self) -> bool {
        self.scheme == "https"
    }

    /// The port, the scheme's own when none is written.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            "https" => 443,
            "http" => 80,
            _ => 1080,
        })
    }

    /// The `host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let own = if self.tls() { 443 } else { 80 };
        match self.port {
            Some(port) if port != own => format!("{host}:{port}"),
            _ => host,
        }
    }

    /// With the path at which the vendor, as declared or told by the host, speaks OpenAI's dialects, where an address
    /// has none.
    pub fn rooted(mut self, vendor: Option<&Vendor>, dialect: Dialect) -> Address {
        let openai = matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
        let vendor = vendor.or_else(|| Vendor::of_host(&self.host));
        if let Some(vendor) = vendor.filter(|_| openai) {
            // Azure's portal shows the address with and without its last part.
            let part = vendor.root.strip_suffix("/v1") == Some(self.path.as_str());
            if self.path.is_empty() || part {
                vendor.root.clone_into(&mut self.path);
            }
        }
        self
    }

    /// Where calls of `dialect` go below this address.
    pub fn target(&self, dialect: Dialect) -> Target {
        let path = self.path.as_str();
        let (inference, count_tokens, models) = match dialect {
            Dialect::Anthropic => {
                let root = path.strip_suffix("/v1").unwrap_or(path);
                (
                    CallPath::Fixed(format!("{root}/v1/messages")),
                    Some(CallPath::Fixed(format!("{root}/v1/messages/count_tokens"))),
                    format!("{root}/v1/models"),
                )
            }
            Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                let root = if path.is_empty() { "/v1" } else { path };
                let root = root.trim_end_matches('/');
                let call = match dialect {
                    Dialect::OpenAiResponses => "responses",
                    _ => "chat/completions",
                };
                let count = format!("{root}/responses/input_tokens");
                (
                    CallPath::Fixed(format!("{root}/{call}")),
                    (dialect == Dialect::OpenAiResponses).then_some(CallPath::Fixed(count)),
                    format!("{root}/models"),
                )
            }
            Dialect::Gemini => {
                let root = if path.is_empty() { "/v1beta" } else { path };
                let call = |whole, stream| CallPath::PerModel {
                    before: format!("{root}/models/"),
                    whole,
                    stream,
                };
                (
                    call(":generateContent", ":streamGenerateContent?alt=sse"),
                    Some(call(":countTokens", ":countTokens")),
                    format!("{root}/models"),
                )
            }
        };
        Target {
            count_tokens,
            models: Some(models),
            ..self.target_at(inference)
        }
    }

    /// Where calls go when this is the whole URL.
    pub fn whole_target(&self) -> Target {
        let path = if self.path.is_empty() {
            "/"
        } else {
            &self.path
        };
        let inference = match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        self.target_at(CallPath::Fixed(inference))
    }

    /// Nothing but inference, at this path.
    pub fn target_at(&self, inference: CallPath) -> Target {
        Target {
            tls: self.tls(),
            host: self.host.clone(),
            port: self.effective_port(),
            authority: self.authority(),
            inference,
            count_tokens: None,
            models: None,
        }
    }
}

/// An address fit to be shown: without name and password, query and fragment.
pub fn masked(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    let tail = if tail.is_empty() { "" } else { "?***" };
    let start = head.find("://").map_or(0, |it| it + 3);
    let (scheme, rest) = head.split_at(start);
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}{tail}"),
        None => format!("{head}{tail}"),
    }
}

/// `host:port`, `[::1]:port`, or a host alone.
pub(super) fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| "has a `[` without `]` around the IPv6 address".to_owned())?;
            if !after.is_empty() && !after.starts_with(':') {
                return Err("has something other than a port after `]`".to_owned());
            }
            (host, after.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has an IPv6 address without brackets; write [::1]".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let Some(port) = port else {
        return Ok((host, None));
    };
    let digits = port.bytes().all(|it| it.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if number != 0 && digits => Ok((host, Some(number))),
        _ => Err("has a port that is not a number from 1 to 65535".to_owned()),
    }
}

/// A host name or address; the error is a remedy.
pub(super) fn check_host(host: &str) -> Result<String, String> {
    if host.contains('%') {
        return Err(
            "has an IPv6 zone or an escape in its host; write the plain address".to_owned(),
        );
    }
    if host.contains(':') {
        return host
            .parse::<Ipv6Addr>()
            .map(|_| host.to_ascii_lowercase())
            .map_err(|_| "has a host that is not an IPv6 address".to_owned());
    }
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_');
    let labels = host.trim_end_matches('.').split('.');
    if host.is_empty() || 253 < host.len() || !host.bytes().all(plain) {
        return Err("has no valid host name".to_owned());
    }
    if labels.into_iter().any(|it| it.is_empty() || 63 < it.len()) {
        return Err("has no valid host name".to_owned());
    }
    Ok(host.to_ascii_lowercase())
}

fn check_characters(text: &str) -> Result<(), String> {
    if text
        .chars()
        .any(|it| it.is_control() || it.is_whitespace() || it == '\\')
    {
        return Err(
            "holds a space, line break, control character or backslash; look at the end of the value"
                .to_owned(),
        );
    }
    if text.is_ascii() {
        Ok(())
    } else {
        Err("holds letters outside ASCII, which may only look like the right ones; write the host as xn--…".to_owned())
    }
}

fn check_path(path: &str) -> Result<(), String> {
    let dots = |it: &str| {
        matches!(
            it.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    if path.split('/').any(dots) {
        return Err("has `..` or `.` in its path; write the path it leads to".to_owned());
    }
    if path.is_empty() || path.parse::<http::uri::PathAndQuery>().is_ok() {
        Ok(())
    } else {
        Err("has characters in its path that must be escaped".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_addresses_are_refused_with_their_reason() {
        let table = [
            ("https://a.b\r\nx: y", "line break"),
            ("https://a.b/ ", "space"),
            ("https://u:p@a.b", "before `@`"),
            ("https://a.b/#x", "fragment"),
            ("https://a.b/?x=1", "query"),
            ("file:///etc/passwd", "must start with https:// or http://"),
            ("a.b", "must start with"),
            ("https://a.b:0", "port"),
            ("https://a.b:70000", "port"),
            ("https://a.b:+80", "port"),
            ("https://a.b:", "port"),
            ("https://[fe80::1%25eth0]/", "zone"),
            ("https://[::1", "without `]`"),
            ("https://::1/", "brackets"),
            ("https://a.b/v1/..", "`..`"),
            ("https://a.b/%2E%2e/x", "`..`"),
            ("https://аpi.b", "outside ASCII"),
            ("https://", "host"),
            ("https://a..b", "host"),
            ("https://a.b/v1/messages", "whole call"),
            ("https://a.b/v1/chat/completions/", "whole call"),
            ("https://a\\b", "backslash"),
        ];
        for (text, expected) in table {
            let error = Address::parse_base(text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn paths_are_joined_by_the_rule() {
        let table = [
            (
                "https://api.anthropic.com",
                Dialect::Anthropic,
                "/v1/messages",
            ),
            (
                "https://api.anthropic.com/v1/",
                Dialect::Anthropic,
                "/v1/messages",
            ),
            (
                "https://gaccode.com/claudecode",
                Dialect::Anthropic,
                "/claudecode/v1/messages",
            ),
            (
                "https://api.openai.com",
                Dialect::OpenAiChat,
                "/v1/chat/completions",
            ),
            (
                "https://openrouter.ai/api/v1",
                Dialect::OpenAiChat,
                "/api/v1/chat/completions",
            ),
            (
                "http://[::1]:8080/x",
                Dialect::OpenAiChat,
                "/x/chat/completions",
            ),
        ];
        for (text, dialect, expected) in table {
            let target = Address::parse_base(text).unwrap().target(dialect);
            assert_eq!(target.inference.of("m", false), expected, "{text}");
        }
    }

    #[test]
    fn authorities_carry_a_port_only_when_it_is_not_the_schemes_own() {
        let table = [
            ("https://A.b:443", "a.b"),
            ("http://a.b:443", "a.b:443"),
            ("http://[::1]:80", "[::1]"),
            ("http://[::1]:81", "[::1]:81"),
        ];
        for (text, expected) in table {
            assert_eq!(Address::parse_base(text).unwrap().authority(), expected);
        }
    }

    #[test]
    fn a_whole_url_may_have_a_query_but_no_credential() {
        let address = Address::parse_endpoint("https://a.b/x/v1/messages?api-version=1").unwrap();
        assert_eq!(
            address.whole_target().inference.of("m", false),
            "/x/v1/messages?api-version=1"
        );
        assert!(Address::parse_endpoint("https://a.b/x?api_key=1").is_err());
        assert!(Address::parse_endpoint("https://u@a.b/x").is_err());
    }

    #[test]
    fn masked_addresses_hold_no_credentials() {
        assert_eq!(masked("https://u:p@a.b/x?key=1#y"), "https://***@a.b/x?***");
        assert_eq!(masked("https://a.b/x"), "https://a.b/x");
        assert_eq!(masked("u:p@a.b"), "***@a.b");
    }
}
