//! The door before Pingora's proxy: caps on connections, who is at the other end, and which HTTP is spoken.
//!
//! HTTP/1 goes on in `http1`, request by request; HTTP/2 is Pingora's. Without the door Pingora waits for ever for the
//! first bytes of a connection, and for a minute for each later piece of a head.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::{ALPN, SocketDigest, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use super::announced::{self, Announced};
use super::crowd::{Crowd, Standing};
use super::entry::Entry;
use super::http1;
use super::request_head::HeadFault;
use super::service::{Edge, H2_IDLE, Shared};
use super::turnstile::Turnstile;
use crate::config::Listener;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::{DoorCounts, TurnedAway};

/// What an HTTP/2 connection without TLS begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the sockets are called on which a supervisor asks.
const PRIVATE: &str = "supervisor";

/// Caps connections, and finds out who is there and which HTTP they speak.
pub struct Cap {
    proxy: Arc<HttpProxy<Edge>>,
    /// Over TLS.
    http2: Arc<Http2>,
    /// In the clear.
    h2c: Arc<Http2>,
    shared: Arc<Shared>,
    entry: Entry,
    counts: DoorCounts,
    open: AtomicUsize,
    crowd: Arc<Crowd>,
    /// Whether a load balancer announces the client at the beginning of each connection.
    is_announced: bool,
}

/// Owns the proxy of one listener, for HTTP/2.
struct Http2 {
    proxy: Arc<HttpProxy<Edge>>,
    options: HttpServerOptions,
}

impl Cap {
    /// The door of one listener; without one, that of a private socket.
    pub fn new(
        proxy: &Arc<HttpProxy<Edge>>,
        shared: &Arc<Shared>,
        listener: Option<&Listener>,
    ) -> Self {
        let http2 = |h2c: bool| {
            let mut options = HttpServerOptions::default();
            options.h2c = h2c;
            options.h2_idle_timeout = Some(H2_IDLE);
            Arc::new(Http2 {
                proxy: Arc::clone(proxy),
                options,
            })
        };
        let name = listener.map_or(PRIVATE, |it| it.name.as_str());
        let has_tls = listener.is_some_and(|it| it.tls.is_some());
        let counts = shared.metrics.door(name, has_tls);
        Cap {
            proxy: Arc::clone(proxy),
            http2: http2(false),
            h2c: http2(true),
            shared: Arc::clone(shared),
            entry: Entry::new(shared, listener, counts.clone()),
            counts,
            open: AtomicUsize::new(0),
            crowd: Arc::default(),
            is_announced: listener.is_some_and(|it| it.proxy_protocol),
        }
    }

    /// Where the client is, if a load balancer has to say so. `Err`: nobody who may said so, or not in time.
    async fn announcement(
        &self,
        stream: &mut Stream,
        snapshot: &Snapshot,
    ) -> Result<Option<Arc<SocketDigest>>, ()> {
        let Some(peer) = peer_of(stream).filter(|_| self.is_announced) else {
            return Ok(None);
        };
        let settings = &snapshot.config.settings;
        let trusted = &settings.trusted_proxies;
        let is_trusted = trusted.is_empty() || trusted.iter().any(|network| network.contains(peer));
        // Who is on this machine and speaks for itself alone (`pointsman health`) needs nobody's trust.
        if !is_trusted && !peer.is_loopback() {
            return Err(());
        }
        let read = announced::read(stream);
        match tokio::time::timeout(settings.client_read_timeout, read).await {
            Ok(Some(Announced::Client(address))) if is_trusted => {
                let digest = SocketDigest::from_raw_fd(stream.id());
                let _ = digest.peer_addr.set(Some(SocketAddr::Inet(address)));
                Ok(Some(Arc::new(digest)))
            }
            Ok(Some(Announced::Sender)) => Ok(None),
            Ok(None | Some(Announced::Client(_))) | Err(_) => Err(()),
        }
    }

    /// A place for one more connection from where the client is. A trusted proxy has as many clients as it has.
    fn enter(
        &self,
        stream: &Stream,
        socket: Option<&Arc<SocketDigest>>,
        snapshot: &Snapshot,
    ) -> Result<Option<Standing>, HeadFault> {
        let settings = &snapshot.config.settings;
        let client = match socket {
            Some(socket) => address_of(socket),
            None => peer_of(stream),
        };
        let is_proxy = |it: &IpAddr| settings.trusted_proxies.iter().any(|net| net.contains(*it));
        let counted = client.filter(|it| !is_proxy(it));
        match (counted, settings.max_connections_per_address) {
            (Some(address), Some(most)) => {
                let standing = self.crowd.enter(address, most);
                let text = "too many connections from this address; try again shortly";
                standing.map(Some).ok_or(overload(text))
            }
            (None, _) | (_, None) => Ok(None),
        }
    }
}

fn overload(text: &'static str) -> HeadFault {
    HeadFault {
        status: 503,
        reason: "Service Unavailable",
        text,
    }
}

fn peer_of(stream: &Stream) -> Option<IpAddr> {
    let socket = stream.get_socket_digest()?;
    address_of(&socket)
}

fn address_of(socket: &SocketDigest) -> Option<IpAddr> {
    Some(socket.peer_addr()?.as_inet()?.ip().to_canonical())
}

struct Place<'c>(&'c Cap);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.counts.closed();
    }
}

#[async_trait]
impl ServerApp for Cap {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        self.counts.opened();
        let _place = Place(self);
        let snapshot = self.shared.live.current();
        if snapshot.config.settings.max_connections <= before {
            self.counts.turned_away(TurnedAway::Full);
            let fault = overload("too many connections; try again shortly");
            http1::refuse(&mut stream, &fault, "api_error").await;
            return None;
        }
        let fresh = self.shared.closing.expect_request();
        let announced = self.announcement(&mut stream, &snapshot).await;
        let unannounced = |(): &()| self.counts.turned_away(TurnedAway::Unannounced);
        let socket = announced.inspect_err(unannounced).ok()?;
        let _standing = match self.enter(&stream, socket.as_ref(), &snapshot) {
            Ok(standing) => standing,
            Err(fault) => {
                self.counts.turned_away(TurnedAway::Crowded);
                http1::refuse(&mut stream, &fault, "api_error").await;
                return None;
            }
        };
        let patience = snapshot.config.settings.client_read_timeout;
        drop(snapshot); // a connection outlives configurations
        let (stream, in_clear) = self.entry.admit(stream, patience).await?;
        let told = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        drop(fresh);
        if !in_clear && !told {
            http1::serve(&self.proxy, &self.shared, stream, socket, shutdown).await;
            return None;
        }
        let stream = match socket {
            Some(socket) => Box::new(Turnstile::open(stream, socket)),
            None => stream,
        };
        let http2 = if told { &self.http2 } else { &self.h2c };
        http2.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.http2.http_cleanup().await;
    }
}

/// Whether a connection begins with the preface of HTTP/2. Looks no further than it must: the shortest request is
/// shorter than the preface, and Pingora would wait for the rest for ever. `None`: nothing came.
pub(super) async fn begins_as_http2(stream: &mut Stream) -> Option<bool> {
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

#[async_trait]
impl HttpServerApp for Http2 {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.proxy.process_new_http(session, shutdown).await
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
