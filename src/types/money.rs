//! What tokens cost. Money is counted in whole millionths of a dollar: a price in dollars per million tokens is then a
//! number of them per token, and sums are exact.

use std::fmt;

/// Millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// So many dollars; less than nothing is nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of floats saturates, and is meant to"
    )]
    pub fn of_dollars(dollars: f64) -> Self {
        MicroUsd((dollars * 1e6).round() as u64)
    }

    /// Dollars, for people.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Both together.
    pub fn plus(self, other: MicroUsd) -> Self {
        MicroUsd(self.0.saturating_add(other.0))
    }

    /// What is left without the other.
    pub fn minus(self, other: MicroUsd) -> Self {
        MicroUsd(self.0.saturating_sub(other.0))
    }
}

/// `$1.50`; below a cent as many digits as it takes.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.0.is_multiple_of(10_000) { 2 } else { 6 };
        write!(f, "${:.digits$}", self.dollars())
    }
}

/// Tokens of one call, by what they cost. No kind contains another, but `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenKinds {
    /// Input that no cache had.
    pub input: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the provider's cache.
    pub cache_write: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
}

impl TokenKinds {
    /// What counts against a limit of tokens: all but what the provider's cache had, as Anthropic counts.
    pub fn limited(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write)
            .saturating_add(self.output)
    }
}

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Input.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from the provider's cache.
    pub cache_read: f64,
    /// Input written to the provider's cache.
    pub cache_write: f64,
}

impl Price {
    /// A price that knows no cache: what it had costs like all input.
    pub const fn flat(input: f64, output: f64) -> Self {
        Price {
            input,
            output,
            cache_read: input,
            cache_write: input,
        }
    }

    /// What so many tokens cost, rounded up: what costs something is never free.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "prices are not negative, and a conversion of floats saturates"
    )]
    pub fn of(&self, tokens: &TokenKinds) -> MicroUsd {
        let exact = self.input * tokens.input as f64
            + self.cache_read * tokens.cache_read as f64
            + self.cache_write * tokens.cache_write as f64
            + self.output * tokens.output as f64;
        // Prices such as 0.1 are no exact numbers: a millionth of a millionth more is not meant.
        MicroUsd((exact - 1e-6).ceil().max(0.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SONNET: Price = Price {
        input: 3.0,
        output: 15.0,
        cache_read: 0.3,
        cache_write: 3.75,
    };

    #[test]
    fn kinds_cost_what_they_cost() {
        let tokens = TokenKinds {
            input: 1_000,
            cache_read: 100_000,
            cache_write: 2_000,
            output: 500,
            reasoning: 200,
        };
        assert_eq!(SONNET.of(&tokens), MicroUsd(3_000 + 30_000 + 7_500 + 7_500));
        assert_eq!(tokens.limited(), 3_500);
        assert_eq!(SONNET.of(&TokenKinds::default()), MicroUsd(0));
        let one = TokenKinds {
            cache_read: 1,
            ..TokenKinds::default()
        };
        assert_eq!(SONNET.of(&one), MicroUsd(1), "a part counts as a whole");
        assert_eq!(Price::flat(0.0, 0.0).of(&tokens), MicroUsd(0));
    }

    #[test]
    fn money_is_shown_for_people() {
        for (micros, text) in [
            (0, "$0.00"),
            (1_500_000, "$1.50"),
            (20_000_000, "$20.00"),
            (1, "$0.000001"),
            (48_000, "$0.048000"),
        ] {
            assert_eq!(MicroUsd(micros).to_string(), text);
        }
        assert_eq!(MicroUsd::of_dollars(0.1), MicroUsd(100_000));
        assert_eq!(MicroUsd::of_dollars(-1.0), MicroUsd(0));
        assert_eq!(MicroUsd(1).minus(MicroUsd(2)), MicroUsd(0));
    }
}
