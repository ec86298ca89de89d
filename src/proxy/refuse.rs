//! Faults as the client sees them: an error in its own dialect, as a body or, once a stream is open, as an event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderName;
use pingora::proxy::Session;

use super::answer::visible;
use super::downstream::{Downstream, Gone, Shown};
use super::exchange::{End, Exchange};
use super::finish::Words;
use super::request::{Arrival, Request};
use super::service::Edge;
use super::trail::{Failed, Verdict};
use super::{finish, judge, local};
use crate::cache::{Ending, Head, Refusal};
use crate::error::{Fault, FaultKind};
use crate::protocol::{anthropic, errors};
use crate::telemetry::{AccessLine, End as LineEnd};
use crate::types::{Dialect, RequestId};

/// Headers of a provider's error answer that reach a client of another dialect.
const TRANSLATED: [&str; 4] = [
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
];

/// Refuses before there is an exchange.
pub async fn early(edge: &Edge, session: &mut Session, arrival: &Arrival, fault: Fault) {
    early_with(edge, session, arrival, &fault, Vec::new()).await;
}

/// The same with further headers; gives the status that the client got.
pub async fn early_with(
    edge: &Edge,
    session: &mut Session,
    arrival: &Arrival,
    fault: &Fault,
    marks: Vec<(HeaderName, http::HeaderValue)>,
) -> Option<u16> {
    let method = session.req_header().method.as_str().to_owned();
    let unread = !session.as_mut().is_body_done();
    let dialect = local::dialect_of(&arrival.path, &session.req_header().headers);
    let mut client = Downstream::new(session, arrival);
    client.mark(marks);
    let gone = fault.kind == FaultKind::Cancelled;
    if gone || unread {
        client.session().set_keepalive(None);
    }
    if !gone {
        let written = plain(&mut client, &arrival.id, dialect, fault, None, &[]).await;
        if unread && written.is_ok() {
            client.linger().await;
        }
    }
    let duration = arrival.started.elapsed();
    edge.shared.finished(&AccessLine {
        client: arrival.client,
        dialect: Some(dialect),
        certificate: arrival.certificate.as_ref(),
        end: if gone {
            LineEnd::ClientGone
        } else {
            LineEnd::Rejected(fault.kind.label())
        },
        trace: arrival.trace.as_ref(),
        ..AccessLine::of(&arrival.id, &method, &arrival.path, client.status, duration)
    });
    client.status
}

/// Refuses a request with a fault of ours.
pub async fn with_fault(
    exchange: &mut Exchange<'_, '_>,
    fault: Fault,
    retry_after: Option<Duration>,
) -> End {
    tell_others(exchange, &fault, retry_after, None);
    let written = match exchange.shown() {
        Shown::Nothing if opens_a_stream(&exchange.request, &fault) => {
            in_stream(exchange, &fault, Words::Ours).await
        }
        Shown::Waiting | Shown::Content => {
            let event = stream_event(exchange, &fault);
            exchange.client.stream_error(event).await
        }
        Shown::Nothing | Shown::Everything => {
            let id = exchange.request.id.clone();
            let dialect = exchange.request.dialect;
            let extra = finish::marks(exchange, Words::Ours);
            plain(
                &mut exchange.client,
                &id,
                dialect,
                &fault,
                retry_after,
                &extra,
            )
            .await
        }
    };
    match written {
        Ok(()) => End::Refused(fault),
        Err(Gone) => End::Left,
    }
}

/// Refuses a request that no candidate served.
pub async fn with_verdict(exchange: &mut Exchange<'_, '_>, candidates: usize) -> End {
    let ours = match exchange.trail.verdict(candidates) {
        Verdict::AsSent(failed) => Err(failed.clone()),
        Verdict::Ours(fault, retry_after) => Ok((fault, retry_after)),
    };
    match ours {
        Ok((fault, retry_after)) => with_fault(exchange, fault, retry_after).await,
        Err(failed) => relay_refusal(exchange, failed).await,
    }
}

