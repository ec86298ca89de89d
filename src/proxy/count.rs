//! `POST /v1/messages/count_tokens` and `POST /v1/responses/input_tokens`: asked of the provider that would serve the
//! model, where it can count, answered here when it cannot or does not in time.

mod ask;
mod local;
mod rest;

pub use local::{local, warm};
pub use rest::Rests;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use pingora::proxy::Session;

use super::choose::{Candidate, choose, is_passthrough};
use super::downstream::Downstream;
use super::estimate::model_of;
use super::refuse;
use super::request::{Arrival, Request};
use super::service::{Edge, Shared};
use crate::access::Access;
use crate::error::{Fault, FaultKind};
use crate::protocol::translate;
use crate::snapshot::Snapshot;
use crate::telemetry::{AccessLine, End as LineEnd};
use crate::tokens::Method;

/// Answers one count.
pub async fn serve(edge: &Edge, session: &mut Session, arrival: Arrival, access: Access) {
    let snapshot = &arrival.snapshot;
    let counted = match Request::receive(&edge.shared, session, &arrival, access).await {
        Ok(request) => count(edge, snapshot, session, request).await,
        Err(fault) => Err(fault),
    };
    let (request, answer, provider) = match counted {
        Ok(counted) => counted,
        Err(fault) => return refuse::early(edge, session, &arrival, fault).await,
    };
    let mut client = Downstream::new(session, &arrival);
    let Some(mut head) = client.head(StatusCode::OK) else {
        return;
    };
    let _ = head.insert_header("content-type", "application/json");
    let by = provider.as_deref().unwrap_or("local");
    let _ = head.insert_header("x-pointsman-provider", super::answer::visible(by));
    let written = client.whole(head, answer).await;
    edge.shared.tell(&AccessLine {
        client: arrival.client,
        dialect: Some(request.dialect),
        trace: arrival.trace.as_ref(),
        model_asked: Some(&request.head.model),
        provider: Some(by),
        attempts: u32::from(provider.is_some()),
        certificate: arrival.certificate.as_ref(),
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
    });
}

type Counted = (Request, Bytes, Option<String>);

async fn count(
    edge: &Edge,
    snapshot: &Arc<Snapshot>,
    session: &mut Session,
    request: Request,
) -> Result<Counted, Fault> {
    request.bill.may_ask_for(&request.head.model)?;
    let candidates = choose(snapshot, &request, |_| true)?.candidates;
    let now = Instant::now();
    let server = candidates.iter().find(|it| is_usable(it, now));
    let server = server.or(candidates.first());
    if let Some(counter) = counter(&edge.shared, snapshot, server, &candidates) {
        let timeout = snapshot.config.settings.token_counting.timeout;
        let asked = ask::ask(edge, counter, &request);
        let answer = tokio::select! { biased;
            answer = tokio::time::timeout(timeout, asked) => answer.ok().flatten(),
            () = gone(session) => return Err(Fault::new(FaultKind::Cancelled, "the client left")),
        };
        remember(&edge.shared, snapshot, counter, answer.is_some());
        if let Some(answer) = answer {
            let provider = counter.endpoint.id().to_string();
            return Ok((request, answer, Some(provider)));
        }
    }
    let tokens = count_here(&edge.shared, server, &request).await?;
    let answer = translate::count_answer(request.dialect, tokens);
    Ok((request, Bytes::from(answer), None))
}

/// The count of this process, corrected by what it has learned of the model.
async fn count_here(
    shared: &Shared,
    server: Option<&Candidate>,
    request: &Request,
) -> Result<u64, Fault> {
    shared.samples.want();
    let (counter, body) = (Arc::clone(&shared.counter), request.body.bytes.clone());
    let (dialect, ratio) = (
        request.dialect,
        server.map_or(1.0, |server| {
            let model = model_of(server);
            shared.calibration.ratio(model, Method::Vocabulary)
        }),
    );
    let model = server.map_or(&*request.head.model, |it| it.model.as_str());
    let model = model.to_owned();
    let counting = tokio::task::spawn_blocking(move || local(&counter, dialect, &body, &model));
    Ok(counting.await.map_err(Fault::internal)??.corrected(ratio))
}

/// Who is asked for its own count: whoever serves the very model that would be asked now. Another model's count would
/// be exact, and wrong.
fn counter<'c>(
    shared: &Shared,
    snapshot: &Snapshot,
    server: Option<&Candidate>,
    candidates: &'c [Candidate],
) -> Option<&'c Candidate> {
    let (server, now) = (server?, Instant::now());
    candidates.iter().find(|it| {
        it.model == server.model && is_usable(it, now) && counts_itself(shared, snapshot, it, now)
    })
}

fn is_usable(candidate: &Candidate, now: Instant) -> bool {
    let endpoint = &candidate.endpoint;
    let max_in_flight = endpoint.provider.max_in_flight;
    endpoint
        .health
        .check(now, candidate.model.as_str(), max_in_flight)
        .is_ok()
        && endpoint.keys.any_usable(now)
}

/// Whether a provider gives counts of its own, as far as is known now, and is to be asked for them.
pub fn counts_itself(
    shared: &Shared,
    snapshot: &Snapshot,
    candidate: &Candidate,
    now: Instant,
) -> bool {
    let endpoint = &candidate.endpoint;
    !snapshot.config.settings.token_counting.always_use_local
        && endpoint.target.count_tokens.is_some()
        && shared.counts.may_ask(endpoint.id(), now)
}

fn remember(shared: &Shared, snapshot: &Snapshot, counter: &Candidate, good: bool) {
    let id = counter.endpoint.id();
    if good {
        return shared.counts.succeeded(id);
    }
    // A refusal of a client's own credential says nothing about counts for others.
    if is_passthrough(&counter.endpoint) {
        return;
    }
    let settings = &snapshot.config.settings.token_counting;
    let is_known = |id: &_| snapshot.active().any(|endpoint| endpoint.id() == id);
    if let Some(rest) = shared.counts.failed(id, settings, Instant::now(), is_known) {
        log::warn!(
            "provider {id} does not count tokens in time: counting here for {} s",
            rest.as_secs()
        );
    }
}

async fn gone(session: &mut Session) {
    while session
        .downstream_session
        .read_body_or_idle(true)
        .await
        .is_ok()
    {}
}
