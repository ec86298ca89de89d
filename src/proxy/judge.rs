//! What a failed attempt means: for this request, for the key, for the endpoint, for the provider.
//!
//! The table of FAILURES §1 of the design, in the order of its rows.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use super::answer::Refused;
use super::choose::is_passthrough;
use crate::credential::{KeyIndex, wait_told};
use crate::error::{Fault, FaultKind, Retry, Timer};
use crate::health::Ignored;
use crate::protocol::upstream_error::UpstreamError;
use crate::snapshot::{Endpoint, Snapshot};
use crate::types::{Dialect, RequestId};

/// Rest of a rate-limited key whose provider names no time.
const DEFAULT_LIMIT_REST: Duration = Duration::from_secs(60);
/// Shortest and longest rest of a rate-limited key.
const LIMIT_REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// Quiet for an overloaded provider that names no time: at random between these, so that not all come back at once.
const OVERLOAD_REST_MS: std::ops::Range<u64> = 1_000..5_000;
/// Longest quiet for an overloaded provider.
const MAX_OVERLOAD_REST: Duration = Duration::from_secs(60);

/// Characters of a provider's own words that a log line holds.
const MAX_DETAIL: usize = 200;

/// One failed attempt, with everything the verdict depends on.
pub struct Case<'a> {
    /// The configuration in force.
    pub snapshot: &'a Snapshot,
    /// When the attempt began.
    pub began: Instant,
    /// Where it was.
    pub endpoint: &'a Endpoint,
    /// With which key.
    pub key: Option<KeyIndex>,
    /// For which model.
    pub model: &'a str,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// For which request.
    pub request: &'a RequestId,
    /// What its client signs in with where that is forwarded.
    pub credentials: &'a [(HeaderName, HeaderValue)],
    /// Tells repeats of one request apart from different requests.
    pub fingerprint: Option<u64>,
}

/// Finds out what an error answer means.
pub fn fault_of(case: &Case<'_>, refused: &Refused) -> Fault {
    let status = refused.status.as_u16();
    if refused.status.is_redirection() {
        let fault = Fault::new(
            FaultKind::UpstreamBadAnswer,
            "the provider answered with a redirect",
        );
        return fault.with_source(format!("status {status}"));
    }
    let mut error = refused.error(case.dialect);
    error.message = masked(case, &error.message);
    let kind = kind_of(case, status, &error, refused);
    let source = format!("status {status}: {}", error.message);
    Fault::new(kind, error.message_for_anthropic()).with_source(source)
}

/// A text of a provider without our own keys: some quote the key they refuse.
pub fn without_keys(endpoint: &Endpoint, text: &str) -> String {
    let mut text = text.to_owned();
    let secrets = endpoint.secrets();
    for key in secrets.iter().filter(|key| !key.expose().is_empty()) {
        if text.contains(key.expose()) {
            text = text.replace(key.expose(), "***");
        }
    }
    text
}

/// A fault that may quote what a provider said inside its answer.
pub fn masked_fault(case: &Case<'_>, mut fault: Fault) -> Fault {
    fault.public = masked(case, &fault.public);
    fault.source = fault.source.map(|it| masked(case, &it));
    fault
}

/// Pieces of an answer that tell of an error, without our own keys.
pub fn masked_pieces(endpoint: &Endpoint, pieces: Vec<Bytes>) -> Vec<Bytes> {
    let masked = |piece: Bytes| match str::from_utf8(&piece) {
        Ok(text) if quotes_a_key(endpoint, &piece) => Bytes::from(without_keys(endpoint, text)),
        _ => piece,
    };
    pieces.into_iter().map(masked).collect()
}

fn masked(case: &Case<'_>, text: &str) -> String {
    let text = without_keys(case.endpoint, text);
    if is_passthrough(case.endpoint) {
        without_values(case.credentials, text)
    } else {
        text
    }
}

