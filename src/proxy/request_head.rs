//! The head of a request as bytes: where it ends, and everything that is wrong with it. Pingora parses it again, and
//! must find nothing that was not found here: its own answers have no body.

use http::uri::{Authority, Uri};

/// Longest request head, bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Longest request line, bytes.
const MAX_LINE: usize = 8 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 200;
/// Longest method, bytes.
const MAX_METHOD: usize = 32;
/// Most digits of a body's length: more than there are bytes.
const MAX_DIGITS: usize = 18;

/// How the end of a request's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// By its last chunk.
    Chunked,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadFault {
    /// Status of the answer.
    pub status: u16,
    /// Its reason phrase.
    pub reason: &'static str,
    /// What to tell.
    pub text: &'static str,
}

/// Where the head at the beginning of `bytes` ends, if it does; or all of them, if they can be no head or are too many.
/// The first `looked` have been looked at before.
pub fn end_of_head(bytes: &[u8], looked: usize) -> Option<usize> {
    let from = looked.saturating_sub(3);
    let unseen = bytes.get(from..).unwrap_or_default();
    if let Some(at) = memchr::memmem::find(unseen, b"\r\n\r\n") {
        return Some(from + at + 4);
    }
    // Binary noise will never be a head, and a line that ends without a carriage return makes it malformed.
    let is_noise = match bytes {
        [] | [b'\r'] | [b'\r', b'\n'] => false,
        [first, ..] => !first.is_ascii_graphic() || has_bare_end(bytes),
    };
    (is_noise || MAX_HEAD < bytes.len()).then_some(bytes.len())
}

/// Whether a line ends with a line feed alone, or a carriage return stands in the middle of one.
fn has_bare_end(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', bytes).any(|at| match bytes.get(at) {
        Some(b'\n') => at == 0 || bytes.get(at - 1) != Some(&b'\r'),
        _ => bytes.get(at + 1).is_some_and(|next| *next != b'\n'),
    })
}

/// Looks a head over. How its body is framed, or what is wrong with it.
pub fn check_head(head: &[u8]) -> Result<Framing, HeadFault> {
    if MAX_HEAD < head.len() {
        return Err(too_large("the request head is larger than 64 KiB"));
    }
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    if MAX_LINE < line.len() {
        return Err(too_large("the request line is longer than 8 KiB"));
    }
    if has_bare_end(head) {
        return Err(bad("a line of the request head ends without CRLF"));
    }
    let line = check_line(line)?;
    let fields = Fields::read(lines)?;
    check_authority(&line, fields.host)?;
    let framing = fields.framing(line.is_http_1_0)?;
    match line.method {
        // There is nothing to connect to; and it would change the meaning of all that follows.
        b"CONNECT" => Err(HeadFault {
            status: 405,
            reason: "Method Not Allowed",
            text: "this is no forward proxy",
        }),
        _ => Ok(framing),
    }
}

fn bad(text: &'static str) -> HeadFault {
    HeadFault {
        status: 400,
        reason: "Bad Request",
        text,
    }
}

fn too_large(text: &'static str) -> HeadFault {
    HeadFault {
        status: 431,
        reason: "Request Header Fields Too Large",
        text,
    }
}

/// The request line.
struct Line<'h> {
    method: &'h [u8],
    /// The authority of an absolute target.
    authority: Option<&'h [u8]>,
    is_http_1_0: bool,
}

fn check_line(line: &[u8]) -> Result<Line<'_>, HeadFault> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line is malformed"));
    };
    if method.is_empty() || MAX_METHOD < method.len() || !method.iter().all(u8::is_ascii_uppercase)
    {
        return Err(bad("the request method is malformed"));
    }
    let is_http_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(bad("the protocol version is not supported")),
    };
    if target
        .iter()
        .any(|b| !b.is_ascii_graphic() || b"<>\"\\^`{|}".contains(b))
    {
        let text = "the request target holds a character that must be escaped";
        return Err(bad(text));
    }
    let authority = match check_target(method, target) {
        Some(Target::Path) => None,
        Some(Target::Absolute(authority)) => Some(authority),
        None => return Err(bad("the request target is malformed")),
    };
    Ok(Line {
        method,
        authority,
        is_http_1_0,
    })
}

