//! What was tried for a request and what came of it: for the log, for the client's trace, and for the error that is
//! finally returned.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use super::answer::Refused;
use crate::error::{Fault, FaultKind};
use crate::telemetry::tracing::SpanId;
use crate::types::{Dialect, EndpointId};

/// Longest wait that a client is told: above it, clients give up instead of coming back (measured with Claude Code).
const MAX_TOLD_WAIT: Duration = Duration::from_secs(20);

/// Steps that are remembered of one request.
const MAX_STEPS: usize = 200;

/// Why an account is passed over whose provider has just said that it is overloaded.
pub const PROVIDER_OVERLOADED: &str = "its provider is overloaded";

/// Why a candidate is passed over that has said it does not know the model.
pub const MODEL_UNKNOWN: &str = "it does not know the model";

/// A candidate that was not tried.
#[derive(Clone, Debug)]
pub struct Skip {
    /// Which.
    pub endpoint: String,
    /// Why.
    pub why: String,
    /// When it might serve again.
    pub back_in: Option<Duration>,
    /// Every key of it was refused.
    pub dead: bool,
}

impl Skip {
    /// A candidate that no waiting brings back.
    pub fn new(endpoint: String, why: String) -> Self {
        Skip {
            endpoint,
            why,
            back_in: None,
            dead: false,
        }
    }
}

impl Skip {
    /// Whether it would be skipped again, however long the client waits.
    fn is_for_good(&self) -> bool {
        self.back_in.is_none() && self.why != PROVIDER_OVERLOADED
    }
}

/// A try that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Where.
    pub endpoint: EndpointId,
    /// What that endpoint speaks.
    pub dialect: Dialect,
    /// What happened.
    pub fault: Fault,
    /// Its HTTP answer, if it gave one.
    pub refused: Option<Refused>,
}

/// One thing that was done about a request, for people.
#[derive(Clone, Debug)]
pub struct Step {
    /// The endpoint.
    pub endpoint: String,
    /// With which key, as it may be shown.
    pub key: Option<String>,
    /// What came of it, in words that hold no secret and no text of the provider.
    pub what: String,
    /// How long it took; `None` for what was passed over.
    pub took: Option<Duration>,
    /// Whether it was begun beside another try.
    pub hedge: bool,
}

/// One attempt, as a trace tells it.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Its span.
    pub id: SpanId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The model that was asked for there.
    pub model: String,
    /// When it began.
    pub began: Instant,
    /// When it ended; `None` for the one that served, or was cut.
    pub ended: Option<Instant>,
    /// What came of it.
    pub outcome: String,
    /// What went wrong with it.
    pub fault: Option<&'static str>,
    /// The status of its answer, where it was an error.
    pub status: Option<u16>,
    /// Whether it was begun beside another one.
    pub hedge: bool,
}

/// A try under way.
#[derive(Debug)]
struct Trying {
    endpoint: String,
    key: Option<String>,
    began: Instant,
    hedge: bool,
}

/// Everything tried for one request.
#[derive(Debug, Default)]
pub struct Trail {
    /// All of it in order, waits included.
    steps: Vec<Step>,
    /// What is being tried: one thing, or two beside each other, at different endpoints.
    trying: [Option<Trying>; 2],
    /// Candidates passed over.
    pub skipped: Vec<Skip>,
    /// Tries that failed, in order.
    pub failed: Vec<Failed>,
    /// Tries made, the good one included.
    pub attempts: u32,
    /// Those of them that were begun beside another one.
    pub hedges: u32,
    /// Attempts of a request that is traced, in order.
    traced: Vec<Traced>,
}

impl Traced {
    fn end(&mut self, outcome: &str) {
        self.ended = Some(Instant::now());
        outcome.clone_into(&mut self.outcome);
    }
}

impl Trying {
    fn ended(&self, what: &str) -> Step {
        Step {
            endpoint: self.endpoint.clone(),
            key: self.key.clone(),
            what: what.to_owned(),
            took: Some(self.began.elapsed()),
            hedge: self.hedge,
        }
    }
}

/// What to answer when nothing worked.
pub enum Verdict<'t> {
    /// A provider's answer as it is.
    AsSent(&'t Failed),
    /// An error of our own.
    Ours(Fault, Option<Duration>),
}

impl Trail {
    /// A candidate is not tried.
    pub fn pass_over(&mut self, skip: Skip) {
        self.note(&skip.endpoint, skip.why.clone(), None);
        self.skipped.push(skip);
    }

