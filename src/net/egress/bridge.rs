//! TLS to a proxy, with TLS to the provider inside it.
//!
//! Pingora wraps TLS around sockets only: a stream of our own (`VirtualSocketStream`) has no descriptor, and Pingora's
//! pool tells connections apart by it, so that two of them would be taken for one. So Pingora gets one end of a pair of
//! local sockets, and a task carries bytes between the other end and the proxy's TLS. Nobody else can reach the pair:
//! it has no name. It costs two descriptors and one copy in memory each way.

use std::sync::Arc;

use pingora_core::tls::{ClientConfig, ClientTlsStream, ServerName, TlsConnector};
use tokio::net::{TcpStream, UnixStream};

use super::fault::What;

/// TLS with the proxy called `host`, its certificate checked.
pub async fn encrypted(
    socket: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<ClientTlsStream<TcpStream>, What> {
    let invalid = |error| What::NoTls(std::io::Error::other(error));
    let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
    let handshake = TlsConnector::from(config).connect(name, socket);
    // A certificate that is not believed comes as `InvalidData` with rustls' own error inside, like all it minds.
    handshake.await.map_err(|error| {
        let inner = error.get_ref().map(ToString::to_string);
        match inner {
            Some(text) if text.contains("certificate") => What::Certificate(error),
            Some(_) => What::NoTls(error),
            None => What::Broken(error),
        }
    })
}

/// The other end of `tunnel` as a socket.
pub fn socket(tunnel: ClientTlsStream<TcpStream>) -> Result<UnixStream, What> {
    let (ours, theirs) = UnixStream::pair().map_err(What::Unreachable)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "its owner is the socket that is returned: it ends when that is closed"
    )]
    tokio::spawn(carry(tunnel, ours));
    Ok(theirs)
}

/// Carries bytes until either side has ended: HTTP half-closes nothing, so there is no rest to wait for.
async fn carry(tunnel: ClientTlsStream<TcpStream>, local: UnixStream) {
    let (mut from_proxy, mut to_proxy) = tokio::io::split(tunnel);
    let (mut from_us, mut to_us) = local.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_proxy, &mut to_us) => {}
        _ = tokio::io::copy(&mut from_us, &mut to_proxy) => {}
    }
}
