//! A token bucket: full at first, it fills evenly and gives what it has. Within any time it gives no more than it holds
//! and what flowed in meanwhile; what is taken beyond that is a debt that the next ones wait for.

use std::time::{Duration, Instant};

/// So much within such a time; also what a full bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How much.
    pub most: u64,
    /// Within how long; not zero.
    pub span: Duration,
}

impl Rate {
    /// So much a minute.
    pub fn a_minute(most: u64) -> Self {
        Rate {
            most,
            span: Duration::from_secs(60),
        }
    }

    fn a_second(self) -> f64 {
        self.most as f64 / self.span.as_secs_f64().max(1e-3)
    }

    /// How long so much takes to flow in.
    fn time_for(self, amount: f64) -> Duration {
        let seconds = amount.max(0.0) / self.a_second().max(1e-9);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// A bucket. Its rate is given with every call, because a reload may change it.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now: Instant) -> Self {
        Bucket {
            level: rate.most as f64,
            at: now,
        }
    }

    /// How long until there is `amount`; `None`: there is. What is more than a bucket holds is there when it is full.
    pub fn wait_for(&mut self, rate: Rate, amount: f64, now: Instant) -> Option<Duration> {
        let missing = amount.min(rate.most as f64) - self.level(rate, now);
        (1e-9 < missing).then(|| rate.time_for(missing))
    }

    /// Takes `amount`, be it there or not.
    pub fn take(&mut self, amount: f64) {
        self.level -= amount;
    }

    /// Gives back what was taken for nothing.
    pub fn give_back(&mut self, amount: f64) {
        self.level += amount;
    }

    /// What is there, and when it will be full.
    pub fn view(&mut self, rate: Rate, now: Instant) -> (u64, Duration) {
        let level = self.level(rate, now);
        (whole(level), rate.time_for(rate.most as f64 - level))
    }

    fn level(&mut self, rate: Rate, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        let most = rate.most as f64;
        self.level = (self.level + passed.as_secs_f64() * rate.a_second()).min(most);
        self.level
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion of floats saturates, and is meant to"
)]
fn whole(level: f64) -> u64 {
    // What is a hair below a whole number has been rounded on its way there.
    (level + 1e-6).floor().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_gives_what_it_holds_and_then_what_flows_in() {
        let (start, rate) = (Instant::now(), Rate::a_minute(60));
        let mut bucket = Bucket::full(rate, start);
        for _ in 0..60 {
            assert_eq!(bucket.wait_for(rate, 1.0, start), None);
            bucket.take(1.0);
        }
        assert_eq!(
            bucket.wait_for(rate, 1.0, start),
            Some(Duration::from_secs(1))
        );
        assert_eq!(bucket.view(rate, start), (0, Duration::from_secs(60)));
        let later = start + Duration::from_millis(2_500);
        assert_eq!(bucket.view(rate, later).0, 2);
        let long = start + Duration::from_secs(9_999);
        assert_eq!(bucket.view(rate, long), (60, Duration::ZERO));
    }

    #[test]
    fn more_than_it_holds_is_a_debt() {
        let (start, rate) = (Instant::now(), Rate::a_minute(60));
        let mut bucket = Bucket::full(rate, start);
        assert_eq!(bucket.wait_for(rate, 500.0, start), None, "it is full");
        bucket.take(500.0);
        let wait = bucket.wait_for(rate, 1.0, start).unwrap();
        assert_eq!(wait, Duration::from_secs(441));
        bucket.give_back(480.0);
        assert_eq!(bucket.view(rate, start).0, 40);
    }

    proptest! {
        #[test]
        fn no_time_sees_more_than_a_full_bucket_and_what_flowed_in(
            pauses in prop::collection::vec(0_u64..3_000, 1..200),
            amounts in prop::collection::vec(1_u64..9, 200),
            most in 8_u64..40,
        ) {
            let rate = Rate { most, span: Duration::from_secs(10) };
            let start = Instant::now();
            let (mut bucket, mut now) = (Bucket::full(rate, start), start);
            let mut taken: Vec<(Instant, u64)> = Vec::new();
            for (pause, amount) in pauses.iter().zip(amounts) {
                now += Duration::from_millis(*pause);
                match bucket.wait_for(rate, amount as f64, now) {
                    None => {
                        bucket.take(amount as f64);
                        taken.push((now, amount));
                    }
                    Some(wait) => {
                        // Waiting as told is enough, and not too much.
                        let then = now + wait + Duration::from_micros(1);
                        prop_assert!(bucket.clone().wait_for(rate, amount as f64, then).is_none());
                        let early = now + wait.mul_f64(0.5);
                        prop_assert!(bucket.clone().wait_for(rate, amount as f64, early).is_some());
                    }
                }
            }
            for (first, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (to, amount) in taken.iter().skip(first) {
                    sum += amount;
                    let flowed = to.duration_since(*from).as_secs_f64() * most as f64 / 10.0;
                    prop_assert!(sum as f64 <= most as f64 + flowed + 1e-3);
                }
            }
        }
    }
}
