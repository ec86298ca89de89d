//! What a call to Zed's service needs besides the dialect within: headers, the envelope, and the thread and prompt that
//! the request belongs to there. What threads are, and when one takes another's place, is known in `zed`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::answer::{Refused, Wrapped};
use super::choose::Candidate;
use super::exchange::{Begun, Exchange, Outcome};
use crate::config::{Billing, Classes, DEFAULT_CONTEXT, Generation, Platform, Zed, ZedMode};
use crate::error::{Fault, FaultKind};
use crate::health::Extra;
use crate::protocol::answer::Told;
use crate::protocol::anthropic::Thinking;
use crate::protocol::turns;
use crate::protocol::upstream_error::UpstreamError;
use crate::protocol::zed::{self as wire, Envelope, Lines, Refusal, Unwrap, headers as names};
use crate::routing::Facts;
use crate::snapshot::{Endpoint, Spoken};
use crate::types::{Dialect, EndpointId, MicroUsd, TokenKinds, UpstreamModel};
use crate::zed::{Answered, Asking, Speaker, Turn};

/// Longest wait that a header tells.
const MAX_TOLD: Duration = Duration::from_secs(86_400);

/// Whether `endpoint` is one of Zed's.
pub fn is_zed(endpoint: &Endpoint) -> bool {
    endpoint.provider.platform == Platform::Zed
}

/// How the answer to a call of `endpoint` is wrapped, if it is.
pub fn wrapping(endpoint: &Endpoint, spoken: Spoken) -> Option<Wrapped> {
    let terms = endpoint.provider.zed.as_ref()?;
    Some(Wrapped {
        within: spoken.dialect,
        knows_end: terms.generation == Generation::Of2026,
    })
}

/// Headers of every call.
pub fn headers(terms: &Zed) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![said(names::TAKES_STATUSES)];
    if terms.generation == Generation::Of2026 {
        headers.push(said(names::TAKES_END));
    }
    let version = terms.version.as_ref().map(|it| HeaderValue::from_str(it));
    if let Some(Ok(version)) = version {
        headers.push((HeaderName::from_static(names::VERSION), version));
    }
    headers
}

fn said(name: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static("true"),
    )
}

/// The body of a call to `endpoint`; anybody else's stays as it is.
pub fn body(
    endpoint: &Endpoint,
    spoken: Spoken,
    model: &str,
    turn: Option<&Turn>,
    body: Bytes,
) -> Result<Bytes, Fault> {
    let (Some(terms), Some(hosted)) = (&endpoint.provider.zed, spoken.hosted) else {
        return Ok(body);
    };
    let tells_modes = terms.generation == Generation::Of2025;
    let told = turn.filter(|_| tells_modes);
    let envelope = Envelope {
        thread_id: turn.map(|it| it.thread_id.as_str()),
        prompt_id: turn.map(|it| it.prompt_id.as_str()),
        intent: told.map(|it| {
            if it.new_prompt {
                "user_prompt"
            } else {
                "tool_results"
            }
        }),
        mode: told.map(|it| if it.is_max { "max" } else { "normal" }),
        hosted,
        model,
    };
    wire::wrapped(&envelope, &body).map_err(Fault::internal)
}

/// Opens the answer with this head.
pub fn opening(wrapped: Wrapped, head: &HeaderMap) -> Unwrap {
    let lines = match (head.contains_key(names::GIVES_STATUSES), wrapped.knows_end) {
        (false, _) => Lines::Events,
        (true, false) => Lines::Statuses,
        (true, true) => Lines::StatusesAndEnd,
    };
    let mut unwrap = Unwrap::new(wrapped.within, lines);
    let told = unwrap.told_mut();
    told.tool_limit = head.contains_key(names::TOOL_LIMIT);
    let amount = text(head, names::USAGE_AMOUNT).and_then(|it| it.parse().ok());
    told.usage = amount.map(|amount| wire::UsageTold {
        amount,
        limit: text(head, names::USAGE_LIMIT).and_then(|it| it.parse().ok()),
    });
    unwrap
}

/// Reads a refusal, and makes its head say what it means: the status of whoever refused, and how long to wait.
pub fn read_refusal(refused: &mut Refused) -> UpstreamError {
    let head = &refused.headers;
    let has = |name| head.contains_key(name);
    let error = wire::parse_error(&Refusal {
        status: refused.status.as_u16(),
        body: &refused.body,
        token_ended: has(names::EXPIRED_TOKEN) || has(names::OUTDATED_TOKEN),
        limit_resource: text(head, names::LIMIT_RESOURCE),
        plan: text(head, names::PLAN),
        minimum_version: text(head, names::MINIMUM_VERSION),
    });
    if let Ok(status) = http::StatusCode::from_u16(error.http_status()) {
        refused.status = status;
    }
    if let Some(after) = error.after.filter(|it| *it <= MAX_TOLD) {
        let seconds = after.as_secs() + u64::from(0 < after.subsec_nanos());
        refused
            .headers
            .insert("retry-after", HeaderValue::from(seconds));
    }
    for name in own_names(&refused.headers) {
        refused.headers.remove(name);
    }
    error
}

