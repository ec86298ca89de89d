//! Limits for each client address: requests, requests at once, and failed sign-ins.
//!
//! An address that has failed too often is refused without a look at what it shows, or guessing would go on. It is also
//! what everybody behind one proxy or one router has in common; see `docs/teams.md`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::access::limits::bucket::{Bucket, Rate};
use crate::error::{Fault, FaultKind};

/// Addresses that are remembered besides those with requests under way; the half that was seen longest ago goes when
/// there are more.
const MAX_ADDRESSES: usize = 16_384;

/// Limits of each address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressLimits {
    /// Requests.
    pub requests: Option<Rate>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// Failed sign-ins.
    pub failures: Option<Rate>,
    /// Failed sign-ins of this machine do not count: a proxy may stand here before everybody else.
    pub spares_loopback: bool,
}

/// What addresses have done.
#[derive(Debug, Default)]
pub struct Addresses {
    table: Mutex<HashMap<IpAddr, Visitor>>,
}

#[derive(Debug)]
struct Visitor {
    requests: Option<Bucket>,
    failures: Option<Bucket>,
    in_flight: u32,
    seen: Instant,
}

/// A request under way from an address; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.addresses.table.lock();
        if let Some(visitor) = table.get_mut(&self.address) {
            visitor.in_flight = visitor.in_flight.saturating_sub(1);
        }
    }
}

impl Addresses {
    /// Lets a request in, or says why not.
    pub fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &AddressLimits,
        now: Instant,
    ) -> Result<Option<Place>, Fault> {
        if limits.requests.is_none() && limits.max_concurrent.is_none() {
            return Ok(None);
        }
        let address = network(address);
        self.visit(address, now, |visitor| {
            if let Some(most) = limits.max_concurrent.filter(|it| *it <= visitor.in_flight) {
                let text = format!(
                    "this address may have {most} requests at once; try again when one has ended"
                );
                return Err(limited(Duration::from_secs(1), text));
            }
            if let Some(rate) = limits.requests {
                let bucket = visitor.requests.get_or_insert(Bucket::full(rate, now));
                if let Some(wait) = bucket.wait_for(rate, 1.0, now) {
                    let (most, span) = (rate.most, rate.span.as_secs_f64());
                    let text = format!("this address may make {most} requests in {span} s");
                    return Err(limited(wait, text));
                }
                bucket.take(1.0);
            }
            visitor.in_flight += 1;
            Ok(())
        })?;
        Ok(Some(Place {
            addresses: Arc::clone(self),
            address,
        }))
    }

    /// Whether an address may still try to sign in.
    pub fn may_sign_in(
        &self,
        address: IpAddr,
        limits: &AddressLimits,
        now: Instant,
    ) -> Result<(), Fault> {
        let Some(rate) = limits.failures_of(address) else {
            return Ok(());
        };
        // Nobody is remembered for asking.
        let mut table = self.table.lock();
        let failures = table
            .get_mut(&network(address))
            .and_then(|visitor| visitor.failures.as_mut());
        match failures.and_then(|bucket| bucket.wait_for(rate, 1.0, now)) {
            None => Ok(()),
            Some(wait) => {
                let text = "too many failed sign-ins from this address; look at the key, and try again later";
                Err(limited(wait, text.to_owned()))
            }
        }
    }

    /// An address has shown no key, or a wrong one.
    pub fn failed(&self, address: IpAddr, limits: &AddressLimits, now: Instant) {
        let Some(rate) = limits.failures_of(address) else {
            return;
        };
        self.visit(network(address), now, |visitor| {
            let bucket = visitor.failures.get_or_insert(Bucket::full(rate, now));
            // No debt: whoever goes on failing waits no longer than whoever stops.
            if bucket.wait_for(rate, 1.0, now).is_none() {
                bucket.take(1.0);
            }
        });
    }

    fn visit<T>(&self, address: IpAddr, now: Instant, change: impl FnOnce(&mut Visitor) -> T) -> T {
        let mut table = self.table.lock();
        if MAX_ADDRESSES <= table.len() && !table.contains_key(&address) {
            forget_half(&mut table);
        }
        let visitor = table.entry(address).or_insert(Visitor {
            requests: None,
            failures: None,
            in_flight: 0,
            seen: now,
        });
        visitor.seen = now;
        change(visitor)
    }
}

