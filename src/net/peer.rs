//! From a provider's configuration to the peer that Pingora connects to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::Error;
use pingora::protocols::TcpKeepalive;
use pingora::upstreams::peer::HttpPeer;
use thiserror::Error;

use super::egress::{EgressFault, Tunnel};
use super::resolve::{ResolveError, Resolver};
use super::trust::{Trust, Trusts};
use crate::config::{EgressProxy, Http2, Provider, Target, Timeouts, Way};

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

/// What there is to know about a connection that could not be made.
#[derive(Debug)]
pub struct ConnectFailure {
    /// Another address is worth a try.
    pub another: bool,
    /// It was the egress proxy: what it did.
    pub way: Option<String>,
    /// This process, or its machine, has no file descriptor left: nobody was asked, nobody is to blame.
    pub out_of_files: bool,
}

/// Whether a connection was not even tried because this process, or its machine, has no file descriptor left.
fn is_out_of_files(error: &Error, on_the_way: Option<&EgressFault>) -> bool {
    /// `ENFILE` and `EMFILE`, the same on all systems that are served.
    const NO_FILES: [i32; 2] = [23, 24];
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    let cause = cause.or_else(|| on_the_way?.io());
    let code = cause.and_then(std::io::Error::raw_os_error);
    code.is_some_and(|code| NO_FILES.contains(&code))
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
    trust: Arc<Trust>,
    http2: Http2,
    timeouts: Timeouts,
    resolver: Arc<Resolver>,
}

impl PeerFactory {
    /// For `provider`, whose target is `target`.
    pub fn new(
        provider: &Provider,
        target: &Target,
        resolver: Arc<Resolver>,
        trusts: &Trusts,
    ) -> Self {
        PeerFactory {
            target: target.clone(),
            proxy: provider.way.proxy_to(target).cloned(),
            trust: trusts.of(provider.way.authorities.as_deref()),
            http2: provider.http2,
            timeouts: provider.timeouts,
            resolver,
        }
    }

    /// For calls of our own: HTTP/1.1, which a single call is best made with.
    pub(super) fn for_calls(
        target: Target,
        way: Option<&Way>,
        resolver: Arc<Resolver>,
        trusts: &Trusts,
    ) -> Self {
        PeerFactory {
            proxy: way.and_then(|it| it.proxy_to(&target)).cloned(),
            trust: trusts.of(way.and_then(|it| it.authorities.as_deref())),
            target,
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
        let tunnel = self.proxy.as_ref().map(|it| self.tunnel(it, address));
        let address = tunnel.as_ref().map_or(address, Tunnel::peer_address);
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
        peer.options.ca.clone_from(&self.trust.pingora);
        if let Some(tunnel) = tunnel {
            peer.options.custom_l4 = Some(Arc::new(tunnel));
        }
        Ok(Box::new(peer))
    }

    fn tunnel(&self, proxy: &EgressProxy, address: SocketAddr) -> Tunnel {
        let whole = self.timeouts.connect_total;
        Tunnel {
            proxy: proxy.clone(),
            address,
            host: self.target.host.clone(),
            port: self.target.port,
            trust: Arc::clone(&self.trust),
            // A little less than Pingora waits, so that it is the tunnel that says who hangs.
            patience: (self.timeouts.connect, whole.mul_f64(0.9)),
            keepalive: keepalive(),
            resolver: Arc::clone(&self.resolver),
        }
    }

    /// Tells that connecting to `peer` failed.
    pub fn connect_failed(&self, peer: &HttpPeer, error: &Error) -> ConnectFailure {
        let on_the_way = EgressFault::of(error);
        let out_of_files = is_out_of_files(error, on_the_way);
        let another = match on_the_way {
            // It knows which address of the proxy it was.
            Some(fault) => fault.another,
            // Through the tunnel, another address of the proxy would find the same.
            None if self.proxy.is_some() => false,
            None => {
                let address = peer._address.as_inet().filter(|_| !out_of_files);
                address.is_some_and(|it| self.resolver.failed(&self.target.host, it.ip()))
            }
        };
        ConnectFailure {
            another: another && !out_of_files,
            way: on_the_way.map(ToString::to_string),
            out_of_files,
        }
    }

    /// Whom the connection is made to: the host, or the egress proxy.
    pub(super) fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.target.host, self.target.port),
        }
    }

    /// Pingora's pool key knows address, scheme and SNI, but neither HTTP version, authorities nor tunnel.
    fn group(&self, credential: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (credential, &self.target.authority, self.http2 as u8).hash(&mut hasher);
        self.trust.identity.hash(&mut hasher);
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
