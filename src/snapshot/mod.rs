//! What a request pins: one configuration compiled, with the live state its endpoints share with every other one.
//!
//! A reload builds a new [`Snapshot`] and swaps it in; requests finish on the one they began with. Health outlives
//! snapshots, cooldowns of keys are handed on.

mod build;
mod endpoint;
mod texts;
mod tokens;

pub use build::{Live, SnapshotError};
pub use endpoint::{Endpoint, Spoken};
pub use texts::TextRules;

use std::sync::Arc;

use crate::access::GatewayKeys;
use crate::access::limits::AddressLimits;
use crate::config::Config;
use crate::routing::{StrategyState, Table};

/// A compiled configuration. Immutable but for the counters inside.
pub struct Snapshot {
    /// What it was compiled from.
    pub config: Config,
    /// How many were in force before it in this process.
    pub generation: u64,
    /// One for each of `config.providers`, same order; `None` for those that cannot be called.
    pub endpoints: Vec<Option<Arc<Endpoint>>>,
    /// Which pattern serves a model.
    pub table: Table,
    /// Whose turn it is.
    pub strategy: StrategyState,
    /// Who may call.
    pub gateway: GatewayKeys,
    /// What each client address may do.
    pub addresses: AddressLimits,
    /// Who had signed in by OAuth when it was compiled, by profile.
    pub accounts: Vec<(String, String)>,
    /// What error texts mean to this operator.
    pub texts: TextRules,
}

impl Snapshot {
    /// The endpoint of a route's candidate, if it can be called.
    pub fn endpoint(&self, provider: usize) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(provider)?.as_ref()
    }

    /// Whether any endpoint keeps threads of conversations.
    pub fn keeps_threads(&self) -> bool {
        self.active().any(|it| it.provider.zed.is_some())
    }

    /// All endpoints that can be called.
    pub fn active(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.iter().flatten()
    }
}
