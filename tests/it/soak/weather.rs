//! Which provider fails when, and how: drawn from a seed, so that every run meets the same weather.
//!
//! One provider at a time reigns: it is well for as long as it does, and for [`OVERLAP`] longer, while the next one is
//! well already. So whenever a request comes, somebody stays well for as long as the request may look for an answer;
//! "at least one is healthy at any time" would not be enough for a request that tries them one after another.

use std::time::Duration;

/// How a provider fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sky {
    /// It serves.
    Fair,
    /// It is down: running answers and pooled connections are reset, new ones refused.
    Refuse,
    /// It ends connections before an answer has content.
    Reset,
    /// It falls silent, before content or in the middle of it.
    Stall,
    /// 429 with a time, for some of its keys or all of them.
    Limited,
    /// 529, or the same inside a stream.
    Overloaded,
    /// 500.
    Broken,
    /// It cuts answers in the middle of their content.
    Cut,
    /// Any of these, from request to request.
    Mixed,
}

impl Sky {
    /// What a request may meet under a mixed sky.
    pub const FAULTS: [Sky; 6] = [
        Sky::Reset,
        Sky::Stall,
        Sky::Limited,
        Sky::Overloaded,
        Sky::Broken,
        Sky::Cut,
    ];
    /// What is drawn; fair weather and crashes come oftener than the others.
    const DRAWN: [Sky; 11] = [
        Sky::Fair,
        Sky::Fair,
        Sky::Refuse,
        Sky::Refuse,
        Sky::Reset,
        Sky::Stall,
        Sky::Limited,
        Sky::Overloaded,
        Sky::Broken,
        Sky::Cut,
        Sky::Mixed,
    ];
}

/// How long one provider reigns.
const REIGN: Duration = Duration::from_secs(20);
/// How long it stays well afterwards: longer than a request may try the others in vain (`soak::settings`).
pub const OVERLAP: Duration = Duration::from_secs(17);
/// How finely time is divided.
pub const TICK: Duration = Duration::from_millis(500);
/// Ticks after which the sky of a provider that does not reign may change.
const SPELL: std::ops::RangeInclusive<usize> = 3..=12;

/// The weather of all providers.
pub struct Forecast(Vec<Vec<Sky>>);

impl Forecast {
    /// Draws it for that many providers, of which the first `reigning` take turns in being well.
    pub fn new(seed: u64, providers: usize, reigning: usize, length: Duration) -> Forecast {
        let mut rng = fastrand::Rng::with_seed(seed);
        let ticks = ticks(length + OVERLAP);
        let mut skies: Vec<Vec<Sky>> = (0..providers).map(|_| spells(&mut rng, ticks)).collect();
        let mut last = None;
        for begins in (0..ticks).step_by(self::ticks(REIGN)) {
            let others: Vec<usize> = (0..reigning).filter(|it| Some(*it) != last).collect();
            let king = others[rng.usize(..others.len())];
            let ends = (begins + self::ticks(REIGN + OVERLAP)).min(ticks);
            skies[king][begins..ends].fill(Sky::Fair);
            last = Some(king);
        }
        Forecast(skies)
    }

    /// The whole weather of a provider, a letter for each tick: a dot is fair.
    pub fn strip(&self, provider: usize, length: Duration) -> String {
        let letter = |sky: &Sky| match sky {
            Sky::Fair => '.',
            Sky::Refuse => 'D',
            Sky::Reset => 'R',
            Sky::Stall => 'S',
            Sky::Limited => 'L',
            Sky::Overloaded => 'O',
            Sky::Broken => 'B',
            Sky::Cut => 'C',
            Sky::Mixed => 'M',
        };
        self.0[provider]
            .iter()
            .take(ticks(length))
            .map(letter)
            .collect()
    }

    /// The sky of a provider, that long after the start; fair when all is over.
    pub fn at(&self, provider: usize, elapsed: Duration) -> Sky {
        let sky = self.0[provider].get(ticks(elapsed));
        sky.copied().unwrap_or(Sky::Fair)
    }
}

fn ticks(time: Duration) -> usize {
    usize::try_from(time.as_millis() / TICK.as_millis()).unwrap()
}

fn spells(rng: &mut fastrand::Rng, ticks: usize) -> Vec<Sky> {
    let mut skies = Vec::new();
    while skies.len() < ticks {
        let sky = Sky::DRAWN[rng.usize(..Sky::DRAWN.len())];
        skies.extend(std::iter::repeat_n(sky, rng.usize(SPELL)));
    }
    skies.truncate(ticks);
    skies
}

#[cfg(test)]
mod tests {
    use super::{Forecast, OVERLAP, Sky, TICK, ticks};
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);
    const SEED: u64 = super::super::SEED;

    #[test]
    fn somebody_is_always_well_for_as_long_as_a_request_may_look() {
        for seed in 0..200 {
            let forecast = Forecast::new(seed, 6, 5, MINUTE);
            for start in 0..ticks(MINUTE) {
                let lasts = |provider: usize| {
                    (start..start + ticks(OVERLAP)).all(|tick| {
                        let at = TICK * u32::try_from(tick).unwrap();
                        forecast.at(provider, at) == Sky::Fair
                    })
                };
                assert!((0..5).any(lasts), "seed {seed}, tick {start}");
            }
        }
    }

    #[test]
    fn the_weather_is_as_bad_as_it_gets_and_always_the_same() {
        let forecast = Forecast::new(SEED, 6, 5, MINUTE);
        assert_eq!(forecast.0, Forecast::new(SEED, 6, 5, MINUTE).0);
        for sky in Sky::FAULTS.iter().chain(&[Sky::Refuse, Sky::Mixed]) {
            let all = forecast.0.iter().flatten();
            assert!(0 < all.filter(|it| *it == sky).count(), "{sky:?}");
        }
        let alone = |tick: &usize| {
            forecast
                .0
                .iter()
                .filter(|it| it[*tick] == Sky::Fair)
                .count()
        };
        let single = (0..ticks(MINUTE)).filter(|tick| alone(tick) == 1).count();
        assert!(0 < single, "nobody is ever the only one that is well");
    }
}
