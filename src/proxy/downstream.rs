//! The client's side of an exchange: what was shown to it, and how answers, streams and pings are written.
//!
//! Where others share the answer ([`Lead`]), what is written here is said to them first. When the client leaves and
//! others listen, nothing is written any more, but the exchange goes on for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;

use super::answer::visible;
use super::closing::Closing;
use super::cors::Grant;
use super::request::Arrival;
use crate::cache::{Ending, Lead};
use crate::telemetry::capture::Tap;
use crate::types::{ClientCertificate, RequestId};

/// Longest time spent reading on after an early answer, so that the client gets to see it.
const LINGER: Duration = Duration::from_secs(2);
/// Most bytes read on after an early answer.
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of a body written at once: the write timeout is for one write, and a client that reads slowly is not one
/// that does not read.
const MAX_WRITE: usize = 256 * 1024;
/// The same while others may share the answer: who reads at all takes as much within [`SHARED_PATIENCE`].
const MAX_SHARED_WRITE: usize = 16 * 1024;
/// Headers that every answer gets from us, and a few of the provider's.
const HEADERS: usize = 24;

/// Longest wait for a client that reads nothing while others wait for more of its answer.
const SHARED_PATIENCE: Duration = Duration::from_secs(2);

/// The client is gone, or does not read; nothing more can be said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The client of one exchange.
pub struct Downstream<'s> {
    session: &'s mut Session,
    id: RequestId,
    /// The certificate that the client has shown.
    pub certificate: Option<ClientCertificate>,
    write_timeout: Duration,
    closing: Arc<Closing>,
    shown: Shown,
    /// Others that get the same answer.
    lead: Option<Lead>,
    /// Headers for this client alone, whoever's answer it gets.
    marks: Vec<(HeaderName, HeaderValue)>,
    /// The client has gone; the exchange goes on for others.
    quiet: bool,
    /// What a web page may do with the answer.
    grant: Option<Grant>,
    /// When something was last written to it.
    pub last_write: Instant,
    /// Bytes of body written.
    pub written: usize,
    /// The status it got.
    pub status: Option<u16>,
    /// Keeps what it gets, where that is asked for.
    pub tap: Option<Tap>,
}

/// What the client has been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// A head with status 200 and perhaps pings, but nothing of an answer.
    Waiting,
    /// The head and content of an answer.
    Content,
    /// All of an answer.
    Everything,
}

impl<'s> Downstream<'s> {
    /// The client behind `session`, whose request is `arrival`.
    pub fn new(session: &'s mut Session, arrival: &Arrival) -> Self {
        let write_timeout = arrival.snapshot.config.settings.client_write_timeout;
        session.as_mut().set_write_timeout(Some(write_timeout));
        let (last_write, shown) = (Instant::now(), Shown::Nothing);
        Downstream {
            session,
            id: arrival.id.clone(),
            certificate: arrival.certificate.clone(),
            write_timeout,
            closing: Arc::clone(&arrival.closing),
            shown,
            lead: None,
            marks: Vec::new(),
            quiet: false,
            grant: arrival.grant.clone(),
            last_write,
            written: 0,
            status: None,
            tap: None,
        }
    }

    /// Puts headers into whatever head it gets.
    pub fn mark(&mut self, marks: Vec<(HeaderName, HeaderValue)>) {
        self.marks = marks;
    }

    fn put_marks(&self, head: &mut ResponseHeader) {
        for (name, value) in &self.marks {
            let _ = head.insert_header(name.clone(), value.clone());
        }
    }

    /// From now on what it gets is told to others as well.
    pub fn share(&mut self, lead: Lead) {
        self.lead = Some(lead);
    }

    /// Those who share its answer.
    pub fn lead(&self) -> Option<&Lead> {
        self.lead.as_ref()
    }

    /// Whether it has gone while others listen.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What it has been shown.
    pub fn shown(&self) -> Shown {
        self.shown
    }

    /// Its session.
    pub fn session(&mut self) -> &mut Session {
        self.session
    }

    /// Resolves when the client has left, and everyone who shares its answer.
    pub async fn left(&mut self) {
        if !self.quiet {
            self.client_left().await;
            if self.let_go().is_err() {
                return;
            }
        }
        if let Some(lead) = &self.lead {
            lead.deserted().await;
        }
    }

