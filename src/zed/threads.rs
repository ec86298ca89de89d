//! The threads of all conversations, and what was counted of them.
//!
//! A thread belongs to one conversation of one client with one model at one endpoint; only hashes of names are kept,
//! because strangers choose them. It all outlives configurations.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::thread::{Asking, Rotation, Thread, Turn};
use crate::types::{EndpointId, MicroUsd, TokenKinds};

/// Threads remembered; the one that was used longest ago gives way. Some 400 bytes each.
const MAX_THREADS: usize = 4096;

/// Whose thread it is.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Speaker<'a> {
    /// The endpoint.
    pub endpoint: &'a str,
    /// The conversation; `None` for who does not tell, whose every request is one.
    pub conversation: Option<&'a str>,
    /// Which of its sub-agents asks.
    pub agent: Option<&'a str>,
    /// The model asked for.
    pub model: &'a str,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    /// Its tokens, where they are known.
    pub tokens: Option<TokenKinds>,
    /// What it cost as a part of a session.
    pub session_cost: MicroUsd,
    /// What its tokens cost, by declared prices.
    pub token_cost: Option<MicroUsd>,
    /// The service has said that there may be no more calls of tools.
    pub tool_limited: bool,
    /// Its tokens were told and not guessed.
    pub whole: bool,
    /// Requests of the account's plan that were made, and how many there are; no number is no limit.
    pub plan: Option<(u64, Option<u64>)>,
}

/// A thread, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadView {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its name at the service.
    pub thread_id: String,
    /// The prompt under way, or the last one.
    pub prompt_id: String,
    /// The model.
    pub model: String,
    /// In the larger mode.
    pub is_max: bool,
    /// How long ago it began.
    pub age: Duration,
    /// How long it has rested.
    pub idle: Duration,
    /// How much longer it may.
    pub ends_in: Duration,
    /// Tokens of its conversation.
    pub context: u64,
    /// Tokens it holds.
    pub max_context: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Requests of its conversation that were answered.
    pub requests: u64,
    /// Prompts of its conversation.
    pub prompts: u64,
    /// Threads that its conversation had before.
    pub rotations: u64,
    /// Why it took the last one's place.
    pub last_rotation: Option<Rotation>,
}

/// What was counted of an endpoint in one mode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    /// Requests answered.
    pub requests: u64,
    /// Prompts begun.
    pub prompts: u64,
    /// Requests that brought results of tools.
    pub continued: u64,
    /// Tokens, as far as told.
    pub tokens: TokenKinds,
    /// What it all cost as sessions.
    pub session_cost: MicroUsd,
    /// What the tokens cost by declared prices, as far as there are any.
    pub token_cost: MicroUsd,
    /// Requests whose tokens have no declared price.
    pub unpriced: u64,
}

/// All threads. Shared by all requests.
#[derive(Debug)]
pub struct Threads {
    hasher: RandomState,
    /// Gives new names.
    ids: fn() -> String,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    threads: HashMap<u64, (EndpointId, Thread)>,
    spent: HashMap<(EndpointId, bool), Spent>,
    rotations: HashMap<Rotation, u64>,
    plans: HashMap<EndpointId, (u64, Option<u64>)>,
}

impl Threads {
    /// None yet; `ids` gives new names for them.
    pub fn new(ids: fn() -> String) -> Self {
        Threads {
            hasher: RandomState::new(),
            ids,
            book: Mutex::default(),
        }
    }

    /// The turn of a request of `speaker`: what it is to be sent under.
    pub fn turn(
        &self,
        speaker: Speaker<'_>,
        endpoint: &EndpointId,
        asking: &Asking<'_>,
        now: Instant,
    ) -> Turn {
        let fresh = || Thread::new(asking, [(self.ids)(), (self.ids)()], now);
        if speaker.conversation.is_none() {
            return fresh().take(asking, self.ids, now);
        }
        let key = self.hasher.hash_one(speaker);
        let mut book = self.book.lock();
        book.make_room(key, now);
        let (_, thread) = book
            .threads
            .entry(key)
            .or_insert_with(|| (endpoint.clone(), fresh()));
        let turn = thread.take(asking, self.ids, now);
        if let Some(reason) = turn.rotated {
            *book.rotations.entry(reason).or_default() += 1;
        }
        turn
    }

