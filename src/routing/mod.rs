//! Where a request goes: model name → rule (`when`) or route (`table`) → candidates in the order in which they are tried
//! (`strategy`, `rank`, `prefer`, `classes`). Whether a candidate is healthy is not asked here: the order comes first, the skipping
//! after it.

pub mod catalogue;
mod classes;
mod near;
mod pattern;
mod prefer;
mod prices;
mod rank;
mod strategy;
mod table;
mod when;

pub use classes::{Facts, Why, decide};
pub use pattern::Pattern;
pub use prefer::prefer_asked;
pub use prices::{PRICES_AS_OF, blended, dearest, price_of};
pub use rank::{Vitals, rank};
pub use strategy::{StrategyState, Turn};
pub use table::{Resolution, Table};
pub use when::Asked;
