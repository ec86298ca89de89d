//! The way to a provider: name resolution, egress proxies, and the peer that Pingora connects to.

mod egress;
mod peer;
mod resolve;

pub use peer::{PeerError, PeerFactory};
pub use resolve::{ResolveError, Resolver};