/// What the service says about our account, which is nobody else's business.
pub fn own_names(headers: &HeaderMap) -> Vec<HeaderName> {
    let all = headers.keys();
    let own = all.filter(|it| it.as_str().starts_with(names::FAMILY));
    own.cloned().collect()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|it| it.to_str().ok())
}

/// What a request is sent under, as a request for one model at one endpoint.
pub struct Taken {
    endpoint: EndpointId,
    model: UpstreamModel,
    turn: Turn,
    /// Threads and prompts that were refused.
    refused: u32,
    /// The word for what went wrong last.
    failed: Option<String>,
    /// It has been counted.
    counted: bool,
}

impl Taken {
    fn is(&self, candidate: &Candidate) -> bool {
        self.endpoint == *candidate.endpoint.id() && self.model == candidate.model
    }
}

impl Exchange<'_, '_> {
    /// What the request is sent under there, where that is known already.
    pub(super) fn zed_turn(&self, candidate: &Candidate) -> Option<&Turn> {
        let taken = self.zed.iter().find(|it| it.is(candidate))?;
        Some(&taken.turn)
    }

    /// Finds the thread that the request belongs to there. Once for each candidate: it is one request, however often it
    /// is sent.
    pub(super) fn take_thread(&mut self, candidate: &Candidate) {
        let endpoint = candidate.endpoint.id();
        let Some(terms) = &candidate.endpoint.provider.zed else {
            return;
        };
        if self.zed_turn(candidate).is_some() {
            return;
        }
        let asking = self.asking(candidate, terms);
        let threads = &self.edge.shared.threads;
        let turn = threads.turn(self.speaker(candidate), endpoint, &asking, Instant::now());
        if let Some(reason) = turn.rotated {
            let what = format!("new thread: {}", reason.word());
            self.trail.note(endpoint.as_str(), what, None);
        }
        self.zed.push(Taken {
            endpoint: endpoint.clone(),
            model: candidate.model.clone(),
            turn,
            refused: 0,
            failed: None,
            counted: false,
        });
    }

    /// One try; where the service refuses the thread or the prompt, more with another one, as many as the operator
    /// allows.
    pub(super) async fn attempt_in_thread(
        &mut self,
        candidate: &Candidate,
        begun: &mut Begun,
        thinking: Thinking,
    ) -> Outcome {
        loop {
            let outcome = self.attempt_signed_in(candidate, begun, thinking).await;
            let Outcome::Failed(fault, refused) = &outcome else {
                return outcome;
            };
            if !is_zed(&candidate.endpoint)
                || !self.another_thread(candidate, fault, refused.as_ref())
            {
                return outcome;
            }
        }
    }

    /// Keeps what the service told of an attempt besides its answer.
    pub(super) fn hear(&mut self, candidate: &Candidate, failed: Option<String>) {
        if let Some(taken) = self.zed.iter_mut().find(|it| it.is(candidate)) {
            taken.failed = failed;
        }
    }

    /// Whether the failure is about the thread or the prompt, and the request may be sent again under another one.
    fn another_thread(
        &mut self,
        candidate: &Candidate,
        fault: &Fault,
        refused: Option<&Refused>,
    ) -> bool {
        let Some(terms) = candidate
            .endpoint
            .provider
            .zed
            .as_ref()
            .map(|it| &it.threads)
        else {
            return false;
        };
        let (id, now) = (candidate.endpoint.id(), Instant::now());
        let Some(at) = self.zed.iter().position(|it| it.is(candidate)) else {
            return false;
        };
        let told = refused.and_then(|it| it.read.as_ref()?.code.clone());
        let Some(code) = told.or_else(|| self.zed.get(at)?.failed.clone()) else {
            return false;
        };
        let whole = terms.thread_errors.contains(&code);
        if !whole && !terms.prompt_errors.contains(&code) {
            return false;
        }
        let speaker = self.speaker(candidate);
        let threads = &self.edge.shared.threads;
        let Some(taken) = self.zed.get(at) else {
            return false;
        };
        let turn = threads.refused(speaker, &taken.turn, whole, now);
        let tries = taken.refused + 1;
        if let Some(taken) = self.zed.get_mut(at) {
            (taken.turn, taken.refused, taken.failed) = (turn, tries, None);
        }
        let what = if whole { "thread" } else { "prompt" };
        // The same conversation does not fit into another thread either; its next request may.
        let may = fault.kind != FaultKind::UpstreamContextTooLong
            && tries <= terms.max_retries
            && self.edge.shared.take(Extra::Repeat, now);
        let next = if may {
            "once more with a new one"
        } else {
            "the next request gets a new one"
        };
        self.trail
            .note(id.as_str(), format!("its {what} was refused: {next}"), None);
        log::warn!(
            "provider {id} refused the {what} ({}): {next}",
            code.escape_debug()
        );
        may
    }

