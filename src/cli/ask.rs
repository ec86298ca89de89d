//! Asking the process that serves this configuration, over whichever of its listeners is easiest to reach.

mod trusting;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::{ClientAuth, ListenAddress, Listener, LoadOptions, Surface, load};
use crate::types::Secret;

/// A process that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is said first where a load balancer announces clients: that there is none, only this machine.
const MYSELF: &[u8] = b"PROXY UNKNOWN\r\n";

/// What is asked.
pub struct Question<'q> {
    /// The path.
    pub path: &'q str,
    /// The key of administration, where there is one.
    pub key: Option<&'q Secret>,
    /// Longest answer that is read, in bytes.
    pub limit: u64,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// 0 for what is no HTTP.
    pub status: u16,
    /// As text.
    pub body: String,
}

/// Where the process listens, what is easiest to ask first. A configuration that was broken while the old one is in
/// force says nothing about the process: then it is asked where it listens unless told otherwise.
pub fn listeners(options: &LoadOptions) -> Vec<Listener> {
    if let Ok(config) = load(options) {
        let mut listeners = config.listeners;
        listeners.sort_by_key(|it| match (&it.address, &it.tls) {
            (ListenAddress::Unix { .. }, _) => 0,
            (ListenAddress::Tcp { .. }, None) => 1,
            (ListenAddress::Tcp { .. }, Some(tls)) if tls.client_auth != ClientAuth::Required => 2,
            (ListenAddress::Tcp { .. }, Some(_)) => 3,
        });
        return listeners;
    }
    let host = options.host.as_deref().unwrap_or("127.0.0.1");
    vec![Listener {
        name: "edge".to_owned(),
        address: ListenAddress::Tcp {
            host: host.to_owned(),
            port: options.port.unwrap_or(8080),
        },
        surface: Surface::All,
        http2: true,
        proxy_protocol: false,
        tls: None,
    }]
}

/// Asks over a listener. The error says where and why.
pub fn ask(listener: &Listener, question: &Question<'_>) -> Result<Answer, String> {
    let (place, answer) = match &listener.address {
        ListenAddress::Tcp { host, port } => {
            let address = (host.as_str(), *port)
                .to_socket_addrs()
                .ok()
                .and_then(|mut all| all.next())
                .map(reachable)
                .ok_or_else(|| format!("{host} is no address"))?;
            (address.to_string(), ask_tcp(address, listener, question))
        }
        ListenAddress::Unix { path, .. } => {
            (listener.address.to_string(), ask_unix(path, question))
        }
    };
    let answer = answer.map_err(|error| format!("{place}: {error}"))?;
    Ok(Answer::read(&answer))
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.map_or(bytes.len(), |it| it + 4));
        let head = String::from_utf8_lossy(head);
        let status = head
            .strip_prefix("HTTP/1.")
            .and_then(|it| it.split(' ').nth(1));
        let chunked = head
            .to_ascii_lowercase()
            .contains("\r\ntransfer-encoding: chunked");
        let body = if chunked { joined(body) } else { body.to_vec() };
        Answer {
            status: status.and_then(|it| it.parse().ok()).unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

/// A body without the framing of its chunks, as far as it goes.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|it| it == b"\r\n") {
        let (size, behind) = rest.split_at(line);
        let size = std::str::from_utf8(size).ok();
        let size = size.and_then(|it| usize::from_str_radix(it.trim(), 16).ok());
        let chunk = behind.get(2..).unwrap_or_default();
        match size.and_then(|size| chunk.split_at_checked(size)) {
            Some(([], _)) | None => break,
            Some((piece, behind)) => {
                body.extend_from_slice(piece);
                rest = behind.get(2..).unwrap_or_default();
            }
        }
    }
    body
}

fn ask_tcp(
    address: SocketAddr,
    listener: &Listener,
    question: &Question<'_>,
) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if listener.proxy_protocol {
        stream.write_all(MYSELF)?;
    }
    let Some(tls) = &listener.tls else {
        return exchange(stream, question);
    };
    let mut names = tls.certificates.iter().flat_map(|it| &it.names);
    let name = names.find(|it| !it.contains('*')).map(String::as_str);
    exchange(trusting::over(stream, name)?, question).map_err(|error| {
        if tls.client_auth == ClientAuth::Required && error.kind() == ErrorKind::InvalidData {
            let text = "only whoever has a client's certificate can ask here; let it listen on a Unix socket as well";
            std::io::Error::other(text)
        } else {
            error
        }
    })
}

fn ask_unix(path: &Path, question: &Question<'_>) -> std::io::Result<Vec<u8>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream, question)
}

/// The beginning of the answer.
fn exchange(mut stream: impl Read + Write, question: &Question<'_>) -> std::io::Result<Vec<u8>> {
    let key = question.key.map_or(String::new(), |it| {
        format!("x-pointsman-admin-key: {}\r\n", it.expose())
    });
    let head = Zeroizing::new(format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\n{key}connection: close\r\n\r\n",
        question.path
    ));
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    let read = stream.take(question.limit).read_to_end(&mut answer);
    // An end without TLS's own end is one all the same.
    match read {
        Err(error) if answer.is_empty() && error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// An address to call for one to listen on.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_and_without_chunks() {
        let plain = Answer::read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!((plain.status, plain.body.as_str()), (200, "{}"));
        let chunked = b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\nA\r\n123456789\"\r\n0\r\n\r\n";
        let chunked = Answer::read(chunked);
        assert_eq!(
            (chunked.status, chunked.body.as_str()),
            (503, "{\"123456789\"")
        );
        assert_eq!(Answer::read(b"SSH-2.0-x").status, 0);
        let cut = Answer::read(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc");
        assert_eq!(cut.body, "");
    }

    #[test]
    fn an_address_to_listen_on_is_not_one_to_call() {
        for (listened, called) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(
                reachable(listened.parse().unwrap()),
                called.parse().unwrap()
            );
        }
    }
}
