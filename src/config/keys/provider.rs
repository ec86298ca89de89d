//! Keys of a provider and of its models.

use crate::config::keys::timers::TIMERS;
use crate::config::keys::zed::{BILLING_MODEL, SESSION_CONFIG, ZED_CONFIG};
use crate::config::keys::{BIG, KEY_STRATEGIES, row};
use crate::config::table::{Kind, Table};
use crate::types::quirks::{COLUMNS, Shape, ThinkingStyle};
use crate::types::vendor::VENDORS;

use Kind::{
    Bool, Choice, Choices, Count, Duration, Headers, Named, Number, One, Secret, Secrets, Text,
    Texts,
};

pub(super) const ALWAYS_PASSED_ON: &str = "streams are always passed on as they come";

/// Provider types.
const TYPES: &[&str] = &[
    "anthropic",
    "openai",
    "openai-responses",
    "gemini",
    "vertex",
    "zed",
];

/// Ways to sign in.
const AUTH_TYPES: &[&str] = &[
    "api_key",
    "auth_token",
    "service_account",
    "oauth",
    "passthrough",
    "none",
];

/// HTTP versions.
const HTTP2: &[&str] = &["auto", "on", "off"];

/// Capabilities of a model.
const CAPS: &[&str] = &["tools", "images", "thinking"];

/// Vendors by name.
const VENDOR_NAMES: &[&str] = &{
    let mut names = [""; VENDORS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = VENDORS[i].name;
        i += 1;
    }
    names
};

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
        "way out: http://, https:// or socks5://, with user:password if needed; none; absent: HTTPS_PROXY and so on",
    ),
    row(
        "ca",
        Texts,
        "",
        "file or files with authorities to believe besides those of the system, as PEM",
    ),
    row(
        "ca_only",
        Bool,
        "false",
        "believe those of `ca` and nobody else",
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
    ZED_CONFIG,
    BILLING_MODEL,
    SESSION_CONFIG,
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
