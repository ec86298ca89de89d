//! How we sign in at a provider: which of its keys is used, and which rest.
//!
//! - `told`: what headers of providers say about waiting and about the room that is left;
//! - `key`: one key: its rests, its pace, its room;
//! - `pool`: whose turn it is.

mod key;
mod pool;
mod told;

pub use key::{KeyUse, KeyView, Pace};
pub use pool::{KeyIndex, KeyPool};
pub use told::{Allowance, Told, wait_told};
