//! The way to a provider: name resolution, egress proxies, whose certificates are believed, and the peer that
//! Pingora connects to; and a small client for calls of our own.

mod client;
mod egress;
mod peer;
mod resolve;
mod survey;
mod trust;

pub use client::{Answer, Call, CallError, Client};
pub use peer::{ConnectFailure, PeerError, PeerFactory};
pub use resolve::{ResolveError, Resolver};
pub use survey::{Stage, Step, Surveyor};
pub use trust::Trusts;
