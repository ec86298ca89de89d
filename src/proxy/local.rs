//! Calls that are answered here: status, models, probes of clients.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora::proxy::Session;
use serde_json::{Value, json};

use super::downstream::Downstream;
use super::receive::{self, Call};
use super::request::Arrival;
use super::service::Edge;
use super::{page, refuse, usage};
use crate::access::Holder;
use crate::admin::status_page::POLICY;
use crate::admin::{self, Filter};
use crate::config::Mode;
use crate::error::{Fault, FaultKind};
use crate::health::Extra;
use crate::routing::Resolution;
use crate::routing::catalogue::Listed;
use crate::snapshot::Snapshot;
use crate::telemetry::{AccessLine, metrics};
use crate::types::{Day, Dialect};

/// Answers a call that needs no provider.
pub async fn serve(
    edge: &Edge,
    session: &mut Session,
    arrival: &Arrival,
    call: Call,
    holder: Option<&Holder>,
) {
    let method = session.req_header().method.clone();
    let status = reply(edge, session, arrival, call, holder).await;
    if !call.is_heartbeat() {
        let duration = arrival.started.elapsed();
        let (id, path) = (&arrival.id, &arrival.path);
        let line = AccessLine::of(id, method.as_str(), path, status, duration);
        edge.shared.tell(&AccessLine {
            client: arrival.client,
            certificate: arrival.certificate.as_ref(),
            ..line
        });
    }
}

/// Answers a browser that asks whether a web page of another origin may call.
pub async fn preflight(
    session: &mut Session,
    arrival: &Arrival,
    headers: Vec<(HeaderName, HeaderValue)>,
) {
    let settings = &arrival.snapshot.config.settings;
    if !session.as_mut().is_body_done() {
        receive::discard_body(session, settings).await;
    }
    let mut client = Downstream::new(session, arrival);
    let Some(mut head) = client.head(StatusCode::NO_CONTENT) else {
        return;
    };
    for (name, value) in headers {
        let _ = head.insert_header(name, value);
    }
    let _ = client.whole(head, Bytes::new()).await;
}

/// Writes the answer; the status that the client got.
async fn reply(
    edge: &Edge,
    session: &mut Session,
    arrival: &Arrival,
    call: Call,
    holder: Option<&Holder>,
) -> Option<u16> {
    let (id, snapshot) = (&arrival.id, &arrival.snapshot);
    let settings = &snapshot.config.settings;
    if !session.as_mut().is_body_done() {
        // Telemetry of clients is taken and thrown away; a body that cannot be read does not matter.
        receive::discard_body(session, settings).await;
    }
    let query = session
        .req_header()
        .uri
        .query()
        .unwrap_or_default()
        .to_owned();
    let dialect = dialect_of(&arrival.path, &session.req_header().headers);
    let asked = Asked {
        call,
        path: &arrival.path,
        query: &query,
        dialect,
        holder,
    };
    let answered = match call {
        Call::Usage => {
            let answered = usage::answer(snapshot, &query).await;
            answered.map(|(kind, text)| (StatusCode::OK, Content::Usage(kind, text)))
        }
        Call::Page(page) => {
            let (kind, body) = page::answer(edge, snapshot, session, page).await;
            Ok((StatusCode::OK, Content::Page(kind, body)))
        }
        _ => answer(edge, snapshot, &asked),
    };
    let mut client = Downstream::new(session, arrival);
    let (status, content) = match answered {
        Ok(answered) => answered,
        Err(fault) => {
            let _ = refuse::plain(&mut client, id, dialect, &fault, None, &[]).await;
            return client.status;
        }
    };
    let mut head = client.head(status)?;
    let body = match content {
        Content::Json(value) => {
            let _ = head.insert_header("content-type", "application/json");
            Bytes::from(value.to_string())
        }
        Content::Metrics(text) => {
            let _ = head.insert_header("content-type", metrics::CONTENT_TYPE);
            text
        }
        Content::Usage(content_type, text) => {
            let _ = head.insert_header("content-type", content_type);
            text
        }
        Content::Page(content_type, text) => {
            let _ = head.insert_header("content-type", content_type);
            let _ = head.insert_header("content-security-policy", POLICY);
            let _ = head.insert_header("x-content-type-options", "nosniff");
            let _ = head.insert_header("referrer-policy", "no-referrer");
            let _ = head.insert_header("vary", "accept");
            text
        }
        Content::Nothing => Bytes::new(),
    };
    let _ = head.insert_header("cache-control", "no-store");
    let _ = client.whole(head, body).await;
    client.status
}

