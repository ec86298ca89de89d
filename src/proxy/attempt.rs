//! One try at one endpoint with one key: a Pingora subrequest, polled by its exchange.
//!
//! The subrequest is made from a static head with a body of one token byte; the real head is written in
//! `upstream_request_filter`, the real body put in `request_body_filter`. So a body of any size can be sent as often
//! as needed, and Pingora's own 64 KiB replay buffer, which holds the token, is enough to repeat a request on a fresh
//! connection when a pooled one was dead.
//!
//! The attempt runs inside its exchange's task: dropping it closes the upstream connection at once.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::subrequest::server::SubrequestHandle;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use pingora::proxy::{Subrequest, SubrequestSpawner};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::answer::{Expect, Incoming};
use crate::error::{Fault, FaultKind, Timer};
use crate::protocol::answer::Told;
use crate::snapshot::Endpoint;

/// Longest wait for an attempt whose answer is complete to hand its connection back to the pool.
const TIDY_UP: Duration = Duration::from_millis(250);
/// Tasks taken from an attempt in one go.
const MAX_BATCH: usize = 1024;

/// What is sent to the provider.
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// All headers but the body's length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl Outgoing {
    fn has_body(&self) -> bool {
        self.method == Method::POST
    }
}

/// The state of one try, shared between the exchange and the subrequest's hooks.
pub struct Attempt {
    /// Where it goes.
    pub endpoint: Arc<Endpoint>,
    group: u64,
    /// `None` once the answer has begun: nothing is sent twice after that.
    outgoing: Mutex<Option<Outgoing>>,
    incoming: Mutex<Incoming>,
}

impl Attempt {
    /// Prepares a try; `group` separates pooled connections.
    pub fn new(
        endpoint: Arc<Endpoint>,
        group: u64,
        outgoing: Outgoing,
        expect: Expect,
    ) -> Arc<Self> {
        Arc::new(Attempt {
            endpoint,
            group,
            outgoing: Mutex::new(Some(outgoing)),
            incoming: Mutex::new(Incoming::new(expect)),
        })
    }

