//! Learns by how much our counts of prompts are off, from what providers report for the prompts they served.
//!
//! One ratio for each model as it is asked for (provider and model) and for each [`Method`] of counting: an average of
//! the logarithm of *reported / counted*, in which new answers outweigh old ones. It begins at 1 and one answer moves
//! it half of the way at most, a settled ratio a tenth; an answer that differs by a factor of more than two counts as
//! one that differs by two, and one that is eight times off, as a search or a history kept by the provider makes it,
//! teaches nothing. So no single answer, however odd, matters much.
//!
//! Pure and without time. Which prompts are fit to learn from, the caller decides: no pictures, no documents, no tools
//! that the provider runs.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Models that are remembered, over all providers; the one that was not used for longest gives way.
const MAX_MODELS: usize = 256;
/// Shorter prompts, in tokens as counted here, teach nothing: what vendors and JSON put around them outweighs them.
const LEAST_PROMPT: u64 = 256;
/// Reports that differ by a larger factor are not about the prompt that was counted.
const MAX_DIFFERENCE: f64 = 8.0;
/// The factor by which one answer may differ from the ratio to count in full.
const MAX_STEP: f64 = 2.0;
/// The ratio is never larger, nor smaller than its inverse.
const MAX_RATIO: f64 = 4.0;
/// Weight of a new answer once there are many.
const SETTLED: f64 = 0.1;
/// A new model begins as if one answer had confirmed the count.
const PRIOR: f64 = 1.0;

/// How a prompt was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By its bytes, as sent ([`quick_estimate`](crate::tokens::quick_estimate)).
    Bytes,
    /// With a vocabulary ([`Counter`](crate::tokens::Counter)).
    Vocabulary,
}

/// A model as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The model's name there.
    pub name: &'a str,
}

/// How well one way of counting does for one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// By what a count is multiplied.
    pub ratio: f64,
    /// Answers it was learned from.
    pub samples: u64,
    /// Rolling mean of the error of corrected counts against what the provider then reported, in percent of that;
    /// `None` before the first answer.
    pub error_percent: Option<f64>,
}

/// How well counts of one model do.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelAccuracy {
    /// The model's name at its provider.
    pub model: String,
    /// Of counts by bytes.
    pub bytes: Accuracy,
    /// Of counts with a vocabulary.
    pub vocabulary: Accuracy,
}

/// What was learned, of all models. One for the process, shared by all requests; reloads do not touch it.
#[derive(Debug, Default)]
pub struct Calibration(Mutex<Models>);

#[derive(Debug, Default)]
struct Models {
    known: HashMap<(String, String), Entry>,
    /// Counts uses, to tell which model was not used for longest.
    clock: u64,
}

#[derive(Debug, Default)]
struct Entry {
    bytes: Learned,
    vocabulary: Learned,
    used: u64,
}

impl Entry {
    fn of(&mut self, method: Method) -> &mut Learned {
        match method {
            Method::Bytes => &mut self.bytes,
            Method::Vocabulary => &mut self.vocabulary,
        }
    }
}

impl Calibration {
    /// Nothing learned.
    pub fn new() -> Self {
        Calibration::default()
    }

    /// By what a count is to be multiplied; 1 for a model nobody knows.
    pub fn ratio(&self, model: Model<'_>, method: Method) -> f64 {
        let mut models = self.0.lock();
        models.get(model).map_or(1.0, |it| it.of(method).ratio())
    }

    /// Answers that the ratio was learned from.
    pub fn samples(&self, model: Model<'_>, method: Method) -> u64 {
        let mut models = self.0.lock();
        models.get(model).map_or(0, |it| it.of(method).samples)
    }

    /// Takes down that a prompt counted here as `counted` tokens, not yet corrected, has `reported` for its provider.
    pub fn observe(&self, model: Model<'_>, method: Method, counted: u64, reported: u64) {
        let Some(ratio) = log_ratio(counted, reported) else {
            return;
        };
        self.0.lock().entry(model).of(method).learn(ratio);
    }

    /// What is known of the models of a provider, by name.
    pub fn view(&self, provider: &str) -> Vec<ModelAccuracy> {
        let models = self.0.lock();
        let own = models.known.iter().filter(|((of, _), _)| of == provider);
        let mut view: Vec<ModelAccuracy> = own
            .map(|((_, model), entry)| ModelAccuracy {
                model: model.clone(),
                bytes: entry.bytes.accuracy(),
                vocabulary: entry.vocabulary.accuracy(),
            })
            .collect();
        view.sort_by(|a, b| a.model.cmp(&b.model));
        view
    }
}

impl Models {
    fn get(&mut self, model: Model<'_>) -> Option<&mut Entry> {
        self.clock += 1;
        let key = (model.provider.to_owned(), model.name.to_owned());
        let entry = self.known.get_mut(&key)?;
        entry.used = self.clock;
        Some(entry)
    }

    fn entry(&mut self, model: Model<'_>) -> &mut Entry {
        self.clock += 1;
        let key = (model.provider.to_owned(), model.name.to_owned());
        if MAX_MODELS <= self.known.len() && !self.known.contains_key(&key) {
            let oldest = self.known.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.known.remove(&oldest);
            }
        }
        let entry = self.known.entry(key).or_default();
        entry.used = self.clock;
        entry
    }
}

/// The logarithm of *reported / counted*, where the two can be about the same prompt.
fn log_ratio(counted: u64, reported: u64) -> Option<f64> {
    if counted < LEAST_PROMPT || reported == 0 {
        return None;
    }
    let ratio = (reported as f64 / counted as f64).ln();
    (ratio.abs() <= MAX_DIFFERENCE.ln()).then_some(ratio)
}

