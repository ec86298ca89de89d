//! Which endpoints may serve a request, in which order, and why the others may not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asked::{self, has_images};
use super::billing::{self, Decision};
use super::request::Request;
use super::trail::{MODEL_UNKNOWN, Skip};
use crate::config::{Billing, KeyStrategy, ProviderAuth, RouteCandidate, Strategy, Terms, Wish};
use crate::error::{Fault, FaultKind};
use crate::health::Refusal;
use crate::protocol::anthropic::RequestHead;
use crate::routing::{Resolution, Turn, prefer_asked, rank};
use crate::snapshot::{Endpoint, Snapshot, Spoken};
use crate::types::{Dialect, UpstreamModel};

/// Bytes of JSON that are at least one token: a prompt is only called too long when it cannot fit.
const BYTES_PER_TOKEN_AT_MOST: usize = 8;

/// One way to serve a request.
#[derive(Clone)]
pub struct Candidate {
    /// Where.
    pub endpoint: Arc<Endpoint>,
    /// The model to ask for there.
    pub model: UpstreamModel,
    /// Smaller is better.
    pub priority: u32,
    /// What is spoken with it there.
    pub spoken: Spoken,
    /// What else its route says of it.
    pub wish: Wish,
}

impl Candidate {
    /// A model at an endpoint.
    pub fn new(endpoint: &Arc<Endpoint>, model: UpstreamModel, listed: &RouteCandidate) -> Self {
        Candidate {
            spoken: endpoint.spoken(model.as_str()),
            endpoint: Arc::clone(endpoint),
            model,
            priority: listed.priority,
            wish: listed.wish,
        }
    }

    /// What is paid for.
    pub fn billing(&self) -> Billing {
        self.wish.billing.unwrap_or(self.endpoint.provider.billing)
    }
}

/// The ways to serve a request.
pub struct Choice {
    /// In the order they are to be tried.
    pub candidates: Vec<Candidate>,
    /// Those that cannot serve it at all, and why.
    pub skipped: Vec<Skip>,
    /// The pattern that matched.
    pub route: String,
    /// How.
    pub terms: Terms,
    /// What it is better paid for by, where that was asked.
    pub decision: Option<Decision>,
}

/// What a model name leads to, in the order to be tried.
struct Listed {
    route: String,
    candidates: Vec<RouteCandidate>,
    terms: Terms,
}

/// Orders the candidates for a request. One that `is_bound` on its route goes where it was before and takes no turn.
pub fn choose(
    snapshot: &Snapshot,
    request: &Request,
    is_bound: impl FnOnce(&str) -> bool,
) -> Result<Choice, Fault> {
    let head = &request.head;
    let listed = match &head.pin {
        Some(pin) => {
            let pinned = pinned(snapshot, head, pin)?;
            is_bound(&pinned.route);
            pinned
        }
        None => routed(snapshot, request, is_bound)?,
    };
    let holder = request.bill.holder();
    if let Some(holder) = holder.filter(|it| !it.may_take(&listed.route)) {
        return Err(holder.not_allowed(&head.model));
    }
    let needs = Needs {
        body: &request.body.bytes,
        dialect: head.dialect,
        thinking: head.thinks,
    };
    let mut choice = Choice {
        candidates: Vec::new(),
        skipped: Vec::new(),
        route: listed.route,
        terms: listed.terms,
        decision: None,
    };
    let (mut incapable, mut forbidden) = (Vec::new(), false);
    for listed in listed.candidates {
        let name = || {
            snapshot
                .config
                .providers
                .get(listed.provider)
                .map_or("?", |p| p.id.as_str())
                .to_owned()
        };
        let Some(endpoint) = snapshot.endpoint(listed.provider) else {
            choice.skipped.push(Skip::new(
                name(),
                inactive_reason(snapshot, listed.provider),
            ));
            continue;
        };
        if holder.is_some_and(|it| !it.may_use(&endpoint.provider.name)) {
            let why = "this gateway key may not use it".to_owned();
            choice.skipped.push(Skip::new(name(), why));
            forbidden = true;
            continue;
        }
        let model = listed
            .model
            .as_deref()
            .map_or_else(|| UpstreamModel::new(&head.model), UpstreamModel::new);
        let candidate = Candidate::new(endpoint, model, &listed);
        match needs.missing(&candidate) {
            None => choice.candidates.push(candidate),
            Some(why) => {
                choice.skipped.push(Skip::new(name(), why.to_owned()));
                incapable.push(candidate);
            }
        }
    }
    // Better an endpoint that says no itself than an answer that nobody can serve this.
    if choice.candidates.is_empty() {
        choice.candidates = incapable;
    }
    choice.decision = billing::prefer(snapshot, request, &mut choice.candidates)?;
    if let (true, true, Some(holder)) = (choice.candidates.is_empty(), forbidden, holder) {
        return Err(holder.not_allowed(&head.model));
    }
    Ok(choice)
}

