//! One client on a connection that is kept.

use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::upstream::now_nanos;

/// A connection.
pub struct Client {
    port: u16,
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Client {
    /// Connects.
    pub async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let seen = Vec::new();
        Ok(Client { port, stream, seen })
    }

    /// Asks for a page of the proxy itself.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await
    }

    /// Asks for a short answer. Gives its status.
    pub async fn ask(&mut self, name: usize) -> anyhow::Result<u16> {
        self.stream.write_all(&request(name, false)).await?;
        self.answer().await
    }

    /// Asks for a stream and reads it to its end. Gives how long each event was on its way, in nanoseconds.
    pub async fn stream(&mut self, name: usize) -> anyhow::Result<Vec<u64>> {
        self.stream.write_all(&request(name, true)).await?;
        let mut delays = Vec::new();
        let mut looked = 0;
        loop {
            let count = self.stream.read_buf(&mut self.seen).await?;
            ensure!(0 < count, "cut after {} events", delays.len());
            let now = now_nanos();
            let text = String::from_utf8_lossy(&self.seen[looked..]);
            for event in text
                .split_inclusive("\n\n")
                .filter(|it| it.ends_with("\n\n"))
            {
                looked += event.len();
                if let Some((_, sent)) = event.split_once("sent at ") {
                    let sent: u128 = sent.split(' ').next().context("no time")?.parse()?;
                    delays.push(u64::try_from(now.saturating_sub(sent))?);
                }
            }
            if self.seen.ends_with(b"0\r\n\r\n") {
                let whole = String::from_utf8_lossy(&self.seen).contains("message_stop");
                ensure!(whole, "no end: {}", String::from_utf8_lossy(&self.seen));
                self.seen.clear();
                return Ok(delays);
            }
        }
    }

    /// Reads an answer of known length. Gives its status.
    async fn answer(&mut self) -> anyhow::Result<u16> {
        loop {
            if let Some(end) = self.seen.windows(4).position(|it| it == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.seen[..end]).to_ascii_lowercase();
                let mut lines = head.lines();
                let length = lines.find_map(|it| it.strip_prefix("content-length:"));
                let length: usize = length.context("no length")?.trim().parse()?;
                if end + 4 + length <= self.seen.len() {
                    let status = head.split(' ').nth(1).context("no status")?.parse()?;
                    self.seen.drain(..end + 4 + length);
                    if head.contains("connection: close") {
                        *self = Client::connect(self.port).await?;
                    }
                    return Ok(status);
                }
            }
            let count = self.stream.read_buf(&mut self.seen).await?;
            ensure!(0 < count, "closed without an answer");
        }
    }
}

fn request(name: usize, stream: bool) -> Vec<u8> {
    let body = format!(
        "{{\"model\":\"m\",\"max_tokens\":100,\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\
         \"question {name}\"}}]}}"
    );
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nanthropic-version: \
         2023-06-01\r\nx-claude-code-session-id: session-{name}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