    /// Something else is done about an endpoint, or about the whole request.
    pub fn note(&mut self, endpoint: &str, what: String, took: Option<Duration>) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push(Step {
                endpoint: endpoint.to_owned(),
                key: None,
                what,
                took,
                hedge: false,
            });
        }
    }

    /// A try begins, with the key of this label.
    pub fn begin(&mut self, endpoint: &EndpointId, key: Option<String>) -> Instant {
        let began = Instant::now();
        if let Some(free) = self.trying.iter_mut().find(|it| it.is_none()) {
            *free = Some(Trying {
                endpoint: endpoint.as_str().to_owned(),
                key,
                began,
                hedge: false,
            });
        }
        began
    }

    /// The try under way at this endpoint is one beside another.
    pub fn mark_hedge(&mut self, endpoint: &EndpointId) {
        self.hedges += 1;
        if let Some(Some(trying)) = self.trying_at(endpoint) {
            trying.hedge = true;
        }
        if let Some(traced) = self.traced_at(endpoint) {
            traced.hedge = true;
        }
    }

    /// The try at this endpoint never began.
    pub fn forget(&mut self, endpoint: &EndpointId) {
        if let Some(trying) = self.trying_at(endpoint) {
            *trying = None;
        }
    }

    /// The try under way at this endpoint is over.
    pub fn over(&mut self, endpoint: &EndpointId, what: &str) {
        if let Some(traced) = self.traced_at(endpoint) {
            traced.end(what);
        }
        let over = self.trying_at(endpoint).and_then(Option::take);
        self.steps.extend(over.map(|it| it.ended(what)));
    }

    /// Whether a try is under way.
    pub fn is_trying(&self) -> bool {
        self.trying.iter().any(Option::is_some)
    }

    /// A try has failed.
    pub fn fail(&mut self, failed: Failed) {
        if let Some(traced) = self.traced_at(&failed.endpoint) {
            let label = failed.fault.kind.label();
            traced.fault = Some(label);
            let refused = failed.refused.as_ref();
            traced.status = refused.map(|it| it.status.as_u16());
            traced.end(label);
        }
        self.over(&failed.endpoint, &failed.reason());
        self.failed.push(failed);
    }

    /// An attempt of a request that is traced begins. One that is still open there has been refused in a way that this
    /// one may repair.
    pub fn attempt_began(&mut self, endpoint: &EndpointId, model: String, id: SpanId) {
        if let Some(before) = self.traced_at(endpoint) {
            before.end("repeated");
        }
        if self.traced.len() < MAX_STEPS {
            self.traced.push(Traced {
                id,
                endpoint: endpoint.clone(),
                model,
                began: Instant::now(),
                ended: None,
                outcome: String::new(),
                fault: None,
                status: None,
                hedge: false,
            });
        }
    }

    /// All attempts of a request that is traced.
    pub fn traced(&self) -> &[Traced] {
        &self.traced
    }

    fn traced_at(&mut self, endpoint: &EndpointId) -> Option<&mut Traced> {
        let mut traced = self.traced.iter_mut();
        traced.rfind(|it| it.ended.is_none() && it.endpoint == *endpoint)
    }

    fn trying_at(&mut self, endpoint: &EndpointId) -> Option<&mut Option<Trying>> {
        let is_there = |it: &Trying| it.endpoint == endpoint.as_str();
        let mut trying = self.trying.iter_mut();
        trying.find(|it| it.as_ref().is_some_and(is_there))
    }

    /// Whether the answer comes from a try that was begun beside another; `None` where there was none. To be asked when
    /// nothing but the try that serves is under way any more.
    pub fn hedge_won(&self) -> Option<bool> {
        let won = || self.trying.iter().flatten().any(|it| it.hedge);
        (0 < self.hedges).then(won)
    }

    /// All steps in order; a try that is still under way, or over well, came to `end`.
    pub fn steps(&self, end: &str) -> impl Iterator<Item = Step> {
        let under_way = self.trying.iter().flatten().map(move |it| it.ended(end));
        self.steps.iter().cloned().chain(under_way)
    }

    /// `candidate=reason (key 1:sk-a..9x2f, 12 ms); …` for people who debug.
    pub fn trace(&self, end: &str) -> String {
        let mut text = String::new();
        for step in self.steps(end) {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{step}");
        }
        text.replace(|c: char| !(c == ' ' || c.is_ascii_graphic()), "?")
    }

    /// What the client is told when no candidate gave an answer, by the order of FAILURES §1 of the design.
    pub fn verdict(&self, candidates: usize) -> Verdict<'_> {
        let answers = || self.failed.iter().filter(|failed| failed.refused.is_some());
        let every = |matches: fn(&FaultKind) -> bool| {
            !self.failed.is_empty()
                && self.skipped.is_empty()
                && self.failed.iter().all(|f| matches(&f.fault.kind))
        };
        let refused_all = self
            .failed
            .iter()
            .all(|f| matches!(f.fault.kind, FaultKind::UpstreamAuth { .. }));
        let tried_any = !self.failed.is_empty() || !self.skipped.is_empty();
        if tried_any && refused_all && self.skipped.iter().all(|skip| skip.dead) {
            let text = "every provider refused this gateway's own credentials; an operator must look at them";
            return Verdict::Ours(Fault::new(FaultKind::CredentialsDead, text), None);
        }
        // A client that is told so does without: better now from here than later from one that failed.
        let has_a_way_out =
            |f: &&Failed| f.fault.kind == FaultKind::Untranslatable && f.fault.code.is_some();
        if let Some(failed) = self.failed.iter().rfind(has_a_way_out) {
            return Verdict::Ours(failed.fault.clone(), None);
        }
        let untranslatable = |f: &Failed| f.fault.kind == FaultKind::Untranslatable;
        if let Some(last) = self.failed.last()
            && self.failed.iter().all(untranslatable)
            && self.skipped.iter().all(Skip::is_for_good)
        {
            return Verdict::Ours(last.fault.clone(), None);
        }
        if candidates == 1
            && let Some(only) = answers().next_back()
        {
            return Verdict::AsSent(only);
        }
        if every(|kind| matches!(kind, FaultKind::UpstreamLimited { .. })) {
            let soonest = answers().min_by_key(|failed| failed.wait().unwrap_or(Duration::MAX));
            if let Some(soonest) = soonest {
                return Verdict::AsSent(soonest);
            }
        }
        let overloaded = |f: &Failed| matches!(f.fault.kind, FaultKind::UpstreamOverloaded { .. });
        let passed_over = |skip: &Skip| skip.why == PROVIDER_OVERLOADED;
        if self.failed.iter().all(overloaded)
            && self.skipped.iter().all(passed_over)
            && let Some(last) = answers().next_back()
        {
            return Verdict::AsSent(last);
        }
        let unknown = |f: &Failed| f.fault.kind == FaultKind::UpstreamModelNotFound;
        let known_unknown = |skip: &Skip| skip.why == MODEL_UNKNOWN;
        if tried_any && self.failed.iter().all(unknown) && self.skipped.iter().all(known_unknown) {
            // Trying again later would not help, as a 503 would suggest.
            let text = "model: no provider of its route knows this model";
            return match answers().next_back() {
                Some(last) => Verdict::AsSent(last),
                None => Verdict::Ours(Fault::new(FaultKind::ModelNotFound, text), None),
            };
        }
        let back_in = self.back_in().filter(|wait| *wait <= MAX_TOLD_WAIT);
        Verdict::Ours(Fault::new(FaultKind::NoEndpoint, self.apology()), back_in)
    }

    /// When the first candidate might serve again.
    fn back_in(&self) -> Option<Duration> {
        let skipped = self.skipped.iter().filter_map(|skip| skip.back_in);
        skipped
            .chain(self.failed.iter().filter_map(Failed::wait))
            .min()
    }

    fn apology(&self) -> String {
        let mut text = "no provider could serve this request: ".to_owned();
        let skipped = self
            .skipped
            .iter()
            .map(|skip| format!("{} ({})", skip.endpoint, skip.why));
        let failed = self
            .failed
            .iter()
            .map(|failed| format!("{} ({})", failed.endpoint, failed.reason()));
        let all: Vec<String> = skipped.chain(failed).collect();
        if all.is_empty() {
            text.push_str("none is configured for it");
        }
        text.push_str(&all.join(", "));
        text
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.endpoint, self.what)?;
        let key = self.key.as_ref().map(|key| format!("key {key}"));
        let took = self.took.map(|took| format!("{} ms", took.as_millis()));
        let hedge = self.hedge.then(|| "hedge".to_owned());
        let details: Vec<String> = hedge.into_iter().chain(key).chain(took).collect();
        if details.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", details.join(", "))
    }
}