fn routed(
    snapshot: &Snapshot,
    request: &Request,
    is_bound: impl FnOnce(&str) -> bool,
) -> Result<Listed, Fault> {
    let head = &request.head;
    match asked::resolve(&snapshot.table, request) {
        Resolution::Route {
            pattern,
            candidates,
            terms,
            fallback,
        } => {
            if fallback {
                let model = head.model.escape_debug();
                log::warn!(
                    "no route names model \"{model}\": served by the default route \"{pattern}\""
                );
            }
            let strategy = snapshot.config.settings.strategy;
            let turn = if is_bound(pattern) {
                Turn::LookedAt
            } else {
                Turn::Taken
            };
            let (state, mut rng) = (&snapshot.strategy, fastrand::Rng::new());
            let mut order = state.order_for(turn, strategy, pattern, candidates, &mut rng);
            take_turns(snapshot, turn, candidates, &mut order, &mut rng);
            let now = Instant::now();
            rank(strategy, &mut order, candidates, |at| {
                let it = candidates.get(at);
                let endpoint = it.and_then(|it| snapshot.endpoint(it.provider));
                let model = it.and_then(|it| it.model.as_deref());
                let vitals = |it: &Arc<Endpoint>| it.vitals(now, model.unwrap_or(&head.model));
                endpoint.map(vitals).unwrap_or_default()
            });
            prefer_asked(strategy, &mut order, candidates, &head.model);
            let candidates = order.into_iter().filter_map(|i| candidates.get(i));
            Ok(Listed {
                route: pattern.to_owned(),
                candidates: candidates.cloned().collect(),
                terms,
            })
        }
        Resolution::NoRoute { near } => {
            let mut text = format!("model: no route serves \"{}\"", head.model.escape_debug());
            if !near.is_empty() {
                text.push_str("; near names: ");
                text.push_str(&near.join(", "));
            }
            Err(Fault::new(FaultKind::ModelNotFound, text))
        }
    }
}

/// Accounts that stand for one provider take turns where the strategy would always begin with the first of them.
fn take_turns(
    snapshot: &Snapshot,
    turn: Turn,
    candidates: &[RouteCandidate],
    order: &mut [usize],
    rng: &mut fastrand::Rng,
) {
    let config = &snapshot.config;
    if !matches!(
        config.settings.strategy,
        Strategy::Priority | Strategy::Cheapest
    ) {
        return;
    }
    let of = |at: &usize| {
        let candidate = candidates.get(*at)?;
        let provider = config.providers.get(candidate.provider)?;
        provider
            .takes_turns
            .then_some((candidate.priority, provider))
    };
    let same = |a: &usize, b: &usize| match (of(a), of(b)) {
        (Some(a), Some(b)) => a.0 == b.0 && a.1.name == b.1.name,
        _ => false,
    };
    for accounts in order.chunk_by_mut(same).filter(|it| 1 < it.len()) {
        let Some((_, provider)) = accounts.first().and_then(of) else {
            continue;
        };
        match provider.key_strategy {
            KeyStrategy::Failover => {}
            KeyStrategy::Random => rng.shuffle(accounts),
            KeyStrategy::RoundRobin => {
                let first = snapshot.strategy.turn(turn, &provider.name) % accounts.len();
                accounts.rotate_left(first);
            }
        }
    }
}

