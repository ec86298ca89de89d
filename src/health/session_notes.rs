//! What is remembered of a session at an endpoint for a while. Two things are:
//!
//! - where its last answer broke off. A client repeats a broken stream by itself, within milliseconds; the endpoint that
//!   just broke would serve it again, because one error opens no circuit;
//! - that an endpoint refused the thinking of its earlier turns, so that the next request leaves it out at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::types::EndpointId;

/// Sessions remembered; the oldest gives way.
const MAX_SESSIONS: usize = 4096;

/// Notes about sessions, at most one each. Shared by all requests.
#[derive(Debug)]
pub struct SessionNotes<T> {
    lasting: Duration,
    notes: Mutex<HashMap<String, Note<T>>>,
}

#[derive(Clone, Debug)]
struct Note<T> {
    endpoint: EndpointId,
    what: T,
    until: Instant,
}

impl<T: Clone> SessionNotes<T> {
    /// No notes yet; each will last that long.
    pub fn lasting(lasting: Duration) -> Self {
        SessionNotes {
            lasting,
            notes: Mutex::default(),
        }
    }

    /// Remembers `what` of `session` at `endpoint`, in place of what was remembered of it.
    pub fn remember(&self, session: &str, endpoint: &EndpointId, what: T, now: Instant) {
        let mut notes = self.notes.lock();
        if MAX_SESSIONS <= notes.len() {
            notes.retain(|_, note| now < note.until);
        }
        if MAX_SESSIONS <= notes.len() {
            let oldest = notes.iter().min_by_key(|(_, note)| note.until);
            if let Some(oldest) = oldest.map(|(session, _)| session.clone()) {
                notes.remove(&oldest);
            }
        }
        let note = Note {
            endpoint: endpoint.clone(),
            what,
            until: now + self.lasting,
        };
        notes.insert(session.to_owned(), note);
    }

    /// The endpoint of the note about `session`.
    pub fn endpoint(&self, session: &str, now: Instant) -> Option<EndpointId> {
        let notes = self.notes.lock();
        let note = notes.get(session).filter(|note| now < note.until)?;
        Some(note.endpoint.clone())
    }

    /// What is remembered of `session` at `endpoint`.
    pub fn at(&self, session: &str, endpoint: &EndpointId, now: Instant) -> Option<T> {
        let notes = self.notes.lock();
        let note = notes.get(session).filter(|note| now < note.until)?;
        (note.endpoint == *endpoint).then(|| note.what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_note_lasts_its_time() {
        let (notes, now) = (SessionNotes::lasting(MINUTE), Instant::now());
        let (id, other) = (EndpointId::new("a", None), EndpointId::new("b", None));
        notes.remember("s", &id, 7, now);
        assert_eq!(notes.endpoint("s", now), Some(id.clone()));
        assert_eq!(notes.at("s", &id, now), Some(7));
        assert_eq!(notes.at("s", &other, now), None);
        assert_eq!(notes.endpoint("other", now), None);
        assert_eq!(notes.endpoint("s", now + MINUTE), None);
        assert_eq!(notes.at("s", &id, now + MINUTE), None);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let (notes, now) = (SessionNotes::lasting(MINUTE), Instant::now());
        let id = EndpointId::new("a", None);
        for i in 0..MAX_SESSIONS + 10 {
            let at = now + Duration::from_millis(i as u64);
            notes.remember(&i.to_string(), &id, (), at);
        }
        assert_eq!(notes.notes.lock().len(), MAX_SESSIONS);
        assert_eq!(notes.endpoint("0", now), None, "the oldest gave way");
        let newest = (MAX_SESSIONS + 9).to_string();
        assert!(notes.endpoint(&newest, now).is_some());
    }
}
