//! Tokens that are fetched rather than configured: kept while they are good, fetched anew before they end, and by one
//! caller at a time however many want one.
//!
//! How one is fetched is the business of a [`Mint`]. Here is only when: ahead of its end, after a refusal, and not at
//! all for a while after a failure. The state's lock is never held across an await; who fetches holds the turn, a
//! permit that comes back whether its holder finishes or is cancelled.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::types::{Clock, Secret};

/// Longest time before its end at which a token is fetched anew; a quarter of its life if that is less.
const LEAD: Duration = Duration::from_secs(300);
/// A token this close to its end is not sent any more, nor in the last tenth of a short life.
const MARGIN: Duration = Duration::from_secs(10);
/// Longest life that is believed.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Time in which one refusal is answered with a new token; a new one that is refused as well is not at fault.
const REFUSAL_REST: Duration = Duration::from_secs(30);
/// First rest after a failure of the way or the server, and after a refusal, which seldom passes by itself.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Shortest and longest rest that an endpoint may ask for.
const TOLD_REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Longest rest; each failure in a row doubles it until then.
const MAX_REST: Duration = Duration::from_secs(300);
/// Replaced tokens that are remembered, because answers to them may still quote them.
const RETIRED: usize = 2;

/// Fetches tokens.
#[async_trait]
pub trait Mint: Send + Sync {
    /// Fetches a new token. Never called twice at once; may be cancelled.
    async fn mint(&self) -> Result<Minted, MintError>;

    /// The provider refused this token: it is not to be given again.
    fn refused(&self, token: &Secret) {
        let _ = token;
    }

    /// Why there is no token until somebody does something about it.
    fn dead(&self) -> Option<String> {
        None
    }
}

/// A token just fetched.
#[derive(Debug)]
pub struct Minted {
    /// The token; visible ASCII.
    pub token: Secret,
    /// How long it is good.
    pub lives: Duration,
}

/// Why there is no token. Texts are fit for logs: they quote no secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MintError {
    /// No answer.
    #[error("the token endpoint cannot be reached: {why}")]
    Unreachable {
        /// What went wrong.
        why: String,
    },
    /// An answer that says to come back later.
    #[error("the token endpoint answered with status {status}")]
    Unavailable {
        /// Its status.
        status: u16,
    },
    /// An answer that says when to come back.
    #[error("the token endpoint answered with status {status}")]
    Limited {
        /// Its status.
        status: u16,
        /// How long it wants to be left alone.
        after: Duration,
    },
    /// What we signed in with is no good any more; only a person can sign in again.
    #[error("{why}")]
    NeedsLogin {
        /// What happened, and what to do.
        why: String,
    },
    /// Where tokens are kept cannot be read.
    #[error("{0}")]
    NoStore(String),
    /// Who we are is not accepted.
    #[error("the token endpoint refused to sign in (status {status}): {why}")]
    Refused {
        /// Its status.
        status: u16,
        /// In its own words.
        why: String,
    },
    /// An answer that makes no sense; names what.
    #[error("the token endpoint answered with {0}")]
    Malformed(&'static str),
    /// Ourselves; names what.
    #[error("no assertion could be made: {0}")]
    Internal(&'static str),
}

impl MintError {
    fn first_rest(&self) -> Duration {
        match self {
            MintError::Unreachable { .. } | MintError::Unavailable { .. } => REST.0,
            MintError::Limited { after, .. } => (*after).clamp(TOLD_REST.0, TOLD_REST.1),
            MintError::NeedsLogin { .. } => MAX_REST,
            MintError::Refused { .. }
            | MintError::Malformed(_)
            | MintError::NoStore(_)
            | MintError::Internal(_) => REST.1,
        }
    }

    /// Whether the endpoint itself has said how long.
    fn is_told(&self) -> bool {
        matches!(self, MintError::Limited { .. })
    }
}

/// A token to sign in with, and which one it is.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The token.
    pub secret: Secret,
    generation: u64,
}

/// What people may see of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// How long the token is still good; `None` where there is none.
    pub good_for: Option<Duration>,
    /// Why the last one could not be fetched, until the next one is.
    pub why: Option<String>,
    /// Why only a person can help.
    pub dead: Option<String>,
    /// How often a token was given.
    pub uses: u64,
    /// When one was given last.
    pub last_use: Option<SystemTime>,
}

