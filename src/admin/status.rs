//! `/providers`, `/health` and the list of models. Field names are those of the system we succeed; ours are added.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::config::{EgressProxy, Provider, RouteCandidate};
use crate::credential::{KeyView, TokenView};
use crate::health::{BreakerState, BudgetView, EndpointView};
use crate::routing::Resolution;
use crate::routing::catalogue::{self, Listed};
use crate::snapshot::{Endpoint, Snapshot};
use crate::tokens::{Accuracy, Calibration, ModelAccuracy};

/// Everybody may read it: the reason is told to operators only.
const NOT_IN_FORCE: &str = "the configuration on disk is broken and not in force; the log, GET /providers and pointsman check tell why";

/// `GET /providers`: every provider of the configuration and how it fares, the budget for repeats, the `losses` of
/// translations since the start, by kind, and what answers have taught about our counts.
pub fn providers(
    snapshot: &Snapshot,
    retries: BudgetView,
    losses: impl Iterator<Item = (String, u64)>,
    calibration: &Calibration,
    now: Instant,
) -> Value {
    let config = &snapshot.config;
    let list: Vec<Value> = (0..config.providers.len())
        .map(|index| provider(snapshot, calibration, index, now))
        .collect();
    let healthy = list
        .iter()
        .filter(|p| p.get("healthy") == Some(&Value::Bool(true)))
        .count();
    json!({
        "total_providers": list.len(),
        "healthy_providers": healthy,
        "selection_strategy": config.settings.strategy.word(),
        "total_model_routes": config.routes.len(),
        "translation_losses": losses.map(|(kind, times)| (kind, times.into())).collect::<Map<String, Value>>(),
        "retry_budget": {
            "used": retries.used,
            "allowed": retries.allowed,
            "window_seconds": retries.window,
            "granted": retries.granted,
            "refused": retries.refused,
        },
        "providers": list,
    })
}

fn provider(snapshot: &Snapshot, calibration: &Calibration, index: usize, now: Instant) -> Value {
    let Some(provider) = snapshot.config.providers.get(index) else {
        return Value::Null;
    };
    let mut value = json!({
        "name": provider.name,
        "account_email": provider.account_email,
        "type": provider.kind,
        "vendor": provider.vendor.map(|vendor| vendor.name),
        "base_url": provider.base_url,
        "enabled": provider.enabled,
        "proxy": proxy_of(provider).map(ToString::to_string),
        "proxy_from": proxy_of(provider).and_then(|it| it.variable),
        "models": models_of(snapshot, index),
        "token_estimates": estimates(&calibration.view(&provider.name)),
    });
    let state = match snapshot.endpoint(index) {
        Some(endpoint) => active_state(endpoint, now),
        None => json!({
            "healthy": false,
            "failure_count": 0,
            "last_failure_time": 0,
            "status": if provider.enabled { "inactive" } else { "disabled" },
            "reason": provider.inactive,
        }),
    };
    if let (Some(value), Value::Object(state)) = (value.as_object_mut(), state) {
        value.extend(state);
    }
    value
}

fn active_state(endpoint: &Endpoint, now: Instant) -> Value {
    let view = endpoint.health.view(now);
    let keys = endpoint.keys.view(now);
    let usable = endpoint.is_usable(now);
    json!({
        "healthy": usable,
        "status": if usable { "healthy" } else { "unhealthy" },
        "reason": reason(endpoint, &view, now),
        "failure_count": view.errors,
        "last_failure_time": view.last_error.as_ref().map_or(0.0, |(at, _)| epoch(*at)),
        "last_error": view.last_error.as_ref().map(|(_, what)| what),
        "last_success_time": view.last_success.map(epoch),
        "circuit": circuit_name(view.state),
        "cooldown_remaining_seconds": cooldown(endpoint, &view, now).map(|left| left.as_secs_f64()),
        "in_flight": view.in_flight,
        "max_in_flight": endpoint.provider.max_in_flight,
        "served": view.served,
        "failed_attempts": view.failed,
        "ttft_ms": view.ttft_ms.map(f64::round),
        "duration_ms": view.duration_ms.map(f64::round),
        "cache_hit_ratio": view.cache_hit_ratio,
        "unsupported_models": view.unsupported,
        "probe": endpoint.provider.probe.as_ref().map(|_| if view.probe_down { "failing" } else { "passing" }),
        "keys": keys.iter().map(key_state).collect::<Vec<Value>>(),
        "token": endpoint.tokens.as_ref().map(|it| token_state(&it.view())),
    })
}

