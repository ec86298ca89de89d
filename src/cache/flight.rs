//! An answer under way: who leads it says what comes, who follows reads it from the start, each at its own pace.
//!
//! The log of the answer is append-only and exists once; a follower holds no more than its place in it. Whether
//! somebody may still come aboard, and whether anybody is left, is decided under one lock: nobody boards a flight that
//! is being called off.
//!
//! The log is bounded, by itself and together with all others ([`MAX_LOG_BYTES`], [`MAX_ALL_BYTES`]). Beyond the bound
//! its beginning is let go of: nobody new may board, and a follower that had not read that far learns so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::answer::{Answer, Head, PIECE_COST};
use super::flights::{Flights, Place};
use crate::error::Fault;

/// Longest log of one answer, bytes: several times what a model says at most.
pub(super) const MAX_LOG_BYTES: usize = 8 * 1024 * 1024;
/// Longest logs of all answers under way together, bytes.
pub(super) const MAX_ALL_BYTES: usize = 256 * 1024 * 1024;

/// How an answer under way ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Nothing is missing.
    Whole,
    /// It broke off after its first content.
    Cut {
        /// Why.
        fault: Fault,
        /// Whether the provider's own error event is among the pieces.
        told: bool,
    },
    /// There was none.
    Refused(Arc<Refusal>),
    /// Who led it is gone without a word, or ran out of a time that was its own.
    Abandoned,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Refusal {
    /// What went wrong.
    pub fault: Fault,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// The provider's words, for who has been shown nothing yet.
    pub answer: Option<(Head, Bytes)>,
    /// They are in the client's own dialect, and relayed as they are.
    pub own_words: bool,
}

/// What a follower may show next.
#[derive(Debug, Default)]
pub struct Batch {
    /// The head, as soon as there is one.
    pub head: Option<Arc<Head>>,
    /// Pieces it has not seen, some of them if there are many.
    pub pieces: Vec<Bytes>,
    /// How it ended, once every piece has been handed out.
    pub ending: Option<Ending>,
    /// Pieces that it has not seen are gone: it was too slow.
    pub lost: bool,
}

/// One answer under way.
#[derive(Debug)]
pub(super) struct Flight {
    state: Mutex<State>,
    /// Rings for followers.
    changed: watch::Sender<()>,
    /// Rings for the leader: somebody came aboard, or the last one has gone.
    company: Notify,
    /// Bytes in the logs of all flights.
    memory: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    head: Option<Arc<Head>>,
    log: VecDeque<Bytes>,
    /// Pieces that were let go of.
    gone: usize,
    bytes: usize,
    ending: Option<Ending>,
    followers: usize,
    /// The leader's own client listens.
    led: bool,
    /// Others may come aboard.
    open: bool,
    /// Somebody may want the log later: another follower, or the cache.
    wanted: bool,
}

impl Flight {
    pub(super) fn new(memory: &Arc<AtomicUsize>, open: bool) -> Arc<Self> {
        Arc::new(Flight {
            state: Mutex::new(State {
                head: None,
                log: VecDeque::new(),
                gone: 0,
                bytes: 0,
                ending: None,
                followers: 0,
                led: true,
                open,
                wanted: true,
            }),
            changed: watch::Sender::new(()),
            company: Notify::new(),
            memory: Arc::clone(memory),
        })
    }

    /// Comes aboard, if that is still possible.
    pub(super) fn join(self: &Arc<Self>) -> Option<Follow> {
        let mut state = self.state.lock();
        if !state.open {
            return None;
        }
        state.followers += 1;
        self.company.notify_one();
        Some(Follow {
            changes: self.changed.subscribe(),
            flight: Arc::clone(self),
            next: 0,
        })
    }

    /// Whether others may come aboard.
    pub(super) fn is_open(&self) -> bool {
        self.state.lock().open
    }

    /// Listeners beside the leader's client.
    pub(super) fn followers(&self) -> usize {
        self.state.lock().followers
    }

    fn push(&self, piece: Bytes) {
        let mut state = self.state.lock();
        if state.ending.is_some() || !state.wanted {
            return;
        }
        let cost = piece.len() + PIECE_COST;
        state.log.push_back(piece);
        state.bytes += cost;
        let before = self.memory.fetch_add(cost, Ordering::Relaxed);
        self.trim(&mut state, before + cost);
        let heard = 0 < state.followers;
        drop(state);
        if heard {
            self.changed.send_replace(());
        }
    }

    /// Keeps the log within its bounds; the newest piece always stays.
    fn trim(&self, state: &mut State, mut all: usize) {
        while MAX_LOG_BYTES < state.bytes || MAX_ALL_BYTES < all {
            // Who is aboard reads the newest pieces; nobody can begin any more.
            state.open = false;
            let keep = usize::from(0 < state.followers);
            if state.log.len() <= keep {
                break;
            }
            let Some(oldest) = state.log.pop_front() else {
                break;
            };
            let cost = oldest.len() + PIECE_COST;
            state.gone += 1;
            state.bytes -= cost;
            all = self.memory.fetch_sub(cost, Ordering::Relaxed) - cost;
        }
        if !state.open && state.followers == 0 && 0 < state.gone {
            let left = std::mem::take(&mut state.bytes);
            self.memory.fetch_sub(left, Ordering::Relaxed);
            state.log = VecDeque::new();
            state.wanted = false;
        }
    }