/// Adds a warning to those that are there.
fn warn(health: &mut Value, text: String) {
    if let Some(health) = health.as_object_mut() {
        let warnings = health.entry("warnings").or_insert_with(|| json!([]));
        if let Some(warnings) = warnings.as_array_mut() {
            warnings.push(text.into());
        }
    }
}

/// The dialect of a path's caller. Models are asked for by clients of all dialects, under one path: Anthropic's name the
/// version of their API.
pub fn dialect_of(path: &str, headers: &HeaderMap) -> Dialect {
    let models = path == "/v1/models" || path.starts_with("/v1/models/");
    if models && !headers.contains_key("anthropic-version") {
        return Dialect::OpenAiChat;
    }
    receive::dialect_of(path)
}

type Answer = Result<(StatusCode, Content), Fault>;

/// A body of ours.
enum Content {
    Nothing,
    Json(Value),
    /// For Prometheus.
    Metrics(Bytes),
    /// A content type and a text of it.
    Usage(&'static str, Bytes),
    /// The same of the status page.
    Page(&'static str, Bytes),
}

/// What an answer of ours depends on.
struct Asked<'a> {
    call: Call,
    path: &'a str,
    query: &'a str,
    /// The client's dialect.
    dialect: Dialect,
    /// Who asks, if with a named key.
    holder: Option<&'a Holder>,
}

fn answer(edge: &Edge, snapshot: &Snapshot, asked: &Asked<'_>) -> Answer {
    let Asked {
        call, path, query, ..
    } = *asked;
    let now = Instant::now();
    let ok = |value: Value| Ok((StatusCode::OK, Content::Json(value)));
    match call {
        Call::Root => ok(root(snapshot, now)),
        Call::Hello => Ok((StatusCode::OK, Content::Nothing)),
        Call::Metrics => scraped(edge, snapshot, now),
        Call::EventLogging => ok(json!({})),
        Call::Docs => Ok((
            StatusCode::OK,
            Content::Usage("text/html; charset=utf-8", Bytes::from(admin::page())),
        )),
        Call::OpenApi => ok(admin::openapi(&snapshot.config.settings.app_name)),
        Call::Live => ok(json!({"status": "alive"})),
        Call::Ready if edge.shared.closing.is_draining() => Ok((
            StatusCode::SERVICE_UNAVAILABLE,
            Content::Json(json!({"status": "draining"})),
        )),
        Call::Ready => ok(json!({"status": "ready"})),
        Call::Health => {
            let refused = edge.shared.reload.refused().is_some();
            let (well, mut value) = admin::health(snapshot, refused, now);
            if let Some(trouble) = edge.shared.ledger.trouble() {
                warn(&mut value, trouble.to_string());
            }
            if let Some(value) = value.as_object_mut() {
                value.extend(admin::of_worker(snapshot, edge.shared.started.elapsed()));
            }
            Ok((
                if well {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                },
                Content::Json(value),
            ))
        }
        Call::Providers => ok(providers(edge, snapshot, now)),
        Call::PurgeCache => ok(json!({"status": "success", "purged": edge.shared.cache.purge()})),
        Call::CleanUp => ok(json!({
            "status": "cleanup completed",
            "purged": edge.shared.cache.purge(),
        })),
        Call::Requests => ok(requests(edge, query)),
        Call::ZedThreads => {
            let provider = query_value(query, "provider");
            let threads = &edge.shared.threads;
            ok(admin::zed::threads(snapshot, threads, provider.as_deref()))
        }
        Call::ZedCosts => ok(admin::zed::costs(snapshot, &edge.shared.threads)),
        Call::Reload => Ok(reload(edge, now)),
        Call::WorkerReload => Ok(worker_reload(edge)),
        Call::Development => development(snapshot),
        Call::Models => ok(models(snapshot, query, asked)),
        Call::Model => model(snapshot, path, asked),
        Call::Messages
        | Call::ChatCompletions
        | Call::Responses
        | Call::CountTokens
        | Call::CountInput
        | Call::OAuth(_)
        | Call::Page(_)
        | Call::Usage => Err(Fault::internal("a call was answered in the wrong place")),
    }
}

fn root(snapshot: &Snapshot, now: Instant) -> Value {
    json!({
        "service": snapshot.config.settings.app_name,
        "version": env!("CARGO_PKG_VERSION"),
        "status": "healthy",
        "providers_available": snapshot.active().filter(|endpoint| endpoint.is_usable(now)).count(),
    })
}

/// `?limit=20&session=…&outcome=rejected`; what is written otherwise filters nothing.
fn requests(edge: &Edge, query: &str) -> Value {
    let value = |name: &str| query_value(query, name);
    edge.shared.requests.view(&Filter {
        limit: value("limit").and_then(|limit| limit.parse().ok()),
        session: value("session"),
        outcome: value("outcome"),
    })
}

/// What is counted, and how things stand.
fn scraped(edge: &Edge, snapshot: &Snapshot, now: Instant) -> Answer {
    let shared = &edge.shared;
    let retries = shared.budget(Extra::Repeat, now);
    let hedges = shared.budget(Extra::Hedge, now);
    let (cache, flights) = (shared.cache.view(), shared.flights.view());
    let today = Day::of(shared.clock.wall());
    let state = metrics::State {
        in_flight: shared.in_flight.load(Ordering::Relaxed),
        body_bytes: shared.memory.used(),
        generation: snapshot.generation,
        config_refused: shared.reload.refused().is_some(),
        draining: shared.closing.is_draining(),
        retries_used: retries.used,
        retries_allowed: retries.allowed,
        retries_granted: retries.granted,
        retries_refused: retries.refused,
        hedges_granted: hedges.granted,
        hedges_refused: hedges.refused,
        flights: flights.under_way,
        flight_bytes: flights.bytes,
        cache_entries: cache.entries,
        cache_bytes: cache.bytes,
        losses: shared.losses.all().collect(),
        spans: shared.traces.counts(),
        captures_lost: shared.captures.lost(),
        endpoints: admin::endpoint_states(snapshot, &shared.calibration, now),
        budgets: admin::budget_states(snapshot, shared.counters.as_ref(), today),
        certificates: admin::certificate_states(snapshot),
    };
    let text = shared.metrics.render(&state);
    let text = text.map_err(|error| Fault::internal("metrics").with_source(error.to_string()))?;
    Ok((StatusCode::OK, Content::Metrics(Bytes::from(text))))
}

/// What a query says of `name`, if anything.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, value)| *key == name && !value.is_empty())?;
    Some(percent_decoded(value))
}

