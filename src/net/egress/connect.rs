//! `CONNECT`: an HTTP proxy makes a tunnel (RFC 9110, 9.3.6).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::fault::What;
use super::{Tunnel, base64};

/// Longest head that a proxy may answer `CONNECT` with, bytes.
const MAX_HEAD: usize = 8 * 1024;
/// What every answer begins with, up to the digit of the version.
const VERSION: &[u8] = b"HTTP/1.";

/// Asks the proxy behind `socket` for a tunnel.
pub async fn connect<S>(tunnel: &Tunnel, socket: &mut S) -> Result<(), What>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket
        .write_all(request(tunnel).as_bytes())
        .await
        .map_err(What::Broken)?;
    socket.flush().await.map_err(What::Broken)?;
    match status(socket).await? {
        200..=299 => Ok(()),
        407 if tunnel.proxy.credentials.is_some() => Err(What::BadCredentials),
        407 => Err(What::NoCredentials),
        status => Err(What::Refused {
            target: tunnel.target(),
            status,
        }),
    }
}

fn request(tunnel: &Tunnel) -> Zeroizing<String> {
    let authority = tunnel.target();
    let head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n");
    let mut signed_in = Zeroizing::default();
    if let Some((name, password)) = &tunnel.proxy.credentials {
        let pair = Zeroizing::new([name, ":", password.expose()].concat());
        let token = Zeroizing::new(base64(pair.as_bytes()));
        let line = ["proxy-authorization: Basic ", &token, "\r\n"].concat();
        signed_in = Zeroizing::new(line);
    }
    Zeroizing::new([head.as_str(), signed_in.as_str(), "\r\n"].concat())
}

/// Reads the head of the answer and nothing behind it, which belongs to the tunnel. Whoever speaks something else is
/// found out at the first wrong byte, and not by waiting for the rest.
async fn status<S: AsyncRead + Unpin>(socket: &mut S) -> Result<u16, What> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = socket.read_u8().await.map_err(What::Broken)?;
        let expected = VERSION.get(head.len());
        if expected.is_some_and(|it| *it != byte) || MAX_HEAD <= head.len() {
            return Err(What::Garbage("HTTP"));
        }
        head.push(byte);
    }
    parse(&head).ok_or(What::Garbage("HTTP"))
}

/// The status of `HTTP/1.1 200 Connection established`.
fn parse(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(VERSION)?.get(1..)?.strip_prefix(b" ")?;
    let (digits, after) = rest.split_at_checked(3)?;
    let ends = after.starts_with(b" ") || after.starts_with(b"\r\n");
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|_| ends && is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_head_is_read_and_only_of_http() {
        for (answer, found, left) in [
            ("HTTP/1.1 200 OK\r\n\r\nrest", Some(200), "rest"),
            ("HTTP/1.0 204\r\nvia: x\r\n\r\n", Some(204), ""),
            ("HTTP/1.1 407 \r\n\r\n", Some(407), ""),
            ("HTTP/1.1 2000 \r\n\r\n", None, ""),
            ("HTTP/1.1 +20 \r\n\r\n", None, ""),
            ("HTTP/1.1  200\r\n\r\n", None, ""),
            ("HTTP/2 200\r\n\r\n", None, " 200\r\n\r\n"),
            ("\u{15}\u{3}\u{3}", None, "\u{3}\u{3}"),
            ("HTTP/1.1 200 OK\r\n", None, ""),
        ] {
            let mut bytes = answer.as_bytes();
            assert_eq!(status(&mut bytes).await.ok(), found, "{answer:?}");
            if found.is_some() || !left.is_empty() {
                let left_over = std::str::from_utf8(bytes).unwrap();
                assert!(left_over.ends_with(left), "{answer:?}: {left_over:?}");
            }
        }
        let endless = [b"HTTP/1.1 200 OK\r\n".as_slice(), &[b'x'; MAX_HEAD]].concat();
        assert!(matches!(
            status(&mut &endless[..]).await,
            Err(What::Garbage(_))
        ));
    }
}