    /// What has come in so far.
    pub fn incoming(&self) -> parking_lot::MutexGuard<'_, Incoming> {
        self.incoming.lock()
    }

    // ---- the hooks of the subrequest, in the order Pingora calls them ----

    /// `upstream_peer`.
    pub async fn peer(&self) -> pingora::Result<Box<HttpPeer>> {
        // Where one pooled connection was dead, the others are as well: a repeat must not find them.
        let group = if self.incoming.lock().took_fresh_connection() {
            fastrand::u64(..)
        } else {
            self.group
        };
        match self.endpoint.peers.peer(group).await {
            Ok(peer) => Ok(peer),
            Err(error) => {
                let fault = Fault::new(
                    FaultKind::UpstreamUnreachable,
                    "the provider cannot be reached",
                );
                self.incoming.lock().fail(fault.with_source(error));
                Err(Error::new(ErrorType::ConnectError))
            }
        }
    }

    /// `fail_to_connect`: another address of the same host may do.
    pub fn connect_failed(&self, peer: &HttpPeer, mut error: Box<Error>) -> Box<Error> {
        let failure = self.endpoint.peers.connect_failed(peer, &error);
        if failure.out_of_files {
            log::error!("no file descriptor is left for a connection: raise the limit (ulimit -n)");
            let text = "too many connections at once; try again shortly";
            self.incoming
                .lock()
                .fail(Fault::new(FaultKind::Overloaded, text).with_source("no file descriptor"));
        } else if !failure.another {
            let word = error.etype().as_str().to_owned();
            let kind = match (&failure.way, error.etype()) {
                (Some(_), _) => FaultKind::UpstreamEgress,
                (None, ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout) => {
                    FaultKind::UpstreamTimeout(Timer::Connect)
                }
                (None, _) => FaultKind::UpstreamUnreachable,
            };
            let text = match kind {
                FaultKind::UpstreamEgress => "the proxy on the way to the provider fails",
                _ => "the provider cannot be reached",
            };
            let fault = Fault::new(kind, text).with_source(failure.way.unwrap_or(word));
            self.incoming.lock().fail(fault);
        }
        error.set_retry(failure.another);
        error
    }

    /// `upstream_request_filter`: the real head in place of the template's.
    pub fn write_head(&self, head: &mut RequestHeader) -> pingora::Result<()> {
        let outgoing = self.outgoing.lock();
        let Some(outgoing) = outgoing.as_ref() else {
            return Err(Error::new(ErrorType::InternalError));
        };
        // Built anew and at once large enough: changing the template's would cost more than all the rest of a hop.
        let (method, path) = (outgoing.method.clone(), outgoing.path.as_bytes());
        let room = outgoing.headers.len() + 2;
        let mut real = RequestHeader::build_no_case(method, path, Some(room))?;
        real.set_version(head.version);
        real.insert_header("host", self.endpoint.target.authority.as_str())?;
        for (name, value) in &outgoing.headers {
            real.append_header(name, value.clone())?;
        }
        if outgoing.has_body() {
            real.insert_header("content-length", outgoing.body.len())?;
        }
        *head = real;
        Ok(())
    }

    /// `request_body_filter`: the real body in place of the token.
    pub fn write_body(&self, body: &mut Option<Bytes>, end: bool) {
        let outgoing = self.outgoing.lock();
        let real = outgoing.as_ref().filter(|it| end && it.has_body());
        *body = real.map(|it| it.body.clone());
    }

    /// `response_filter`: the answer has begun.
    pub fn head(&self, head: &mut ResponseHeader) -> pingora::Result<()> {
        *self.outgoing.lock() = None;
        self.incoming.lock().head(head)
    }

    /// `error_while_proxy`: a pooled connection that was dead before a byte of the answer came is nobody's fault.
    pub fn broke(
        &self,
        mut error: Box<Error>,
        reused: bool,
        budget: impl FnOnce() -> bool,
    ) -> Box<Error> {
        let mut incoming = self.incoming.lock();
        let stale = reused && !incoming.has_begun();
        let again = stale && incoming.take_fresh_connection() && budget();
        error.retry.decide_reuse(reused);
        error.set_retry(again);
        if !again {
            let kind = match error.etype() {
                _ if stale => FaultKind::UpstreamStaleConnection,
                ErrorType::ReadTimedout => FaultKind::UpstreamTimeout(Timer::Idle),
                _ => FaultKind::UpstreamBadAnswer,
            };
            let fault = Fault::new(kind, "the provider's answer broke off");
            incoming.fail(fault.with_source(describe(&error)));
        }
        error
    }

    /// What the answer told about itself so far.
    pub fn told(&self) -> Told {
        self.incoming.lock().told()
    }
}

/// What an attempt gave since it was last asked.
pub enum Progress {
    /// The head of a good answer, and pieces of its body for the client.
    Answer {
        /// The head, once.
        head: Option<Box<ResponseHeader>>,
        /// Bytes for the client.
        pieces: Vec<Bytes>,
        /// Nothing more follows.
        end: bool,
    },
    /// The attempt is over without (the rest of) an answer; [`Incoming`] knows why.
    Broken,
}

/// A running attempt. Dropping it cancels it.
pub struct Running {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    handle: SubrequestHandle,
    attempt: Arc<Attempt>,
    over: bool,
}

impl Running {
    /// Starts `attempt`. Nothing happens before it is polled.
    pub fn start(
        app: Arc<dyn Subrequest + Send + Sync>,
        template: &ServerSession,
        attempt: Arc<Attempt>,
    ) -> Self {
        let ctx = SubrequestCtx::builder()
            .body_mode(BodyMode::ExpectBody)
            .user_ctx(Box::new(Arc::clone(&attempt)))
            .build();
        let (prepared, handle) = SubrequestSpawner::new(app).create_subrequest(template, ctx);
        // The channel is new and holds four: the token always fits.
        let _ = handle
            .tx
            .try_send(HttpTask::Body(Some(Bytes::from_static(b"x")), true));
        Running {
            future: Box::pin(prepared.run()),
            handle,
            attempt,
            over: false,
        }
    }

