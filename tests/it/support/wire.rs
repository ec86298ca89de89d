//! HTTP/1.1 by hand: heads, header lists, chunks. Shared by the client and the scripted upstream.

use std::io;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;

/// Header fields in the order and spelling of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// A start line with its headers.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As received, blank line included.
    pub bytes: Vec<u8>,
    /// Request or status line.
    pub line: String,
    /// Header fields.
    pub headers: Headers,
}

impl Head {
    /// Splits the bytes of a head, which may hold any byte in values.
    pub fn parse(bytes: &[u8]) -> Head {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Head {
            bytes: bytes.to_vec(),
            line,
            headers: Headers(headers),
        }
    }

    /// How the body that follows is framed.
    pub fn framing(&self) -> Framing {
        let chunked = self
            .headers
            .get("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked {
            return Framing::Chunked;
        }
        match self.headers.get("content-length") {
            Some(length) => Framing::Length(length.parse().unwrap()),
            None => Framing::None,
        }
    }
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `content-length`.
    Length(usize),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// Neither: no body in a request, until the end of the connection in an answer.
    #[default]
    None,
}

/// Bytes of a connection that were read, but not used yet.
#[derive(Debug, Default)]
pub struct Buffer(pub Vec<u8>);

impl Buffer {
    /// Reads more; `false` at the end.
    pub async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        self.0.reserve(64 * 1024);
        Ok(from.read_buf(&mut self.0).await? != 0)
    }

    /// Takes the first `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.0.split_off(count);
        std::mem::replace(&mut self.0, rest)
    }

    /// A whole head, or `None` when the connection ended first.
    pub async fn head(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.0, b"\r\n\r\n") {
                return Ok(Some(Head::parse(&self.take(end + 4))));
            }
            if !self.fill(from).await? {
                return Ok(None);
            }
        }
    }

    /// A line without its end, or `None` when the connection ended first.
    async fn line(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = find(&self.0, b"\r\n") {
                let line = self.take(end + 2);
                return Ok(Some(
                    String::from_utf8_lossy(&line[..end]).trim().to_owned(),
                ));
            }
            if !self.fill(from).await? {
                return Ok(None);
            }
        }
    }

    /// Up to `count` bytes, less when the connection ended first.
    pub async fn exactly(
        &mut self,
        count: usize,
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Vec<u8>> {
        while self.0.len() < count {
            if !self.fill(from).await? {
                let all = self.0.len();
                return Ok(self.take(all));
            }
        }
        Ok(self.take(count))
    }

    /// The data of the next chunk; empty is the last one, `None` a connection that ended first.
    pub async fn chunk(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(line) = self.line(from).await? else {
            return Ok(None);
        };
        let size = usize::from_str_radix(line.split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            while let Some(trailer) = self.line(from).await? {
                if trailer.is_empty() {
                    return Ok(Some(Vec::new()));
                }
            }
            return Ok(None);
        }
        let mut data = self.exactly(size + 2, from).await?;
        if data.len() < size + 2 {
            return Ok(None);
        }
        data.truncate(size);
        Ok(Some(data))
    }
}

/// `data` as one chunk.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Where `needle` starts.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
