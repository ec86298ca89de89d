//! Whoever fares best comes first, among equals only, and the unknown get their chance.

use fastrand::Rng;
use proptest::prelude::*;

use proptest::strategy::Strategy as _;

use super::*;
use crate::config::Strategy;
use crate::routing::StrategyState;

fn candidate(priority: u32) -> RouteCandidate {
    RouteCandidate {
        provider: 0,
        model: None,
        priority,
        weight: 1.0,
        wish: crate::config::Wish::default(),
    }
}

fn fares(in_flight: usize, ttft_ms: Option<f64>, price: Option<f64>) -> Vitals {
    Vitals {
        is_usable: true,
        in_flight,
        ttft_ms,
        price,
    }
}

fn ranked(strategy: Strategy, mut order: Vec<usize>, vitals: &[Vitals]) -> Vec<usize> {
    let candidates = vec![candidate(1); vitals.len()];
    rank(strategy, &mut order, &candidates, |at| vitals[at]);
    order
}

#[test]
fn the_least_busy_comes_first_and_the_lot_decides_among_as_busy() {
    let vitals = [2, 0, 1, 0].map(|busy| fares(busy, None, None));
    let order = ranked(Strategy::LeastBusy, vec![0, 3, 2, 1], &vitals);
    assert_eq!(order, [3, 1, 2, 0]);
}

#[test]
fn who_cannot_be_asked_is_last_however_idle_or_fast() {
    let mut vitals = [fares(5, Some(900.0), None), fares(0, Some(1.0), None)];
    vitals[1].is_usable = false;
    assert_eq!(ranked(Strategy::LeastBusy, vec![0, 1], &vitals), [0, 1]);
    assert_eq!(ranked(Strategy::Fastest, vec![1, 0], &vitals), [0, 1]);
}

#[test]
fn the_faster_of_two_comes_first_and_the_rest_by_speed() {
    let vitals = [400.0, 300.0, 200.0, 100.0].map(|ms| fares(0, Some(ms), None));
    // The first two were drawn; the fastest of all was not.
    let order = ranked(Strategy::Fastest, vec![0, 1, 2, 3], &vitals);
    assert_eq!(order, [1, 3, 2, 0]);
}

#[test]
fn a_queue_makes_the_fast_one_slow() {
    let vitals = [fares(9, Some(100.0), None), fares(0, Some(500.0), None)];
    assert_eq!(ranked(Strategy::Fastest, vec![0, 1], &vitals), [1, 0]);
}

#[test]
fn the_unknown_is_tried_by_one_request_at_a_time() {
    let known = fares(0, Some(5.0), None);
    let idle = [known, fares(0, None, None)];
    assert_eq!(ranked(Strategy::Fastest, vec![0, 1], &idle), [1, 0]);
    let asked = [known, fares(1, None, None)];
    assert_eq!(ranked(Strategy::Fastest, vec![1, 0], &asked), [0, 1]);
}

#[test]
fn the_cheapest_comes_first_and_the_unpriced_last() {
    let prices = [None, Some(3.0), Some(0.0), None, Some(1.0)];
    let vitals = prices.map(|price| fares(0, None, price));
    let order = ranked(Strategy::Cheapest, vec![0, 1, 2, 3, 4], &vitals);
    assert_eq!(order, [2, 4, 1, 0, 3]);
}

#[test]
fn over_time_the_fast_get_more_and_nobody_gets_nothing() {
    let vitals = [100.0, 200.0, 400.0].map(|ms| fares(0, Some(ms), None));
    let candidates = vec![candidate(1); 3];
    let (state, mut rng, mut firsts) = (StrategyState::new(), Rng::with_seed(5), [0; 3]);
    for _ in 0..3000 {
        let mut order = state.order(Strategy::Fastest, "*", &candidates, &mut rng);
        rank(Strategy::Fastest, &mut order, &candidates, |at| vitals[at]);
        firsts[order[0]] += 1;
    }
    // Two of three are drawn: the fastest wins both of its pairs, the slowest none.
    assert!((1900..2100).contains(&firsts[0]), "{firsts:?}");
    assert!((900..1100).contains(&firsts[1]), "{firsts:?}");
    assert_eq!(firsts[2], 0);
}

fn vitals() -> impl proptest::strategy::Strategy<Value = Vitals> {
    let number = || prop::option::of(prop_oneof![0.0..1e4_f64, any::<f64>()]);
    (any::<bool>(), 0..5_usize, number(), number()).prop_map(
        |(is_usable, in_flight, ttft_ms, price)| Vitals {
            is_usable,
            in_flight,
            ttft_ms,
            price,
        },
    )
}

proptest! {
    #[test]
    fn nobody_is_lost_and_no_priority_inverted(
        given in prop::collection::vec((0_u32..3, vitals()), 0..10),
        seed: u64,
    ) {
        let candidates: Vec<RouteCandidate> = given.iter().map(|it| candidate(it.0)).collect();
        let (state, mut rng) = (StrategyState::new(), Rng::with_seed(seed));
        for strategy in [
            Strategy::Priority, Strategy::RoundRobin, Strategy::Random, Strategy::Weighted,
            Strategy::LeastBusy, Strategy::Fastest, Strategy::Cheapest,
        ] {
            let mut order = state.order(strategy, "*", &candidates, &mut rng);
            rank(strategy, &mut order, &candidates, |at| given[at].1);
            let priorities: Vec<u32> = order.iter().map(|at| candidates[*at].priority).collect();
            prop_assert!(priorities.is_sorted());
            if matches!(strategy, Strategy::LeastBusy | Strategy::Fastest) {
                for equals in order.chunk_by(|a, b| candidates[*a].priority == candidates[*b].priority) {
                    prop_assert!(equals.iter().map(|at| !given[*at].1.is_usable).is_sorted());
                }
            }
            order.sort_unstable();
            prop_assert_eq!(order, (0..candidates.len()).collect::<Vec<usize>>());
        }
    }
}
