//! What of a request goes into a trace: its place in the client's, what providers are told of it, and its attempts.

use std::time::Instant;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::choose::Candidate;
use super::exchange::{End, Exchange};
use super::trail::Traced;
use crate::config::{Platform, Tracing};
use crate::snapshot::Endpoint;
use crate::telemetry::fields;
use crate::telemetry::tracing::{Kind, Span, SpanId, TRACEPARENT, TRACESTATE, Trace};
use crate::types::{Dialect, EndpointId, Vendor};

/// Candidates passed over that a span names at most.
const MAX_SKIPPED: usize = 20;

/// The place of a request that came with these headers.
pub(super) fn begin(settings: Option<&Tracing>, headers: &HeaderMap) -> Option<Trace> {
    let settings = settings?;
    let all = |name| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|it| it.to_str().ok())
    };
    let mut parents = all(TRACEPARENT);
    // Of two nobody knows which one holds.
    let parent = match (parents.next(), parents.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    };
    let state: Vec<&str> = all(TRACESTATE).collect();
    Some(Trace::begin(settings, parent, &state))
}

impl Exchange<'_, '_> {
    /// An attempt begins: its span, and what its provider is told of it.
    pub(super) fn trace_attempt(
        &mut self,
        candidate: &Candidate,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) {
        let Some(trace) = &self.request.trace else {
            return;
        };
        let span = SpanId::random();
        let settings = self.snapshot.config.settings.tracing.as_ref();
        if settings.is_some_and(|it| it.propagate) {
            propagate(trace, span, headers);
        }
        if trace.sampled {
            let model = candidate.model.as_str().to_owned();
            self.trail
                .attempt_began(candidate.endpoint.id(), model, span);
        }
    }

    /// The spans of all attempts.
    pub(super) fn attempt_spans(&self, end: &End) -> Vec<Span> {
        let Some(trace) = self.request.trace.as_ref().filter(|it| it.sampled) else {
            return Vec::new();
        };
        let traced = self.trail.traced();
        let spans = (1_u32..).zip(traced).map(|(number, it)| {
            let mut span = self.attempt_span(trace, it, end);
            span.put("pointsman.attempt", number);
            span
        });
        spans.collect()
    }

    fn attempt_span(&self, trace: &Trace, of: &Traced, end: &End) -> Span {
        let mut span = Span {
            trace: trace.id,
            id: of.id,
            parent: Some(trace.span),
            parent_is_remote: false,
            state: trace.state.clone(),
            name: format!("chat {}", of.model),
            kind: Kind::Client,
            start: trace.clock.at(of.began),
            end: trace.clock.at(of.ended.unwrap_or_else(Instant::now)),
            attributes: Vec::with_capacity(16),
            error: of.fault,
        };
        span.name.truncate(span.name.floor_char_boundary(256));
        span.put(fields::GEN_AI_OPERATION_NAME, "chat");
        span.put(fields::GEN_AI_REQUEST_MODEL, of.model.as_str());
        span.put("http.request.method", "POST");
        span.put("pointsman.endpoint", of.endpoint.as_str());
        if let Some(endpoint) = self.endpoint(&of.endpoint) {
            span.put(fields::GEN_AI_PROVIDER_NAME, vendor(endpoint));
            span.put("server.address", endpoint.target.host.as_str());
            span.put("server.port", endpoint.target.port);
            let spoken = endpoint.spoken(&of.model).dialect;
            span.put("pointsman.upstream.dialect", spoken.name());
        }
        let still_open = of.ended.is_none();
        let (outcome, fault) = match end {
            _ if !still_open => (of.outcome.as_str(), of.fault),
            End::Served => ("served", None),
            End::Left => ("client_gone", None),
            End::Cut(fault) | End::Refused(fault) => (fault.kind.label(), Some(fault.kind.label())),
        };
        span.put("pointsman.outcome", outcome);
        // Its head said that it was good, whatever came of it.
        let status = of
            .status
            .or((still_open && self.served_by.is_some()).then_some(200));
        span.put_some("http.response.status_code", status);
        span.put_some("error.type", fault);
        span.error = fault;
        span.put("pointsman.hedge", of.hedge);
        span
    }

    /// Candidates that were not tried, and why.
    pub(super) fn skipped(&self) -> Vec<String> {
        if !self.request.trace.as_ref().is_some_and(|it| it.sampled) {
            return Vec::new();
        }
        let skipped = self.trail.skipped.iter().take(MAX_SKIPPED);
        skipped
            .map(|it| format!("{}: {}", it.endpoint, it.why))
            .collect()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<&Endpoint> {
        let mut active = self.snapshot.active();
        active.find(|it| it.id() == id).map(AsRef::as_ref)
    }
}

/// Puts our place in the stead of the client's.
fn propagate(trace: &Trace, span: SpanId, headers: &mut Vec<(HeaderName, HeaderValue)>) {
    headers.retain(|(name, _)| name != TRACEPARENT && name != TRACESTATE);
    let mut put = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    put(TRACEPARENT, &trace.parent_for(span));
    if !trace.state.is_empty() {
        put(TRACESTATE, &trace.state);
    }
}

/// Whose service it is, by the words that the GenAI conventions have for some and otherwise by ours.
pub(super) fn vendor(endpoint: &Endpoint) -> &'static str {
    if endpoint.provider.platform == Platform::Vertex {
        return "gcp.vertex_ai";
    }
    if endpoint.provider.platform == Platform::Zed {
        return "zed";
    }
    let vendor = endpoint.provider.vendor;
    match vendor.or_else(|| Vendor::of_host(&endpoint.target.host)) {
        Some(vendor) => match vendor.name {
            "gemini" => "gcp.gemini",
            "azure" => "azure.ai.openai",
            "mistral" => "mistral_ai",
            "xai" => "x_ai",
            name => name,
        },
        None => match endpoint.dialect {
            Dialect::Anthropic => "anthropic",
            Dialect::OpenAiChat | Dialect::OpenAiResponses => "openai",
            Dialect::Gemini => "gcp.gemini",
        },
    }
}
