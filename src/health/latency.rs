//! A moving average that recent values dominate.

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

#[cfg(test)]
mod tests {
    use super::*;

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
