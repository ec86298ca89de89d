//! One client request from first byte to last: choose → attempt → judge → next candidate, relay or refuse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;

use super::answer::Refused;
use super::attempt::{Attempt, Running};
use super::choose::{Candidate, choose, is_passthrough, refusal_text};
use super::downstream::{Downstream, Shown};
use super::estimate::{PromptEstimate, Sample};
use super::home::AtHome;
use super::judge::{self, Case};
use super::request::Request;
use super::service::Edge;
use super::share::Ticket;
use super::trail::{Failed, PROVIDER_OVERLOADED, Skip, Trail};
use super::{profile, refuse};
use crate::config::Terms;
use crate::credential::{Bearer, KeyIndex};
use crate::error::{Fault, FaultKind, Retry};
use crate::health::Permit;
use crate::protocol::answer::Told;
use crate::protocol::anthropic::{self, Thinking};
use crate::protocol::canonical::Losses;
use crate::snapshot::Snapshot;
use crate::types::Dialect;

/// How an exchange ended.
#[derive(Debug)]
pub enum End {
    /// An answer was relayed whole.
    Served,
    /// The client left.
    Left,
    /// An answer broke off after its first content.
    Cut(Fault),
    /// An error was returned.
    Refused(Fault),
}

/// How a stream that broke off is to be ended.
pub(super) enum Ending {
    /// With an error event of ours.
    ErrorEvent(Bytes),
    /// Without another word: the provider's own error event has gone out.
    Silence,
}

/// What one attempt came to.
pub(super) enum Outcome {
    /// Its answer was relayed whole.
    Served,
    /// The client left.
    Left,
    /// Its answer broke off after its first content; the client's stream is still to be ended.
    Cut(Fault, Ending),
    /// Nothing of it was shown.
    Failed(Fault, Option<Refused>),
}

/// Which time the candidates are gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    First,
    Repeat,
}

/// One client request on its way.
pub struct Exchange<'e, 's> {
    pub(super) edge: &'e Edge,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) client: Downstream<'s>,
    pub(super) request: Request,
    pub(super) trail: Trail,
    /// The endpoint whose answer the client gets.
    pub(super) served_by: Option<Candidate>,
    /// Time from the request's arrival to its first content.
    pub(super) ttft: Option<Duration>,
    pub(super) told: Told,
    /// What the translation of the last attempt lost.
    pub(super) losses: Losses,
    pub(super) route: String,
    /// Where its conversation is at home.
    pub(super) at_home: AtHome,
    pub(super) terms: Terms,
    /// The prompt's size before its provider has told.
    pub(super) estimate: Option<PromptEstimate>,
    /// The prompt, kept to be counted when its answer has ended.
    pub(super) sample: Option<Sample>,
    /// What it may share.
    pub(super) ticket: Option<Ticket>,
}

impl<'e, 's> Exchange<'e, 's> {
    /// A request about to leave.
    pub fn new(
        edge: &'e Edge,
        snapshot: Arc<Snapshot>,
        client: Downstream<'s>,
        request: Request,
    ) -> Self {
        Exchange {
            edge,
            snapshot,
            client,
            request,
            trail: Trail::default(),
            served_by: None,
            ttft: None,
            told: Told::default(),
            losses: Losses::default(),
            route: String::new(),
            at_home: AtHome::default(),
            terms: Terms::default(),
            estimate: None,
            sample: None,
            ticket: None,
        }
    }