/// The same without the client's own: they are nobody's in a log, where this text goes as well.
fn without_values(credentials: &[(HeaderName, HeaderValue)], mut text: String) -> String {
    for (_, value) in credentials {
        let token = value.to_str().ok().and_then(|it| it.rsplit(' ').next());
        if let Some(token) = token.filter(|it| !it.is_empty() && text.contains(it)) {
            text = text.replace(token, "***");
        }
    }
    text
}

/// Whether a text holds one of our own keys.
pub fn quotes_a_key(endpoint: &Endpoint, text: &[u8]) -> bool {
    let quotes =
        |key: &str| !key.is_empty() && memchr::memmem::find(text, key.as_bytes()).is_some();
    endpoint.any_secret(quotes)
}

fn kind_of(case: &Case<'_>, status: u16, error: &UpstreamError, refused: &Refused) -> FaultKind {
    let after = wait_told(&refused.headers, SystemTime::now());
    let (texts, settings) = (&case.snapshot.texts, &case.snapshot.config.settings);
    if texts.is_credit(&error.message) {
        return FaultKind::UpstreamCredit { status };
    }
    let kind = error.fault_kind(after);
    let is_clients = matches!(status, 400 | 413 | 422);
    let named = settings.unhealthy_http_codes.contains(&status)
        || texts.is_unhealthy(&error.message)
        || texts.is_unhealthy_body(&refused.body);
    match kind {
        FaultKind::UpstreamRejected { .. } if named && !is_clients => {
            FaultKind::UpstreamStatus { status }
        }
        kind => kind,
    }
}

/// Records what the failure says about key, endpoint and provider, and says what this request may try next.
pub fn judge(case: &Case<'_>, fault: &Fault) -> Retry {
    let now = Instant::now();
    if is_passthrough(case.endpoint) && is_about_the_credential(&fault.kind) {
        // The client's own credential: its business, and nobody else's bench.
        return Retry::Never;
    }
    match &fault.kind {
        FaultKind::UpstreamLimited { after } => {
            let rest = after
                .unwrap_or(DEFAULT_LIMIT_REST)
                .clamp(LIMIT_REST.0, LIMIT_REST.1);
            rest_key(case, now + rest, "rate limited", fault);
        }
        FaultKind::UpstreamCredit { .. } => {
            let rest = case.snapshot.config.settings.credit_cooldown;
            rest_key(case, now + rest, "out of credit", fault);
        }
        FaultKind::UpstreamAuth { status } => bench_key(case, now, *status, fault),
        FaultKind::UpstreamOverloaded { after } => {
            count(case, now, fault);
            quiet_provider(case, now, *after);
        }
        FaultKind::UpstreamModelNotFound if is_passthrough(case.endpoint) => {
            // Vendors say so of models that this client's account may not use; others may.
            case.endpoint.health.note(&fault.to_string());
        }
        FaultKind::UpstreamModelNotFound => {
            case.endpoint.health.note(&fault.to_string());
            case.endpoint.health.model_unsupported(now, case.model);
            log::warn!(
                "provider {} does not know model {}: it is not asked for it for 10 minutes",
                case.endpoint.id(),
                case.model.escape_debug()
            );
        }
        FaultKind::UpstreamTimeout(Timer::Deadline) | FaultKind::UpstreamStaleConnection => {
            case.endpoint.health.note(&fault.to_string());
        }
        FaultKind::UpstreamStatus { .. }
        | FaultKind::UpstreamBadAnswer
        | FaultKind::UpstreamUnreachable
        | FaultKind::UpstreamEgress
        | FaultKind::UpstreamTimeout(_) => count(case, now, fault),
        FaultKind::UpstreamRejected { .. } | FaultKind::UpstreamContextTooLong => {}
        FaultKind::InvalidRequest
        | FaultKind::Untranslatable
        | FaultKind::Unauthenticated
        | FaultKind::Forbidden
        | FaultKind::RateLimited { .. }
        | FaultKind::BudgetExceeded
        | FaultKind::UnknownPath
        | FaultKind::MethodNotAllowed(_)
        | FaultKind::ModelNotFound
        | FaultKind::TooLarge
        | FaultKind::UnsupportedCoding
        | FaultKind::UnknownExpectation
        | FaultKind::RequestTimeout
        | FaultKind::Overloaded
        | FaultKind::Stopping
        | FaultKind::Cancelled
        | FaultKind::NoEndpoint
        | FaultKind::CredentialsDead
        | FaultKind::Internal => {}
    }
    fault.retry()
}

