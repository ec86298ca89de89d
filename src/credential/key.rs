//! One key of an endpoint: whether it may be used, how busy it is, and how much room its provider leaves it.
//!
//! Keys outlive configurations: a reload that names the same key finds it as it was, and a request that ends after the
//! reload still tells the key what it has learnt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::told::{Allowance, Told};
use crate::types::{Recent, Secret};

/// Seconds of the operator's own limits.
const MINUTE: u16 = 60;
/// Time after which a limit counts as whole again whose reset was not told.
const USUAL_RESET: Duration = Duration::from_secs(60);
/// Why a key rests that has used up the operator's own limits.
const OWN_PACE: &str = "as many as rpm and tpm allow";

/// The operator's own limits for each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute. They are known once an answer is whole: the last request may pass the limit.
    pub tpm: Option<u64>,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) secret: Secret,
    in_flight: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    resting: Option<(Instant, &'static str)>,
    benched: Option<String>,
    used: u64,
    requests: Recent,
    tokens: Recent,
    told_requests: Option<Learnt>,
    told_tokens: Option<Learnt>,
}

#[derive(Clone, Copy, Debug)]
struct Learnt {
    allowance: Allowance,
    at: Instant,
}

/// A request under way with a key, for as long as it lives.
#[derive(Debug)]
pub struct KeyUse(Arc<Key>);

impl Drop for KeyUse {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What people may see of a key.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Both ends of it.
    pub masked: String,
    /// When it may be used again.
    pub cooling: Option<Duration>,
    /// Why it rests or is benched.
    pub why: Option<String>,
    /// Benched until reload or a good probe.
    pub benched: bool,
    /// Attempts made with it.
    pub used: u64,
    /// Attempts under way.
    pub in_flight: usize,
    /// The part of its tightest limit that is left, from 0 to 1; 1 where no limit is known.
    pub room: f64,
    /// Requests that the provider or the operator still allows, as far as that is known.
    pub requests_left: Option<u64>,
    /// Tokens likewise.
    pub tokens_left: Option<u64>,
}

/// Why a key may not be used now, and until when; for ever without a moment.
struct Refusal {
    until: Option<Instant>,
    why: String,
}

impl Key {
    pub(super) fn new(secret: Secret, now: Instant) -> Arc<Self> {
        Arc::new(Key {
            secret,
            in_flight: AtomicUsize::new(0),
            state: Mutex::new(State {
                resting: None,
                benched: None,
                used: 0,
                requests: Recent::over(MINUTE, now),
                tokens: Recent::over(MINUTE, now),
                told_requests: None,
                told_tokens: None,
            }),
        })
    }

    /// The room of a key that may be used now; `None` when it may not.
    pub(super) fn usable(&self, now: Instant, pace: Pace) -> Option<f64> {
        let mut state = self.state.lock();
        if state.refusal(now, pace).is_some() {
            return None;
        }
        Some(state.room(now, pace))
    }

    /// Counts a use, unless another request was quicker and the key may not be used any more.
    pub(super) fn take(&self, now: Instant, pace: Pace) -> bool {
        let mut state = self.state.lock();
        if state.refusal(now, pace).is_some() {
            return false;
        }
        state.used = state.used.saturating_add(1);
        state.requests.add(now, 1);
        true
    }

    /// A request under way.
    pub(super) fn begin(self: &Arc<Self>) -> KeyUse {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        KeyUse(Arc::clone(self))
    }

    /// Rests until then; a longer rest stays.
    pub(super) fn rest(&self, until: Instant, why: &'static str) {
        let mut state = self.state.lock();
        if state.resting.is_none_or(|(before, _)| before < until) {
            state.resting = Some((until, why));
        }
    }

    /// Out of use, or back in it.
    pub(super) fn set_benched(&self, why: Option<String>) {
        self.state.lock().benched = why;
    }

    /// Until when it rested last; `None` if it never did.
    pub(super) fn rested_until(&self) -> Option<Instant> {
        self.state.lock().resting.map(|(until, _)| until)
    }

    pub(super) fn is_benched(&self) -> bool {
        self.state.lock().benched.is_some()
    }

