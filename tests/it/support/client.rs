//! A client that sees every byte: raw heads, chunk boundaries, how an answer ended.

use std::net::SocketAddr;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;

use super::soon;
use super::wire::Buffer;
use super::wire::Framing;
use super::wire::Head;
use super::wire::Headers;
use super::wire::LAST_CHUNK;
use super::wire::chunk;
use super::wire::find;

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunk_size: Option<usize>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Request {
        Request {
            line: format!("{method} {target} HTTP/1.1"),
            headers: Vec::new(),
            body: Vec::new(),
            chunk_size: None,
        }
    }

    /// `GET`.
    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    /// `POST` with a JSON body.
    pub fn post(target: &str, body: impl AsRef<[u8]>) -> Request {
        let mut request = Request::new("POST", target).header("content-type", "application/json");
        request.body = body.as_ref().to_vec();
        request
    }

    /// `POST /v1/messages` as an Anthropic client does it.
    pub fn messages(body: impl AsRef<[u8]>) -> Request {
        Request::post("/v1/messages", body).header("anthropic-version", "2023-06-01")
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Request {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the body in chunks of this many bytes instead of with its length.
    pub fn chunked(mut self, chunk_size: usize) -> Request {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// Request line and headers, blank line included.
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\nhost: 127.0.0.1\r\n", self.line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.chunk_size.is_some() {
            text.push_str("transfer-encoding: chunked\r\n");
        } else if !self.body.is_empty() || self.line.starts_with("POST") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// The body in its framing.
    pub fn body_bytes(&self) -> Vec<u8> {
        let Some(size) = self.chunk_size else {
            return self.body.clone();
        };
        let mut out: Vec<u8> = self.body.chunks(size).flat_map(chunk).collect();
        out.extend_from_slice(LAST_CHUNK);
        out
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        bytes.extend_from_slice(&self.body_bytes());
        bytes
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As its framing says.
    Complete,
    /// The connection ended first.
    Cut,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Status line and headers.
    pub head: Head,
    /// Body without its framing, as far as it came.
    pub body: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
    /// Informational answers before it.
    pub interim: Vec<Head>,
}

impl Reply {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)
    }

    /// All headers.
    pub fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!(
                "{error} in an answer of status {}: {}",
                self.status,
                self.text()
            ),
        }
    }

    /// The body as events of a stream.
    pub fn events(&self) -> Vec<SseEvent> {
        self.text()
            .split_inclusive("\n\n")
            .map(SseEvent::parse)
            .collect()
    }

    /// Names of the events.
    pub fn event_names(&self) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .map(|event| event.name)
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// `event:`, empty without one.
    pub name: String,
    /// `data:` lines, joined.
    pub data: String,
    /// As received.
    pub raw: String,
}

impl SseEvent {
    fn parse(raw: &str) -> SseEvent {
        let mut event = SseEvent {
            raw: raw.to_owned(),
            ..SseEvent::default()
        };
        for line in raw.lines() {
            match line.split_once(':') {
                Some(("event", value)) => value.trim().clone_into(&mut event.name),
                Some(("data", value)) => event.data.push_str(value.trim_start()),
                _ => {}
            }
        }
        event
    }

    /// The data as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// One connection; over TCP unless said otherwise.
pub struct Client<R = OwnedReadHalf, W = OwnedWriteHalf> {
    input: R,
    output: W,
    buffer: Buffer,
    framing: Framing,
    stream: Vec<u8>,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects with a small receive buffer: what is not read soon holds up who writes.
    pub async fn connect_narrow(address: SocketAddr) -> Client {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Client::over(socket.connect(address).await.unwrap())
    }

    /// Uses a connection that is there already.
    pub fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        let (input, output) = stream.into_split();
        Client::of(input, output)
    }

    /// Both directions, for who wants to write and read at once.
    pub fn into_parts(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        (self.input, self.output)
    }

