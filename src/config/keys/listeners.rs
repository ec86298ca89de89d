//! Keys of listeners and their certificates.

use crate::config::keys::row;
use crate::config::listeners::Surface;
use crate::config::table::{Kind, Table};
use crate::config::tls::ClientAuth;

use Kind::{Bool, Choice, Many, One, Text};

/// One address to listen on.
pub(super) const LISTENER: Table = &[
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
    row(
        "proxy_protocol",
        Bool,
        "false",
        "a load balancer begins each connection with the PROXY protocol (1 or 2), before TLS; without it none is served",
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