    /// What it gave next. Cancel safe.
    pub async fn next(&mut self) -> Progress {
        // Unconstrained: an empty poll must mean that there is nothing, not that the task's budget is used up.
        let tasks =
            tokio::task::unconstrained(std::future::poll_fn(|cx| self.poll_tasks(cx))).await;
        if tasks.is_empty() {
            return Progress::Broken;
        }
        sort_out(tasks)
    }

    /// Lets an attempt whose answer is complete hand its connection back to the pool.
    pub async fn tidy_up(&mut self) {
        if !self.over {
            let _ = tokio::time::timeout(TIDY_UP, self.future.as_mut()).await;
        }
    }

    /// Its state.
    pub fn attempt(&self) -> &Arc<Attempt> {
        &self.attempt
    }

    /// All tasks it has ready; an empty list when it is over.
    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<Vec<HttpTask>> {
        let mut tasks = Vec::new();
        let mut idle_rounds = 0;
        // Pingora joins its two halves and polls them in turns: one empty round proves nothing.
        while idle_rounds < 2 && tasks.len() < MAX_BATCH {
            self.run(cx);
            let before = tasks.len();
            while let Ok(task) = self.handle.rx.try_recv() {
                tasks.push(task);
            }
            idle_rounds = if tasks.len() == before {
                idle_rounds + 1
            } else {
                0
            };
            if self.over && before == tasks.len() {
                break;
            }
        }
        if tasks.is_empty() && !self.over {
            Poll::Pending
        } else {
            Poll::Ready(tasks)
        }
    }

    /// One poll of the subrequest. A panic in a hook ends this attempt and nothing else.
    fn run(&mut self, cx: &mut Context<'_>) {
        if self.over {
            return;
        }
        let future = self.future.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => self.over = true,
            Err(_) => {
                self.over = true;
                self.attempt
                    .incoming
                    .lock()
                    .fail(Fault::internal("panic in an attempt"));
            }
        }
    }
}

/// Type and context of an error of Pingora's; its full chain may quote headers.
fn describe(error: &Error) -> String {
    match &error.context {
        Some(context) => format!("{}: {}", error.etype().as_str(), context.as_str()),
        None => error.etype().as_str().to_owned(),
    }
}

fn sort_out(tasks: Vec<HttpTask>) -> Progress {
    let (mut head, mut pieces, mut end, mut broken) = (None, Vec::new(), false, false);
    for task in tasks {
        end |= task.is_end();
        match task {
            HttpTask::Header(header, _) if header.status.is_informational() => end = false,
            HttpTask::Header(header, _) => head = Some(header),
            HttpTask::Body(Some(piece), _) if !piece.is_empty() => pieces.push(piece),
            HttpTask::Body(..) | HttpTask::Trailer(_) | HttpTask::Done => {}
            HttpTask::UpgradedBody(..) | HttpTask::Failed(_) => broken = true,
        }
    }
    // What arrived before the break still belongs to the client; the break itself is met on the next call.
    if broken && head.is_none() && pieces.is_empty() {
        return Progress::Broken;
    }
    Progress::Answer {
        head,
        pieces,
        end: end && !broken,
    }
}

/// The head that every subrequest is made from, parsed once a process.
pub async fn template() -> pingora::Result<ServerSession> {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: attempt\r\ncontent-length: 1\r\n\r\n";
    let (mut client, server) = tokio::io::duplex(256);
    tokio::io::AsyncWriteExt::write_all(&mut client, HEAD)
        .await
        .map_err(|e| Error::because(ErrorType::InternalError, "template head", e))?;
    let mut session = ServerSession::new_http1(Box::new(server));
    session.read_request().await?;
    Ok(session)
}