/// How far our counts of prompts are off, for each model that has been served.
fn estimates(models: &[ModelAccuracy]) -> Vec<Value> {
    let one = |it: &Accuracy| {
        json!({
            "ratio": rounded(it.ratio, 3),
            "error_percent": it.error_percent.map(|error| rounded(error, 1)),
            "samples": it.samples,
        })
    };
    models
        .iter()
        .map(|it| json!({"model": it.model, "by_bytes": one(&it.bytes), "by_vocabulary": one(&it.vocabulary)}))
        .collect()
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn key_state(key: &KeyView) -> Value {
    let state = match (key.benched, key.cooling) {
        (true, _) => "benched",
        (false, Some(_)) => "resting",
        (false, None) => "usable",
    };
    json!({
        "key": key.masked,
        "state": state,
        "why": key.why,
        "back_in_seconds": key.cooling.map(|left| left.as_secs_f64()),
        "until": key.cooling.map(|left| epoch(SystemTime::now() + left)),
        "used": key.used,
        "in_flight": key.in_flight,
        "room": (key.room * 100.0).round() / 100.0,
        "requests_left": key.requests_left,
        "tokens_left": key.tokens_left,
    })
}

fn token_state(token: &TokenView) -> Value {
    json!({
        "good_for_seconds": token.good_for.map(|left| left.as_secs_f64()),
        "why": token.why,
    })
}

fn reason(endpoint: &Endpoint, view: &EndpointView, now: Instant) -> Option<String> {
    if let Some(why) = endpoint.out_of_use() {
        return Some(why);
    }
    if endpoint.keys.all_benched() {
        return Some(
            "all its keys were refused; put a good one into the configuration and reload"
                .to_owned(),
        );
    }
    if !endpoint.keys.any_usable(now) {
        let why = endpoint.keys.view(now).into_iter().find_map(|key| key.why);
        return Some(format!(
            "all its keys rest ({})",
            why.as_deref().unwrap_or("refused")
        ));
    }
    match (view.state, view.cooling) {
        (BreakerState::Open { .. }, _) => Some("circuit open".to_owned()),
        (_, Some((_, why))) => Some(why.to_owned()),
        (BreakerState::HalfOpen { trial: true }, None) => Some("a trial is under way".to_owned()),
        (BreakerState::Closed | BreakerState::HalfOpen { trial: false }, None) => None,
    }
}

fn cooldown(endpoint: &Endpoint, view: &EndpointView, now: Instant) -> Option<Duration> {
    let open = match view.state {
        BreakerState::Open { until } => Some(until),
        BreakerState::Closed | BreakerState::HalfOpen { .. } => None,
    };
    let keys = (!endpoint.keys.any_usable(now))
        .then(|| endpoint.keys.next_usable(now))
        .flatten();
    let until = open.max(view.cooling.map(|(until, _)| until)).max(keys)?;
    (now < until).then(|| until - now)
}

fn models_of(snapshot: &Snapshot, index: usize) -> Vec<Value> {
    let mut models = Vec::new();
    for (pattern, candidates) in ways(snapshot) {
        for candidate in candidates.iter().filter(|c| c.provider == index) {
            models.push(json!({
                "pattern": pattern,
                "model": candidate.model.as_deref().unwrap_or("passthrough"),
                "priority": candidate.priority,
            }));
        }
    }
    models
}

/// Rules and routes, as people call them, and who serves them.
fn ways(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &[RouteCandidate])> {
    let config = &snapshot.config;
    let rules = config.rules.iter();
    let rules = rules.map(|it| (it.label.as_str(), it.candidates.as_slice()));
    let routes = config.routes.iter();
    let routes = routes.map(|it| (it.pattern.as_str(), it.candidates.as_slice()));
    rules.chain(routes)
}

/// `GET /health`: whether every route has a candidate that could serve now, and which have none; `refused` says that
/// what is on disk is not what is in force.
pub fn health(snapshot: &Snapshot, refused: bool, now: Instant) -> (bool, Value) {
    let usable = |provider: usize| {
        snapshot
            .endpoint(provider)
            .is_some_and(|endpoint| endpoint.is_usable(now))
    };
    let without: Vec<&str> = ways(snapshot)
        .filter(|(_, candidates)| !candidates.iter().any(|it| usable(it.provider)))
        .map(|(pattern, _)| pattern)
        .collect();
    let healthy = snapshot
        .active()
        .filter(|endpoint| endpoint.is_usable(now))
        .count();
    let well = without.is_empty() && 0 < healthy;
    let mut value = json!({
        "status": if well { "healthy" } else { "unhealthy" },
        "version": env!("CARGO_PKG_VERSION"),
        "healthy_providers": healthy,
        "total_providers": snapshot.config.providers.len(),
    });
    if let (false, Some(value)) = (well, value.as_object_mut()) {
        let message = if healthy == 0 {
            "No healthy providers available"
        } else {
            "Some routes have no healthy provider"
        };
        value.insert("message".to_owned(), message.into());
        value.insert("routes_without_provider".to_owned(), without.into());
    }
    if let (true, Some(value)) = (refused, value.as_object_mut()) {
        value.insert("warnings".to_owned(), json!([NOT_IN_FORCE]));
    }
    (well, value)
}

/// The models that may be asked for: exact names of the routes, names that routes send on where they may be asked
/// for as well, and those of the catalogue that a pattern serves.
pub fn models(snapshot: &Snapshot) -> Vec<Listed> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    let mut add = |model: Listed| {
        if serves(snapshot, &model.id) && seen.insert(model.id.clone()) {
            list.push(model);
        }
    };
    for route in &snapshot.config.routes {
        if !route.pattern.contains(['*', '?']) {
            add(catalogue::named(&route.pattern));
        }
    }
    catalogue::claude().for_each(&mut add);
    for route in &snapshot.config.routes {
        route
            .candidates
            .iter()
            .filter_map(|c| c.model.as_deref())
            .for_each(|name| add(catalogue::named(name)));
    }
    list
}

/// The model of that name, if a route serves it, be it listed or not: patterns serve more names than a list can hold.
pub fn model(snapshot: &Snapshot, name: &str) -> Option<Listed> {
    serves(snapshot, name).then(|| catalogue::named(name))
}

/// Whether a route names it; the default route names nothing.
fn serves(snapshot: &Snapshot, name: &str) -> bool {
    matches!(
        snapshot.table.resolve(name),
        Resolution::Route {
            fallback: false,
            ..
        }
    )
}

/// A circuit in a word.
pub(super) fn circuit_name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open { .. } => "open",
        BreakerState::HalfOpen { .. } => "half_open",
    }
}

/// The proxy on the way to a provider.
fn proxy_of(provider: &Provider) -> Option<&EgressProxy> {
    provider.way.proxy_to(provider.target.as_ref()?)
}

pub(super) fn epoch(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
