//! Pingora background services: one loop each.

mod books;
mod drain;
mod hangup;
mod probe;
mod simulated;
mod supervised;
mod tokens;
mod traces;
mod warm;
mod watch;

pub use books::Books;
pub use drain::Drain;
pub use hangup::Hangup;
pub use probe::health_checks;
pub use simulated::Simulated;
pub use supervised::{Announce, Supervised};
pub use tokens::Tokens;
pub use traces::TraceExporter;
pub use warm::Warm;
pub use watch::Watch;
