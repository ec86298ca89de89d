//! A client's HTTP/1 connection, through which one request passes at a time.
//!
//! Pingora reads as much as there is and sorts out afterwards what belongs to which request. Here it gets the bytes of
//! one request and no more: its head was read and judged before ([`super::http1`]), the end of its body is found by
//! [`Chunks`] or by its length, and what lies behind waits. So where a request ends is decided once, by one reader, and
//! what a client sends ahead of its turn can neither end up in another request nor cut the answer to the first.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::chunks::{Chunks, Malformed};
use super::request_head::{Framing, MAX_HEAD, end_of_head};

/// Most bytes that wait for their turn.
const MAX_HELD: usize = MAX_HEAD;
/// Bytes asked for at once while a head is read.
const PIECE: usize = 4096;
/// Bytes taken at once of what comes too early.
const EARLY: usize = 1024;

/// Bytes thrown away at once behind malformed chunks.
const MOST_DRAINED: usize = 256 * 1024;

/// A connection that lets one request through.
pub struct Turnstile {
    inner: Stream,
    /// Read, and not let through yet.
    held: BytesMut,
    /// How much of it is the head that may pass.
    head: usize,
    passing: Passing,
    socket: Option<Arc<SocketDigest>>,
}

/// What may pass behind the head.
enum Passing {
    Length(u64),
    Chunked(Chunks),
    Everything,
}

impl Turnstile {
    /// Nothing passes yet. `socket` tells where the client is, if that is not the other end of the connection.
    pub fn new(inner: Stream, socket: Option<Arc<SocketDigest>>) -> Self {
        Turnstile {
            inner,
            held: BytesMut::new(),
            head: 0,
            passing: Passing::Length(0),
            socket,
        }
    }

    /// Everything passes: only who is at the other end is told differently.
    pub fn open(inner: Stream, socket: Arc<SocketDigest>) -> Self {
        Turnstile {
            passing: Passing::Everything,
            ..Turnstile::new(inner, Some(socket))
        }
    }

    /// Waits for the first byte of a request. False: the connection has ended. Nothing is lost when it is dropped.
    pub async fn has_more(&mut self) -> bool {
        if !self.held.is_empty() {
            return true;
        }
        // Whoever is silent takes no buffer of ours.
        self.held = BytesMut::new();
        poll_fn(|cx| self.poll_first(cx)).await
    }

    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece));
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(read.is_ok() && !piece.filled().is_empty())
    }

    /// Reads until the head is whole, or surely none. Gives its length; `None` when the connection ends before.
    pub async fn read_head(&mut self) -> Option<usize> {
        let mut looked = 0;
        let mut may_skip = true;
        loop {
            // An empty line before a request is to be ignored (RFC 9112 §2.2).
            if may_skip && self.held.starts_with(b"\r\n") {
                self.held.advance(2);
                may_skip = false;
            }
            if let Some(end) = end_of_head(&self.held, looked) {
                return Some(end);
            }
            looked = self.held.len();
            self.held.reserve(PIECE);
            match self.inner.read_buf(&mut self.held).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The first bytes that wait.
    pub fn held(&self, length: usize) -> &[u8] {
        self.held.get(..length).unwrap_or(&self.held)
    }

    /// Lets a head of that length through, and the body behind it.
    pub fn admit(&mut self, head: usize, framing: Framing) {
        self.head = head.min(self.held.len());
        self.passing = match framing {
            Framing::Length(length) => Passing::Length(length),
            Framing::Chunked => Passing::Chunked(Chunks::new()),
        };
    }

    /// Whether all that was admitted has passed.
    pub fn is_through(&self) -> bool {
        self.head == 0
            && match &self.passing {
                Passing::Length(left) => *left == 0,
                Passing::Chunked(chunks) => chunks.is_done(),
                Passing::Everything => false,
            }
    }

    /// The connection itself. What waited is lost.
    pub fn into_inner(self) -> Stream {
        self.inner
    }

    /// Gives up to `most` of the bytes that wait.
    fn give(&mut self, most: usize, buf: &mut ReadBuf<'_>) -> usize {
        let count = most.min(self.held.len()).min(buf.remaining());
        buf.put_slice(&self.held.split_to(count));
        count
    }

    fn poll_length(
        &mut self,
        left: u64,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.held.is_empty() {
            ready!(Pin::new(&mut (&mut self.inner).take(left)).poll_read(cx, buf))?;
        } else {
            self.give(usize::try_from(left).unwrap_or(usize::MAX), buf);
        }
        let passed = (buf.filled().len() - before) as u64;
        self.passing = Passing::Length(left.saturating_sub(passed));
        Poll::Ready(Ok(()))
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.held.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        } else {
            self.give(usize::MAX, buf);
        }
        let Passing::Chunked(chunks) = &mut self.passing else {
            return Poll::Ready(Ok(()));
        };
        let came = buf.filled().get(before..).unwrap_or_default();
        match chunks.scan(came) {
            Ok(None) => {}
            Ok(Some(end)) => {
                let mut behind = BytesMut::from(came.get(end..).unwrap_or_default());
                behind.unsplit(std::mem::take(&mut self.held));
                self.held = behind;
                buf.set_filled(before + end);
            }
            Err(Malformed) => {
                buf.set_filled(before);
                return self.poll_broken(cx);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing behind malformed chunks means anything. What is there is taken all the same: what lies unread when the
    /// connection closes turns its end into a reset, and the answer is lost on the way.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..MOST_DRAINED / EARLY {
            let mut piece = [0; EARLY];
            let mut piece = ReadBuf::new(&mut piece);
            let read = Pin::new(&mut self.inner).poll_read(cx, &mut piece);
            if !matches!(read, Poll::Ready(Ok(()))) || piece.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// The request is through. Whoever reads on wants to know whether the client is still there; what it sends waits.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < MAX_HELD {
            let mut piece = [0; EARLY];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(())); // it has left
            }
            self.held.extend_from_slice(piece.filled());
        }
        // Nobody is woken: there is nothing to do about it before the answer is over.
        Poll::Pending
    }
}