impl Failed {
    /// In a few words that hold no secret and no text of the provider.
    pub fn reason(&self) -> String {
        match &self.refused {
            Some(refused) => format!("{} {}", refused.status.as_u16(), self.fault.kind.label()),
            None => self.fault.kind.label().to_owned(),
        }
    }

    fn wait(&self) -> Option<Duration> {
        match &self.fault.kind {
            FaultKind::UpstreamLimited { after } | FaultKind::UpstreamOverloaded { after } => {
                *after
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn overloaded() -> Failed {
        let fault = Fault::new(FaultKind::UpstreamOverloaded { after: None }, "busy");
        Failed {
            endpoint: EndpointId::new("a", Some("one")),
            dialect: Dialect::Anthropic,
            fault,
            refused: Some(Refused {
                status: StatusCode::from_u16(529).unwrap(),
                headers: HeaderMap::new(),
                body: bytes::Bytes::new(),
                read: None,
            }),
        }
    }

    #[test]
    fn a_trace_tells_everything_in_order() {
        let mut trail = Trail::default();
        trail.pass_over(Skip::new("z".to_owned(), "disabled".to_owned()));
        let key = Some("1:sk-a..9x2f".to_owned());
        trail.begin(&EndpointId::new("a", Some("one")), key);
        trail.fail(overloaded());
        trail.note("b", "waited".to_owned(), Some(Duration::from_millis(7)));
        trail.begin(&EndpointId::new("é", None), None);
        let trace = trail.trace("served");
        let parts: Vec<&str> = trace.split("; ").collect();
        assert_eq!(parts[0], "z=disabled");
        let failed = "a#one=529 upstream_overloaded (key 1:sk-a..9x2f, ";
        assert!(parts[1].starts_with(failed), "{trace}");
        assert_eq!(parts[2], "b=waited (7 ms)");
        assert!(parts[3].starts_with("?=served ("), "{trace}");
    }

    #[test]
    fn two_tries_beside_each_other_end_each_for_itself() {
        let (a, b) = (
            EndpointId::new("a", Some("one")),
            EndpointId::new("b", None),
        );
        let mut trail = Trail::default();
        trail.begin(&a, None);
        assert_eq!(trail.hedge_won(), None);
        trail.begin(&b, None);
        trail.mark_hedge(&b);
        let trace = trail.trace("the client left");
        assert!(trace.starts_with("a#one=the client left ("), "{trace}");
        assert!(trace.contains("; b=the client left (hedge, "), "{trace}");
        trail.fail(overloaded());
        assert_eq!(trail.hedge_won(), Some(true));
        let trace = trail.trace("served");
        assert!(trace.starts_with("a#one=529 "), "{trace}");
        assert!(trace.contains("; b=served (hedge, "), "{trace}");
        trail.over(&b, "cancelled");
        trail.begin(&a, None);
        assert_eq!(trail.hedge_won(), Some(false));
        let trace = trail.trace("served");
        assert!(trace.contains("; b=cancelled (hedge, "), "{trace}");
        assert!(trace.contains("; a#one=served ("), "{trace}");
    }

    #[test]
    fn accounts_of_an_overloaded_provider_count_as_overloaded() {
        for (why, as_sent) in [(PROVIDER_OVERLOADED, true), ("all its keys rest", false)] {
            let trail = Trail {
                skipped: vec![Skip::new("a#two".to_owned(), why.to_owned())],
                failed: vec![overloaded()],
                attempts: 1,
                ..Trail::default()
            };
            assert_eq!(
                matches!(trail.verdict(2), Verdict::AsSent(_)),
                as_sent,
                "{why}"
            );
        }
    }

    #[test]
    fn a_refusal_that_the_client_can_act_on_is_told_whoever_else_failed() {
        let fault = Fault::new(FaultKind::Untranslatable, "no threads here");
        for (code, told) in [(Some("thread_unsupported_request"), true), (None, false)] {
            let cannot_say = Failed {
                fault: fault.clone().with_code(code),
                refused: None,
                ..overloaded()
            };
            let dead = Failed {
                fault: Fault::new(FaultKind::UpstreamUnreachable, "dead"),
                refused: None,
                ..overloaded()
            };
            let trail = Trail {
                failed: vec![cannot_say, dead],
                attempts: 2,
                ..Trail::default()
            };
            let Verdict::Ours(fault, _) = trail.verdict(2) else {
                panic!("nobody answered");
            };
            assert_eq!(fault.kind == FaultKind::Untranslatable, told);
        }
    }
}