/// Whether a target names the host by itself. `None`: it is no target.
enum Target<'t> {
    Path,
    Absolute(&'t [u8]),
}

fn check_target<'t>(method: &[u8], target: &'t [u8]) -> Option<Target<'t>> {
    match (method, target) {
        (b"OPTIONS", b"*") => return Some(Target::Path),
        (b"CONNECT", _) => return Some(Target::Path), // refused in a moment
        _ => {}
    }
    let uri = Uri::try_from(target).ok()?;
    if target.starts_with(b"/") {
        return Some(Target::Path);
    }
    let (scheme, rest) = target.split_at_checked(memchr::memmem::find(target, b"://")? + 3)?;
    let is_known =
        scheme.eq_ignore_ascii_case(b"http://") || scheme.eq_ignore_ascii_case(b"https://");
    let end = rest.iter().position(|b| b"/?#".contains(b));
    let (authority, _) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
    let is_plain = uri.authority().is_some() && !authority.contains(&b'@');
    (is_known && is_plain).then_some(Target::Absolute(authority))
}

/// Where a request is meant for must be said once, or twice alike.
fn check_authority(line: &Line<'_>, host: Option<&[u8]>) -> Result<(), HeadFault> {
    match (line.authority, host) {
        (_, None) if !line.is_http_1_0 => Err(bad("the host header is missing")),
        (Some(authority), Some(host)) if authority != host => {
            Err(bad("the host header differs from the request target"))
        }
        _ => Ok(()),
    }
}

/// What of the headers decides here.
#[derive(Default)]
struct Fields<'h> {
    host: Option<&'h [u8]>,
    length: Option<&'h [u8]>,
    is_chunked: bool,
}

