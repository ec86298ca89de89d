//! What a prompt is taken to cost before its provider has told, and what the provider's word for it teaches.
//!
//! Every translated request is estimated by its bytes, which costs nothing; the answer's usage corrects the next
//! estimate. Counting with a vocabulary takes milliseconds, so only a few requests are counted for what they teach, after
//! their end, on a blocking thread, and only once somebody has asked for a count that no provider gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::choose::Candidate;
use super::count;
use super::exchange::{End, Exchange};
use crate::protocol::canonical::Attachments;
use crate::tokens::{Calibration, Method, Model, quick_estimate, quick_guess, scaled};
use crate::types::Dialect;

/// Longest body that is counted for what it teaches, bytes.
const MAX_SAMPLE: usize = 512 * 1024;
/// Bodies kept at a time until their answer's end, to be counted then.
const MAX_PENDING: usize = 4;
/// As many answers of a model are all counted; of the later ones one in [`LATER`].
const FIRST: u64 = 8;
/// See [`FIRST`].
const LATER: u64 = 64;

/// A prompt's size before its provider has told.
#[derive(Clone, Copy, Debug)]
pub struct PromptEstimate {
    /// Tokens as they may be shown.
    pub tokens: u64,
    /// Tokens by its bytes alone; `None` where what the provider tells is not about these bytes.
    lesson: Option<u64>,
}

impl PromptEstimate {
    /// Of a request translated to `sent` bytes.
    pub fn of_translation(
        calibration: &Calibration,
        model: Model<'_>,
        sent: usize,
        attachments: &Attachments,
    ) -> Self {
        // A target that takes no pictures has been sent less than there was.
        let text = sent.checked_sub(attachments.bytes).unwrap_or(sent);
        let counted = quick_estimate(text);
        let ratio = calibration.ratio(model, Method::Bytes);
        PromptEstimate {
            tokens: scaled(counted, ratio).saturating_add(quick_guess(attachments)),
            lesson: attachments.is_empty().then_some(counted),
        }
    }

    /// Of a request relayed as it is, whose parts nobody knows; `None` where bytes say too little.
    pub fn of_relayed(calibration: &Calibration, model: Model<'_>, body: &Bytes) -> Option<Self> {
        let says = |text: &[u8]| memchr::memmem::find(body, text).is_some();
        // Pictures and files in base64, and a history that the provider keeps.
        if says(b";base64,") || says(b"\"base64\"") || says(b"\"previous_response_id\":\"") {
            return None;
        }
        let ratio = calibration.ratio(model, Method::Bytes);
        Some(PromptEstimate {
            tokens: scaled(quick_estimate(body.len()), ratio),
            lesson: None,
        })
    }
}

/// The model of a candidate, as its calibration is kept.
pub fn model_of(candidate: &Candidate) -> Model<'_> {
    Model {
        provider: &candidate.endpoint.provider.name,
        name: candidate.model.as_str(),
    }
}

/// Which requests are counted for what they teach.
#[derive(Debug, Default)]
pub struct Samples {
    wanted: AtomicBool,
    pending: AtomicUsize,
    seen: AtomicU64,
}

impl Samples {
    /// Somebody asked for a count that is ours to give.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// A place for one body, unless all are taken.
    fn place(self: &Arc<Self>) -> Option<Place> {
        let before = self.pending.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        (before < MAX_PENDING).then_some(place)
    }
}

