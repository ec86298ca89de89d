//! A budget for calls beyond the first, so that trouble is not multiplied.
//!
//! Repeats on the same endpoint may be at most a fifth of the requests of the last ten seconds, and always three a
//! second; so may hedges, and neither eats the other's part. Failing over to a healthy endpoint is never budgeted.

use std::time::Instant;

use crate::types::Recent;

/// Seconds over which requests and extra calls are weighed.
const WINDOW: u16 = 10;
/// Calls of a kind that are always allowed within the window: three a second.
const FLOOR: u64 = 30;
/// Calls of a kind per hundred requests.
const PERCENT: u64 = 20;

/// One budget for the whole process.
#[derive(Debug)]
pub struct Budget {
    requests: Recent,
    repeats: Spent,
    hedges: Spent,
}

/// What kind of call is wanted beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Once more on the same endpoint.
    Repeat,
    /// Beside an attempt that is slow.
    Hedge,
}

/// The calls of one kind.
#[derive(Debug)]
struct Spent {
    recent: Recent,
    granted: u64,
    refused: u64,
}

/// What people may see of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    /// Calls within the window.
    pub used: u64,
    /// Calls that the window allows.
    pub allowed: u64,
    /// Seconds of the window.
    pub window: u16,
    /// Calls since the start.
    pub granted: u64,
    /// Calls that the budget has refused since the start.
    pub refused: u64,
}

impl Budget {
    /// Full.
    pub fn new(now: Instant) -> Self {
        let spent = || Spent {
            recent: Recent::over(WINDOW, now),
            granted: 0,
            refused: 0,
        };
        Budget {
            requests: Recent::over(WINDOW, now),
            repeats: spent(),
            hedges: spent(),
        }
    }

    /// A request came in.
    pub fn request(&mut self, now: Instant) {
        self.requests.add(now, 1);
    }

    /// Takes one call of a kind, if there is one.
    pub fn take(&mut self, kind: Extra, now: Instant) -> bool {
        let allowed = self.allowed(now);
        let spent = self.spent(kind);
        let granted = spent.recent.sum(now) < allowed;
        if granted {
            spent.recent.add(now, 1);
            spent.granted = spent.granted.saturating_add(1);
        } else {
            spent.refused = spent.refused.saturating_add(1);
        }
        granted
    }

    /// What people may see.
    pub fn view(&mut self, kind: Extra, now: Instant) -> BudgetView {
        let allowed = self.allowed(now);
        let spent = self.spent(kind);
        BudgetView {
            used: spent.recent.sum(now),
            allowed,
            window: WINDOW,
            granted: spent.granted,
            refused: spent.refused,
        }
    }

    fn spent(&mut self, kind: Extra) -> &mut Spent {
        match kind {
            Extra::Repeat => &mut self.repeats,
            Extra::Hedge => &mut self.hedges,
        }
    }

    fn allowed(&mut self, now: Instant) -> u64 {
        FLOOR.max(self.requests.sum(now).saturating_mul(PERCENT) / 100)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grants_three_a_second_to_the_idle_and_a_fifth_to_the_busy() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(
            (0..100)
                .filter(|_| budget.take(Extra::Repeat, start))
                .count(),
            30
        );
        let view = budget.view(Extra::Repeat, start);
        assert_eq!((view.used, view.allowed), (30, 30));
        assert_eq!((view.granted, view.refused), (30, 70));
        let later = start + Duration::from_secs(20);
        (0..1000).for_each(|_| budget.request(later));
        assert_eq!(
            (0..1000)
                .filter(|_| budget.take(Extra::Repeat, later))
                .count(),
            200
        );
        let idle_again = later + Duration::from_secs(11);
        assert_eq!(
            (0..100)
                .filter(|_| budget.take(Extra::Repeat, idle_again))
                .count(),
            30,
            "the window has passed"
        );
    }

    #[test]
    fn the_edge_of_two_windows_gives_no_second_helping() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let late = start + Duration::from_millis(4_900);
        assert_eq!(
            (0..100)
                .filter(|_| budget.take(Extra::Repeat, late))
                .count(),
            30
        );
        let soon_after = start + Duration::from_millis(10_100);
        assert_eq!(
            (0..100)
                .filter(|_| budget.take(Extra::Repeat, soon_after))
                .count(),
            0
        );
    }

    #[test]
    fn one_kind_leaves_the_other_its_part() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let all = |budget: &mut Budget, kind| (0..50).filter(|_| budget.take(kind, start)).count();
        assert_eq!(all(&mut budget, Extra::Hedge), 30);
        assert_eq!(all(&mut budget, Extra::Repeat), 30);
        let view = budget.view(Extra::Hedge, start);
        assert_eq!((view.used, view.granted, view.refused), (30, 30, 20));
    }

    proptest! {
        /// Whatever comes when: in no ten seconds are there more repeats than the floor, or a fifth of the requests that
        /// the budget could have seen.
        #[test]
        fn the_budget_is_never_exceeded(
            steps in prop::collection::vec((0_u64..400, 0_u64..12, 0_usize..12), 1..120),
        ) {
            let start = Instant::now();
            let mut budget = Budget::new(start);
            let (mut now, mut requests, mut granted) = (start, Vec::new(), Vec::new());
            for (pause, come, wanted) in steps {
                now += Duration::from_millis(pause);
                for _ in 0..come {
                    budget.request(now);
                    requests.push(now);
                }
                granted.extend((0..wanted).filter(|_| budget.take(Extra::Repeat, now)).map(|_| now));
            }
            let within = |all: &[Instant], end: Instant, span: u64| {
                let span = Duration::from_secs(span);
                let inside = |at: &&Instant| **at <= end && end.duration_since(**at) <= span;
                all.iter().filter(inside).count()
            };
            for end in &granted {
                let allowed = (within(&requests, *end, 11) / 5).max(30);
                prop_assert!(within(&granted, *end, 10) <= allowed);
            }
        }
    }
}
