//! Counters and histograms of what has happened.

use prometheus::{Error, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::seconds;
use crate::telemetry::{AccessLine, End};

/// Where there is no provider: nobody was asked, or the answer was ours.
const NOBODY: &str = "none";
/// Bounds of times to the first content, seconds: from a cache to a model that thinks.
const TTFT: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0,
];
/// Bounds of whole requests, seconds.
const DURATION: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
];
/// Bounds of silences inside a stream, seconds.
const GAP: &[f64] = &[
    0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 90.0,
];

/// What is counted of requests and attempts.
pub(super) struct Requests {
    ended: IntCounterVec,
    rejections: IntCounterVec,
    failovers: IntCounterVec,
    attempts: IntCounterVec,
    tokens: IntCounterVec,
    cache: IntCounterVec,
    connections: IntCounterVec,
    duration: HistogramVec,
    ttft: HistogramVec,
    gaps: HistogramVec,
}

impl Requests {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, Error>(counter)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], bounds: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, Error>(histogram)
        };
        Ok(Requests {
            ended: counter(
                "pointsman_requests_total",
                "Requests for a model that have ended: ok, client_gone, upstream_broke, timeout, stopped or rejected.",
                &["dialect", "provider", "stream", "outcome"],
            )?,
            rejections: counter(
                "pointsman_rejections_total",
                "Requests that were answered with an error, by its reason.",
                &["reason"],
            )?,
            failovers: counter(
                "pointsman_failovers_total",
                "Requests that this provider served after other attempts had failed.",
                &["provider"],
            )?,
            attempts: counter(
                "pointsman_attempts_total",
                "Tries at providers: served, or why not.",
                &["provider", "outcome"],
            )?,
            tokens: counter(
                "pointsman_tokens_total",
                "Tokens of answers. Kinds do not overlap: input is what no cache had and none took up.",
                &["provider", "kind"],
            )?,
            cache: counter(
                "pointsman_cache_requests_total",
                "Requests that the response cache or a call under way answered (hit, shared), or might have (miss).",
                &["outcome"],
            )?,
            connections: counter(
                "pointsman_upstream_connections_total",
                "Connections that attempts used: new, or reused (of the pool, or shared over HTTP/2).",
                &["provider", "kind"],
            )?,
            duration: histogram(
                "pointsman_request_duration_seconds",
                "From the first byte of a request to the end of its answer.",
                &["dialect", "stream"],
                DURATION,
            )?,
            ttft: histogram(
                "pointsman_time_to_first_content_seconds",
                "From the last byte of a request to the first content of its answer.",
                &["provider"],
                TTFT,
            )?,
            gaps: histogram(
                "pointsman_stream_gap_seconds",
                "Silence between two writes of one stream.",
                &["provider"],
                GAP,
            )?,
        })
    }

    pub(super) fn ended(&self, line: &AccessLine<'_>) {
        let Some(dialect) = line.dialect else {
            return;
        };
        let provider = line.provider.unwrap_or(NOBODY);
        let stream = if line.stream { "true" } else { "false" };
        let labels = [dialect.name(), provider, stream, line.end.label()];
        self.ended.with_label_values(&labels).inc();
        if let End::Rejected(reason) = line.end {
            self.rejections.with_label_values(&[reason]).inc();
        }
        if 1 < line.attempts && !matches!(line.end, End::Rejected(_)) {
            self.failovers.with_label_values(&[provider]).inc();
        }
        if let Some(outcome) = line.cache {
            self.cache.with_label_values(&[outcome]).inc();
        }
        self.duration
            .with_label_values(&[dialect.name(), stream])
            .observe(seconds(line.duration));
        // An answer that was there already says nothing about its provider.
        let is_own = !matches!(line.cache, Some("hit" | "shared"));
        if let Some(ttft) = line.ttft.filter(|_| is_own) {
            self.ttft
                .with_label_values(&[provider])
                .observe(seconds(ttft));
        }
        self.spent(provider, line);
    }

    fn spent(&self, provider: &str, line: &AccessLine<'_>) {
        let tokens = line.tokens;
        let cached = |count: Option<u64>| count.unwrap_or(0);
        let fresh = tokens.input.map(|input| {
            input.saturating_sub(cached(tokens.cache_read) + cached(tokens.cache_creation))
        });
        for (kind, count) in [
            ("input", fresh),
            ("output", tokens.output),
            ("cache_read", tokens.cache_read),
            ("cache_creation", tokens.cache_creation),
        ] {
            if let Some(count) = count.filter(|count| 0 < *count) {
                self.tokens
                    .with_label_values(&[provider, kind])
                    .inc_by(count);
            }
        }
    }

    pub(super) fn attempt(&self, provider: &str, outcome: &str) {
        self.attempts.with_label_values(&[provider, outcome]).inc();
    }

    pub(super) fn connected(&self, provider: &str, reused: bool) {
        let kind = if reused { "reused" } else { "new" };
        self.connections.with_label_values(&[provider, kind]).inc();
    }

    pub(super) fn gaps(&self, provider: &str) -> Histogram {
        self.gaps.with_label_values(&[provider])
    }
}