/// The seeds' pin: one provider by name, with the model its route would send, if one names it.
fn pinned(snapshot: &Snapshot, head: &RequestHead, pin: &str) -> Result<Listed, Fault> {
    let named = |i: &usize| {
        snapshot
            .config
            .providers
            .get(*i)
            .is_some_and(|p| p.name == pin)
    };
    let indices: Vec<usize> = (0..snapshot.config.providers.len()).filter(named).collect();
    if indices.is_empty() {
        let text = format!("provider: there is no provider \"{}\"", pin.escape_debug());
        return Err(Fault::new(FaultKind::ModelNotFound, text));
    }
    let (listed, terms) = match snapshot.table.resolve(&head.model) {
        Resolution::Route {
            candidates, terms, ..
        } => {
            let its = candidates.iter().filter(|c| indices.contains(&c.provider));
            (its.cloned().collect(), terms)
        }
        Resolution::NoRoute { .. } => (Vec::new(), snapshot.config.settings.terms),
    };
    let plain = |provider: usize| RouteCandidate {
        provider,
        model: None,
        priority: 1,
        weight: 1.0,
        wish: Wish::default(),
    };
    let candidates: Vec<RouteCandidate> = if listed.is_empty() {
        indices.into_iter().map(plain).collect()
    } else {
        listed
    };
    Ok(Listed {
        route: format!("provider {pin}"),
        candidates,
        terms,
    })
}

fn inactive_reason(snapshot: &Snapshot, provider: usize) -> String {
    match snapshot.config.providers.get(provider) {
        Some(provider) if !provider.enabled => "disabled".to_owned(),
        Some(provider) => provider
            .inactive
            .clone()
            .unwrap_or_else(|| "not active".to_owned()),
        None => "unknown".to_owned(),
    }
}

/// What a request needs of a model, as far as it can be told without parsing it. Looked for only where an operator has
/// declared facts to hold it against: bodies are large.
struct Needs<'b> {
    body: &'b [u8],
    dialect: Dialect,
    thinking: bool,
}

impl Needs<'_> {
    fn mentions(&self, text: &str) -> bool {
        memchr::memmem::find(self.body, text.as_bytes()).is_some()
    }

    fn has_images(&self) -> bool {
        has_images(self.dialect, self.body)
    }

    fn has_tools(&self) -> bool {
        match self.dialect {
            Dialect::Anthropic | Dialect::Gemini => self.mentions("\"input_schema\""),
            Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                self.mentions("\"tools\"") && self.mentions("\"parameters\"")
            }
        }
    }

    fn missing(&self, candidate: &Candidate) -> Option<&'static str> {
        let facts = candidate.endpoint.facts(candidate.model.as_str())?;
        if facts.tools == Some(false) && self.has_tools() {
            return Some("the model takes no tools");
        }
        if facts.images == Some(false) && self.has_images() {
            return Some("the model takes no images");
        }
        // Only a translation can leave the wish out.
        let verbatim = candidate.spoken.dialect == self.dialect;
        if facts.thinking == Some(false) && self.thinking && verbatim {
            return Some("the model does not think");
        }
        let at_least_tokens = (self.body.len() / BYTES_PER_TOKEN_AT_MOST) as u64;
        let too_long = facts.context.is_some_and(|window| window < at_least_tokens);
        (too_long && !self.has_images())
            .then_some("the prompt is longer than the model's context window")
    }
}

/// Why an endpoint takes no request now, in words, and when it might.
pub fn refusal_text(refusal: &Refusal, now: Instant) -> (String, Option<Duration>) {
    let seconds = |until: &Instant| until.saturating_duration_since(now);
    match refusal {
        Refusal::CircuitOpen(Some(until)) => {
            let wait = seconds(until);
            (
                format!("circuit open for {} s", wait.as_secs() + 1),
                Some(wait),
            )
        }
        Refusal::CircuitOpen(None) => (
            "circuit half-open, a trial is under way".to_owned(),
            Some(Duration::ZERO),
        ),
        Refusal::Cooling(until, why) => {
            let wait = seconds(until);
            (format!("{why}, for {} s", wait.as_secs() + 1), Some(wait))
        }
        Refusal::ModelUnsupported(until) => (MODEL_UNKNOWN.to_owned(), Some(seconds(until))),
        Refusal::Full => (
            "as many requests as allowed are under way".to_owned(),
            Some(Duration::ZERO),
        ),
    }
}

/// Whether the credential of this endpoint is the client's own.
pub fn is_passthrough(endpoint: &Endpoint) -> bool {
    endpoint.provider.auth == ProviderAuth::Passthrough
}
