//! Keys of timers: of an attempt, of a route, and the old systems' groups.

use crate::config::keys::{UNKNOWN_THERE, old, row};
use crate::config::table::{Field, Kind, Table};

use Kind::{Any, Duration, DurationOrZero, One};

const NO_POOL_WAIT: &str = "there is no queue for connections here";

const NO_WRITE_LIMIT: &str = "sending is bounded by `request_deadline`";

const NO_SHARED_WAIT: &str = "a request that shares a call waits as long as it would for its own";

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
pub(super) const STALLS: Field = row(
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

pub(super) const CACHING: Table = &[
    row(
        "deduplication_timeout",
        DurationOrZero,
        "",
        "wait for an identical call",
    )
    .unused(NO_SHARED_WAIT),
    row("cache_operation_timeout", DurationOrZero, "", "old timer").unused(UNKNOWN_THERE),
];
