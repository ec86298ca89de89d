//! What keys have used, and whether one more request is within their limits.
//!
//! [`Counters`] is a trait so that replicas may share them later: an implementation that asks others keeps a local
//! share and settles in the background, because a request never waits for a count. [`LocalCounters`] is this process's.
//!
//! Before a call nobody knows what it will cost. What is reserved is the prompt's estimated size times what earlier
//! calls of the key came to for each estimated token: the sessions of coding agents are read from the provider's cache
//! for the most part, and to reserve them whole would leave room for one at a time. What was reserved is replaced by what
//! was used when the call has ended.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::access::limits::bucket::{Bucket, Rate};
use crate::access::limits::budget::{Caps, Reached, Spent};
use crate::types::{Clock, Day, MicroUsd};

/// How much of what was known a new call replaces in the estimate of the next.
const NEWS: f64 = 0.2;
/// Millionths of a dollar that a token of a prompt is taken to cost before anything is known: a dear model's price.
const FIRST_PRICE: f64 = 15.0;

/// Limits of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// Dollars.
    pub caps: Caps,
}

impl Limits {
    /// Whether the size of a prompt matters.
    pub fn count_tokens(&self) -> bool {
        self.tpm.is_some() || !self.caps.is_empty()
    }
}

/// One time on both faces of a clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For measuring.
    pub now: Instant,
    /// For days.
    pub wall: SystemTime,
}

impl Moment {
    /// What a clock shows.
    pub fn of(clock: &Clock) -> Self {
        Moment {
            now: clock.now(),
            wall: clock.wall(),
        }
    }
}

/// The limit that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Requests a minute.
    Requests {
        /// The limit.
        most: u64,
        /// Until there is room for one.
        wait: Duration,
    },
    /// Tokens a minute.
    Tokens {
        /// The limit.
        most: u64,
        /// Until there is room for this request.
        wait: Duration,
    },
    /// Requests at once.
    Concurrency {
        /// The limit.
        most: u32,
    },
    /// Money.
    Budget(Reached),
}

/// What is held for a call under way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reserved {
    /// The prompt's estimated size.
    prompt: u64,
    tokens: f64,
    micros: u64,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens that count against limits.
    pub tokens: u64,
    /// Its price.
    pub cost: MicroUsd,
}

/// What is left of one limit: the limit, the rest, and when all of it is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub most: u64,
    /// The rest.
    pub left: u64,
    /// Until it is full.
    pub full_in: Duration,
}

/// What is left of the limits a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests.
    pub requests: Option<Left>,
    /// Tokens.
    pub tokens: Option<Left>,
}

/// Counts what keys use, by their names.
pub trait Counters: fmt::Debug + Send + Sync {
    /// Lets a request with a prompt of about so many tokens in and reserves what it may use, or says what stands in the
    /// way; then nothing is taken.
    fn admit(
        &self,
        key: &str,
        limits: &Limits,
        prompt: u64,
        at: Moment,
    ) -> Result<Reserved, Denied>;

    /// The call has ended: what was reserved is replaced by what was used.
    fn settle(&self, key: &str, reserved: Reserved, used: Option<Used>, day: Day);

    /// What is left.
    fn standing(&self, key: &str, limits: &Limits, now: Instant) -> Standing;

    /// What it has spent on that day and in its month; what is reserved does not count.
    fn spent(&self, key: &str, day: Day) -> Spent;

    /// Somebody else's count, for example the ledger's.
    fn spent_at_least(&self, key: &str, spent: Spent);
}

/// The counters of this process.
#[derive(Debug, Default)]
pub struct LocalCounters {
    /// As many as there are names in the configuration, and in those before it.
    accounts: Mutex<HashMap<Arc<str>, Account>>,
}

#[derive(Debug)]
struct Account {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    in_flight: u32,
    spent: Spent,
    reserved: MicroUsd,
    /// Counted tokens for each estimated one.
    tokens_each: f64,
    /// Millionths of a dollar for each estimated one.
    micros_each: f64,
}

impl Account {
    fn new(day: Day) -> Self {
        Account {
            requests: None,
            tokens: None,
            in_flight: 0,
            spent: Spent::nothing(day),
            reserved: MicroUsd(0),
            tokens_each: 1.0,
            micros_each: FIRST_PRICE,
        }
    }

