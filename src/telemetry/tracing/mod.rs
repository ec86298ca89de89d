//! Traces for OpenTelemetry: one span for each request, one for each attempt, told to a collector over OTLP.
//!
//! A request's [`Trace`] is begun when it arrives (`context`) and its spans are made when it has ended (`span`); nothing
//! waits in between. They go into a bounded queue (`queue`), from which a background service sends them in batches
//! (`otlp`). OpenTelemetry's own libraries would bring 17 crates (tonic and prost among them), or 51 with a second HTTP
//! client; of their schema a few small messages are needed, and those have been stable since 2021.
//!
//! Nothing of a request's content is ever part of a span, nor of a credential, not even masked.

mod context;
mod otlp;
mod queue;
#[cfg(test)]
mod sample;
mod span;

pub use context::{SpanId, Trace, TraceId};
pub use otlp::{Resource, export_request, rejected};
pub use queue::{SpanCounts, Traces};
pub use span::{Kind, Span, Value, request_span};

/// Where a request's place in a trace stands.
pub const TRACEPARENT: &str = "traceparent";
/// What others have said of the trace.
pub const TRACESTATE: &str = "tracestate";