/// What was learned of one model by one method.
#[derive(Clone, Copy, Debug, Default)]
struct Learned {
    log: f64,
    samples: u64,
    /// Rolling mean of the relative error.
    error: f64,
}

impl Learned {
    fn ratio(self) -> f64 {
        self.log.exp()
    }

    fn learn(&mut self, observed: f64) {
        self.samples = self.samples.saturating_add(1);
        let samples = self.samples as f64;
        let error = ((self.log - observed).exp() - 1.0).abs();
        self.error += (error - self.error) * (1.0 / samples).max(SETTLED);
        let step = (observed - self.log).clamp(-MAX_STEP.ln(), MAX_STEP.ln());
        let moved = self.log + step * (1.0 / (samples + PRIOR)).max(SETTLED);
        self.log = moved.clamp(-MAX_RATIO.ln(), MAX_RATIO.ln());
    }

    fn accuracy(self) -> Accuracy {
        Accuracy {
            ratio: self.ratio(),
            samples: self.samples,
            error_percent: (0 < self.samples).then_some(self.error * 100.0),
        }
    }
}

/// `tokens` multiplied by a ratio.
pub fn scaled(tokens: u64, ratio: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neither factor is negative, and the cast saturates"
    )]
    let scaled = (tokens as f64 * ratio).round() as u64;
    scaled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODEL: Model<'_> = Model {
        provider: "p",
        name: "m",
    };

    fn taught(pairs: &[(u64, u64)]) -> Calibration {
        let calibration = Calibration::new();
        for (counted, reported) in pairs {
            calibration.observe(MODEL, Method::Bytes, *counted, *reported);
        }
        calibration
    }

    fn ratio(calibration: &Calibration) -> f64 {
        calibration.ratio(MODEL, Method::Bytes)
    }

    #[test]
    fn one_answer_brings_the_next_count_nearer() {
        let calibration = taught(&[(1_000, 1_500)]);
        let next = scaled(1_000, ratio(&calibration));
        assert!((1_200..1_300).contains(&next), "{next}");
        assert_eq!(calibration.samples(MODEL, Method::Bytes), 1);
    }

    #[test]
    fn models_and_methods_learn_apart() {
        let calibration = taught(&[(1_000, 1_500)]);
        for model in [
            Model { name: "n", ..MODEL },
            Model {
                provider: "q",
                ..MODEL
            },
        ] {
            assert!((calibration.ratio(model, Method::Bytes) - 1.0).abs() < f64::EPSILON);
        }
        assert!((calibration.ratio(MODEL, Method::Vocabulary) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_not_about_the_prompt_teaches_nothing() {
        let calibration = taught(&[(10, 20), (1_000, 0), (1_000, 9_000), (9_000, 1_000)]);
        assert_eq!(calibration.view("p"), []);
    }

    #[test]
    fn the_error_shrinks_with_what_is_learned() {
        let view = taught(&[(1_000, 1_600)]).view("p");
        let first = view[0].bytes.error_percent.unwrap();
        assert!((first - 37.5).abs() < 0.1, "{first}");
        let view = taught(&[(1_000, 1_600); 100]).view("p");
        let last = view[0].bytes.error_percent.unwrap();
        assert!(last < 0.5, "{last}");
        assert_eq!(view[0].vocabulary.error_percent, None);
    }

    #[test]
    fn the_number_of_models_is_bounded_and_the_busy_ones_stay() {
        let calibration = taught(&[(1_000, 1_500)]);
        for i in 0..MAX_MODELS * 2 {
            let name = format!("model-{i}");
            let model = Model {
                name: &name,
                ..MODEL
            };
            calibration.observe(model, Method::Bytes, 1_000, 1_100);
            calibration.ratio(MODEL, Method::Bytes);
        }
        let view = calibration.view("p");
        assert_eq!(view.len(), MAX_MODELS);
        assert!(view.iter().any(|it| it.model == "m"));
    }

    proptest! {
        #[test]
        fn the_ratio_stays_in_its_bounds(pairs in prop::collection::vec((any::<u64>(), any::<u64>()), 0..200)) {
            let ratio = ratio(&taught(&pairs));
            prop_assert!((1.0 / MAX_RATIO - 1e-9..=MAX_RATIO + 1e-9).contains(&ratio), "{}", ratio);
        }

        #[test]
        fn the_true_ratio_is_found_through_noise(truth in 0.3f64..3.5, noise in prop::collection::vec(-0.1f64..0.1, 150)) {
            let pairs: Vec<(u64, u64)> = noise.iter().map(|noise| (10_000, scaled(10_000, truth * noise.exp()))).collect();
            let found = ratio(&taught(&pairs));
            prop_assert!((found / truth).ln().abs() < 0.11, "{} for {}", found, truth);
        }

        #[test]
        fn no_single_answer_moves_a_settled_ratio_by_more_than_a_fourteenth(
            truth in 0.3f64..3.5, counted in any::<u64>(), reported in any::<u64>(),
        ) {
            let calibration = taught(&[(10_000, scaled(10_000, truth)); 50]);
            let before = ratio(&calibration);
            calibration.observe(MODEL, Method::Bytes, counted, reported);
            let moved = (ratio(&calibration) / before).ln().abs();
            prop_assert!(moved <= SETTLED * MAX_STEP.ln() + 1e-9, "{}", moved);
        }

        #[test]
        fn one_bad_answer_in_ten_leaves_the_ratio_near_the_truth(truth in 0.5f64..2.0, bad in 0u64..100_000) {
            let good = (10_000, scaled(10_000, truth));
            let pairs: Vec<(u64, u64)> = (0..200).map(|i| if i % 10 == 5 { (10_000, bad) } else { good }).collect();
            let found = ratio(&taught(&pairs));
            prop_assert!((found / truth).ln().abs() < 0.12, "{} for {}", found, truth);
        }
    }
}
