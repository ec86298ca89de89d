//! The keys of one endpoint: whose turn it is, which cool down after a rate limit, which are benched for good.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config::KeyStrategy;
use crate::types::Secret;

/// Names one key of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIndex(usize);

/// The keys of one endpoint.
#[derive(Debug)]
pub struct KeyPool {
    strategy: KeyStrategy,
    keys: Vec<Secret>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: usize,
    keys: Vec<KeyState>,
}

#[derive(Clone, Debug, Default)]
struct KeyState {
    cooling_until: Option<Instant>,
    why: &'static str,
    benched: Option<String>,
    used: u64,
}

/// What people may see of a key.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Both ends of it.
    pub masked: String,
    /// When it may be used again.
    pub cooling: Option<Duration>,
    /// Why it cools or is benched.
    pub why: Option<String>,
    /// Benched until reload or a good probe.
    pub benched: bool,
    /// Attempts made with it.
    pub used: u64,
}

impl KeyPool {
    /// A pool of `keys` in file order.
    pub fn new(keys: Vec<Secret>, strategy: KeyStrategy) -> Self {
        let state = State {
            next: 0,
            keys: vec![KeyState::default(); keys.len()],
        };
        KeyPool {
            strategy,
            keys,
            state: Mutex::new(state),
        }
    }

    /// Takes over the cooldowns of keys that were in `old` too; benched ones get a new chance.
    pub fn inherit(&self, old: &KeyPool) {
        let old_state = old.state.lock();
        let mut state = self.state.lock();
        for (key, own) in self.keys.iter().zip(state.keys.iter_mut()) {
            let known = old
                .keys
                .iter()
                .position(|k| k == key)
                .and_then(|i| old_state.keys.get(i));
            if let Some(known) = known {
                *own = KeyState {
                    benched: None,
                    ..known.clone()
                };
            }
        }
    }

    /// Whether the endpoint signs in with keys at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key to use now, other than `tried`.
    pub fn pick(&self, now: Instant, tried: &[KeyIndex]) -> Option<KeyIndex> {
        self.pick_preferring(now, tried, None)
    }

    /// The key to use now, other than `tried`: the one that is `preferred`, if it may be used.
    pub fn pick_preferring(
        &self,
        now: Instant,
        tried: &[KeyIndex],
        preferred: Option<KeyIndex>,
    ) -> Option<KeyIndex> {
        let mut state = self.state.lock();
        let usable = |state: &State, i: usize| {
            !tried.contains(&KeyIndex(i)) && state.keys.get(i).is_some_and(|key| key.is_usable(now))
        };
        let count = self.keys.len();
        let start = match self.strategy {
            KeyStrategy::Failover => 0,
            KeyStrategy::RoundRobin => state.next,
            KeyStrategy::Random => fastrand::usize(..count.max(1)),
        };
        let wanted = preferred.map(|key| key.0).filter(|i| usable(&state, *i));
        let chosen = match wanted {
            Some(wanted) => wanted,
            None => {
                let mut order = (0..count).map(|step| (start + step) % count);
                let chosen = order.find(|i| usable(&state, *i))?;
                state.next = (chosen + 1) % count;
                chosen
            }
        };
        if let Some(key) = state.keys.get_mut(chosen) {
            key.used = key.used.saturating_add(1);
        }
        Some(KeyIndex(chosen))
    }

    /// The key itself.
    pub fn secret(&self, key: KeyIndex) -> Option<&Secret> {
        self.keys.get(key.0)
    }

    /// A number that stands for the key itself, in this process and across reloads; its place in the list may be
    /// another's after one.
    pub fn fingerprint(&self, key: KeyIndex) -> Option<u64> {
        self.secret(key).map(fingerprint)
    }

    /// The key that a fingerprint stands for, if it is still one of these.
    pub fn with_fingerprint(&self, wanted: u64) -> Option<KeyIndex> {
        let mut all = self.keys.iter();
        all.position(|key| fingerprint(key) == wanted).map(KeyIndex)
    }

    /// The key as it may be shown; empty where there is none.
    pub fn masked(&self, key: KeyIndex) -> String {
        self.secret(key).map(Secret::masked).unwrap_or_default()
    }

    /// Rests `key` until then.
    pub fn cool(&self, key: KeyIndex, until: Instant, why: &'static str) {
        if let Some(state) = self.state.lock().keys.get_mut(key.0) {
            state.cooling_until = Some(until);
            state.why = why;
        }
    }

    /// Takes `key` out of use until a reload or a good probe.
    pub fn bench(&self, key: KeyIndex, why: String) {
        if let Some(state) = self.state.lock().keys.get_mut(key.0) {
            state.benched = Some(why);
        }
    }

    /// Gives a benched key a new chance.
    pub fn unbench(&self, key: KeyIndex) {
        if let Some(state) = self.state.lock().keys.get_mut(key.0) {
            state.benched = None;
        }
    }

    /// The key a probe signs in with: one of the benched if there are any, because a good probe is their way back.
    /// Takes no turn.
    pub fn for_probe(&self) -> Option<KeyIndex> {
        let state = self.state.lock();
        let benched: Vec<usize> = (0..self.keys.len())
            .filter(|i| state.keys.get(*i).is_some_and(|key| key.benched.is_some()))
            .collect();
        let chosen = fastrand::choice(&benched).copied();
        (!self.keys.is_empty()).then(|| KeyIndex(chosen.unwrap_or(0)))
    }

    /// Whether any key may be used now.
    pub fn any_usable(&self, now: Instant) -> bool {
        self.keys.is_empty() || self.state.lock().keys.iter().any(|key| key.is_usable(now))
    }

