//! Every key there is: one table per section. Read by the walk, by the schema and by the reader.

use crate::config::listeners::Surface;
use crate::config::model::OnLoss;
use crate::config::table::{Field, Kind, Table};
use crate::config::tls::ClientAuth;
use crate::types::quirks::{COLUMNS, Shape, ThinkingStyle};
use crate::types::vendor::VENDORS;

use Kind::{
    Any, Bool, Choice, ChoiceOr, Choices, Codes, Count, Duration, DurationOrZero, Headers, Many,
    Named, NamedShort, Number, One, Secret, Secrets, Size, Text, Texts, Tokens,
};

const fn row(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Field {
    Field::new(key, kind, default, doc)
}

const fn old(key: &'static str, kind: Kind, new: &'static str) -> Field {
    Field::old(key, kind, new)
}

const BIG: u64 = u32::MAX as u64;
const LATER: &str = "the provider type zed comes later";
const ALWAYS_PASSED_ON: &str = "streams are always passed on as they come";
const NO_POOL_WAIT: &str = "there is no queue for connections here";
const NO_WRITE_LIMIT: &str = "sending is bounded by `request_deadline`";
const NO_SHARED_WAIT: &str = "a request that shares a call waits as long as it would for its own";
const UNKNOWN_THERE: &str = "nothing in the old system read it either";

/// Provider types, active and later ones.
pub(super) const TYPES: &[&str] = &[
    "anthropic",
    "openai",
    "openai-responses",
    "gemini",
    "vertex",
    "zed",
];
/// Ways to sign in.
pub(super) const AUTH_TYPES: &[&str] = &[
    "api_key",
    "auth_token",
    "service_account",
    "oauth",
    "passthrough",
    "none",
];
/// Strategies; `sticky` is an old word for what affinity does.
pub(super) const STRATEGIES: &[&str] = &[
    "priority",
    "round_robin",
    "random",
    "weighted",
    "least_busy",
    "fastest",
    "cheapest",
    "sticky",
];
/// Strategies over several keys.
pub(super) const KEY_STRATEGIES: &[&str] = &["round_robin", "random", "failover"];
/// Log levels in everybody's words.
pub(super) const LOG_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL"];
/// How lines are written.
const FORMATS: &[&str] = &["text", "json"];
/// HTTP versions.
pub(super) const HTTP2: &[&str] = &["auto", "on", "off"];
/// Capabilities of a model.
pub(super) const CAPS: &[&str] = &["tools", "images", "thinking"];

/// Vendors by name.
pub(super) const VENDOR_NAMES: &[&str] = &{
    let mut names = [""; VENDORS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = VENDORS[i].name;
        i += 1;
    }
    names
};

/// The whole file.
pub(super) const TOP: Table = &[
    row(
        "providers",
        Many(PROVIDER),
        "",
        "the services that answer, in order of preference",
    ),
    row(
        "model_routes",
        NamedShort("candidates", ROUTE),
        "",
        "which providers serve which model names; `*` matches anything",
    ),
    row(
        "route_rules",
        Many(RULE),
        "",
        "routes for some requests only, in order; the first that fits stands in for model_routes",
    ),
    row("settings", One(SETTINGS), "", "how it behaves"),
    row(
        "listeners",
        Many(LISTENER),
        "",
        "where it listens, with or without TLS; `settings.host` and `port`, where written, come first",
    ),
    row("auth", One(AUTH), "", "who may call"),
    row(
        "keys",
        Many(KEY),
        "",
        "named gateway keys: whose they are and what they may use; `pointsman keys create` makes them",
    ),
    row(
        "ledger",
        One(LEDGER),
        "",
        "where usage is written down, one row a request; absent: only where a key has a budget",
    ),
    row(
        "admin",
        One(ADMIN),
        "",
        "who may look and steer: /providers, /admin, /metrics",
    ),
    row(
        "routing",
        Any,
        "",
        "choice between token and session billing",
    )
    .not_yet(LATER),
    row("zed_config", Any, "", "Zed sessions").not_yet(LATER),
    row(
        "oauth",
        One(OAUTH),
        "",
        "authorization servers to sign in at, and where tokens are kept; see docs/oauth.md",
    ),
];

/// One provider.
pub(super) const PROVIDER: Table = &[
    row(
        "name",
        Text,
        "",
        "how routes, logs and people call it; unique, or unique with `account_email`",
    )
    .required(),
    row(
        "type",
        Choice(TYPES),
        "anthropic",
        "the wire protocol it speaks; with `vendor`, that vendor's own when absent",
    ),
    row(
        "vendor",
        Choice(VENDOR_NAMES),
        "",
        "whose service it is, when the address does not tell; brings an address and quirks along",
    ),
    row(
        "base_url",
        Text,
        "",
        "its address; the path of the call is appended",
    ),
    row(
        "endpoint_url",
        Text,
        "",
        "the whole URL of the call where the address rule does not fit",
    ),
    row(
        "project",
        Text,
        "",
        "vertex: the Google Cloud project; absent: the service account's own",
    ),
    row(
        "location",
        Text,
        "",
        "vertex: where the models run: us-east5, europe-west1, us, eu, global",
    ),
    row(
        "service_account",
        Secret,
        "",
        "vertex: the service account's key file as text, ${file:…} for example",
    ),
    row(
        "credentials_file",
        Secret,
        "",
        "vertex: path of that file, instead of `service_account`",
    ),
    row(
        "auth_type",
        Choice(AUTH_TYPES),
        "api_key",
        "how we sign in there",
    ),
    row(
        "auth_value",
        Secret,
        "",
        "the key; `passthrough` sends the client's own",
    ),
    row(
        "api_keys",
        Secrets,
        "",
        "several keys instead of `auth_value`",
    ),
    row(
        "key_strategy",
        Choice(KEY_STRATEGIES),
        "round_robin",
        "which of several keys is taken",
    ),
    row(
        "enabled",
        Bool,
        "true",
        "false keeps it in the file without using it",
    ),
    row(
        "account_email",
        Text,
        "",
        "tells accounts apart that share a name",
    ),
    row(
        "oauth",
        Text,
        "",
        "with `auth_type: oauth`: the profile to sign in with; absent: the only one there is",
    ),
    row(
        "proxy",
        Secret,
        "",
        "way out: http://, https:// or socks5://, with user:password if needed",
    ),
    row("headers", Headers, "", "headers added to every request"),
    row(
        "timeouts",
        One(TIMERS),
        "",
        "limits of time for this provider only",
    ),
    row("http2", Choice(HTTP2), "auto", "HTTP version towards it"),
    row("max_in_flight", Count(1, BIG), "", "requests at once"),
    row("rpm", Count(1, BIG), "", "requests a minute with each key"),
    row(
        "tpm",
        Count(1, BIG),
        "",
        "tokens a minute with each key, as far as answers tell them",
    ),
    row("probe", One(PROBE), "", "active health check"),
    row(
        "quirks",
        One(QUIRKS),
        "",
        "where an OpenAI-compatible service differs, for all its models",
    ),
    row(
        "models",
        Named(MODEL),
        "",
        "facts about its models, by pattern",
    ),
    row(
        "stream_only",
        Bool,
        "false",
        "it answers every call with a stream",
    ),
    row(
        "big_model",
        Text,
        "",
        "model for all names that are not small ones; `passthrough` keeps the name",
    ),
    row(
        "small_model",
        Text,
        "",
        "model for names with haiku, -mini or flash",
    ),
    row(
        "streaming_mode",
        Choice(&["auto", "direct", "background"]),
        "auto",
        "old switch",
    )
    .unused(ALWAYS_PASSED_ON),
    row("description", Text, "", "for people").unused("it is only for people"),
    row("zed_config", Any, "", "Zed sessions").not_yet(LATER),
    row("billing_model", Text, "", "token or session billing").not_yet(LATER),
    row("session_config", Any, "", "limits of a Zed session").not_yet(LATER),
];

const ON_LOSS: Field = row(
    "on_loss",
    Choice(OnLoss::WORDS),
    "",
    "whether a translation that loses something goes out (warn) or not (refuse); absent: as `settings` say",
);

const HEDGE_AFTER: Field = row(
    "hedge_after",
    DurationOrZero,
    "",
    "silence of an attempt before a second one begins beside it; 0 never; absent: as `settings` say",
);

/// A route for some requests only.
pub(super) const RULE: Table = &[
    row(
        "models",
        Texts,
        "\"*\"",
        "patterns of the models it is about",
    ),
    row("when", One(WHEN), "", "what must hold of a request").required(),
    row(
        "candidates",
        Many(CANDIDATE),
        "",
        "who serves it, as in model_routes",
    )
    .required(),
    ON_LOSS,
    STALLS,
    HEDGE_AFTER,
];

/// What must hold of a request; all that is given.
const WHEN: Table = &[
    row("agent", Bool, "", "whether a sub-agent of Claude Code asks"),
    row(
        "tokens_over",
        Tokens,
        "",
        "the prompt is estimated to be longer",
    ),
    row(
        "tokens_under",
        Tokens,
        "",
        "the prompt is estimated to be shorter",
    ),
    row("images", Bool, "", "whether there are pictures in it"),
    row("thinking", Bool, "", "whether thinking is asked for"),
    row(
        "header",
        Headers,
        "",
        "headers and the whole value each must have",
    ),
];

/// A route; its candidates alone are short for it.
const ROUTE: Table = &[
    row("candidates", Many(CANDIDATE), "", "who serves it").required(),
    ON_LOSS,
    STALLS,
    HEDGE_AFTER,
];

/// One way to serve a route.
pub(super) const CANDIDATE: Table = &[
    row("provider", Text, "", "name of a provider").required(),
    row(
        "model",
        Text,
        "passthrough",
        "model to ask it for; `passthrough` keeps the client's",
    ),
    row("priority", Count(0, BIG), "1", "smaller is tried first"),
    row(
        "weight",
        Number,
        "1",
        "share among equals under the strategy weighted",
    ),
    row(
        "enabled",
        Bool,
        "true",
        "false keeps it in the file without using it",
    ),
    row(
        "account_email",
        Text,
        "",
        "which account, where several share the provider's name",
    ),
    row("mode", Text, "", "Zed mode").not_yet(LATER),
    row("session_mode", Text, "", "Zed mode").not_yet(LATER),
    row(
        "preferred_billing_model",
        Text,
        "",
        "token or session billing",
    )
    .not_yet(LATER),
];

const CONNECT: Field = row("connect", Duration, "2s", "TCP connection");
const CONNECT_TOTAL: Field = row("connect_total", Duration, "5s", "TCP and TLS together");
const FIRST_BYTE: Field = row("first_byte", Duration, "60s", "head of a streamed answer");
const FIRST_BYTE_WHOLE: Field = row(
    "first_byte_whole",
    Duration,
    "600s",
    "an answer that is not streamed",
);
const FIRST_CONTENT: Field = row(
    "first_content",
    Duration,
    "180s",
    "first content of a streamed answer",
);
const IDLE: Field = row(
    "idle",
    Duration,
    "90s",
    "silence between two pieces of an answer",
);

/// Timers of a route: connecting is a matter of the provider alone.
const STALLS: Field = row(
    "timeouts",
    One(&[FIRST_BYTE, FIRST_BYTE_WHOLE, FIRST_CONTENT, IDLE]),
    "",
    "patience with whoever serves it; what is absent is the provider's",
);

/// Timers of an attempt.
pub(super) const TIMERS: Table = &[
    CONNECT,
    CONNECT_TOTAL,
    FIRST_BYTE,
    FIRST_BYTE_WHOLE,
    FIRST_CONTENT,
    IDLE,
];

/// `settings.timeouts`: the timers, and the old system's two groups.
pub(super) const TIMEOUTS: Table = &[
    CONNECT,
    CONNECT_TOTAL,
    FIRST_BYTE,
    FIRST_BYTE_WHOLE,
    FIRST_CONTENT,
    IDLE,
    row(
        "streaming",
        One(STREAMING),
        "",
        "old group: calls that stream",
    ),
    row(
        "non_streaming",
        One(NON_STREAMING),
        "",
        "old group: calls that do not stream",
    ),
    row("caching", One(CACHING), "", "old group"),
    row("health_check", Any, "", "old group").unused(UNKNOWN_THERE),
    row("client_disconnect_watchdog", Any, "", "old group")
        .unused("a client that leaves is noticed at once"),
];

const STREAMING: Table = &[
    row("connect", Duration, "", "TCP connection"),
    old("connect_timeout", Duration, "connect"),
    row(
        "read",
        Duration,
        "",
        "silence, before and inside the answer",
    ),
    old("read_timeout", Duration, "read"),
    row("first_chunk_timeout", Duration, "", "first content"),
    row("chunk_timeout", Duration, "", "silence inside the answer"),
    row("write", Duration, "", "sending").unused(NO_WRITE_LIMIT),
    row("write_timeout", Duration, "", "sending").unused(NO_WRITE_LIMIT),
    row("pool", Duration, "", "waiting for a connection").unused(NO_POOL_WAIT),
    row("pool_timeout", Duration, "", "waiting for a connection").unused(NO_POOL_WAIT),
    row("processing_timeout", Duration, "", "whole stream")
        .unused("a stream that goes on is never cut"),
];

const NON_STREAMING: Table = &[
    row("connect", Duration, "", "TCP connection"),
    old("connect_timeout", Duration, "connect"),
    row("read", Duration, "", "the whole answer"),
    old("read_timeout", Duration, "read"),
    row("write", Duration, "", "sending").unused(NO_WRITE_LIMIT),
    row("write_timeout", Duration, "", "sending").unused(NO_WRITE_LIMIT),
    row("pool", Duration, "", "waiting for a connection").unused(NO_POOL_WAIT),
    row("pool_timeout", Duration, "", "waiting for a connection").unused(NO_POOL_WAIT),
];

const CACHING: Table = &[
    row(
        "deduplication_timeout",
        DurationOrZero,
        "",
        "wait for an identical call",
    )
    .unused(NO_SHARED_WAIT),
    row("cache_operation_timeout", DurationOrZero, "", "old timer").unused(UNKNOWN_THERE),
];

const PROBE: Table = &[
    row("interval", Duration, "30s", "time between two checks"),
    row(
        "path",
        Text,
        "",
        "GET this path; any status below 500 is alive",
    ),
    row(
        "model",
        Text,
        "",
        "ask this model for one token instead; costs money",
    ),
];

const MODEL: Table = &[
    row("context", Count(1, BIG), "", "context window in tokens"),
    row("ctx", Count(1, BIG), "", "short for `context`"),
    row(
        "max_output",
        Count(1, BIG),
        "",
        "largest `max_tokens` it accepts",
    ),
    row(
        "caps",
        Choices(CAPS),
        "",
        "what it can do; whatever is not named it cannot",
    ),
    row("tools", Bool, "", "takes tools"),
    row("images", Bool, "", "takes pictures"),
    row("documents", Bool, "", "takes documents (PDF)"),
    row("thinking", Bool, "", "can think"),
    row(
        "thinking_style",
        Choice(ThinkingStyle::WORDS),
        "",
        "how it thinks, where its vendor's own dialect is spoken",
    ),
    row(
        "structured_output",
        Bool,
        "",
        "keeps to a JSON Schema that the request gives",
    ),
    row(
        "prefill",
        Bool,
        "",
        "continues an answer that the client has begun",
    ),
    row(
        "price",
        One(PRICE),
        "",
        "dollars per million tokens, for budgets, reports and the strategy cheapest; absent: the list price where known",
    ),
    row(
        "quirks",
        One(QUIRKS),
        "",
        "where an OpenAI-compatible service differs, for this model",
    ),
];

const PRICE: Table = &[
    row("input", Number, "0", "dollars per million input tokens"),
    row("output", Number, "0", "dollars per million output tokens"),
    row(
        "cache_read",
        Number,
        "",
        "dollars per million tokens read from the provider's cache; absent: the usual part of `input`",
    ),
    row(
        "cache_write",
        Number,
        "",
        "dollars per million tokens written to it; absent: the usual multiple of `input`",
    ),
];

/// One row for each column of what may be said about an OpenAI-compatible service.
const QUIRKS: Table = &{
    let mut rows = [row("", Bool, "", ""); COLUMNS.len()];
    let mut i = 0;
    while i < rows.len() {
        let (key, shape, doc) = COLUMNS[i];
        let kind = match shape {
            Shape::Switch => Bool,
            Shape::Word(words) => Choice(words),
            Shape::Words(words) => Choices(words),
        };
        rows[i] = row(key, kind, "", doc);
        i += 1;
    }
    rows
};

/// One address to listen on.
const LISTENER: Table = &[
    row(
        "address",
        Text,
        "",
        "host:port, or unix:/path for a Unix socket",
    )
    .required(),
    row(
        "surface",
        Choice(Surface::WORDS),
        "",
        "what is served there; absent: all, or traffic where another listener is for admin",
    ),
    row(
        "http2",
        Bool,
        "true",
        "whether HTTP/2 is spoken besides HTTP/1.1",
    ),
    row(
        "mode",
        Text,
        "\"0660\"",
        "permissions of a Unix socket's file",
    ),
    row("tls", One(TLS), "", "makes it https"),
];

/// What makes a listener an encrypted one.
const TLS: Table = &[
    row(
        "certificates",
        Many(CERTIFICATE),
        "",
        "the server name that a client asks for picks one; the first is for all others",
    )
    .required(),
    row(
        "client_ca",
        Text,
        "",
        "file with the authorities whose certificates clients may show",
    ),
    row(
        "client_auth",
        Choice(ClientAuth::WORDS),
        "",
        "whether clients must show one; absent: required where there is a client_ca",
    ),
];

/// A certificate.
const CERTIFICATE: Table = &[
    row(
        "cert",
        Text,
        "",
        "file with the certificate and those between it and the authority, PEM",
    )
    .required(),
    row("key", Text, "", "file with its private key, PEM").required(),
];

const AUTH: Table = &[
    row("enabled", Bool, "true", "false: callers need no key"),
    row(
        "api_key",
        Secret,
        "",
        "the key callers must show, in x-api-key or Authorization",
    ),
    row(
        "api_keys",
        Secrets,
        "",
        "several such keys; any one suffices",
    ),
    row("exempt_paths", Texts, "", "paths that need no key, exact"),
    row(
        "i_know",
        Bool,
        "false",
        "with `enabled: false`: listen beyond loopback without a key",
    ),
];

/// A named key.
const KEY: Table = &[
    row(
        "name",
        Text,
        "",
        "what it is called; its budget and its rows in the ledger hang on it",
    )
    .required(),
    row(
        "sha256",
        Secret,
        "",
        "SHA-256 of the key, 64 hexadecimal digits; the key itself is kept nowhere",
    )
    .required(),
    row("team", Text, "", "whose it is, for reports"),
    row(
        "models",
        Texts,
        "",
        "patterns of the models it may ask for; absent: all",
    ),
    row(
        "routes",
        Texts,
        "",
        "patterns of model_routes, as written there, or route_rules[0], that it may take; absent: all",
    ),
    row(
        "providers",
        Texts,
        "",
        "names of the providers that may be asked for it; absent: all",
    ),
    row("rpm", Count(1, BIG), "", "requests a minute"),
    row(
        "tpm",
        Tokens,
        "",
        "tokens a minute, without those that the provider's cache had",
    ),
    row("max_concurrent", Count(1, BIG), "", "requests at once"),
    row("daily_usd", Number, "", "dollars a day, in UTC"),
    row("monthly_usd", Number, "", "dollars a month, in UTC"),
    row(
        "expires",
        Text,
        "",
        "the last day it is good, as 2027-01-31, or a moment, as 2027-01-31T12:00:00Z",
    ),
    row(
        "revoked",
        Bool,
        "false",
        "true: it is no good any more, and its holder is told so",
    ),
];

const LEDGER: Table = &[
    row("enabled", Bool, "true", "false: nothing is written down"),
    row("path", Text, "data/ledger.sqlite", "the file"),
    row(
        "retention_days",
        Count(1, 36_500),
        "100",
        "how long rows are kept",
    ),
];

const ADMIN: Table = &[
    row(
        "key",
        Secret,
        "",
        "the admin key; POINTSMAN_ADMIN_KEY overrides it",
    ),
    row("listen", Text, "", "a listener of its own, host:port"),
    row(
        "requests",
        Count(0, 10_000),
        "200",
        "how many of the last requests GET /admin/requests tells about",
    ),
];

const NO_KEYRING: &str = "tokens are kept in an encrypted file: `oauth.store` at the top";
const NO_RELOAD: &str = "there is no code to reload; send SIGHUP to reload the configuration";

/// `settings`.
pub(super) const SETTINGS: Table = &[
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
        "a load balancer begins each connection with the PROXY protocol (1 or 2); without it none is served",
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
    row(
        "routing",
        Any,
        "",
        "choice between token and session billing",
    )
    .not_yet(LATER),
    row("zed_config", Any, "", "Zed sessions").not_yet(LATER),
    row("billing_model", Text, "", "token or session billing").not_yet(LATER),
    row("session_config", Any, "", "limits of a Zed session").not_yet(LATER),
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

const PER_ADDRESS: Table = &[
    row("requests", Count(1, BIG), "", "requests within `window`"),
    row("window", Duration, "60s", "the time of `requests`"),
    row("max_concurrent", Count(1, BIG), "", "requests at once"),
    row(
        "failed_sign_ins",
        Count(0, BIG),
        "",
        "wrong keys within `failed_window`, then 429; 0 never; absent: 30, but not for this machine",
    ),
    row(
        "failed_window",
        Duration,
        "60s",
        "the time of `failed_sign_ins`",
    ),
];

/// Web pages that may call.
const CORS: Table = &[
    row(
        "origins",
        Texts,
        "",
        "origins of the pages, exactly as browsers write them: https://app.example; \"*\" is every page there is",
    ),
    row(
        "max_age",
        Duration,
        "10m",
        "how long a browser need not ask again",
    ),
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

const ACCESS_LOG: Table = &[
    row(
        "format",
        Choice(FORMATS),
        "",
        "on the console; absent: as `log_format`",
    ),
    row(
        "sample",
        Number,
        "1",
        "share of the requests that went well whose lines are written; of the others all are",
    ),
];

const TRACING: Table = &[
    row(
        "enabled",
        Bool,
        "true",
        "false keeps it in the file without using it",
    ),
    row(
        "endpoint",
        Text,
        "",
        "the collector's address for OTLP over HTTP; absent: OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    row("headers", Headers, "", "headers added to every export"),
    row(
        "sample",
        Number,
        "1",
        "share of the requests that are traced, where their client has not decided",
    ),
    row(
        "accept",
        Bool,
        "true",
        "whether a client's `traceparent` is followed; false begins a trace of its own for each request",
    ),
    row(
        "propagate",
        Bool,
        "false",
        "whether providers get a `traceparent` of ours",
    ),
    row(
        "service_name",
        Text,
        "",
        "absent: OTEL_SERVICE_NAME, else `app_name`",
    ),
    row("timeout", Duration, "10s", "longest wait for the collector"),
];

const CAPTURE: Table = &[
    row(
        "directory",
        Text,
        "",
        "where they go; nobody else may read it",
    ),
    row("requests", Bool, "false", "what clients sent"),
    row("responses", Bool, "false", "what they got"),
    row(
        "routes",
        Texts,
        "",
        "only of these routes, by pattern; absent: all",
    ),
    row(
        "max_body_bytes",
        Size,
        "1MiB",
        "of one body; the rest is left out",
    ),
    row(
        "max_bytes",
        Size,
        "256MiB",
        "of all files together; the oldest go",
    ),
    row(
        "max_files",
        Count(1, BIG),
        "1000",
        "how many; the oldest go",
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

const OAUTH: Table = &[
    row(
        "profiles",
        Named(OAUTH_PROFILE),
        "",
        "authorization servers, by a name of yours",
    ),
    row("store", One(OAUTH_STORE), "", "where tokens are kept"),
];

const OAUTH_STORE: Table = &[
    row("path", Text, "data/oauth-tokens", "the encrypted file"),
    row(
        "key",
        Secret,
        "",
        "what it is encrypted with, 32 characters or more; absent: a key that is made beside it",
    ),
];

const OAUTH_PROFILE: Table = &[
    row(
        "authorize_url",
        Text,
        "",
        "where a person signs in and agrees",
    )
    .required(),
    row(
        "token_url",
        Text,
        "",
        "where codes and refresh tokens are exchanged",
    )
    .required(),
    row(
        "profile_url",
        Text,
        "",
        "where the server tells who has signed in",
    ),
    row("client_id", Text, "", "your client's id there").required(),
    row(
        "client_secret",
        Secret,
        "",
        "your client's secret; absent for public clients",
    ),
    row(
        "client_secret_in",
        Choice(&["header", "body"]),
        "header",
        "where the secret goes: Authorization: Basic, or the body",
    ),
    row("scopes", Texts, "", "what is asked for"),
    row(
        "redirect_uri",
        Text,
        "",
        "where the person is sent afterwards, as it is registered there",
    )
    .required(),
    row(
        "issuer",
        Text,
        "",
        "the server's name for itself (RFC 9207); with it, redirects must carry it",
    ),
    row(
        "token_request_format",
        Choice(&["form", "json"]),
        "form",
        "how token requests are written; the standard says form",
    ),
    row(
        "send_state",
        Bool,
        "false",
        "repeat the state in the request for the token, as some servers want",
    ),
    row(
        "authorize_params",
        Headers,
        "",
        "further parameters of `authorize_url`",
    ),
    row(
        "token_params",
        Headers,
        "",
        "further parameters of token requests",
    ),
    row(
        "upstream_headers",
        Headers,
        "",
        "headers for providers of this profile; anthropic-beta is added to, not replaced",
    ),
    row(
        "proxy",
        Secret,
        "",
        "way out for token calls: http:// or socks5://",
    ),
    row(
        "refresh_lead",
        Duration,
        "5m",
        "time before its end at which a token is refreshed; half its life if that is less",
    ),
];
