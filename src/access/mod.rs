//! Who may call, and how much; and who may administer. Decisions over the headers of a request and over counts, with the
//! time as an argument.
//!
//! A key is compared by its SHA-256 digest in constant time with every configured one, so that neither the time nor
//! the answer tells how near a guess was. Nothing here logs, and nothing keeps what a client sent.

mod address;
mod admin;
mod extract;
mod holder;
mod key;
pub mod limits;
mod mint;

pub use address::client_address;
pub use admin::{AdminGate, AdminRefusal, admit_page, shows_credential};
pub use holder::Holder;
pub use key::{Access, GatewayKeys, Verdict};
pub use mint::NewKey;
