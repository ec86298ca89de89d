//! Amounts of the last seconds, for limits that hold over any such span.

use std::time::{Duration, Instant};

/// What was added within the last so many seconds. Kept by whole seconds, and a second too long rather than too short:
/// a limit that is held against it is never passed, whichever span of that length one looks at.
#[derive(Clone, Debug)]
pub struct Recent {
    start: Instant,
    /// The newest second, counted from `start`.
    newest: u64,
    /// One for each second of the span, and one more, because a span seldom begins with a second.
    seconds: Vec<u64>,
}

impl Recent {
    /// Nothing yet; looks back over `span` seconds.
    pub fn over(span: u16, now: Instant) -> Self {
        Recent {
            start: now,
            newest: 0,
            seconds: vec![0; usize::from(span) + 1],
        }
    }

    /// Adds an amount.
    pub fn add(&mut self, now: Instant, amount: u64) {
        self.roll(now);
        let place = self.place(self.newest);
        if let Some(second) = self.seconds.get_mut(place) {
            *second = second.saturating_add(amount);
        }
    }

    /// What was added within the span.
    pub fn sum(&mut self, now: Instant) -> u64 {
        self.roll(now);
        let amounts = self.seconds.iter();
        amounts.fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    /// When the sum is below `limit`, or nothing, if nothing more is added.
    pub fn below(&mut self, now: Instant, limit: u64) -> Instant {
        let limit = limit.max(1);
        let mut left = self.sum(now);
        let span = self.length();
        let oldest = (self.newest + 1).saturating_sub(span);
        for second in oldest..=self.newest {
            if left < limit {
                break;
            }
            let amount = self.seconds.get(self.place(second));
            left = left.saturating_sub(amount.copied().unwrap_or(0));
            if left < limit || second == self.newest {
                return self.start + Duration::from_secs(second + span);
            }
        }
        now
    }

    fn length(&self) -> u64 {
        self.seconds.len() as u64
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder of a length fits where the length does"
    )]
    fn place(&self, second: u64) -> usize {
        (second % self.length()) as usize
    }

    /// Lets seconds that left the span go.
    fn roll(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.start).as_secs();
        let passed = second.saturating_sub(self.newest).min(self.length());
        for step in 0..passed {
            let place = self.place(second - step);
            if let Some(gone) = self.seconds.get_mut(place) {
                *gone = 0;
            }
        }
        self.newest = self.newest.max(second);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_leave_after_the_span() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut recent = Recent::over(10, start);
        recent.add(at(0.5), 3);
        recent.add(at(4.2), 2);
        assert_eq!(recent.sum(at(10.4)), 5);
        assert_eq!(recent.below(at(5.0), 5), at(11.0));
        assert_eq!(recent.below(at(5.0), 2), at(15.0));
        assert_eq!(recent.below(at(5.0), 0), at(15.0), "and not never");
        assert_eq!(recent.below(at(5.0), 6), at(5.0));
        assert_eq!(recent.sum(at(11.0)), 2);
        assert_eq!(recent.sum(at(1e9)), 0);
    }

    proptest! {
        /// Takers that ask first never get more than the limit within any span, and never wait for ever.
        #[test]
        fn no_span_holds_more_than_the_limit(
            pauses in prop::collection::vec(0_u64..3_000, 1..200),
            limit in 1_u64..8,
        ) {
            let start = Instant::now();
            let mut recent = Recent::over(10, start);
            let (mut now, mut taken) = (start, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if recent.sum(now) < limit {
                    recent.add(now, 1);
                    taken.push(now);
                } else {
                    let then = recent.below(now, limit);
                    prop_assert!(now < then && then <= now + Duration::from_secs(11));
                    prop_assert!(recent.clone().sum(then) < limit);
                }
            }
            for (i, first) in taken.iter().enumerate() {
                let span = Duration::from_secs(10);
                let within = taken.iter().skip(i).filter(|at| at.duration_since(*first) <= span);
                prop_assert!(within.count() as u64 <= limit);
            }
        }
    }
}
