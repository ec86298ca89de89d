//! Who may call, and who may administer: pure decisions over the headers of a request.
//!
//! A key is compared by its SHA-256 digest in constant time with every configured one, so that neither the time nor
//! the answer tells how near a guess was. Nothing here logs, and nothing keeps what a client sent.

mod admin;
mod extract;
mod key;

pub use admin::{AdminGate, AdminRefusal};
pub use key::{Access, GatewayKeys, Verdict};
