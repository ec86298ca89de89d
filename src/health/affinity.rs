//! Where sessions are at home: with the endpoint, model and key that served them last, because the provider's prompt
//! cache lies there and a cold one costs ten times as much.
//!
//! A home is bound at the first content of an answer, not at its end: by then the provider has read the prompt, and the
//! client's parallel requests come while the answer still runs. An answer that breaks off afterwards forgets the home
//! again. Health is never overridden: a home that could not be asked at once is passed over, and whoever serves instead
//! becomes the next one.
//!
//! Priorities are: a session that was pushed to a lower one stays there for as long as the better candidates have not
//! been well for a while, and never leaves between a tool call and its result.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::endpoint::{EndpointHealth, Standing};

/// Homes remembered; the one that served longest ago gives way. Some 150 bytes each.
const MAX_HOMES: usize = 16_384;

/// Names one conversation. Only its hash is kept: sessions are named by strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    own: u64,
    /// Where a sub-agent begins: in its session's own conversation.
    parent: Option<u64>,
}

/// What makes a conversation: each has a prompt cache of its own.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Speaker<'a> {
    /// The client's session.
    pub session: &'a str,
    /// Which of the session's sub-agents asks; `None` is the session itself.
    pub agent: Option<&'a str>,
    /// The route taken.
    pub route: &'a str,
    /// The model asked for.
    pub model: &'a str,
}

/// Where a conversation is at home.
#[derive(Clone, Debug)]
pub struct Home {
    /// Stands for the endpoint: a reload that changes its address makes another one.
    health: Weak<EndpointHealth>,
    model: String,
    key: Option<u64>,
    moved: Instant,
    until: Instant,
    /// Its place in the order of use.
    seen: u64,
}

/// All homes. Shared by all requests, and outlives configurations.
#[derive(Debug, Default)]
pub struct Affinity {
    hasher: RandomState,
    homes: Mutex<Homes>,
}

#[derive(Debug, Default)]
struct Homes {
    by_conversation: HashMap<u64, Home>,
    /// The longest unused first.
    by_use: BTreeMap<u64, u64>,
    clock: u64,
}

/// Who has just served a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The endpoint.
    pub health: &'a Arc<EndpointHealth>,
    /// The model asked for there.
    pub model: &'a str,
    /// What tells its key apart.
    pub key: Option<u64>,
}

/// A candidate as affinity sees it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Smaller is better.
    pub priority: u32,
    /// Whether this is the home; see [`Home::is`].
    pub is_home: bool,
    /// Whether it could be asked at once.
    pub standing: Standing,
}

impl Affinity {
    /// Nobody is at home anywhere.
    pub fn new() -> Self {
        Affinity::default()
    }

    /// The conversation of `speaker`.
    pub fn conversation(&self, speaker: Speaker<'_>) -> Conversation {
        let session = Speaker {
            agent: None,
            ..speaker
        };
        Conversation {
            own: self.hasher.hash_one(speaker),
            parent: speaker.agent.map(|_| self.hasher.hash_one(session)),
        }
    }

    /// Where `conversation` is at home; a sub-agent that is nowhere yet begins where its session is.
    pub fn home(&self, conversation: Conversation, now: Instant) -> Option<Home> {
        let homes = self.homes.lock();
        let known = |id: &u64| {
            let home = homes.by_conversation.get(id);
            home.filter(|home| now < home.until && 0 < home.health.strong_count())
        };
        let found = known(&conversation.own).or_else(|| known(conversation.parent.as_ref()?));
        found.cloned()
    }

    /// `conversation` was served: that is its home for `ttl`, counted anew each time.
    pub fn bind(
        &self,
        conversation: Conversation,
        served: Served<'_>,
        now: Instant,
        ttl: Duration,
    ) {
        let mut homes = self.homes.lock();
        let before = homes.remove(conversation.own);
        let moved = before
            .filter(|home| now < home.until && home.is(served.health, served.model))
            .map_or(now, |home| home.moved);
        let home = Home {
            health: Arc::downgrade(served.health),
            model: served.model.to_owned(),
            key: served.key,
            moved,
            until: now + ttl,
            seen: 0,
        };
        homes.insert(conversation.own, home);
    }

    /// `conversation` is at home with that endpoint no longer.
    pub fn forget(&self, conversation: Conversation, health: &Arc<EndpointHealth>) {
        let mut homes = self.homes.lock();
        let there = homes.by_conversation.get(&conversation.own);
        if there.is_some_and(|home| home.is_with(health)) {
            homes.remove(conversation.own);
        }
    }
}

impl Homes {
    fn insert(&mut self, conversation: u64, home: Home) {
        while MAX_HOMES <= self.by_conversation.len() {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.by_conversation.remove(&oldest);
        }
        self.clock += 1;
        let seen = self.clock;
        self.by_use.insert(seen, conversation);
        self.by_conversation
            .insert(conversation, Home { seen, ..home });
    }

    fn remove(&mut self, conversation: u64) -> Option<Home> {
        let home = self.by_conversation.remove(&conversation)?;
        self.by_use.remove(&home.seen);
        Some(home)
    }
}

impl Home {
    /// Whether this is the endpoint and the model.
    pub fn is(&self, health: &Arc<EndpointHealth>, model: &str) -> bool {
        self.is_with(health) && self.model == model
    }

    /// What tells the key apart that served last.
    pub fn key(&self) -> Option<u64> {
        self.key
    }

    /// Puts the home first in `candidates`, which are in the order of their priorities. Where a better candidate has
    /// been well for `return_after`, and the home was come to as long ago, it is first among its equals only; unless
    /// `in_tool_loop`, which is looked at last because it has to be read from the body. Returns whether it leads at all.
    pub fn lead<T>(
        &self,
        candidates: &mut [T],
        place: impl Fn(&T) -> Place,
        now: Instant,
        return_after: Duration,
        in_tool_loop: impl FnOnce() -> bool,
    ) -> bool {
        let places = || candidates.iter().map(&place);
        let Some((at, home)) = places().enumerate().find(|(_, it)| it.is_home) else {
            return false;
        };
        if !matches!(home.standing, Standing::Well(_)) {
            return false;
        }
        let is_better = |it: &Place| {
            let since = match it.standing {
                Standing::Well(since) => since,
                // Nobody knows before it is tried, and it never is if all sessions are at home elsewhere.
                Standing::Untried => None,
                Standing::Refused => return false,
            };
            let since = since.map_or(self.moved, |since| since.max(self.moved));
            it.priority < home.priority && return_after <= now.saturating_duration_since(since)
        };
        let first = if places().any(|it| is_better(&it)) && !in_tool_loop() {
            places()
                .take_while(|it| it.priority < home.priority)
                .count()
        } else {
            0
        };
        if let Some(behind) = candidates.get_mut(first..=at) {
            behind.rotate_right(1);
        }
        first == 0
    }

    fn is_with(&self, health: &Arc<EndpointHealth>) -> bool {
        self.health.as_ptr() == Arc::as_ptr(health)
    }
}

#[cfg(test)]
mod tests;
