//! What a scripted provider does with one request: a program of steps over the raw connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::frames;
use super::frames::Reason;
use super::wire::Buffer;
use super::wire::LAST_CHUNK;
use super::wire::chunk;

/// Opens when the test says so.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiter pass.
    pub fn step(&self) {
        self.0.add_permits(1);
    }

    /// Opens after a while, for what should happen, or not happen, meanwhile.
    pub fn after(&self, pause: Duration) {
        let gate = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            gate.open();
        });
    }

    /// Lets everyone pass, for ever.
    pub fn open(&self) {
        self.0.close();
    }

    pub(super) async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// How much of a request is read before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not a byte.
    Nothing,
    /// Head and body.
    Whole,
    /// The frames of a request over HTTP/2, which are not looked into.
    Frames,
}

/// A frame of an answer over HTTP/2; on which stream is known when it is sent.
#[derive(Clone, Debug)]
enum Frame {
    Head(u16, Vec<(String, String)>),
    Data(Arc<[u8]>),
    End,
    Reset(Reason),
    /// The connection's last words, and whether the stream is among those still served.
    Leave(Reason, bool),
}

impl Frame {
    fn bytes(&self, stream: u32) -> Vec<u8> {
        match self {
            Frame::Head(status, headers) => {
                let headers = headers.iter().map(|(name, value)| (&**name, &**value));
                frames::head(stream, *status, &headers.collect::<Vec<_>>())
            }
            Frame::Data(data) => frames::data(stream, data),
            Frame::End => frames::end(stream),
            Frame::Reset(reason) => frames::reset(stream, *reason),
            Frame::Leave(reason, served) => {
                frames::goaway(if *served { stream } else { 0 }, *reason)
            }
        }
    }
}

/// One thing to do with a connection.
#[derive(Clone, Debug)]
enum Step {
    Send(Arc<[u8]>),
    Frame(Frame),
    Trickle(Arc<[u8]>, Duration),
    Wait(Gate),
    Hang,
    Reset,
    Close,
}

/// What to do with one request.
#[derive(Clone, Debug)]
pub struct Act {
    pub(super) reading: Reading,
    pub(super) on_reuse: bool,
    steps: Vec<Step>,
}

impl Act {
    /// Reads the request and then does what the following steps say.
    pub fn new() -> Act {
        Act {
            reading: Reading::Whole,
            on_reuse: false,
            steps: Vec::new(),
        }
    }

    /// Does not even read the request.
    pub fn unread() -> Act {
        Act {
            reading: Reading::Nothing,
            on_reuse: false,
            steps: Vec::new(),
        }
    }

    /// Reads a request over HTTP/2; what it answers is said with the steps that are called after frames.
    pub fn frames() -> Act {
        Act {
            reading: Reading::Frames,
            ..Act::new()
        }
    }

    /// An answer of known length, JSON unless the headers say otherwise.
    pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Act {
        let body = body.as_ref();
        let mut head = head_text(status, headers);
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            head.push_str("content-type: application/json\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        Act::new().send(head).send(body)
    }

    /// The head of a chunked event stream; what follows is up to further steps.
    pub fn stream() -> Act {
        Act::stream_with(&[("request-id", "req_upstream")])
    }

    /// The same with other headers.
    pub fn stream_with(headers: &[(&str, &str)]) -> Act {
        let mut head = head_text(200, headers);
        head.push_str("content-type: text/event-stream; charset=utf-8\r\n");
        head.push_str("cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
        Act::new().send(head)
    }

    /// A whole event stream in one chunk.
    pub fn events(events: impl AsRef<[u8]>) -> Act {
        Act::stream().data(events).end()
    }

    /// Waits in the script for a request on a connection that has carried one before.
    pub fn on_reuse(mut self) -> Act {
        self.on_reuse = true;
        self
    }

    /// Sends bytes as they are.
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Act {
        self.then(Step::Send(bytes.as_ref().into()))
    }

    /// Over HTTP/2: the head of an answer.
    pub fn head_frame(self, status: u16, headers: &[(&str, &str)]) -> Act {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.then(Step::Frame(Frame::Head(status, headers.collect())))
    }

    /// Over HTTP/2: a piece of the body.
    pub fn data_frame(self, data: impl AsRef<[u8]>) -> Act {
        self.then(Step::Frame(Frame::Data(data.as_ref().into())))
    }

    /// Over HTTP/2: the end of the body.
    pub fn end_frame(self) -> Act {
        self.then(Step::Frame(Frame::End))
    }

    /// Over HTTP/2: the end of the stream before its time.
    pub fn reset_frame(self, reason: Reason) -> Act {
        self.then(Step::Frame(Frame::Reset(reason)))
    }

    /// Over HTTP/2: says that the connection will end, and whether this stream is still served on it.
    pub fn leave_frame(self, reason: Reason, served: bool) -> Act {
        self.then(Step::Frame(Frame::Leave(reason, served)))
    }

    /// Sends bytes one by one with a pause after each.
    pub fn trickle(self, bytes: impl AsRef<[u8]>, pause: Duration) -> Act {
        self.then(Step::Trickle(bytes.as_ref().into(), pause))
    }

    /// Sends one chunk.
    pub fn data(self, data: impl AsRef<[u8]>) -> Act {
        self.send(chunk(data.as_ref()))
    }

    /// Ends a chunked body.
    pub fn end(self) -> Act {
        self.send(LAST_CHUNK)
    }

    /// Waits for the test.
    pub fn wait(self, gate: &Gate) -> Act {
        self.then(Step::Wait(gate.clone()))
    }

    /// Says nothing more until the other side gives up.
    pub fn hang(self) -> Act {
        self.then(Step::Hang)
    }

    /// Ends the connection with a reset.
    pub fn reset(self) -> Act {
        self.then(Step::Reset)
    }

    /// Ends the connection in order.
    pub fn close(self) -> Act {
        self.then(Step::Close)
    }

    /// Goes on with the steps of another act.
    pub fn and(mut self, other: &Act) -> Act {
        self.steps.extend(other.steps.iter().cloned());
        self
    }

    fn then(mut self, step: Step) -> Act {
        self.steps.push(step);
        self
    }
}

fn head_text(status: u16, headers: &[(&str, &str)]) -> String {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// How a connection stands after an act.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The connection may carry another request.
    Next,
    /// We ended it.
    Closed,
    /// They did.
    Gone,
}

/// Does what an act says; frames are sent on the stream `id`.
pub(super) async fn perform(act: Act, stream: &mut TcpStream, buffer: &mut Buffer, id: u32) -> End {
    for step in act.steps {
        let alive = match step {
            Step::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
            Step::Frame(frame) => stream.write_all(&frame.bytes(id)).await.is_ok(),
            Step::Trickle(bytes, pause) => trickle(&bytes, pause, stream).await,
            Step::Wait(gate) => tokio::select! {
                () = gate.pass() => true,
                () = left(stream, buffer) => false,
            },
            Step::Hang => {
                left(stream, buffer).await;
                false
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return End::Closed;
            }
            Step::Close => return End::Closed,
        };
        if !alive {
            return End::Gone;
        }
    }
    End::Next
}

async fn trickle(bytes: &[u8], pause: Duration, stream: &mut TcpStream) -> bool {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return false;
        }
        tokio::time::sleep(pause).await;
    }
    true
}

/// Returns when the other side has ended the connection.
async fn left(stream: &mut TcpStream, buffer: &mut Buffer) {
    while let Ok(true) = buffer.fill(stream).await {}
}
