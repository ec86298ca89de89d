//! How we sign in at a provider: which of its keys is used, and which rest; tokens that are fetched, and kept fresh.

mod minted;
mod pool;
mod service_account;

pub use minted::{Bearer, Mint, MintError, Minted, TokenSource, TokenView};
pub use pool::{KeyIndex, KeyPool, KeyView};
pub use service_account::{Answer, PostForm, ServiceAccountMint};
