//! SOCKS5: RFC 1928 with the optional name and password of RFC 1929. The proxy resolves names.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::Tunnel;
use super::fault::What;

/// Longest message that RFC 1929 knows, bytes.
const MAX_SIGN_IN: usize = 3 + 2 * 255;
/// The version, which every message of the proxy but that about the sign-in begins with.
const VERSION: u8 = 5;

/// Asks the proxy behind `socket` for a connection.
pub async fn connect<S>(tunnel: &Tunnel, socket: &mut S) -> Result<(), What>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let credentials = tunnel.proxy.credentials.as_ref();
    let methods: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, 0, 2],
        None => &[VERSION, 1, 0],
    };
    socket.write_all(methods).await.map_err(What::Broken)?;
    let mut chosen = [0; 2];
    read(socket, &mut chosen).await?;
    match (chosen, credentials) {
        ([VERSION, 0], _) => {}
        ([VERSION, 2], Some((name, password))) => sign_in(socket, name, password.expose()).await?,
        ([VERSION, 2], None) => return Err(What::NoCredentials),
        ([VERSION, _], _) => return Err(What::NoMethod),
        _ => return Err(What::Garbage("SOCKS5")),
    }
    socket
        .write_all(&request(tunnel)?)
        .await
        .map_err(What::Broken)?;
    answer(tunnel, socket).await
}

async fn sign_in<S>(socket: &mut S, name: &str, password: &str) -> Result<(), What>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut message = Zeroizing::new(Vec::with_capacity(MAX_SIGN_IN));
    message.push(1);
    push(&mut message, name, "name")?;
    push(&mut message, password, "password")?;
    socket.write_all(&message).await.map_err(What::Broken)?;
    let mut answer = [0; 2];
    read(socket, &mut answer).await?;
    match answer {
        [_, 0] => Ok(()),
        _ => Err(What::BadCredentials),
    }
}

fn request(tunnel: &Tunnel) -> Result<Vec<u8>, What> {
    let mut request = vec![VERSION, 1, 0];
    match tunnel.host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            request.push(3);
            push(&mut request, &tunnel.host, "host name")?;
        }
    }
    request.extend_from_slice(&tunnel.port.to_be_bytes());
    Ok(request)
}

/// Reads the answer to the end: what follows is the tunnel's.
async fn answer<S: AsyncRead + Unpin>(tunnel: &Tunnel, socket: &mut S) -> Result<(), What> {
    let mut answer = [0; 4];
    read(socket, &mut answer).await?;
    let [version, code, _, kind] = answer;
    if version != VERSION {
        return Err(What::Garbage("SOCKS5"));
    }
    if code != 0 {
        return Err(What::Unconnected {
            target: tunnel.target(),
            why: why(code),
        });
    }
    let address = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(socket.read_u8().await.map_err(What::Broken)?),
        _ => return Err(What::Garbage("SOCKS5")),
    };
    // At most a name and a port.
    let mut bound = [0; 255 + 2];
    match bound.get_mut(..address + 2) {
        Some(bound) => read(socket, bound).await,
        None => Err(What::Garbage("SOCKS5")),
    }
}

/// RFC 1928, 6.
fn why(code: u8) -> &'static str {
    match code {
        1 => "it failed (1)",
        2 => "its rules do not allow it (2)",
        3 => "the network is unreachable (3)",
        4 => "the host is unreachable (4)",
        5 => "the connection was refused (5)",
        6 => "the host is too far away (6)",
        7 => "it knows no CONNECT (7)",
        8 => "it knows no such address (8)",
        _ => "it gives no reason that we know",
    }
}

async fn read<S: AsyncRead + Unpin>(socket: &mut S, into: &mut [u8]) -> Result<(), What> {
    socket.read_exact(into).await.map_err(What::Broken)?;
    Ok(())
}

fn push(message: &mut Vec<u8>, text: &str, what: &'static str) -> Result<(), What> {
    let length = u8::try_from(text.len()).map_err(|_| What::TooLong(what))?;
    message.push(length);
    message.extend_from_slice(text.as_bytes());
    Ok(())
}
