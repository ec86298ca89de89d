//! The door before Pingora's proxy: a cap on connections, a deadline for every request head, and an error in JSON for
//! what is no HTTP.
//!
//! Two thin layers, because a connection is one thing for [`Cap`] (HTTP/1 or HTTP/2 in the clear) and a row of
//! requests for [`Front`]. Without them Pingora waits for ever for the first bytes of a connection, and for a minute
//! for each later piece of a head.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::prelude::sleep;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::ctx::Connection;
use super::request_head::{check_head, read_head};
use super::service::{Edge, H2_IDLE, Shared};
use crate::protocol::anthropic;
use crate::types::RequestId;

/// What an HTTP/2 connection without TLS begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longest time spent reading on after a refused head.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes read on after a refused head.
const LINGER_BYTES: u64 = 1024 * 1024;

/// Caps connections, and finds out which HTTP they speak.
pub struct Cap {
    http1: Arc<Front>,
    http2: Arc<Front>,
    shared: Arc<Shared>,
    open: AtomicUsize,
}

/// Owns the proxy of one listener, for one HTTP version.
pub struct Front {
    proxy: Arc<HttpProxy<Edge>>,
    shared: Arc<Shared>,
    options: HttpServerOptions,
}

impl Cap {
    /// The door of one listener.
    pub fn new(proxy: &Arc<HttpProxy<Edge>>, shared: &Arc<Shared>) -> Self {
        let front = |h2c: bool| {
            let mut options = HttpServerOptions::default();
            options.h2c = h2c;
            options.h2_idle_timeout = Some(H2_IDLE);
            Arc::new(Front {
                proxy: Arc::clone(proxy),
                shared: Arc::clone(shared),
                options,
            })
        };
        Cap {
            http1: front(false),
            http2: front(true),
            shared: Arc::clone(shared),
            open: AtomicUsize::new(0),
        }
    }
}

struct Place<'c>(&'c AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl ServerApp for Cap {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let limits = Limits::of(&self.shared);
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.open);
        if limits.connections <= before {
            let text = "too many connections; try again shortly";
            refuse(&mut stream, 503, "Service Unavailable", "api_error", text).await;
            return None;
        }
        let fresh = self.shared.closing.expect_request();
        let is_http2 = match stream.get_ssl_digest() {
            Some(_) => false, // told by ALPN
            None => tokio::time::timeout(limits.patience, begins_as_http2(&mut stream))
                .await
                .ok()??,
        };
        drop(fresh);
        let front = if is_http2 { &self.http2 } else { &self.http1 };
        front.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.http1.http_cleanup().await;
    }
}

/// Whether a connection begins with the preface of HTTP/2. Looks no further than it must: the shortest request is
/// shorter than the preface, and Pingora would wait for the rest for ever. `None`: nothing came.
async fn begins_as_http2(stream: &mut Stream) -> Option<bool> {
    let mut seen = [0_u8; PREFACE.len()];
    for length in 1..=PREFACE.len() {
        let (now, wanted) = (seen.get_mut(..length)?, PREFACE.get(..length)?);
        // A peek: what was read is put back.
        stream.try_peek(now).await.ok()?;
        if now != wanted {
            return Some(false);
        }
    }
    Some(true)
}

struct Limits {
    connections: usize,
    patience: Duration,
}

impl Limits {
    fn of(shared: &Shared) -> Self {
        let snapshot = shared.live.current();
        let settings = &snapshot.config.settings;
        Limits {
            connections: settings.max_connections,
            patience: settings.client_read_timeout,
        }
    }
}

#[async_trait]
impl HttpServerApp for Front {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !matches!(session, ServerSession::H1(_)) {
            return self.proxy.process_new_http(session, shutdown).await;
        }
        let patience = Limits::of(&self.shared).patience;
        let known = session
            .take_connection_user_context()
            .is_some_and(|context| context.is::<Connection>());
        if known {
            self.later(session, patience, shutdown).await
        } else {
            let session = self.first(session, patience).await?;
            self.proxy.process_new_http(session, shutdown).await
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options.clone()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Front {
    /// The first request of a connection: nothing is buffered yet, so its head can be read here, under one deadline,
    /// and answered in JSON when it is no HTTP.
    async fn first(&self, session: ServerSession, patience: Duration) -> Option<ServerSession> {
        let (keepalive, reuses) = (
            session.get_keepalive(),
            session.get_keepalive_reuses_remaining(),
        );
        let ServerSession::H1(inner) = session else {
            return None;
        };
        let _fresh = self.shared.closing.expect_request();
        let mut stream = inner.into_inner();
        let mut head = BytesMut::with_capacity(4096);
        let read = tokio::time::timeout(patience, read_head(&mut stream, &mut head)).await;
        let fault = match read {
            Err(_) if head.is_empty() => return None,
            Err(_) => Some((
                408,
                "Request Timeout",
                "the request head did not arrive in time",
            )),
            Ok(None) => return None,
            Ok(Some(end)) => check_head(head.get(..end).unwrap_or_default()),
        };
        if let Some((status, reason, text)) = fault {
            refuse(&mut stream, status, reason, "invalid_request_error", text).await;
            linger(&mut stream).await;
            return None;
        }
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive(keepalive);
        session.set_keepalive_reuses_remaining(reuses);
        session.set_pipelining_enabled(true);
        session.set_pipelined_prefix(head);
        session.set_connection_user_context(Some(Box::new(Connection {
            head_done: Arc::new(Notify::new()),
            is_reused: false,
        })));
        Some(session)
    }

    /// A later request: idle time and head together are bounded, then the request may take as long as it needs.
    async fn later(
        &self,
        mut session: ServerSession,
        patience: Duration,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let idle = Duration::from_secs(session.get_keepalive().unwrap_or_default());
        session.set_pipelining_enabled(true);
        // A bell of its own: that of an earlier request may have rung with nobody there to hear it.
        let head_done = Arc::new(Notify::new());
        session.set_connection_user_context(Some(Box::new(Connection {
            head_done: Arc::clone(&head_done),
            is_reused: true,
        })));
        let request = self.proxy.process_new_http(session, shutdown);
        tokio::pin!(request);
        tokio::select! { biased;
            reused = &mut request => return reused,
            () = head_done.notified() => {}
            () = sleep(idle + patience) => return None,
        }
        request.await
    }
}

/// Reads on for a moment: what lies unread when a connection closes turns its end into a reset, and the answer is
/// lost on the way.
async fn linger(stream: &mut Stream) {
    let read_on = async {
        let mut rest = stream.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LINGER, read_on).await;
}

/// Answers on a bare connection and closes it.
async fn refuse(stream: &mut Stream, status: u16, reason: &str, error_type: &str, text: &str) {
    let id = RequestId::random();
    let body = anthropic::error_body(error_type, text, Some(id.as_str()));
    let retry = if status == 503 {
        "retry-after: 1\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\nrequest-id: {id}\r\n{retry}\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), &body].concat();
    let written = async {
        stream.write_all(&answer).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), written).await;
}
