//! Orders are permutations inside priorities, whatever the strategy, and shares come out as asked.

use fastrand::Rng;
use proptest::prelude::*;

use crate::config::RouteCandidate;
use crate::config::Strategy as Order;
use crate::routing::{StrategyState, Turn};

const ALL: [Order; 7] = [
    Order::Priority,
    Order::RoundRobin,
    Order::Random,
    Order::Weighted,
    Order::LeastBusy,
    Order::Fastest,
    Order::Cheapest,
];

fn candidate(priority: u32, weight: f64) -> RouteCandidate {
    RouteCandidate {
        provider: 0,
        model: None,
        priority,
        weight,
        wish: crate::config::Wish::default(),
    }
}

fn equals(weights: &[f64]) -> Vec<RouteCandidate> {
    weights.iter().map(|weight| candidate(1, *weight)).collect()
}

/// How often each candidate comes first.
fn firsts(order: Order, candidates: &[RouteCandidate], rounds: usize) -> Vec<usize> {
    let state = StrategyState::new();
    let mut rng = Rng::with_seed(7);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..rounds {
        let picks = state.order(order, "*", candidates, &mut rng);
        counts[picks[0]] += 1;
    }
    counts
}

#[test]
fn priority_keeps_file_order_among_equals() {
    let candidates = [
        candidate(2, 1.0),
        candidate(1, 1.0),
        candidate(2, 1.0),
        candidate(1, 9.0),
    ];
    let order = StrategyState::new().order(Order::Priority, "*", &candidates, &mut Rng::new());
    assert_eq!(order, [1, 3, 0, 2]);
}

#[test]
fn round_robin_takes_turns_for_each_route() {
    let (state, mut rng) = (StrategyState::new(), Rng::new());
    let candidates = equals(&[1.0; 3]);
    let mut order = |pattern| state.order(Order::RoundRobin, pattern, &candidates, &mut rng);
    assert_eq!(order("a"), [0, 1, 2]);
    assert_eq!(order("a"), [1, 2, 0]);
    assert_eq!(order("b"), [0, 1, 2]);
    assert_eq!(order("a"), [2, 0, 1]);
    assert_eq!(order("a"), [0, 1, 2]);
}

#[test]
fn random_gives_everyone_a_fair_share() {
    for count in firsts(Order::Random, &equals(&[1.0; 4]), 4000) {
        assert!((800..1200).contains(&count), "{count}");
    }
}

#[test]
fn weights_are_shares_and_come_spread_out() {
    assert_eq!(
        firsts(Order::Weighted, &equals(&[5.0, 3.0, 2.0]), 1000),
        [500, 300, 200]
    );
    let (state, mut rng) = (StrategyState::new(), Rng::new());
    let candidates = equals(&[3.0, 1.0]);
    let picks: Vec<usize> = (0..8)
        .map(|_| state.order(Order::Weighted, "*", &candidates, &mut rng)[0])
        .collect();
    assert_eq!(picks, [0, 0, 1, 0, 0, 0, 1, 0]);
}

#[test]
fn no_weight_is_a_last_resort() {
    let candidates = equals(&[0.0, 1.0, f64::NAN, 1.0, -1.0]);
    let (state, mut rng) = (StrategyState::new(), Rng::with_seed(1));
    for _ in 0..100 {
        let order = state.order(Order::Weighted, "*", &candidates, &mut rng);
        assert_eq!(order[2..], [0, 2, 4]);
    }
    let nobody = state.order(Order::Weighted, "none", &equals(&[0.0; 3]), &mut rng);
    assert_eq!(nobody, [0, 1, 2]);
}

#[test]
fn those_behind_the_first_come_by_their_weights() {
    let candidates = equals(&[1000.0, 3.0, 1.0]);
    let (state, mut rng) = (StrategyState::new(), Rng::with_seed(3));
    let seconds = (0..4000)
        .map(|_| state.order(Order::Weighted, "*", &candidates, &mut rng))
        .filter(|order| order[0] == 0 && order[1] == 1)
        .count();
    assert!((2800..3200).contains(&seconds), "{seconds}");
}

#[test]
fn new_weights_begin_anew() {
    let (state, mut rng) = (StrategyState::new(), Rng::new());
    let mut first =
        |weights: &[f64]| state.order(Order::Weighted, "*", &equals(weights), &mut rng)[0];
    assert_eq!(first(&[5.0, 1.0]), 0);
    assert_eq!(first(&[1.0, 5.0, 1.0]), 1);
    assert_eq!(first(&[9.0]), 0);
}

#[test]
fn who_only_looks_takes_no_turn() {
    for strategy in [Order::RoundRobin, Order::Weighted] {
        let (state, mut rng) = (StrategyState::new(), Rng::new());
        let candidates = equals(&[1.0; 2]);
        let firsts: Vec<usize> = (0..4)
            .map(|_| {
                let looked = state.order_for(Turn::LookedAt, strategy, "*", &candidates, &mut rng);
                let taken = state.order(strategy, "*", &candidates, &mut rng);
                assert_eq!(looked[0], taken[0], "{strategy:?}");
                taken[0]
            })
            .collect();
        // Without it every other request would go the same way, whenever the ones between are bound elsewhere.
        assert_eq!(firsts, [0, 1, 0, 1], "{strategy:?}");
    }
}

proptest! {
    #[test]
    fn everyone_is_tried_once_and_priorities_are_never_inverted(
        given in prop::collection::vec((0_u32..4, prop_oneof![Just(0.0), 0.0..10.0, any::<f64>()]), 0..12),
        seed: u64,
        rounds in 1..5_usize,
    ) {
        let candidates: Vec<RouteCandidate> =
            given.iter().map(|(priority, weight)| candidate(*priority, *weight)).collect();
        let (state, mut rng) = (StrategyState::new(), Rng::with_seed(seed));
        for strategy in ALL {
            for _ in 0..rounds {
                let order = state.order(strategy, "*", &candidates, &mut rng);
                let priorities: Vec<u32> = order.iter().map(|index| candidates[*index].priority).collect();
                prop_assert!(priorities.is_sorted());
                let mut sorted = order;
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..candidates.len()).collect::<Vec<usize>>());
            }
        }
    }

    #[test]
    fn shares_converge_on_the_weights(weights in prop::collection::vec(1_u32..20, 1..6)) {
        let candidates = equals(&weights.iter().map(|weight| f64::from(*weight)).collect::<Vec<f64>>());
        let total: u32 = weights.iter().sum();
        let counts = firsts(Order::Weighted, &candidates, 3 * total as usize);
        let wanted: Vec<usize> = weights.iter().map(|weight| 3 * *weight as usize).collect();
        prop_assert_eq!(counts, wanted);
    }
}
