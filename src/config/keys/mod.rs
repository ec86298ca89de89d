//! Every key there is: one table per section. Read by the walk, by the schema and by the reader.

mod access;
mod listeners;
mod oauth;
mod observe;
mod provider;
mod routes;
mod settings;
mod timers;
mod zed;

use crate::config::keys::access::{ADMIN, AUTH, KEY, LEDGER};
use crate::config::keys::listeners::LISTENER;
use crate::config::keys::oauth::OAUTH;
use crate::config::keys::provider::PROVIDER;
use crate::config::keys::routes::{ROUTE, RULE};
pub(super) use crate::config::keys::settings::SETTINGS;
use crate::config::keys::zed::{ROUTING, ZED_CONFIG};
use crate::config::table::{Field, Kind, Table};

use Kind::{Many, NamedShort, One};

const fn row(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Field {
    Field::new(key, kind, default, doc)
}

const fn old(key: &'static str, kind: Kind, new: &'static str) -> Field {
    Field::old(key, kind, new)
}

const BIG: u64 = u32::MAX as u64;

const UNKNOWN_THERE: &str = "nothing in the old system read it either";

/// Strategies over several keys.
pub(super) const KEY_STRATEGIES: &[&str] = &["round_robin", "random", "failover"];

/// Strategies; `sticky` is an old word for what affinity does.
const STRATEGIES: &[&str] = &[
    "priority",
    "round_robin",
    "random",
    "weighted",
    "least_busy",
    "fastest",
    "cheapest",
    "sticky",
];

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
    ROUTING,
    ZED_CONFIG,
    row(
        "oauth",
        One(OAUTH),
        "",
        "authorization servers to sign in at, and where tokens are kept; see docs/oauth.md",
    ),
];