/// How the providers fare, and what spared them calls.
fn providers(edge: &Edge, snapshot: &Snapshot, now: Instant) -> Value {
    let retries = edge.shared.budget(Extra::Repeat, now);
    let lost = edge.shared.losses.all().filter(|(_, times)| 0 < *times);
    let calibration = &edge.shared.calibration;
    let mut value = admin::providers(snapshot, retries, lost, calibration, now);
    let (cache, flights) = (edge.shared.cache.view(), edge.shared.flights.view());
    let hedges = edge.shared.budget(Extra::Hedge, now);
    let hedges = json!({
        "used": hedges.used,
        "allowed": hedges.allowed,
        "window_seconds": hedges.window,
        "granted": hedges.granted,
        "refused": hedges.refused,
        "won": edge.shared.hedges_won.load(Ordering::Relaxed),
    });
    let cache = json!({
        "enabled": snapshot.config.settings.cache.is_some(),
        "hits": cache.hits,
        "misses": cache.misses,
        "entries": cache.entries,
        "bytes": cache.bytes,
    });
    let sharing = json!({
        "under_way": flights.under_way,
        "bytes": flights.bytes,
        "followed": flights.joined,
    });
    let config = json!({
        "generation": snapshot.generation,
        "not_reloaded": edge.shared.reload.refused(),
    });
    if let Some(value) = value.as_object_mut() {
        value.insert("config".to_owned(), config);
        value.insert("hedges".to_owned(), hedges);
        value.insert("cache".to_owned(), cache);
        value.insert("sharing".to_owned(), sharing);
    }
    value
}

fn reload(edge: &Edge, now: Instant) -> (StatusCode, Content) {
    match edge.shared.reload.reload() {
        Ok(snapshot) => {
            let healthy = snapshot
                .active()
                .filter(|endpoint| endpoint.is_usable(now))
                .count();
            let value = json!({
                "status": "success",
                "message": "Provider configuration reloaded successfully",
                "providers_count": snapshot.config.providers.len(),
                "generation": snapshot.generation,
                "healthy_providers": healthy,
            });
            (StatusCode::OK, Content::Json(value))
        }
        Err(why) => {
            let message = format!("Failed to reload configuration: {why}");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                Content::Json(json!({"status": "error", "message": message})),
            )
        }
    }
}

