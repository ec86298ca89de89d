//! The circuit of one endpoint: closed, open for a while, half-open with one trial at a time.
//!
//! It counts errors of *different* requests: a client that repeats one poisonous request must not open every
//! circuit it meets, so repeats (same fingerprint) count once a window. FAILURES §3 of the design is the policy.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a circuit opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Errors that open it.
    pub threshold: u32,
    /// Within this time; zero never forgets.
    pub window: Duration,
    /// How long it stays open the first time; doubles on each trip without a success between.
    pub cooldown: Duration,
    /// Whether a success zeroes the count.
    pub reset_on_success: bool,
}

/// Longest time a circuit stays open, however often it trips.
const MAX_COOLDOWN: Duration = Duration::from_secs(30 * 60);
/// The rate rule: half of at least so many results …
const RATE_MIN: usize = 10;
/// … within this time.
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// Results remembered for the rate rule.
const RATE_KEPT: usize = 256;

/// Errors remembered at least, if so many are within the window; a threshold above it is remembered whole.
const ERRORS_KEPT: usize = 256;

/// Where a circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests flow.
    Closed,
    /// No requests until then.
    Open {
        /// When the next trial may start.
        until: Instant,
    },
    /// One trial at a time decides.
    HalfOpen {
        /// Whether the trial is under way.
        trial: bool,
    },
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Pass,
    /// It may, as the one trial; its end must be told (`success`, `error` or `abandon`).
    Trial,
    /// It may not until then; `None` while a trial decides.
    Refused(Option<Instant>),
}

/// What an error did to the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Errors counted now.
    pub count: u32,
    /// Errors that open the circuit.
    pub threshold: u32,
    /// Whether this one opened it, and for how long.
    pub opened: Option<Duration>,
    /// Whether it does not count, and why.
    pub ignored: Option<Ignored>,
}

/// Why an error does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The client has sent this very request before, and it was counted then.
    Repeat,
    /// The request began before the circuit opened last: it tells of an outage that is known already.
    Late,
}

/// One circuit.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
    /// Errors within the window: when, and which request.
    errors: VecDeque<(Instant, Option<u64>)>,
    /// Results for the rate rule: when, and whether good.
    results: VecDeque<(Instant, bool)>,
    /// Trips without a success between.
    trips: u32,
    /// When it opened last.
    opened: Option<Instant>,
    /// When it closed again last.
    closed: Option<Instant>,
}

impl Breaker {
    /// Closed, nothing counted.
    pub fn new(policy: BreakerPolicy) -> Self {
        Breaker {
            policy,
            state: BreakerState::Closed,
            errors: VecDeque::new(),
            results: VecDeque::new(),
            trips: 0,
            opened: None,
            closed: None,
        }
    }

    /// Takes a new policy and keeps what was counted.
    pub fn set_policy(&mut self, policy: BreakerPolicy) {
        self.policy = policy;
    }

