//! Environment variables that override the file: the second old system's, and our own.

use std::time::Duration;

use crate::config::access::own_key;
use crate::config::env::Env;
use crate::config::fault::Report;
use crate::config::keys::KEY_STRATEGIES;
use crate::config::model::{KeyStrategy, LogLevel, Mode};
use crate::config::page;
use crate::config::provider::key_strategy;
use crate::config::settings::log_level;
use crate::config::tree::Node;
use crate::config::units;
use crate::types::Secret;

const LEVELS: &[&str] = &[
    "trace", "debug", "info", "warn", "warning", "error", "critical", "fatal",
];

/// What the environment overrides.
#[derive(Default)]
pub(super) struct Overrides {
    /// `PORT`.
    pub port: Option<u16>,
    /// `PROXY_ACCESS_KEY`: the only gateway key then.
    pub gateway_key: Option<Secret>,
    /// Whether it is set, be it to a good key or to one that was refused.
    pub gateway_key_written: bool,
    /// `POINTSMAN_ADMIN_KEY`.
    pub admin_key: Option<Secret>,
    /// `LOG_LEVEL`.
    pub log_level: Option<LogLevel>,
    /// `REQUEST_TIMEOUT`, milliseconds.
    pub request_timeout: Option<Duration>,
    /// `MAX_CONCURRENT_REQUESTS`.
    pub max_in_flight: Option<usize>,
    /// `ENABLE_RATE_LIMIT`, `RATE_LIMIT_WINDOW`, `RATE_LIMIT_MAX_REQUESTS`.
    pub rate_limit: Option<RateLimit>,
    /// `ENABLE_CORS`.
    pub cors: Option<bool>,
    /// `CORS_ORIGIN`: origins, with commas between them.
    pub cors_origin: Option<String>,
    /// `ENABLE_REQUEST_LOGS`.
    pub request_logs: Option<bool>,
    /// `ENABLE_RESPONSE_LOGS`.
    pub response_logs: Option<bool>,
    /// `LOAD_BALANCE_STRATEGY`: in the old system it chose among the keys of one provider.
    pub key_strategy: Option<KeyStrategy>,
    /// `NODE_ENV`: anything but `development` is production.
    pub mode: Option<Mode>,
    /// `HEALTH_CHECK_ENABLED`.
    pub health_check: Option<bool>,
    /// `HEALTH_CHECK_PATH`.
    pub health_path: Option<String>,
}

/// Requests of each client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimit {
    /// So many; `None` is no limit.
    pub requests: Option<u64>,
    /// Within this time.
    pub window: Duration,
}

impl Overrides {
    /// Reads them; empty variables count as unset.
    pub fn read(env: &Env, report: &mut Report) -> Self {
        Overrides {
            port: read(env, "PORT", report, |text| {
                text.parse()
                    .map_err(|_| "must be a port from 0 to 65535".to_owned())
            }),
            gateway_key: read(env, "PROXY_ACCESS_KEY", report, |text| {
                own_key(text).map_err(str::to_owned)
            }),
            gateway_key_written: env.filled("PROXY_ACCESS_KEY").is_some(),
            admin_key: read(env, "POINTSMAN_ADMIN_KEY", report, |text| {
                own_key(text).map_err(str::to_owned)
            }),
            log_level: read(env, "LOG_LEVEL", report, |text| {
                one_of(text, LEVELS).map(log_level)
            }),
            request_timeout: read(env, "REQUEST_TIMEOUT", report, milliseconds),
            max_in_flight: read(env, "MAX_CONCURRENT_REQUESTS", report, |text| {
                let number: Option<usize> = text.parse().ok();
                number
                    .filter(|it| 0 < *it)
                    .ok_or_else(|| "must be a whole number above 0".to_owned())
            }),
            rate_limit: rate_limit(env, report),
            cors: read(env, "ENABLE_CORS", report, switch),
            cors_origin: env.filled("CORS_ORIGIN").map(str::to_owned),
            request_logs: read(env, "ENABLE_REQUEST_LOGS", report, switch),
            response_logs: read(env, "ENABLE_RESPONSE_LOGS", report, switch),
            key_strategy: read(env, "LOAD_BALANCE_STRATEGY", report, |text| {
                one_of(text, KEY_STRATEGIES).map(|it| key_strategy(Some(it)))
            }),
            mode: env.filled("NODE_ENV").map(|it| match it.trim() {
                "development" => Mode::Development,
                _ => Mode::Production,
            }),
            health_check: read(env, "HEALTH_CHECK_ENABLED", report, switch),
            health_path: read(env, "HEALTH_CHECK_PATH", report, |text| {
                page::check(text).map(|()| text.to_owned())
            }),
        }
    }
}

/// The limits that are usual where this switch comes from: 100 requests a minute.
fn rate_limit(env: &Env, report: &mut Report) -> Option<RateLimit> {
    let window = read(env, "RATE_LIMIT_WINDOW", report, milliseconds);
    let most = read(env, "RATE_LIMIT_MAX_REQUESTS", report, |text| {
        let number: Option<u64> = text.parse().ok();
        number
            .filter(|it| 0 < *it)
            .ok_or_else(|| "must be a whole number above 0".to_owned())
    });
    let enabled = read(env, "ENABLE_RATE_LIMIT", report, switch);
    if enabled.is_none() && (window.is_some() || most.is_some()) {
        let text = "has no effect without ENABLE_RATE_LIMIT=true";
        report.remark("RATE_LIMIT_MAX_REQUESTS", text);
    }
    Some(RateLimit {
        requests: enabled?.then(|| most.unwrap_or(100)),
        window: window.unwrap_or(Duration::from_secs(60)),
    })
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds: Option<u64> = text.parse().ok();
    milliseconds
        .filter(|it| 0 < *it && *it < 1 << 32)
        .map(Duration::from_millis)
        .ok_or_else(|| "must be milliseconds above 0".to_owned())
}

fn read<T>(
    env: &Env,
    name: &str,
    report: &mut Report,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    match parse(env.filled(name)?.trim()) {
        Ok(value) => Some(value),
        Err(remedy) => {
            report.fault_in_env(name, remedy);
            None
        }
    }
}

fn switch(text: &str) -> Result<bool, String> {
    units::boolean(&Node::text(text)).ok_or_else(|| "must be true or false".to_owned())
}

fn one_of(text: &str, words: &[&'static str]) -> Result<&'static str, String> {
    units::choice(&Node::text(text), words)
        .ok_or_else(|| format!("must be one of {}", words.join(", ")))
}
