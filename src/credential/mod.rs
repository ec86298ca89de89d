//! How we sign in at a provider: which of its keys is used, and which rest; tokens that are fetched, and kept fresh.
//!
//! - `told`: what headers of providers say about waiting and about the room that is left;
//! - `key`: one key: its rests, its pace, its room;
//! - `pool`: whose turn it is;
//! - `minted`, `service_account`: tokens that are fetched.

mod key;
mod minted;
mod pool;
mod service_account;
mod told;

pub use key::{KeyUse, KeyView, Pace};
pub use minted::{Bearer, Mint, MintError, Minted, TokenSource, TokenView};
pub use pool::{KeyIndex, KeyPool};
pub use service_account::{Answer, PostForm, ServiceAccountMint};
pub use told::{Allowance, Told, wait_told};
