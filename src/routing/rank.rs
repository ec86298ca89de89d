//! Strategies that compare how candidates fare: the least busy, the fastest, the cheapest. They reorder among equals
//! what [`StrategyState`](super::StrategyState) has put into an order that is fair without knowing anything.

use std::cmp::Ordering;

use crate::config::RouteCandidate;
use crate::config::Strategy;

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    /// Whether it could be asked at once.
    pub is_usable: bool,
    /// Requests under way there.
    pub in_flight: usize,
    /// Time to first content, milliseconds, as the worst of late felt it; `None` before the first answer.
    pub ttft_ms: Option<f64>,
    /// What it costs, in any unit; `None` is unknown.
    pub price: Option<f64>,
}

/// Reorders `order`, positions in `candidates` with priorities ascending. Priorities are never mixed.
pub fn rank(
    strategy: Strategy,
    order: &mut [usize],
    candidates: &[RouteCandidate],
    vitals: impl Fn(usize) -> Vitals,
) {
    let by: fn(&mut [(Vitals, usize)]) = match strategy {
        Strategy::LeastBusy => least_busy,
        Strategy::Fastest => fastest,
        Strategy::Cheapest => cheapest,
        Strategy::Priority | Strategy::RoundRobin | Strategy::Random | Strategy::Weighted => return,
    };
    let priority = |at: &usize| candidates.get(*at).map(|it| it.priority);
    for equals in order.chunk_by_mut(|a, b| priority(a) == priority(b)) {
        // Each is looked at once: what is compared must not change while it is sorted.
        let mut known: Vec<(Vitals, usize)> = equals.iter().map(|at| (vitals(*at), *at)).collect();
        by(&mut known);
        for (place, (_, at)) in equals.iter_mut().zip(known) {
            *place = at;
        }
    }
}

/// The fewest requests first; among as few, the order given.
fn least_busy(equals: &mut [(Vitals, usize)]) {
    equals.sort_by_key(|(it, _)| (!it.is_usable, it.in_flight));
}

/// Of the first two that can be asked, which the order given has drawn by lot, the faster one; behind it all others,
/// the fastest first. Always taking the fastest of all would send everybody there at once, until it is not.
fn fastest(equals: &mut [(Vitals, usize)]) {
    equals.sort_by_key(|(it, _)| !it.is_usable);
    let slower = |a: &(Vitals, usize), b: &(Vitals, usize)| cost(&a.0).total_cmp(&cost(&b.0));
    if let [first, second, ..] = equals
        && second.0.is_usable
        && slower(first, second) == Ordering::Greater
    {
        std::mem::swap(first, second);
    }
    if let Some(behind) = equals.get_mut(1..) {
        behind.sort_by(|a, b| {
            let usable = b.0.is_usable.cmp(&a.0.is_usable);
            usable.then_with(|| slower(a, b))
        });
    }
}

/// The time the next request may expect. Whoever is unknown is asked once, and no more until it has answered.
fn cost(it: &Vitals) -> f64 {
    match it.ttft_ms {
        Some(ms) => ms * (it.in_flight as f64 + 1.0),
        None if it.in_flight == 0 => 0.0,
        None => f64::INFINITY,
    }
}

/// The lowest price first, unknown ones last; at the same price the order given.
fn cheapest(equals: &mut [(Vitals, usize)]) {
    let price = |it: &Vitals| it.price.unwrap_or(f64::INFINITY);
    equals.sort_by(|(a, _), (b, _)| price(a).total_cmp(&price(b)));
}

#[cfg(test)]
mod tests;
