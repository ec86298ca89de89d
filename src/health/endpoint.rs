//! Everything known about how one endpoint fares, behind one short lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::breaker::{Admission, Breaker, BreakerPolicy, BreakerState, Counted};
use super::latency::{Ewma, PeakEwma};

/// How long a model that the provider did not know is not asked for again there.
const MODEL_UNSUPPORTED_FOR: Duration = Duration::from_secs(600);
/// Models remembered as unsupported; the oldest gives way.
const MODELS_REMEMBERED: usize = 256;

/// The health of one endpoint. Shared by all requests and kept across reloads.
#[derive(Debug)]
pub struct EndpointHealth {
    inner: Mutex<Inner>,
    in_flight: AtomicUsize,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    cooling: Option<(Instant, &'static str)>,
    last_error: Option<LastError>,
    last_success: Option<SystemTime>,
    ttft: Ewma,
    ttft_peak: PeakEwma,
    duration: Ewma,
    unsupported: HashMap<String, Instant>,
    served: u64,
    failed: u64,
    cache_read: u64,
    prompt: u64,
    probe_down: bool,
    /// The last error that counted was a time-out.
    hangs: bool,
}

#[derive(Clone, Debug)]
struct LastError {
    at: SystemTime,
    what: String,
}

/// Why an endpoint takes no request now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its circuit is open until then; `None` while a trial decides.
    CircuitOpen(Option<Instant>),
    /// The provider asked for quiet until then.
    Cooling(Instant, &'static str),
    /// It does not know the model.
    ModelUnsupported(Instant),
    /// As many requests as allowed are under way.
    Full,
}

/// Whether an endpoint could be asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It could, since then; `None`: for as long as is known.
    Well(Option<Instant>),
    /// It rested for its time, and the next request is the trial.
    Untried,
    /// It could not.
    Refused,
}

/// What strategies compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Requests under way.
    pub in_flight: usize,
    /// Time to first content as the worst of late felt it, milliseconds; `None` before the first answer.
    pub ttft_ms: Option<f64>,
}

/// What people may see of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointView {
    /// Where the circuit stands.
    pub state: BreakerState,
    /// Errors counted now.
    pub errors: u32,
    /// When a cooldown ends, and why.
    pub cooling: Option<(Instant, &'static str)>,
    /// The last error: when and what.
    pub last_error: Option<(SystemTime, String)>,
    /// The last good answer.
    pub last_success: Option<SystemTime>,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests answered well.
    pub served: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Average time to first content, milliseconds.
    pub ttft_ms: Option<f64>,
    /// Average time of a whole answer, milliseconds.
    pub duration_ms: Option<f64>,
    /// Prompt tokens read from the provider's cache, of all prompt tokens.
    pub cache_hit_ratio: Option<f64>,
    /// Models it said it does not know.
    pub unsupported: Vec<String>,
    /// Whether the last active probe failed.
    pub probe_down: bool,
}

/// One request's place at an endpoint. Dropping it gives the place back, and the trial if it was one.
#[derive(Debug)]
pub struct Permit {
    health: Arc<EndpointHealth>,
    /// When it was admitted as the trial, if it is one.
    trial: Option<Instant>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(admitted) = self.trial {
            self.health.inner.lock().breaker.abandon(admitted);
        }
    }
}

