//! Whether a request shares an answer, and with whom: one that is kept, or one that is under way.
//!
//! A request that qualifies for neither pays for nothing here but a few look-ups of headers. Of those that do, the
//! first leads: its exchange runs as always, and what its client gets is told to the flight. The others follow.

use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderMap;
use pingora::http::ResponseHeader;

use super::asked;
use super::downstream::Downstream;
use super::exchange::Exchange;
use super::follow::{self, Followed};
use super::request::{Arrival, Request};
use super::service::Edge;
use crate::access::Verdict;
use crate::cache::{Boarding, Call, Ending, Key, Lead, Limits, Tenant, Who};
use crate::config::{CacheMode, CacheSettings, Provider, ProviderAuth, Sharing};
use crate::protocol::answer::Told;
use crate::protocol::anthropic::Answers;
use crate::snapshot::Snapshot;

/// With this, `1`, a client gets an answer of its own.
const NO_SHARE: &str = "x-pointsman-no-share";
/// Which of a session's agents asks; they may ask the same thing on purpose.
const AGENT: &str = "x-claude-code-agent-id";
/// How often an SDK has made this call before.
const REPEATS: &str = "x-stainless-retry-count";
/// Times a follower whose leader was lost looks for another before it goes alone.
const MAX_LEADERS: usize = 4;
/// How answers end that are worth keeping. A refusal is a classifier's, a pause wants to be continued, and what ended
/// without a reason may not be whole.
const KEPT_ENDS: [&str; 4] = ["end_turn", "stop_sequence", "tool_use", MAX_TOKENS];
/// The end at the limit of length.
const MAX_TOKENS: &str = "max_tokens";

/// What a request may share.
pub struct Ticket {
    key: Key,
    boards: Boards,
    cache: Option<CacheSettings>,
    /// Whether the limit of length is part of the key.
    with_limits: bool,
}

/// What a request may do with calls under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boards {
    /// Lead and follow.
    Any,
    /// Lead: only a repeat may follow it.
    Lead,
    /// Neither.
    Nothing,
}

/// What becomes of a request.
pub enum Shared {
    /// It has been answered.
    Answered,
    /// It makes its own call, which others may follow.
    Leads(Lead),
    /// It makes its own call.
    Alone,
}

impl Ticket {
    /// The ticket of a request; `None` when it shares nothing.
    pub fn of(
        edge: &Edge,
        snapshot: &Snapshot,
        verdict: Verdict,
        headers: &HeaderMap,
        request: &Request,
    ) -> Option<Self> {
        let settings = &snapshot.config.settings;
        let sharing = settings.deduplication;
        let agent = text(headers, AGENT).unwrap_or_default();
        let session = request.own_session.as_deref();
        let boards = match (sharing.mode, session, repeats(headers)) {
            (Sharing::All, ..) => Boards::Any,
            (Sharing::Auto, Some(_), _) | (Sharing::Auto, None, Some(1..)) => Boards::Any,
            (Sharing::Auto, None, Some(0)) => Boards::Lead,
            (Sharing::Auto, None, None) | (Sharing::Off, ..) => Boards::Nothing,
        };
        let kept = |cache: &CacheSettings| {
            cache.mode == CacheMode::All || request.head.answers == Answers::Alike
        };
        let cache = settings.cache.filter(kept);
        if (boards == Boards::Nothing && cache.is_none()) || text(headers, NO_SHARE) == Some("1") {
            return None;
        }
        let tenant = tenant(edge, snapshot, verdict, request)?;
        let call = Call {
            dialect: request.dialect,
            query: request.query.as_deref(),
            rule: asked::rule_name(&snapshot.table, request),
            headers: &request.headers,
            body: &request
                .head
                .deciding(&request.body.bytes, sharing.max_tokens_count),
        };
        let scope = match sharing.mode {
            Sharing::Auto => session.map(|session| [session, agent]),
            Sharing::All | Sharing::Off => None,
        };
        Some(Ticket {
            key: edge.shared.keys.key(tenant, &call, scope),
            boards,
            cache,
            with_limits: sharing.max_tokens_count,
        })
    }