    /// Makes the trip. What is to be told of it stays here.
    pub async fn run(&mut self) -> End {
        let mut at_home = AtHome::default();
        let choice = choose(&self.snapshot, &self.request, |route| {
            at_home = self.find_home(route);
            at_home.is_somewhere()
        });
        let choice = match choice {
            Ok(choice) => choice,
            Err(fault) => return refuse::with_fault(self, fault, None).await,
        };
        self.at_home = at_home;
        self.route = choice.route;
        self.terms = choice.terms;
        for skip in choice.skipped {
            self.trail.pass_over(skip);
        }
        let mut candidates = choice.candidates;
        self.lead_home(&mut candidates);
        let candidates = self.steered(candidates);
        let permanent = self.trail.skipped.len();
        if let Some(end) = self.try_all(&candidates, Round::First).await {
            return end;
        }
        let mut wait = self.short_wait(&candidates);
        // Who asked for a moment of quiet gets it; only open circuits are tried anyway.
        if self.snapshot.config.settings.fail_open && wait.is_none() {
            let attempts = self.trail.attempts;
            if let Some(end) = self.try_anyway(&candidates).await {
                return end;
            }
            if attempts < self.trail.attempts {
                wait = self.short_wait(&candidates);
            }
        }
        if let Some(wait) = wait {
            if !self.wait(wait).await {
                return End::Left;
            }
            self.trail.skipped.truncate(permanent);
            if let Some(end) = self.try_all(&candidates, Round::Repeat).await {
                return end;
            }
        }
        refuse::with_verdict(self, candidates.len() + permanent).await
    }

    /// A session whose last answer broke off is kept from where that happened, while there is another endpoint.
    fn steered(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let session = self.request.conversation();
        let steering = &self.edge.shared.steering;
        if let Some(avoided) =
            session.and_then(|session| steering.endpoint(session, Instant::now()))
        {
            candidates.sort_by_key(|candidate| *candidate.endpoint.id() == avoided);
        }
        candidates
    }

    /// Tries the candidates in order; in a repeat only those that asked for patience.
    async fn try_all(&mut self, candidates: &[Candidate], round: Round) -> Option<End> {
        let mut overloaded: Vec<String> = Vec::new();
        let mut wanted_window: Option<u64> = None;
        let mut tried = 0;
        for candidate in candidates {
            let endpoint = &candidate.endpoint;
            let late = self.request.deadline <= Instant::now();
            if late || self.snapshot.config.settings.max_attempts <= tried {
                break;
            }
            if overloaded.contains(&endpoint.provider.name) {
                self.skip(candidate, PROVIDER_OVERLOADED.to_owned(), None);
                continue;
            }
            if wanted_window
                .is_some_and(|wanted| window(candidate).is_none_or(|window| window <= wanted))
            {
                continue;
            }
            if round == Round::Repeat && !self.asked_for_patience(candidate) {
                continue;
            }
            let Some(permit) = self.permit(candidate) else {
                continue;
            };
            tried += 1;
            match self.try_keys(candidate, permit).await {
                Ok(end) => return Some(end),
                Err(Retry::NextProvider) => overloaded.push(endpoint.provider.name.clone()),
                Err(_) if self.last_was(|kind| *kind == FaultKind::UpstreamContextTooLong) => {
                    wanted_window = Some(
                        window(candidate)
                            .unwrap_or(0)
                            .max(wanted_window.unwrap_or(0)),
                    );
                }
                Err(_) => {}
            }
        }
        if wanted_window.is_some() {
            Some(refuse::too_long(self).await)
        } else {
            None
        }
    }

    /// A place at an endpoint, or the reason why there is none, noted.
    fn permit(&mut self, candidate: &Candidate) -> Option<Permit> {
        let (endpoint, now) = (&candidate.endpoint, Instant::now());
        if !endpoint.keys.any_usable(now) {
            let back_in = endpoint
                .keys
                .next_usable(now)
                .map(|at| at.saturating_duration_since(now));
            let dead = endpoint.keys.all_benched();
            let why = if dead {
                "all its keys were refused"
            } else {
                "all its keys rest"
            };
            let endpoint = endpoint.id().as_str().to_owned();
            self.trail.pass_over(Skip {
                endpoint,
                why: why.to_owned(),
                back_in,
                dead,
            });
            return None;
        }
        match endpoint.health.admit(
            now,
            candidate.model.as_str(),
            endpoint.provider.max_in_flight,
        ) {
            Ok(permit) => Some(permit),
            Err(refusal) => {
                let (why, back_in) = refusal_text(&refusal, now);
                self.skip(candidate, why, back_in);
                None
            }
        }
    }

