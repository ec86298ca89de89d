//! Keys of logins by OAuth.

use crate::config::keys::row;
use crate::config::table::{Kind, Table};

use Kind::{Bool, Choice, Duration, Headers, Named, One, Secret, Text, Texts};

pub(super) const OAUTH: Table = &[
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
        "way out for token calls, as that of a provider",
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
    row(
        "refresh_lead",
        Duration,
        "5m",
        "time before its end at which a token is refreshed; half its life if that is less",
    ),
];
