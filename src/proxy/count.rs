//! `POST /v1/messages/count_tokens`: asked of a provider that can count, answered here when none does in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use pingora::proxy::Session;

use super::answer::{Expect, Shape};
use super::attempt::{Attempt, Outgoing, Progress, Running};
use super::choose::{Candidate, choose, is_passthrough};
use super::downstream::Downstream;
use super::refuse;
use super::request::{Arrival, Request};
use super::send::{self, Origin};
use super::service::Edge;
use crate::access::Access;
use crate::error::{Fault, FaultKind};
use crate::snapshot::Snapshot;
use crate::telemetry::{AccessLine, End as LineEnd};
use crate::types::Dialect;

/// Longest answer of a provider to a count, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Answers one count.
pub async fn serve(edge: &Edge, session: &mut Session, arrival: Arrival, access: Access) {
    let snapshot = &arrival.snapshot;
    let counted = match Request::receive(&edge.shared, session, &arrival, access).await {
        Ok(request) => count(edge, snapshot, session, request).await,
        Err(fault) => Err(fault),
    };
    let (request, answer, provider) = match counted {
        Ok(counted) => counted,
        Err(fault) => return refuse::early(session, &arrival, fault).await,
    };
    let write_timeout = snapshot.config.settings.client_write_timeout;
    let mut client = Downstream::new(session, arrival.id.clone(), write_timeout);
    let Some(mut head) = client.head(StatusCode::OK) else {
        return;
    };
    let _ = head.insert_header("content-type", "application/json");
    let by = provider.as_deref().unwrap_or("local");
    let _ = head.insert_header("x-pointsman-provider", super::answer::visible(by));
    let written = client.whole(head, answer).await;
    AccessLine {
        dialect: Some(request.dialect),
        model_asked: Some(&request.head.model),
        provider: Some(by),
        attempts: u32::from(provider.is_some()),
        end: if written.is_ok() {
            LineEnd::Ok
        } else {
            LineEnd::ClientGone
        },
        ..AccessLine::of(
            &arrival.id,
            "POST",
            &arrival.path,
            client.status,
            arrival.started.elapsed(),
        )
    }
    .emit();
}

type Counted = (Request, Bytes, Option<String>);

async fn count(
    edge: &Edge,
    snapshot: &Arc<Snapshot>,
    session: &mut Session,
    request: Request,
) -> Result<Counted, Fault> {
    let candidates = choose(snapshot, &request.head, &request.body.bytes)?.candidates;
    let now = Instant::now();
    let can_count = |c: &&Candidate| {
        c.endpoint.dialect == Dialect::Anthropic
            && c.endpoint.target.count_tokens.is_some()
            && c.endpoint
                .health
                .check(now, c.model.as_str(), c.endpoint.provider.max_in_flight)
                .is_ok()
            && c.endpoint.keys.any_usable(now)
    };
    let settings = &snapshot.config.settings.token_counting;
    let counter = candidates
        .iter()
        .find(can_count)
        .filter(|_| !settings.always_use_local && may_ask(edge, now));
    if let Some(candidate) = counter {
        let asked = ask(edge, candidate, &request);
        let answer = tokio::select! { biased;
            answer = tokio::time::timeout(settings.timeout, asked) => answer.ok().flatten(),
            () = gone(session) => return Err(Fault::new(FaultKind::Cancelled, "the client left")),
        };
        // A refusal of a client's own credential says nothing about counts for others.
        if answer.is_some() || !is_passthrough(&candidate.endpoint) {
            remember(edge, snapshot, now, answer.is_some());
        }
        if let Some(answer) = answer {
            let provider = candidate.endpoint.id().to_string();
            return Ok((request, answer, Some(provider)));
        }
    }
    let model = candidates
        .first()
        .map_or(request.head.model.clone(), |c| c.model.as_str().to_owned());
    let (local, body) = (Arc::clone(&edge.shared.counter), request.body.bytes.clone());
    // A hostile body may take half a second: not on a thread that relays streams.
    let tokens = tokio::task::spawn_blocking(move || {
        local.messages(&body, &model).map(|it| it.corrected(1.0))
    })
    .await;
    let tokens = tokens
        .map_err(Fault::internal)?
        .map_err(|error| Fault::new(FaultKind::InvalidRequest, error.to_string()))?;
    Ok((
        request,
        Bytes::from(format!("{{\"input_tokens\":{tokens}}}")),
        None,
    ))
}

async fn gone(session: &mut Session) {
    while session
        .downstream_session
        .read_body_or_idle(true)
        .await
        .is_ok()
    {}
}

/// Whether providers' own counts are worth asking for now.
fn may_ask(edge: &Edge, now: Instant) -> bool {
    let (_, rest_until) = *edge.shared.counts.lock();
    rest_until.is_none_or(|until| until <= now)
}

fn remember(edge: &Edge, snapshot: &Snapshot, now: Instant, good: bool) {
    let settings = &snapshot.config.settings.token_counting;
    let mut counts = edge.shared.counts.lock();
    if good {
        *counts = (0, None);
        return;
    }
    counts.0 = counts.0.saturating_add(1);
    if settings.failure_threshold <= counts.0 {
        *counts = (0, Some(now + settings.api_failure_cooldown));
        let rest: Duration = settings.api_failure_cooldown;
        log::warn!(
            "providers do not count tokens in time: counting here for {} s",
            rest.as_secs()
        );
    }
}

/// A provider's own count; `None` when it gives none. Says nothing about its health.
async fn ask(edge: &Edge, candidate: &Candidate, request: &Request) -> Option<Bytes> {
    let endpoint = &candidate.endpoint;
    let key = endpoint.keys.pick(Instant::now(), &[]);
    let body = request
        .head
        .rewritten(&request.body.bytes, candidate.model.as_str());
    let origin = Origin::Client(&request.headers);
    let headers = send::signed_headers(
        &endpoint.provider,
        endpoint.dialect,
        origin,
        key.and_then(|key| endpoint.keys.secret(key)),
        &request.credentials,
    )
    .ok()?;
    let path = endpoint.target.count_tokens.as_ref()?;
    let path = path.of(candidate.model.as_str(), false);
    let path = send::with_query(path, request.query.as_deref());
    let outgoing = Outgoing {
        method: http::Method::POST,
        path,
        headers,
        body,
    };
    let group = endpoint.connection_group(key, &request.credentials);
    let attempt = Attempt::new(
        Arc::clone(endpoint),
        group,
        outgoing,
        Expect { shape: Shape::Raw },
    );
    let mut running = Running::start(
        edge.shared.app().ok()?,
        edge.shared.template().await.ok()?,
        attempt,
    );
    let mut answer = BytesMut::new();
    loop {
        match running.next().await {
            Progress::Broken => return None,
            Progress::Answer { pieces, end, .. } => {
                for piece in &pieces {
                    answer.extend_from_slice(piece);
                }
                if MAX_ANSWER < answer.len() {
                    return None;
                }
                if end {
                    break;
                }
            }
        }
    }
    running.tidy_up().await;
    let counts = serde_json::from_slice::<serde_json::Value>(&answer).ok()?;
    counts.get("input_tokens")?.as_u64()?;
    Some(answer.freeze())
}