fn worker_reload(edge: &Edge) -> (StatusCode, Content) {
    let outcome = edge.shared.reload.reload();
    let status = match &outcome {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let told = outcome.as_deref().map_err(String::as_str);
    (status, Content::Json(admin::reloaded(told)))
}

fn development(snapshot: &Snapshot) -> Answer {
    match snapshot.config.settings.mode {
        Mode::Development => Ok((StatusCode::OK, Content::Json(admin::development(snapshot)))),
        Mode::Production => Err(Fault::new(
            FaultKind::UnknownPath,
            "there is nothing at this path in production; set settings.mode, or NODE_ENV, to development",
        )),
    }
}

fn models(snapshot: &Snapshot, query: &str, asked: &Asked<'_>) -> Value {
    let dialect = asked.dialect;
    let limit = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("limit=")?.parse::<usize>().ok());
    let mut all = admin::models(snapshot);
    all.retain(|it| may_use(snapshot, asked.holder, &it.id));
    let shown: Vec<Value> = all
        .iter()
        .take(limit.unwrap_or(usize::MAX))
        .map(|model| model_value(model, dialect))
        .collect();
    let id = |value: Option<&Value>| value.and_then(|model| model.get("id")).cloned();
    let mut list = json!({
        "first_id": id(shown.first()),
        "last_id": id(shown.last()),
        "has_more": shown.len() < all.len(),
        "data": shown,
    });
    if let (true, Some(list)) = (dialect != Dialect::Anthropic, list.as_object_mut()) {
        list.insert("object".to_owned(), "list".into());
    }
    list
}

/// Whether a model is there for whoever asks: what a key may not use, it is not shown.
fn may_use(snapshot: &Snapshot, holder: Option<&Holder>, model: &str) -> bool {
    let Some(holder) = holder else {
        return true;
    };
    let provider = |index: usize| snapshot.config.providers.get(index);
    let may = |index: usize| provider(index).is_some_and(|it| holder.may_use(&it.name));
    match snapshot.table.resolve(model) {
        Resolution::Route {
            pattern,
            candidates,
            ..
        } => {
            holder.may_ask_for(model)
                && holder.may_take(pattern)
                && candidates.iter().any(|it| may(it.provider))
        }
        Resolution::NoRoute { .. } => false,
    }
}

fn model(snapshot: &Snapshot, path: &str, asked: &Asked<'_>) -> Answer {
    let written = path.strip_prefix("/v1/models/").unwrap_or_default();
    let name = percent_decoded(written);
    let model = admin::model(snapshot, &name);
    if let Some(model) = model.filter(|it| may_use(snapshot, asked.holder, &it.id)) {
        let value = model_value(&model, asked.dialect);
        Ok((StatusCode::OK, Content::Json(value)))
    } else {
        let text = format!("model: {}", name.escape_debug());
        Err(Fault::new(FaultKind::ModelNotFound, text))
    }
}

/// `%2F` as `/`: names such as `google/gemini` arrive escaped from some clients. What is no escape, or no UTF-8 then,
/// stays as it is.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .split_at_checked(2)
            .filter(|_| *first == b'%')
            .and_then(|(digits, tail)| {
                let digits = std::str::from_utf8(digits).ok()?;
                let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
                Some((
                    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?,
                    tail,
                ))
            });
        let (byte, tail) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// A model in the caller's dialect. OpenAI's shape has Anthropic's beside it, for callers that say nothing of
/// themselves.
fn model_value(model: &Listed, dialect: Dialect) -> Value {
    let mut value = json!({
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at,
    });
    if let (true, Some(value)) = (dialect != Dialect::Anthropic, value.as_object_mut()) {
        value.insert("object".to_owned(), "model".into());
        value.insert("created".to_owned(), model.created().into());
        value.insert("owned_by".to_owned(), "pointsman".into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_the_rest_stays() {
        for (text, decoded) in [
            ("google%2Fgemini-2.5", "google/gemini-2.5"),
            ("a%3ab", "a:b"),
            ("%", "%"),
            ("a%2", "a%2"),
            ("%+1", "%+1"),
            ("%zz%41", "%zzA"),
            ("%ff", "%ff"),
            ("%C3%A9", "é"),
        ] {
            assert_eq!(percent_decoded(text), decoded, "{text}");
        }
    }
}
