//! `NO_PROXY`: the hosts that are called without a proxy that the environment names. There is no standard; this is what
//! curl, Go and Python have in common, and where they differ, what spares more.

use std::net::IpAddr;

use crate::types::Network;

/// The hosts that are spared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    who: Who,
    /// Only this port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    /// One address, or a range of them.
    Addresses(Network),
    /// A name and everything below it.
    Domain(String),
}

impl NoProxy {
    /// Entries between commas or spaces; one that makes no sense spares nobody.
    pub fn new(text: &str) -> Self {
        let entries = text.split(|it: char| it == ',' || it.is_whitespace());
        NoProxy(entries.filter_map(entry).collect())
    }

    /// Whether `host`, a name or an address without brackets, is called without a proxy. This machine always is: a
    /// proxy elsewhere cannot reach what listens here.
    pub fn spares(&self, host: &str, port: u16) -> bool {
        let host = tidy(host);
        let address: Option<IpAddr> = host.parse().ok();
        let here = match address {
            Some(address) => address.to_canonical().is_loopback(),
            None => host == "localhost" || host.ends_with(".localhost"),
        };
        here || self.0.iter().any(|it| it.spares(&host, address, port))
    }
}

impl Entry {
    fn spares(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        if self.port.is_some_and(|it| it != port) {
            return false;
        }
        match &self.who {
            Who::Everybody => true,
            Who::Addresses(network) => address.is_some_and(|it| network.contains(it)),
            Who::Domain(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        }
    }
}

fn entry(text: &str) -> Option<Entry> {
    if text == "*" {
        return Some(Entry {
            who: Who::Everybody,
            port: None,
        });
    }
    if let Ok(network) = text.parse() {
        let who = Who::Addresses(network);
        return Some(Entry { who, port: None });
    }
    let (host, port) = with_port(text)?;
    if let Ok(network) = host.parse() {
        let who = Who::Addresses(network);
        return Some(Entry { who, port });
    }
    let domain = host.strip_prefix('*').unwrap_or(host);
    let domain = tidy(domain.trim_start_matches('.'));
    let is_name = !domain.is_empty() && !domain.contains(['/', ':', '*']);
    is_name.then_some(Entry {
        who: Who::Domain(domain),
        port,
    })
}

/// `host:80`, `[::1]:80`, `[::1]` or a host alone.
fn with_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match port.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => port.is_empty().then_some((host, None)),
    }
}

fn tidy(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_spared_by_the_book() {
        let table: &[(&str, &str, u16, bool)] = &[
            ("example.com", "example.com", 443, true),
            ("example.com", "Api.Example.com.", 443, true),
            ("example.com", "badexample.com", 443, false),
            ("example.com", "example.com.evil", 443, false),
            (".example.com", "api.example.com", 443, true),
            (".example.com", "example.com", 443, true),
            ("*.example.com", "api.example.com", 443, true),
            ("example.com.", "example.com", 443, true),
            ("EXAMPLE.com", "example.com", 443, true),
            ("example.com:8443", "example.com", 8443, true),
            ("example.com:8443", "example.com", 443, false),
            ("example.com:x", "example.com", 443, false),
            ("*", "anything", 1, true),
            ("a, b.c ,d", "x.b.c", 443, true),
            ("a b", "b", 443, true),
            ("a,,b", "c", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.0.0.0/8", "ten.example", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 80, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("10.1.2.3", "110.1.2.3", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("[fd00::1]", "fd00::1", 443, true),
            ("[fd00::1]:443", "fd00::1", 443, true),
            ("[fd00::1]:443", "fd00::1", 80, false),
            ("fd00::1", "fd00::1", 443, true),
            ("10.1.2.3", "::ffff:10.1.2.3", 443, true),
            ("1/2", "1/2", 443, false),
            ("", "localhost", 8080, true),
            ("", "app.localhost", 8080, true),
            ("", "127.9.9.9", 8080, true),
            ("", "::1", 8080, true),
            ("", "notlocalhost", 8080, false),
            ("", "10.0.0.1", 8080, false),
        ];
        for (list, host, port, spared) in table {
            assert_eq!(
                NoProxy::new(list).spares(host, *port),
                *spared,
                "{list} {host}:{port}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_list_breaks_it_and_who_is_named_is_spared(list in "[ -~]{0,40}", host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}") {
            NoProxy::new(&list).spares(&host, 443);
            let named = NoProxy::new(&format!("{host},x y"));
            let (below, other) = (format!("below.{host}"), format!("{host}.test"));
            proptest::prop_assert!(named.spares(&host, 443) && named.spares(&below, 1));
            proptest::prop_assert!(!named.spares(&other, 443));
        }
    }
}
