//! Among equals, the candidates that serve the very model that was asked for come before those that serve another:
//! a failover then changes the provider and not who answers.
//!
//! Strategies share requests out by their first pick, and that stays as it is; only under `priority`, where equals have
//! no order of their own but the file's, the first one counts among them.

use crate::config::{RouteCandidate, Strategy};
use crate::types::ModelIdentity;

/// Reorders what a strategy gave for `asked`: positions in `candidates`, priorities ascending.
pub fn prefer_asked(
    strategy: Strategy,
    order: &mut [usize],
    candidates: &[RouteCandidate],
    asked: &str,
) {
    let asked = ModelIdentity::of(asked);
    let rank = |at: usize| {
        let Some(candidate) = candidates.get(at) else {
            return (true, true);
        };
        let model = candidate.model.as_deref();
        let same = model.is_none_or(|model| ModelIdentity::of(model).is(&asked));
        // Whoever has no weight is a last resort, whatever it serves.
        let last = strategy == Strategy::Weighted && candidate.weight <= 0.0;
        (last, !same)
    };
    let priority = |at: &usize| candidates.get(*at).map(|it| it.priority);
    for equals in order.chunk_by_mut(|a, b| priority(a) == priority(b)) {
        let picked = usize::from(strategy != Strategy::Priority);
        if let Some(rest) = equals.get_mut(picked..) {
            rest.sort_by_cached_key(|at| rank(*at));
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Strategy;
    use crate::routing::StrategyState;

    const ASKED: &str = "claude-sonnet-4-5-20250929";
    const ALL: [Strategy; 4] = [
        Strategy::Priority,
        Strategy::RoundRobin,
        Strategy::Random,
        Strategy::Weighted,
    ];

    fn candidate(model: Option<&str>, priority: u32, weight: f64) -> RouteCandidate {
        RouteCandidate {
            provider: 0,
            model: model.map(str::to_owned),
            priority,
            weight,
            wish: crate::config::Wish::default(),
        }
    }

    fn preferred(strategy: Strategy, mut order: Vec<usize>, list: &[RouteCandidate]) -> Vec<usize> {
        prefer_asked(strategy, &mut order, list, ASKED);
        order
    }

    #[test]
    fn the_asked_model_comes_first_among_equals_and_never_before_a_smaller_priority() {
        let list = [
            candidate(Some("gpt-5"), 1, 1.0),
            candidate(Some("gemini-2.5-pro"), 2, 1.0),
            candidate(Some("anthropic/claude-sonnet-4.5"), 2, 1.0),
            candidate(None, 2, 1.0),
        ];
        let file = vec![0, 1, 2, 3];
        assert_eq!(preferred(Strategy::Priority, file, &list), [0, 2, 3, 1]);
    }

    #[test]
    fn the_first_pick_of_a_strategy_stays() {
        let list = [
            candidate(Some("gpt-5"), 1, 1.0),
            candidate(Some("gemini-2.5-pro"), 1, 1.0),
            candidate(None, 1, 0.0),
            candidate(None, 1, 1.0),
        ];
        for strategy in [Strategy::RoundRobin, Strategy::Random] {
            assert_eq!(preferred(strategy, vec![1, 0, 2, 3], &list), [1, 2, 3, 0]);
        }
        let weighted = preferred(Strategy::Weighted, vec![1, 0, 3, 2], &list);
        assert_eq!(weighted, [1, 3, 0, 2]);
    }

    proptest! {
        #[test]
        fn nobody_is_lost_no_priority_inverted_and_no_first_pick_taken(
            given in prop::collection::vec((0..3_u8, 0_u32..3, 0_u32..3), 0..10),
            seed: u64,
        ) {
            let models = [None, Some("claude-sonnet-4-5"), Some("gpt-5")];
            let list: Vec<RouteCandidate> = given
                .iter()
                .map(|(model, priority, weight)| {
                    candidate(models[usize::from(*model)], *priority, f64::from(*weight))
                })
                .collect();
            let state = StrategyState::new();
            for strategy in ALL {
                let before = state.order(strategy, "*", &list, &mut Rng::with_seed(seed));
                let after = preferred(strategy, before.clone(), &list);
                let priorities: Vec<u32> = after.iter().map(|at| list[*at].priority).collect();
                prop_assert!(priorities.is_sorted());
                let mut sorted = after.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..list.len()).collect::<Vec<usize>>());
                let firsts = |order: &[usize]| -> Vec<usize> {
                    order
                        .chunk_by(|a, b| list[*a].priority == list[*b].priority)
                        .map(|it| it[0])
                        .collect()
                };
                if strategy != Strategy::Priority {
                    prop_assert_eq!(firsts(&before), firsts(&after));
                }
                // Behind the first pick nobody with another model stands before one with the same.
                for equals in after.chunk_by(|a, b| list[*a].priority == list[*b].priority) {
                    let skipped = usize::from(strategy != Strategy::Priority);
                    let others: Vec<bool> = equals
                        .iter()
                        .skip(skipped)
                        .filter(|at| strategy != Strategy::Weighted || 0.0 < list[**at].weight)
                        .map(|at| list[*at].model.as_deref() == Some("gpt-5"))
                        .collect();
                    prop_assert!(others.is_sorted());
                }
            }
        }
    }
}
