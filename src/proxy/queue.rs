//! Whose turn it is: the candidates of an exchange in their order, each let in or passed over when its turn comes.

use std::time::{Duration, Instant};

use super::choose::{Candidate, refusal_text};
use super::exchange::{Begun, Exchange};
use super::profile;
use super::trail::{PROVIDER_OVERLOADED, Skip};
use crate::error::{FaultKind, Retry};
use crate::health::{Permit, Standing};

/// Which time the candidates are gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Round {
    /// All of them.
    #[default]
    First,
    /// Only those that asked for patience.
    Repeat,
}

/// The turn of one candidate.
pub(super) struct Turn {
    /// Whose.
    pub(super) candidate: Candidate,
    /// Its place there.
    pub(super) permit: Permit,
    /// A try that has been under way before it: a hedge.
    pub(super) begun: Option<Begun>,
}

/// The candidates of an exchange, and what was learnt on the way through them.
#[derive(Default)]
pub(super) struct Queue {
    line: Line<Candidate>,
    round: Round,
    tried: usize,
    /// Providers that have said that they are overloaded.
    overloaded: Vec<String>,
    /// The largest context window that was too small.
    wanted_window: Option<u64>,
}

impl Queue {
    /// In this order.
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        Queue {
            line: Line::new(candidates),
            ..Queue::default()
        }
    }

    /// All of them, whoever has had a turn.
    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.line.all
    }

    /// Begins anew.
    pub(super) fn start(&mut self, round: Round) {
        *self = Queue {
            round,
            ..Queue::new(std::mem::take(&mut self.line.all))
        };
    }

    /// What a failure says about those who wait.
    pub(super) fn learn(&mut self, candidate: &Candidate, kind: &FaultKind, retry: Retry) {
        if retry == Retry::NextProvider {
            let name = candidate.endpoint.provider.name.clone();
            self.overloaded.push(name);
        }
        if *kind == FaultKind::UpstreamContextTooLong {
            self.wanted_window = self.wanted_window.max(Some(window(candidate).unwrap_or(0)));
        }
    }

    /// Whether the prompt was too long for somebody.
    pub(super) fn was_too_long(&self) -> bool {
        self.wanted_window.is_some()
    }

    /// The last one that had a turn gets it once more; it counts as one candidate.
    pub(super) fn give_back(&mut self) {
        self.line.give_back();
        self.tried = self.tried.saturating_sub(1);
    }

    fn is_overloaded(&self, candidate: &Candidate) -> bool {
        self.overloaded.contains(&candidate.endpoint.provider.name)
    }

    fn is_too_small(&self, candidate: &Candidate) -> bool {
        let fits = |wanted| window(candidate).is_some_and(|window| wanted < window);
        self.wanted_window.is_some_and(|wanted| !fits(wanted))
    }
}

impl Exchange<'_, '_> {
    /// The next turn: of the hedge, if one is under way, else of the next candidate that may have one.
    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        if self.request.deadline <= Instant::now() {
            return None;
        }
        if let Some(hedge) = self.hedge.take() {
            return Some(hedge.into_turn());
        }
        while self.may_try_more() {
            let candidate = self.queue.line.next()?.clone();
            if self.queue.is_overloaded(&candidate) {
                self.skip(&candidate, PROVIDER_OVERLOADED.to_owned(), None);
                continue;
            }
            if !self.is_meant(&candidate) {
                continue;
            }
            if let Some(permit) = self.permit(&candidate) {
                self.queue.tried += 1;
                return Some(Turn {
                    candidate,
                    permit,
                    begun: None,
                });
            }
        }
        None
    }

    /// Lets the first of those who wait that is well go ahead of its turn, beside a try at `first`, if a call for it
    /// `may` be had. Nobody is passed over for good: who is not well now may be when its turn comes.
    pub(super) fn turn_ahead(
        &mut self,
        first: &Candidate,
        may: impl FnOnce(&mut Self) -> bool,
    ) -> Option<(Candidate, Permit)> {
        if !self.may_try_more() {
            return None;
        }
        let now = Instant::now();
        let is_well = |it: &Candidate| {
            it.endpoint.id() != first.endpoint.id()
                && !self.queue.is_overloaded(it)
                && self.is_meant(it)
                && matches!(
                    it.endpoint.standing(now, it.model.as_str()),
                    Standing::Well(_)
                )
        };
        let waiting = self.queue.line.waiting();
        let at = waiting.iter().position(is_well)?;
        let candidate = waiting.get(at)?.clone();
        if !may(self) {
            return None;
        }
        let limit = candidate.endpoint.provider.max_in_flight;
        let health = &candidate.endpoint.health;
        let permit = health.admit(now, candidate.model.as_str(), limit).ok()?;
        self.queue.line.ahead(at);
        self.queue.tried += 1;
        Some((candidate, permit))
    }

    fn may_try_more(&self) -> bool {
        self.queue.tried < self.snapshot.config.settings.max_attempts
    }

    /// Whether it makes sense to ask this candidate.
    fn is_meant(&self, candidate: &Candidate) -> bool {
        let in_round = match self.queue.round {
            Round::First => true,
            Round::Repeat => self.asked_for_patience(candidate),
        };
        in_round && !self.queue.is_too_small(candidate)
    }

    /// A place at an endpoint, or the reason why there is none, noted.
    fn permit(&mut self, candidate: &Candidate) -> Option<Permit> {
        let (endpoint, now) = (&candidate.endpoint, Instant::now());
        if !endpoint.keys.any_usable(now) {
            let back_in = endpoint
                .keys
                .next_usable(now)
                .map(|at| at.saturating_duration_since(now));
            let dead = endpoint.keys.all_benched();
            let why = if dead {
                "all its keys were refused"
            } else {
                "all its keys rest"
            };
            let endpoint = endpoint.id().as_str().to_owned();
            self.trail.pass_over(Skip {
                endpoint,
                why: why.to_owned(),
                back_in,
                dead,
            });
            return None;
        }
        if let Some(why) = endpoint.out_of_use() {
            self.trail.pass_over(Skip {
                endpoint: endpoint.id().as_str().to_owned(),
                why,
                back_in: None,
                dead: true,
            });
            return None;
        }
        let limit = endpoint.provider.max_in_flight;
        match endpoint.health.admit(now, candidate.model.as_str(), limit) {
            Ok(permit) => Some(permit),
            Err(refusal) => {
                let (why, back_in) = refusal_text(&refusal, now);
                self.skip(candidate, why, back_in);
                None
            }
        }
    }

    fn skip(&mut self, candidate: &Candidate, why: String, back_in: Option<Duration>) {
        let endpoint = candidate.endpoint.id().as_str().to_owned();
        self.trail.pass_over(Skip {
            endpoint,
            why,
            back_in,
            dead: false,
        });
    }
}