    /// What the client and the log are told when the answer comes from a call of the request's own.
    pub fn outcome(&self) -> Option<&'static str> {
        self.cache.map(|_| "miss")
    }

    /// Whether an answer that ended for this `reason` is kept, and within which limits.
    fn keeps(&self, reason: &str) -> Option<Limits> {
        let cache = self.cache?;
        // Under a key without the limit, an answer cut short by one would be given to those who allow more.
        let fits = self.with_limits || reason != MAX_TOKENS;
        (KEPT_ENDS.contains(&reason) && fits).then_some(Limits {
            ttl: cache.ttl,
            entries: cache.max_entries,
            bytes: cache.max_bytes,
        })
    }
}

impl Exchange<'_, '_> {
    /// Keeps an answer that is whole but for these `last` pieces, if it is worth it, before the client gets the end of
    /// it: its next request comes at once and must find it.
    pub(super) fn keep(&self, head: Option<&ResponseHeader>, told: &Told, last: &[Bytes]) {
        let (Some(ticket), Some(lead)) = (&self.ticket, self.client.lead()) else {
            return;
        };
        let reason = told.stop_reason.as_deref().unwrap_or_default();
        let Some(limits) = ticket.keeps(reason) else {
            return;
        };
        if let Some(head) = head {
            lead.head(head.status, &head.headers);
        }
        for piece in last {
            lead.push(piece.clone());
        }
        lead.end(Ending::Whole);
        if let Some(answer) = lead.answer() {
            let cache = &self.edge.shared.cache;
            cache.put(ticket.key.unscoped(), &answer, &limits, Instant::now());
        }
    }
}

/// Whose answers a request may see; `None` for who cannot be told from others.
fn tenant(edge: &Edge, snapshot: &Snapshot, verdict: Verdict, request: &Request) -> Option<Tenant> {
    let who = match verdict {
        Verdict::Granted { key } => Who::Holder(snapshot.gateway.id(key)?),
        // Nobody else can reach a loopback listener.
        Verdict::Open | Verdict::Missing | Verdict::Wrong if edge.is_loopback => Who::Local,
        Verdict::Open | Verdict::Missing | Verdict::Wrong => return None,
    };
    let passes = |provider: &Provider| provider.auth == ProviderAuth::Passthrough;
    let forwarded = if snapshot.active().any(|it| passes(&it.provider)) {
        request.credentials.as_slice()
    } else {
        &[]
    };
    Some(Tenant::new(who, forwarded))
}

/// Answers a request from the cache or with a call that is under way, where it may be.
pub async fn serve(
    edge: &Edge,
    arrival: &Arrival,
    client: &mut Downstream<'_>,
    request: &mut Request,
    ticket: &Ticket,
) -> Shared {
    let shared = &edge.shared;
    if let Some(cache) = &ticket.cache {
        let key = ticket.key.unscoped();
        if let Some(answer) = shared.cache.get(&key, cache.ttl, Instant::now()) {
            follow::replay(shared, arrival, client, request, &answer).await;
            return Shared::Answered;
        }
    }
    if ticket.boards == Boards::Nothing {
        return Shared::Leads(Lead::alone(&shared.flights));
    }
    for _ in 0..MAX_LEADERS {
        let may_follow = ticket.boards == Boards::Any;
        let seat = match shared.flights.board(ticket.key, may_follow) {
            Boarding::Lead(lead) => return Shared::Leads(lead),
            Boarding::Alone => break,
            Boarding::Follow(seat) => seat,
        };
        match follow::follow(shared, arrival, client, request, seat).await {
            Followed::Answered => return Shared::Answered,
            Followed::Orphaned => {}
        }
    }
    match ticket.cache {
        Some(_) => Shared::Leads(Lead::alone(&shared.flights)),
        None => Shared::Alone,
    }
}

fn repeats(headers: &HeaderMap) -> Option<u32> {
    text(headers, REPEATS)?.trim().parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
