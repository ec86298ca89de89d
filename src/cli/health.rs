//! `pointsman health`: whether the process that serves this configuration takes new work. What a container's health
//! check runs, where there is no shell and no curl.

mod trusting;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::output::Outcome;
use crate::config::{ClientAuth, ListenAddress, Listener, LoadOptions, Surface, load};

/// A process that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4096;
const QUESTION: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Asks `/readyz`: code 0 for yes, 1 for no.
pub fn run(options: &LoadOptions) -> Outcome {
    let mut why = String::new();
    for listener in listeners(options) {
        match ask(&listener) {
            Ok(()) => {
                return Outcome {
                    text: "ready\n".to_owned(),
                    code: 0,
                };
            }
            // A listener that was just written into the file is not there yet: perhaps another one is.
            Err(this) if why.is_empty() => why = this,
            Err(_) => {}
        }
    }
    Outcome {
        text: format!("not ready: {why}\n"),
        code: 1,
    }
}

/// Where the process listens, what is easiest to ask first. A configuration that was broken while the old one is in
/// force says nothing about the process: then it is asked where it listens unless told otherwise.
fn listeners(options: &LoadOptions) -> Vec<Listener> {
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
        tls: None,
    }]
}

fn ask(listener: &Listener) -> Result<(), String> {
    let (place, answer) = match &listener.address {
        ListenAddress::Tcp { host, port } => {
            let address = (host.as_str(), *port)
                .to_socket_addrs()
                .ok()
                .and_then(|mut all| all.next())
                .map(reachable)
                .ok_or_else(|| format!("{host} is no address"))?;
            (address.to_string(), ask_tcp(address, listener))
        }
        ListenAddress::Unix { path, .. } => (listener.address.to_string(), ask_unix(path)),
    };
    let answer = answer.map_err(|error| format!("{place}: {error}"))?;
    match answer.split(' ').nth(1).unwrap_or_default() {
        "200" => Ok(()),
        "503" => Err("it is about to end and takes no new work".to_owned()),
        _ => Err(format!("{place} does not answer like pointsman")),
    }
}

fn ask_tcp(address: SocketAddr, listener: &Listener) -> std::io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(tls) = &listener.tls else {
        return exchange(stream);
    };
    let mut names = tls.certificates.iter().flat_map(|it| &it.names);
    let name = names.find(|it| !it.contains('*')).map(String::as_str);
    exchange(trusting::over(stream, name)?).map_err(|error| {
        if tls.client_auth == ClientAuth::Required && error.kind() == ErrorKind::InvalidData {
            let text = "only whoever has a client's certificate can ask here; let it listen on a Unix socket as well";
            std::io::Error::other(text)
        } else {
            error
        }
    })
}

fn ask_unix(path: &Path) -> std::io::Result<String> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream)
}

/// The beginning of the answer.
fn exchange(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(QUESTION)?;
    let mut answer = Vec::new();
    let read = stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer);
    // An end without TLS's own end is one all the same.
    match read {
        Err(error) if answer.is_empty() && error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
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
    use crate::config::Env;
    use std::net::TcpListener;

    /// Asks a server that answers with `answer`, through a configuration that listens everywhere.
    fn asked(answer: &'static str) -> Outcome {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = [0; 512];
            let length = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let mut options = LoadOptions::new(Env::default());
        options.dir = "/".into();
        options.port = Some(port);
        let outcome = run(&options);
        let head = serving.join().unwrap();
        assert!(head.starts_with("GET /readyz HTTP/1.1\r\n"), "{head}");
        outcome
    }

    #[test]
    fn the_code_says_whether_it_takes_new_work() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\n\r\n{}").code, 0);
        let draining = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n{}");
        assert_eq!(draining.code, 1);
        assert!(draining.text.contains("no new work"), "{}", draining.text);
        assert_eq!(asked("SSH-2.0-OpenSSH\r\n").code, 1);
        assert_eq!(asked("").code, 1);
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut options = LoadOptions::new(Env::default());
        options.dir = "/".into();
        options.port = Some(port);
        let outcome = run(&options);
        assert_eq!(outcome.code, 1);
        assert!(outcome.text.starts_with("not ready: "), "{}", outcome.text);
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
