//! Keys of `settings`.

use crate::config::keys::access::{AUTH, CORS, PER_ADDRESS};
use crate::config::keys::observe::HEALTH_CHECK;
use crate::config::keys::observe::{ACCESS_LOG, CAPTURE, TRACING};
use crate::config::keys::provider::ALWAYS_PASSED_ON;
use crate::config::keys::timers::{CACHING, TIMEOUTS};
use crate::config::keys::zed::{BILLING_MODEL, ROUTING, SESSION_CONFIG, ZED_CONFIG};
use crate::config::keys::{BIG, STRATEGIES, UNKNOWN_THERE, old, row};
use crate::config::model::{Mode, OnLoss};
use crate::config::table::{Kind, Table};

use Kind::{
    Any, Bool, Choice, ChoiceOr, Codes, Count, Duration, DurationOrZero, One, Secret, Size, Text,
    Texts,
};

/// Log levels in everybody's words.
const LOG_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL"];

/// How lines are written.
pub(super) const FORMATS: &[&str] = &["text", "json"];

const NO_KEYRING: &str = "tokens are kept in an encrypted file: `oauth.store` at the top";

const NO_RELOAD: &str = "there is no code to reload; send SIGHUP to reload the configuration";

/// `settings`.
pub(in crate::config) const SETTINGS: Table = &[
    row("host", Text, "127.0.0.1", "address to listen on"),
    row(
        "port",
        Count(0, 65535),
        "8080",
        "port to listen on; 0 picks a free one",
    ),
    row(
        "threads",
        Count(1, 1024),
        "",
        "worker threads; one per core when absent",
    ),
    row(
        "selection_strategy",
        Choice(STRATEGIES),
        "priority",
        "order among candidates of one priority",
    ),
    row(
        "on_loss",
        Choice(OnLoss::WORDS),
        "warn",
        "whether a translation that loses something goes out (warn) or the next candidate is tried (refuse)",
    ),
    row(
        "default_route",
        Text,
        "",
        "pattern that serves unknown models; absent: the one with sonnet, then opus",
    ),
    row(
        "failure_cooldown",
        DurationOrZero,
        "180s",
        "how long a failing provider rests at first",
    ),
    old("cooldown_seconds", DurationOrZero, "failure_cooldown"),
    row(
        "request_timeout",
        Duration,
        "",
        "per attempt, until the first byte of the answer",
    ),
    old("timeout_seconds", Duration, "request_timeout"),
    row(
        "timeouts",
        One(TIMEOUTS),
        "",
        "limits of time of one attempt",
    ),
    row(
        "request_deadline",
        Duration,
        "600s",
        "whole request until something is shown to the client",
    ),
    row(
        "unhealthy_threshold",
        Count(1, 1000),
        "2",
        "errors after which a provider rests",
    ),
    row(
        "unhealthy_reset_timeout",
        DurationOrZero,
        "300s",
        "errors older than this are forgotten; 0 never forgets",
    ),
    row(
        "unhealthy_reset_on_success",
        Bool,
        "true",
        "a success zeroes the count",
    ),
    row(
        "unhealthy_http_codes",
        Codes,
        "",
        "statuses that count as errors besides the built-in ones",
    ),
    row(
        "unhealthy_error_types",
        Texts,
        "",
        "texts in an error that make it count",
    ),
    row(
        "unhealthy_exception_patterns",
        Texts,
        "",
        "texts in an error that make it count",
    ),
    row(
        "unhealthy_response_body_patterns",
        Texts,
        "",
        "patterns in short error-like answers that make them count",
    ),
    row(
        "failover_error_types",
        Texts,
        "",
        "texts in an error that make it count",
    ),
    row(
        "failover_http_codes",
        Codes,
        "",
        "statuses that count as errors besides the built-in ones",
    ),
    row(
        "credit_patterns",
        Texts,
        "",
        "texts that mean a key has no money left, besides the built-in ones",
    ),
    row(
        "credit_cooldown",
        DurationOrZero,
        "600s",
        "rest of a key without money",
    ),
    row(
        "key_recheck",
        DurationOrZero,
        "300s",
        "how often the list of models is asked for with a refused key, to see whether it is good again; 0 never",
    ),
    row(
        "fail_open",
        Bool,
        "true",
        "when no healthy provider serves, try those that rest, too",
    ),
    row(
        "max_attempts",
        Count(1, 100),
        "4",
        "candidates tried for one request",
    ),
    row(
        "max_keys_per_candidate",
        Count(1, 100),
        "3",
        "keys tried of one candidate",
    ),
    row(
        "max_retry_wait",
        DurationOrZero,
        "5s",
        "longest wait for a lone rate-limited provider",
    ),
    row(
        "ping_after",
        DurationOrZero,
        "10s",
        "silence before a streaming client gets keep-alives",
    ),
    row(
        "ping_interval",
        Duration,
        "10s",
        "time between two keep-alives",
    ),
    row(
        "hedge_after",
        DurationOrZero,
        "0",
        "silence of an attempt before a second one begins beside it; 0 never",
    ),
    row(
        "client_write_timeout",
        Duration,
        "30s",
        "longest wait for a client that does not read",
    ),
    row(
        "client_read_timeout",
        Duration,
        "10s",
        "longest wait for a client's request",
    ),
    row(
        "keepalive_timeout",
        Duration,
        "60s",
        "idle connection of a client",
    ),
    row("max_body_bytes", Size, "64MiB", "one request body"),
    row(
        "max_buffered_bytes",
        Size,
        "512MiB",
        "all request bodies in memory",
    ),
    row(
        "max_connections",
        Count(1, BIG),
        "10000",
        "connections of clients at once",
    ),
    row(
        "max_connections_per_address",
        Count(1, BIG),
        "",
        "connections of one client address at once (of IPv6: of a /64); trusted_proxies have no limit",
    ),
    row("max_in_flight", Count(1, BIG), "", "requests at once"),
    row(
        "per_address",
        One(PER_ADDRESS),
        "",
        "limits of each client address",
    ),
    row(
        "trusted_proxies",
        Texts,
        "",
        "networks of proxies in front, as 10.0.0.0/8: what they say in x-forwarded-for is where a client is",
    ),
    row(
        "proxy_protocol",
        Bool,
        "false",
        "the same as `proxy_protocol: true` of a listener, for the one of `host` and `port`",
    ),
    row(
        "cors",
        One(CORS),
        "",
        "web pages that may call from a browser; absent: none",
    ),
    row(
        "drain_timeout",
        DurationOrZero,
        "30m",
        "time for running streams at shutdown",
    ),
    row(
        "watch_config",
        DurationOrZero,
        "1s",
        "how often its files are looked at; what changed is in force after twice that; 0 never",
    ),
    row(
        "upgrade_timeout",
        Duration,
        "60s",
        "time for a new worker until it serves, under `run --supervise`",
    ),
    row(
        "runtime_dir",
        Text,
        "",
        "control socket and pid file of `run --supervise`; absent: $XDG_RUNTIME_DIR/pointsman, /run/pointsman or a directory below the temporary one",
    ),
    row(
        "core_dumps",
        Bool,
        "false",
        "a crash may leave the memory on disk, keys and prompts in it, and debuggers may attach",
    ),
    row(
        "token_counting",
        One(TOKEN_COUNTING),
        "",
        "/v1/messages/count_tokens",
    ),
    row("log_level", Choice(LOG_LEVELS), "INFO", "least level shown"),
    row(
        "log_color",
        Bool,
        "",
        "colour on a terminal; absent: as the terminal and NO_COLOR say",
    ),
    row(
        "log_file_path",
        Text,
        "",
        "JSON lines go here; without a value logs/logs.jsonl",
    ),
    row(
        "log_format",
        Choice(FORMATS),
        "text",
        "of the lines on the console",
    ),
    row("access_log", One(ACCESS_LOG), "", "the lines of requests"),
    row(
        "tracing",
        One(TRACING),
        "",
        "traces for OpenTelemetry, over OTLP; any of its keys turns them on",
    ),
    row(
        "capture",
        One(CAPTURE),
        "",
        "bodies kept for people to look at, with whatever is written in them",
    ),
    row(
        "app_name",
        Text,
        "pointsman",
        "`service` in the answer of GET /",
    ),
    row(
        "mode",
        Choice(Mode::WORDS),
        "production",
        "development opens GET /admin/dev/info to who may administer; NODE_ENV overrides it",
    ),
    row(
        "health_check",
        One(HEALTH_CHECK),
        "",
        "the page that tells how it fares",
    ),
    row("auth", One(AUTH), "", "the same as `auth` at the top"),
    row(
        "affinity",
        One(AFFINITY),
        "",
        "sessions stay with the provider and key that served them",
    ),
    row(
        "sticky_provider_duration",
        DurationOrZero,
        "",
        "old place of `affinity.ttl`; 0 switches affinity off",
    ),
    old(
        "idle_recovery_interval",
        DurationOrZero,
        "sticky_provider_duration",
    ),
    row(
        "enable_deduplication",
        Bool,
        "",
        "share all identical calls, or none",
    ),
    row(
        "deduplication",
        ChoiceOr(&["auto", "all", "off", "on"], DEDUPLICATION),
        "auto",
        "which identical calls share one answer while it is under way",
    ),
    row(
        "cache",
        One(CACHE),
        "",
        "cache of answers; any of its keys turns it on",
    ),
    row("cache_ttl", DurationOrZero, "", "life of a cached answer"),
    row(
        "cache_ttl_seconds",
        DurationOrZero,
        "",
        "life of a cached answer",
    ),
    row("cache_size_limit", Count(0, BIG), "", "cached answers"),
    row("max_cache_size", Count(0, BIG), "", "cached answers"),
    row(
        "oauth",
        One(OAUTH_SWITCHES),
        "",
        "switches of OAuth; profiles and store stand in `oauth` at the top",
    ),
    ROUTING,
    ZED_CONFIG,
    BILLING_MODEL,
    SESSION_CONFIG,
    row(
        "streaming_mode",
        Choice(&["auto", "direct", "background"]),
        "auto",
        "old switch",
    )
    .unused(ALWAYS_PASSED_ON),
    row("app_version", Text, "", "old label").unused("the version is the program's own"),
    row("reload", Bool, "", "old switch").unused(NO_RELOAD),
    row("reload_includes", Texts, "", "old switch").unused(NO_RELOAD),
    row("testing", Any, "", "old switch")
        .unused("started without a configuration, the demo simulates failing providers"),
    row("caching", One(CACHING), "", "old group").unused(UNKNOWN_THERE),
];

