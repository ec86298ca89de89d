//! Which sessions had an answer break off, and where: their next requests go elsewhere for a while.
//!
//! A client repeats a broken stream by itself, within milliseconds; the endpoint that just broke would serve it
//! again, because one error opens no circuit.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::types::EndpointId;

/// How long a session is steered away.
const STEERED_FOR: Duration = Duration::from_secs(60);
/// Sessions remembered; the oldest gives way.
const MAX_SESSIONS: usize = 4096;

/// Sessions and the endpoints they avoid. Shared by all requests.
#[derive(Debug, Default)]
pub struct Steering {
    avoided: Mutex<HashMap<String, (EndpointId, Instant)>>,
}

impl Steering {
    /// Nobody is steered.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer for `session` broke off at `endpoint`.
    pub fn broke(&self, session: &str, endpoint: &EndpointId, now: Instant) {
        let mut avoided = self.avoided.lock();
        if MAX_SESSIONS <= avoided.len() {
            avoided.retain(|_, (_, until)| now < *until);
        }
        if MAX_SESSIONS <= avoided.len() {
            let oldest = avoided.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(oldest) = oldest.map(|(session, _)| session.clone()) {
                avoided.remove(&oldest);
            }
        }
        avoided.insert(session.to_owned(), (endpoint.clone(), now + STEERED_FOR));
    }

    /// The endpoint that `session` should not be sent to while there is another.
    pub fn avoids(&self, session: &str, now: Instant) -> Option<EndpointId> {
        let avoided = self.avoided.lock();
        let (endpoint, until) = avoided.get(session)?;
        (now < *until).then(|| endpoint.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_avoids_what_broke_for_a_minute() {
        let (steering, now) = (Steering::new(), Instant::now());
        let id = EndpointId::new("a", None);
        steering.broke("s", &id, now);
        assert_eq!(steering.avoids("s", now), Some(id));
        assert_eq!(steering.avoids("other", now), None);
        assert_eq!(steering.avoids("s", now + STEERED_FOR), None);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let (steering, now) = (Steering::new(), Instant::now());
        let id = EndpointId::new("a", None);
        for i in 0..MAX_SESSIONS + 10 {
            steering.broke(&i.to_string(), &id, now + Duration::from_millis(i as u64));
        }
        assert_eq!(steering.avoided.lock().len(), MAX_SESSIONS);
        assert_eq!(steering.avoids("0", now), None, "the oldest gave way");
        assert!(
            steering
                .avoids(&(MAX_SESSIONS + 9).to_string(), now)
                .is_some()
        );
    }
}