impl AddressLimits {
    fn failures_of(&self, address: IpAddr) -> Option<Rate> {
        let spared = self.spares_loopback && address.to_canonical().is_loopback();
        self.failures.filter(|_| !spared)
    }
}

/// Half at once, so that a flood of new addresses does not pay for a search each.
fn forget_half(table: &mut HashMap<IpAddr, Visitor>) {
    let mut seen: Vec<Instant> = table.values().map(|it| it.seen).collect();
    let half = seen.len() / 2;
    let (_, middle, _) = seen.select_nth_unstable(half);
    let middle = *middle;
    table.retain(|_, visitor| 0 < visitor.in_flight || middle < visitor.seen);
}

/// Who has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
    }
}

fn limited(after: Duration, text: String) -> Fault {
    Fault::new(FaultKind::RateLimited { after }, text)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const TWO: Rate = Rate {
        most: 2,
        span: Duration::from_secs(10),
    };

    #[test]
    fn requests_of_an_address_are_counted_and_its_places_come_back() {
        let (addresses, now) = (Arc::new(Addresses::default()), Instant::now());
        let limits = AddressLimits {
            requests: Some(TWO),
            max_concurrent: Some(1),
            ..AddressLimits::default()
        };
        let enter = |address: &str, now| addresses.enter(ip(address), &limits, now);
        let first = enter("192.0.2.1", now).unwrap();
        assert!(enter("192.0.2.1", now).is_err(), "one at once");
        assert!(enter("192.0.2.2", now).is_ok(), "each has its own");
        drop(first);
        drop(enter("192.0.2.1", now).unwrap());
        let late = enter("::ffff:192.0.2.1", now).unwrap_err();
        assert_eq!(
            late.kind,
            FaultKind::RateLimited {
                after: Duration::from_secs(5)
            }
        );
        assert!(enter("192.0.2.1", now + Duration::from_secs(5)).is_ok());
    }

    #[test]
    fn who_fails_too_often_is_not_looked_at_for_a_while() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        let limits = AddressLimits {
            failures: Some(TWO),
            spares_loopback: true,
            ..AddressLimits::default()
        };
        for address in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
            for _ in 0..9 {
                addresses.failed(ip(address), &limits, now);
            }
        }
        let may = |address, now| addresses.may_sign_in(ip(address), &limits, now).is_ok();
        assert!(!may("192.0.2.1", now));
        assert!(!may("2001:db8::ffff", now), "the same network");
        assert!(may("2001:db8:0:1::1", now));
        assert!(may("192.0.2.2", now));
        assert!(may("127.0.0.1", now));
        assert!(may("192.0.2.1", now + Duration::from_secs(5)), "no debt");
    }

    #[test]
    fn strangers_fill_no_memory() {
        let addresses = Arc::new(Addresses::default());
        let start = Instant::now();
        let limits = AddressLimits {
            requests: Some(TWO),
            ..AddressLimits::default()
        };
        let staying = addresses.enter(ip("10.0.0.1"), &limits, start).unwrap();
        for i in 0..60_000_u32 {
            let address = IpAddr::V4(Ipv4Addr::from(i + 0xc000_0000));
            let now = start + Duration::from_millis(u64::from(i));
            drop(addresses.enter(address, &limits, now).unwrap());
        }
        let table = addresses.table.lock();
        assert!(table.len() <= MAX_ADDRESSES, "{}", table.len());
        assert!(
            table.contains_key(&ip("10.0.0.1")),
            "a request is under way"
        );
        drop(table);
        drop(staying);
    }
}
