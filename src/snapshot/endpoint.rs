//! One provider that can be called: its configuration with its live counterparts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use crate::config::{ModelFacts, Provider, Target};
use crate::credential::{KeyIndex, KeyPool};
use crate::health::EndpointHealth;
use crate::net::PeerFactory;
use crate::routing::glob_matches;
use crate::types::{Dialect, EndpointId};

/// An endpoint that requests may be sent to.
pub struct Endpoint {
    /// What the operator wrote.
    pub provider: Provider,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it is.
    pub target: Target,
    /// How it fares.
    pub health: Arc<EndpointHealth>,
    /// Its keys.
    pub keys: KeyPool,
    /// The way to it.
    pub peers: PeerFactory,
}

impl Endpoint {
    /// Its identity.
    pub fn id(&self) -> &EndpointId {
        &self.provider.id
    }

    /// What is declared about `model` there; the longest matching pattern speaks.
    pub fn facts(&self, model: &str) -> Option<&ModelFacts> {
        let matching = self.provider.models.iter().filter(|(pattern, _)| glob_matches(pattern, model));
        matching.max_by_key(|(pattern, _)| pattern.len()).map(|(_, facts)| facts)
    }

    /// Whether a request could be sent now, credentials included.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.health.check(now, "", None).is_ok() && self.keys.any_usable(now)
    }

    /// Separates pooled connections of different credentials.
    pub fn connection_group(&self, key: Option<KeyIndex>, passthrough: Option<&[u8]>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.provider.id.hash(&mut hasher);
        key.hash(&mut hasher);
        passthrough.hash(&mut hasher);
        hasher.finish()
    }
}
