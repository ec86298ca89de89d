//! Keys of what is written about requests, lines, spans, bodies, and of what is shown of health.

use crate::config::keys::settings::FORMATS;
use crate::config::keys::{BIG, row};
use crate::config::table::{Kind, Table};

use Kind::{Bool, Choice, Count, Duration, Headers, Number, Size, Text, Texts};

pub(super) const HEALTH_CHECK: Table = &[
    row(
        "enabled",
        Bool,
        "true",
        "false: there is none; /livez and /readyz stay; HEALTH_CHECK_ENABLED overrides it",
    ),
    row(
        "path",
        Text,
        "/health",
        "where it is; HEALTH_CHECK_PATH overrides it",
    ),
];

pub(super) const ACCESS_LOG: Table = &[
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

pub(super) const TRACING: Table = &[
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

pub(super) const CAPTURE: Table = &[
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
