//! Moving averages: one that recent values dominate, for people, and one that jumps to the worst of late, for choosing.

use std::time::{Duration, Instant};

/// Weight of a new value.
const ALPHA: f64 = 0.2;

/// Exponentially weighted moving average, in whatever unit it is fed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ewma {
    value: Option<f64>,
}

impl Ewma {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.value = Some(match self.value {
            Some(old) => old + ALPHA * (value - old),
            None => value,
        });
    }

    /// The average; `None` before the first value.
    pub fn get(&self) -> Option<f64> {
        self.value
    }
}

/// After this time without news a peak counts for a third (1/e): whoever was slow gets another chance within minutes,
/// and a provider that answers an agent every few seconds is known by its last ten or so answers.
const DECAY: Duration = Duration::from_secs(60);

/// An average that jumps up to every higher value at once, comes down as lower ones follow, and fades without any. One
/// slow answer is felt at once, and none is held against anybody for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakEwma {
    value: Option<(f64, Instant)>,
}

impl PeakEwma {
    /// Adds a value, zero or more.
    pub fn add(&mut self, value: f64, now: Instant) {
        let value = match self.value {
            Some((old, at)) if value < old => value + (old - value) * weight(at, now),
            _ => value,
        };
        self.value = Some((value, now));
    }

    /// The average as it is felt now; `None` before the first value.
    pub fn get(&self, now: Instant) -> Option<f64> {
        self.value.map(|(value, at)| value * weight(at, now))
    }
}

/// What remains of a value of then.
fn weight(then: Instant, now: Instant) -> f64 {
    let age = now.saturating_duration_since(then).as_secs_f64();
    (-age / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_peak_is_felt_at_once_and_fades() {
        let (mut peak, t) = (PeakEwma::default(), Instant::now());
        assert_eq!(peak.get(t), None);
        peak.add(100.0, t);
        peak.add(5000.0, t + DECAY);
        assert_eq!(peak.get(t + DECAY), Some(5000.0));
        peak.add(100.0, t + 2 * DECAY);
        let after = peak.get(t + 2 * DECAY).unwrap();
        assert!((1800.0..2000.0).contains(&after), "{after}");
        assert!(peak.get(t + 12 * DECAY).unwrap() < 1.0);
    }

    proptest! {
        #[test]
        fn a_peak_lies_between_nothing_and_the_highest_value(
            values in prop::collection::vec((0.0..1e6_f64, 0_u64..300_000), 1..40),
        ) {
            let (mut peak, mut now, mut highest) = (PeakEwma::default(), Instant::now(), 0.0_f64);
            for (value, later) in values {
                now += Duration::from_millis(later);
                peak.add(value, now);
                highest = highest.max(value);
                let felt = peak.get(now).unwrap();
                prop_assert!(value <= felt && felt <= highest, "{value} {felt} {highest}");
                let faded = peak.get(now + Duration::from_secs(1)).unwrap();
                prop_assert!((0.0..=felt).contains(&faded));
            }
        }
    }

    #[test]
    fn starts_at_the_first_value_and_follows() {
        let mut average = Ewma::default();
        assert_eq!(average.get(), None);
        average.add(100.0);
        assert_eq!(average.get(), Some(100.0));
        average.add(200.0);
        assert_eq!(average.get(), Some(120.0));
    }
}
