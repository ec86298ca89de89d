//! A client's request at the door: what it is, whether it may, and who answers it.

use std::time::Instant;

use http::header::HeaderMap;
use pingora::proxy::Session;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::receive::{self, Call};
use super::request::Request;
use super::request_head::check_head;
use super::service::{Edge, InFlight, Surface};
use super::{count, finish, local, refuse, send};
use crate::access::{Access, AdminGate};
use crate::error::{Fault, FaultKind};
use crate::protocol::anthropic::{HeadError, RequestHead};
use crate::snapshot::Snapshot;
use crate::telemetry::{AccessLine, End as LineEnd};
use crate::types::RequestId;

/// Longest piece of a content type that an error quotes, in characters.
const SHOWN_LABEL: usize = 60;

/// Whether the front has looked over a request's head, as it does with the first of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It has.
    Checked,
    /// It could not.
    Unchecked,
}

/// Answers one request.
pub async fn serve(edge: &Edge, session: &mut Session, head: Head) {
    let started = Instant::now();
    let id = RequestId::random();
    let snapshot = edge.shared.live.current();
    let settings = &snapshot.config.settings;
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(settings.keepalive_timeout.as_secs().max(1)));
    }
    let path = session.req_header().uri.path().to_owned();
    if head == Head::Unchecked
        && let Some((_, _, text)) = check_head(&session.as_ref().to_h1_raw())
    {
        // Where it ends, and so where the next one begins, is a matter of opinion.
        session.set_keepalive(None);
        let fault = Fault::new(FaultKind::InvalidRequest, text);
        return refuse_early(session, &snapshot, id, started, &path, fault).await;
    }
    let in_flight = InFlight::enter(&edge.shared, settings.max_in_flight);
    let admitted = admit(edge, &snapshot, session, &path).and_then(|(call, access)| {
        let overload = || {
            Fault::new(
                FaultKind::Overloaded,
                "too many requests at once; try again shortly",
            )
        };
        if call.needs_key() && in_flight.is_none() {
            Err(overload())
        } else {
            Ok((call, access))
        }
    });
    let (call, access) = match admitted {
        Ok(admitted) => admitted,
        Err(fault) => return refuse_early(session, &snapshot, id, started, &path, fault).await,
    };
    match call {
        Call::Messages => messages(edge, snapshot, session, id, started, access).await,
        Call::CountTokens => count::serve(edge, snapshot, session, id, started, access).await,
        _ => local::serve(edge, &snapshot, session, id, call, started).await,
    }
}

/// What the request is, and whether it may.
fn admit(
    edge: &Edge,
    snapshot: &Snapshot,
    session: &Session,
    path: &str,
) -> Result<(Call, Access), Fault> {
    let head = session.req_header();
    let call = Call::of(&head.method, path)?;
    let hidden = match edge.surface {
        Surface::All => false,
        Surface::Traffic => call.is_admin(),
        Surface::Admin => call.needs_key(),
    };
    if hidden {
        return Err(Fault::new(
            FaultKind::UnknownPath,
            "there is nothing at this path",
        ));
    }
    let access = snapshot.gateway.authenticate(&head.headers);
    if call.needs_key()
        && !snapshot
            .config
            .auth
            .exempt_paths
            .iter()
            .any(|exempt| exempt == path)
    {
        access.admit()?;
    }
    if call.is_admin() {
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let gate = AdminGate::new(snapshot.config.admin.key.as_ref(), edge.is_loopback);
        gate.allows(&head.headers, host).map_err(Fault::from)?;
    }
    Ok((call, access))
}

/// `POST /v1/messages`.
async fn messages(
    edge: &Edge,
    snapshot: std::sync::Arc<Snapshot>,
    session: &mut Session,
    id: RequestId,
    started: Instant,
    access: Access,
) {
    edge.shared.count_request(started);
    let request = match receive_request(edge, &snapshot, session, &id, started, access).await {
        Ok(request) => request,
        Err(fault) => {
            return refuse_early(session, &snapshot, id, started, "/v1/messages", fault).await;
        }
    };
    let write_timeout = snapshot.config.settings.client_write_timeout;
    let client = Downstream::new(session, id, write_timeout);
    let mut exchange = Exchange::new(edge, snapshot, client, request);
    let end = exchange.run().await;
    finish::log(&exchange, "/v1/messages", &end);
}

/// Reads a request whole and finds out what decides its way.
pub(super) async fn receive_request(
    edge: &Edge,
    snapshot: &Snapshot,
    session: &mut Session,
    id: &RequestId,
    started: Instant,
    access: Access,
) -> Result<Request, Fault> {
    let settings = &snapshot.config.settings;
    let body = receive::read_body(session, settings, &edge.shared.memory).await?;
    let headers = &session.req_header().headers;
    let head = RequestHead::read(&body.bytes).map_err(|error| unreadable(&error, headers))?;
    let named = text(headers, "x-claude-code-session-id").map(str::to_owned);
    Ok(Request {
        id: id.clone(),
        query: session.req_header().uri.query().map(str::to_owned),
        headers: send::forwarded(headers),
        credentials: access.rest,
        debug: text(headers, "x-pointsman-debug") == Some("1"),
        session: named.or_else(|| head.session.clone()),
        deadline: started + Request::deadline(headers, settings.request_deadline),
        head,
        body,
        started,
        shed: None,
    })
}

/// Many a body that cannot be read was never meant to be JSON; what is JSON is served under any label.
fn unreadable(error: &HeadError, headers: &HeaderMap) -> Fault {
    let mut what = error.to_string();
    let labelled = text(headers, "content-type").filter(|it| !it.contains("json"));
    if let (true, Some(label)) = (error.is_about_the_form(), labelled) {
        let label: String = label.chars().take(SHOWN_LABEL).collect();
        what = format!("{what} (content-type is {label}; send application/json)");
    }
    Fault::new(FaultKind::InvalidRequest, what)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses before there is an exchange.
pub(super) async fn refuse_early(
    session: &mut Session,
    snapshot: &Snapshot,
    id: RequestId,
    started: Instant,
    path: &str,
    fault: Fault,
) {
    let method = session.req_header().method.as_str().to_owned();
    let unread = !session.as_mut().is_body_done();
    let mut client = Downstream::new(
        session,
        id.clone(),
        snapshot.config.settings.client_write_timeout,
    );
    let gone = fault.kind == FaultKind::Cancelled;
    if gone {
        client.session().set_keepalive(None);
    }
    if !gone {
        let dialect = receive::dialect_of(path);
        if unread {
            client.session().set_keepalive(None);
        }
        let written = refuse::plain(&mut client, &id, dialect, &fault, None, &[]).await;
        if unread && written.is_ok() {
            client.linger().await;
        }
    }
    AccessLine {
        dialect: Some(receive::dialect_of(path)),
        end: if gone {
            LineEnd::ClientGone
        } else {
            LineEnd::Rejected(fault.kind.label())
        },
        ..AccessLine::of(&id, &method, path, client.status, started.elapsed())
    }
    .emit();
}