    fn admit(&mut self, limits: &Limits, prompt: u64, at: Moment) -> Result<Reserved, Denied> {
        self.spent.roll(Day::of(at.wall));
        if let Some(reached) = self.spent.reached(&limits.caps, self.reserved) {
            return Err(Denied::Budget(reached));
        }
        if let Some(most) = limits.max_concurrent.filter(|it| *it <= self.in_flight) {
            return Err(Denied::Concurrency { most });
        }
        let reserved = self.estimate(limits, prompt);
        let requests = limits.rpm.map(Rate::a_minute);
        let tokens = limits.tpm.map(Rate::a_minute);
        let mut requests = filled(&mut self.requests, requests, at.now);
        let mut tokens = filled(&mut self.tokens, tokens, at.now);
        if let Some((bucket, rate)) = &mut requests
            && let Some(wait) = bucket.wait_for(*rate, 1.0, at.now)
        {
            let most = rate.most;
            return Err(Denied::Requests { most, wait });
        }
        if let Some((bucket, rate)) = &mut tokens {
            if let Some(wait) = bucket.wait_for(*rate, reserved.tokens, at.now) {
                let most = rate.most;
                return Err(Denied::Tokens { most, wait });
            }
            bucket.take(reserved.tokens);
        }
        if let Some((bucket, _)) = requests {
            bucket.take(1.0);
        }
        self.in_flight += 1;
        self.reserved = self.reserved.plus(MicroUsd(reserved.micros));
        Ok(reserved)
    }

    fn estimate(&self, limits: &Limits, prompt: u64) -> Reserved {
        let each = |rate: f64| (prompt as f64 * rate).max(0.0);
        let micros = MicroUsd::of_dollars(each(self.micros_each) / 1e6).0;
        Reserved {
            prompt,
            tokens: limits.tpm.map_or(0.0, |_| each(self.tokens_each).max(1.0)),
            micros: if limits.caps.is_empty() { 0 } else { micros },
        }
    }

    fn settle(&mut self, reserved: Reserved, used: Option<Used>, day: Day) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.reserved = self.reserved.minus(MicroUsd(reserved.micros));
        let counted = used.unwrap_or_default();
        if let Some(bucket) = &mut self.tokens {
            bucket.give_back(reserved.tokens);
            bucket.take(counted.tokens as f64);
        }
        self.spent.add(day, counted.cost);
        if let Some(used) = used.filter(|_| 0 < reserved.prompt) {
            let prompt = reserved.prompt as f64;
            let learn = |known: &mut f64, now: f64| *known += NEWS * (now - *known);
            learn(&mut self.tokens_each, used.tokens as f64 / prompt);
            learn(&mut self.micros_each, used.cost.0 as f64 / prompt);
        }
    }
}

/// The bucket of a limit, made when it is first wanted, gone with the limit.
fn filled(
    bucket: &mut Option<Bucket>,
    rate: Option<Rate>,
    now: Instant,
) -> Option<(&mut Bucket, Rate)> {
    let Some(rate) = rate else {
        *bucket = None;
        return None;
    };
    Some((bucket.get_or_insert_with(|| Bucket::full(rate, now)), rate))
}

impl LocalCounters {
    fn with<T>(&self, key: &str, day: Day, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock();
        if let Some(account) = accounts.get_mut(key) {
            return change(account);
        }
        let account = accounts.entry(key.into()).or_insert(Account::new(day));
        change(account)
    }
}

impl Counters for LocalCounters {
    fn admit(
        &self,
        key: &str,
        limits: &Limits,
        prompt: u64,
        at: Moment,
    ) -> Result<Reserved, Denied> {
        self.with(key, Day::of(at.wall), |account| {
            account.admit(limits, prompt, at)
        })
    }

    fn settle(&self, key: &str, reserved: Reserved, used: Option<Used>, day: Day) {
        self.with(key, day, |account| account.settle(reserved, used, day));
    }

    fn standing(&self, key: &str, limits: &Limits, now: Instant) -> Standing {
        let mut accounts = self.accounts.lock();
        let Some(account) = accounts.get_mut(key) else {
            return Standing::default();
        };
        let left = |bucket: &mut Option<Bucket>, most: Option<u64>| {
            let (rate, bucket) = (Rate::a_minute(most?), bucket.as_mut()?);
            let (left, full_in) = bucket.view(rate, now);
            Some(Left {
                most: rate.most,
                left,
                full_in,
            })
        };
        Standing {
            requests: left(&mut account.requests, limits.rpm),
            tokens: left(&mut account.tokens, limits.tpm),
        }
    }

    fn spent(&self, key: &str, day: Day) -> Spent {
        let accounts = self.accounts.lock();
        let known = accounts.get(key).map(|account| account.spent);
        let mut spent = known.unwrap_or_else(|| Spent::nothing(day));
        spent.roll(day);
        spent
    }

    fn spent_at_least(&self, key: &str, spent: Spent) {
        self.with(key, spent.day, |account| account.spent.at_least(spent));
    }
}

#[cfg(test)]
mod tests;