fn is_about_the_credential(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::UpstreamAuth { .. }
            | FaultKind::UpstreamLimited { .. }
            | FaultKind::UpstreamCredit { .. }
    )
}

/// Counts an error against the endpoint, and says so in the log.
pub fn count(case: &Case<'_>, now: Instant, fault: &Fault) {
    let counted = case
        .endpoint
        .health
        .error(case.began, now, case.fingerprint, &fault.to_string());
    if let FaultKind::UpstreamTimeout(Timer::FirstByte | Timer::FirstContent | Timer::Idle) =
        &fault.kind
    {
        case.endpoint.health.hangs();
    }
    let id = case.endpoint.id();
    let (count, threshold, kind) = (counted.count, counted.threshold, fault.kind.label());
    let ignored = match counted.ignored {
        Some(Ignored::Repeat) => " (a repeat of the same request)",
        Some(Ignored::Late) => " (of a request from before it was marked unhealthy)",
        None => "",
    };
    let detail: String = fault
        .source
        .iter()
        .flat_map(|source| source.chars())
        .take(MAX_DETAIL)
        .collect();
    let separator = if detail.is_empty() { "" } else { ", " };
    let request = case.request;
    log::warn!(
        "recorded error for provider {id}: count={count}/{threshold}, reason={kind}{ignored}{separator}{detail}, {request}"
    );
    if let Some(cooldown) = counted.opened {
        log::warn!(
            "provider {id} marked unhealthy for {} s",
            cooldown.as_secs_f64()
        );
    }
}

fn rest_key(case: &Case<'_>, until: Instant, why: &'static str, fault: &Fault) {
    let rest = until
        .saturating_duration_since(Instant::now())
        .as_secs_f64();
    let id = case.endpoint.id();
    case.endpoint.health.note(&fault.to_string());
    let Some(key) = case.key else {
        case.endpoint.health.cool(until, why);
        log::warn!("provider {id} is {why} and rests for {rest:.0} s");
        return;
    };
    case.endpoint.keys.cool(key, until, why);
    let masked = case.endpoint.keys.masked(key);
    log::warn!("key {masked} of provider {id} is {why} and rests for {rest:.0} s");
}

fn bench_key(case: &Case<'_>, now: Instant, status: u16, fault: &Fault) {
    let id = case.endpoint.id();
    if let Some(key) = case.key {
        case.endpoint
            .keys
            .bench(key, format!("refused with status {status}"));
        let masked = case.endpoint.keys.masked(key);
        log::error!(
            "provider {id} refused key {masked} with status {status}: it is not used again until a reload, or until a look at the provider's \
             models finds it good; put a good key into the configuration"
        );
    }
    if case.key.is_none() || case.endpoint.keys.all_benched() {
        count(case, now, fault);
    } else {
        case.endpoint.health.note(&fault.to_string());
    }
}

/// An overloaded provider is left alone for a moment, with all its accounts.
fn quiet_provider(case: &Case<'_>, now: Instant, after: Option<Duration>) {
    let some_time = || Duration::from_millis(fastrand::u64(OVERLOAD_REST_MS));
    let rest = after
        .unwrap_or_else(some_time)
        .clamp(LIMIT_REST.0, MAX_OVERLOAD_REST);
    let same = case
        .snapshot
        .active()
        .filter(|e| e.provider.name == case.endpoint.provider.name);
    for endpoint in same {
        endpoint.health.cool(now + rest, "overloaded");
    }
}
