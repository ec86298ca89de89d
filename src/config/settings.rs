//! `settings` → [`Settings`]: defaults, old names, the old system's two groups of time-outs.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::edge;
use crate::config::fault::Report;
use crate::config::model::{
    AccessLog, AffinitySettings, CacheMode, CacheSettings, Deduplication, LogLevel, LogSettings,
    OnLoss, PerAddress, Settings, Sharing, Stalls, Strategy, Terms, Timeouts, TokenCounting,
};
use crate::config::page;
use crate::config::read::Reader;
use crate::config::tree::Node;
use crate::config::url::check_host;

/// A non-streaming answer comes whole, and long ones take minutes.
const SHORT_WHOLE_ANSWER: Duration = Duration::from_secs(120);
/// As long as the providers' prompt caches live at most.
const DEFAULT_TTL: Duration = Duration::from_secs(3600);
/// Long enough to tell a recovery from a lull.
const DEFAULT_RETURN: Duration = Duration::from_secs(60);
/// The time of limits where none is said.
const A_MINUTE: Duration = Duration::from_secs(60);
/// Enough for a client that was given a wrong key and repeats itself a few times.
const FAILED_SIGN_INS: u64 = 30;
/// Where JSON lines go when the key stands there without a value.
const DEFAULT_LOG_FILE: &str = "logs/logs.jsonl";

/// Reads `settings`.
pub(super) fn settings(reader: &Reader<'_>, report: &mut Report) -> Settings {
    Settings {
        host: host(reader, report),
        port: reader.count("port").unwrap_or(8080),
        threads: reader.count("threads"),
        strategy: strategy(reader, report),
        terms: terms(reader, Terms::default()),
        failure_cooldown: reader
            .duration("failure_cooldown")
            .unwrap_or(Duration::from_secs(180)),
        unhealthy_threshold: reader.count("unhealthy_threshold").unwrap_or(2),
        unhealthy_reset_timeout: reader
            .duration("unhealthy_reset_timeout")
            .unwrap_or(Duration::from_secs(300)),
        unhealthy_reset_on_success: reader.boolean("unhealthy_reset_on_success").unwrap_or(true),
        unhealthy_http_codes: error_codes(reader, report),
        unhealthy_texts: error_texts(reader),
        unhealthy_response_body_patterns: owned(&reader.texts("unhealthy_response_body_patterns")),
        credit_patterns: owned(&reader.texts("credit_patterns")),
        key_recheck: reader
            .duration("key_recheck")
            .unwrap_or(Duration::from_secs(300)),
        credit_cooldown: reader
            .duration("credit_cooldown")
            .unwrap_or(Duration::from_secs(600)),
        fail_open: reader.boolean("fail_open").unwrap_or(true),
        max_attempts: reader.count("max_attempts").unwrap_or(4),
        max_keys_per_candidate: reader.count("max_keys_per_candidate").unwrap_or(3),
        max_retry_wait: reader
            .duration("max_retry_wait")
            .unwrap_or(Duration::from_secs(5)),
        request_deadline: reader
            .duration("request_deadline")
            .unwrap_or(Duration::from_secs(600)),
        ping_after: reader
            .duration("ping_after")
            .unwrap_or(Duration::from_secs(10)),
        ping_interval: reader
            .duration("ping_interval")
            .unwrap_or(Duration::from_secs(10)),
        client_write_timeout: reader
            .duration("client_write_timeout")
            .unwrap_or(Duration::from_secs(30)),
        client_read_timeout: reader
            .duration("client_read_timeout")
            .unwrap_or(Duration::from_secs(10)),
        keepalive_timeout: reader
            .duration("keepalive_timeout")
            .unwrap_or(Duration::from_secs(60)),
        max_body_bytes: reader.size("max_body_bytes").unwrap_or(64 << 20),
        max_buffered_bytes: reader.size("max_buffered_bytes").unwrap_or(512 << 20),
        max_connections: reader.count("max_connections").unwrap_or(10_000),
        max_connections_per_address: reader.count("max_connections_per_address"),
        max_in_flight: reader.count("max_in_flight"),
        per_address: per_address(&reader.section("per_address")),
        trusted_proxies: edge::trusted_proxies(reader, report),
        proxy_protocol: reader.boolean("proxy_protocol").unwrap_or(false),
        cors: edge::cors(reader, report),
        drain_timeout: reader
            .duration("drain_timeout")
            .unwrap_or(Duration::from_secs(1800)),
        watch_config: reader
            .duration("watch_config")
            .unwrap_or(Duration::from_secs(1)),
        upgrade_timeout: reader
            .duration("upgrade_timeout")
            .unwrap_or(Duration::from_secs(60)),
        runtime_dir: reader.text("runtime_dir").map(PathBuf::from),
        core_dumps: reader.boolean("core_dumps").unwrap_or(false),
        affinity: affinity(reader, report),
        token_counting: token_counting(&reader.section("token_counting")),
        deduplication: deduplication(reader),
        cache: cache(reader),
        log: log(reader),
        // Read by `observe`, which needs the environment.
        access_log: AccessLog::default(),
        tracing: None,
        capture: None,
        app_name: reader.text("app_name").unwrap_or("pointsman").to_owned(),
        mode: page::mode(reader),
        health_page: page::health_page(reader, report),
        // Read where the top is known, too.
        classes: None,
    }
}

