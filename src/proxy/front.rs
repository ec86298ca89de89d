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
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::ctx::Connection;
use super::service::{Edge, H2_IDLE, Shared};
use crate::protocol::anthropic;
use crate::types::RequestId;

/// Longest request head, bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest request line, bytes.
const MAX_LINE: usize = 8 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 200;
/// What an HTTP/2 connection without TLS begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
        let is_http2 = match stream.get_ssl_digest() {
            Some(_) => false, // told by ALPN
            None => tokio::time::timeout(limits.patience, begins_as_http2(&mut stream))
                .await
                .ok()??,
        };
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
            .and_then(|context| context.downcast::<Connection>().ok());
        let Some(connection) = known else {
            let session = self.first(session, patience).await?;
            return self.proxy.process_new_http(session, shutdown).await;
        };
        self.later(session, *connection, patience, shutdown).await
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
            return None;
        }
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive(keepalive);
        session.set_keepalive_reuses_remaining(reuses);
        session.set_pipelining_enabled(true);
        session.set_pipelined_prefix(head);
        session.set_connection_user_context(Some(Box::new(Connection {
            head_done: Arc::new(Notify::new()),
        })));
        Some(session)
    }

    /// A later request: idle time and head together are bounded, then the request may take as long as it needs.
    async fn later(
        &self,
        mut session: ServerSession,
        connection: Connection,
        patience: Duration,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let idle = Duration::from_secs(session.get_keepalive().unwrap_or_default());
        session.set_pipelining_enabled(true);
        let head_done = Arc::clone(&connection.head_done);
        session.set_connection_user_context(Some(Box::new(connection)));
        let request = self.proxy.process_new_http(session, shutdown);
        tokio::pin!(request);
        tokio::select! { biased;
            reused = &mut request => return reused,
            () = head_done.notified() => {}
            () = tokio::time::sleep(idle + patience) => return None,
        }
        request.await
    }
}

/// Reads until the head is whole; `None` when the connection ends before. Returns the length of the head.
async fn read_head(stream: &mut Stream, head: &mut BytesMut) -> Option<usize> {
    let mut looked: usize = 0;
    loop {
        match stream.read_buf(head).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let from = looked.saturating_sub(3);
        let unseen = head.get(from..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(unseen, b"\r\n\r\n") {
            return Some(from + at + 4);
        }
        looked = head.len();
        // Binary noise will never be a head.
        if MAX_HEAD < looked || !head.first().is_some_and(u8::is_ascii_graphic) {
            return Some(looked);
        }
    }
}

type HeadFault = (u16, &'static str, &'static str);

/// What is wrong with a head, if anything. Pingora parses it again; this only finds what Pingora lets through or
/// answers without a body.
fn check_head(head: &[u8]) -> Option<HeadFault> {
    let bad = |text: &'static str| Some((400, "Bad Request", text));
    if MAX_HEAD < head.len() {
        return Some((
            431,
            "Request Header Fields Too Large",
            "the request head is larger than 64 KiB",
        ));
    }
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return bad("the request line is malformed");
    };
    if MAX_LINE < line.len() {
        return Some((
            431,
            "Request Header Fields Too Large",
            "the request line is longer than 8 KiB",
        ));
    }
    if method.is_empty() || 32 < method.len() || !method.iter().all(u8::is_ascii_uppercase) {
        return bad("the request method is malformed");
    }
    if !target.starts_with(b"/") && !target.starts_with(b"http") && target != b"*" {
        return bad("the request target is malformed");
    }
    if target.iter().any(|b| !b.is_ascii_graphic()) {
        return bad("the request target holds a character that must be escaped");
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        _ => return bad("the protocol version is not supported"),
    }
    check_fields(lines, version == b"HTTP/1.1")
}

fn check_fields<'h>(lines: impl Iterator<Item = &'h [u8]>, needs_host: bool) -> Option<HeadFault> {
    let bad = |text: &'static str| Some((400, "Bad Request", text));
    let (mut hosts, mut fields, mut lengths, mut coded) = (0, 0, 0, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        fields += 1;
        let Some(colon) = memchr::memchr(b':', line) else {
            return bad("a header line has no colon");
        };
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return bad("a header name is malformed");
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if value.iter().any(|b| *b == 0 || *b == b'\r') {
            return bad("a header value holds a control character");
        }
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
            if value.iter().any(|b| b"/?#@ \\".contains(b)) {
                return bad("the host header is malformed");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            lengths += 1;
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return bad("the content-length header is malformed");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            coded = true;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return bad("the only transfer-encoding understood is chunked");
            }
        }
    }
    match (hosts, lengths, coded) {
        (0, _, _) if needs_host => bad("the host header is missing"),
        (2.., _, _) => bad("there is more than one host header"),
        (_, 2.., _) => bad("there is more than one content-length header"),
        (_, 1, true) => bad("content-length and transfer-encoding exclude each other"),
        _ if MAX_HEADERS < fields => Some((
            431,
            "Request Header Fields Too Large",
            "the request has more than 200 headers",
        )),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Option<u16> {
        check_head(head.as_bytes()).map(|(status, _, _)| status)
    }

    #[test]
    fn ordinary_heads_pass() {
        assert_eq!(
            status(
                "POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 2\r\n\r\n"
            ),
            None
        );
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), None);
        assert_eq!(
            status("POST / HTTP/1.1\r\nhost: [::1]:8080\r\ntransfer-encoding: chunked\r\n\r\n"),
            None
        );
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for head in [
            "hello\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            "get / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET x HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nnocolon\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        ] {
            assert_eq!(status(head), Some(400), "{head}");
        }
        let many = format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: 1\r\n".repeat(201)
        );
        assert_eq!(status(&many), Some(431));
        assert_eq!(
            status(&format!(
                "GET /{} HTTP/1.1\r\nhost: a\r\n\r\n",
                "x".repeat(9000)
            )),
            Some(431)
        );
    }
}