    /// Leaves with a reset, as a killed program does.
    pub fn abort(self) {
        let stream = self.input.reunite(self.output).unwrap();
        stream.set_zero_linger().unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite> Client<ReadHalf<S>, WriteHalf<S>> {
    /// Over anything else: TLS, a Unix socket.
    pub fn through(stream: S) -> Self {
        let (input, output) = tokio::io::split(stream);
        Client::of(input, output)
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Client<R, W> {
    fn of(input: R, output: W) -> Self {
        Client {
            input,
            output,
            buffer: Buffer::default(),
            framing: Framing::None,
            stream: Vec::new(),
        }
    }

    /// Sends bytes as they are; an answer may come before all are taken, so a closed connection is no failure here.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("the proxy to read", self.output.write_all(bytes.as_ref())).await;
    }

    /// Sends a request and reads its answer meanwhile.
    pub async fn ask(&mut self, request: Request) -> Reply {
        let bytes = request.bytes();
        let sending = async {
            let _ = self.output.write_all(&bytes).await;
            // Never finishes first: what counts is the answer.
            std::future::pending::<()>().await;
        };
        let receiving = receive(
            &mut self.buffer,
            &mut self.input,
            request.line.starts_with("HEAD"),
        );
        soon("an answer", async {
            tokio::select! {
                () = sending => unreachable!(),
                reply = receiving => reply,
            }
        })
        .await
    }

    /// The same where the connection may end without an answer.
    pub async fn try_ask(mut self, request: Request) -> Option<Reply> {
        self.send(request.bytes()).await;
        let head = soon("a head or the end", self.buffer.head(&mut self.input)).await;
        let head = head.ok().flatten()?;
        let mut whole = Buffer(head.bytes);
        whole.0.append(&mut self.buffer.0);
        Some(soon("an answer", receive(&mut whole, &mut self.input, false)).await)
    }

    /// Reads a whole answer.
    pub async fn reply(&mut self) -> Reply {
        soon(
            "an answer",
            receive(&mut self.buffer, &mut self.input, false),
        )
        .await
    }

    /// Reads the head of an answer; its body is read by [`Client::event`] and [`Client::rest`].
    pub async fn head(&mut self) -> Head {
        let head = soon("a head", self.buffer.head(&mut self.input)).await;
        let head = head
            .unwrap()
            .unwrap_or_else(|| panic!("closed before a head"));
        self.framing = head.framing();
        head
    }

    /// The next piece of the body: a chunk, or what has arrived; `None` at its end or when it was cut.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        let piece = match self.framing {
            Framing::Chunked => soon("a chunk", self.buffer.chunk(&mut self.input)).await,
            Framing::Length(_) | Framing::None => {
                if self.buffer.0.is_empty() {
                    let _ = soon("bytes", self.buffer.fill(&mut self.input)).await;
                }
                let all = self.buffer.0.len();
                Ok(Some(self.buffer.take(all)))
            }
        };
        piece.unwrap_or(None).filter(|data| !data.is_empty())
    }

    /// The next event of a stream; `None` at its end.
    pub async fn event(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(end) = find(&self.stream, b"\n\n") {
                let rest = self.stream.split_off(end + 2);
                let raw = std::mem::replace(&mut self.stream, rest);
                return Some(SseEvent::parse(&String::from_utf8_lossy(&raw)));
            }
            let piece = self.piece().await?;
            self.stream.extend_from_slice(&piece);
        }
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> String {
        let mut all = std::mem::take(&mut self.stream);
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads until the proxy closes the connection.
    pub async fn closed(&mut self) -> Vec<u8> {
        soon("the connection to be closed", async {
            while let Ok(true) = self.buffer.fill(&mut self.input).await {}
        })
        .await;
        std::mem::take(&mut self.buffer.0)
    }
}

async fn receive(
    buffer: &mut Buffer,
    input: &mut (impl AsyncRead + Unpin),
    bodiless: bool,
) -> Reply {
    let mut interim = Vec::new();
    loop {
        let head = match buffer.head(input).await {
            Ok(Some(head)) => head,
            other => panic!(
                "no answer ({other:?}), only {:?}",
                String::from_utf8_lossy(&buffer.0)
            ),
        };
        let status = head.line.split(' ').nth(1).unwrap().parse().unwrap();
        if (100..200).contains(&status) {
            interim.push(head);
            continue;
        }
        let (body, ending) = if bodiless || status == 204 || status == 304 {
            (Vec::new(), Ending::Complete)
        } else {
            receive_body(head.framing(), buffer, input).await
        };
        return Reply {
            status,
            head,
            body,
            ending,
            interim,
        };
    }
}

async fn receive_body(
    framing: Framing,
    buffer: &mut Buffer,
    input: &mut (impl AsyncRead + Unpin),
) -> (Vec<u8>, Ending) {
    match framing {
        Framing::Length(length) => {
            let body = buffer.exactly(length, input).await.unwrap_or_default();
            let whole = body.len() == length;
            (body, if whole { Ending::Complete } else { Ending::Cut })
        }
        Framing::Chunked => {
            let mut body = Vec::new();
            loop {
                match buffer.chunk(input).await {
                    Ok(Some(data)) if data.is_empty() => return (body, Ending::Complete),
                    Ok(Some(data)) => body.extend_from_slice(&data),
                    Ok(None) | Err(_) => return (body, Ending::Cut),
                }
            }
        }
        Framing::None => {
            while let Ok(true) = buffer.fill(input).await {}
            let all = buffer.0.len();
            (buffer.take(all), Ending::Complete)
        }
    }
}
