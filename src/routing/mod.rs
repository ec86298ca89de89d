//! Where a request goes: model name → route (`table`) → candidates in the order in which they are tried
//! (`strategy`, `prefer`). Whether a candidate is healthy is not asked here: the order comes first, the skipping after it.

pub mod catalogue;
mod near;
mod pattern;
mod prefer;
mod strategy;
mod table;

pub use pattern::Pattern;
pub use prefer::prefer_asked;
pub use strategy::StrategyState;
pub use table::{Resolution, Table};