/// A body's place among [`MAX_PENDING`]; dropping it gives it back.
#[derive(Debug)]
struct Place(Arc<Samples>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body kept to be counted.
#[derive(Debug)]
pub struct Sample {
    dialect: Dialect,
    body: Bytes,
    _place: Place,
}

impl Exchange<'_, '_> {
    /// Before a served request lets go of its body: what will be wanted of it when its answer has ended.
    pub(super) fn keep_prompt(&mut self, candidate: &Candidate, usage_is_known: bool) {
        let body = &self.request.body.bytes;
        if self.estimate.is_none() && !usage_is_known {
            let calibration = &self.edge.shared.calibration;
            self.estimate = PromptEstimate::of_relayed(calibration, model_of(candidate), body);
        }
        self.sample = self.sample_of(candidate);
    }

    fn sample_of(&self, candidate: &Candidate) -> Option<Sample> {
        let (shared, body) = (&self.edge.shared, &self.request.body.bytes);
        let samples = &shared.samples;
        if !samples.wanted.load(Ordering::Relaxed) || MAX_SAMPLE < body.len() {
            return None;
        }
        if count::counts_itself(shared, &self.snapshot, candidate, Instant::now()) {
            return None;
        }
        let known = shared
            .calibration
            .samples(model_of(candidate), Method::Vocabulary);
        let seen = samples.seen.fetch_add(1, Ordering::Relaxed);
        if FIRST <= known && !seen.is_multiple_of(LATER) {
            return None;
        }
        Some(Sample {
            dialect: self.request.dialect,
            body: body.clone(),
            _place: samples.place()?,
        })
    }

    /// Compares what was estimated with what the provider told at the end of a whole answer.
    pub(super) fn learn(&mut self, end: &End) {
        let (End::Served, Some(usage), Some(candidate)) =
            (end, self.told.usage, self.served_by.clone())
        else {
            return;
        };
        let (shared, reported) = (&self.edge.shared, usage.prompt());
        if let Some(counted) = self.estimate.and_then(|estimate| estimate.lesson) {
            let model = model_of(&candidate);
            shared
                .calibration
                .observe(model, Method::Bytes, counted, reported);
        }
        let Some(sample) = self.sample.take() else {
            return;
        };
        let (counter, calibration) = (Arc::clone(&shared.counter), Arc::clone(&shared.calibration));
        // Nobody waits for it: at most a few run at a time, each ends within milliseconds.
        drop(tokio::task::spawn_blocking(move || {
            let model = model_of(&candidate);
            let count = count::local(&counter, sample.dialect, &sample.body, model.name);
            if let Some(count) = count.ok().filter(|count| count.guessed == 0) {
                calibration.observe(model, Method::Vocabulary, count.counted, reported);
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Model<'_> = Model {
        provider: "p",
        name: "m",
    };

    #[test]
    fn pictures_cost_what_pictures_cost_whatever_their_bytes() {
        let calibration = Calibration::new();
        let picture = Attachments {
            images: 1,
            bytes: 1_000_000,
            ..Attachments::default()
        };
        let of = |sent, attachments: &Attachments| {
            PromptEstimate::of_translation(&calibration, MODEL, sent, attachments)
        };
        let text = of(4_000, &Attachments::default());
        assert_eq!((text.tokens, text.lesson), (1_000, Some(1_000)));
        let with_picture = of(1_004_000, &picture);
        assert_eq!((with_picture.tokens, with_picture.lesson), (2_600, None));
        // The target took no pictures.
        assert_eq!(of(4_100, &picture).tokens, 2_625);
    }

    #[test]
    fn estimates_follow_what_was_learned() {
        let calibration = Calibration::new();
        for _ in 0..50 {
            calibration.observe(MODEL, Method::Bytes, 1_000, 1_500);
        }
        let body = Bytes::from(" ".repeat(4_000));
        let estimate = PromptEstimate::of_relayed(&calibration, MODEL, &body).unwrap();
        assert!(estimate.tokens.abs_diff(1_500) < 30, "{}", estimate.tokens);
        let kept = Bytes::from(r#"{"previous_response_id":"resp_1"}"#);
        assert!(PromptEstimate::of_relayed(&calibration, MODEL, &kept).is_none());
    }

    #[test]
    fn few_bodies_are_kept_at_a_time() {
        let samples = Arc::new(Samples::default());
        let mut places: Vec<Place> = (0..MAX_PENDING).map_while(|_| samples.place()).collect();
        assert_eq!(places.len(), MAX_PENDING);
        assert!(samples.place().is_none());
        places.pop();
        assert!(samples.place().is_some());
    }
}
