//! One client request from first byte to last: choose → attempt → judge → next candidate, relay or refuse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;

use super::answer::Refused;
use super::attempt::{Attempt, Running};
use super::choose::{Candidate, choose, is_passthrough};
use super::downstream::{Downstream, Shown};
use super::estimate::{PromptEstimate, Sample};
use super::hedge::Hedge;
use super::home::AtHome;
use super::judge::{self, Case};
use super::queue::{Queue, Round, Turn};
use super::refuse;
use super::relay::Relay;
use super::request::Request;
use super::service::Edge;
use super::share::Ticket;
use super::trail::{Failed, Trail};
use super::zed::Taken;
use crate::config::Terms;
use crate::credential::{Bearer, KeyIndex, KeyUse};
use crate::error::{Fault, FaultKind, Retry};
use crate::protocol::answer::Told;
use crate::protocol::anthropic::Thinking;
use crate::protocol::canonical::Losses;
use crate::protocol::refused_reasoning::is_refused_reasoning;
use crate::snapshot::Snapshot;

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
    /// Nothing of it was shown: the hedge beside it has shown content first, and has its turn now.
    Overtaken,
}

/// A try that has begun, and what it holds until it is over.
pub(super) struct Begun {
    pub(super) key: Option<KeyIndex>,
    pub(super) began: Instant,
    /// The token of an attempt that is under way already.
    pub(super) bearer: Option<Bearer>,
    /// That attempt.
    pub(super) ahead: Option<Box<Relay>>,
    _in_use: Option<KeyUse>,
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
    /// What was tried last, and with which key.
    pub(super) tried: Option<(Candidate, Option<KeyIndex>)>,
    /// Time from the request's arrival to its first content.
    pub(super) ttft: Option<Duration>,
    pub(super) told: Told,
    /// What the translation of the last attempt lost.
    pub(super) losses: Losses,
    pub(super) route: String,
    /// Where its conversation is at home.
    pub(super) at_home: AtHome,
    /// What its route says.
    pub(super) terms: Terms,
    /// Who may serve it, and whose turn it is.
    pub(super) queue: Queue,
    /// The attempt beside the one whose turn it is.
    pub(super) hedge: Option<Box<Hedge>>,
    /// The prompt's size before its provider has told.
    pub(super) estimate: Option<PromptEstimate>,
    /// The prompt, kept to be counted when its answer has ended.
    pub(super) sample: Option<Sample>,
    /// What it may share.
    pub(super) ticket: Option<Ticket>,
    /// What it is sent under, where threads of conversations are kept.
    pub(super) zed: Vec<Taken>,
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
            tried: None,
            ttft: None,
            told: Told::default(),
            losses: Losses::default(),
            route: String::new(),
            at_home: AtHome::default(),
            terms: Terms::default(),
            queue: Queue::default(),
            hedge: None,
            estimate: None,
            sample: None,
            ticket: None,
            zed: Vec::new(),
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
        self.keep_bodies();
        if let Some(decision) = &choice.decision {
            self.trail.note("routing", decision.to_string(), None);
        }
        for skip in choice.skipped {
            self.trail.pass_over(skip);
        }
        let mut candidates = choice.candidates;
        self.lead_home(&mut candidates);
        self.queue = Queue::new(self.steered(candidates));
        let permanent = self.trail.skipped.len();
        if let Some(end) = self.try_all(Round::First).await {
            return end;
        }
        let mut wait = self.short_wait();
        // Who asked for a moment of quiet gets it; only open circuits are tried anyway.
        if self.snapshot.config.settings.fail_open && wait.is_none() {
            let attempts = self.trail.attempts;
            if let Some(end) = self.try_anyway().await {
                return end;
            }
            if attempts < self.trail.attempts {
                wait = self.short_wait();
            }
        }
        if let Some(wait) = wait {
            if !self.wait(wait).await {
                return End::Left;
            }
            self.trail.skipped.truncate(permanent);
            if let Some(end) = self.try_all(Round::Repeat).await {
                return end;
            }
        }
        let candidates = self.queue.candidates().len();
        refuse::with_verdict(self, candidates + permanent).await
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

    /// Tries the candidates in their turns.
    async fn try_all(&mut self, round: Round) -> Option<End> {
        self.queue.start(round);
        while let Some(turn) = self.next_turn() {
            if let Some(end) = self.try_keys(turn).await {
                return Some(end);
            }
        }
        self.call_off();
        if self.queue.was_too_long() {
            Some(refuse::too_long(self).await)
        } else {
            None
        }
    }

