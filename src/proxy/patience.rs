//! What is done when no candidate would take a request at once: one is tried although its circuit is open, or a short
//! wait is worth it.

use std::time::{Duration, Instant};

use super::choose::Candidate;
use super::exchange::{End, Exchange};
use crate::error::FaultKind;
use crate::health::Refusal;
use crate::types::EndpointId;

/// Whom a step is about that is about all candidates.
const ALL: &str = "all";

impl Exchange<'_, '_> {
    /// When every circuit is open: the endpoint that comes back first is tried rather than refusing.
    pub(super) async fn try_anyway(&mut self, candidates: &[Candidate]) -> Option<End> {
        let now = Instant::now();
        // A full endpoint, one that asked for quiet or does not know the model is not what this is for.
        let opens = |c: &Candidate| {
            let limit = c.endpoint.provider.max_in_flight;
            match c.endpoint.health.check(now, c.model.as_str(), limit) {
                Err(Refusal::CircuitOpen(until)) => Some(until.unwrap_or(now)),
                Err(_) | Ok(()) => None,
            }
        };
        let best = candidates
            .iter()
            .filter(|candidate| candidate.endpoint.keys.any_usable(now))
            .filter_map(|candidate| Some((opens(candidate)?, candidate)))
            .min_by_key(|(opens, _)| *opens)
            .map(|(_, candidate)| candidate.clone())?;
        let limit = best.endpoint.provider.max_in_flight;
        let permit = best.endpoint.health.admit_anyway(limit)?;
        log::warn!(
            "no candidate is healthy: trying {} anyway",
            best.endpoint.id()
        );
        self.trail
            .skipped
            .retain(|skip| skip.endpoint != best.endpoint.id().as_str());
        self.try_keys(&best, permit).await.ok()
    }

    /// Whether a candidate is rate limited or overloaded, so that waiting a moment may be all it needs.
    pub(super) fn asked_for_patience(&self, candidate: &Candidate) -> bool {
        let id: &EndpointId = candidate.endpoint.id();
        let failed = self
            .trail
            .failed
            .iter()
            .rev()
            .find(|failed| failed.endpoint == *id);
        failed.is_none_or(|failed| {
            matches!(
                failed.fault.kind,
                FaultKind::UpstreamLimited { .. } | FaultKind::UpstreamOverloaded { .. }
            )
        })
    }

    /// The time after which a candidate that asked for patience may serve, if it is short and a repeat may be had.
    pub(super) fn short_wait(&mut self, candidates: &[Candidate]) -> Option<Duration> {
        let now = Instant::now();
        let back_in = |candidate: &Candidate| {
            let endpoint = &candidate.endpoint;
            let health = match endpoint.health.check(now, candidate.model.as_str(), None) {
                Ok(()) => Duration::ZERO,
                Err(Refusal::Cooling(until, _)) => until.saturating_duration_since(now),
                Err(_) => return None,
            };
            let keys = if endpoint.keys.any_usable(now) {
                Duration::ZERO
            } else {
                endpoint
                    .keys
                    .next_usable(now)?
                    .saturating_duration_since(now)
            };
            let wait = health.max(keys);
            // A circuit that stays open for longer makes the wait worthless.
            let then = endpoint
                .health
                .check(now + wait, candidate.model.as_str(), None);
            (!wait.is_zero() && then.is_ok()).then_some(wait)
        };
        let patient = candidates
            .iter()
            .filter(|candidate| self.asked_for_patience(candidate));
        let wait = patient.filter_map(back_in).min()?;
        let fits = wait <= self.snapshot.config.settings.max_retry_wait
            && now + wait < self.request.deadline;
        if !fits {
            return None;
        }
        let granted = self.edge.shared.take_retry(now);
        let what = if granted {
            "wait"
        } else {
            "retry budget used up"
        };
        self.trail
            .note(ALL, what.to_owned(), Some(wait).filter(|_| granted));
        granted.then_some(wait)
    }
}
