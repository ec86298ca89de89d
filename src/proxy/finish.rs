//! What is told of a request: headers for the client, one line for the log.

use std::sync::atomic::Ordering;

use http::header::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use super::answer::visible;
use super::choose::Candidate;
use super::exchange::{End, Exchange};
use super::judge;
use super::share::Ticket;
use super::traced;
use crate::admin::{RequestRecord, StepRecord};
use crate::error::{Fault, FaultKind};
use crate::telemetry::{AccessLine, End as LineEnd, TokenCounts};
use crate::types::{Dialect, EndpointId};

/// The answer came from a hedge.
const WON: &str = "won";
/// Longest trace put into a header, bytes.
const MAX_TRACE: usize = 2048;

/// Marks the head of a provider's answer with our ids; its own `request-id` stays.
pub fn mark_head(exchange: &Exchange<'_, '_>, candidate: &Candidate, head: &mut ResponseHeader) {
    let id = visible(exchange.request.id.as_str());
    drop_quoted_keys(candidate, head);
    if !head.headers.contains_key("request-id") {
        let theirs = head.headers.get("x-request-id").cloned();
        let _ = head.insert_header("request-id", theirs.unwrap_or_else(|| id.clone()));
    }
    // Where the SDKs of OpenAI look.
    if exchange.request.dialect != Dialect::Anthropic && !head.headers.contains_key("x-request-id")
    {
        let theirs = head.headers.get("request-id").cloned();
        let _ = head.insert_header("x-request-id", theirs.unwrap_or_else(|| id.clone()));
    }
    let _ = head.insert_header("x-pointsman-request-id", id);
    for (name, value) in marks(exchange, Words::Answer(candidate.endpoint.id())) {
        let _ = head.insert_header(name, value);
    }
}

/// A provider that echoes our own key in a header must not teach it to the client.
fn drop_quoted_keys(candidate: &Candidate, head: &mut ResponseHeader) {
    let endpoint = &candidate.endpoint;
    let quoting: Vec<HeaderName> = head
        .headers
        .iter()
        .filter(|(_, value)| judge::quotes_a_key(endpoint, value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in quoting {
        head.remove_header(&name);
    }
}

/// Whose words a client gets.
#[derive(Clone, Copy)]
pub enum Words<'a> {
    /// An answer of this endpoint.
    Answer(&'a EndpointId),
    /// An error of this endpoint, as it is.
    Refusal(&'a EndpointId),
    /// An error of ours.
    Ours,
}

/// The headers that tell which provider answered and how often was tried; with `x-pointsman-debug: 1` also why.
pub fn marks(exchange: &Exchange<'_, '_>, words: Words<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let provider = match words {
        Words::Answer(id) | Words::Refusal(id) => Some(id),
        Words::Ours => None,
    };
    let mut marks = Vec::with_capacity(5);
    let mut mark = |name: &'static str, value: &str| {
        marks.push((HeaderName::from_static(name), visible(value)));
    };
    if let Some(provider) = provider {
        mark("x-pointsman-provider", provider.as_str());
    }
    if let Some(outcome) = exchange.ticket.as_ref().and_then(Ticket::outcome) {
        mark("x-pointsman-cache", outcome);
    }
    mark("x-pointsman-attempts", &exchange.trail.attempts.to_string());
    if exchange.request.debug {
        let mut trace = exchange.trail.trace("served");
        trace.truncate(MAX_TRACE);
        mark("x-pointsman-trace", &trace);
        // Losses of the attempt that serves; one that was refused may have been the next one's gain.
        if matches!(words, Words::Answer(_)) && !exchange.losses.is_empty() {
            let mut losses: String = exchange.losses.to_string().chars().map(shown).collect();
            losses.truncate(MAX_TRACE);
            mark("x-pointsman-losses", &losses);
        }
    }
    marks
}

fn shown(c: char) -> char {
    if c == ' ' || c.is_ascii_graphic() {
        c
    } else {
        '?'
    }
}

/// Writes the request's line, and what was lost in translation.
pub fn log(exchange: &mut Exchange<'_, '_>, path: &str, end: &End) {
    if exchange.served_by.is_some() && !exchange.losses.is_empty() {
        exchange.edge.shared.losses.count(&exchange.losses);
        let (id, losses, total) = (
            &exchange.request.id,
            &exchange.losses,
            exchange.losses.total(),
        );
        log::warn!("request {id}: {total} losses in translation: {losses}");
    }
    log::debug!(
        "request {} took route {}: {}",
        exchange.request.id,
        exchange.route,
        exchange.trail.trace(last_word(end))
    );
    if hedge(exchange) == Some(WON) {
        let won = &exchange.edge.shared.hedges_won;
        won.fetch_add(1, Ordering::Relaxed);
    }
    let last_tried = exchange
        .trail
        .failed
        .last()
        .map(|failed| failed.endpoint.as_str());
    let line_end = match end {
        // Served to those who shared it.
        End::Served if exchange.client.is_quiet() => LineEnd::ClientGone,
        End::Served => LineEnd::Ok,
        End::Left => LineEnd::ClientGone,
        End::Cut(fault) if is_timeout(fault) => LineEnd::Timeout,
        End::Cut(fault) if fault.kind == FaultKind::Stopping => LineEnd::Stopped,
        End::Cut(_) => LineEnd::UpstreamBroke,
        End::Refused(fault) => LineEnd::Rejected(fault.kind.label()),
    };
    let served_by = exchange.served_by.as_ref();
    let attempts = exchange.attempt_spans(end);
    exchange.edge.shared.finished(&AccessLine {
        request_id: &exchange.request.id,
        method: "POST",
        path,
        client: exchange.request.client,
        dialect: Some(exchange.request.dialect),
        model_asked: Some(&exchange.request.head.model),
        model_sent: served_by.map(|it| it.model.as_str()),
        provider: served_by.map(|it| it.endpoint.id().as_str()).or(last_tried),
        attempts: exchange.trail.attempts,
        hedge: hedge(exchange),
        status: exchange.client.status,
        stream: exchange.request.head.stream,
        ttft: exchange.ttft,
        duration: exchange.request.started.elapsed(),
        cache: exchange.ticket.as_ref().and_then(Ticket::outcome),
        tokens: tokens(exchange),
        stop_reason: exchange.told.stop_reason.as_deref(),
        certificate: exchange.client.certificate.as_ref(),
        end: line_end,
        route: (!exchange.route.is_empty()).then_some(exchange.route.as_str()),
        vendor: served_by.map(|it| traced::vendor(&it.endpoint)),
        skipped: exchange.skipped(),
        trace: exchange.request.trace.as_ref(),
    });
    exchange.edge.shared.traces.push(attempts);
    count_attempts(exchange, end);
    let label = line_end.label();
    remember(exchange, end, label);
    exchange.close(end, label);
    if let End::Cut(fault) | End::Refused(fault) = end {
        log_fault(exchange, fault);
    }
}

/// Counts every try by what it came to.
fn count_attempts(exchange: &Exchange<'_, '_>, end: &End) {
    let metrics = &exchange.edge.shared.metrics;
    for failed in &exchange.trail.failed {
        metrics.attempt(failed.endpoint.as_str(), failed.fault.kind.label());
    }
    if let Some(candidate) = &exchange.served_by {
        let outcome = match end {
            End::Served => "served",
            End::Left => "client_gone",
            End::Cut(fault) | End::Refused(fault) => fault.kind.label(),
        };
        metrics.attempt(candidate.endpoint.id().as_str(), outcome);
    }
}

/// Whether a hedge ran, and the answer was its.
fn hedge(exchange: &Exchange<'_, '_>) -> Option<&'static str> {
    let served = exchange.served_by.is_some();
    let won = exchange.trail.hedge_won()?;
    Some(if won && served { WON } else { "lost" })
}

/// What the last try came to, if it did not fail before its first content.
fn last_word(end: &End) -> &'static str {
    match end {
        End::Served => "served",
        End::Left => "the client left",
        End::Cut(fault) => fault.kind.label(),
        End::Refused(_) => "refused",
    }
}

