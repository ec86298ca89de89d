//! Reads HTTP/1.1 requests, whatever pieces they arrive in: a head, then a body of known length or in chunks. Just
//! enough for the one client that matters, our own proxy, and for a curious curl; no socket is touched here.

use bytes::{Buf, BytesMut};
use memchr::memmem;
use thiserror::Error;

/// Largest request head in bytes, and largest chunk-size or trailer line.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Largest request body in bytes, chunk framing not counted.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// One whole request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub method: String,
    /// Without its query.
    pub path: String,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
    pub body: BytesMut,
}

/// Why a request cannot be read; the connection is lost with it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum HttpError {
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    #[error("the request head is larger than {MAX_HEAD_BYTES} bytes")]
    HeadTooLarge,
    #[error("the request body is larger than {MAX_BODY_BYTES} bytes")]
    BodyTooLarge,
}

impl HttpError {
    /// The status to refuse it with.
    pub fn status(&self) -> u16 {
        match self {
            HttpError::Malformed(_) => 400,
            HttpError::HeadTooLarge => 431,
            HttpError::BodyTooLarge => 413,
        }
    }
}

/// Turns received bytes into requests.
#[derive(Default)]
pub(super) struct RequestReader {
    buffer: BytesMut,
    open: Option<Open>,
}

/// A request whose head has been read.
struct Open {
    request: Request,
    expects_continue: bool,
    next: Next,
}

/// What the next bytes of a body are.
#[derive(Clone, Copy)]
enum Next {
    /// That many bytes, and then nothing.
    Body(usize),
    /// A line with the size of a chunk.
    ChunkSize,
    /// That many bytes of a chunk.
    Chunk(usize),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailer lines up to an empty one.
    Trailers,
}

impl RequestReader {
    /// Where received bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next request, or `None` until more bytes have been received.
    pub fn next(&mut self) -> Result<Option<Request>, HttpError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.head()? {
                Some(open) => open,
                None => return Ok(None),
            },
        };
        while let Some(next) = self.advance(open.next, &mut open.request.body)? {
            match next {
                Next::Body(0) => return Ok(Some(open.request)),
                next => open.next = next,
            }
        }
        self.open = Some(open);
        Ok(None)
    }

    /// Whether the client waits to be told that its body is welcome. True once for each request.
    pub fn wants_continue(&mut self) -> bool {
        self.open
            .as_mut()
            .is_some_and(|it| std::mem::take(&mut it.expects_continue))
    }

    fn head(&mut self) -> Result<Option<Open>, HttpError> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            return if MAX_HEAD_BYTES < self.buffer.len() {
                Err(HttpError::HeadTooLarge)
            } else {
                Ok(None)
            };
        };
        if MAX_HEAD_BYTES < end {
            return Err(HttpError::HeadTooLarge);
        }
        let head = self.buffer.split_to(end);
        self.buffer.advance(b"\r\n\r\n".len());
        parse_head(&head).map(Some)
    }

    /// Takes what it can of the buffer. Returns what comes next, `Body(0)` at the end of the request, or `None` when
    /// more bytes are needed and nothing was taken.
    fn advance(&mut self, next: Next, body: &mut BytesMut) -> Result<Option<Next>, HttpError> {
        Ok(match next {
            Next::Body(0) => Some(Next::Body(0)),
            Next::Body(left) => self.take(left, body).map(Next::Body),
            Next::Chunk(left) => self.take(left, body).map(|left| match left {
                0 => Next::ChunkEnd,
                left => Next::Chunk(left),
            }),
            Next::ChunkSize => match self.line()? {
                Some(line) => Some(match chunk_size(&line)? {
                    0 => Next::Trailers,
                    size if MAX_BODY_BYTES - body.len() < size => {
                        return Err(HttpError::BodyTooLarge);
                    }
                    size => Next::Chunk(size),
                }),
                None => None,
            },
            Next::ChunkEnd => match self.line()? {
                Some(line) if line.is_empty() => Some(Next::ChunkSize),
                Some(_) => return Err(HttpError::Malformed("a chunk is longer than its size")),
                None => None,
            },
            Next::Trailers => self.line()?.map(|line| {
                if line.is_empty() {
                    Next::Body(0)
                } else {
                    Next::Trailers
                }
            }),
        })
    }

    /// Moves up to `left` bytes into the body; returns how many are still missing.
    fn take(&mut self, left: usize, body: &mut BytesMut) -> Option<usize> {
        if self.buffer.is_empty() {
            return None;
        }
        let taken = self.buffer.split_to(left.min(self.buffer.len()));
        body.extend_from_slice(&taken);
        Some(left - taken.len())
    }

    fn line(&mut self) -> Result<Option<BytesMut>, HttpError> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n") else {
            return if MAX_HEAD_BYTES < self.buffer.len() {
                Err(HttpError::HeadTooLarge)
            } else {
                Ok(None)
            };
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(b"\r\n".len());
        Ok(Some(line))
    }
}

