//! How endpoints fare: circuit, cooldowns, latency, and what the routing may assume from it.
//!
//! Pure state machines that are told the time; the loop that probes lives in `runtime/background`.

mod breaker;
mod endpoint;
mod latency;
mod registry;
mod retry_budget;
mod session_notes;

pub use breaker::{Admission, Breaker, BreakerPolicy, BreakerState, Counted};
pub use endpoint::{EndpointHealth, EndpointView, Permit, Refusal};
pub use latency::Ewma;
pub use registry::HealthRegistry;
pub use retry_budget::RetryBudget;
pub use session_notes::SessionNotes;