    /// Whether a request may pass now.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            BreakerState::Closed => Admission::Pass,
            BreakerState::Open { until } if now < until => Admission::Refused(Some(until)),
            BreakerState::Open { .. } | BreakerState::HalfOpen { trial: false } => {
                self.state = BreakerState::HalfOpen { trial: true };
                Admission::Trial
            }
            BreakerState::HalfOpen { trial: true } => Admission::Refused(None),
        }
    }

    /// What [`Breaker::admit`] would say, without taking the trial.
    pub fn peek(&self, now: Instant) -> Admission {
        match self.state {
            BreakerState::Closed => Admission::Pass,
            BreakerState::Open { until } if now < until => Admission::Refused(Some(until)),
            BreakerState::Open { .. } | BreakerState::HalfOpen { trial: false } => Admission::Trial,
            BreakerState::HalfOpen { trial: true } => Admission::Refused(None),
        }
    }

    /// A request that `began` then was answered well. One that began before the circuit opened says nothing about it:
    /// long streams often outlive an outage of everything new.
    pub fn success(&mut self, began: Instant, now: Instant) {
        if self.state != BreakerState::Closed && self.is_late(began) {
            return;
        }
        self.remember(now, true);
        if self.policy.reset_on_success || self.state != BreakerState::Closed {
            self.errors.clear();
        }
        self.trips = 0;
        self.close(now);
    }

    /// A trial has shown content: requests may flow again, but the errors stay counted until an answer is whole, so
    /// that an endpoint which cuts every stream opens again at once. `began` as for [`Breaker::success`].
    pub fn promising(&mut self, began: Instant) {
        if matches!(self.state, BreakerState::HalfOpen { .. }) && !self.is_late(began) {
            // Well since the trial began, as far as anybody knows.
            self.close(began);
        }
    }

    /// A request that `began` then met an error that counts. `fingerprint` tells repeats of one request apart from
    /// different ones. Requests that stalled through the whole cooldown must not take the trial's word away.
    pub fn error(&mut self, began: Instant, now: Instant, fingerprint: Option<u64>) -> Counted {
        self.forget(now);
        let known =
            fingerprint.is_some() && self.errors.iter().any(|(_, seen)| *seen == fingerprint);
        let ignored = if self.is_late(began) {
            Some(Ignored::Late)
        } else {
            known.then_some(Ignored::Repeat)
        };
        if ignored.is_none() {
            self.errors.push_back((now, fingerprint));
            self.trim();
            self.remember(now, false);
        }
        let tripped = match self.state {
            _ if ignored == Some(Ignored::Late) => false,
            BreakerState::HalfOpen { .. } => true,
            BreakerState::Closed => self.policy.threshold <= self.count() || self.rate_is_bad(now),
            BreakerState::Open { .. } => false,
        };
        let opened = tripped.then(|| self.open(now));
        Counted {
            count: self.count(),
            threshold: self.policy.threshold,
            opened,
            ignored,
        }
    }

    /// The trial that was admitted then ended without saying anything about the endpoint.
    pub fn abandon(&mut self, admitted: Instant) {
        if self.state == (BreakerState::HalfOpen { trial: true }) && !self.is_late(admitted) {
            self.state = BreakerState::HalfOpen { trial: false };
        }
    }

    /// Opens the circuit from outside (a probe), unless it is open already.
    pub fn trip(&mut self, now: Instant) -> Option<Duration> {
        match self.state {
            BreakerState::Open { .. } => None,
            BreakerState::Closed | BreakerState::HalfOpen { .. } => Some(self.open(now)),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Since when it is closed; `None` for one that never opened, or is not closed.
    pub fn closed_since(&self) -> Option<Instant> {
        self.closed.filter(|_| self.state == BreakerState::Closed)
    }

    /// Errors counted within the window.
    pub fn count(&self) -> u32 {
        u32::try_from(self.errors.len()).unwrap_or(u32::MAX)
    }

    /// Drops errors that left the window.
    pub fn forget(&mut self, now: Instant) {
        if self.policy.window.is_zero() {
            return;
        }
        while self
            .errors
            .front()
            .is_some_and(|(at, _)| self.policy.window <= now.duration_since(*at))
        {
            self.errors.pop_front();
        }
    }

    /// Bounds the memory: beyond what opens the circuit, errors only tell repeats apart.
    fn trim(&mut self) {
        let most = usize::try_from(self.policy.threshold).unwrap_or(usize::MAX);
        while ERRORS_KEPT.max(most) < self.errors.len() {
            self.errors.pop_front();
        }
    }

    fn close(&mut self, now: Instant) {
        if self.state != BreakerState::Closed {
            self.closed = Some(now);
        }
        self.state = BreakerState::Closed;
    }

    /// Whether a request began before the circuit opened last.
    fn is_late(&self, began: Instant) -> bool {
        self.opened.is_some_and(|opened| began < opened)
    }

    fn open(&mut self, now: Instant) -> Duration {
        let doubled = self
            .policy
            .cooldown
            .saturating_mul(1_u32 << self.trips.min(16));
        let cooldown = doubled.min(MAX_COOLDOWN.max(self.policy.cooldown));
        self.trips = self.trips.saturating_add(1);
        self.opened = Some(now);
        self.state = BreakerState::Open {
            until: now + cooldown,
        };
        self.results.clear();
        cooldown
    }

    fn remember(&mut self, now: Instant, good: bool) {
        if RATE_KEPT <= self.results.len() {
            self.results.pop_front();
        }
        self.results.push_back((now, good));
    }

    fn rate_is_bad(&self, now: Instant) -> bool {
        let recent = self
            .results
            .iter()
            .filter(|(at, _)| now.duration_since(*at) < RATE_WINDOW);
        let (all, bad) = recent.fold((0, 0), |(all, bad), (_, good)| {
            (all + 1, bad + usize::from(!good))
        });
        RATE_MIN <= all && all <= bad * 2
    }
}

#[cfg(test)]
mod tests;
