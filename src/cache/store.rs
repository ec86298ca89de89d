//! The cache of answers: in memory, bounded in bytes and entries, the least recently used one goes first.
//!
//! A map and an order, under one lock that is held for microseconds. A cache crate would bring ten others along and
//! bounds that hold only eventually; here they hold after every call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::Answer;
use super::key::Key;

/// What one entry costs beside its answer, bytes.
const ENTRY_COST: usize = 256;

/// What a cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long.
    pub ttl: Duration,
    /// How many answers.
    pub entries: usize,
    /// How many bytes in all.
    pub bytes: usize,
}

/// Answers that may be given again.
#[derive(Debug, Default)]
pub struct Cache {
    state: Mutex<State>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Stored>,
    /// By when they were used last.
    order: BTreeMap<u64, Key>,
    ticks: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Stored {
    answer: Arc<Answer>,
    cost: usize,
    since: Instant,
    tick: u64,
}

/// How a cache stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheView {
    /// Requests that were answered from it.
    pub hits: u64,
    /// Requests that might have been.
    pub misses: u64,
    /// Answers in it.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Cache {
    /// The answer to `key`, if it is there and not too old.
    pub fn get(&self, key: &Key, ttl: Duration, now: Instant) -> Option<Arc<Answer>> {
        let found = self.state.lock().get(key, ttl, now);
        let count = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps an answer, if it fits at all.
    pub fn put(&self, key: Key, answer: &Answer, limits: &Limits, now: Instant) {
        let cost = answer.cost() + ENTRY_COST;
        if limits.bytes < cost || limits.entries == 0 || limits.ttl.is_zero() {
            return;
        }
        // Copied before the lock is taken.
        let answer = Arc::new(answer.lasting());
        let mut state = self.state.lock();
        state.remove(&key);
        state.make_room(cost, limits);
        state.ticks += 1;
        let tick = state.ticks;
        state.bytes += cost;
        state.order.insert(tick, key);
        let stored = Stored {
            answer,
            cost,
            since: now,
            tick,
        };
        state.entries.insert(key, stored);
    }

    /// Forgets everything; how many answers that were.
    pub fn purge(&self) -> usize {
        let state = std::mem::take(&mut *self.state.lock());
        state.entries.len()
    }

    /// How it stands.
    pub fn view(&self) -> CacheView {
        let state = self.state.lock();
        CacheView {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: state.entries.len(),
            bytes: state.bytes,
        }
    }
}

impl State {
    fn get(&mut self, key: &Key, ttl: Duration, now: Instant) -> Option<Arc<Answer>> {
        let tick = self.ticks + 1;
        let stored = self.entries.get_mut(key)?;
        if ttl <= now.saturating_duration_since(stored.since) {
            self.remove(key);
            return None;
        }
        self.ticks = tick;
        self.order.remove(&stored.tick);
        self.order.insert(tick, *key);
        stored.tick = tick;
        Some(Arc::clone(&stored.answer))
    }

    fn remove(&mut self, key: &Key) {
        if let Some(stored) = self.entries.remove(key) {
            self.order.remove(&stored.tick);
            self.bytes -= stored.cost;
        }
    }

    fn make_room(&mut self, cost: usize, limits: &Limits) {
        while limits.bytes < self.bytes + cost || limits.entries <= self.entries.len() {
            let Some((_, oldest)) = self.order.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