    /// Tries one endpoint with as many of its keys as make sense. `Err`: what the last one leaves to try.
    pub(super) async fn try_keys(
        &mut self,
        candidate: &Candidate,
        _permit: Permit,
    ) -> Result<End, Retry> {
        let endpoint = &candidate.endpoint;
        let mut tried: Vec<KeyIndex> = Vec::new();
        loop {
            let preferred = self.key_of_home(candidate);
            let key = endpoint
                .keys
                .pick_preferring(Instant::now(), &tried, preferred);
            if key.is_none() && !endpoint.keys.is_empty() {
                return Err(Retry::NextEndpoint);
            }
            tried.extend(key);
            let label = key.map(|key| endpoint.keys.label(key));
            let began = self.trail.begin(endpoint.id(), label);
            let _in_use = key.and_then(|key| endpoint.keys.begin(key));
            let (fault, refused) = match self.attempt_or_repair(candidate, key).await {
                Outcome::Served => return Ok(End::Served),
                Outcome::Left => return Ok(End::Left),
                Outcome::Cut(fault, ending) => {
                    // First this, then the client's end: its repeat comes at once.
                    judge::judge(&self.case(candidate, key, began), &fault);
                    self.steer_away(candidate);
                    return Ok(self.end_cut(fault, ending).await);
                }
                Outcome::Failed(fault, refused) => (fault, refused),
            };
            let retry = judge::judge(&self.case(candidate, key, began), &fault);
            let passthrough = is_passthrough(endpoint);
            let (endpoint_id, dialect) = (endpoint.id().clone(), endpoint.dialect);
            self.trail.fail(Failed {
                endpoint: endpoint_id,
                dialect,
                fault,
                refused,
            });
            match retry {
                Retry::Never => return Ok(refuse::as_sent(self).await),
                Retry::NextKey if passthrough || endpoint.keys.is_empty() => {
                    return Err(Retry::NextEndpoint);
                }
                Retry::NextKey
                    if tried.len() < self.snapshot.config.settings.max_keys_per_candidate => {}
                Retry::NextKey | Retry::NextEndpoint | Retry::SameEndpoint => {
                    return Err(Retry::NextEndpoint);
                }
                Retry::NextProvider => return Err(Retry::NextProvider),
            }
            if self.request.deadline <= Instant::now() {
                return Err(Retry::NextEndpoint);
            }
        }
    }

    /// One try, and when the provider does not take back the thinking of earlier turns, one more without it. If that
    /// fails as well, the first refusal stands. Where it has refused it before, the same turns go without it at once.
    async fn attempt_or_repair(&mut self, candidate: &Candidate, key: Option<KeyIndex>) -> Outcome {
        let (endpoint, now) = (candidate.endpoint.id(), Instant::now());
        let refused = &self.edge.shared.refused_thinking;
        let session = self.request.session.as_deref();
        let known = session.and_then(|session| refused.at(session, endpoint, now));
        let thinking = known.map_or(Thinking::Kept, Thinking::CutBefore);
        let first = self.attempt_signed_in(candidate, key, thinking).await;
        match &first {
            Outcome::Failed(_, Some(refused)) if self.is_repairable(candidate, refused) => {}
            _ => return first,
        }
        log::warn!(
            "provider {} refused the thinking of earlier turns: trying once more without it",
            candidate.endpoint.id()
        );
        let what = "it refused the thinking of earlier turns: once more without it";
        self.trail
            .note(candidate.endpoint.id().as_str(), what.to_owned(), None);
        // Before the answer: the client's next request comes with its last byte.
        if let Some(session) = &self.request.session {
            let turns = self.request.head.turns(&self.request.body.bytes);
            let (id, now) = (candidate.endpoint.id(), Instant::now());
            let refused = &self.edge.shared.refused_thinking;
            refused.remember(session, id, turns, now);
        }
        match self.attempt_signed_in(candidate, key, Thinking::Cut).await {
            Outcome::Failed(..) => first,
            repaired => repaired,
        }
    }