    /// The service refused the thread, or no more than the prompt, of `turn`: what the request is to be sent under now.
    pub fn refused(&self, speaker: Speaker<'_>, turn: &Turn, whole: bool, now: Instant) -> Turn {
        let key = self.hasher.hash_one(speaker);
        let mut book = self.book.lock();
        if whole {
            *book.rotations.entry(Rotation::Refused).or_default() += 1;
        }
        match book.threads.get_mut(&key) {
            Some((_, thread)) if speaker.conversation.is_some() => {
                if whole {
                    thread.refused(self.ids, now)
                } else {
                    thread.prompt_refused(self.ids)
                }
            }
            _ => Turn {
                thread_id: if whole {
                    (self.ids)()
                } else {
                    turn.thread_id.clone()
                },
                prompt_id: (self.ids)(),
                new_prompt: true,
                rotated: whole.then_some(Rotation::Refused),
                is_max: turn.is_max,
            },
        }
    }

    /// A request was answered.
    pub fn answered(
        &self,
        speaker: Speaker<'_>,
        endpoint: &EndpointId,
        turn: &Turn,
        answered: &Answered,
        now: Instant,
    ) {
        let mut book = self.book.lock();
        if let Some(plan) = answered.plan {
            book.plans.insert(endpoint.clone(), plan);
        }
        let spent = book
            .spent
            .entry((endpoint.clone(), turn.is_max))
            .or_default();
        spent.requests += 1;
        spent.prompts += u64::from(turn.new_prompt);
        spent.continued += u64::from(!turn.new_prompt);
        spent.session_cost = spent.session_cost.plus(answered.session_cost);
        match answered.token_cost {
            Some(cost) => spent.token_cost = spent.token_cost.plus(cost),
            None => spent.unpriced += 1,
        }
        if let Some(tokens) = &answered.tokens {
            spent.tokens = sum(spent.tokens, *tokens);
        }
        if speaker.conversation.is_none() {
            return;
        }
        let key = self.hasher.hash_one(speaker);
        if let Some((_, thread)) = book.threads.get_mut(&key) {
            let context = answered.tokens.filter(|_| answered.whole).map(|it| {
                it.input
                    .saturating_add(it.cache_read)
                    .saturating_add(it.cache_write)
                    .saturating_add(it.output)
            });
            thread.answered(context, answered.tool_limited, turn, now);
        }
    }

    /// Threads that may still be gone on with, last used first.
    pub fn view(&self, now: Instant) -> Vec<ThreadView> {
        let book = self.book.lock();
        let mut all: Vec<ThreadView> = book
            .threads
            .values()
            .filter(|(_, it)| now.saturating_duration_since(it.used) < it.ttl)
            .map(|(endpoint, it)| {
                let idle = now.saturating_duration_since(it.used);
                ThreadView {
                    endpoint: endpoint.clone(),
                    thread_id: it.id.clone(),
                    prompt_id: it.prompt.clone(),
                    model: it.model.clone(),
                    is_max: it.is_max,
                    age: now.saturating_duration_since(it.begun),
                    idle,
                    ends_in: it.ttl.saturating_sub(idle),
                    context: it.context,
                    max_context: it.max_context,
                    tool_calls: it.tool_calls(),
                    requests: it.requests,
                    prompts: it.prompts,
                    rotations: it.rotations,
                    last_rotation: it.last_rotation,
                }
            })
            .collect();
        drop(book);
        all.sort_by(|a, b| (a.idle, &a.thread_id).cmp(&(b.idle, &b.thread_id)));
        all
    }

    /// How often threads gave way, and why.
    pub fn rotations(&self) -> Vec<(Rotation, u64)> {
        let book = self.book.lock();
        let times = |it: Rotation| book.rotations.get(&it).copied().unwrap_or(0);
        Rotation::ALL.map(|it| (it, times(it))).to_vec()
    }

    /// What of an account's plan is used, as its service told last.
    pub fn plans(&self) -> Vec<(EndpointId, (u64, Option<u64>))> {
        let book = self.book.lock();
        let mut all: Vec<_> = book
            .plans
            .iter()
            .map(|(id, it)| (id.clone(), *it))
            .collect();
        drop(book);
        all.sort();
        all
    }