fn window(candidate: &Candidate) -> Option<u64> {
    profile::window(&candidate.endpoint, candidate.model.as_str())
}

/// Those who have had their turn, and behind them those who wait for it.
struct Line<T> {
    all: Vec<T>,
    served: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line::new(Vec::new())
    }
}

impl<T> Line<T> {
    fn new(all: Vec<T>) -> Self {
        Line { all, served: 0 }
    }

    fn waiting(&self) -> &[T] {
        self.all.get(self.served..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<&T> {
        self.ahead(0)
    }

    /// Serves the one at this place among those who wait; the others keep their order.
    fn ahead(&mut self, place: usize) -> Option<&T> {
        let waiting = self.all.get_mut(self.served..)?;
        waiting.get_mut(..=place)?.rotate_right(1);
        self.served += 1;
        self.all.get(self.served - 1)
    }

    /// The last one that was served waits again, before all others.
    fn give_back(&mut self) {
        self.served = self.served.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_goes_ahead_leaves_the_others_in_order() {
        let mut line = Line::new(vec!['a', 'b', 'c', 'd']);
        assert_eq!(line.next(), Some(&'a'));
        assert_eq!(line.ahead(1), Some(&'c'));
        assert_eq!(line.waiting(), ['b', 'd']);
        line.give_back();
        assert_eq!(line.waiting(), ['c', 'b', 'd']);
        assert_eq!(line.ahead(3), None);
        assert_eq!(line.waiting().len(), 3);
    }

    #[derive(Clone, Copy, Debug)]
    enum Move {
        Next,
        Ahead(usize),
        GiveBack,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            Just(Move::Next),
            (0_usize..6).prop_map(Move::Ahead),
            Just(Move::GiveBack),
        ];
        prop::collection::vec(one, 0..30)
    }

    proptest! {
        /// Whoever goes ahead or back: each has one turn at a time, none is lost, and those who never went ahead stay in
        /// the order of the strategy.
        #[test]
        fn nobody_is_lost_and_nobody_served_twice(size in 0_usize..8, moves in moves()) {
            let mut line = Line::new((0..size).collect());
            let (mut served, mut moved) = (Vec::new(), Vec::new());
            for one in moves {
                let expected = match one {
                    Move::Next => line.waiting().first().copied(),
                    Move::Ahead(place) => line.waiting().get(place).copied(),
                    Move::GiveBack => {
                        line.give_back();
                        served.pop();
                        continue;
                    }
                };
                let given = match one {
                    Move::Ahead(place) => line.ahead(place).copied(),
                    Move::Next | Move::GiveBack => line.next().copied(),
                };
                prop_assert_eq!(given, expected);
                if let Some(given) = given {
                    prop_assert!(!served.contains(&given));
                    served.push(given);
                    moved.push(given);
                }
            }
            let all: Vec<usize> = served.iter().chain(line.waiting()).copied().collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..size).collect::<Vec<_>>());
            let untouched = |it: &&usize| !moved.contains(it);
            prop_assert!(line.waiting().iter().filter(untouched).is_sorted());
        }
    }
}
