//! What is done when no candidate that is well has served a request: others are tried although their circuits are open,
//! or a short wait is worth it.

use std::time::{Duration, Instant};

use super::choose::Candidate;
use super::exchange::{End, Exchange};
use super::queue::Turn;
use crate::error::FaultKind;
use crate::health::{Extra, Refusal};
use crate::types::EndpointId;

/// Whom a step is about that is about all candidates.
const ALL: &str = "all";

impl Exchange<'_, '_> {
    /// When nothing that is well has served the request: endpoints whose circuit is open are tried rather than
    /// refusing, the one that comes back first before the others. A circuit is about what was, and the request has
    /// nothing to lose but time.
    pub(super) async fn try_anyway(&mut self) -> Option<End> {
        let most = self.snapshot.config.settings.max_attempts;
        let mut tried: Vec<EndpointId> = Vec::new();
        for failed in &self.trail.failed {
            if !tried.contains(&failed.endpoint) {
                tried.push(failed.endpoint.clone());
            }
        }
        while tried.len() < most && Instant::now() < self.request.deadline {
            let best = self.next_anyway(&tried)?;
            let limit = best.endpoint.provider.max_in_flight;
            let permit = best.endpoint.health.admit_anyway(limit)?;
            let id = best.endpoint.id().clone();
            log::warn!("no candidate is healthy: trying {id} anyway");
            self.trail
                .skipped
                .retain(|skip| skip.endpoint != id.as_str());
            let turn = Turn {
                candidate: best,
                permit,
                begun: None,
            };
            if let Some(end) = self.try_keys(turn).await {
                return Some(end);
            }
            tried.push(id);
        }
        None
    }

    /// The endpoint with an open circuit that comes back first. One that is known to hang is tried only by a request
    /// that has met nobody else: the others would wait for its time-out, and are better off with their error.
    fn next_anyway(&self, tried: &[EndpointId]) -> Option<Candidate> {
        let now = Instant::now();
        let may_hang = self.trail.attempts == 0;
        // A full endpoint, one that asked for quiet or does not know the model is not what this is for.
        let opens = |c: &Candidate| {
            let limit = c.endpoint.provider.max_in_flight;
            match c.endpoint.health.check(now, c.model.as_str(), limit) {
                Err(Refusal::CircuitOpen(until)) => Some(until.unwrap_or(now)),
                Err(_) | Ok(()) => None,
            }
        };
        let candidates = self.queue.candidates().iter();
        candidates
            .filter(|candidate| !tried.contains(candidate.endpoint.id()))
            .filter(|candidate| candidate.endpoint.keys.any_usable(now))
            .filter(|candidate| may_hang || !candidate.endpoint.health.is_hanging())
            .filter_map(|candidate| Some((opens(candidate)?, candidate)))
            .min_by_key(|(opens, _)| *opens)
            .map(|(_, candidate)| candidate.clone())
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
    pub(super) fn short_wait(&mut self) -> Option<Duration> {
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
        let candidates = self.queue.candidates().iter();
        let patient = candidates.filter(|candidate| self.asked_for_patience(candidate));
        let wait = patient.filter_map(back_in).min()?;
        let fits = wait <= self.snapshot.config.settings.max_retry_wait
            && now + wait < self.request.deadline;
        if !fits {
            return None;
        }
        let granted = self.edge.shared.take(Extra::Repeat, now);
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