    /// What was counted, by endpoint and mode; `true` is the larger one.
    pub fn spent(&self) -> Vec<((EndpointId, bool), Spent)> {
        let book = self.book.lock();
        let mut all: Vec<_> = book
            .spent
            .iter()
            .map(|(key, it)| (key.clone(), it.clone()))
            .collect();
        drop(book);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl Book {
    fn make_room(&mut self, key: u64, now: Instant) {
        if self.threads.len() < MAX_THREADS || self.threads.contains_key(&key) {
            return;
        }
        let lives = |it: &Thread| now.saturating_duration_since(it.used) < it.ttl;
        self.threads.retain(|_, (_, it)| lives(it));
        if self.threads.len() < MAX_THREADS {
            return;
        }
        let oldest = self.threads.iter().min_by_key(|(_, (_, it))| it.used);
        if let Some(oldest) = oldest.map(|(key, _)| *key) {
            self.threads.remove(&oldest);
        }
    }
}

fn sum(a: TokenKinds, b: TokenKinds) -> TokenKinds {
    TokenKinds {
        input: a.input.saturating_add(b.input),
        cache_read: a.cache_read.saturating_add(b.cache_read),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn ids() -> String {
        format!("{:032x}", fastrand::u128(..))
    }

    fn asking(model: &str) -> Asking<'_> {
        Asking {
            model,
            is_max: false,
            continues: false,
            tool_results: 0,
            max_context: 1000,
            threshold: 0.8,
            max_tool_calls: None,
            ttl: HOUR,
            auto_rotate: true,
        }
    }

    fn speaker(conversation: Option<&str>) -> Speaker<'_> {
        Speaker {
            endpoint: "z",
            conversation,
            agent: None,
            model: "m",
        }
    }

    fn turn(threads: &Threads, conversation: Option<&str>, now: Instant) -> Turn {
        let endpoint = EndpointId::new("z", None);
        threads.turn(speaker(conversation), &endpoint, &asking("m"), now)
    }

    #[test]
    fn each_conversation_has_a_thread_of_its_own() {
        let (threads, now) = (Threads::new(ids), Instant::now());
        let one = turn(&threads, Some("a"), now);
        assert_eq!(turn(&threads, Some("a"), now).thread_id, one.thread_id);
        let agent = Speaker {
            agent: Some("x"),
            ..speaker(Some("a"))
        };
        let endpoint = EndpointId::new("z", None);
        let of_agent = threads.turn(agent, &endpoint, &asking("m"), now);
        for other in [turn(&threads, Some("b"), now), of_agent] {
            assert_ne!(other.thread_id, one.thread_id);
        }
        let nobody = turn(&threads, None, now);
        assert_ne!(turn(&threads, None, now).thread_id, nobody.thread_id);
        assert_eq!(threads.view(now).len(), 3);
    }

    #[test]
    fn memory_is_bounded_and_the_longest_unused_goes() {
        let (threads, start) = (Threads::new(ids), Instant::now());
        let first = turn(&threads, Some("first"), start);
        for i in 0..MAX_THREADS {
            let now = start + Duration::from_millis(i as u64 + 1);
            turn(&threads, Some(&format!("c{i}")), now);
        }
        let now = start + Duration::from_secs(60);
        assert_eq!(threads.view(now).len(), MAX_THREADS);
        assert_ne!(
            turn(&threads, Some("first"), now).thread_id,
            first.thread_id
        );
        let later = now + HOUR * 2;
        assert!(threads.view(later).is_empty());
        turn(&threads, Some("late"), later);
        assert_eq!(threads.view(later).len(), 1);
    }

    #[test]
    fn what_was_spent_is_counted_by_mode() {
        let (threads, now) = (Threads::new(ids), Instant::now());
        let endpoint = EndpointId::new("z", None);
        let turn = turn(&threads, Some("a"), now);
        let answered = Answered {
            tokens: Some(TokenKinds {
                input: 10,
                output: 2,
                ..TokenKinds::default()
            }),
            session_cost: MicroUsd(40_000),
            token_cost: None,
            tool_limited: false,
            whole: true,
            plan: Some((3, None)),
        };
        threads.answered(speaker(Some("a")), &endpoint, &turn, &answered, now);
        let again = Turn {
            new_prompt: false,
            ..turn
        };
        let free = Answered {
            session_cost: MicroUsd(0),
            token_cost: Some(MicroUsd(7)),
            ..answered
        };
        threads.answered(speaker(Some("a")), &endpoint, &again, &free, now);
        let spent = threads.spent();
        assert_eq!(spent.len(), 1);
        let ((_, is_max), spent) = &spent[0];
        assert!(!is_max);
        assert_eq!((spent.requests, spent.prompts, spent.unpriced), (2, 1, 1));
        assert_eq!(
            (spent.session_cost, spent.token_cost),
            (MicroUsd(40_000), MicroUsd(7))
        );
        assert_eq!(spent.tokens.input, 20);
        assert_eq!(threads.view(now)[0].context, 12);
    }
}