    fn end(&self, ending: Ending) {
        let mut state = self.state.lock();
        state.ending.get_or_insert(ending);
        state.open = false;
        drop(state);
        self.changed.send_replace(());
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let left = self.state.get_mut().bytes;
        self.memory.fetch_sub(left, Ordering::Relaxed);
    }
}

/// The right and the duty to say what an answer is. Dropped without an ending, the flight counts as abandoned.
#[derive(Debug)]
pub struct Lead {
    flight: Arc<Flight>,
    place: Option<Place>,
}

impl Lead {
    pub(super) fn new(flight: Arc<Flight>, place: Option<Place>) -> Self {
        Lead { flight, place }
    }

    /// A flight that nobody else can board, for an answer that only the cache wants.
    pub fn alone(flights: &Flights) -> Self {
        Lead::new(Flight::new(flights.memory(), false), None)
    }

    /// The head of the answer.
    pub fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let mut state = self.flight.state.lock();
        if state.ending.is_none() && state.head.is_none() {
            state.head = Some(Arc::new(Head::shared(status, headers)));
        }
    }

    /// The next piece of it. Followers get the same memory, not a copy.
    pub fn push(&self, piece: Bytes) {
        self.flight.push(piece);
    }

    /// How it ended; the first word stands.
    pub fn end(&self, ending: Ending) {
        self.flight.end(ending);
        self.leave_place();
    }

    /// The leader's own client has gone. True: others listen, so the answer is still wanted. False: nobody does, and
    /// nobody can come aboard any more.
    pub fn leave(&self) -> bool {
        let mut state = self.flight.state.lock();
        state.led = false;
        let others = 0 < state.followers;
        state.open &= others;
        drop(state);
        if !others {
            self.leave_place();
        }
        others
    }

    /// After [`leave`](Self::leave): resolves when the last follower has gone.
    pub async fn deserted(&self) {
        while 0 < self.flight.followers() {
            self.flight.company.notified().await;
        }
        self.leave_place();
    }

    /// Resolves when somebody else has been waiting for more for `patience`: never when all has been said.
    pub async fn crowded(&self, patience: Duration) {
        loop {
            while !self.is_awaited() {
                self.flight.company.notified().await;
            }
            tokio::time::sleep(patience).await;
            if self.is_awaited() {
                return;
            }
        }
    }

    fn is_awaited(&self) -> bool {
        let state = self.flight.state.lock();
        0 < state.followers && state.ending.is_none()
    }

    /// The whole answer, if it ended well and all of it is still here.
    pub fn answer(&self) -> Option<Answer> {
        let state = self.flight.state.lock();
        match (&state.head, &state.ending) {
            (Some(head), Some(Ending::Whole)) if state.gone == 0 => Some(Answer {
                head: Arc::clone(head),
                pieces: state.log.iter().cloned().collect(),
            }),
            _ => None,
        }
    }

    fn leave_place(&self) {
        if let Some(place) = &self.place {
            place.give_up(&self.flight);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.end(Ending::Abandoned);
    }
}

/// A place aboard.
#[derive(Debug)]
pub struct Follow {
    flight: Arc<Flight>,
    /// The piece to read next, counted from the first of the answer.
    next: usize,
    changes: watch::Receiver<()>,
}

impl Follow {
    /// What has come since the last time, pieces up to about `bytes` in all.
    pub fn read(&mut self, bytes: usize) -> Batch {
        self.changes.mark_unchanged();
        let state = self.flight.state.lock();
        let mut batch = Batch {
            head: state.head.clone(),
            ..Batch::default()
        };
        let Some(from) = self.next.checked_sub(state.gone) else {
            batch.lost = true;
            return batch;
        };
        let mut sum = 0;
        for piece in state.log.range(from.min(state.log.len())..) {
            if bytes <= sum {
                break;
            }
            sum += piece.len();
            batch.pieces.push(piece.clone());
        }
        self.next += batch.pieces.len();
        if self.next == state.gone + state.log.len() {
            batch.ending.clone_from(&state.ending);
        }
        batch
    }

    /// Resolves when there may be more to read.
    pub async fn changed(&mut self) {
        // The sender lives in the flight, which this place keeps.
        let _ = self.changes.changed().await;
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let mut state = self.flight.state.lock();
        state.followers -= 1;
        if state.followers == 0 && !state.led {
            state.open = false;
        }
        drop(state);
        self.flight.company.notify_one();
    }
}

#[cfg(test)]
mod tests;
