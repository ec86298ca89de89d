//! Endpoints whose own counts fail are left alone for a while, for counts only: they say nothing about the calls that
//! matter.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config::TokenCounting;
use crate::types::EndpointId;

/// Failures in a row of each endpoint's counts, and until when it is left alone.
#[derive(Debug, Default)]
pub struct Rests(Mutex<HashMap<EndpointId, Rest>>);

#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Rests {
    /// Whether that endpoint's own count is worth asking for now.
    pub fn may_ask(&self, endpoint: &EndpointId, now: Instant) -> bool {
        let rests = self.0.lock();
        let until = rests.get(endpoint).and_then(|rest| rest.until);
        until.is_none_or(|until| until <= now)
    }

    /// A count was given.
    pub fn succeeded(&self, endpoint: &EndpointId) {
        self.0.lock().remove(endpoint);
    }

    /// None was. Returns for how long the endpoint is left alone now, if it is. `is_known` tells the endpoints that
    /// there are from those of earlier configurations.
    pub fn failed(
        &self,
        endpoint: &EndpointId,
        settings: &TokenCounting,
        now: Instant,
        is_known: impl Fn(&EndpointId) -> bool,
    ) -> Option<Duration> {
        let mut rests = self.0.lock();
        rests.retain(|id, _| is_known(id));
        let rest = rests.entry(endpoint.clone()).or_default();
        rest.failures = rest.failures.saturating_add(1);
        if rest.failures < settings.failure_threshold {
            return None;
        }
        *rest = Rest {
            failures: 0,
            until: Some(now + settings.api_failure_cooldown),
        };
        Some(settings.api_failure_cooldown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: TokenCounting = TokenCounting {
        always_use_local: false,
        timeout: Duration::from_secs(10),
        failure_threshold: 2,
        api_failure_cooldown: Duration::from_secs(300),
    };

    #[test]
    fn an_endpoint_rests_after_failures_in_a_row_and_no_other_does() {
        let (rests, now) = (Rests::default(), Instant::now());
        let (a, b) = (EndpointId::new("a", None), EndpointId::new("b", None));
        let fail = |id| rests.failed(id, &SETTINGS, now, |_| true);
        assert_eq!(fail(&a), None);
        rests.succeeded(&a);
        assert_eq!(fail(&a), None);
        assert_eq!(fail(&a), Some(Duration::from_secs(300)));
        assert!(!rests.may_ask(&a, now) && rests.may_ask(&b, now));
        assert!(rests.may_ask(&a, now + Duration::from_secs(300)));
    }

    #[test]
    fn endpoints_that_are_gone_are_forgotten() {
        let (rests, now) = (Rests::default(), Instant::now());
        let (a, b) = (EndpointId::new("a", None), EndpointId::new("b", None));
        rests.failed(&a, &SETTINGS, now, |_| true);
        rests.failed(&b, &SETTINGS, now, |id| *id == b);
        assert_eq!(rests.0.lock().len(), 1);
    }
}
