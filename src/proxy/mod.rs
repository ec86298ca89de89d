//! An exchange (one client request) and its attempts (one upstream try each).
//!
//! | stage | file | what may fail | what is recorded |
//! |---|---|---|---|
//! | connection | `front`, `announced`, `crowd`, `entry` | caps, no announcement, no TLS | – |
//! | head | `http1`, `request_head`, `turnstile`, `chunks` | deadline, malformed head or framing | – |
//! | call, key, address | `serve` | 404, 405, 401, 403, 429 | access line |
//! | body, request head | `receive`, `coding` | 413, 415, 408, 503, 400 | access line |
//! | limits of the key | `bill` | 403, 429 | access line, row in the ledger |
//! | an answer that is there | `share`, `follow` | what its leader meets | access line |
//! | route, order | `choose`, `billing`, `home` | 404 | skips in the trail |
//! | whose turn | `queue`, `hedge` | – | skips in the trail |
//! | token | `token` | no token: next candidate | as a failed attempt |
//! | one try | `exchange`, `prepare`, `vertex`, `zed`, `send`, `attempt` | every upstream fault | attempts in the trail |
//! | its answer | `answer`, `relay`, `timers`, `downstream` | stall, cut, client gone | time to first content |
//! | verdict | `judge` | – | circuit, keys, cooldowns |
//! | nobody left | `patience` | – | – |
//! | error | `trail`, `refuse` | – | – |
//! | end | `finish`, `traced`, `kept`, `estimate`, `bill` | – | access line, spans, bodies that are kept, losses, how far estimates were off, row in the ledger |
//!
//! `closing` is how requests hear of the end of the process. Calls that need no provider are answered in `local`, `oauth`, `page`
//! and `usage`, token counts in `count`;
//! `probe` asks endpoints without a client, `trial` for people who look for what is wrong.

mod announced;
mod answer;
mod asked;
mod attempt;
mod bill;
mod billing;
mod choose;
mod chunks;
mod closing;
mod coding;
mod cors;
mod count;
mod crowd;
mod ctx;
mod downstream;
mod entry;
mod estimate;
mod exchange;
mod finish;
mod follow;
mod front;
mod hedge;
mod home;
mod http1;
mod judge;
mod kept;
mod local;
mod losses;
mod oauth;
mod page;
mod patience;
mod prepare;
mod probe;
mod profile;
mod queue;
mod receive;
mod refuse;
mod relay;
mod request;
mod request_head;
mod send;
mod serve;
mod service;
mod share;
mod timers;
mod token;
mod traced;
mod trail;
mod trial;
mod turnstile;
mod usage;
mod vertex;
mod zed;

pub use closing::Closing;
pub use count::warm;
pub use front::Cap;
pub use probe::{Finding, probe};
pub use service::{Edge, Reload, Shared};
pub use trial::{models_in, trial};
