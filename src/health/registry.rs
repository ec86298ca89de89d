//! All endpoints' health by identity, so that a reload finds what it knew.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::breaker::BreakerPolicy;
use super::endpoint::EndpointHealth;
use crate::types::EndpointId;

/// Outlives configurations.
#[derive(Debug, Default)]
pub struct HealthRegistry {
    known: Mutex<HashMap<EndpointId, (String, Arc<EndpointHealth>)>>,
}

impl HealthRegistry {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The health of `id`: what was known before, as long as it still stands for the same `base_url`.
    pub fn endpoint(
        &self,
        id: &EndpointId,
        base_url: &str,
        policy: BreakerPolicy,
    ) -> Arc<EndpointHealth> {
        let mut known = self.known.lock();
        if let Some((url, health)) = known.get(id)
            && url == base_url
        {
            health.set_policy(policy);
            return Arc::clone(health);
        }
        let health = Arc::new(EndpointHealth::new(policy));
        known.insert(id.clone(), (base_url.to_owned(), Arc::clone(&health)));
        health
    }

    /// Forgets endpoints that the configuration no longer has.
    pub fn retain(&self, ids: &[EndpointId]) {
        self.known.lock().retain(|id, _| ids.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn state_survives_a_reload_but_not_a_new_address() {
        let policy = BreakerPolicy {
            threshold: 1,
            window: Duration::ZERO,
            cooldown: Duration::from_secs(60),
            reset_on_success: true,
        };
        let (registry, id) = (HealthRegistry::new(), EndpointId::new("a", None));
        registry.endpoint(&id, "http://one", policy).error(
            Instant::now(),
            Instant::now(),
            None,
            "500",
        );
        assert!(
            registry
                .endpoint(&id, "http://one", policy)
                .check(Instant::now(), "m", None)
                .is_err()
        );
        assert!(
            registry
                .endpoint(&id, "http://two", policy)
                .check(Instant::now(), "m", None)
                .is_ok()
        );
    }
}
