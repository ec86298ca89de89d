//! A hedge: a second attempt beside one that is slow. Whichever shows content first is the answer.
//!
//! A hedge is the turn of the next candidate, begun ahead of its time. While it runs, the first attempt's loop polls it
//! as well (`relay`). If it shows content first, the first attempt is let go; if the first attempt fails, it goes on
//! alone: in both cases its turn has come, with an attempt that is under way already. If the first attempt shows content,
//! it is cancelled. Only one runs at a time, each has to be granted by the budget, and who loses is not at fault.

use std::time::Instant;

use super::attempt::Progress;
use super::choose::Candidate;
use super::exchange::{Begun, Exchange};
use super::queue::Turn;
use super::relay::{News, Relay};
use super::token;
use crate::error::{Fault, Retry};
use crate::health::{Extra, Permit};

/// Whom a step is about that is about the whole request.
const ALL: &str = "all";

/// An attempt beside another one.
pub(super) struct Hedge {
    candidate: Candidate,
    permit: Permit,
    begun: Begun,
    pub(super) relay: Relay,
}

impl Hedge {
    /// Its turn has come.
    pub(super) fn into_turn(self) -> Turn {
        let mut begun = self.begun;
        begun.ahead = Some(Box::new(self.relay));
        Turn {
            candidate: self.candidate,
            permit: self.permit,
            begun: Some(begun),
        }
    }
}

/// What the hedge gave next; never, where there is none. Cancel safe.
pub(super) async fn next(hedge: &mut Option<Box<Hedge>>) -> Progress {
    match hedge {
        Some(hedge) => hedge.relay.running.next().await,
        None => std::future::pending().await,
    }
}

impl Exchange<'_, '_> {
    /// When an attempt that began then is slow.
    pub(super) fn slow_at(&self, began: Instant) -> Option<Instant> {
        self.terms.hedge_after.map(|after| began + after)
    }

    /// The attempt at `first` is slow: begins another one beside it, where there is one to be had.
    pub(super) async fn begin_hedge(&mut self, first: &Candidate, relay: &mut Relay) {
        relay.slow_at = None;
        let Some((candidate, permit)) = self.turn_ahead(first, Exchange::may_hedge) else {
            return;
        };
        let Some((begun, hedge)) = self.try_ahead(&candidate).await else {
            self.queue.give_back();
            return;
        };
        // Should it fail, the next one waits as long.
        relay.slow_at = self.slow_at(begun.began);
        self.hedge = Some(Box::new(Hedge {
            candidate,
            permit,
            begun,
            relay: hedge,
        }));
    }

    fn may_hedge(&mut self) -> bool {
        let granted = self.edge.shared.take(Extra::Hedge, Instant::now());
        if !granted {
            self.trail
                .note(ALL, "hedge budget used up".to_owned(), None);
        }
        granted
    }

    /// Begins a try without waiting for anything: the first attempt is not polled meanwhile.
    async fn try_ahead(&mut self, candidate: &Candidate) -> Option<(Begun, Relay)> {
        let endpoint = &candidate.endpoint;
        let bearer = match &endpoint.tokens {
            Some(tokens) => Some(tokens.at_hand()?),
            None => None,
        };
        let mut begun = self.begin(candidate, &[])?;
        let thinking = self.thinking_for(candidate);
        let started = self.start(candidate, begun.key, bearer.as_ref(), thinking);
        let Ok(relay) = started.await else {
            // Why is told when its turn has come.
            self.trail.forget(endpoint.id());
            return None;
        };
        self.trail.mark_hedge(endpoint.id());
        begun.bearer = bearer;
        Some((begun, relay))
    }

    /// The hedge gave something. True: content, before the attempt that `relay` is of.
    pub(super) fn hedge_gave(&mut self, relay: &mut Relay, progress: Progress) -> bool {
        let Some(hedge) = &mut self.hedge else {
            return false;
        };
        match hedge.relay.read(&hedge.candidate, progress) {
            News::Nothing => false,
            News::Pieces(pieces, end) => {
                hedge.relay.ready = Some((pieces, end));
                true
            }
            News::Broken(_) => {
                self.hedge_failed(relay, None);
                false
            }
        }
    }

    /// The hedge has stalled, or failed by itself: judged at once, as any other. Where it would make sense to ask its
    /// candidate again, its turn comes again if the first attempt fails, too.
    pub(super) fn hedge_failed(&mut self, relay: &mut Relay, stalled: Option<Fault>) {
        let Some(hedge) = self.hedge.take() else {
            return;
        };
        let (fault, refused) = match stalled {
            Some(fault) => (fault, None),
            None => self.failure(&hedge.candidate, &hedge.relay),
        };
        let Hedge {
            candidate, begun, ..
        } = *hedge;
        let again = if token::needs_another(&candidate, begun.bearer.as_ref(), refused.as_ref()) {
            self.trail.over(candidate.endpoint.id(), "token refused");
            true
        } else {
            let keys = &candidate.endpoint.keys;
            match self.failed(&candidate, &begun, fault, refused) {
                // What the client did wrong, or what can be repaired.
                Retry::Never => true,
                Retry::NextKey => !keys.is_empty() && keys.any_usable(Instant::now()),
                Retry::SameEndpoint | Retry::NextEndpoint | Retry::NextProvider => false,
            }
        };
        if again {
            self.queue.give_back();
            relay.slow_at = None;
        }
    }

    /// Cancels the hedge, if one is under way: its connection closes, and its place and key are free at once.
    pub(super) fn call_off(&mut self) {
        if let Some(hedge) = self.hedge.take() {
            self.trail.over(hedge.candidate.endpoint.id(), "cancelled");
        }
    }

    /// The hedge has shown content before the try at `candidate`, which is let go. Slow it was, at fault it is not.
    pub(super) fn overtaken(&mut self, candidate: &Candidate, begun: &Begun) {
        let health = &candidate.endpoint.health;
        health.overtaken(begun.began, Instant::now());
        self.trail.over(candidate.endpoint.id(), "overtaken");
    }
}