    /// An answer has told about its limits.
    pub(super) fn learn(&self, now: Instant, told: Told) {
        let mut state = self.state.lock();
        let learnt = |allowance| Learnt { allowance, at: now };
        state.told_requests = told.requests.map(learnt).or(state.told_requests);
        state.told_tokens = told.tokens.map(learnt).or(state.told_tokens);
    }

    /// An answer has cost so many tokens.
    pub(super) fn spent(&self, now: Instant, tokens: u64) {
        self.state.lock().tokens.add(now, tokens);
    }

    /// When it may be used again; `None` when it may now, or never.
    pub(super) fn usable_at(&self, now: Instant, pace: Pace) -> Option<Instant> {
        self.state.lock().refusal(now, pace)?.until
    }

    pub(super) fn view(&self, now: Instant, pace: Pace) -> KeyView {
        let mut state = self.state.lock();
        let refusal = state.refusal(now, pace);
        let until = refusal.as_ref().and_then(|it| it.until);
        let own_requests = pace
            .rpm
            .map(|rpm| rpm.saturating_sub(state.requests.sum(now)));
        let own_tokens = pace
            .tpm
            .map(|tpm| tpm.saturating_sub(state.tokens.sum(now)));
        let told = |learnt: Option<Learnt>| {
            let learnt = learnt.filter(|it| it.is_fresh(now))?;
            Some(learnt.allowance.remaining)
        };
        let least = |told: Option<u64>, own: Option<u64>| match (told, own) {
            (Some(told), Some(own)) => Some(told.min(own)),
            (told, own) => told.or(own),
        };
        KeyView {
            masked: self.secret.masked(),
            cooling: until.map(|until| until.saturating_duration_since(now)),
            why: refusal.map(|it| it.why),
            benched: state.benched.is_some(),
            used: state.used,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            room: state.room(now, pace),
            requests_left: least(told(state.told_requests), own_requests),
            tokens_left: least(told(state.told_tokens), own_tokens),
        }
    }
}

impl State {
    fn refusal(&mut self, now: Instant, pace: Pace) -> Option<Refusal> {
        if let Some(why) = &self.benched {
            return Some(Refusal {
                until: None,
                why: why.clone(),
            });
        }
        let resting = self.resting.filter(|(until, _)| now < *until);
        let limits = [(&mut self.requests, pace.rpm), (&mut self.tokens, pace.tpm)];
        let spent = limits.into_iter().filter_map(|(recent, limit)| {
            let limit = limit?;
            (limit <= recent.sum(now)).then(|| (recent.below(now, limit), OWN_PACE))
        });
        let (until, why) = spent.chain(resting).max_by_key(|(until, _)| *until)?;
        Some(Refusal {
            until: Some(until),
            why: why.to_owned(),
        })
    }

    /// The part of the tightest limit that is left.
    fn room(&mut self, now: Instant, pace: Pace) -> f64 {
        let told = [self.told_requests, self.told_tokens];
        let told = told.into_iter().flatten().map(|learnt| learnt.share(now));
        let own = [(&mut self.requests, pace.rpm), (&mut self.tokens, pace.tpm)];
        let own = own.into_iter().filter_map(|(recent, limit)| {
            let limit = limit?;
            let left = limit.saturating_sub(recent.sum(now));
            Some(left as f64 / limit.max(1) as f64)
        });
        told.chain(own).fold(1.0, f64::min)
    }
}

impl Learnt {
    fn whole_in(&self) -> Duration {
        self.allowance.resets_in.unwrap_or(USUAL_RESET)
    }

    /// Whether its reset is still to come.
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < self.whole_in()
    }

    /// What is left now, if nothing was used since: limits fill up again bit by bit until their reset.
    fn share(&self, now: Instant) -> f64 {
        if !self.is_fresh(now) {
            return 1.0;
        }
        let (share, whole) = (self.allowance.share(), self.whole_in());
        let passed = now.saturating_duration_since(self.at);
        share + (1.0 - share) * passed.as_secs_f64() / whole.as_secs_f64()
    }
}
