//! What translations have lost since the start, by kind: for `/providers`, and for whoever measures.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::canonical::{LossKind, Losses};

/// Counts of losses, of answers that were served only.
#[derive(Debug)]
pub struct LossCounts([AtomicU64; LossKind::ALL.len()]);

impl Default for LossCounts {
    fn default() -> Self {
        LossCounts(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl LossCounts {
    /// Counts what one translation lost.
    pub fn count(&self, losses: &Losses) {
        for (kind, times) in losses.counts() {
            if let Some(count) = self.0.get(kind.index()) {
                count.fetch_add(times, Ordering::Relaxed);
            }
        }
    }

    /// All kinds, each with its label and how often it happened.
    pub fn all(&self) -> impl Iterator<Item = (String, u64)> {
        let counts = LossKind::ALL.iter().zip(&self.0);
        counts.map(|(kind, count)| (kind.label(), count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_apart_and_beyond_those_that_are_kept() {
        let (all, mut losses) = (LossCounts::default(), Losses::default());
        for _ in 0..100 {
            losses.add("messages", LossKind::NoPictures);
        }
        losses.add("top_k", LossKind::NotAccepted);
        all.count(&losses);
        all.count(&losses);
        let counted: Vec<(String, u64)> = all.all().filter(|it| 0 < it.1).collect();
        assert_eq!(
            counted,
            [
                ("not_accepted".to_owned(), 2),
                ("no_pictures".to_owned(), 200)
            ]
        );
        assert_eq!(all.all().count(), LossKind::ALL.len());
    }
}
