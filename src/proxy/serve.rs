//! A client's request at the door: what it is, whether it may, and who answers it.

use pingora::proxy::Session;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::receive::Call;
use super::request::{Arrival, Request};
use super::request_head::check_head;
use super::service::{Edge, InFlight, Surface};
use super::share::{self, Shared, Ticket};
use super::{count, finish, local, refuse};
use crate::access::{Access, AdminGate};
use crate::error::{Fault, FaultKind};

/// Whether the front has looked over a request's head, as it does with the first of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It has.
    Checked,
    /// It could not.
    Unchecked,
}

/// How a request leaves the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// In order.
    Usable,
    /// In the middle of an answer.
    Broken,
}

/// Answers one request.
pub async fn serve(edge: &Edge, session: &mut Session, head: Head) -> Afterwards {
    let arrival = Arrival::now(&edge.shared, session);
    let settings = &arrival.snapshot.config.settings;
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(settings.keepalive_timeout.as_secs().max(1)));
    }
    if head == Head::Unchecked
        && let Some((_, _, text)) = check_head(&session.as_ref().to_h1_raw())
    {
        // Where it ends, and so where the next one begins, is a matter of opinion.
        session.set_keepalive(None);
        let fault = Fault::new(FaultKind::InvalidRequest, text);
        refuse::early(edge, session, &arrival, fault).await;
        return Afterwards::Usable;
    }
    let in_flight = InFlight::enter(&edge.shared, settings.max_in_flight);
    let admitted = admit(edge, &arrival, session).and_then(|(call, access)| {
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
        Err(fault) => {
            refuse::early(edge, session, &arrival, fault).await;
            return Afterwards::Usable;
        }
    };
    match call {
        Call::Messages | Call::ChatCompletions | Call::Responses => {
            return inference(edge, session, arrival, access).await;
        }
        Call::CountTokens | Call::CountInput => count::serve(edge, session, arrival, access).await,
        _ => local::serve(edge, session, &arrival, call).await,
    }
    Afterwards::Usable
}

/// What the request is, and whether it may.
fn admit(edge: &Edge, arrival: &Arrival, session: &Session) -> Result<(Call, Access), Fault> {
    let (head, snapshot) = (session.req_header(), &arrival.snapshot);
    let call = Call::of(&head.method, &arrival.path)?;
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
    if call.needs_key() && !snapshot.config.auth.exempt_paths.contains(&arrival.path) {
        access.admit()?;
    }
    if call.is_admin() {
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let gate = AdminGate::new(snapshot.config.admin.key.as_ref(), edge.is_loopback);
        gate.allows(&head.headers, host).map_err(Fault::from)?;
    }
    Ok((call, access))
}

/// A call of a model, in whichever dialect.
async fn inference(
    edge: &Edge,
    session: &mut Session,
    arrival: Arrival,
    access: Access,
) -> Afterwards {
    edge.shared.count_request(arrival.started);
    let verdict = access.verdict;
    let mut request = match Request::receive(&edge.shared, session, &arrival, access).await {
        Ok(request) => request,
        Err(fault) => {
            refuse::early(edge, session, &arrival, fault).await;
            return Afterwards::Usable;
        }
    };
    let headers = &session.req_header().headers;
    let ticket = Ticket::of(edge, &arrival.snapshot, verdict, headers, &request);
    let mut client = Downstream::new(session, &arrival);
    if let Some(ticket) = &ticket {
        match share::serve(edge, &arrival, &mut client, &mut request, ticket).await {
            Shared::Answered => return Afterwards::Usable,
            Shared::Leads(lead) => client.share(lead),
            Shared::Alone => {}
        }
    }
    let mut exchange = Exchange::new(edge, arrival.snapshot, client, request);
    exchange.ticket = ticket;
    let end = exchange.run().await;
    finish::log(&exchange, &arrival.path, &end);
    exchange.learn(&end);
    if exchange.client.is_quiet() {
        Afterwards::Broken
    } else {
        Afterwards::Usable
    }
}