/// Refuses a request with the last candidate's answer as it is.
pub async fn as_sent(exchange: &mut Exchange<'_, '_>) -> End {
    match exchange.trail.failed.last().cloned() {
        Some(failed) => relay_refusal(exchange, failed).await,
        None => with_fault(exchange, Fault::internal("nothing was tried"), None).await,
    }
}

/// Refuses a request with the answer that called its prompt too long: the client can do something about that, and
/// nothing about what a larger window failed with afterwards.
pub async fn too_long(exchange: &mut Exchange<'_, '_>) -> End {
    let too_long = |failed: &&Failed| failed.fault.kind == FaultKind::UpstreamContextTooLong;
    match exchange.trail.failed.iter().rfind(too_long).cloned() {
        Some(failed) => relay_refusal(exchange, failed).await,
        None => as_sent(exchange).await,
    }
}

async fn relay_refusal(exchange: &mut Exchange<'_, '_>, failed: Failed) -> End {
    let Some(refused) = &failed.refused else {
        return with_fault(exchange, failed.fault, None).await;
    };
    let Some(mut head) = exchange.client.head(refused.status) else {
        return End::Left;
    };
    let client = exchange.request.dialect;
    let own_words = failed.dialect == client
        && refused.read.is_none()
        && errors::is_of_its_dialect(client, &refused.body);
    let body = if own_words {
        for (name, value) in refused
            .headers
            .iter()
            .filter(|(_, value)| !quotes_a_key(exchange, &failed, value.as_bytes()))
        {
            if name == "request-id" || name == "x-request-id" {
                head.remove_header(name);
            }
            let _ = head.append_header(name, value.clone());
        }
        refused.body.clone()
    } else {
        let error = refused.error(failed.dialect);
        let (status, body) = errors::translated(client, &error, exchange.request.id.as_str());
        head.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
            .ok();
        for name in TRANSLATED {
            if let Some(value) = refused.headers.get(name) {
                let _ = head.insert_header(name, value.clone());
            }
        }
        let _ = head.insert_header("content-type", "application/json");
        Bytes::from(body)
    };
    let body = without_our_keys(exchange, &failed, body);
    for (name, value) in finish::marks(exchange, Words::Refusal(&failed.endpoint)) {
        let _ = head.insert_header(name, value);
    }
    let answer = Plain {
        make: &|| {
            let head = Head::shared(head.status, &head.as_ref().headers);
            (head, body.clone())
        },
        own_words,
    };
    tell_others(exchange, &failed.fault, None, Some(answer));
    if exchange.shown() != Shown::Nothing {
        return with_fault(exchange, failed.fault, None).await;
    }
    let written = if !own_words && opens_a_stream(&exchange.request, &failed.fault) {
        in_stream(exchange, &failed.fault, Words::Refusal(&failed.endpoint)).await
    } else {
        exchange.client.whole(head, body).await
    };
    match written {
        Ok(()) => End::Refused(failed.fault),
        Err(Gone) => End::Left,
    }
}

/// Whether a client that has been shown nothing is told of this in a stream.
pub fn opens_a_stream(request: &Request, fault: &Fault) -> bool {
    request.head.stream
        && errors::opens_a_stream(request.dialect, &fault.kind, request.repeats_streams)
}

/// Opens a stream to say in it that there will be none.
async fn in_stream(
    exchange: &mut Exchange<'_, '_>,
    fault: &Fault,
    words: Words<'_>,
) -> Result<(), Gone> {
    let marks = finish::marks(exchange, words);
    exchange.client.open_early(marks).await?;
    let event = stream_event(exchange, fault);
    exchange.client.stream_error(event).await
}

/// A provider's refusal as a plain answer.
struct Plain<'a> {
    /// Made only where somebody wants it.
    make: &'a dyn Fn() -> (Head, Bytes),
    /// It is relayed as it is.
    own_words: bool,
}