/// Keeps what an operator may ask about the request later.
fn remember(exchange: &Exchange<'_, '_>, end: &End, label: &'static str) {
    let most = exchange.snapshot.config.admin.requests;
    let fault = match end {
        End::Cut(fault) | End::Refused(fault) => Some(fault.kind.label()),
        End::Served | End::Left => None,
    };
    let served_by = exchange.served_by.as_ref();
    let steps = exchange.trail.steps(last_word(end)).map(|step| StepRecord {
        endpoint: step.endpoint,
        key: step.key,
        what: step.what,
        took: step.took,
        hedge: step.hedge,
    });
    let usage = exchange.told.usage;
    let record = RequestRecord {
        id: exchange.request.id.as_str(),
        dialect: exchange.request.dialect.name(),
        route: &exchange.route,
        session: exchange.request.session.as_deref(),
        model_asked: &exchange.request.head.model,
        model_sent: served_by.map(|it| it.model.as_str()),
        provider: served_by.map(|it| it.endpoint.id().as_str()),
        stream: exchange.request.head.stream,
        status: exchange.client.status,
        end: label,
        fault,
        hedge: hedge(exchange),
        steps: steps.collect(),
        losses: exchange.losses.to_string(),
        tokens: usage.map(|it| [it.prompt(), it.cache_read, it.output]),
        ttft: exchange.ttft,
        duration: exchange.request.started.elapsed(),
    };
    exchange.edge.shared.requests.remember(&record, most);
}

/// The provider's count, or, of an answer it did not count, our estimates.
fn tokens(exchange: &Exchange<'_, '_>) -> TokenCounts {
    let told = &exchange.told;
    if let Some(usage) = told.usage {
        return TokenCounts {
            input: Some(usage.prompt()),
            output: Some(usage.output),
            cache_read: Some(usage.cache_read),
            cache_creation: Some(usage.cache_creation),
            estimated: false,
        };
    }
    if exchange.served_by.is_none() {
        return TokenCounts::default();
    }
    let input = exchange.estimate.map(|estimate| estimate.tokens);
    let output = told.output_estimate;
    TokenCounts {
        input,
        output,
        estimated: input.is_some() || output.is_some(),
        ..TokenCounts::default()
    }
}

fn log_fault(exchange: &Exchange<'_, '_>, fault: &Fault) {
    let id = &exchange.request.id;
    match fault.kind {
        FaultKind::Internal => log::error!("request {id}: {fault}"),
        FaultKind::NoEndpoint | FaultKind::CredentialsDead => {
            log::warn!(
                "request {id} was not served: {}",
                exchange.trail.trace("under way")
            );
        }
        _ => log::debug!("request {id}: {fault}"),
    }
}

fn is_timeout(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::UpstreamTimeout(_))
}
