//! Connections through an egress proxy: `CONNECT` in the clear, and SOCKS5.
//!
//! Pingora compares a pooled socket's peer with the peer's address, so the peer must carry the *proxy's* address;
//! the target travels in the tunnel request and in the pool's group key.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::config::{EgressProxy, EgressScheme};

/// Longest head that a proxy may answer `CONNECT` with, bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Longest message that RFC 1929 knows, bytes.
const MAX_SIGN_IN: usize = 3 + 2 * 255;

/// Connects to `host:port` through `proxy`.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// The proxy as configured.
    pub proxy: EgressProxy,
    /// Its resolved address.
    pub address: SocketAddr,
    /// Host to reach.
    pub host: String,
    /// Port to reach.
    pub port: u16,
}

#[async_trait]
impl L4Connect for Tunnel {
    async fn connect(&self, _: &PeerAddress) -> Result<Stream> {
        let mut socket = TcpStream::connect(self.address)
            .await
            .or_err(ErrorType::ConnectError, "egress proxy")?;
        socket
            .set_nodelay(true)
            .or_err(ErrorType::SocketError, "egress proxy")?;
        match self.proxy.scheme {
            EgressScheme::Http => self.http_connect(&mut socket).await?,
            EgressScheme::Socks5 => self.socks5(&mut socket).await?,
        }
        Ok(socket.into())
    }
}

impl Tunnel {
    async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &mut S) -> Result<()> {
        let authority = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n");
        let mut signed_in = Zeroizing::default();
        if let Some((name, password)) = &self.proxy.credentials {
            let pair = Zeroizing::new([name, ":", password.expose()].concat());
            let token = Zeroizing::new(base64(pair.as_bytes()));
            let line = ["proxy-authorization: Basic ", &token, "\r\n"].concat();
            signed_in = Zeroizing::new(line);
        }
        let head = Zeroizing::new([head.as_str(), signed_in.as_str(), "\r\n"].concat());
        socket
            .write_all(head.as_bytes())
            .await
            .or_err(ErrorType::ConnectProxyFailure, "CONNECT")?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the head belongs to the tunnel.
        while !answer.ends_with(b"\r\n\r\n") {
            if MAX_HEAD < answer.len() {
                return Error::e_explain(
                    ErrorType::ConnectProxyFailure,
                    "endless answer to CONNECT",
                );
            }
            answer.push(
                socket
                    .read_u8()
                    .await
                    .or_err(ErrorType::ConnectProxyFailure, "CONNECT")?,
            );
        }
        if answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200") {
            Ok(())
        } else {
            Error::e_explain(ErrorType::ConnectProxyFailure, "CONNECT was refused")
        }
    }

    /// RFC 1928 with the optional name and password of RFC 1929; the proxy resolves the name.
    async fn socks5(&self, socket: &mut TcpStream) -> Result<()> {
        let failed = ErrorType::ConnectProxyFailure;
        let methods: &[u8] = if self.proxy.credentials.is_some() {
            &[5, 2, 0, 2]
        } else {
            &[5, 1, 0]
        };
        socket
            .write_all(methods)
            .await
            .or_err(failed.clone(), "socks greeting")?;
        let mut chosen = [0_u8; 2];
        socket
            .read_exact(&mut chosen)
            .await
            .or_err(failed.clone(), "socks greeting")?;
        match (chosen, &self.proxy.credentials) {
            ([5, 0], _) => {}
            ([5, 2], Some((name, password))) => {
                let mut message = Zeroizing::new(Vec::with_capacity(MAX_SIGN_IN));
                message.push(1);
                push_short(&mut message, name.as_bytes())?;
                push_short(&mut message, password.expose().as_bytes())?;
                socket
                    .write_all(&message)
                    .await
                    .or_err(failed.clone(), "socks sign-in")?;
                let mut answer = [0_u8; 2];
                socket
                    .read_exact(&mut answer)
                    .await
                    .or_err(failed.clone(), "socks sign-in")?;
                if answer[1] != 0 {
                    return Error::e_explain(failed, "the socks proxy refused name or password");
                }
            }
            _ => return Error::e_explain(failed, "the socks proxy offers no method we have"),
        }
        let mut request = vec![5, 1, 0];
        match self.host.parse() {
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
                push_short(&mut request, self.host.as_bytes())?;
            }
        }
        request.extend_from_slice(&self.port.to_be_bytes());
        socket
            .write_all(&request)
            .await
            .or_err(failed.clone(), "socks connect")?;
        let mut answer = [0_u8; 4];
        socket
            .read_exact(&mut answer)
            .await
            .or_err(failed.clone(), "socks connect")?;
        let [_, code, _, kind] = answer;
        if code != 0 {
            return Error::e_explain(failed, format!("the socks proxy answered {code}"));
        }
        let rest = match kind {
            1 => 4 + 2,
            4 => 16 + 2,
            _ => {
                usize::from(
                    socket
                        .read_u8()
                        .await
                        .or_err(failed.clone(), "socks connect")?,
                ) + 2
            }
        };
        let mut bound = vec![0_u8; rest];
        socket
            .read_exact(&mut bound)
            .await
            .or_err(failed, "socks connect")?;
        Ok(())
    }
}

fn push_short(message: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    let Ok(length) = u8::try_from(text.len()) else {
        return Error::e_explain(
            ErrorType::ConnectProxyFailure,
            "a socks field is longer than 255 bytes",
        );
    };
    message.push(length);
    message.extend_from_slice(text);
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .enumerate()
            .fold(0_u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let six = (word >> (18 - 6 * i)) & 63;
            text.push(if i <= group.len() {
                char::from(ALPHABET[six as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_rfc_4648_has_it() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
