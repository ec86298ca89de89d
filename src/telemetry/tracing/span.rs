//! Spans: what a trace says of a request and of its attempts. Names are those of OpenTelemetry's conventions (HTTP, GenAI)
//! where they have one; ours stand under `pointsman.` and are called as in the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::context::{SpanId, Trace, TraceId};
use crate::telemetry::redact::redact;
use crate::telemetry::{AccessLine, End, fields};

/// Longest text of an attribute, bytes; some come from clients.
const MAX_TEXT: usize = 256;
/// The faults of requests for paths that there are not: they name no span.
const UNKNOWN_PATH: &str = "unknown_path";
/// Paths that count tokens end with one of these.
const COUNTS: [&str; 2] = ["/count_tokens", "/input_tokens"];

/// Whose side of a call a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That of who is called.
    Server,
    /// That of who calls.
    Client,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

/// One span, ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which trace it belongs to.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// What it is a part of.
    pub parent: Option<SpanId>,
    /// Whether that is somebody else's.
    pub parent_is_remote: bool,
    /// What others have said of the trace.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// Whose side.
    pub kind: Kind,
    /// When it began, nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What is said of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong.
    pub error: Option<&'static str>,
}

/// What the clock on the wall showed at a moment that was measured: one for a whole trace, because its spans must lie
/// inside each other whatever is done to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    now: Instant,
    wall: Duration,
}

impl WallClock {
    /// As it is now.
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        WallClock {
            now: Instant::now(),
            wall: wall.unwrap_or_default(),
        }
    }

    /// Nanoseconds since 1970 at a moment after that.
    pub fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.now);
        u64::try_from(self.wall.saturating_add(since).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Span {
    /// Says one thing more of it.
    pub fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }

    /// The same for what is not always known.
    pub fn put_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        // Cut behind the redaction, which would not know half a secret.
        let mut text = redact(text).into_owned();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Value::Bool(is)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Value::Number(number.into())
    }
}

/// The span of a request that has just ended.
pub fn request_span(trace: &Trace, line: &AccessLine<'_>) -> Span {
    let path = line.path_only();
    let reason = match line.end {
        End::Rejected(reason) => Some(reason),
        End::Ok | End::ClientGone | End::UpstreamBroke | End::Timeout | End::Stopped => None,
    };
    let known_path = reason != Some(UNKNOWN_PATH);
    let name = if known_path {
        format!("{} {path}", line.method)
    } else {
        line.method.to_owned()
    };
    let broke = matches!(line.end, End::UpstreamBroke | End::Timeout | End::Stopped);
    let failed = broke || line.status.is_some_and(|status| 500 <= status);
    let mut span = Span {
        trace: trace.id,
        id: trace.span,
        parent: trace.parent,
        parent_is_remote: trace.parent.is_some(),
        state: trace.state.clone(),
        name: shortened(name),
        kind: Kind::Server,
        start: trace.clock.at(trace.clock.now),
        end: trace.clock.at(Instant::now()),
        attributes: Vec::with_capacity(24),
        // By the conventions a server's span fails for what is the server's fault.
        error: failed.then(|| line.end.label()),
    };
    span.put("http.request.method", line.method);
    span.put("url.path", path);
    span.put_some("http.route", known_path.then_some(path));
    span.put_some("http.response.status_code", line.status);
    match (reason, line.end) {
        (Some(reason), _) => span.put("error.type", reason),
        (None, End::Ok) => {}
        (None, end) => span.put("error.type", end.label()),
    }
    say_generation(&mut span, line, path);
    say_ours(&mut span, line);
    span
}

/// What the conventions for GenAI have a name for.
fn say_generation(span: &mut Span, line: &AccessLine<'_>, path: &str) {
    if line.model_asked.is_some() {
        let counts = COUNTS.iter().any(|it| path.ends_with(it));
        let operation = if counts { "count_tokens" } else { "chat" };
        span.put(fields::GEN_AI_OPERATION_NAME, operation);
    }
    span.put_some(fields::GEN_AI_REQUEST_MODEL, line.model_asked);
    span.put_some(fields::GEN_AI_RESPONSE_MODEL, line.model_sent);
    span.put_some(fields::GEN_AI_PROVIDER_NAME, line.vendor);
    if let Some(reason) = line.stop_reason {
        let reasons = Value::Texts(vec![shortened(reason.to_owned())]);
        span.put(fields::GEN_AI_FINISH_REASONS, reasons);
    }
    let tokens = line.tokens;
    for (name, count) in [
        (fields::GEN_AI_INPUT_TOKENS, tokens.input),
        (fields::GEN_AI_OUTPUT_TOKENS, tokens.output),
        (fields::GEN_AI_CACHE_READ_TOKENS, tokens.cache_read),
        (fields::GEN_AI_CACHE_CREATION_TOKENS, tokens.cache_creation),
    ] {
        span.put_some(name, count);
    }
}

/// What only we have a name for.
fn say_ours(span: &mut Span, line: &AccessLine<'_>) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    span.put("pointsman.request.id", line.request_id.as_str());
    span.put("pointsman.end", line.end.label());
    span.put("pointsman.stream", line.stream);
    span.put("pointsman.attempts", line.attempts);
    span.put_some("pointsman.endpoint", line.provider);
    span.put_some("pointsman.route", line.route);
    span.put_some("pointsman.ttft_ms", line.ttft.map(millis));
    span.put_some("pointsman.cache.outcome", line.cache);
    span.put_some("pointsman.hedge.outcome", line.hedge);
    let dialect = line.dialect.map(crate::types::Dialect::name);
    span.put_some("pointsman.downstream.dialect", dialect);
    if !line.skipped.is_empty() {
        let skipped = line.skipped.iter().cloned().map(shortened);
        span.put("pointsman.skipped", Value::Texts(skipped.collect()));
    }
    if line.tokens.estimated {
        span.put("pointsman.usage.estimated", true);
    }
}

fn shortened(text: String) -> String {
    match Value::from(text.as_str()) {
        Value::Text(text) => text,
        Value::Texts(_) | Value::Number(_) | Value::Bool(_) => text,
    }
}
