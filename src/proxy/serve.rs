//! A client's request at the door: what it is, whether it may, and who answers it.

use http::Method;
use http::header::{HeaderName, HeaderValue};
use pingora::proxy::Session;

use std::net::IpAddr;
use std::time::Instant;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::page::{self, PageCall};
use super::receive::{self, Call};
use super::request::{Arrival, Request};
use super::service::{Edge, InFlight};
use super::share::{self, Shared, Ticket};
use super::{cors, count, finish, local, oauth, refuse};
use crate::access::limits::Place;
use crate::access::{self, Access, AdminGate, AdminRefusal, Verdict};
use crate::config::Surface;
use crate::error::{Fault, FaultKind};
use crate::telemetry::metrics::SignIn;

/// How a request leaves the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// In order.
    Usable,
    /// In the middle of an answer.
    Broken,
}

/// Answers one request.
pub async fn serve(edge: &Edge, session: &mut Session) -> Afterwards {
    let arrival = Arrival::now(&edge.shared, session);
    let settings = &arrival.snapshot.config.settings;
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(settings.keepalive_timeout.as_secs().max(1)));
    }
    if let Some(headers) = preflight(&arrival, session) {
        local::preflight(session, &arrival, headers).await;
        return Afterwards::Usable;
    }
    let in_flight = InFlight::enter(&edge.shared, settings.max_in_flight);
    let admitted = admit(edge, &arrival, session).and_then(|(call, access, place)| {
        let overload = || {
            Fault::new(
                FaultKind::Overloaded,
                "too many requests at once; try again shortly",
            )
        };
        if call.needs_key() && in_flight.is_none() {
            Err(overload())
        } else {
            Ok((call, access, place))
        }
    });
    // The place at its address is held to the end.
    let (call, access, _place) = match admitted {
        Ok(admitted) => admitted,
        Err(fault) => {
            let marks = page::challenge(&arrival.path, &fault);
            refuse::early_with(edge, session, &arrival, &fault, marks).await;
            return Afterwards::Usable;
        }
    };
    match call {
        Call::Messages | Call::ChatCompletions | Call::Responses => {
            return inference(edge, session, arrival, access).await;
        }
        Call::CountTokens | Call::CountInput => count::serve(edge, session, arrival, access).await,
        Call::OAuth(call) => oauth::serve(edge, session, &arrival, call).await,
        _ => local::serve(edge, session, &arrival, call, access.holder.as_deref()).await,
    }
    Afterwards::Usable
}

/// The answer to a browser that asks whether a web page of another origin may call. It shows no key.
fn preflight(arrival: &Arrival, session: &Session) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let (head, settings) = (session.req_header(), &arrival.snapshot.config.settings);
    let cors = settings.cors.as_ref()?;
    let asks = head.method == Method::OPTIONS;
    arrival.grant.as_ref()?;
    asks.then(|| cors::preflight(cors, &head.headers))?
}

/// What the request is, and whether it may.
fn admit(
    edge: &Edge,
    arrival: &Arrival,
    session: &Session,
) -> Result<(Call, Access, Option<Place>), Fault> {
    let (head, snapshot) = (session.req_header(), &arrival.snapshot);
    let path = receive::known_path(&arrival.path, &snapshot.config.settings);
    let mut call = Call::of(&head.method, path)?;
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
    let door = Door::of(edge, arrival);
    if call == Call::Root && page::is_wanted(&head.headers) && door.shows_page(session) {
        call = Call::Page(PageCall::Whole);
    }
    let place = if call.needs_key() {
        door.enter()?
    } else {
        None
    };
    if call.needs_key() || call.is_admin() {
        door.may_sign_in()?;
    }
    let access = snapshot.gateway.authenticate(&head.headers);
    if call.needs_key() && !snapshot.config.auth.exempt_paths.contains(&arrival.path) {
        match access.verdict {
            Verdict::Wrong => {
                door.failed();
                door.refused(SignIn::Wrong);
            }
            Verdict::Missing => door.refused(SignIn::Missing),
            Verdict::Open | Verdict::Granted { .. } => {}
        }
        access.admit()?;
        if access.verdict == Verdict::Open && arrival.grant.is_none() {
            access::admit_page(&head.headers)?;
        }
    }
    if let Some(holder) = access.holder.as_ref().filter(|_| call.needs_key()) {
        let good = holder.is_good(edge.shared.clock.wall());
        good.inspect_err(|_| door.refused(SignIn::Expired))?;
    }
    if call.is_admin() {
        door.administers(session)?;
    }
    Ok((call, access, place))
}