impl EndpointHealth {
    /// Nothing known: counts as healthy.
    pub fn new(policy: BreakerPolicy) -> Self {
        EndpointHealth {
            inner: Mutex::new(Inner {
                breaker: Breaker::new(policy),
                cooling: None,
                last_error: None,
                last_success: None,
                ttft: Ewma::default(),
                ttft_peak: PeakEwma::default(),
                duration: Ewma::default(),
                unsupported: HashMap::new(),
                served: 0,
                failed: 0,
                cache_read: 0,
                prompt: 0,
                probe_down: false,
                hangs: false,
            }),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Takes a new policy and keeps everything known.
    pub fn set_policy(&self, policy: BreakerPolicy) {
        self.inner.lock().breaker.set_policy(policy);
    }

    /// Whether a request for `model` could be sent now; takes nothing.
    pub fn check(
        &self,
        now: Instant,
        model: &str,
        max_in_flight: Option<usize>,
    ) -> Result<(), Refusal> {
        let inner = self.inner.lock();
        inner.passive_refusal(now, model)?;
        if self.is_full(max_in_flight) {
            return Err(Refusal::Full);
        }
        match inner.breaker.peek(now) {
            Admission::Pass | Admission::Trial => Ok(()),
            Admission::Refused(until) => Err(Refusal::CircuitOpen(until)),
        }
    }

    /// Like [`EndpointHealth::check`], with the time since when it has been so.
    pub fn standing(&self, now: Instant, model: &str, max_in_flight: Option<usize>) -> Standing {
        let inner = self.inner.lock();
        if inner.passive_refusal(now, model).is_err() || self.is_full(max_in_flight) {
            return Standing::Refused;
        }
        match inner.breaker.peek(now) {
            Admission::Pass => {
                let cooled = inner.cooling.map(|(until, _)| until);
                let learnt = inner.unsupported.get(model).copied();
                Standing::Well(inner.breaker.closed_since().max(cooled).max(learnt))
            }
            Admission::Trial => Standing::Untried,
            Admission::Refused(_) => Standing::Refused,
        }
    }

    /// What strategies compare.
    pub fn load(&self, now: Instant) -> Load {
        Load {
            in_flight: self.in_flight(),
            ttft_ms: self.inner.lock().ttft_peak.get(now),
        }
    }

    /// Takes a place for a request.
    pub fn admit(
        self: &Arc<Self>,
        now: Instant,
        model: &str,
        max_in_flight: Option<usize>,
    ) -> Result<Permit, Refusal> {
        let mut inner = self.inner.lock();
        inner.passive_refusal(now, model)?;
        if self.is_full(max_in_flight) {
            return Err(Refusal::Full);
        }
        let trial = match inner.breaker.admit(now) {
            Admission::Pass => None,
            Admission::Trial => Some(now),
            Admission::Refused(until) => return Err(Refusal::CircuitOpen(until)),
        };
        Ok(self.place(trial))
    }

    /// Takes a place although the circuit is open: there is no better endpoint (`fail_open`). `None` when as many
    /// requests as allowed are under way: that limit says nothing about health.
    pub fn admit_anyway(self: &Arc<Self>, max_in_flight: Option<usize>) -> Option<Permit> {
        let _counted_alone = self.inner.lock();
        (!self.is_full(max_in_flight)).then(|| self.place(None))
    }

    fn is_full(&self, max_in_flight: Option<usize>) -> bool {
        max_in_flight.is_some_and(|max| max <= self.in_flight.load(Ordering::Relaxed))
    }

    fn place(self: &Arc<Self>, trial: Option<Instant>) -> Permit {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Permit {
            health: Arc::clone(self),
            trial,
        }
    }

    /// The answer to a request that `began` then has shown its first content.
    pub fn promising(&self, began: Instant, now: Instant) {
        let ttft = now.saturating_duration_since(began);
        let mut inner = self.inner.lock();
        inner.breaker.promising(began);
        let ms = ttft.as_secs_f64() * 1e3;
        inner.ttft.add(ms);
        inner.ttft_peak.add(ms, now);
    }

    /// A request that `began` then was let go without content, because another endpoint was faster. That says nothing
    /// about the circuit; but it would have taken at least so long, and without that strategies would never learn how
    /// slow an endpoint is whose slow answers are all let go.
    pub fn overtaken(&self, began: Instant, now: Instant) {
        let ms = now.saturating_duration_since(began).as_secs_f64() * 1e3;
        let mut inner = self.inner.lock();
        if inner.ttft_peak.get(now).is_none_or(|known| known < ms) {
            inner.ttft.add(ms);
            inner.ttft_peak.add(ms, now);
        }
    }

    /// A request was answered, whole.
    pub fn success(&self, now: Instant, duration: Duration) {
        let mut inner = self.inner.lock();
        inner
            .breaker
            .success(now.checked_sub(duration).unwrap_or(now), now);
        inner.served = inner.served.saturating_add(1);
        inner.last_success = Some(SystemTime::now());
        inner.duration.add(duration.as_secs_f64() * 1e3);
    }

    /// Tokens of an answer, for the cache-hit ratio.
    pub fn tokens(&self, prompt: u64, cache_read: u64) {
        let mut inner = self.inner.lock();
        inner.prompt = inner.prompt.saturating_add(prompt);
        inner.cache_read = inner.cache_read.saturating_add(cache_read);
    }

    /// An attempt that `began` then met an error that counts against the endpoint.
    pub fn error(
        &self,
        began: Instant,
        now: Instant,
        fingerprint: Option<u64>,
        what: &str,
    ) -> Counted {
        let mut inner = self.inner.lock();
        inner.note(what);
        inner.hangs = false;
        inner.breaker.error(began, now, fingerprint)
    }

    /// The error just counted was that it fell silent.
    pub fn hangs(&self) {
        self.inner.lock().hangs = true;
    }

    /// Whether it was silence that counted against it last: to try it costs more than an error.
    pub fn is_hanging(&self) -> bool {
        self.inner.lock().hangs
    }

    /// An attempt failed in a way that says nothing about the endpoint's circuit.
    pub fn note(&self, what: &str) {
        self.inner.lock().note(what);
    }

    /// The provider asks for quiet until then.
    pub fn cool(&self, until: Instant, why: &'static str) {
        let mut inner = self.inner.lock();
        if inner.cooling.is_none_or(|(before, _)| before < until) {
            inner.cooling = Some((until, why));
        }
    }

    /// The provider does not know `model`.
    pub fn model_unsupported(&self, now: Instant, model: &str) {
        let unsupported = &mut self.inner.lock().unsupported;
        unsupported.retain(|_, until| now < *until);
        if unsupported.len() < MODELS_REMEMBERED {
            unsupported.insert(model.to_owned(), now + MODEL_UNSUPPORTED_FOR);
        }
    }

    /// The active probe's verdict changed: a good one closes an open circuit early, a bad one opens it while no
    /// request is under way. Returns for how long it was opened.
    pub fn probed(&self, now: Instant, alive: bool) -> Option<Duration> {
        let mut inner = self.inner.lock();
        inner.probe_down = !alive;
        if alive {
            if inner.breaker.state() != BreakerState::Closed {
                inner.breaker.success(now, now);
            }
            return None;
        }
        inner.note("probe failed");
        match self.in_flight.load(Ordering::Relaxed) {
            0 => inner.breaker.trip(now),
            _ => None,
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What people may see.
    pub fn view(&self, now: Instant) -> EndpointView {
        let mut inner = self.inner.lock();
        inner.breaker.forget(now);
        inner.unsupported.retain(|_, until| now < *until);
        let mut unsupported: Vec<String> = inner.unsupported.keys().cloned().collect();
        unsupported.sort();
        EndpointView {
            state: inner.breaker.state(),
            errors: inner.breaker.count(),
            cooling: inner.cooling.filter(|(until, _)| now < *until),
            last_error: inner.last_error.as_ref().map(|e| (e.at, e.what.clone())),
            last_success: inner.last_success,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            served: inner.served,
            failed: inner.failed,
            ttft_ms: inner.ttft.get(),
            duration_ms: inner.duration.get(),
            cache_hit_ratio: (0 < inner.prompt)
                .then(|| inner.cache_read as f64 / inner.prompt as f64),
            unsupported,
            probe_down: inner.probe_down,
        }
    }
}

impl Inner {
    fn passive_refusal(&self, now: Instant, model: &str) -> Result<(), Refusal> {
        if let Some((until, why)) = self.cooling.filter(|(until, _)| now < *until) {
            return Err(Refusal::Cooling(until, why));
        }
        match self.unsupported.get(model) {
            Some(until) if now < *until => Err(Refusal::ModelUnsupported(*until)),
            _ => Ok(()),
        }
    }

    fn note(&mut self, what: &str) {
        self.failed = self.failed.saturating_add(1);
        self.last_error = Some(LastError {
            at: SystemTime::now(),
            what: what.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Arc<EndpointHealth> {
        Arc::new(EndpointHealth::new(BreakerPolicy {
            threshold: 1,
            window: Duration::from_secs(300),
            cooldown: Duration::from_secs(10),
            reset_on_success: true,
        }))
    }

    #[test]
    fn a_dropped_permit_gives_back_place_and_trial() {
        let (health, now) = (health(), Instant::now());
        health.error(now, now, None, "500");
        let later = now + Duration::from_secs(11);
        let permit = health.admit(later, "m", Some(1)).unwrap();
        assert_eq!(health.in_flight(), 1);
        assert_eq!(
            health.admit(later, "m", Some(1)).unwrap_err(),
            Refusal::Full
        );
        assert_eq!(
            health.admit(later, "m", None).unwrap_err(),
            Refusal::CircuitOpen(None)
        );
        drop(permit);
        assert_eq!(health.in_flight(), 0);
        assert!(health.admit(later, "m", Some(1)).is_ok());
    }

    #[test]
    fn an_unknown_model_is_refused_for_ten_minutes_and_others_are_not() {
        let (health, now) = (health(), Instant::now());
        health.model_unsupported(now, "old");
        assert!(matches!(
            health.check(now, "old", None),
            Err(Refusal::ModelUnsupported(_))
        ));
        assert!(health.check(now, "new", None).is_ok());
        assert!(
            health
                .check(now + MODEL_UNSUPPORTED_FOR, "old", None)
                .is_ok()
        );
    }

    #[test]
    fn a_good_probe_closes_and_a_bad_one_opens_only_the_idle() {
        let (health, now) = (health(), Instant::now());
        let permit = health.admit(now, "m", None).unwrap();
        assert_eq!(health.probed(now, false), None, "a request is under way");
        drop(permit);
        assert!(health.probed(now, false).is_some());
        assert!(health.check(now, "m", None).is_err());
        health.probed(now, true);
        assert!(health.check(now, "m", None).is_ok());
    }

    #[test]
    fn being_overtaken_is_slow_and_no_error() {
        let (health, began) = (health(), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        health.overtaken(began, at(800));
        let felt = || health.load(at(800)).ttft_ms.unwrap();
        assert!((felt() - 800.0).abs() < 1e-6);
        // That it would have taken at least as long as that is known already.
        health.overtaken(began, at(300));
        assert!((felt() - 800.0).abs() < 1e-6);
        let view = health.view(at(800));
        assert_eq!((view.errors, view.failed, view.served), (0, 0, 0));
        assert_eq!(view.state, BreakerState::Closed);
    }

    #[test]
    fn a_later_cooldown_wins() {
        let (health, now) = (health(), Instant::now());
        health.cool(now + Duration::from_secs(5), "overloaded");
        health.cool(now + Duration::from_secs(1), "overloaded");
        assert!(
            health
                .check(now + Duration::from_secs(4), "m", None)
                .is_err()
        );
        assert!(
            health
                .check(now + Duration::from_secs(5), "m", None)
                .is_ok()
        );
    }
}
