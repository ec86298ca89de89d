//! A client's HTTP/1 connection: a row of requests, one at a time. The head of each is read here, under a deadline, and
//! looked over before Pingora sees it; what is no HTTP is answered in JSON.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::{SocketDigest, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::request_head::{HeadFault, check_head};
use super::service::{Edge, Shared};
use super::turnstile::Turnstile;
use crate::protocol::anthropic;
use crate::types::RequestId;

/// Longest time spent reading on after a refused head.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes read on after a refused head.
const LINGER_BYTES: u64 = 1024 * 1024;
/// Longest time for an answer of ours to a refused head.
const REFUSAL: Duration = Duration::from_secs(2);
/// The idle time Pingora is told at first; the settings' own follows with the request.
const KEEPALIVE_SECONDS: u64 = 60;

/// Serves requests until the connection ends. `socket` tells where the client is, if that is not the other end.
pub async fn serve(
    proxy: &Arc<HttpProxy<Edge>>,
    shared: &Arc<Shared>,
    stream: Stream,
    socket: Option<Arc<SocketDigest>>,
    shutdown: &ShutdownWatch,
) {
    let mut turnstile = Turnstile::new(stream, socket);
    let patience = shared.live.current().config.settings.client_read_timeout;
    let mut fresh = Some(shared.closing.expect_request());
    let mut begun = tokio::time::timeout(patience, turnstile.has_more()).await;
    while begun == Ok(true) {
        let Some(mut session) = next(turnstile, shared).await else {
            return;
        };
        drop(fresh.take());
        if !*shutdown.borrow() {
            session.set_keepalive(Some(KEEPALIVE_SECONDS));
        }
        let Some(reused) = proxy.process_new_http(session, shutdown).await else {
            return;
        };
        let (stream, _) = reused.consume();
        let Ok(returned) = stream.into_any().downcast::<Turnstile>() else {
            return;
        };
        // Pingora was content with less than its request: whose the rest is, is a matter of opinion.
        if !returned.is_through() {
            return;
        }
        turnstile = *returned;
        let idle = shared.live.current().config.settings.keepalive_timeout;
        let mut shutdown = shutdown.clone();
        begun = tokio::select! { biased;
            begun = tokio::time::timeout(idle, turnstile.has_more()) => begun,
            // Nobody is kept from ending by who says nothing.
            _ = shutdown.wait_for(|it| *it) => return,
        };
    }
}

/// Reads the head of the next request. `None`: there is none, and the connection is over.
async fn next(mut turnstile: Turnstile, shared: &Shared) -> Option<ServerSession> {
    let patience = shared.live.current().config.settings.client_read_timeout;
    let read = tokio::time::timeout(patience, turnstile.read_head()).await;
    let checked = match read {
        Err(_) => Err(HeadFault {
            status: 408,
            reason: "Request Timeout",
            text: "the request head did not arrive in time",
        }),
        Ok(None) => return None,
        Ok(Some(end)) => check_head(turnstile.held(end)).map(|framing| (end, framing)),
    };
    match checked {
        Ok((end, framing)) => {
            turnstile.admit(end, framing);
            Some(ServerSession::new_http1(Box::new(turnstile)))
        }
        Err(fault) => {
            let mut stream = turnstile.into_inner();
            refuse(&mut stream, &fault, "invalid_request_error").await;
            linger(&mut stream).await;
            None
        }
    }
}

/// Answers on a bare connection and closes it.
pub async fn refuse(stream: &mut Stream, fault: &HeadFault, error_type: &str) {
    let HeadFault {
        status,
        reason,
        text,
    } = fault;
    let id = RequestId::random();
    let body = anthropic::error_body(error_type, text, Some(id.as_str()));
    let more = match status {
        503 => "retry-after: 1\r\n",
        405 => "allow: GET, HEAD, POST\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\nrequest-id: {id}\r\n{more}\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), &body].concat();
    let written = async {
        stream.write_all(&answer).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(REFUSAL, written).await;
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
