//! Where the conversation of an exchange is at home: led there if it may be, bound to whoever serves.
//!
//! What a home is, and when it is passed over, is decided in `health/affinity.rs`.

use std::time::Instant;

use super::billing;
use super::choose::Candidate;
use super::exchange::Exchange;
use crate::credential::KeyIndex;
use crate::health::{Conversation, Home, Place, Served, Speaker};
use crate::protocol::turns;
use crate::types::EndpointId;

/// The conversation of an exchange.
#[derive(Default)]
pub(super) struct AtHome {
    conversation: Option<Conversation>,
    home: Option<Home>,
    /// The key of the attempt under way.
    pub(super) key: Option<KeyIndex>,
}

impl AtHome {
    /// Whether it is at home anywhere.
    pub(super) fn is_somewhere(&self) -> bool {
        self.home.is_some()
    }
}

impl Exchange<'_, '_> {
    /// Where the conversation is at home on `route`.
    pub(super) fn find_home(&self, route: &str) -> AtHome {
        let settings = self.snapshot.config.settings.affinity;
        let Some(session) = self.request.conversation().filter(|_| settings.enabled) else {
            return AtHome::default();
        };
        let affinity = &self.edge.shared.affinity;
        let conversation = affinity.conversation(Speaker {
            session,
            agent: self.request.agent.as_deref(),
            route,
            model: &self.request.head.model,
        });
        AtHome {
            home: affinity.home(conversation, Instant::now()),
            conversation: Some(conversation),
            key: None,
        }
    }

    /// The home first, where it may be.
    pub(super) fn lead_home(&mut self, candidates: &mut [Candidate]) {
        let Some(home) = &self.at_home.home else {
            return;
        };
        let now = Instant::now();
        let (request, settings) = (&self.request, self.snapshot.config.settings.affinity);
        let in_tool_loop = || turns::brings_tool_result(request.dialect, &request.body.bytes);
        let place = |it: &Candidate| Place {
            priority: it.priority,
            is_home: home.is(&it.endpoint.health, it.model.as_str()),
            standing: it.endpoint.standing(now, it.model.as_str()),
        };
        // Who is paid for otherwise than is better stays behind, be it the home.
        let (preferred, others) = candidates.split_at_mut(billing::preferred(candidates));
        let return_after = settings.return_after;
        let mut leads = home.lead(preferred, place, now, return_after, in_tool_loop);
        if !leads {
            leads =
                home.lead(others, place, now, return_after, in_tool_loop) && preferred.is_empty();
        }
        if leads {
            let first = candidates.first().map(|it| it.endpoint.id());
            let first = first.map_or("?", EndpointId::as_str);
            self.trail.note(first, "at home".to_owned(), None);
        }
    }

    /// The key that served the conversation at `candidate` before.
    pub(super) fn key_of_home(&self, candidate: &Candidate) -> Option<KeyIndex> {
        let home = self.at_home.home.as_ref()?;
        if !home.is(&candidate.endpoint.health, candidate.model.as_str()) {
            return None;
        }
        candidate.endpoint.keys.with_fingerprint(home.key()?)
    }

    /// `candidate` serves: the conversation is at home there.
    pub(super) fn bind_home(&self, candidate: &Candidate) {
        let Some(conversation) = self.at_home.conversation else {
            return;
        };
        let endpoint = &candidate.endpoint;
        let served = Served {
            health: &endpoint.health,
            model: candidate.model.as_str(),
            key: self
                .at_home
                .key
                .and_then(|key| endpoint.keys.fingerprint(key)),
        };
        let ttl = self.snapshot.config.settings.affinity.ttl;
        let affinity = &self.edge.shared.affinity;
        affinity.bind(conversation, served, Instant::now(), ttl);
    }

    /// An answer of `candidate` broke off: the conversation is at home there no longer, and for a while is kept away.
    /// To be told before the client is: its repeat comes at once.
    pub(super) fn steer_away(&self, candidate: &Candidate) {
        let (shared, endpoint) = (&self.edge.shared, &candidate.endpoint);
        if let Some(conversation) = self.at_home.conversation {
            shared.affinity.forget(conversation, &endpoint.health);
        }
        if let Some(session) = self.request.conversation() {
            let now = Instant::now();
            shared.steering.remember(session, endpoint.id(), (), now);
        }
    }
}
