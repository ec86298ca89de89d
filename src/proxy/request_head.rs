//! The head of a request as bytes: read until it is whole, and looked over for what Pingora lets through or answers
//! without a body. Pingora parses it again.

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;

/// Longest request head, bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Longest request line, bytes.
const MAX_LINE: usize = 8 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 200;

/// Reads until the head is whole; `None` when the connection ends before. Returns the length of the head.
pub async fn read_head(stream: &mut Stream, head: &mut BytesMut) -> Option<usize> {
    let mut looked: usize = 0;
    loop {
        match stream.read_buf(head).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let from = looked.saturating_sub(3);
        let unseen = head.get(from..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(unseen, b"\r\n\r\n") {
            return Some(from + at + 4);
        }
        looked = head.len();
        // Binary noise will never be a head.
        if MAX_HEAD < looked || !head.first().is_some_and(u8::is_ascii_graphic) {
            return Some(looked);
        }
    }
}

/// Status, reason phrase and text.
pub type HeadFault = (u16, &'static str, &'static str);

/// What is wrong with a head, if anything. Pingora parses it again; this only finds what Pingora lets through or
/// answers without a body.
pub fn check_head(head: &[u8]) -> Option<HeadFault> {
    let bad = |text: &'static str| Some((400, "Bad Request", text));
    if MAX_HEAD < head.len() {
        return Some((
            431,
            "Request Header Fields Too Large",
            "the request head is larger than 64 KiB",
        ));
    }
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return bad("the request line is malformed");
    };
    if MAX_LINE < line.len() {
        return Some((
            431,
            "Request Header Fields Too Large",
            "the request line is longer than 8 KiB",
        ));
    }
    if method.is_empty() || 32 < method.len() || !method.iter().all(u8::is_ascii_uppercase) {
        return bad("the request method is malformed");
    }
    if !target.starts_with(b"/") && !target.starts_with(b"http") && target != b"*" {
        return bad("the request target is malformed");
    }
    if target.iter().any(|b| !b.is_ascii_graphic()) {
        return bad("the request target holds a character that must be escaped");
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        _ => return bad("the protocol version is not supported"),
    }
    check_fields(lines, version == b"HTTP/1.1")
}

fn check_fields<'h>(lines: impl Iterator<Item = &'h [u8]>, needs_host: bool) -> Option<HeadFault> {
    let bad = |text: &'static str| Some((400, "Bad Request", text));
    let (mut hosts, mut fields, mut lengths, mut coded) = (0, 0, 0, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        fields += 1;
        let Some(colon) = memchr::memchr(b':', line) else {
            return bad("a header line has no colon");
        };
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return bad("a header name is malformed");
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if value.iter().any(|b| *b == 0 || *b == b'\r') {
            return bad("a header value holds a control character");
        }
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
            if value.iter().any(|b| b"/?#@ \\".contains(b)) {
                return bad("the host header is malformed");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            lengths += 1;
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return bad("the content-length header is malformed");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            coded = true;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return bad("the only transfer-encoding understood is chunked");
            }
        }
    }
    match (hosts, lengths, coded) {
        (0, _, _) if needs_host => bad("the host header is missing"),
        (2.., _, _) => bad("there is more than one host header"),
        (_, 2.., _) => bad("there is more than one content-length header"),
        (_, 1, true) => bad("content-length and transfer-encoding exclude each other"),
        _ if MAX_HEADERS < fields => Some((
            431,
            "Request Header Fields Too Large",
            "the request has more than 200 headers",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Option<u16> {
        check_head(head.as_bytes()).map(|(status, _, _)| status)
    }

    #[test]
    fn ordinary_heads_pass() {
        assert_eq!(
            status(
                "POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 2\r\n\r\n"
            ),
            None
        );
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), None);
        assert_eq!(
            status("POST / HTTP/1.1\r\nhost: [::1]:8080\r\ntransfer-encoding: chunked\r\n\r\n"),
            None
        );
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for head in [
            "hello\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            "get / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET x HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nnocolon\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        ] {
            assert_eq!(status(head), Some(400), "{head}");
        }
        let many = format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: 1\r\n".repeat(201)
        );
        assert_eq!(status(&many), Some(431));
        assert_eq!(
            status(&format!(
                "GET /{} HTTP/1.1\r\nhost: a\r\n\r\n",
                "x".repeat(9000)
            )),
            Some(431)
        );
    }
}
