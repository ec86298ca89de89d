//! Where a client is, as a load balancer announces it before the first byte of a connection (PROXY protocol, versions 1
//! and 2, <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its end included.
const MAX_LINE: usize = 107;
/// Longest header of version 2 behind its first 16 bytes; what comes after the addresses is read and not looked at.
const MAX_BLOCK: usize = 4096;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A client.
    Client(SocketAddr),
    /// The load balancer itself, or it does not know.
    Sender,
}

/// Reads the announcement and not a byte more; `None` if there is none.
pub async fn read(stream: &mut (impl AsyncRead + Unpin + Send)) -> Option<Announced> {
    let mut begin = [0; SIGNATURE.len()];
    stream.read_exact(&mut begin).await.ok()?;
    if begin == SIGNATURE {
        return version_2(stream).await;
    }
    let mut line = begin.to_vec();
    if !line.starts_with(b"PROXY ") {
        return None;
    }
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE {
            return None;
        }
        line.push(stream.read_u8().await.ok()?);
    }
    version_1(std::str::from_utf8(&line).ok()?)
}

fn version_1(line: &str) -> Option<Announced> {
    let mut words = line
        .strip_prefix("PROXY ")?
        .strip_suffix("\r\n")?
        .split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Announced::Sender);
    }
    let (source, target) = (words.next()?, words.next()?);
    let (source_port, target_port) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let parse = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number)
    };
    parse(target)?;
    port(target_port)?;
    let source = SocketAddr::new(parse(source)?, port(source_port)?);
    Some(Announced::Client(source))
}

async fn version_2(stream: &mut (impl AsyncRead + Unpin + Send)) -> Option<Announced> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await.ok()?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if MAX_BLOCK < length {
        return None;
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await.ok()?;
    match (command, family) {
        // A health check of the load balancer's own.
        (0x20, _) => Some(Announced::Sender),
        (0x21, 0x11) => {
            let (source, rest) = block.split_first_chunk::<4>()?;
            let (_, rest) = rest.split_first_chunk::<4>()?;
            Some(client(Ipv4Addr::from(*source).into(), rest)?)
        }
        (0x21, 0x21) => {
            let (source, rest) = block.split_first_chunk::<16>()?;
            let (_, rest) = rest.split_first_chunk::<16>()?;
            Some(client(Ipv6Addr::from(*source).into(), rest)?)
        }
        // Unix sockets, and what is not said.
        (0x21, 0x00 | 0x31) => Some(Announced::Sender),
        _ => None,
    }
}

fn client(address: IpAddr, ports: &[u8]) -> Option<Announced> {
    let (port, rest) = ports.split_first_chunk::<2>()?;
    rest.first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    Some(Announced::Client(SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is announced, and what is left behind it.
    async fn announced(bytes: &[u8]) -> (Option<Announced>, Vec<u8>) {
        let mut rest = bytes;
        let announced = read(&mut rest).await;
        (announced, rest.to_vec())
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(block);
        bytes
    }

    fn client(text: &str) -> Announced {
        Announced::Client(text.parse().unwrap())
    }

    #[tokio::test]
    async fn announcements_are_read_to_the_byte() {
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0, 80];
        let mut six = vec![0; 36];
        six[15] = 1;
        six[33] = 9;
        let with_more = [&four[..], &[4, 0, 2, 9, 9]].concat();
        let table = [
            (
                b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n".to_vec(),
                client("1.2.3.4:4096"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::1 9 80\r\n".to_vec(),
                client("[2001:db8::1]:9"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Announced::Sender),
            (b"PROXY UNKNOWN what ever\r\n".to_vec(), Announced::Sender),
            (v2(0x21, 0x11, &four), client("1.2.3.4:4096")),
            (v2(0x21, 0x11, &with_more), client("1.2.3.4:4096")),
            (v2(0x21, 0x21, &six), client("[::1]:9")),
            (v2(0x20, 0x00, &[]), Announced::Sender),
            (v2(0x20, 0x11, &four), Announced::Sender),
            (v2(0x21, 0x00, &[]), Announced::Sender),
        ];
        for (mut bytes, expected) in table {
            bytes.extend_from_slice(b"GET / HTTP/1.1");
            let (announced, rest) = announced(&bytes).await;
            assert_eq!(announced, Some(expected), "{bytes:?}");
            assert_eq!(rest, b"GET / HTTP/1.1");
        }
    }

    #[tokio::test]
    async fn what_is_none_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE));
        let table = [
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 80\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 80 9\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 80\r\n".to_vec(),
            b"PROXY TCP5 1.2.3.4 5.6.7.8 1 80\r\n".to_vec(),
            b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 80\r\n".to_vec(),
            b"proxy TCP4 1.2.3.4 5.6.7.8 1 80\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 80\n\n\n\n".to_vec(),
            long.into_bytes(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x11, &[0; MAX_BLOCK + 1]),
            v2(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ];
        for bytes in table {
            assert_eq!(announced(&bytes).await.0, None, "{bytes:?}");
        }
    }
}
