//! A budget for repeats on the same endpoint, so that trouble is not multiplied.
//!
//! Repeats may be at most a fifth of the requests of the last ten seconds, and always three a second. Failing over
//! to a healthy endpoint is never budgeted.

use std::time::{Duration, Instant};

/// Time over which requests and repeats are weighed.
const WINDOW: Duration = Duration::from_secs(10);
/// Repeats that are always allowed within the window: three a second.
const FLOOR: u32 = 30;
/// Repeats per hundred requests.
const PERCENT: u32 = 20;

/// One budget for the whole process. Two half-windows, so that it needs no list of moments.
#[derive(Debug)]
pub struct RetryBudget {
    started: Instant,
    current: Counts,
    previous: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u32,
    repeats: u32,
}

impl RetryBudget {
    /// Full.
    pub fn new(now: Instant) -> Self {
        RetryBudget {
            started: now,
            current: Counts::default(),
            previous: Counts::default(),
        }
    }

    /// A request came in.
    pub fn request(&mut self, now: Instant) {
        self.roll(now);
        self.current.requests = self.current.requests.saturating_add(1);
    }

    /// Takes one repeat, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        self.roll(now);
        let requests = self.current.requests.saturating_add(self.previous.requests);
        let repeats = self.current.repeats.saturating_add(self.previous.repeats);
        let allowed = FLOOR.max(requests.saturating_mul(PERCENT) / 100);
        let granted = repeats < allowed;
        self.current.repeats = self.current.repeats.saturating_add(u32::from(granted));
        granted
    }

    fn roll(&mut self, now: Instant) {
        let half = WINDOW / 2;
        let elapsed = now.saturating_duration_since(self.started);
        if elapsed < half {
            return;
        }
        self.previous = if elapsed < WINDOW {
            self.current
        } else {
            Counts::default()
        };
        self.current = Counts::default();
        self.started = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_three_a_second_to_the_idle_and_a_fifth_to_the_busy() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        assert_eq!((0..100).filter(|_| budget.take(start)).count(), 30);
        let later = start + Duration::from_secs(20);
        (0..1000).for_each(|_| budget.request(later));
        assert_eq!((0..1000).filter(|_| budget.take(later)).count(), 200);
        assert_eq!(
            (0..100).filter(|_| budget.take(later + WINDOW)).count(),
            30,
            "the window has passed"
        );
    }
}
