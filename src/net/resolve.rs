//! Host names to addresses, resolved without blocking a worker, remembered briefly, and asked again when a
//! connection fails.
//!
//! Pingora's own constructor resolves on the calling thread and panics on failure; this never does either.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;

/// How long an answer is used before the name is asked again.
const FRESH: Duration = Duration::from_secs(30);
/// How long the last good answer is used while the name cannot be resolved.
const STALE: Duration = Duration::from_secs(600);
/// Longest wait for one resolution.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a name has no address.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The resolver said no.
    #[error("cannot resolve {host}: {source}")]
    Failed {
        /// The name.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The resolver said nothing in time.
    #[error("cannot resolve {0}: no answer within {PATIENCE:?}")]
    TimedOut(String),
    /// The resolver knows the name but no address.
    #[error("{0} has no address")]
    Empty(String),
}

struct Entry {
    addresses: Vec<IpAddr>,
    preferred: usize,
    /// Whether the first address stands in front because others failed.
    proven: bool,
    resolved: Instant,
}

/// Remembers addresses by host name. Shared by all requests.
#[derive(Default)]
pub struct Resolver {
    known: Mutex<HashMap<String, Entry>>,
}

impl Resolver {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The address to connect to. A literal address is itself.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, ResolveError> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(literal, port));
        }
        if let Some(address) = self.remembered(host, FRESH) {
            return Ok(SocketAddr::new(address, port));
        }
        match ask(host, port).await {
            Ok(addresses) => Ok(SocketAddr::new(self.remember(host, addresses)?, port)),
            Err(error) => match self.remembered(host, STALE) {
                Some(address) => Ok(SocketAddr::new(address, port)),
                None => Err(error),
            },
        }
    }

    /// Tells that `address` of `host` could not be connected to. Returns whether another address is worth a try.
    pub fn failed(&self, host: &str, address: IpAddr) -> bool {
        let mut known = self.known.lock();
        let Some(entry) = known.get_mut(host) else {
            return false;
        };
        if entry.addresses.get(entry.preferred) != Some(&address) {
            return true;
        }
        entry.preferred += 1;
        if entry.preferred < entry.addresses.len() {
            return true;
        }
        // All were tried: start over, and ask again before the next use.
        entry.preferred = 0;
        entry.proven = false;
        entry.resolved = entry.resolved.checked_sub(FRESH).unwrap_or(entry.resolved);
        false
    }

    fn remembered(&self, host: &str, within: Duration) -> Option<IpAddr> {
        let known = self.known.lock();
        let entry = known.get(host)?;
        if within <= entry.resolved.elapsed() {
            return None;
        }
        entry.addresses.get(entry.preferred).copied()
    }

    /// Remembers an answer. The address that was passed on to because those before it failed keeps its place in
    /// front, or every answer would cost somebody a failed connection again.
    fn remember(&self, host: &str, mut addresses: Vec<IpAddr>) -> Result<IpAddr, ResolveError> {
        let mut known = self.known.lock();
        let proven = known
            .get(host)
            .filter(|entry| 0 < entry.preferred || entry.proven)
            .and_then(|entry| entry.addresses.get(entry.preferred))
            .and_then(|proven| addresses.iter().position(|it| it == proven));
        if let Some(position) = proven {
            addresses.rotate_left(position);
        }
        let first = *addresses
            .first()
            .ok_or_else(|| ResolveError::Empty(host.to_owned()))?;
        let entry = Entry {
            addresses,
            preferred: 0,
            proven: proven.is_some(),
            resolved: Instant::now(),
        };
        known.insert(host.to_owned(), entry);
        Ok(first)
    }
}

/// All addresses of a name, as the system gives them.
pub(super) async fn ask(host: &str, port: u16) -> Result<Vec<IpAddr>, ResolveError> {
    let lookup = tokio::net::lookup_host((host, port));
    match tokio::time::timeout(PATIENCE, lookup).await {
        Err(_) => Err(ResolveError::TimedOut(host.to_owned())),
        Ok(Err(source)) => Err(ResolveError::Failed {
            host: host.to_owned(),
            source,
        }),
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|a| a.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_literal_address_is_itself_and_never_remembered() {
        let resolver = Resolver::new();
        let address = resolver.resolve("127.0.0.1", 80).await.unwrap();
        assert_eq!(address, "127.0.0.1:80".parse().unwrap());
        assert!(resolver.known.lock().is_empty());
    }

    #[tokio::test]
    async fn after_a_failure_the_next_address_is_tried_once_each() {
        let resolver = Resolver::new();
        let (one, two): (IpAddr, IpAddr) = ("::1".parse().unwrap(), "127.0.0.1".parse().unwrap());
        resolver.remember("two.test", vec![one, two]).unwrap();
        assert_eq!(resolver.resolve("two.test", 1).await.unwrap().ip(), one);
        assert!(resolver.failed("two.test", one));
        assert_eq!(resolver.resolve("two.test", 1).await.unwrap().ip(), two);
        assert!(!resolver.failed("two.test", two), "all were tried");
    }

    #[test]
    fn what_works_stays_in_front_as_long_as_it_does() {
        let resolver = Resolver::new();
        let (one, two): (IpAddr, IpAddr) = ("::1".parse().unwrap(), "127.0.0.1".parse().unwrap());
        let both = || resolver.remember("two.test", vec![one, two]).unwrap();
        assert_eq!(both(), one);
        assert!(resolver.failed("two.test", one));
        assert_eq!((both(), both()), (two, two));
        assert!(resolver.failed("two.test", two));
        assert!(!resolver.failed("two.test", one), "all were tried");
        assert_eq!(both(), one);
    }

    #[tokio::test]
    async fn the_last_good_address_outlives_the_name_server_for_ten_minutes() {
        let (resolver, name) = (Resolver::new(), "gone.invalid");
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        for (minutes, known) in [(1, true), (9, true), (10, false)] {
            resolver.remember(name, vec![address]).unwrap();
            let age = Duration::from_secs(minutes * 60);
            let Some(then) = Instant::now().checked_sub(age) else {
                continue; // the machine has not been up for that long
            };
            resolver.known.lock().get_mut(name).unwrap().resolved = then;
            assert_eq!(resolver.resolve(name, 1).await.is_ok(), known, "{minutes}");
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_with_the_name() {
        let error = Resolver::new()
            .resolve("no-such-host.invalid", 80)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no-such-host.invalid"),
            "{error}"
        );
    }
}