impl<'h> Fields<'h> {
    fn read(lines: impl Iterator<Item = &'h [u8]>) -> Result<Self, HeadFault> {
        let mut fields = Fields::default();
        let mut count = 0;
        for line in lines.take_while(|line| !line.is_empty()) {
            count += 1;
            if MAX_HEADERS < count {
                return Err(too_large("the request has more than 200 headers"));
            }
            let Some(colon) = memchr::memchr(b':', line) else {
                return Err(bad("a header line has no colon"));
            };
            let (name, value) = line.split_at(colon);
            if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
                return Err(bad("a header name is malformed"));
            }
            let value = value.get(1..).unwrap_or_default();
            if value
                .iter()
                .any(|b| (b.is_ascii_control() && *b != b'\t') || *b == 0x7f)
            {
                return Err(bad("a header value holds a control character"));
            }
            fields.note(name, value.trim_ascii())?;
        }
        Ok(fields)
    }

    fn note(&mut self, name: &[u8], value: &'h [u8]) -> Result<(), HeadFault> {
        if name.eq_ignore_ascii_case(b"host") {
            if self.host.replace(value).is_some() {
                return Err(bad("there is more than one host header"));
            }
            let is_authority = !value.contains(&b'@') && Authority::try_from(value).is_ok();
            // HTTP/1.1 allows it to be empty, but no client of ours has a reason to.
            if !is_authority {
                return Err(bad("the host header is malformed"));
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.replace(value).is_some() {
                return Err(bad("there is more than one content-length header"));
            }
            let is_number = (1..=MAX_DIGITS).contains(&value.len());
            if !is_number || !value.iter().all(u8::is_ascii_digit) {
                return Err(bad("the content-length header is malformed"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(bad("the only transfer-encoding understood is chunked"));
            }
            self.is_chunked = true;
        }
        Ok(())
    }

    fn framing(&self, is_http_1_0: bool) -> Result<Framing, HeadFault> {
        match (self.length, self.is_chunked) {
            (Some(_), true) => Err(bad(
                "content-length and transfer-encoding exclude each other",
            )),
            (None, true) if is_http_1_0 => Err(bad("HTTP/1.0 knows no transfer-encoding")),
            (None, true) => Ok(Framing::Chunked),
            (None, false) => Ok(Framing::Length(0)),
            (Some(digits), false) => {
                let number = digits
                    .iter()
                    .fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
                Ok(Framing::Length(number))
            }
        }
    }
}

/// What names of headers are made of (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Option<u16> {
        check_head(head.as_bytes()).err().map(|fault| fault.status)
    }

    #[test]
    fn ordinary_heads_pass() {
        for (head, framing) in [
            (
                "POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 2\r\n\r\n",
                Framing::Length(2),
            ),
            ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
            (
                "POST / HTTP/1.1\r\nhost: [::1]:8080\r\ntransfer-encoding: chunked\r\n\r\n",
                Framing::Chunked,
            ),
            (
                "POST http://a.b:80/x?y HTTP/1.1\r\nhost: a.b:80\r\ncontent-length: 00012\r\n\r\n",
                Framing::Length(12),
            ),
            ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", Framing::Length(0)),
            (
                "GET / HTTP/1.1\r\nhost: a\r\nx: \t caf\u{e9} \r\n\r\n",
                Framing::Length(0),
            ),
        ] {
            assert_eq!(check_head(head.as_bytes()), Ok(framing), "{head}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        let with = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n");
        for head in [
            "hello\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            "get / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET x HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /<> HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost:\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n",
            "GET / HTTP/1.1\nhost: a\n\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx: 1\n\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx: 1\rb: 2\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET http:// HTTP/1.1\r\nhost: a\r\n\r\n",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(status(head), Some(400), "{head}");
        }
        for lines in [
            "x y: 1",
            "x\u{b}: 1",
            "x : 1",
            "(x): 1",
            " folded",
            "nocolon",
            ": 1",
            "x: a\0b",
            "x: a\u{1}b",
            "x: a\u{7f}b",
            "content-length: +5",
            "content-length: -1",
            "content-length: 0x5",
            "content-length: 5 5",
            "content-length: 5, 5",
            "content-length: ",
            "content-length: 18446744073709551621",
            "content-length: 5\r\ncontent-length: 5",
            "content-length: 5\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked, identity",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: xchunked",
            "transfer-encoding: \u{b}chunked",
        ] {
            assert_eq!(status(&with(lines)), Some(400), "{lines:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_told_as_that() {
        assert_eq!(
            status(&format!(
                "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
                "x: 1\r\n".repeat(201)
            )),
            Some(431)
        );
        assert_eq!(
            status(&format!(
                "GET /{} HTTP/1.1\r\nhost: a\r\n\r\n",
                "x".repeat(9000)
            )),
            Some(431)
        );
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(MAX_HEAD))),
            Some(431)
        );
    }

    #[test]
    fn connect_is_told_that_this_is_no_forward_proxy() {
        assert_eq!(
            status("CONNECT a.b:443 HTTP/1.1\r\nhost: a.b:443\r\n\r\n"),
            Some(405)
        );
    }

    #[test]
    fn a_head_ends_at_its_empty_line_or_where_it_cannot_be_one() {
        let whole = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nbody";
        let end = whole.len() - 4;
        for cut in 0..end {
            assert_eq!(end_of_head(&whole[..cut], 0), None, "{cut}");
            assert_eq!(end_of_head(whole, cut), Some(end), "{cut}");
        }
        for (noise, is_one) in [
            (&b"\x16\x03\x01"[..], true),
            (b"\0", true),
            (b"GET / HTTP/1.1\nhost: a\n", true),
            (b"GET / HTTP/1.1\r", false),
            (b"\r", false),
            (b"\r\n", false),
        ] {
            assert_eq!(end_of_head(noise, 0), is_one.then_some(noise.len()));
        }
    }
}
