//! The only place that knows everything: configuration → live state → Pingora services. Wiring, no policy.

mod assemble;
mod listener;
mod reload;
mod signals;
mod trials;

pub mod background;

pub use assemble::{Prepared, prepare};
pub use background::Announce;
pub use listener::Listening;
pub use trials::{Patient, Trials, Tried};
