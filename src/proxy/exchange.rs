//! One client request from first byte to last: choose → attempt → judge → next candidate, relay or refuse.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::answer::{Expect, Refused, Shape};
use super::attempt::{Attempt, Outgoing, Running};
use super::choose::{Candidate, choose, is_passthrough, refusal_text};
use super::downstream::{Downstream, Shown};
use super::judge::{self, Case};
use super::receive::Body;
use super::service::Edge;
use super::trail::{Failed, PROVIDER_OVERLOADED, Skip, Trail};
use super::{profile, refuse, send};
use crate::credential::KeyIndex;
use crate::error::{Fault, FaultKind, Retry};
use crate::health::Permit;
use crate::protocol::answer::Told;
use crate::protocol::anthropic::{self, RequestHead, Rewrite, Thinking};
use crate::protocol::canonical::Losses;
use crate::protocol::translate::{self, RequestContext};
use crate::snapshot::Snapshot;
use crate::tokens::quick_estimate;
use crate::types::{Dialect, EndpointId, RequestId};

/// Time before the client's own deadline at which we give up, so that it hears of it.
const BEFORE_CLIENTS_DEADLINE: Duration = Duration::from_secs(5);
/// Shortest deadline, whatever the client says.
const MIN_DEADLINE: Duration = Duration::from_secs(1);

/// A request that may be sent on.
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// What decides where it goes.
    pub head: RequestHead,
    /// Its body, whole.
    pub body: Body,
    /// Path and query upstream wants to see, `?beta=true` kept.
    pub query: Option<String>,
    /// The client's headers that go on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's own credentials, for `auth_type: passthrough`.
    pub credentials: Vec<(HeaderName, HeaderValue)>,
    /// Whether the client asked for traces.
    pub debug: bool,
    /// The client's session, where it tells.
    pub session: Option<String>,
    /// Time allowed until the commit, or until the whole answer if it is not streamed.
    pub deadline: Instant,
    /// When it came.
    pub started: Instant,
}

impl Request {
    /// The deadline of a request: ours, or a little before the client's own.
    pub fn deadline(headers: &HeaderMap, ours: Duration) -> Duration {
        let client = headers
            .get("x-stainless-timeout")
            .and_then(|value| value.to_str().ok());
        let client = client.and_then(|text| text.trim().parse::<f64>().ok());
        match client.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(client) => ours
                .min(client.saturating_sub(BEFORE_CLIENTS_DEADLINE))
                .max(MIN_DEADLINE),
            None => ours,
        }
    }

    /// Tells repeats of this request apart from others; `None` for a client without a session.
    fn fingerprint(&self) -> Option<u64> {
        let session = self.session.as_ref()?;
        let mut hasher = DefaultHasher::new();
        (session, &self.body.bytes).hash(&mut hasher);
        Some(hasher.finish())
    }
}

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