    /// What the answer cost as a part of a session, where that is what is paid for.
    pub(super) fn session_cost(&self, candidate: &Candidate) -> Option<MicroUsd> {
        let terms = candidate.endpoint.provider.zed.as_ref()?;
        let turn = self.zed_turn(candidate)?;
        let terms = terms.terms(turn.is_max);
        if candidate.billing() != Billing::Session || !terms.has_costs() {
            return None;
        }
        let prompt = if turn.new_prompt {
            terms.per_prompt
        } else {
            MicroUsd(0)
        };
        Some(prompt.plus(terms.per_request))
    }

    /// Counts an answer, once.
    pub(super) fn count_thread(&mut self, candidate: &Candidate, told: &Told, tokens: TokenKinds) {
        let endpoint = candidate.endpoint.id();
        let session_cost = self.session_cost(candidate).unwrap_or_default();
        let declared = candidate.endpoint.facts(candidate.model.as_str());
        let priced = declared.is_some_and(|it| it.price.is_some());
        let price = candidate
            .endpoint
            .price(candidate.model.as_str())
            .filter(|_| priced);
        let (threads, speaker) = (&self.edge.shared.threads, self.speaker(candidate));
        let Some(taken) = self.zed.iter().find(|it| it.is(candidate) && !it.counted) else {
            return;
        };
        let answered = Answered {
            tokens: Some(tokens),
            session_cost,
            token_cost: price.map(|it| it.of(&tokens)),
            tool_limited: told.wrapping.as_ref().is_some_and(|it| it.tool_limit),
            whole: told.usage.is_some(),
            plan: told
                .wrapping
                .as_ref()
                .and_then(|it| it.usage)
                .map(|it| (it.amount, it.limit)),
        };
        threads.answered(speaker, endpoint, &taken.turn, &answered, Instant::now());
        if let Some(taken) = self.zed.iter_mut().find(|it| it.is(candidate)) {
            taken.counted = true;
        }
    }

    fn speaker<'s>(&'s self, candidate: &'s Candidate) -> Speaker<'s> {
        Speaker {
            endpoint: candidate.endpoint.id().as_str(),
            conversation: self.request.conversation(),
            agent: self.request.agent.as_deref(),
            model: candidate.model.as_str(),
        }
    }

    fn asking<'c>(&self, candidate: &'c Candidate, terms: &Zed) -> Asking<'c> {
        let (dialect, body) = (self.request.dialect, &self.request.body.bytes);
        let model = candidate.model.as_str();
        let known = candidate
            .endpoint
            .hosting
            .as_ref()
            .and_then(|it| it.model(model));
        let has_max = known.as_ref().and_then(|it| it.has_max_mode) != Some(false);
        let is_max = has_max && self.is_max(candidate, terms);
        let window = known.and_then(|it| {
            let max = it.max_context.filter(|_| is_max);
            max.or(it.context)
        });
        let threads = &terms.threads;
        Asking {
            model,
            is_max,
            continues: turns::brings_tool_result(dialect, body),
            tool_results: turns::tool_results(dialect, body),
            max_context: threads.max_context.or(window).unwrap_or(DEFAULT_CONTEXT),
            threshold: threads.threshold,
            max_tool_calls: terms.terms(is_max).max_tool_calls,
            ttl: threads.ttl,
            auto_rotate: threads.auto_rotate,
        }
    }

    fn is_max(&self, candidate: &Candidate, terms: &Zed) -> bool {
        match candidate.wish.mode.unwrap_or(terms.mode) {
            ZedMode::Normal => false,
            ZedMode::Max => true,
            ZedMode::Auto => {
                let written = self.snapshot.config.settings.classes.as_ref();
                let default = Classes::default();
                let facts = facts(
                    self.request.dialect,
                    &self.request.body.bytes,
                    written.unwrap_or(&default),
                );
                facts.trigger(&terms.triggers).is_some()
            }
        }
    }
}

/// What a request looks like to those who tell large ones from small ones.
pub fn facts(dialect: Dialect, body: &[u8], classes: &Classes) -> Facts {
    let text = turns::last_words(dialect, body).unwrap_or_default();
    Facts::of(&text, turns::tools(body), classes)
}