fn parse_head(head: &[u8]) -> Result<Open, HttpError> {
    let head = std::str::from_utf8(head).map_err(|_| HttpError::Malformed("head is not UTF-8"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HttpError::Malformed("request line"));
    };
    let path = target.split('?').next().unwrap_or(target);
    let mut open = Open {
        request: Request {
            method: method.to_owned(),
            path: path.to_owned(),
            keep_alive: version == "HTTP/1.1",
            body: BytesMut::new(),
        },
        expects_continue: false,
        next: Next::Body(0),
    };
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or(HttpError::Malformed("header line"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let parsed = value.parse().map_err(|_| HttpError::Malformed("length"))?;
                if length.replace(parsed).is_some_and(|it| it != parsed) {
                    return Err(HttpError::Malformed("two lengths"));
                }
            }
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" if value.eq_ignore_ascii_case("close") => open.request.keep_alive = false,
            "expect" => open.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            _ => {}
        }
    }
    open.next = match (length, chunked) {
        (Some(_), true) => return Err(HttpError::Malformed("both a length and chunks")),
        (Some(length), false) if MAX_BODY_BYTES < length => return Err(HttpError::BodyTooLarge),
        (Some(length), false) => Next::Body(length),
        (None, true) => Next::ChunkSize,
        (None, false) => Next::Body(0),
    };
    Ok(open)
}

fn chunk_size(line: &[u8]) -> Result<usize, HttpError> {
    let digits = line.split(|it| *it == b';').next().unwrap_or(line);
    std::str::from_utf8(digits)
        .ok()
        .and_then(|it| usize::from_str_radix(it.trim(), 16).ok())
        .ok_or(HttpError::Malformed("chunk size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    const TWO: &str = "POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /x HTTP/1.1\r\ntransfer-encoding: Chunked\r\nconnection: close\r\n\r\n\
        3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nx-trailer: 1\r\n\r\n\
        GET /y HTTP/1.1\r\n\r\n";

    fn read(pieces: &[&[u8]]) -> Result<Vec<Request>, HttpError> {
        let mut reader = RequestReader::default();
        let mut requests = Vec::new();
        for piece in pieces {
            reader.buffer().extend_from_slice(piece);
            while let Some(request) = reader.next()? {
                requests.push(request);
            }
        }
        Ok(requests)
    }

    fn outline(requests: &[Request]) -> Vec<String> {
        requests
            .iter()
            .map(|it| {
                let body = String::from_utf8_lossy(&it.body);
                format!("{} {} {} {body}", it.method, it.path, it.keep_alive)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_gives_the_same_requests(
            mut cuts in proptest::collection::vec(0..TWO.len(), 0..12),
        ) {
            cuts.extend([0, TWO.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts
                .windows(2)
                .map(|it| &TWO.as_bytes()[it[0]..it[1]])
                .collect();
            prop_assert_eq!(
                outline(&read(&pieces).unwrap()),
                ["POST /v1/messages true hello", "POST /x false hello", "GET /y true "]
            );
        }
    }

    #[test]
    fn single_bytes_give_the_same_requests() {
        let pieces: Vec<&[u8]> = TWO.as_bytes().chunks(1).collect();
        assert_eq!(
            outline(&read(&pieces).unwrap()),
            outline(&read(&[TWO.as_bytes()]).unwrap())
        );
    }

    #[test]
    fn bad_requests_are_refused() {
        let table: [(&str, u16); 9] = [
            ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.1 x\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
            (
                "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
                400,
            ),
            ("POST / HTTP/1.1\r\ncontent-length: 67108865\r\n\r\n", 413),
        ];
        for (text, status) in table {
            let error = read(&[text.as_bytes()]).unwrap_err();
            assert_eq!(error.status(), status, "{text:?}");
        }
        let endless = vec![b'a'; MAX_HEAD_BYTES + 1];
        assert_eq!(read(&[&endless]).unwrap_err(), HttpError::HeadTooLarge);
        let chunks = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4000001\r\n";
        assert_eq!(read(&[chunks]).unwrap_err(), HttpError::BodyTooLarge);
    }

    #[test]
    fn a_client_that_expects_continue_is_told_once() {
        let mut reader = RequestReader::default();
        let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
        reader.buffer().extend_from_slice(head);
        assert!(reader.next().unwrap().is_none());
        assert!(reader.wants_continue());
        assert!(!reader.wants_continue());
        reader.buffer().extend_from_slice(b"ab");
        assert!(reader.next().unwrap().is_some());
    }
}
