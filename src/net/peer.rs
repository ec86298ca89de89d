//! From a provider's configuration to the peer that Pingora connects to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::upstreams::peer::HttpPeer;
use thiserror::Error;

use super::egress::Tunnel;
use super::resolve::{ResolveError, Resolver};
use crate::config::{EgressProxy, Http2, Provider, Target, Timeouts};

/// How long a pooled connection may idle: below the 60 s after which common load balancers close theirs.
const POOL_IDLE: Duration = Duration::from_secs(55);
/// Streams at once on one HTTP/2 connection.
const H2_STREAMS: usize = 100;

/// Silence after which the other side is asked whether it is still there; a model may think for minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Time between two such questions, of which three may stay unanswered.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Longest time that sent bytes may stay unacknowledged: after a laptop's sleep pooled connections look alive.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Why there is no peer.
#[derive(Debug, Error)]
pub enum PeerError {
    /// Neither the provider's nor the egress proxy's name resolves.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive {
        idle: KEEPALIVE_IDLE,
        interval: KEEPALIVE_INTERVAL,
        count: 3,
        #[cfg(target_os = "linux")]
        user_timeout: UNACKNOWLEDGED,
    }
}

/// Makes peers for one provider.
pub struct PeerFactory {
    target: Target,
    proxy: Option<EgressProxy>,
    http2: Http2,
    timeouts: Timeouts,
    resolver: Arc<Resolver>,
}

impl PeerFactory {
    /// For `provider`, whose target is `target`.
    pub fn new(provider: &Provider, target: &Target, resolver: Arc<Resolver>) -> Self {
        PeerFactory {
            target: target.clone(),
            proxy: provider.proxy.clone(),
            http2: provider.http2,
            timeouts: provider.timeouts,
            resolver,
        }
    }

    /// For calls of our own: HTTP/1.1, which a single call is best made with.
    pub(super) fn for_calls(
        target: Target,
        proxy: Option<EgressProxy>,
        resolver: Arc<Resolver>,
    ) -> Self {
        PeerFactory {
            target,
            proxy,
            http2: Http2::Off,
            timeouts: Timeouts::default(),
            resolver,
        }
    }

    /// A peer to connect to now. `credential` separates pooled connections of different accounts: a provider may
    /// bind state to a connection.
    pub async fn peer(&self, credential: u64) -> Result<Box<HttpPeer>, PeerError> {
        let (host, port) = self.first_hop();
        let address = self.resolver.resolve(host, port).await?;
        let sni = if self.target.tls {
            self.target.host.clone()
        } else {
            String::new()
        };
        let mut peer = HttpPeer::new(address, self.target.tls, sni);
        match (self.http2, self.target.tls) {
            (Http2::On, _) => peer.options.set_http_version(2, 2),
            (Http2::Auto, true) => peer.options.set_http_version(2, 1),
            (Http2::Auto, false) | (Http2::Off, _) => {}
        }
        peer.options.connection_timeout = Some(self.timeouts.connect);
        peer.options.total_connection_timeout = Some(self.timeouts.connect_total);
        peer.options.idle_timeout = Some(POOL_IDLE);
        peer.options.max_h2_streams = H2_STREAMS;
        peer.options.tcp_keepalive = Some(keepalive());
        peer.group_key = self.group(credential);
        if let Some(proxy) = &self.proxy {
            peer.options.custom_l4 = Some(Arc::new(Tunnel {
                proxy: proxy.clone(),
                address,
                host: self.target.host.clone(),
                port: self.target.port,
            }));
        }
        Ok(Box::new(peer))
    }

    /// Tells that `address` could not be connected to. Returns whether another address is worth a try.
    pub fn connect_failed(&self, address: SocketAddr) -> bool {
        self.resolver.failed(self.first_hop().0, address.ip())
    }

    /// Whom the connection is made to: the host, or the egress proxy.
    pub(super) fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.target.host, self.target.port),
        }
    }

    /// Pingora's pool key knows address, scheme and SNI, but neither HTTP version nor tunnel.
    fn group(&self, credential: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (credential, &self.target.authority, self.http2 as u8).hash(&mut hasher);
        if let Some(proxy) = &self.proxy {
            (&proxy.host, proxy.port, proxy.scheme as u8).hash(&mut hasher);
            proxy
                .credentials
                .as_ref()
                .map(|(name, password)| (name, password.expose()))
                .hash(&mut hasher);
        }
        hasher.finish()
    }
}
