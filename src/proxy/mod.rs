//! An exchange (one client request) and its attempts (one upstream try each).
//!
//! | stage | file | what may fail | what is recorded |
//! |---|---|---|---|
//! | connection, head | `front` | cap, deadline, malformed head | – |
//! | call, key | `serve` | 404, 405, 401, 403 | access line |
//! | body, request head | `receive` | 413, 408, 503, 400 | access line |
//! | route, order | `choose` | 404 | skips in the trail |
//! | one try | `exchange`, `attempt`, `send` | every upstream fault | attempts in the trail |
//! | its answer | `answer`, `relay`, `downstream` | stall, cut, client gone | time to first content |
//! | verdict | `judge` | – | circuit, keys, cooldowns |
//! | error | `trail`, `refuse` | – | – |
//! | end | `finish` | – | access line, losses |
//!
//! Calls that need no provider are answered in `local`, token counts in `count`.

mod front;
mod service;
mod ctx;
mod serve;
mod receive;
mod choose;
mod exchange;
mod attempt;
mod send;
mod profile;
mod answer;
mod relay;
mod downstream;
mod judge;
mod trail;
mod refuse;
mod finish;
mod local;
mod count;

pub use front::Cap;
pub use service::{Edge, Reload, Shared, Surface};