/// What a route or a rule says; and where it is silent, what is so otherwise.
pub(super) fn route_terms(reader: &Reader<'_>, otherwise: Terms) -> Terms {
    let timers = reader.section("timeouts");
    Terms {
        stalls: Stalls {
            first_byte: timers.duration("first_byte"),
            first_byte_whole: timers.duration("first_byte_whole"),
            first_content: timers.duration("first_content"),
            idle: timers.duration("idle"),
        },
        ..terms(reader, otherwise)
    }
}

/// The part of it that the settings say of all routes. Their timers are those of providers.
fn terms(reader: &Reader<'_>, otherwise: Terms) -> Terms {
    let on_loss = reader.choice("on_loss").map(OnLoss::of_word);
    let hedge_after = reader.duration("hedge_after");
    Terms {
        on_loss: on_loss.unwrap_or(otherwise.on_loss),
        hedge_after: hedge_after.map_or(otherwise.hedge_after, |after| {
            (!after.is_zero()).then_some(after)
        }),
        stalls: otherwise.stalls,
    }
}

fn host(reader: &Reader<'_>, report: &mut Report) -> String {
    let Some(text) = reader.text("host") else {
        return "127.0.0.1".to_owned();
    };
    listen_host(text).unwrap_or_else(|remedy| {
        report.fault_at(reader.at("host"), text, remedy);
        String::new()
    })
}

/// A host to listen on, brackets removed.
pub(super) fn listen_host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(text);
    check_host(bare).map_err(|_| "must be an address such as 127.0.0.1 or a host name".to_owned())
}

fn strategy(reader: &Reader<'_>, report: &mut Report) -> Strategy {
    match reader.choice("selection_strategy") {
        None | Some("priority") => Strategy::Priority,
        Some("round_robin") => Strategy::RoundRobin,
        Some("random") => Strategy::Random,
        Some("weighted") => Strategy::Weighted,
        Some("least_busy") => Strategy::LeastBusy,
        Some("fastest") => Strategy::Fastest,
        Some("cheapest") => Strategy::Cheapest,
        Some(word) => {
            report.remark(
                reader.at("selection_strategy"),
                format!("{word} is priority with `affinity`, which holds under every strategy; write priority"),
            );
            Strategy::Priority
        }
    }
}

fn error_codes(reader: &Reader<'_>, report: &mut Report) -> Vec<u16> {
    let mut codes = reader.codes("unhealthy_http_codes");
    codes.extend(reader.codes("failover_http_codes"));
    codes.sort_unstable();
    codes.dedup();
    let (kept, client): (Vec<u16>, Vec<u16>) = codes
        .into_iter()
        .partition(|it| !matches!(it, 100..=399 | 400 | 413 | 422));
    if !client.is_empty() {
        report.warn(
            reader.at("unhealthy_http_codes"),
            format!(
                "{client:?} never count against a provider: they say something about the request"
            ),
        );
    }
    kept
}