    /// Whether an Anthropic-type provider refused thinking that can be cut.
    fn is_repairable(&self, candidate: &Candidate, refused: &Refused) -> bool {
        if refused.status != StatusCode::BAD_REQUEST
            || candidate.endpoint.dialect != Dialect::Anthropic
        {
            return false;
        }
        let error = anthropic::parse_error(Some(refused.status.as_u16()), &refused.body);
        anthropic::is_signature_refusal(&error.message) && self.sends_thinking(candidate)
    }

    /// Whether there is less to send without the thinking of earlier turns.
    fn sends_thinking(&self, candidate: &Candidate) -> bool {
        let (head, body) = (&self.request.head, &self.request.body.bytes);
        let model = candidate.model.as_str();
        if self.request.dialect == Dialect::Anthropic {
            return head.without_thinking(body, model).len() < head.rewritten(body, model).len();
        }
        let length = |thinking| {
            let translation = self.translation(candidate, thinking);
            translation.map_or(0, |it| it.body.len())
        };
        length(Thinking::Cut) < length(Thinking::Kept)
    }

    /// One try.
    pub(super) async fn attempt(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        bearer: Option<&Bearer>,
        thinking: Thinking,
    ) -> Outcome {
        if self.request.deadline <= Instant::now() {
            let kind = FaultKind::UpstreamTimeout(crate::error::Timer::Deadline);
            return Outcome::Failed(Fault::new(kind, "the request took too long"), None);
        }
        let (outgoing, expect) = match self.prepare(candidate, key, bearer, thinking) {
            Ok(prepared) => prepared,
            Err(fault) => return Outcome::Failed(fault, None),
        };
        let group = candidate
            .endpoint
            .connection_group(key, &self.request.credentials);
        let attempt = Attempt::new(Arc::clone(&candidate.endpoint), group, outgoing, expect);
        self.trail.attempts += 1;
        self.at_home.key = key;
        let running = match (self.edge.shared.app(), self.edge.shared.template().await) {
            (Ok(app), Ok(template)) => Running::start(app, template, attempt),
            (Err(fault), _) | (_, Err(fault)) => return Outcome::Failed(fault, None),
        };
        self.relay(candidate, key, running).await
    }

    fn skip(&mut self, candidate: &Candidate, why: String, back_in: Option<Duration>) {
        let endpoint = candidate.endpoint.id().as_str().to_owned();
        self.trail.pass_over(Skip {
            endpoint,
            why,
            back_in,
            dead: false,
        });
    }

    fn case<'c>(
        &'c self,
        candidate: &'c Candidate,
        key: Option<KeyIndex>,
        began: Instant,
    ) -> Case<'c> {
        Case {
            began,
            snapshot: &self.snapshot,
            endpoint: &candidate.endpoint,
            key,
            model: candidate.model.as_str(),
            request: &self.request.id,
            fingerprint: self.request.fingerprint(),
        }
    }

    /// What an error answer means; see [`judge::fault_of`].
    pub(super) fn fault_of(&self, candidate: &Candidate, refused: &Refused) -> Fault {
        judge::fault_of(&self.case(candidate, None, Instant::now()), refused)
    }

    fn last_was(&self, matches: fn(&FaultKind) -> bool) -> bool {
        self.trail
            .failed
            .last()
            .is_some_and(|failed| matches(&failed.fault.kind))
    }

    /// What the client has been shown.
    pub(super) fn shown(&self) -> Shown {
        self.client.shown()
    }
}

fn window(candidate: &Candidate) -> Option<u64> {
    profile::window(&candidate.endpoint, candidate.model.as_str())
}