    /// Tries one endpoint with as many of its keys as make sense. `None`: another one may do.
    pub(super) async fn try_keys(&mut self, turn: Turn) -> Option<End> {
        let Turn {
            candidate,
            permit: _permit,
            mut begun,
        } = turn;
        let endpoint = &candidate.endpoint;
        let mut tried: Vec<KeyIndex> = Vec::new();
        loop {
            let mut this = match begun.take() {
                Some(begun) => begun,
                None => self.begin(&candidate, &tried)?,
            };
            tried.extend(this.key);
            let (fault, refused) = match self.attempt_or_repair(&candidate, &mut this).await {
                Outcome::Served => return Some(End::Served),
                Outcome::Left => return Some(End::Left),
                Outcome::Cut(fault, ending) => {
                    // First this, then the client's end: its repeat comes at once.
                    judge::judge(&self.case(&candidate, &this), &fault);
                    self.steer_away(&candidate);
                    return Some(self.end_cut(fault, ending).await);
                }
                Outcome::Overtaken => {
                    self.overtaken(&candidate, &this);
                    return None;
                }
                Outcome::Failed(fault, refused) => (fault, refused),
            };
            match self.failed(&candidate, &this, fault, refused) {
                Retry::Never => {
                    self.call_off();
                    return Some(refuse::as_sent(self).await);
                }
                Retry::NextKey if is_passthrough(endpoint) || endpoint.keys.is_empty() => {
                    return None;
                }
                Retry::NextKey
                    if tried.len() < self.snapshot.config.settings.max_keys_per_candidate => {}
                Retry::NextKey
                | Retry::NextEndpoint
                | Retry::SameEndpoint
                | Retry::NextProvider => return None,
            }
            if self.request.deadline <= Instant::now() {
                return None;
            }
        }
    }

    /// Begins a try with a key other than those `tried`; `None` when there is none.
    pub(super) fn begin(&mut self, candidate: &Candidate, tried: &[KeyIndex]) -> Option<Begun> {
        let endpoint = &candidate.endpoint;
        let preferred = self.key_of_home(candidate);
        let keys = &endpoint.keys;
        let key = keys.pick_preferring(Instant::now(), tried, preferred);
        if key.is_none() && !keys.is_empty() {
            return None;
        }
        let label = key.map(|key| keys.label(key));
        Some(Begun {
            key,
            began: self.trail.begin(endpoint.id(), label),
            bearer: None,
            ahead: None,
            _in_use: key.and_then(|key| keys.begin(key)),
        })
    }

    /// A try has failed: what that says about key, endpoint and provider is recorded. Returns what may be tried next.
    pub(super) fn failed(
        &mut self,
        candidate: &Candidate,
        begun: &Begun,
        fault: Fault,
        refused: Option<Refused>,
    ) -> Retry {
        let retry = judge::judge(&self.case(candidate, begun), &fault);
        self.queue.learn(candidate, &fault.kind, retry);
        self.trail.fail(Failed {
            endpoint: candidate.endpoint.id().clone(),
            dialect: candidate.spoken.dialect,
            fault,
            refused,
        });
        retry
    }

