//! A budget for repeats on the same endpoint, so that trouble is not multiplied.
//!
//! Repeats may be at most a fifth of the requests of the last ten seconds, and always three a second. Failing over
//! to a healthy endpoint is never budgeted.

use std::time::Instant;

use crate::types::Recent;

/// Seconds over which requests and repeats are weighed.
const WINDOW: u16 = 10;
/// Repeats that are always allowed within the window: three a second.
const FLOOR: u64 = 30;
/// Repeats per hundred requests.
const PERCENT: u64 = 20;

/// One budget for the whole process.
#[derive(Debug)]
pub struct RetryBudget {
    requests: Recent,
    repeats: Recent,
    granted: u64,
    refused: u64,
}

/// What people may see of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    /// Repeats within the window.
    pub used: u64,
    /// Repeats that the window allows.
    pub allowed: u64,
    /// Seconds of the window.
    pub window: u16,
    /// Repeats since the start.
    pub granted: u64,
    /// Repeats that the budget has refused since the start.
    pub refused: u64,
}

impl RetryBudget {
    /// Full.
    pub fn new(now: Instant) -> Self {
        RetryBudget {
            requests: Recent::over(WINDOW, now),
            repeats: Recent::over(WINDOW, now),
            granted: 0,
            refused: 0,
        }
    }

    /// A request came in.
    pub fn request(&mut self, now: Instant) {
        self.requests.add(now, 1);
    }

    /// Takes one repeat, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let granted = self.repeats.sum(now) < self.allowed(now);
        if granted {
            self.repeats.add(now, 1);
            self.granted = self.granted.saturating_add(1);
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        granted
    }

    /// What people may see.
    pub fn view(&mut self, now: Instant) -> BudgetView {
        BudgetView {
            used: self.repeats.sum(now),
            allowed: self.allowed(now),
            window: WINDOW,
            granted: self.granted,
            refused: self.refused,
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
        let mut budget = RetryBudget::new(start);
        assert_eq!((0..100).filter(|_| budget.take(start)).count(), 30);
        let view = budget.view(start);
        assert_eq!((view.used, view.allowed), (30, 30));
        assert_eq!((view.granted, view.refused), (30, 70));
        let later = start + Duration::from_secs(20);
        (0..1000).for_each(|_| budget.request(later));
        assert_eq!((0..1000).filter(|_| budget.take(later)).count(), 200);
        let idle_again = later + Duration::from_secs(11);
        assert_eq!(
            (0..100).filter(|_| budget.take(idle_again)).count(),
            30,
            "the window has passed"
        );
    }

    #[test]
    fn the_edge_of_two_windows_gives_no_second_helping() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        let late = start + Duration::from_millis(4_900);
        assert_eq!((0..100).filter(|_| budget.take(late)).count(), 30);
        let soon_after = start + Duration::from_millis(10_100);
        assert_eq!((0..100).filter(|_| budget.take(soon_after)).count(), 0);
    }

    proptest! {
        /// Whatever comes when: in no ten seconds are there more repeats than the floor, or a fifth of the requests that
        /// the budget could have seen.
        #[test]
        fn the_budget_is_never_exceeded(
            steps in prop::collection::vec((0_u64..400, 0_u64..12, 0_usize..12), 1..120),
        ) {
            let start = Instant::now();
            let mut budget = RetryBudget::new(start);
            let (mut now, mut requests, mut granted) = (start, Vec::new(), Vec::new());
            for (pause, come, wanted) in steps {
                now += Duration::from_millis(pause);
                for _ in 0..come {
                    budget.request(now);
                    requests.push(now);
                }
                granted.extend((0..wanted).filter(|_| budget.take(now)).map(|_| now));
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