/// Where a request comes from, and what comes from there may do.
struct Door<'a> {
    edge: &'a Edge,
    arrival: &'a Arrival,
    /// `None` for who has no address, as on a Unix socket.
    address: Option<IpAddr>,
}

impl<'a> Door<'a> {
    fn of(edge: &'a Edge, arrival: &'a Arrival) -> Self {
        Door {
            edge,
            arrival,
            address: arrival.client,
        }
    }

    fn enter(&self) -> Result<Option<Place>, Fault> {
        let limits = &self.arrival.snapshot.addresses;
        let addresses = &self.edge.shared.addresses;
        match self.address {
            Some(address) => addresses.enter(address, limits, Instant::now()),
            None => Ok(None),
        }
    }

    fn may_sign_in(&self) -> Result<(), Fault> {
        let limits = &self.arrival.snapshot.addresses;
        let addresses = &self.edge.shared.addresses;
        let Some(address) = self.address else {
            return Ok(());
        };
        let may = addresses.may_sign_in(address, limits, Instant::now());
        may.inspect_err(|_| self.refused(SignIn::LockedOut))
    }

    /// Counts somebody who could not sign in.
    fn refused(&self, reason: SignIn) {
        self.edge.shared.metrics.sign_in_refused(reason);
    }

    /// Whether it may administer.
    fn administers(&self, session: &Session) -> Result<(), Fault> {
        let (head, admin) = (session.req_header(), &self.arrival.snapshot.config.admin);
        let host = head.uri.authority().map(http::uri::Authority::as_str);
        let gate = AdminGate::new(admin.key.as_ref(), self.edge.is_loopback);
        gate.allows(&head.headers, host).map_err(|refusal| {
            // A browser comes to the page without a key first: it is told to ask for it.
            let guesses =
                !page::is_of_page(&self.arrival.path) || access::shows_credential(&head.headers);
            match refusal {
                AdminRefusal::Key if guesses => {
                    self.failed();
                    self.refused(SignIn::Wrong);
                }
                // Whoever asks for `/` from elsewhere is shown what everybody is.
                AdminRefusal::Key => {}
                _ if self.arrival.path == "/" => {}
                _ => self.refused(SignIn::Elsewhere),
            }
            Fault::from(refusal)
        })
    }

    /// Whether the status page stands at `/` for whoever asks. A key that is wrong counts there, too: who is shown
    /// something else instead would else be told for free.
    fn shows_page(&self, session: &Session) -> bool {
        let head = session.req_header();
        let hidden = self.edge.surface == Surface::Traffic;
        let keyed = self.arrival.snapshot.config.admin.key.is_some();
        let blank = keyed && !access::shows_credential(&head.headers);
        !hidden && !blank && self.may_sign_in().is_ok() && self.administers(session).is_ok()
    }

    fn failed(&self) {
        let limits = &self.arrival.snapshot.addresses;
        if let Some(address) = self.address {
            let addresses = &self.edge.shared.addresses;
            addresses.failed(address, limits, Instant::now());
        }
    }
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
    if let Err(fault) = request.admit() {
        let marks = request.bill.headers(request.dialect);
        let status = refuse::early_with(edge, session, &arrival, &fault, marks).await;
        request.close_refused(fault.kind.label(), status);
        return Afterwards::Usable;
    }
    let headers = &session.req_header().headers;
    let ticket = Ticket::of(edge, &arrival.snapshot, verdict, headers, &request);
    let mut client = Downstream::new(session, &arrival);
    client.mark(request.bill.headers(request.dialect));
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
    exchange.keep_answer();
    finish::log(&mut exchange, &arrival.path, &end);
    exchange.learn(&end);
    if exchange.client.is_quiet() {
        Afterwards::Broken
    } else {
        Afterwards::Usable
    }
}
