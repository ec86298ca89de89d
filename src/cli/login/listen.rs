//! The end of a redirect on this machine: one small page, served to the browser that comes back.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::sync::mpsc;

use super::News;
use crate::oauth::read_query;

/// Longest head that is read, bytes.
const MAX_HEAD: u64 = 16 * 1024;
/// Longest wait for a browser to send it.
const PATIENCE: Duration = Duration::from_secs(5);
const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pointsman</title>\
                    <p>The terminal goes on from here. This page can be closed.</p></html>\n";

/// Listens where `redirect_uri` leads, if that is in the clear on this machine. Whether the answer is expected by itself:
/// here, or at a Pointsman that has the port already.
pub fn listen(redirect_uri: &str, to: &mpsc::UnboundedSender<News>) -> bool {
    let Some((address, path)) = local(redirect_uri) else {
        return false;
    };
    if let Ok(listener) = TcpListener::bind(&address) {
        let to = to.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let query = answer(stream, &path);
                let returned = query.map(|it| News::Redirect(read_query(&it)));
                if returned.is_some_and(|it| to.send(it).is_err()) {
                    return;
                }
            }
        });
    }
    true
}

/// `host:port` and path of an address in the clear on this machine.
fn local(uri: &str) -> Option<(String, String)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
        _ => (authority, "80"),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    let path = path.split('?').next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    is_local.then(|| (format!("{host}:{port}"), path.to_owned()))
}

/// Answers one request; the query, if it is the redirect.
fn answer(mut stream: TcpStream, path: &str) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut head = Vec::new();
    let mut piece = [0_u8; 1024];
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let count = stream.read(&mut piece).ok().filter(|it| 0 < *it)?;
        head.extend_from_slice(piece.get(..count)?);
        if MAX_HEAD < head.len() as u64 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let asked = head.strip_prefix("GET ")?.split(' ').next()?;
    let query = asked
        .split_once('?')
        .filter(|(asked, _)| *asked == path)
        .map(|(_, query)| query.to_owned());
    let (status, page) = match query {
        Some(_) => ("200 OK", PAGE),
        None => ("404 Not Found", ""),
    };
    let length = page.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {length}\r\ncache-control: \
         no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{page}"
    );
    let _ = stream.write_all(answer.as_bytes());
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_in_the_clear_is_listened_at() {
        let own = |uri: &str| local(uri);
        let at = |address: &str, path: &str| Some((address.to_owned(), path.to_owned()));
        assert_eq!(
            own("http://localhost:54545/callback"),
            at("localhost:54545", "/callback")
        );
        assert_eq!(own("http://127.0.0.1:8080"), at("127.0.0.1:8080", "/"));
        assert_eq!(own("http://[::1]:8080/a?b=c"), at("[::1]:8080", "/a"));
        for uri in [
            "https://localhost/callback",
            "http://example.com/x",
            "http://10.0.0.1/",
        ] {
            assert_eq!(own(uri), None, "{uri}");
        }
    }
}