    /// Whether every key is benched.
    pub fn all_benched(&self) -> bool {
        !self.keys.is_empty()
            && self
                .state
                .lock()
                .keys
                .iter()
                .all(|key| key.benched.is_some())
    }

    /// When the first resting key may be used again; `None` when none rests or all are benched.
    pub fn next_usable(&self) -> Option<Instant> {
        let state = self.state.lock();
        state
            .keys
            .iter()
            .filter(|key| key.benched.is_none())
            .filter_map(|key| key.cooling_until)
            .min()
    }

    /// What people may see.
    pub fn view(&self, now: Instant) -> Vec<KeyView> {
        let state = self.state.lock();
        let pairs = self.keys.iter().zip(&state.keys);
        pairs
            .map(|(secret, key)| {
                let cooling = key
                    .cooling_until
                    .filter(|until| now < *until)
                    .map(|until| until - now);
                let why = key
                    .benched
                    .clone()
                    .or_else(|| cooling.map(|_| key.why.to_owned()));
                let masked = secret.masked();
                KeyView {
                    masked,
                    cooling,
                    why,
                    benched: key.benched.is_some(),
                    used: key.used,
                }
            })
            .collect()
    }
}

fn fingerprint(key: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.expose().hash(&mut hasher);
    hasher.finish()
}

impl KeyState {
    fn is_usable(&self, now: Instant) -> bool {
        self.benched.is_none() && self.cooling_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(strategy: KeyStrategy) -> KeyPool {
        KeyPool::new(
            ["a", "b", "c"].map(|k| Secret::new(k.to_owned())).to_vec(),
            strategy,
        )
    }

    fn picks(pool: &KeyPool, now: Instant, times: usize) -> String {
        let key = |_| {
            pool.pick(now, &[])
                .and_then(|k| pool.secret(k))
                .map_or("-", Secret::expose)
        };
        (0..times).map(key).collect()
    }

    #[test]
    fn round_robin_takes_turns_and_failover_the_first() {
        let now = Instant::now();
        assert_eq!(picks(&pool(KeyStrategy::RoundRobin), now, 4), "abca");
        assert_eq!(picks(&pool(KeyStrategy::Failover), now, 3), "aaa");
        let random = picks(&pool(KeyStrategy::Random), now, 200);
        assert!(
            ["a", "b", "c"].iter().all(|k| random.contains(k)),
            "{random}"
        );
    }

    #[test]
    fn a_preferred_key_is_taken_out_of_turn_while_it_may_be_used() {
        let (pool, now) = (pool(KeyStrategy::RoundRobin), Instant::now());
        let last = KeyIndex(2);
        let bound = pool.fingerprint(last).unwrap();
        assert_eq!(pool.with_fingerprint(bound), Some(last));
        assert_eq!(pool.with_fingerprint(!bound), None);
        assert_eq!(pool.pick_preferring(now, &[], Some(last)), Some(last));
        assert_eq!(pool.pick(now, &[]), Some(KeyIndex(0)), "took no turn");
        assert_eq!(
            pool.pick_preferring(now, &[last], Some(last)),
            Some(KeyIndex(1))
        );
        pool.cool(last, now + Duration::from_secs(5), "rate limit");
        assert_eq!(
            pool.pick_preferring(now, &[], Some(last)),
            Some(KeyIndex(0))
        );
    }

    #[test]
    fn resting_benched_and_tried_keys_are_passed_over() {
        let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
        pool.cool(KeyIndex(0), now + Duration::from_secs(5), "rate limit");
        pool.bench(KeyIndex(1), "401".to_owned());
        assert_eq!(pool.pick(now, &[]), Some(KeyIndex(2)));
        assert_eq!(pool.pick(now, &[KeyIndex(2)]), None);
        assert!(!pool.all_benched());
        assert_eq!(pool.next_usable(), Some(now + Duration::from_secs(5)));
        assert_eq!(
            pool.pick(now + Duration::from_secs(5), &[]),
            Some(KeyIndex(0))
        );
    }

    #[test]
    fn a_reload_keeps_cooldowns_and_forgives_benches() {
        let (old, new, now) = (
            pool(KeyStrategy::Failover),
            pool(KeyStrategy::Failover),
            Instant::now(),
        );
        old.cool(KeyIndex(0), now + Duration::from_secs(5), "rate limit");
        old.bench(KeyIndex(1), "401".to_owned());
        new.inherit(&old);
        assert_eq!(new.pick(now, &[]), Some(KeyIndex(1)));
    }

    #[test]
    fn a_probe_tries_the_benched_and_brings_back_no_other() {
        let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
        assert_eq!(pool.for_probe(), Some(KeyIndex(0)));
        pool.bench(KeyIndex(1), "401".to_owned());
        pool.bench(KeyIndex(2), "401".to_owned());
        let probed = pool.for_probe().unwrap();
        assert_ne!(probed, KeyIndex(0));
        pool.unbench(probed);
        assert_eq!(pool.pick(now, &[KeyIndex(0)]), Some(probed));
        assert_eq!(pool.pick(now, &[KeyIndex(0), probed]), None);
    }

    #[test]
    fn an_empty_pool_is_usable_and_picks_nothing() {
        let pool = KeyPool::new(Vec::new(), KeyStrategy::RoundRobin);
        assert!(
            pool.any_usable(Instant::now())
                && pool.pick(Instant::now(), &[]).is_none()
                && pool.for_probe().is_none()
                && !pool.all_benched()
        );
    }
}
