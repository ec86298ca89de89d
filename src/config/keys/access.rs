//! Keys of who may call, look and steer, and how much.

use crate::config::keys::{BIG, row};
use crate::config::table::{Kind, Table};

use Kind::{Bool, Count, Duration, Number, Secret, Secrets, Text, Texts, Tokens};

pub(super) const AUTH: Table = &[
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
pub(super) const KEY: Table = &[
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

pub(super) const LEDGER: Table = &[
    row("enabled", Bool, "true", "false: nothing is written down"),
    row("path", Text, "data/ledger.sqlite", "the file"),
    row(
        "retention_days",
        Count(1, 36_500),
        "100",
        "how long rows are kept",
    ),
];

pub(super) const ADMIN: Table = &[
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

pub(super) const PER_ADDRESS: Table = &[
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
pub(super) const CORS: Table = &[
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
