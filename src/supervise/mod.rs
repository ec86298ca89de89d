//! The supervisor: a small process that owns the listening sockets for ever, and workers that serve them one after
//! another. `pointsman run --supervise` is its main process; a worker is the program itself, started by it.
//!
//! | reading order | file |
//! |---|---|
//! | what happens when: starting, serving, upgrading, draining | `machine` (pure) |
//! | who carries it out | `supervisor`, over `workers`, `sockets`, `check` |
//! | what supervisor and worker say to each other | `message`, over `channel` |
//! | the worker's end of it | `post` |
//! | who may ask for an upgrade, and where | `control`, `runtime_dir` |
//! | what the service manager hears | `notify` |
//!
//! An upgrade in the order that loses nothing. A new worker of the binary on disk, with the configuration on disk, asks
//! for its sockets, builds everything, and answers a request on a socket that nobody else knows. Only then it may open
//! its doors, and once it has answered through those, the old worker is told to drain. Whatever goes wrong before that
//! point ends the new worker and nothing else. The supervisor reads no configuration after its start: it is older than
//! its workers, and would not understand theirs.

mod channel;
mod check;
mod control;
mod machine;
mod message;
mod notify;
mod post;
mod runtime_dir;
mod sockets;
mod supervisor;
mod unix;
mod workers;

pub use control::{Answer, ask_for_upgrade};
pub use post::{Opening, Post};
pub use runtime_dir::{RuntimeDir, candidates};
pub use sockets::bind;
pub use supervisor::{Plan, run};
pub use unix::{SocketFile, bind_unix};