    async fn client_left(&mut self) {
        // Bytes after the end of the request are the next request of a pipelining client, kept by the session.
        while self
            .session
            .downstream_session
            .read_body_or_idle(true)
            .await
            .is_ok()
        {}
    }

    /// The client is lost. `Err`: and nobody else wants the answer.
    fn let_go(&mut self) -> Result<(), Gone> {
        if !self.lead.as_ref().is_some_and(Lead::leave) {
            return Err(Gone);
        }
        self.quiet = true;
        self.session.set_keepalive(None);
        Ok(())
    }

    /// Writes a complete answer.
    pub async fn whole(&mut self, mut head: ResponseHeader, body: Bytes) -> Result<(), Gone> {
        let is_head = self.session.req_header().method == http::Method::HEAD;
        if head.insert_header("content-length", body.len()).is_err() {
            return Err(Gone);
        }
        if let Some(lead) = self.lead.as_ref().filter(|_| head.status.is_success()) {
            lead.head(head.status, &head.headers);
            if !body.is_empty() {
                lead.push(body.clone());
            }
            lead.end(Ending::Whole);
        }
        self.put_marks(&mut head);
        self.status = Some(head.status.as_u16());
        self.written = if is_head { 0 } else { body.len() };
        let tasks = if is_head || body.is_empty() {
            vec![HttpTask::Header(Box::new(head), true)]
        } else {
            vec![
                HttpTask::Header(Box::new(head), false),
                HttpTask::Body(Some(body), true),
            ]
        };
        self.shown = Shown::Everything;
        self.send(tasks).await
    }

    /// Writes the head of a stream early, so that pings can follow, or an error.
    pub async fn open_early(&mut self, extra: Vec<(HeaderName, HeaderValue)>) -> Result<(), Gone> {
        let mut head = self.head(StatusCode::OK).ok_or(Gone)?;
        for (name, value) in extra {
            head.insert_header(name, value).map_err(|_| Gone)?;
        }
        head.insert_header("content-type", "text/event-stream; charset=utf-8")
            .map_err(|_| Gone)?;
        head.insert_header("cache-control", "no-cache")
            .map_err(|_| Gone)?;
        self.frame(&mut head)?;
        self.put_marks(&mut head);
        self.status = Some(200);
        self.shown = Shown::Waiting;
        self.send(vec![HttpTask::Header(Box::new(head), false)])
            .await
    }

    /// Writes pieces of a stream, together with its head if that is still to come.
    pub async fn stream(
        &mut self,
        head: Option<Box<ResponseHeader>>,
        pieces: Vec<Bytes>,
        end: bool,
    ) -> Result<(), Gone> {
        let mut tasks = Vec::with_capacity(2);
        let body = one_piece(pieces);
        self.tell(head.as_deref(), body.as_ref(), end);
        if self.shown == Shown::Nothing {
            let Some(mut head) = head else {
                return Err(Gone);
            };
            self.frame(&mut head)?;
            self.put_marks(&mut head);
            self.status = Some(head.status.as_u16());
            tasks.push(HttpTask::Header(head, false));
        }
        self.written += body.as_ref().map_or(0, Bytes::len);
        if body.is_some() || end {
            tasks.push(HttpTask::Body(body, end));
        }
        self.shown = if end {
            Shown::Everything
        } else {
            Shown::Content
        };
        self.send(tasks).await
    }

    /// Tells those who share the answer.
    fn tell(&self, head: Option<&ResponseHeader>, body: Option<&Bytes>, end: bool) {
        let Some(lead) = &self.lead else {
            return;
        };
        if let Some(head) = head {
            lead.head(head.status, &head.headers);
        }
        if let Some(body) = body {
            lead.push(body.clone());
        }
        if end {
            lead.end(Ending::Whole);
        }
    }

    /// Writes a sign of life into an open stream.
    pub async fn ping(&mut self, ping: &'static [u8]) -> Result<(), Gone> {
        self.send(vec![HttpTask::Body(Some(Bytes::from_static(ping)), false)])
            .await
    }

