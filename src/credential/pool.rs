//! The keys of one endpoint: whose turn it is.
//!
//! The strategy proposes an order: by turns, at random, or as in the file. Keys that rest or are benched are passed
//! over. Keys that are known to have little room left go behind those that have some; if all have little, the one with
//! most is taken. A key that a session prefers goes before all, unless nothing at all is left of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::key::{Key, KeyUse, KeyView, Pace};
use super::told::Told;
use crate::config::KeyStrategy;
use crate::types::Secret;

/// Below this part of a limit there is little left of it.
const LITTLE: f64 = 0.1;

/// Names one key of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIndex(usize);

/// The keys of one endpoint.
#[derive(Debug)]
pub struct KeyPool {
    strategy: KeyStrategy,
    pace: Pace,
    keys: Vec<Arc<Key>>,
    /// The place whose turn is next.
    next: Mutex<usize>,
}

impl KeyPool {
    /// A pool of `keys` in file order.
    pub fn new(keys: Vec<Secret>, strategy: KeyStrategy, pace: Pace) -> Self {
        let now = Instant::now();
        let keys = keys.into_iter().map(|secret| Key::new(secret, now));
        KeyPool {
            strategy,
            pace,
            keys: keys.collect(),
            next: Mutex::new(0),
        }
    }

    /// Takes over what is known of keys that were in `old` too; benched ones get a new chance.
    pub fn inherit(&mut self, old: &KeyPool) {
        for key in &mut self.keys {
            if let Some(known) = old.keys.iter().find(|it| it.secret == key.secret) {
                *key = Arc::clone(known);
                key.set_benched(None);
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

    /// Every key, in file order.
    pub fn all(&self) -> impl Iterator<Item = KeyIndex> {
        (0..self.keys.len()).map(KeyIndex)
    }

    /// The key to use now, other than `tried`.
    pub fn pick(&self, now: Instant, tried: &[KeyIndex]) -> Option<KeyIndex> {
        self.pick_preferring(now, tried, None)
    }

    /// The key to use now, other than `tried`: the one that is `preferred`, if it may be used and anything is left of it.
    pub fn pick_preferring(
        &self,
        now: Instant,
        tried: &[KeyIndex],
        preferred: Option<KeyIndex>,
    ) -> Option<KeyIndex> {
        let mut next = self.next.lock();
        let mut passed_over = tried.to_vec();
        loop {
            let chosen = self.choose(now, &passed_over, preferred, *next)?;
            if self.keys.get(chosen)?.take(now, self.pace) {
                if preferred != Some(KeyIndex(chosen)) {
                    *next = (chosen + 1) % self.keys.len();
                }
                return Some(KeyIndex(chosen));
            }
            // A request of an older configuration took the last of it.
            passed_over.push(KeyIndex(chosen));
        }
    }

    /// A key for a call that providers do not hold against its limits: it takes no turn and counts for nothing.
    pub fn beside_limits(&self, now: Instant) -> Option<KeyIndex> {
        let next = *self.next.lock();
        self.choose(now, &[], None, next).map(KeyIndex)
    }

    fn choose(
        &self,
        now: Instant,
        tried: &[KeyIndex],
        preferred: Option<KeyIndex>,
        next: usize,
    ) -> Option<usize> {
        let count = self.keys.len();
        let start = match self.strategy {
            KeyStrategy::Failover => 0,
            KeyStrategy::RoundRobin => next,
            KeyStrategy::Random => fastrand::usize(..count.max(1)),
        };
        let order = (0..count).map(|step| (start + step) % count);
        let usable = order.filter_map(|i| {
            let room = self.keys.get(i)?.usable(now, self.pace)?;
            (!tried.contains(&KeyIndex(i))).then_some((i, room))
        });
        let mut best: Option<(usize, f64)> = None;
        for (i, room) in usable {
            if preferred == Some(KeyIndex(i)) && 0.0 < room {
                return Some(i);
            }
            let worth = room.min(LITTLE);
            if best.is_none_or(|(_, most)| most < worth) {
                best = Some((i, worth));
            }
        }
        best.map(|(i, _)| i)
    }

    /// A request under way with `key`, which it is to hold on to.
    pub fn begin(&self, key: KeyIndex) -> Option<KeyUse> {
        self.keys.get(key.0).map(Key::begin)
    }

    /// Since when a key may be used, while one may: `None` where none may, `Some(None)` for as long as is known.
    pub fn usable_since(&self, now: Instant) -> Option<Option<Instant>> {
        if self.keys.is_empty() {
            return Some(None);
        }
        let usable = |key: &&Arc<Key>| key.usable(now, self.pace).is_some();
        let usable = self.keys.iter().filter(usable);
        usable.map(|key| key.rested_until()).min()
    }

    /// The key itself.
    pub fn secret(&self, key: KeyIndex) -> Option<&Secret> {
        self.keys.get(key.0).map(|key| &key.secret)
    }

    /// A number that stands for the key itself, in this process and across reloads; its place in the list may be
    /// another's after one.
    pub fn fingerprint(&self, key: KeyIndex) -> Option<u64> {
        self.secret(key).map(fingerprint)
    }

    /// The key that a fingerprint stands for, if it is still one of these.
    pub fn with_fingerprint(&self, wanted: u64) -> Option<KeyIndex> {
        let mut all = self.keys.iter();
        all.position(|key| fingerprint(&key.secret) == wanted)
            .map(KeyIndex)
    }

    /// The key as it may be shown; empty where there is none.
    pub fn masked(&self, key: KeyIndex) -> String {
        self.secret(key).map(Secret::masked).unwrap_or_default()
    }

    /// The key as traces name it: its place, counted from 1, and both its ends in plain ASCII.
    pub fn label(&self, key: KeyIndex) -> String {
        let ends = self.masked(key).replace('…', "..");
        format!("{}:{ends}", key.0 + 1)
    }

    /// Rests `key` until then.
    pub fn cool(&self, key: KeyIndex, until: Instant, why: &'static str) {
        if let Some(key) = self.keys.get(key.0) {
            key.rest(until, why);
        }
    }

    /// Takes `key` out of use until a reload or a good probe.
    pub fn bench(&self, key: KeyIndex, why: String) {
        if let Some(key) = self.keys.get(key.0) {
            key.set_benched(Some(why));
        }
    }

    /// Gives a benched key a new chance.
    pub fn unbench(&self, key: KeyIndex) {
        if let Some(key) = self.keys.get(key.0) {
            key.set_benched(None);
        }
    }

    /// An answer has told about the limits of `key`.
    pub fn learn(&self, key: KeyIndex, now: Instant, told: Told) {
        if let Some(key) = self.keys.get(key.0).filter(|_| !told.is_empty()) {
            key.learn(now, told);
        }
    }

    /// An answer has cost so many tokens of `key`.
    pub fn spent(&self, key: KeyIndex, now: Instant, tokens: u64) {
        if let Some(key) = self.keys.get(key.0) {
            key.spent(now, tokens);
        }
    }

    /// The key a probe signs in with: one of the benched if there are any, because a good probe is their way back.
    /// Takes no turn.
    pub fn for_probe(&self) -> Option<KeyIndex> {
        let benched: Vec<usize> = (0..self.keys.len())
            .filter(|i| self.keys.get(*i).is_some_and(|key| key.is_benched()))
            .collect();
        let chosen = fastrand::choice(&benched).copied();
        (!self.keys.is_empty()).then(|| KeyIndex(chosen.unwrap_or(0)))
    }

    /// Whether any key may be used now.
    pub fn any_usable(&self, now: Instant) -> bool {
        self.keys.is_empty()
            || self
                .keys
                .iter()
                .any(|key| key.usable(now, self.pace).is_some())
    }

    /// Whether some key is benched.
    pub fn any_benched(&self) -> bool {
        self.keys.iter().any(|key| key.is_benched())
    }

    /// Whether every key is benched.
    pub fn all_benched(&self) -> bool {
        !self.keys.is_empty() && self.keys.iter().all(|key| key.is_benched())
    }

    /// When the first resting key may be used again; `None` when none rests or all are benched.
    pub fn next_usable(&self, now: Instant) -> Option<Instant> {
        let keys = self.keys.iter();
        keys.filter_map(|key| key.usable_at(now, self.pace)).min()
    }

    /// What people may see.
    pub fn view(&self, now: Instant) -> Vec<KeyView> {
        let keys = self.keys.iter();
        keys.map(|key| key.view(now, self.pace)).collect()
    }
}

fn fingerprint(key: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.expose().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
