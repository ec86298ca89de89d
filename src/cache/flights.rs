//! The answers under way, by what they answer: whoever asks first leads, whoever asks the same meanwhile follows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::flight::{Flight, Follow, Lead};
use super::key::Key;

/// What becomes of a request that asks for a key.
#[derive(Debug)]
pub enum Boarding {
    /// It makes the call, and others may follow it.
    Lead(Lead),
    /// It gets the answer of a call under way.
    Follow(Follow),
    /// It makes a call of its own that nobody can follow: another one leads already, and it may not follow that.
    Alone,
}

/// All answers under way that may be shared.
#[derive(Debug, Default)]
pub struct Flights {
    table: Arc<Mutex<HashMap<Key, Arc<Flight>>>>,
    memory: Arc<AtomicUsize>,
    joined: AtomicU64,
}

/// How the flights stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightsView {
    /// Under way now.
    pub under_way: usize,
    /// Bytes in their logs.
    pub bytes: usize,
    /// Requests that have followed another since the start.
    pub joined: u64,
}

impl Flights {
    /// Boards the flight of `key`, or starts it. Of two that come at once, one leads. Without `may_follow` it leads or
    /// stays alone.
    pub fn board(&self, key: Key, may_follow: bool) -> Boarding {
        let mut table = self.table.lock();
        let place = match table.entry(key) {
            Entry::Vacant(place) => {
                let flight = Flight::new(&self.memory, true);
                place.insert(Arc::clone(&flight));
                flight
            }
            Entry::Occupied(mut place) => {
                if may_follow {
                    if let Some(follow) = place.get().join() {
                        self.joined.fetch_add(1, Ordering::Relaxed);
                        return Boarding::Follow(follow);
                    }
                } else if place.get().is_open() {
                    return Boarding::Alone;
                }
                // That one is over, or closed to newcomers.
                let flight = Flight::new(&self.memory, true);
                place.insert(Arc::clone(&flight));
                flight
            }
        };
        let table = Arc::clone(&self.table);
        Boarding::Lead(Lead::new(place, Some(Place { table, key })))
    }

    /// How they stand.
    pub fn view(&self) -> FlightsView {
        FlightsView {
            under_way: self.table.lock().len(),
            bytes: self.memory.load(Ordering::Relaxed),
            joined: self.joined.load(Ordering::Relaxed),
        }
    }

    pub(super) fn memory(&self) -> &Arc<AtomicUsize> {
        &self.memory
    }
}

/// A flight's place in the table.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Mutex<HashMap<Key, Arc<Flight>>>>,
    key: Key,
}

impl Place {
    /// Takes `flight` off the table, unless another one has its place already.
    pub(super) fn give_up(&self, flight: &Arc<Flight>) {
        let mut table = self.table.lock();
        if table
            .get(&self.key)
            .is_some_and(|there| Arc::ptr_eq(there, flight))
        {
            table.remove(&self.key);
        }
    }
}
