//! Sends spans to the collector: every few seconds, in batches, one call at a time.
//!
//! While the collector is away the spans wait, as far as there is room, and it is asked less and less often; that it is
//! away is logged once, and once that it is there again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::Instant;

use crate::config::Tracing;
use crate::net::{Call, Client, Resolver};
use crate::proxy::Shared;
use crate::telemetry::tracing::{Resource, Span, export_request, rejected};

/// Time between two exports when there is little to tell.
const INTERVAL: Duration = Duration::from_secs(2);
/// Wait after a first failure; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Letters of the name of this process among others of the service.
const INSTANCE_LETTERS: usize = 16;

/// Sends what is traced.
pub struct TraceExporter {
    shared: Arc<Shared>,
    client: Client,
    instance: String,
    standing: Mutex<Standing>,
}

/// How it went lately.
#[derive(Default)]
struct Standing {
    failures: u32,
    /// No call before this moment.
    quiet_until: Option<Instant>,
    /// What the collector did not want has been logged.
    told_refusal: bool,
}

/// What came of one call.
enum Sent {
    /// It has been heard, but for so many spans.
    Taken { refused: u64 },
    /// It will never be.
    Refused(String),
    /// Later, perhaps; where the collector says so, not before that.
    Later(String, Option<Duration>),
}

impl TraceExporter {
    /// For what `shared` queues.
    pub fn new(shared: Arc<Shared>) -> Self {
        let letters = std::iter::repeat_with(fastrand::alphanumeric).take(INSTANCE_LETTERS);
        TraceExporter {
            shared,
            client: Client::new(Arc::new(Resolver::new())),
            instance: letters.collect(),
            standing: Mutex::default(),
        }
    }

    /// Sends everything that waits, or as much as the collector takes.
    async fn send_all(&self) {
        loop {
            let snapshot = self.shared.live.current();
            let Some(settings) = &snapshot.config.settings.tracing else {
                // Switched off by a reload.
                self.shared.traces.clear();
                return;
            };
            let batch = self.shared.traces.take();
            if batch.is_empty() {
                return;
            }
            match self.send(settings, &batch).await {
                Sent::Taken { refused } => self.heard(settings, batch.len(), refused),
                Sent::Refused(why) => self.refused(settings, batch.len(), &why),
                Sent::Later(why, after) => {
                    self.shared.traces.give_back(batch);
                    self.failed(settings, &why, after);
                    return;
                }
            }
        }
    }

    async fn send(&self, settings: &Tracing, batch: &[Span]) -> Sent {
        let resource = Resource {
            name: &settings.service_name,
            instance: &self.instance,
            more: &settings.resource,
        };
        let kind = HeaderValue::from_static("application/x-protobuf");
        let mut headers = vec![(header::CONTENT_TYPE, kind)];
        headers.extend(settings.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name.parse::<HeaderName>().ok()?, value))
        }));
        let path = settings.target.inference.of("", false);
        let call = Call {
            method: Method::POST,
            target: &settings.target,
            path: &path,
            headers,
            body: Bytes::from(export_request(&resource, batch)),
            way: None,
            timeout: settings.timeout,
        };
        match self.client.send(call).await {
            Ok(answer) if answer.status.is_success() => Sent::Taken {
                refused: rejected(&answer.body),
            },
            Ok(answer) => judged(answer.status, &answer.headers),
            Err(error) => Sent::Later(error.to_string(), None),
        }
    }

    fn heard(&self, settings: &Tracing, spans: usize, refused: u64) {
        self.shared.traces.sent(spans, refused);
        let mut standing = self.standing.lock();
        if 0 < standing.failures {
            log::info!(collector:% = settings.endpoint; "traces reach their collector again");
        }
        let told_refusal = standing.told_refusal || 0 < refused;
        if 0 < refused && !standing.told_refusal {
            log::warn!(collector:% = settings.endpoint, spans = refused; "the collector has refused spans");
        }
        *standing = Standing {
            told_refusal,
            ..Standing::default()
        };
    }

    fn refused(&self, settings: &Tracing, spans: usize, why: &str) {
        let all = u64::try_from(spans).unwrap_or(u64::MAX);
        self.shared.traces.sent(spans, all);
        let mut standing = self.standing.lock();
        if !std::mem::replace(&mut standing.told_refusal, true) {
            log::warn!(collector:% = settings.endpoint, why:%; "the collector refuses traces");
        }
    }

    fn failed(&self, settings: &Tracing, why: &str, after: Option<Duration>) {
        let mut standing = self.standing.lock();
        if standing.failures == 0 {
            log::warn!(collector:% = settings.endpoint, why:%; "traces cannot be sent; they wait, the oldest go");
        }
        let wait = wait_after(standing.failures, fastrand::f64());
        let wait = after.map_or(wait, |after| after.clamp(wait, MAX_WAIT));
        standing.failures = standing.failures.saturating_add(1);
        standing.quiet_until = Some(Instant::now() + wait);
    }

    fn is_quiet(&self) -> bool {
        let until = self.standing.lock().quiet_until;
        until.is_some_and(|until| Instant::now() < until)
    }
}

#[async_trait]
impl BackgroundService for TraceExporter {
    /// Ends with the process: what the last requests have told goes out while it drains.
    async fn start(&self, _: ShutdownWatch) {
        loop {
            let last = self.shared.traces.due(INTERVAL).await;
            if last || !self.is_quiet() {
                self.send_all().await;
            }
            if last {
                self.shared.traces.flushed();
            }
        }
    }
}

/// What the protocol has a status mean: some are worth another call, all others are a verdict.
fn judged(status: StatusCode, headers: &HeaderMap) -> Sent {
    let why = format!("it answers {}", status.as_u16());
    match status.as_u16() {
        429 | 502..=504 => Sent::Later(why, wait_told(headers)),
        _ => Sent::Refused(why),
    }
}

/// `retry-after`, as seconds or as a date.
fn wait_told(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::now()).ok()
}

/// The wait after so many failures before this one; `jitter` from 0 to 1 keeps many processes apart.
fn wait_after(failures: u32, jitter: f64) -> Duration {
    let full = FIRST_WAIT * 2_u32.saturating_pow(failures.min(6));
    full.min(MAX_WAIT).mul_f64(0.5 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_somewhere() {
        let waits = [0, 1, 5, 6, 7, u32::MAX].map(|failures| wait_after(failures, 1.0).as_secs());
        assert_eq!(waits, [1, 2, 32, 60, 60, 60]);
        assert_eq!(wait_after(0, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        let later = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            match judged(status, &headers) {
                Sent::Later(_, after) => after.map(|it| it.as_secs()),
                Sent::Refused(_) | Sent::Taken { .. } => None,
            }
        };
        for status in [429, 502, 503, 504] {
            assert_eq!(later(status), Some(7), "{status}");
        }
        for status in [400, 401, 404, 413, 500, 501, 302] {
            assert_eq!(later(status), None, "{status}");
        }
    }
}
