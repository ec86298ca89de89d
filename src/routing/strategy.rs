//! In which order the candidates of a route are tried. Priorities are never mixed; the strategy decides among equals.

use std::collections::HashMap;

use fastrand::Rng;
use parking_lot::Mutex;

use crate::config::RouteCandidate;
use crate::config::Strategy;
use crate::routing::table::Table;

/// Largest weight; sums of larger ones would lose the small.
const MAX_WEIGHT: f64 = 1e9;

/// What strategies remember between requests, by the pattern of the route. Survives reloads.
#[derive(Debug, Default)]
pub struct StrategyState {
    routes: Mutex<HashMap<String, RouteState>>,
}

#[derive(Clone, Debug, Default)]
struct RouteState {
    /// Requests seen by `round_robin`.
    turn: usize,
    /// What each candidate is owed by `weighted`.
    owed: Vec<f64>,
    /// The weights `owed` was computed with; others begin anew.
    weights: Vec<f64>,
}

/// Whether a request takes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It goes where the strategy says, and counts.
    Taken,
    /// It goes elsewhere or nowhere; taking turns for it would send all others the same way.
    LookedAt,
}

impl StrategyState {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        StrategyState::default()
    }

    /// The order in which to try `candidates`, as positions in that slice, each exactly once.
    ///
    /// Give all candidates of the route, healthy or not, and skip afterwards: turns and weights are counted over the
    /// positions.
    pub fn order(
        &self,
        strategy: Strategy,
        pattern: &str,
        candidates: &[RouteCandidate],
        rng: &mut Rng,
    ) -> Vec<usize> {
        self.order_for(Turn::Taken, strategy, pattern, candidates, rng)
    }

    /// Like [`StrategyState::order`], for a request that may not count.
    pub fn order_for(
        &self,
        turn: Turn,
        strategy: Strategy,
        pattern: &str,
        candidates: &[RouteCandidate],
        rng: &mut Rng,
    ) -> Vec<usize> {
        let mut groups = by_priority(candidates);
        match strategy {
            // Prices are compared afterwards; at the same price the file decides.
            Strategy::Priority | Strategy::Cheapest => {}
            Strategy::RoundRobin => {
                let turn = self.next_turn(turn, pattern);
                for group in &mut groups {
                    let first = turn % group.len().max(1);
                    group.rotate_left(first);
                }
            }
            // Those that compare how candidates fare draw lots first.
            Strategy::Random | Strategy::LeastBusy | Strategy::Fastest => {
                for group in &mut groups {
                    rng.shuffle(group);
                }
            }
            Strategy::Weighted => self.weigh(turn, pattern, candidates, &mut groups, rng),
        }
        groups.concat()
    }

    /// How often the accounts of this provider have taken turns before.
    pub fn turn(&self, turn: Turn, provider: &str) -> usize {
        // No pattern begins with a line break.
        self.next_turn(turn, &format!("\n{provider}"))
    }

    /// Forgets routes that are gone.
    pub fn keep_only(&self, table: &Table) {
        let mut routes = self.routes.lock();
        let mut kept = HashMap::new();
        for pattern in table.patterns() {
            kept.extend(routes.remove_entry(pattern));
        }
        *routes = kept;
    }

    fn next_turn(&self, turn: Turn, pattern: &str) -> usize {
        self.with_route(turn, pattern, |route| {
            let turn = route.turn;
            route.turn = turn.wrapping_add(1);
            turn
        })
    }

    /// The first of each group by exact shares, the others, who only serve when it fails, by lot.
    fn weigh(
        &self,
        turn: Turn,
        pattern: &str,
        candidates: &[RouteCandidate],
        groups: &mut [Vec<usize>],
        rng: &mut Rng,
    ) {
        let weights: Vec<f64> = candidates.iter().map(weight_of).collect();
        self.with_route(turn, pattern, |route| {
            if route.weights != weights {
                route.owed = vec![0.0; weights.len()];
                route.weights.clone_from(&weights);
            }
            for group in groups {
                route.pay(group);
                draw_lots(group, &weights, rng);
            }
        });
    }

    fn with_route<T>(
        &self,
        turn: Turn,
        pattern: &str,
        act: impl FnOnce(&mut RouteState) -> T,
    ) -> T {
        let mut routes = self.routes.lock();
        if turn == Turn::LookedAt {
            return act(&mut routes.get(pattern).cloned().unwrap_or_default());
        }
        match routes.get_mut(pattern) {
            Some(route) => act(route),
            None => act(routes.entry(pattern.to_owned()).or_default()),
        }
    }
}

impl RouteState {
    /// Smooth weighted round-robin: everyone is owed its weight, whoever is owed most goes first and pays for all.
    fn pay(&mut self, group: &mut [usize]) {
        let mut total = 0.0;
        let mut most: Option<(usize, f64)> = None;
        for (place, candidate) in group.iter().enumerate() {
            let weight = self.weights.get(*candidate).copied().unwrap_or_default();
            let Some(owed) = self.owed.get_mut(*candidate) else {
                continue;
            };
            *owed += weight;
            total += weight;
            if 0.0 < weight && most.is_none_or(|(_, most)| most < *owed) {
                most = Some((place, *owed));
            }
        }
        let Some((place, _)) = most else { return };
        if let Some(owed) = group.get(place).and_then(|first| self.owed.get_mut(*first)) {
            *owed -= total;
        }
        group.get_mut(..=place).unwrap_or_default().rotate_right(1);
    }
}

/// Candidates of equal priority together, the smallest first, in file order.
fn by_priority(candidates: &[RouteCandidate]) -> Vec<Vec<usize>> {
    let mut indexed: Vec<(usize, &RouteCandidate)> = candidates.iter().enumerate().collect();
    indexed.sort_by_key(|(_, candidate)| candidate.priority);
    indexed
        .chunk_by(|(_, a), (_, b)| a.priority == b.priority)
        .map(|group| group.iter().map(|(index, _)| *index).collect())
        .collect()
}

/// A weight that can be added up; nonsense is none.
fn weight_of(candidate: &RouteCandidate) -> f64 {
    match candidate.weight {
        weight if 0.0 < weight => weight.min(MAX_WEIGHT),
        _ => 0.0,
    }
}

/// Orders everyone behind the first by lot: a share of the lots for each, those without weight last in file order.
fn draw_lots(group: &mut [usize], weights: &[f64], rng: &mut Rng) {
    let Some((first, rest)) = group.split_first_mut() else {
        return;
    };
    let weight = |candidate: &usize| weights.get(*candidate).copied().unwrap_or_default();
    if weight(first) <= 0.0 {
        return;
    }
    // The candidate whose exponential waiting time ends first is drawn first.
    let mut lots: Vec<(f64, usize)> = rest
        .iter()
        .map(|candidate| {
            let waiting = -(1.0 - rng.f64()).ln();
            let weight = weight(candidate);
            let time = if 0.0 < weight {
                waiting / weight
            } else {
                f64::INFINITY
            };
            (time, *candidate)
        })
        .collect();
    lots.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    for (place, (_, candidate)) in rest.iter_mut().zip(lots) {
        *place = candidate;
    }
}

#[cfg(test)]
mod tests;
