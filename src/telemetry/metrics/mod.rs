//! What is counted, for Prometheus: `GET /metrics` of the admin surface. Names are `pointsman_*` in base units; labels take
//! their values from closed sets: words of ours and names of the configuration, never what a client sends.

mod door;
mod money;
mod requests;
mod state;

use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Encoder, Error, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::telemetry::AccessLine;
use door::Doors;
use money::Money;
use requests::Requests;
use state::Gauges;

pub use door::{DoorCounts, Handshake, SignIn, TurnedAway};
pub use money::{BudgetState, Cost};
pub use prometheus::Histogram;
pub use state::{CertificateState, EndpointState, KeyStates, State};

/// Content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Everything that is counted in this process.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    doors: Doors,
    money: Money,
    /// One scrape at a time writes them.
    gauges: Mutex<Gauges>,
}

impl Metrics {
    /// Nothing counted. Fails only if two metrics had one name.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Metrics {
            requests: Requests::new(&registry)?,
            doors: Doors::new(&registry)?,
            money: Money::new(&registry)?,
            gauges: Mutex::new(Gauges::new(&registry)?),
            registry,
        })
    }

    /// A request has ended.
    pub fn request(&self, line: &AccessLine<'_>) {
        self.requests.ended(line);
    }

    /// An attempt has ended: `outcome` is `served` or the label of its fault.
    pub fn attempt(&self, provider: &str, outcome: &str) {
        self.requests.attempt(provider, outcome);
    }

    /// An attempt has a connection to its provider, a new one or one of the pool.
    pub fn connected(&self, provider: &str, reused: bool) {
        self.requests.connected(provider, reused);
    }

    /// An answer was charged.
    pub fn spent(&self, cost: &Cost<'_>) {
        self.money.spent(cost);
    }

    /// What is counted at a listener.
    pub fn door(&self, listener: &str, has_tls: bool) -> DoorCounts {
        self.doors.of(listener, has_tls)
    }

    /// Somebody could not sign in.
    pub fn sign_in_refused(&self, reason: SignIn) {
        self.doors.sign_in_refused(reason);
    }

    /// Silences between two writes of one stream of this provider are told to what this returns, in seconds.
    pub fn gaps(&self, provider: &str) -> Histogram {
        self.requests.gaps(provider)
    }

    /// The text that Prometheus reads.
    pub fn render(&self, state: &State<'_>) -> Result<Vec<u8>, Error> {
        let gauges = self.gauges.lock();
        gauges.set(state);
        self.money.set(&state.budgets);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, Error>,
) -> Result<C, Error> {
    let made = made?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, Error> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, Error> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{End, TokenCounts};
    use crate::types::{Dialect, RequestId};

    fn render(metrics: &Metrics, state: &State<'_>) -> String {
        String::from_utf8(metrics.render(state).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_counted_with_what_it_took() {
        let metrics = Metrics::new().unwrap();
        let id = RequestId::random();
        let line = AccessLine {
            dialect: Some(Dialect::Anthropic),
            provider: Some("a"),
            attempts: 2,
            stream: true,
            ttft: Some(Duration::from_millis(300)),
            cache: Some("miss"),
            tokens: TokenCounts {
                input: Some(100),
                output: Some(7),
                cache_read: Some(60),
                cache_creation: None,
                estimated: false,
            },
            ..AccessLine::of(
                &id,
                "POST",
                "/v1/messages",
                Some(200),
                Duration::from_secs(2),
            )
        };
        metrics.request(&line);
        metrics.request(&AccessLine {
            end: End::Rejected("overloaded"),
            provider: None,
            ..line.clone()
        });
        metrics.attempt("a", "served");
        metrics.attempt("b", "upstream_status");
        let text = render(&metrics, &State::default());
        for line in [
            "pointsman_requests_total{dialect=\"anthropic\",outcome=\"ok\",provider=\"a\",stream=\"true\"} 1",
            "pointsman_requests_total{dialect=\"anthropic\",outcome=\"rejected\",provider=\"none\",stream=\"true\"} 1",
            "pointsman_rejections_total{reason=\"overloaded\"} 1",
            "pointsman_failovers_total{provider=\"a\"} 1",
            "pointsman_tokens_total{kind=\"input\",provider=\"a\"} 40",
            "pointsman_tokens_total{kind=\"cache_read\",provider=\"a\"} 60",
            "pointsman_tokens_total{kind=\"output\",provider=\"a\"} 7",
            "pointsman_time_to_first_content_seconds_count{provider=\"a\"} 1",
            "pointsman_cache_requests_total{outcome=\"miss\"} 2",
            "pointsman_attempts_total{outcome=\"upstream_status\",provider=\"b\"} 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
    }

    #[test]
    fn money_is_counted_by_who_answered_and_who_asked() {
        let metrics = Metrics::new().unwrap();
        let cost = |key, dollars, priced| Cost {
            provider: "a",
            key,
            dollars,
            priced,
        };
        metrics.spent(&cost(Some(("alice", Some("red"))), Some(0.25), true));
        metrics.spent(&cost(Some(("bob", None)), Some(0.5), false));
        metrics.spent(&cost(None, Some(1.0), true));
        metrics.spent(&cost(None, None, false));
        let budget = |used| BudgetState {
            key: "alice",
            span: "daily",
            limit: 2.0,
            used,
        };
        let state = State {
            budgets: vec![budget(0.25)],
            ..State::default()
        };
        let text = render(&metrics, &state);
        for line in [
            "pointsman_cost_dollars_total{provider=\"a\"} 1.75",
            "pointsman_key_cost_dollars_total{key=\"alice\",team=\"red\"} 0.25",
            "pointsman_key_cost_dollars_total{key=\"bob\",team=\"none\"} 0.5",
            "pointsman_unpriced_answers_total{provider=\"a\"} 2",
            "pointsman_key_budget_dollars{key=\"alice\",span=\"daily\"} 2",
            "pointsman_key_budget_used_dollars{key=\"alice\",span=\"daily\"} 0.25",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
        // A key that a reload has taken away has no budget.
        let text = render(&metrics, &State::default());
        assert!(!text.contains("pointsman_key_budget"), "{text}");
    }

    #[test]
    fn of_two_certificates_with_one_name_the_one_that_ends_first_is_told() {
        let metrics = Metrics::new().unwrap();
        let certificate = |not_after| CertificateState {
            listener: "listeners[0]",
            name: "a.example",
            not_after,
        };
        let state = State {
            certificates: vec![certificate(20), certificate(10), certificate(30)],
            ..State::default()
        };
        let line = "pointsman_certificate_expiry_timestamp_seconds{listener=\"listeners[0]\",name=\"a.example\"} 10\n";
        let text = render(&metrics, &state);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_a_reload_took_away_is_not_told_any_more() {
        let metrics = Metrics::new().unwrap();
        let endpoint = |provider| EndpointState {
            provider,
            circuit: "open",
            usable: false,
            in_flight: 3,
            keys: KeyStates {
                ready: 1,
                resting: 2,
                benched: 0,
            },
            cache_hit_ratio: Some(0.5),
            count_error: None,
        };
        let both = State {
            endpoints: vec![endpoint("a"), endpoint("b")],
            retries_granted: 5,
            ..State::default()
        };
        let text = render(&metrics, &both);
        for line in [
            "pointsman_circuit_state{provider=\"b\",state=\"open\"} 1",
            "pointsman_circuit_state{provider=\"b\",state=\"closed\"} 0",
            "pointsman_keys{provider=\"b\",state=\"resting\"} 2",
            "pointsman_retries_granted_total 5",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
        let one = State {
            endpoints: vec![endpoint("a")],
            retries_granted: 6,
            ..State::default()
        };
        let text = render(&metrics, &one);
        assert!(!text.contains("provider=\"b\""), "{text}");
        assert!(
            text.contains("pointsman_retries_granted_total 6\n"),
            "{text}"
        );
    }
}
