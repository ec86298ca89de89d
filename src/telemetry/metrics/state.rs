//! How things stand, read at every scrape.

use prometheus::{
    Error, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::money::BudgetState;
use super::registered;
use crate::telemetry::tracing::SpanCounts;

/// Words for circuits.
const CIRCUITS: [&str; 3] = ["closed", "open", "half_open"];

/// How things stand at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct State<'s> {
    /// Requests under way.
    pub in_flight: usize,
    /// Bytes of request bodies in memory.
    pub body_bytes: usize,
    /// Configurations that were in force before this one.
    pub generation: u64,
    /// What is on disk is broken and not in force.
    pub config_refused: bool,
    /// The process takes no new work.
    pub draining: bool,
    /// Repeats since the start that the budget granted.
    pub retries_granted: u64,
    /// And refused.
    pub retries_refused: u64,
    /// Repeats in the window of their budget.
    pub retries_used: u64,
    /// And how many it allows.
    pub retries_allowed: u64,
    /// Hedges since the start that their budget granted.
    pub hedges_granted: u64,
    /// And refused.
    pub hedges_refused: u64,
    /// Calls that several requests share now.
    pub flights: usize,
    /// Bytes of their answers.
    pub flight_bytes: usize,
    /// Answers in the response cache.
    pub cache_entries: usize,
    /// Their bytes.
    pub cache_bytes: usize,
    /// What became of spans since the start.
    pub spans: SpanCounts,
    /// Bodies that were to be kept and were not.
    pub captures_lost: u64,
    /// Losses of translations since the start, by kind.
    pub losses: Vec<(String, u64)>,
    /// Every endpoint that can be called.
    pub endpoints: Vec<EndpointState<'s>>,
    /// Every budget of a named key.
    pub budgets: Vec<BudgetState<'s>>,
    /// Every certificate that is shown.
    pub certificates: Vec<CertificateState<'s>>,
}

/// A certificate of a listener.
#[derive(Clone, Copy, Debug)]
pub struct CertificateState<'s> {
    /// Which listener.
    pub listener: &'s str,
    /// A name it is for.
    pub name: &'s str,
    /// Until when, seconds since 1970.
    pub not_after: i64,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct EndpointState<'s> {
    /// Its name.
    pub provider: &'s str,
    /// `closed`, `open` or `half_open`.
    pub circuit: &'static str,
    /// Whether it could be asked now.
    pub usable: bool,
    /// Requests under way.
    pub in_flight: usize,
    /// How its keys stand.
    pub keys: KeyStates,
    /// Prompt tokens that its cache had, of all.
    pub cache_hit_ratio: Option<f64>,
    /// Mean error of our counts of its prompts, of the provider's own count.
    pub count_error: Option<f64>,
}

/// How many keys are in which state.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyStates {
    /// May be used.
    pub ready: usize,
    /// Rest until some moment.
    pub resting: usize,
    /// Are out until a reload or a good probe.
    pub benched: usize,
}

/// The metrics that [`State`] is written to.
pub(super) struct Gauges {
    whole: Whole,
    up: IntGaugeVec,
    circuits: IntGaugeVec,
    endpoint_in_flight: IntGaugeVec,
    keys: IntGaugeVec,
    cache_hit_ratio: GaugeVec,
    count_error: GaugeVec,
    losses: IntCounterVec,
    spans: IntCounterVec,
    certificates: IntGaugeVec,
}

/// Those without labels.
struct Whole {
    in_flight: IntGauge,
    body_bytes: IntGauge,
    generation: IntGauge,
    config_refused: IntGauge,
    draining: IntGauge,
    flights: IntGauge,
    flight_bytes: IntGauge,
    cache_entries: IntGauge,
    cache_bytes: IntGauge,
    retries_used: IntGauge,
    retries_allowed: IntGauge,
    retries_granted: IntCounter,
    retries_refused: IntCounter,
    hedges_granted: IntCounter,
    hedges_refused: IntCounter,
    captures_lost: IntCounter,
}

impl Whole {
    fn new(registry: &Registry) -> Result<Self, Error> {
        let gauge = |name, help| registered(registry, IntGauge::new(name, help));
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        Ok(Whole {
            in_flight: gauge("pointsman_in_flight_requests", "Requests under way.")?,
            body_bytes: gauge(
                "pointsman_request_body_bytes",
                "Bytes of request bodies in memory.",
            )?,
            generation: gauge(
                "pointsman_config_generation",
                "Configurations that were in force before this one in this process.",
            )?,
            config_refused: gauge(
                "pointsman_config_refused",
                "1 while the configuration on disk is broken and an older one is in force.",
            )?,
            draining: gauge(
                "pointsman_draining",
                "1 while the process finishes streams and takes no new work.",
            )?,
            flights: gauge(
                "pointsman_shared_calls",
                "Calls that may be shared, under way.",
            )?,
            flight_bytes: gauge(
                "pointsman_shared_call_bytes",
                "Bytes of the answers to them in memory.",
            )?,
            cache_entries: gauge("pointsman_cache_entries", "Answers in the response cache.")?,
            cache_bytes: gauge(
                "pointsman_cache_bytes",
                "Bytes of the answers in the response cache.",
            )?,
            retries_used: gauge(
                "pointsman_retry_budget_used",
                "Repeats in the window of the retry budget.",
            )?,
            retries_allowed: gauge(
                "pointsman_retry_budget_limit",
                "Repeats that the retry budget allows in its window, at this moment.",
            )?,
            retries_granted: counter(
                "pointsman_retries_granted_total",
                "Repeats on the same endpoint that the retry budget granted.",
            )?,
            retries_refused: counter(
                "pointsman_retries_refused_total",
                "Repeats on the same endpoint that the retry budget refused.",
            )?,
            hedges_granted: counter(
                "pointsman_hedges_granted_total",
                "Second attempts beside slow ones that their budget granted.",
            )?,
            hedges_refused: counter(
                "pointsman_hedges_refused_total",
                "Second attempts beside slow ones that their budget refused.",
            )?,
            captures_lost: counter(
                "pointsman_captures_lost_total",
                "Bodies that were to be captured and were not: the queue was full, or the disk refused.",
            )?,
        })
    }
}

