//! Connections through an egress proxy: `CONNECT`, in the clear or inside TLS, and SOCKS5.
//!
//! Pingora compares a pooled socket's peer with the peer's address, so the peer must carry the *proxy's* address;
//! the target travels in the tunnel request and in the pool's group key.

mod bridge;
mod connect;
mod fault;
mod socks;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use pingora::Result;
use pingora::connectors::L4Connect;
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::ext::set_tcp_keepalive;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream;
use tokio::net::TcpStream;

pub use fault::EgressFault;
use fault::What;

use super::resolve::Resolver;
use super::trust::Trust;
use crate::config::{EgressProxy, EgressScheme};

/// The address of a peer whose socket is one of a local pair: Pingora compares none with it.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Connects to `host:port` through `proxy`.
pub(super) struct Tunnel {
    /// The proxy as configured.
    pub proxy: EgressProxy,
    /// Its resolved address.
    pub address: SocketAddr,
    /// Host to reach.
    pub host: String,
    /// Port to reach.
    pub port: u16,
    /// Whom a proxy inside TLS must be known to.
    pub trust: Arc<Trust>,
    /// For a connection to the proxy, and for all until it has made another one.
    pub patience: (Duration, Duration),
    /// How a connection is watched while nothing is said on it.
    pub keepalive: TcpKeepalive,
    /// Is told of addresses that lead nowhere.
    pub resolver: Arc<Resolver>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {} through {}", self.target(), self.proxy)
    }
}

#[async_trait]
impl L4Connect for Tunnel {
    async fn connect(&self, _: &PeerAddress) -> Result<Stream> {
        let (_, whole) = self.patience;
        let connected = tokio::time::timeout(whole, self.through()).await;
        let outcome = connected.unwrap_or(Err(What::Hangs(whole)));
        outcome.map_err(|what| self.fault(what).into())
    }
}

impl Tunnel {
    /// The address that Pingora's peer must have.
    pub fn peer_address(&self) -> SocketAddr {
        match self.proxy.scheme {
            EgressScheme::Http | EgressScheme::Socks5 => self.address,
            EgressScheme::Https => SocketAddr::new(NO_ADDRESS, self.address.port()),
        }
    }

    /// `host:port` of the target.
    fn target(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn fault(&self, what: What) -> EgressFault {
        let is_about_the_address = match &what {
            // Our own lack of descriptors says nothing of the address.
            What::Unreachable(error) => !matches!(error.raw_os_error(), Some(23 | 24)),
            What::Silent(_) => true,
            _ => false,
        };
        EgressFault {
            proxy: self.proxy.to_string(),
            what,
            another: is_about_the_address
                && self.resolver.failed(&self.proxy.host, self.address.ip()),
        }
    }

    async fn through(&self) -> Result<Stream, What> {
        let mut socket = self.reach().await?;
        match self.proxy.scheme {
            EgressScheme::Http => connect::connect(self, &mut socket).await?,
            EgressScheme::Socks5 => socks::connect(self, &mut socket).await?,
            EgressScheme::Https => {
                let config = self.trust.client();
                let mut inside = bridge::encrypted(socket, &self.proxy.host, config).await?;
                connect::connect(self, &mut inside).await?;
                return Ok(bridge::socket(inside)?.into());
            }
        }
        Ok(socket.into())
    }

    /// A connection to the proxy.
    async fn reach(&self) -> Result<TcpStream, What> {
        let (patience, _) = self.patience;
        let connecting = tokio::time::timeout(patience, TcpStream::connect(self.address));
        let socket = connecting
            .await
            .map_err(|_| What::Silent(patience))?
            .map_err(What::Unreachable)?;
        socket.set_nodelay(true).map_err(What::Broken)?;
        // Pingora does this for its own sockets; the one behind a bridge it does not see.
        let _ = set_tcp_keepalive(&socket, &self.keepalive);
        Ok(socket)
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
