//! Keys of routes, route rules and candidates.

use crate::config::keys::timers::STALLS;
use crate::config::keys::zed::{CANDIDATE_BILLING, MODE, SESSION_MODE};
use crate::config::keys::{BIG, row};
use crate::config::model::OnLoss;
use crate::config::table::{Field, Kind, Table};

use Kind::{Bool, Choice, Count, DurationOrZero, Headers, Many, Number, One, Text, Texts, Tokens};

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
pub(super) const ROUTE: Table = &[
    row("candidates", Many(CANDIDATE), "", "who serves it").required(),
    ON_LOSS,
    STALLS,
    HEDGE_AFTER,
];

/// One way to serve a route.
const CANDIDATE: Table = &[
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
    MODE,
    SESSION_MODE,
    CANDIDATE_BILLING,
];