fn error_texts(reader: &Reader<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for key in [
        "unhealthy_error_types",
        "failover_error_types",
        "unhealthy_exception_patterns",
    ] {
        for text in reader.texts(key) {
            let text = text.trim().to_lowercase();
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

fn per_address(reader: &Reader<'_>) -> PerAddress {
    let failed: Option<u64> = reader.count("failed_sign_ins");
    PerAddress {
        requests: reader.count("requests"),
        window: reader.duration("window").unwrap_or(A_MINUTE),
        max_concurrent: reader.count("max_concurrent"),
        failed_sign_ins: Some(failed.unwrap_or(FAILED_SIGN_INS)).filter(|it| 0 < *it),
        failed_window: reader.duration("failed_window").unwrap_or(A_MINUTE),
        counts_loopback: failed.is_some(),
    }
}

fn affinity(reader: &Reader<'_>, report: &mut Report) -> AffinitySettings {
    let own = reader.section("affinity");
    let old = reader.duration("sticky_provider_duration");
    let ttl = own.duration("ttl").or(old).unwrap_or(DEFAULT_TTL);
    let wanted = own.boolean("enabled").unwrap_or(true);
    if wanted && ttl.is_zero() {
        let path = if own.has("ttl") {
            own.at("ttl")
        } else {
            reader.at("sticky_provider_duration")
        };
        report.remark(path, "0 switches affinity off");
    }
    AffinitySettings {
        enabled: wanted && !ttl.is_zero(),
        ttl,
        return_after: own.duration("return_after").unwrap_or(DEFAULT_RETURN),
    }
}

fn token_counting(reader: &Reader<'_>) -> TokenCounting {
    TokenCounting {
        always_use_local: reader.boolean("always_use_local").unwrap_or(false),
        timeout: reader
            .duration("timeout")
            .unwrap_or(Duration::from_secs(10)),
        failure_threshold: reader.count("failure_threshold").unwrap_or(2),
        api_failure_cooldown: reader
            .duration("api_failure_cooldown")
            .unwrap_or(Duration::from_secs(300)),
    }
}

/// Absent is `auto`; the old switches say `all` or `off`. A word of the new key goes before them.
fn deduplication(reader: &Reader<'_>) -> Deduplication {
    let group = reader.section("deduplication");
    let word = reader.choice("deduplication").or(group.choice("mode"));
    let switch = group
        .boolean("enabled")
        .or(reader.boolean("enable_deduplication"));
    let mode = match (word, switch) {
        (Some("off"), _) | (_, Some(false)) => Sharing::Off,
        (Some("all" | "on"), _) | (None, Some(true)) => Sharing::All,
        (Some(_), _) | (None, None) => Sharing::Auto,
    };
    Deduplication {
        mode,
        max_tokens_count: group
            .boolean("include_max_tokens_in_signature")
            .unwrap_or(true),
    }
}

/// Off unless one of its keys is there. A time or a number of zero turns it off again.
fn cache(reader: &Reader<'_>) -> Option<CacheSettings> {
    const OLD: [&str; 4] = [
        "cache_ttl",
        "cache_ttl_seconds",
        "cache_size_limit",
        "max_cache_size",
    ];
    if !reader.has("cache") && !OLD.iter().any(|key| reader.has(key)) {
        return None;
    }
    let group = reader.section("cache");
    let ttl = group
        .duration("ttl")
        .or(reader.duration("cache_ttl"))
        .or(reader.duration("cache_ttl_seconds"));
    let max_entries = group
        .count("max_entries")
        .or(reader.count("cache_size_limit"))
        .or(reader.count("max_cache_size"));
    let settings = CacheSettings {
        mode: match group.choice("mode") {
            Some("all") => CacheMode::All,
            _ => CacheMode::Deterministic,
        },
        ttl: ttl.unwrap_or(Duration::from_secs(3600)),
        max_entries: max_entries.unwrap_or(1000),
        max_bytes: group.size("max_bytes").unwrap_or(64 << 20),
    };
    (!settings.ttl.is_zero() && 0 < settings.max_entries).then_some(settings)
}

fn log(reader: &Reader<'_>) -> LogSettings {
    let level = reader.choice("log_level").map(log_level);
    let file = match reader.raw("log_file_path") {
        Some(Node::Null) => Some(PathBuf::from(DEFAULT_LOG_FILE)),
        _ => reader.text("log_file_path").map(PathBuf::from),
    };
    LogSettings {
        level: level.unwrap_or_default(),
        color: reader.boolean("log_color"),
        file,
        json: reader.choice("log_format") == Some("json"),
    }
}

/// A level in anybody's words.
pub(super) fn log_level(word: &str) -> LogLevel {
    match word.to_ascii_uppercase().as_str() {
        "DEBUG" | "TRACE" => LogLevel::Debug,
        "WARNING" | "WARN" => LogLevel::Warning,
        "ERROR" | "CRITICAL" | "FATAL" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

/// The limits of time in `settings`, from the most special key to the most general: `timeouts.first_byte`, then the
/// old groups, then `request_timeout`, then the default. `request_timeout` also comes from the environment.
pub(super) fn timeouts(
    reader: &Reader<'_>,
    request_timeout: Option<Duration>,
    report: &mut Report,
) -> Timeouts {
    let group = reader.section("timeouts");
    let streaming = group.section("streaming");
    let whole = group.section("non_streaming");
    let request = request_timeout.or_else(|| reader.duration("request_timeout"));
    let default = Timeouts::default();
    let read = streaming.duration("read");
    let old_connect = streaming.duration("connect").max(whole.duration("connect"));
    let first_byte = read.or(request).unwrap_or(default.first_byte);
    let old = Timeouts {
        connect: old_connect.unwrap_or(default.connect),
        connect_total: default.connect_total,
        first_byte,
        first_byte_whole: whole
            .duration("read")
            .or(request)
            .unwrap_or(default.first_byte_whole),
        first_content: streaming
            .duration("first_chunk_timeout")
            .unwrap_or(default.first_content),
        idle: streaming
            .duration("chunk_timeout")
            .or(read)
            .unwrap_or(default.idle),
    };
    let timeouts = over(&group, old);
    let place = [
        (group.has("first_byte_whole"), group.at("first_byte_whole")),
        (whole.has("read"), whole.at("read")),
        (reader.has("request_timeout"), reader.at("request_timeout")),
    ]
    .into_iter()
    .find(|it| it.0)
    .map_or_else(|| "REQUEST_TIMEOUT".to_owned(), |it| it.1);
    warn_if_short(timeouts, place, report);
    timeouts
}

/// The timers of one section over those that hold without it.
pub(super) fn over(reader: &Reader<'_>, base: Timeouts) -> Timeouts {
    let connect = reader.duration("connect").unwrap_or(base.connect);
    Timeouts {
        connect,
        // Connecting cannot be allowed more time than connecting and TLS together.
        connect_total: reader
            .duration("connect_total")
            .unwrap_or(base.connect_total.max(connect)),
        first_byte: reader.duration("first_byte").unwrap_or(base.first_byte),
        first_byte_whole: reader
            .duration("first_byte_whole")
            .unwrap_or(base.first_byte_whole),
        first_content: reader
            .duration("first_content")
            .unwrap_or(base.first_content),
        idle: reader.duration("idle").unwrap_or(base.idle),
    }
}

/// Warns when answers that are not streamed will be cut off as a matter of course.
pub(super) fn warn_if_short(timeouts: Timeouts, path: String, report: &mut Report) {
    if timeouts.first_byte_whole < SHORT_WHOLE_ANSWER {
        report.warn(
            path,
            format!(
                "gives answers that are not streamed only {:?}, and their first byte comes when they are complete; set \
                 timeouts.non_streaming.read to 120 or more",
                timeouts.first_byte_whole
            ),
        );
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|it| (*it).to_owned()).collect()
}