impl Gauges {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let vec = |name, help, labels: &[&str]| {
            registered(registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let ratio = |name, help, labels: &[&str]| {
            registered(registry, GaugeVec::new(Opts::new(name, help), labels))
        };
        let build = vec(
            "pointsman_build_info",
            "Always 1; which version this is.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Gauges {
            whole: Whole::new(registry)?,
            up: vec(
                "pointsman_provider_up",
                "1 while the provider could be asked.",
                &["provider"],
            )?,
            circuits: vec(
                "pointsman_circuit_state",
                "1 for the state that the provider's circuit is in.",
                &["provider", "state"],
            )?,
            endpoint_in_flight: vec(
                "pointsman_provider_in_flight_requests",
                "Attempts under way at the provider.",
                &["provider"],
            )?,
            keys: vec(
                "pointsman_keys",
                "The provider's keys: ready, resting until a moment, or benched until a reload or a good probe.",
                &["provider", "state"],
            )?,
            cache_hit_ratio: ratio(
                "pointsman_prompt_cache_hit_ratio",
                "Prompt tokens that the provider's cache had, of all of late.",
                &["provider"],
            )?,
            count_error: ratio(
                "pointsman_token_estimate_error_ratio",
                "Mean error of our count of prompts against the provider's.",
                &["provider"],
            )?,
            losses: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "pointsman_translation_losses_total",
                        "What translations could not say, by kind.",
                    ),
                    &["kind"],
                ),
            )?,
            spans: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "pointsman_trace_spans_total",
                        "Spans: exported, dropped because the collector was away, or refused by it.",
                    ),
                    &["outcome"],
                ),
            )?,
            certificates: vec(
                "pointsman_certificate_expiry_timestamp_seconds",
                "When the certificate that a listener shows for this name ends, in seconds since 1970.",
                &["listener", "name"],
            )?,
        })
    }

    /// Writes how things stand over how they stood.
    pub(super) fn set(&self, state: &State<'_>) {
        let whole = &self.whole;
        for (gauge, value) in [
            (&whole.in_flight, state.in_flight),
            (&whole.body_bytes, state.body_bytes),
            (&whole.config_refused, usize::from(state.config_refused)),
            (&whole.draining, usize::from(state.draining)),
            (&whole.flights, state.flights),
            (&whole.flight_bytes, state.flight_bytes),
            (&whole.cache_entries, state.cache_entries),
            (&whole.cache_bytes, state.cache_bytes),
        ] {
            gauge.set(whole_number(value));
        }
        for (gauge, value) in [
            (&whole.generation, state.generation),
            (&whole.retries_used, state.retries_used),
            (&whole.retries_allowed, state.retries_allowed),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (counter, value) in [
            (&whole.retries_granted, state.retries_granted),
            (&whole.retries_refused, state.retries_refused),
            (&whole.hedges_granted, state.hedges_granted),
            (&whole.hedges_refused, state.hedges_refused),
            (&whole.captures_lost, state.captures_lost),
        ] {
            counter.reset();
            counter.inc_by(value);
        }
        self.spans.reset();
        for (outcome, count) in [
            ("exported", state.spans.exported),
            ("dropped", state.spans.dropped),
            ("refused", state.spans.refused),
        ] {
            self.spans.with_label_values(&[outcome]).inc_by(count);
        }
        self.losses.reset();
        for (kind, times) in &state.losses {
            self.losses
                .with_label_values(&[kind.as_str()])
                .inc_by(*times);
        }
        self.set_endpoints(&state.endpoints);
        self.set_certificates(&state.certificates);
    }

    /// Of several for one name the one that ends first: it needs somebody first.
    fn set_certificates(&self, certificates: &[CertificateState<'_>]) {
        self.certificates.reset();
        for it in certificates {
            let others = certificates
                .iter()
                .filter(|other| (other.listener, other.name) == (it.listener, it.name));
            let first = others.map(|other| other.not_after).min();
            let labels = [it.listener, it.name];
            self.certificates
                .with_label_values(&labels)
                .set(first.unwrap_or(it.not_after));
        }
    }

    fn set_endpoints(&self, endpoints: &[EndpointState<'_>]) {
        for vec in [
            &self.up,
            &self.circuits,
            &self.endpoint_in_flight,
            &self.keys,
        ] {
            vec.reset();
        }
        self.cache_hit_ratio.reset();
        self.count_error.reset();
        for it in endpoints {
            let name = it.provider;
            let set = |vec: &IntGaugeVec, labels: &[&str], value| {
                vec.with_label_values(labels).set(whole_number(value));
            };
            set(&self.up, &[name], usize::from(it.usable));
            for circuit in CIRCUITS {
                let is = usize::from(it.circuit == circuit);
                set(&self.circuits, &[name, circuit], is);
            }
            set(&self.endpoint_in_flight, &[name], it.in_flight);
            set(&self.keys, &[name, "ready"], it.keys.ready);
            set(&self.keys, &[name, "resting"], it.keys.resting);
            set(&self.keys, &[name, "benched"], it.keys.benched);
            if let Some(ratio) = it.cache_hit_ratio {
                self.cache_hit_ratio.with_label_values(&[name]).set(ratio);
            }
            if let Some(error) = it.count_error {
                self.count_error.with_label_values(&[name]).set(error);
            }
        }
    }
}

fn whole_number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