/// Where the tokens of one account come from.
pub struct TokenSource {
    mint: Box<dyn Mint>,
    /// Whose tokens they are, for the log.
    name: String,
    clock: Clock,
    /// From 0 to 1.
    jitter: fn() -> f64,
    /// Time before its end at which a token is fetched anew, where it is not [`LEAD`].
    lead: Option<Duration>,
    state: Mutex<State>,
    /// Held by who fetches.
    turn: Semaphore,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    retired: Vec<Secret>,
    generation: u64,
    refused_at: Option<Instant>,
    failures: u32,
    rest: Option<(Instant, MintError)>,
    uses: u64,
    last_use: Option<SystemTime>,
}

struct Current {
    bearer: Bearer,
    due: SystemTime,
    send_until: SystemTime,
    ends: SystemTime,
}

impl TokenSource {
    /// The tokens that `mint` fetches for `name`. `jitter` gives numbers from 0 to 1.
    pub fn new(mint: Box<dyn Mint>, name: String, clock: Clock, jitter: fn() -> f64) -> Self {
        TokenSource {
            mint,
            name,
            clock,
            jitter,
            lead: None,
            state: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// The same, fetching that long before a token ends, or at half its life if that is less.
    #[must_use]
    pub fn with_lead(self, lead: Duration) -> Self {
        TokenSource {
            lead: Some(lead),
            ..self
        }
    }

    /// A token that is good now: the one at hand, or else a new one, waiting for whoever is fetching it already. Waits
    /// as long as that takes; the caller sets the limit.
    pub async fn token(&self) -> Result<Bearer, MintError> {
        let taken = self.taken().await;
        if taken.is_ok() {
            let mut state = self.state.lock();
            state.uses += 1;
            state.last_use = Some(self.clock.wall());
        }
        taken
    }

    async fn taken(&self) -> Result<Bearer, MintError> {
        if let Some(bearer) = self.at_hand() {
            return Ok(bearer);
        }
        let Ok(_turn) = self.turn.acquire().await else {
            return Err(MintError::Internal("the source is closed"));
        };
        // Whoever had the turn before may have brought one, or found that there is none to be had.
        if let Some(bearer) = self.at_hand() {
            return Ok(bearer);
        }
        match self.resting() {
            Some(error) => Err(error),
            None => self.renew().await,
        }
    }

    /// Fetches a new token if the one at hand ends soon, or if there is none; does nothing while somebody fetches one,
    /// or soon after that failed. For a loop in the background, so that requests find a token at hand.
    pub async fn keep_fresh(&self) {
        if !self.is_due() {
            return;
        }
        let Ok(_turn) = self.turn.try_acquire() else {
            return;
        };
        if self.is_due() {
            // What went wrong is logged where it happens.
            let _ = self.renew().await;
        }
    }

    /// Fetches a token now, whatever is at hand and however long the source was to rest. On error the one at hand stays.
    pub async fn fetch(&self) -> Result<Bearer, MintError> {
        match self.turn.acquire().await {
            Ok(_turn) => self.renew().await,
            Err(_) => Err(MintError::Internal("the source is closed")),
        }
    }

    /// What is at hand is no longer ours, and why there was nothing does not count any more.
    pub fn forget(&self) {
        let mut state = self.state.lock();
        state.retire();
        (state.failures, state.rest, state.refused_at) = (0, None, None);
    }

    /// Why there will be no token until a person does something; `None` while one is at hand, or may be.
    pub fn dead(&self) -> Option<String> {
        self.mint.dead()
    }

    /// The provider refused this token. Returns whether another one is worth a try; it is not when that has just been
    /// tried.
    pub fn refused(&self, bearer: &Bearer) -> bool {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let is_current = |it: &Current| it.bearer.generation == bearer.generation;
        if !state.current.as_ref().is_some_and(is_current) {
            return true;
        }
        let just_tried = |at: Instant| now.saturating_duration_since(at) < REFUSAL_REST;
        if state.refused_at.is_some_and(just_tried) {
            return false;
        }
        state.refused_at = Some(now);
        state.retire();
        drop(state);
        self.mint.refused(&bearer.secret);
        true
    }

    /// Every token that an answer may quote: the one at hand and those it replaced.
    pub fn secrets(&self) -> Vec<Secret> {
        let state = self.state.lock();
        let current = state.current.iter().map(|it| &it.bearer.secret);
        current.chain(&state.retired).cloned().collect()
    }

    /// Whether this is so of any of them; called with the state locked.
    pub fn any_secret(&self, is: impl Fn(&Secret) -> bool) -> bool {
        let state = self.state.lock();
        let current = state.current.iter().map(|it| &it.bearer.secret);
        current.chain(&state.retired).any(is)
    }

    /// What people may see.
    pub fn view(&self) -> TokenView {
        let wall = self.clock.wall();
        let state = self.state.lock();
        let left = |it: &Current| it.ends.duration_since(wall).ok();
        TokenView {
            good_for: state.current.as_ref().and_then(left),
            why: state.rest.as_ref().map(|(_, error)| error.to_string()),
            dead: self.mint.dead(),
            uses: state.uses,
            last_use: state.last_use,
        }
    }

    /// A token that is good now, if there is one.
    pub fn at_hand(&self) -> Option<Bearer> {
        let wall = self.clock.wall();
        let state = self.state.lock();
        let current = state.current.as_ref()?;
        (wall < current.send_until).then(|| current.bearer.clone())
    }

    fn is_due(&self) -> bool {
        let wall = self.clock.wall();
        let due = |it: &Current| it.due <= wall;
        self.resting().is_none() && self.state.lock().current.as_ref().is_none_or(due)
    }

    /// Why nothing is fetched now.
    fn resting(&self) -> Option<MintError> {
        let now = self.clock.now();
        let state = self.state.lock();
        let (until, error) = state.rest.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    /// Fetches a token. Called with the turn only.
    async fn renew(&self) -> Result<Bearer, MintError> {
        match self.mint.mint().await {
            Ok(minted) => Ok(self.keep(minted)),
            Err(error) => {
                self.rest(&error);
                Err(error)
            }
        }
    }

    fn keep(&self, minted: Minted) -> Bearer {
        let wall = self.clock.wall();
        let lives = minted.lives.min(MAX_LIFE);
        let lead = match self.lead {
            Some(lead) => lead.min(lives / 2),
            None => LEAD.min(lives / 4),
        };
        // Sources that were filled together must not all be due together.
        let lead = lead.mul_f64(0.75 + 0.25 * (self.jitter)());
        let mut state = self.state.lock();
        state.retire();
        state.generation += 1;
        let bearer = Bearer {
            secret: minted.token,
            generation: state.generation,
        };
        state.current = Some(Current {
            bearer: bearer.clone(),
            due: wall + lives.saturating_sub(lead),
            send_until: wall + lives.saturating_sub(MARGIN.min(lives / 10)),
            ends: wall + lives,
        });
        (state.failures, state.rest) = (0, None);
        drop(state);
        log::debug!(
            "provider {} has a new token, good for {} s",
            self.name,
            lives.as_secs()
        );
        bearer
    }

    fn rest(&self, error: &MintError) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let doubled = error
            .first_rest()
            .saturating_mul(2_u32.saturating_pow(state.failures))
            .min(MAX_REST);
        let rest = if error.is_told() {
            error.first_rest()
        } else {
            doubled.mul_f64(1.0 - 0.25 * (self.jitter)())
        };
        state.failures = state.failures.saturating_add(1);
        state.rest = Some((now + rest, error.clone()));
        drop(state);
        let (name, seconds) = (&self.name, rest.as_secs_f64());
        match error {
            MintError::NeedsLogin { .. } => log::error!("provider {name} has no token: {error}"),
            MintError::Refused { .. } => log::error!(
                "provider {name} has no new token: {error}; look at what it signs in with; asked again in {seconds:.0} s"
            ),
            MintError::Unreachable { .. }
            | MintError::Unavailable { .. }
            | MintError::Limited { .. }
            | MintError::NoStore(_)
            | MintError::Malformed(_)
            | MintError::Internal(_) => {
                log::warn!(
                    "provider {name} has no new token: {error}; asked again in {seconds:.0} s"
                );
            }
        }
    }
}

impl State {
    fn retire(&mut self) {
        if let Some(current) = self.current.take() {
            self.retired.insert(0, current.bearer.secret);
            self.retired.truncate(RETIRED);
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
