//! How endpoints, budgets and certificates stand, for those who measure.

use std::time::Instant;

use crate::access::limits::{Counters, Span};
use crate::admin::status::circuit_name;
use crate::credential::KeyView;
use crate::snapshot::{Endpoint, Snapshot};
use crate::telemetry::metrics::{BudgetState, CertificateState, EndpointState, KeyStates};
use crate::tokens::{Accuracy, Calibration};
use crate::types::Day;

/// Of a certificate for no name.
const NAMELESS: &str = "none";

/// The state of each endpoint that can be called.
pub fn endpoint_states<'s>(
    snapshot: &'s Snapshot,
    calibration: &Calibration,
    now: Instant,
) -> Vec<EndpointState<'s>> {
    let state = |endpoint: &'s std::sync::Arc<Endpoint>| {
        let view = endpoint.health.view(now);
        EndpointState {
            provider: endpoint.id().as_str(),
            circuit: circuit_name(view.state),
            usable: endpoint.is_usable(now),
            in_flight: view.in_flight,
            keys: key_states(&endpoint.keys.view(now)),
            cache_hit_ratio: view.cache_hit_ratio,
            count_error: count_error(calibration, &endpoint.provider.name),
        }
    };
    snapshot.active().map(state).collect()
}

/// The budgets of named keys.
pub fn budget_states<'s>(
    snapshot: &'s Snapshot,
    counters: &dyn Counters,
    day: Day,
) -> Vec<BudgetState<'s>> {
    let mut states = Vec::new();
    for holder in snapshot.gateway.holders() {
        let caps = holder.limits.caps;
        if caps.is_empty() {
            continue;
        }
        let spent = counters.spent(&holder.name, day);
        for (span, cap, used) in [
            (Span::Day, caps.daily, spent.today),
            (Span::Month, caps.monthly, spent.this_month),
        ] {
            states.extend(cap.map(|cap| BudgetState {
                key: &holder.name,
                span: span.word(),
                limit: cap.dollars(),
                used: used.dollars(),
            }));
        }
    }
    states
}

/// The certificates that listeners show.
pub fn certificate_states(snapshot: &Snapshot) -> Vec<CertificateState<'_>> {
    let mut states = Vec::new();
    for listener in &snapshot.config.listeners {
        let certificates = listener.tls.iter().flat_map(|it| &it.certificates);
        states.extend(certificates.map(|it| CertificateState {
            listener: &listener.name,
            name: it.names.first().map_or(NAMELESS, String::as_str),
            not_after: it.not_after,
        }));
    }
    states
}

fn key_states(keys: &[KeyView]) -> KeyStates {
    let mut states = KeyStates::default();
    for key in keys {
        let state = if key.benched {
            &mut states.benched
        } else if key.cooling.is_some() {
            &mut states.resting
        } else {
            &mut states.ready
        };
        *state += 1;
    }
    states
}

/// The mean over a provider's models, each with the weight of what it was learned from.
fn count_error(calibration: &Calibration, provider: &str) -> Option<f64> {
    let models = calibration.view(provider);
    let weighed = models
        .iter()
        .flat_map(|it| [&it.bytes, &it.vocabulary])
        .filter_map(|it: &Accuracy| Some((it.error_percent? / 100.0, it.samples as f64)));
    let (sum, weight) = weighed.fold((0.0, 0.0), |(sum, all), (error, weight)| {
        (sum + error * weight, all + weight)
    });
    (0.0 < weight).then(|| sum / weight)
}
