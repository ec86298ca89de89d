//! `pointsman health`: whether the process that serves this configuration takes new work. What a container's health
//! check runs, where there is no shell and no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::output::Outcome;
use crate::config::{LoadOptions, load};

/// A process that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4096;

/// Asks `/readyz`: code 0 for yes, 1 for no.
pub fn run(options: &LoadOptions) -> Outcome {
    let (host, port) = address(options);
    match ask(&host, port) {
        Ok(()) => Outcome {
            text: "ready\n".to_owned(),
            code: 0,
        },
        Err(why) => Outcome {
            text: format!("not ready: {why}\n"),
            code: 1,
        },
    }
}

/// Where the process listens. A configuration that was broken while the old one is in force says nothing about the
/// process: then it is asked where it listens unless told otherwise.
fn address(options: &LoadOptions) -> (String, u16) {
    if let Ok(config) = load(options) {
        return (config.settings.host, config.settings.port);
    }
    let host = options.host.as_deref().unwrap_or("127.0.0.1");
    (host.to_owned(), options.port.unwrap_or(8080))
}

fn ask(host: &str, port: u16) -> Result<(), String> {
    let address = (host, port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
        .map(reachable)
        .ok_or_else(|| format!("{host} is no address"))?;
    let unheard = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(unheard)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(unheard)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(unheard)?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .map_err(unheard)?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut answer)
        .map_err(unheard)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(()),
        "503" => Err("it is about to end and takes no new work".to_owned()),
        _ => Err(format!("{address} does not answer like pointsman")),
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
