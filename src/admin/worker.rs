//! What the worker proxy told of itself, in its words: which upstream is asked, and what a developer may look at.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::config::{self, Cors, KeyStrategy, LogLevel, Provider, Route, Settings};
use crate::snapshot::Snapshot;
use crate::telemetry::rfc3339;

/// What it adds to the health page, `uptime` after the start.
pub fn of_worker(snapshot: &Snapshot, uptime: Duration) -> Map<String, Value> {
    let fields = [
        ("timestamp", json!(rfc3339(SystemTime::now()))),
        (
            "uptime",
            json!((uptime.as_secs_f64() * 1000.0).round() / 1000.0),
        ),
        ("mode", json!(snapshot.config.settings.mode.word())),
        ("config", upstreams(snapshot)),
    ];
    let named = fields.into_iter().map(|(key, it)| (key.to_owned(), it));
    named.collect()
}

/// `POST /admin/config/reload`, in its shape and its words.
pub fn reloaded(outcome: Result<&Snapshot, &str>) -> Value {
    let now = rfc3339(SystemTime::now());
    match outcome {
        Ok(snapshot) => json!({
            "status": "success",
            "message": "配置已重载",
            "timestamp": now,
            "config": upstreams(snapshot),
        }),
        Err(why) => json!({
            "status": "error",
            "message": "配置重载失败",
            "timestamp": now,
            "error": why,
        }),
    }
}

/// `GET /admin/dev/info`: the configuration in force, and what the old variables would have to say to get it. Secrets
/// are masked; the old system showed them to everybody.
pub fn development(snapshot: &Snapshot) -> Value {
    json!({
        "status": snapshot.config.settings.mode.word(),
        "timestamp": rfc3339(SystemTime::now()),
        "config": config::masked_tree(&snapshot.config),
        "environment": environment(snapshot),
    })
}

/// How many there are, who is asked first, and how its keys are chosen.
fn upstreams(snapshot: &Snapshot) -> Value {
    let current = current(snapshot);
    json!({
        "upstreamCount": snapshot.config.providers.len(),
        "currentUpstream": current.map(|it| it.name.as_str()),
        "loadBalance": current.map(strategy),
    })
}

/// The first of those who serve what is sent to no route of its own.
fn current(snapshot: &Snapshot) -> Option<&Provider> {
    let config = &snapshot.config;
    let called = |pattern: &str| config.routes.iter().find(|it| it.pattern == pattern);
    let default = config.default_route.as_deref().and_then(called);
    let route: Option<&Route> = called("*").or(default).or(config.routes.first());
    let candidates = route.into_iter().flat_map(|it| &it.candidates);
    let provider = |index: usize| config.providers.get(index);
    candidates
        .filter_map(|it| Some((it.priority, provider(it.provider)?)))
        .filter(|it| it.1.is_active())
        .min_by_key(|it| it.0)
        .map(|it| it.1)
}

fn strategy(provider: &Provider) -> &'static str {
    match provider.key_strategy {
        KeyStrategy::RoundRobin => "round-robin",
        KeyStrategy::Random => "random",
        KeyStrategy::Failover => "failover",
    }
}

fn environment(snapshot: &Snapshot) -> Value {
    let (config, settings) = (&snapshot.config, &snapshot.config.settings);
    let current = current(snapshot);
    let capture = settings.capture.as_ref();
    let milliseconds = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    json!({
        "PORT": settings.port,
        "NODE_ENV": settings.mode.word(),
        "PROXY_ACCESS_KEY": (!config.auth.is_open()).then_some("***"),
        "LOAD_BALANCE_STRATEGY": current.map(strategy),
        "LOG_LEVEL": level(settings.log.level),
        "ENABLE_REQUEST_LOGS": shows(settings, capture.is_some_and(|it| it.requests)),
        "ENABLE_RESPONSE_LOGS": shows(settings, capture.is_some_and(|it| it.responses)),
        "REQUEST_TIMEOUT": current.map(|it| milliseconds(it.timeouts.first_byte_whole)),
        "MAX_CONCURRENT_REQUESTS": settings.max_in_flight,
        "ENABLE_CORS": settings.cors.is_some(),
        "CORS_ORIGIN": settings.cors.as_ref().map(origins),
        "ENABLE_RATE_LIMIT": settings.per_address.requests.is_some(),
        "RATE_LIMIT_WINDOW": milliseconds(settings.per_address.window),
        "RATE_LIMIT_MAX_REQUESTS": settings.per_address.requests,
        "HEALTH_CHECK_ENABLED": settings.health_page.enabled,
        "HEALTH_CHECK_PATH": settings.health_page.path,
    })
}

/// A line of each request is shown, or its body is kept.
fn shows(settings: &Settings, is_kept: bool) -> bool {
    is_kept || 0.0 < settings.access_log.sample
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    }
}

fn origins(cors: &Cors) -> String {
    if cors.any_origin {
        "*".to_owned()
    } else {
        cors.origins.join(",")
    }
}