impl AsyncRead for Turnstile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if 0 < this.head {
            this.head -= this.give(this.head, buf);
            return Poll::Ready(Ok(()));
        }
        match &this.passing {
            Passing::Everything if this.held.is_empty() => {
                Pin::new(&mut this.inner).poll_read(cx, buf)
            }
            Passing::Everything => {
                this.give(usize::MAX, buf);
                Poll::Ready(Ok(()))
            }
            Passing::Length(0) => this.poll_behind(cx),
            Passing::Length(left) => this.poll_length(*left, cx, buf),
            Passing::Chunked(chunks) if chunks.is_done() => this.poll_behind(cx),
            Passing::Chunked(chunks) if chunks.is_broken() => this.poll_broken(cx),
            Passing::Chunked(_) => this.poll_chunked(cx, buf),
        }
    }
}

impl AsyncWrite for Turnstile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl fmt::Debug for Turnstile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What waits may hold a credential.
        f.debug_struct("Turnstile")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Turnstile {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(self.inner.as_mut()).await;
    }
}

impl UniqueID for Turnstile {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Turnstile {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Turnstile {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Turnstile {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Turnstile {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        let own = || self.inner.get_socket_digest();
        self.socket.clone().or_else(own)
    }
}

#[async_trait]
impl Peek for Turnstile {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        if self.held.is_empty() {
            self.inner.try_peek(buf).await
        } else {
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn turnstile(bytes: &[u8]) -> (Turnstile, tokio::io::DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(bytes).await.unwrap();
        (Turnstile::new(Box::new(ours), None), theirs)
    }

    /// What passes of a request, read in pieces of that size.
    async fn passed(turnstile: &mut Turnstile, size: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !turnstile.is_through() {
            let mut piece = vec![0; size];
            let count = turnstile.read(&mut piece).await.unwrap();
            assert_ne!(count, 0);
            all.extend_from_slice(&piece[..count]);
        }
        all
    }

    #[tokio::test]
    async fn each_request_passes_alone() {
        let requests: [(&str, Framing); 4] = [
            ("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n", Framing::Length(0)),
            (
                "POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
                Framing::Length(5),
            ),
            (
                "POST /3 HTTP/1.1\r\nhost: a\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                Framing::Chunked,
            ),
            ("GET /4 HTTP/1.1\r\nhost: a\r\n\r\n", Framing::Length(0)),
        ];
        let all: String = requests.iter().map(|it| it.0).collect();
        for size in [1, 2, 7, 4096] {
            let (mut turnstile, _theirs) = turnstile(all.as_bytes()).await;
            for (text, framing) in requests {
                assert!(turnstile.has_more().await);
                let head = turnstile.read_head().await.unwrap();
                turnstile.admit(head, framing);
                let got = passed(&mut turnstile, size).await;
                assert_eq!(String::from_utf8(got).unwrap(), text, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn what_comes_early_waits_and_leaving_is_noticed() {
        let (mut turnstile, mut theirs) = turnstile(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let head = turnstile.read_head().await.unwrap();
        turnstile.admit(head, Framing::Length(0));
        passed(&mut turnstile, 4096).await;
        theirs.write_all(b"next").await.unwrap();
        let mut piece = [0; 10];
        let early = tokio::select! { biased;
            read = turnstile.read(&mut piece) => Some(read),
            () = tokio::task::yield_now() => None,
        };
        assert!(early.is_none(), "{early:?}");
        assert_eq!(turnstile.held(10), b"next");
        drop(theirs);
        assert_eq!(turnstile.read(&mut piece).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn malformed_chunks_are_an_error_of_their_own_kind() {
        let (mut turnstile, _theirs) = turnstile(b"POST / HTTP/1.1\r\n\r\n5\nhello").await;
        let head = turnstile.read_head().await.unwrap();
        turnstile.admit(head, Framing::Chunked);
        let mut piece = [0; 100];
        assert_eq!(turnstile.read(&mut piece).await.unwrap(), head);
        let error = turnstile.read(&mut piece).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn an_empty_line_before_a_request_is_skipped() {
        let (mut turnstile, _theirs) = turnstile(b"\r\nGET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(turnstile.read_head().await, Some(18));
    }
}
