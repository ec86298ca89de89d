//! How endpoints fare: circuit, cooldowns, latency, and what the routing may assume from it; and where sessions are at
//! home.
//!
//! Pure state machines that are told the time; the loop that probes lives in `runtime/background`.

mod affinity;
mod breaker;
mod budget;
mod endpoint;
mod latency;
mod registry;
mod session_notes;

pub use affinity::{Affinity, Conversation, Home, Place, Served, Speaker};
pub use breaker::{Admission, Breaker, BreakerPolicy, BreakerState, Counted, Ignored};
pub use budget::{Budget, BudgetView, Extra};
pub use endpoint::{EndpointHealth, EndpointView, Load, Permit, Refusal, Standing};
pub use latency::{Ewma, PeakEwma};
pub use registry::HealthRegistry;
pub use session_notes::SessionNotes;