/// Tells those who would have shared the answer that there is none. A time that was this request's own says nothing
/// about theirs: they try for themselves.
fn tell_others(
    exchange: &Exchange<'_, '_>,
    fault: &Fault,
    retry_after: Option<Duration>,
    answer: Option<Plain<'_>>,
) {
    let Some(lead) = exchange.client.lead() else {
        return;
    };
    if exchange.request.deadline <= Instant::now() {
        return lead.end(Ending::Abandoned);
    }
    lead.end(Ending::Refused(Arc::new(Refusal {
        fault: fault.clone(),
        retry_after,
        own_words: answer.as_ref().is_some_and(|answer| answer.own_words),
        answer: answer.map(|answer| (answer.make)()),
    })));
}

/// A provider that quotes our own key in its error must not teach it to the client.
fn without_our_keys(exchange: &Exchange<'_, '_>, failed: &Failed, body: Bytes) -> Bytes {
    if !quotes_a_key(exchange, failed, &body) {
        return body;
    }
    let status = failed
        .refused
        .as_ref()
        .map_or(502, |refused| refused.status.as_u16());
    let text =
        "the provider refused the request; its message is withheld because it quotes a credential";
    let client = exchange.request.dialect;
    let body = errors::status_body(client, status, text, exchange.request.id.as_str());
    Bytes::from(body)
}

fn quotes_a_key(exchange: &Exchange<'_, '_>, failed: &Failed, text: &[u8]) -> bool {
    let mut active = exchange.snapshot.active();
    let endpoint = active.find(|endpoint| *endpoint.id() == failed.endpoint);
    endpoint.is_some_and(|endpoint| judge::quotes_a_key(endpoint, text))
}

/// The error event with which an open stream ends. Before any content only `overloaded_error` makes the client
/// repeat the stream (measured with Claude Code).
pub fn stream_event(exchange: &Exchange<'_, '_>, fault: &Fault) -> Bytes {
    let request = &exchange.request;
    event(exchange.shown(), request.dialect, &request.id, fault)
}

/// The same for a client that has been `shown` so much.
pub fn event(shown: Shown, dialect: Dialect, id: &RequestId, fault: &Fault) -> Bytes {
    let (_, by_kind) = anthropic::status_and_type(&fault.kind);
    let error_type = match (shown, &fault.kind) {
        (Shown::Waiting, kind) if !matches!(kind, FaultKind::UpstreamRejected { .. }) => {
            "overloaded_error"
        }
        (_, FaultKind::UpstreamOverloaded { .. }) => "overloaded_error",
        (Shown::Waiting, _) => by_kind,
        _ => "api_error",
    };
    Bytes::from(errors::stream_end(dialect, error_type, fault, id.as_str()))
}

/// Writes a fault of ours as a plain answer in a dialect.
pub async fn plain(
    client: &mut Downstream<'_>,
    id: &RequestId,
    dialect: Dialect,
    fault: &Fault,
    retry_after: Option<Duration>,
    extra: &[(HeaderName, http::HeaderValue)],
) -> Result<(), Gone> {
    let (status, body) = errors::fault_body(dialect, fault, id.as_str());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = client.head(status).ok_or(Gone)?;
    let mut put = |name: &'static str, value: &str| {
        head.insert_header(name, visible(value)).map_err(|_| Gone)
    };
    put("content-type", "application/json")?;
    match fault.kind {
        FaultKind::MethodNotAllowed(allow) => put("allow", allow)?,
        FaultKind::Unauthenticated | FaultKind::CredentialsDead | FaultKind::BudgetExceeded => {
            put("x-should-retry", "false")?;
        }
        FaultKind::Overloaded | FaultKind::Stopping => put("retry-after", "1")?,
        _ => {}
    }
    let own_wait = match fault.kind {
        FaultKind::RateLimited { after } => Some(after),
        _ => None,
    };
    if let Some(wait) = retry_after.or(own_wait) {
        // Rounded up: who comes back a moment too early is refused once more.
        let seconds = wait.as_secs() + u64::from(0 < wait.subsec_nanos());
        put("retry-after", &seconds.max(1).to_string())?;
    }
    for (name, value) in extra {
        head.insert_header(name.clone(), value.clone())
            .map_err(|_| Gone)?;
    }
    client.whole(head, Bytes::from(body)).await
}