/// What one attempt came to.
pub(super) enum Outcome {
    /// Its answer was relayed whole.
    Served,
    /// The client left.
    Left,
    /// Its answer broke off after its first content.
    Cut(Fault),
    /// Nothing of it was shown.
    Failed(Fault, Option<Refused>),
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
    pub(super) losses: Losses,
    pub(super) route: String,
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
        }
    }

    /// Makes the trip and leaves what is to be told of it.
    pub async fn run(mut self) -> (Self, End) {
        let end = self.trip().await;
        (self, end)
    }

    async fn trip(&mut self) -> End {
        let choice = match choose(&self.snapshot, &self.request.head, &self.request.body.bytes) {
            Ok(choice) => choice,
            Err(fault) => return refuse::with_fault(self, fault, None).await,
        };
        self.route = choice.route;
        self.trail.skipped = choice.skipped;
        let candidates = choice.candidates;
        let permanent = self.trail.skipped.len();
        if let Some(end) = self.try_all(&candidates, false).await {
            return end;
        }
        let untried = self.trail.attempts == 0 && self.snapshot.config.settings.fail_open;
        let mut wait = self.short_wait(&candidates);
        // Who asked for a moment of quiet gets it; only open circuits are tried anyway.
        if untried && wait.is_none() {
            if let Some(end) = self.try_anyway(&candidates).await {
                return end;
            }
            wait = self.short_wait(&candidates);
        }
        if let Some(wait) = wait {
            if !self.wait(wait).await {
                return End::Left;
            }
            self.trail.skipped.truncate(permanent);
            if let Some(end) = self.try_all(&candidates, true).await {
                return end;
            }
        }
        refuse::with_verdict(self, candidates.len() + permanent).await
    }

    /// Tries the candidates in order. `repeat`: only those that asked for patience.
    async fn try_all(&mut self, candidates: &[Candidate], repeat: bool) -> Option<End> {
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
            if repeat && !self.asked_for_patience(candidate) {
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
                .next_usable()
                .map(|at| at.saturating_duration_since(now));
            let dead = endpoint.keys.all_benched();
            let why = if dead {
                "all its keys were refused"
            } else {
                "all its keys rest"
            };
            let endpoint = endpoint.id().as_str().to_owned();
            self.trail.skipped.push(Skip {
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

    /// When every circuit is open: the endpoint that comes back first is tried rather than refusing.
    async fn try_anyway(&mut self, candidates: &[Candidate]) -> Option<End> {
        let now = Instant::now();
        let usable = |c: &&Candidate| {
            let max = c.endpoint.provider.max_in_flight;
            c.endpoint.keys.any_usable(now)
                && max.is_none_or(|max| c.endpoint.health.in_flight() < max)
        };
        let soonest = |c: &&Candidate| match c.endpoint.health.check(now, c.model.as_str(), None) {
            Ok(()) => None,
            Err(refusal) => refusal_text(&refusal, now).1,
        };
        let best = candidates
            .iter()
            .filter(usable)
            .min_by_key(soonest)?
            .clone();
        log::warn!(
            "no candidate is healthy: trying {} anyway",
            best.endpoint.id()
        );
        self.trail
            .skipped
            .retain(|skip| skip.endpoint != best.endpoint.id().as_str());
        let permit = best.endpoint.health.admit_anyway();
        self.try_keys(&best, permit).await.ok()
    }

    /// Tries one endpoint with as many of its keys as make sense. `Err`: what the last one leaves to try.
    async fn try_keys(&mut self, candidate: &Candidate, permit: Permit) -> Result<End, Retry> {
        let endpoint = &candidate.endpoint;
        let mut tried: Vec<KeyIndex> = Vec::new();
        loop {
            let key = endpoint.keys.pick(Instant::now(), &tried);
            if key.is_none() && !endpoint.keys.is_empty() {
                return Err(Retry::NextEndpoint);
            }
            tried.extend(key);
            let (fault, refused) = match self.attempt_or_repair(candidate, key).await {
                Outcome::Served => return Ok(End::Served),
                Outcome::Left => return Ok(End::Left),
                Outcome::Cut(fault) => {
                    judge::judge(&self.case(candidate, key), &fault);
                    return Ok(End::Cut(fault));
                }
                Outcome::Failed(fault, refused) => (fault, refused),
            };
            let retry = judge::judge(&self.case(candidate, key), &fault);
            let passthrough = is_passthrough(endpoint);
            let (endpoint_id, dialect) = (endpoint.id().clone(), endpoint.dialect);
            self.trail.failed.push(Failed {
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
                Retry::NextProvider => {
                    drop(permit);
                    return Err(Retry::NextProvider);
                }
            }
            if self.request.deadline <= Instant::now() {
                return Err(Retry::NextEndpoint);
            }
        }
    }

    /// One try, and when the provider does not take back the thinking of earlier turns, one more without it. If that
    /// fails as well, the first refusal stands.
    async fn attempt_or_repair(&mut self, candidate: &Candidate, key: Option<KeyIndex>) -> Outcome {
        let first = self.attempt(candidate, key, Thinking::Kept).await;
        match &first {
            Outcome::Failed(_, Some(refused)) if self.is_repairable(candidate, refused) => {}
            _ => return first,
        }
        log::warn!(
            "provider {} refused the thinking of earlier turns: trying once more without it",
            candidate.endpoint.id()
        );
        match self.attempt(candidate, key, Thinking::Cut).await {
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
        let (head, body) = (&self.request.head, &self.request.body.bytes);
        let model = candidate.model.as_str();
        anthropic::is_signature_refusal(&error.message)
            && head.without_thinking(body, model).len() < head.rewritten(body, model).len()
    }

    /// One try.
    async fn attempt(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        thinking: Thinking,
    ) -> Outcome {
        if self.request.deadline <= Instant::now() {
            let kind = FaultKind::UpstreamTimeout(crate::error::Timer::Deadline);
            return Outcome::Failed(Fault::new(kind, "the request took too long"), None);
        }
        let (outgoing, expect) = match self.prepare(candidate, key, thinking) {
            Ok(prepared) => prepared,
            Err(fault) => return Outcome::Failed(fault, None),
        };
        let group = candidate
            .endpoint
            .connection_group(key, &self.request.credentials);
        let attempt = Attempt::new(Arc::clone(&candidate.endpoint), group, outgoing, expect);
        self.trail.attempts += 1;
        let running = match (self.edge.shared.app(), self.edge.shared.template().await) {
            (Ok(app), Ok(template)) => Running::start(app, template, attempt),
            (Err(fault), _) | (_, Err(fault)) => return Outcome::Failed(fault, None),
        };
        self.relay(candidate, running).await
    }

    /// What is sent, and what is expected back.
    fn prepare(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        thinking: Thinking,
    ) -> Result<(Outgoing, Expect), Fault> {
        let endpoint = &candidate.endpoint;
        let stream = self.request.head.stream;
        let same = endpoint.dialect == Dialect::Anthropic;
        let (body, shape) = match endpoint.dialect {
            Dialect::Anthropic => {
                let rewrite = Rewrite {
                    model: candidate.model.as_str(),
                    thinking,
                    always_stream: endpoint.provider.stream_only,
                };
                let (head, body) = (&self.request.head, &self.request.body.bytes);
                (head.rewrite(body, &rewrite), Shape::Same { stream })
            }
            Dialect::OpenAiChat => self.translated(candidate)?,
        };
        let mut headers = send::headers(
            &endpoint.provider,
            endpoint.dialect,
            &self.request.headers,
            same,
            stream || endpoint.provider.stream_only,
        );
        let secret = key.and_then(|key| endpoint.keys.secret(key));
        send::sign_in(
            &mut headers,
            &endpoint.provider,
            endpoint.dialect,
            secret,
            &self.request.credentials,
        )?;
        let mut path = endpoint.target.inference.clone();
        if let (true, Some(query)) = (same, &self.request.query) {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        let outgoing = Outgoing {
            method: http::Method::POST,
            path,
            headers,
            body,
        };
        Ok((outgoing, Expect { shape }))
    }

    fn translated(&mut self, candidate: &Candidate) -> Result<(Bytes, Shape), Fault> {
        let endpoint = &candidate.endpoint;
        let model = candidate.model.as_str();
        let profile = profile::of(endpoint, model);
        let context = RequestContext {
            model,
            profile: &profile,
            message_id: self.request.id.as_str().replacen("req_", "msg_", 1),
            input_estimate: quick_estimate(self.request.body.bytes.len()),
            always_stream: endpoint.provider.stream_only,
        };
        let translation =
            translate::request(&self.request.body.bytes, context).map_err(|error| {
                Fault::new(FaultKind::InvalidRequest, error.to_string())
                    .with_code(error.error_code())
            })?;
        self.losses = translation.losses;
        let (stream, context) = (self.request.head.stream, Box::new(translation.context));
        Ok((
            Bytes::from(translation.body),
            Shape::Translated { stream, context },
        ))
    }

    fn skip(&mut self, candidate: &Candidate, why: String, back_in: Option<Duration>) {
        let endpoint = candidate.endpoint.id().as_str().to_owned();
        self.trail.skipped.push(Skip {
            endpoint,
            why,
            back_in,
            dead: false,
        });
    }

    fn case<'c>(&'c self, candidate: &'c Candidate, key: Option<KeyIndex>) -> Case<'c> {
        Case {
            snapshot: &self.snapshot,
            endpoint: &candidate.endpoint,
            key,
            model: candidate.model.as_str(),
            fingerprint: self.request.fingerprint(),
        }
    }

    /// What an error answer means; see [`judge::fault_of`].
    pub(super) fn fault_of(&self, candidate: &Candidate, refused: &Refused) -> Fault {
        judge::fault_of(&self.case(candidate, None), refused)
    }

    fn last_was(&self, matches: fn(&FaultKind) -> bool) -> bool {
        self.trail
            .failed
            .last()
            .is_some_and(|failed| matches(&failed.fault.kind))
    }

    /// Whether a candidate is rate limited or overloaded, so that waiting a moment may be all it needs.
    fn asked_for_patience(&self, candidate: &Candidate) -> bool {
        let id: &EndpointId = candidate.endpoint.id();
        let failed = self
            .trail
            .failed
            .iter()
            .rev()
            .find(|failed| failed.endpoint == *id);
        failed.is_none_or(|failed| {
            matches!(
                failed.fault.kind,
                FaultKind::UpstreamLimited { .. } | FaultKind::UpstreamOverloaded { .. }
            )
        })
    }

    /// The time after which a candidate that asked for patience may serve, if it is short and a repeat may be had.
    fn short_wait(&self, candidates: &[Candidate]) -> Option<Duration> {
        let now = Instant::now();
        let back_in = |candidate: &Candidate| {
            let endpoint = &candidate.endpoint;
            let health = match endpoint.health.check(now, candidate.model.as_str(), None) {
                Ok(()) => Duration::ZERO,
                Err(crate::health::Refusal::Cooling(until, _)) => {
                    until.saturating_duration_since(now)
                }
                Err(_) => return None,
            };
            let keys = if endpoint.keys.any_usable(now) {
                Duration::ZERO
            } else {
                endpoint.keys.next_usable()?.saturating_duration_since(now)
            };
            let wait = health.max(keys);
            (!wait.is_zero()).then_some(wait)
        };
        let patient = candidates
            .iter()
            .filter(|candidate| self.asked_for_patience(candidate));
        let wait = patient.filter_map(back_in).min()?;
        let fits = wait <= self.snapshot.config.settings.max_retry_wait
            && now + wait < self.request.deadline;
        (fits && self.edge.shared.take_retry(now)).then_some(wait)
    }

    /// What the client has been shown.
    pub(super) fn shown(&self) -> Shown {
        self.client.shown()
    }
}

fn window(candidate: &Candidate) -> Option<u64> {
    candidate.endpoint.facts(candidate.model.as_str())?.context
}
