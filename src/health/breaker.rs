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
    /// Whether it was a repeat that does not count.
    pub repeat: bool,
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
        self.remember(now, true);
        let is_open = self.state != BreakerState::Closed;
        if is_open && self.opened.is_some_and(|opened| began < opened) {
            return;
        }
        if self.policy.reset_on_success || self.state != BreakerState::Closed {
            self.errors.clear();
        }
        self.trips = 0;
        self.close(now);
    }

    /// A trial has shown content: requests may flow again, but the errors stay counted until an answer is whole, so
    /// that an endpoint which cuts every stream opens again at once.
    pub fn promising(&mut self, now: Instant) {
        if matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.close(now);
        }
    }

    /// A request met an error that counts. `fingerprint` tells repeats of one request apart from different ones.
    pub fn error(&mut self, now: Instant, fingerprint: Option<u64>) -> Counted {
        self.forget(now);
        let repeat =
            fingerprint.is_some() && self.errors.iter().any(|(_, seen)| *seen == fingerprint);
        if !repeat {
            self.errors.push_back((now, fingerprint));
            self.trim();
            self.remember(now, false);
        }
        let tripped = match self.state {
            BreakerState::HalfOpen { .. } => true,
            BreakerState::Closed => self.policy.threshold <= self.count() || self.rate_is_bad(now),
            BreakerState::Open { .. } => false,
        };
        let opened = tripped.then(|| self.open(now));
        Counted {
            count: self.count(),
            threshold: self.policy.threshold,
            opened,
            repeat,
        }
    }

    /// The trial ended without saying anything about the endpoint.
    pub fn abandon(&mut self) {
        if self.state == (BreakerState::HalfOpen { trial: true }) {
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
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        threshold: 2,
        window: Duration::from_secs(300),
        cooldown: Duration::from_secs(180),
        reset_on_success: true,
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn opens_at_the_threshold_and_lets_one_trial_decide() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        assert_eq!(breaker.error(t, None).opened, None);
        let second = breaker.error(after(t, 1), None);
        assert_eq!(
            (second.count, second.opened),
            (2, Some(Duration::from_secs(180)))
        );
        assert_eq!(
            breaker.admit(after(t, 2)),
            Admission::Refused(Some(after(t, 181)))
        );
        assert_eq!(breaker.admit(after(t, 181)), Admission::Trial);
        assert_eq!(
            breaker.admit(after(t, 181)),
            Admission::Refused(None),
            "one trial at a time"
        );
        breaker.success(after(t, 181), after(t, 182));
        assert_eq!(breaker.admit(after(t, 182)), Admission::Pass);
        assert_eq!(breaker.count(), 0);
    }

    #[test]
    fn a_failed_trial_doubles_the_cooldown_up_to_half_an_hour() {
        let (mut breaker, mut t) = (Breaker::new(POLICY), Instant::now());
        breaker.error(t, None);
        breaker.error(t, None);
        for expected in [360, 720, 1440, 1800, 1800] {
            t += Duration::from_secs(1800);
            assert_eq!(breaker.admit(t), Admission::Trial);
            assert_eq!(
                breaker.error(t, None).opened,
                Some(Duration::from_secs(expected))
            );
        }
    }

    #[test]
    fn a_promising_trial_that_breaks_opens_again_at_once() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        breaker.error(t, None);
        breaker.error(t, None);
        assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
        breaker.promising(after(t, 200));
        assert_eq!(breaker.admit(after(t, 200)), Admission::Pass);
        assert!(breaker.error(after(t, 201), None).opened.is_some());
    }

    #[test]
    fn a_stream_from_before_the_outage_closes_nothing() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        breaker.error(after(t, 1), None);
        breaker.error(after(t, 2), None);
        breaker.success(t, after(t, 3));
        assert_eq!(
            breaker.admit(after(t, 4)),
            Admission::Refused(Some(after(t, 182)))
        );
        breaker.success(after(t, 5), after(t, 6));
        assert_eq!(breaker.admit(after(t, 7)), Admission::Pass);
    }

    #[test]
    fn an_abandoned_trial_leaves_the_place_to_the_next() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        breaker.error(t, None);
        breaker.error(t, None);
        assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
        breaker.abandon();
        assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
    }

    #[test]
    fn repeats_of_one_request_count_once_and_different_ones_each() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        for i in 0..5 {
            let counted = breaker.error(after(t, i), Some(7));
            assert_eq!(
                (counted.count, counted.repeat, counted.opened),
                (1, 0 < i, None)
            );
        }
        assert!(breaker.error(after(t, 6), Some(8)).opened.is_some());
    }

    #[test]
    fn errors_older_than_the_window_are_forgotten() {
        let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
        breaker.error(t, None);
        assert_eq!(breaker.error(after(t, 300), None).count, 1);
    }

    #[test]
    fn errors_are_bounded_and_a_high_threshold_is_reached_all_the_same() {
        for window in [Duration::ZERO, Duration::from_secs(300)] {
            let policy = BreakerPolicy {
                threshold: 300,
                window,
                ..POLICY
            };
            let (mut breaker, t) = (Breaker::new(policy), Instant::now());
            // Successes in between keep the rate good; they do not zero the count here.
            breaker.policy.reset_on_success = false;
            for i in 1..=300 {
                assert_eq!(breaker.error(t, None).opened.is_some(), i == 300, "{i}");
                (0..2).for_each(|_| breaker.remember(t, true));
            }
            for _ in 0..1000 {
                breaker.error(t, None);
            }
            assert_eq!(breaker.count(), 300);
        }
    }

    #[test]
    fn half_of_ten_results_open_it_even_when_successes_zero_the_count() {
        let (mut breaker, t) = (
            Breaker::new(BreakerPolicy {
                threshold: 100,
                ..POLICY
            }),
            Instant::now(),
        );
        for i in 0..4 {
            breaker.success(after(t, i), after(t, i));
            assert_eq!(breaker.error(after(t, i), None).opened, None);
        }
        breaker.success(after(t, 5), after(t, 5));
        assert!(breaker.error(after(t, 5), None).opened.is_some());
    }
}
