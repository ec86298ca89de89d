//! One connection to a simulated provider: requests in, answers out, one after the other.

use std::fmt::Write;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::demo::http::{Request, RequestReader};
use crate::demo::simulator::{Answer, Simulator};

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// Milliseconds before each piece of a stream; one is picked by chance.
pub(super) type Pause = RangeInclusive<u64>;

/// A connection and what answers on it.
pub(super) struct Connection {
    pub stream: TcpStream,
    pub simulator: Arc<Simulator>,
    pub pause: Pause,
    /// Becomes true when no further request is to be read; its sender may be gone, which means the same.
    pub stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Answers until the client or the process wants no more. Errors of the connection end it and concern nobody:
    /// a proxy that cancels an attempt is one.
    pub async fn run(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut reader = RequestReader::default();
        while let Some(request) = self.receive(&mut reader).await? {
            let answer = self.simulator.answer(&request);
            self.send(answer, &request).await?;
            if !request.keep_alive {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next request, or `None` when there will be none.
    async fn receive(&mut self, reader: &mut RequestReader) -> io::Result<Option<Request>> {
        loop {
            match reader.next() {
                Ok(Some(request)) => return Ok(Some(request)),
                Ok(None) => {}
                Err(error) => {
                    let refusal = self
                        .simulator
                        .refuse_unreadable(error.status(), &error.to_string());
                    self.send(refusal, &Request::default()).await?;
                    return Ok(None);
                }
            }
            if reader.wants_continue() {
                self.stream
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .await?;
            }
            let read = tokio::select! {
                read = self.stream.read_buf(reader.buffer()) => read?,
                _ = self.stopping.wait_for(|it| *it) => 0,
            };
            if read == 0 {
                return Ok(None);
            }
        }
    }

    async fn send(&mut self, answer: Answer, request: &Request) -> io::Result<()> {
        match answer {
            Answer::Whole {
                status,
                request_id,
                body,
            } => {
                let body = body.to_string();
                let mut text = head(status, JSON, &request_id, request);
                // Writing into a string cannot fail.
                let _ = write!(text, "content-length: {}\r\n\r\n", body.len());
                if request.method != "HEAD" {
                    text.push_str(&body);
                }
                self.stream.write_all(text.as_bytes()).await
            }
            Answer::Stream { request_id, pieces } => {
                let mut text = head(200, EVENT_STREAM, &request_id, request);
                text.push_str("cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
                for (i, piece) in pieces.iter().enumerate() {
                    if 0 < i {
                        let pause = fastrand::u64(self.pause.clone());
                        tokio::time::sleep(Duration::from_millis(pause)).await;
                    }
                    let _ = write!(text, "{:x}\r\n{piece}\r\n", piece.len());
                    self.stream.write_all(text.as_bytes()).await?;
                    text.clear();
                }
                self.stream.write_all(b"0\r\n\r\n").await
            }
            Answer::Reset {
                request_id,
                streamed,
            } => {
                let kind = if streamed { EVENT_STREAM } else { JSON };
                let mut text = head(200, kind, &request_id, request);
                text.push_str("transfer-encoding: chunked\r\n\r\n");
                self.stream.write_all(text.as_bytes()).await?;
                // Closing with no time to linger sends RST instead of FIN.
                self.stream.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

fn head(status: u16, kind: &str, id: &(&'static str, String), request: &Request) -> String {
    let connection = if request.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        529 => "Overloaded",
        _ => "",
    };
    let (name, id) = id;
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\n{name}: {id}\r\nconnection: {connection}\r\n"
    )
}
