//! One provider that can be called: its configuration with its live counterparts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use http::header::{HeaderName, HeaderValue};

use crate::config::{ModelFacts, Provider, ProviderAuth, Target};
use crate::credential::{KeyIndex, KeyPool};
use crate::health::EndpointHealth;
use crate::net::PeerFactory;
use crate::routing::Pattern;
use crate::types::{Dialect, EndpointId, Secret};

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
    /// `provider.models`, compiled.
    pub facts: Vec<(Pattern, ModelFacts)>,
}

impl Endpoint {
    /// Its identity.
    pub fn id(&self) -> &EndpointId {
        &self.provider.id
    }

    /// What is declared about `model` there; the most specific pattern speaks.
    pub fn facts(&self, model: &str) -> Option<&ModelFacts> {
        let matching = self
            .facts
            .iter()
            .filter(|(pattern, _)| pattern.matches(model));
        matching
            .min_by(|(a, _), (b, _)| a.by_specificity(b))
            .map(|(_, facts)| facts)
    }

    /// Whether a request could be sent now, credentials included.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.health.check(now, "", None).is_ok() && self.keys.any_usable(now)
    }

    /// Separates pooled connections of different credentials: of the key itself, whose place in the list may be
    /// another's after a reload, or under passthrough of all that the `client` signs in with.
    pub fn connection_group(
        &self,
        key: Option<KeyIndex>,
        client: &[(HeaderName, HeaderValue)],
    ) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.provider.id.hash(&mut hasher);
        let secret = key.and_then(|key| self.keys.secret(key));
        secret.map(Secret::expose).hash(&mut hasher);
        if self.provider.auth == ProviderAuth::Passthrough {
            client.hash(&mut hasher);
        }
        hasher.finish()
    }
}