    /// One try, and when the provider does not take back the thinking of earlier turns, one more without it. If that
    /// fails as well, the first refusal stands. Where it has refused it before, the same turns go without it at once.
    async fn attempt_or_repair(&mut self, candidate: &Candidate, begun: &mut Begun) -> Outcome {
        let thinking = self.thinking_for(candidate);
        let first = self.attempt_in_thread(candidate, begun, thinking).await;
        match &first {
            Outcome::Failed(fault, refused)
                if self.is_repairable(candidate, fault, refused.as_ref()) => {}
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
        if let Some(session) = self.request.told_conversation() {
            let turns = self.request.head.turns(&self.request.body.bytes);
            let (id, now) = (candidate.endpoint.id(), Instant::now());
            let refused = &self.edge.shared.refused_thinking;
            refused.remember(session, id, turns, now);
        }
        match self
            .attempt_in_thread(candidate, begun, Thinking::Cut)
            .await
        {
            Outcome::Failed(..) => first,
            repaired => repaired,
        }
    }

    /// How much of the thinking of earlier turns a candidate gets.
    pub(super) fn thinking_for(&self, candidate: &Candidate) -> Thinking {
        let (endpoint, now) = (candidate.endpoint.id(), Instant::now());
        let refused = &self.edge.shared.refused_thinking;
        let session = self.request.told_conversation();
        let known = session.and_then(|session| refused.at(session, endpoint, now));
        known.map_or(Thinking::Kept, Thinking::CutBefore)
    }

    /// Whether a provider refused thinking that can be cut: with a 400, or inside a stream before its content.
    fn is_repairable(
        &self,
        candidate: &Candidate,
        fault: &Fault,
        refused: Option<&Refused>,
    ) -> bool {
        let bad_request = FaultKind::UpstreamRejected {
            status: StatusCode::BAD_REQUEST.as_u16(),
        };
        let said = match refused {
            Some(refused) if refused.status == StatusCode::BAD_REQUEST => &refused.body,
            None if fault.kind == bad_request => fault.public.as_bytes(),
            Some(_) | None => return false,
        };
        is_refused_reasoning(candidate.spoken.dialect, said) && self.sends_thinking(candidate)
    }

    /// Whether there is less to send without the thinking of earlier turns.
    fn sends_thinking(&self, candidate: &Candidate) -> bool {
        let (head, body) = (&self.request.head, &self.request.body.bytes);
        let model = candidate.model.as_str();
        if self.request.dialect == candidate.spoken.dialect {
            return head.without_thinking(body, model).len() < head.rewritten(body, model).len();
        }
        let sent = |thinking| self.translation(candidate, thinking).ok();
        match (sent(Thinking::Kept), sent(Thinking::Cut)) {
            (Some(with), Some(without)) => with.body != without.body,
            _ => false,
        }
    }

    /// One try, or what is left of one that is under way.
    pub(super) async fn attempt(
        &mut self,
        candidate: &Candidate,
        begun: &mut Begun,
        bearer: Option<&Bearer>,
        thinking: Thinking,
    ) -> Outcome {
        let started = match begun.ahead.take() {
            Some(ahead) => Ok(*ahead),
            None => self.start(candidate, begun.key, bearer, thinking).await,
        };
        match started {
            Ok(mut relay) => self.relay(candidate, &mut relay).await,
            Err(fault) => Outcome::Failed(fault, None),
        }
    }

    /// Starts an attempt. Nothing is sent before it is polled.
    pub(super) async fn start(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        bearer: Option<&Bearer>,
        thinking: Thinking,
    ) -> Result<Relay, Fault> {
        if self.request.deadline <= Instant::now() {
            let kind = FaultKind::UpstreamTimeout(crate::error::Timer::Deadline);
            return Err(Fault::new(kind, "the request took too long"));
        }
        self.take_thread(candidate);
        let mut ready = self.prepare(candidate, key, bearer, thinking)?;
        let (app, template) = (self.edge.shared.app()?, self.edge.shared.template().await?);
        self.trail.attempts += 1;
        self.trace_attempt(candidate, &mut ready.outgoing.headers);
        let endpoint = &candidate.endpoint;
        let group = endpoint.connection_group(key, &self.request.credentials);
        let attempt = Attempt::new(Arc::clone(endpoint), group, ready.outgoing, ready.expect);
        let running = Running::start(app, template, attempt);
        let timeouts = self.terms.stalls.over(candidate.endpoint.provider.timeouts);
        let mut relay = Relay::new(timeouts, key, running, ready.losses, ready.estimate);
        relay.slow_at = self.slow_at(relay.begun);
        Ok(relay)
    }

    fn case<'c>(&'c self, candidate: &'c Candidate, begun: &Begun) -> Case<'c> {
        Case {
            began: begun.began,
            key: begun.key,
            ..self.any_case(candidate)
        }
    }

    pub(super) fn any_case<'c>(&'c self, candidate: &'c Candidate) -> Case<'c> {
        Case {
            began: Instant::now(),
            snapshot: &self.snapshot,
            endpoint: &candidate.endpoint,
            key: None,
            model: candidate.model.as_str(),
            dialect: candidate.spoken.dialect,
            request: &self.request.id,
            credentials: &self.request.credentials,
            fingerprint: self.request.fingerprint(),
        }
    }

    /// What an error answer means; see [`judge::fault_of`].
    pub(super) fn fault_of(&self, candidate: &Candidate, refused: &Refused) -> Fault {
        judge::fault_of(&self.any_case(candidate), refused)
    }

    /// What the client has been shown.
    pub(super) fn shown(&self) -> Shown {
        self.client.shown()
    }
}