const TOKEN_COUNTING: Table = &[
    row("always_use_local", Bool, "false", "never ask a provider"),
    row(
        "timeout",
        Duration,
        "10s",
        "longest wait for a provider's count",
    ),
    old("timeout_override", Duration, "timeout"),
    row(
        "failure_threshold",
        Count(1, 1000),
        "2",
        "failures in a row before only local counts are given",
    ),
    row(
        "api_failure_cooldown",
        DurationOrZero,
        "300s",
        "for this long",
    ),
];

const AFFINITY: Table = &[
    row("enabled", Bool, "true", "whether sessions stay"),
    row(
        "ttl",
        DurationOrZero,
        "1h",
        "how long after an answer; as long as the provider keeps its prompt cache",
    ),
    row(
        "return_after",
        DurationOrZero,
        "60s",
        "how long a better provider must be well before a session goes back to it",
    ),
];

const DEDUPLICATION: Table = &[
    row(
        "enabled",
        Bool,
        "true",
        "whether identical calls are shared",
    ),
    row(
        "mode",
        Choice(&["auto", "all", "off"]),
        "auto",
        "which ones",
    ),
    row(
        "include_max_tokens_in_signature",
        Bool,
        "true",
        "whether a different `max_tokens` makes a different call",
    ),
    row("sse_error_cleanup_delay", DurationOrZero, "", "old timer").unused(UNKNOWN_THERE),
];

const CACHE: Table = &[
    row(
        "mode",
        Choice(&["deterministic", "all"]),
        "deterministic",
        "which answers are kept",
    ),
    row("ttl", DurationOrZero, "1h", "how long"),
    row("max_entries", Count(0, BIG), "1000", "how many"),
    row("max_bytes", Size, "64MiB", "how much"),
];

const OAUTH_SWITCHES: Table = &[
    row(
        "enable_persistence",
        Bool,
        "true",
        "keep tokens across restarts",
    ),
    row(
        "enable_auto_refresh",
        Bool,
        "true",
        "refresh tokens before they end; otherwise when one is needed",
    ),
    row("service_name", Text, "", "name in the key store").unused(NO_KEYRING),
    row(
        "proxy",
        Secret,
        "",
        "way out for token calls of profiles that name none",
    ),
];