    /// Ends an open stream with an error event. The connection stays: its head did not say that it would close, and the
    /// client's repeat comes at once, on this very connection.
    pub async fn stream_error(&mut self, event: Bytes) -> Result<(), Gone> {
        self.written += event.len();
        self.shown = Shown::Everything;
        self.send(vec![HttpTask::Body(Some(event), true)]).await
    }

    /// After an answer that came before the request was whole: reads on for a moment, because closing at once would
    /// throw the answer away.
    pub async fn linger(&mut self) {
        self.session.set_keepalive(None);
        let session = &mut self.session.downstream_session;
        let read_on = async {
            let mut seen = 0;
            while let Ok(Some(piece)) = session.read_request_body().await {
                seen += piece.len();
                if LINGER_BYTES < seen {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, read_on).await;
    }

    /// An empty head with the ids of this request.
    pub fn head(&self, status: StatusCode) -> Option<ResponseHeader> {
        let mut head = ResponseHeader::build(status, Some(HEADERS)).ok()?;
        head.insert_header("request-id", visible(self.id.as_str()))
            .ok()?;
        // Where the SDKs of OpenAI look.
        head.insert_header("x-request-id", visible(self.id.as_str()))
            .ok()?;
        head.insert_header("x-pointsman-request-id", visible(self.id.as_str()))
            .ok()?;
        Some(head)
    }

    /// How the end of a body without a known length is told depends on the client's HTTP version.
    fn frame(&self, head: &mut ResponseHeader) -> Result<(), Gone> {
        head.remove_header("content-length");
        head.remove_header("transfer-encoding");
        if self.session.req_header().version == Version::HTTP_11 {
            head.insert_header("transfer-encoding", "chunked")
                .map_err(|_| Gone)?;
        }
        Ok(())
    }

    async fn send(&mut self, tasks: Vec<HttpTask>) -> Result<(), Gone> {
        let most = match self.lead {
            Some(_) => MAX_SHARED_WRITE,
            None => MAX_WRITE,
        };
        let mut batch = Vec::with_capacity(tasks.len());
        for task in tasks {
            let HttpTask::Body(Some(mut body), end) = task else {
                batch.push(task);
                continue;
            };
            if let Some(tap) = &mut self.tap {
                tap.push(&body);
            }
            while most < body.len() {
                batch.push(HttpTask::Body(Some(body.split_to(most)), false));
                self.write(std::mem::take(&mut batch)).await?;
            }
            batch.push(HttpTask::Body(Some(body), end));
        }
        self.write(batch).await
    }

    async fn write(&mut self, mut tasks: Vec<HttpTask>) -> Result<(), Gone> {
        if self.quiet {
            return Ok(());
        }
        if let Some(HttpTask::Header(head, _)) = tasks.first_mut() {
            if let Some(grant) = &self.grant {
                grant.write(head);
            }
            if self.closing.is_draining() {
                // Said in the head: the client's next request goes where it is served.
                self.session.set_keepalive(None);
            }
        }
        let write = write_to(self.session, self.write_timeout, tasks);
        let written = match &self.lead {
            None => write.await,
            // A client that does not read must not hold up those who share its answer.
            Some(lead) => tokio::select! { biased;
                written = write => written,
                () = lead.crowded(SHARED_PATIENCE) => Err(Gone),
            },
        };
        self.last_write = Instant::now();
        written.or_else(|Gone| self.let_go())
    }
}

async fn write_to(
    session: &mut Session,
    patience: Duration,
    tasks: Vec<HttpTask>,
) -> Result<(), Gone> {
    // HTTP/2 sessions ignore their write timeout.
    let sent = if session.as_ref().is_http2() {
        let write = session.write_response_tasks(tasks);
        tokio::time::timeout(patience, write)
            .await
            .map_err(|_| Gone)?
    } else {
        session.write_response_tasks(tasks).await
    };
    sent.map(|_| ()).map_err(|_| Gone)
}

fn one_piece(mut pieces: Vec<Bytes>) -> Option<Bytes> {
    if pieces.len() < 2 {
        return pieces.pop();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        all.extend_from_slice(piece);
    }
    Some(all.freeze())
}
