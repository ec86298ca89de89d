//! How we sign in at a provider: which of its keys is used, and which rest.

mod pool;

pub use pool::{KeyIndex, KeyPool, KeyView};
