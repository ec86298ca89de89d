//! A provider that does as it is told and records every request with its bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::frames;
use super::script::Act;
use super::script::End;
use super::script::Reading;
use super::script::perform;
use super::soon;
use super::wire::Buffer;
use super::wire::Framing;
use super::wire::Head;
use super::wire::Headers;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Request line and headers.
    pub head: Head,
    /// Body without its framing.
    pub body: Vec<u8>,
    /// How the body was framed.
    pub framing: Framing,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// How many requests this connection had carried before.
    pub reused: usize,
    /// Everything of the answer was sent.
    pub answered: bool,
    /// The other side left before the answer was over.
    pub gone: bool,
}

impl Seen {
    fn fill(&mut self, head: Head, body: Vec<u8>) {
        self.framing = head.framing();
        self.head = head;
        self.body = body;
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)
    }

    /// All headers.
    pub fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Act>,
    always: Option<Act>,
    seen: Vec<Seen>,
    connections: usize,
}

impl State {
    /// Notes a request, and says what is to be done with it.
    fn take(&mut self, connection: usize, reused: usize) -> (usize, Act) {
        self.seen.push(Seen {
            connection,
            reused,
            ..Seen::default()
        });
        let next = self.script.front();
        let due = next.is_some_and(|act| !act.on_reuse || 0 < reused);
        let scripted = if due { self.script.pop_front() } else { None };
        let act = scripted.or_else(|| self.always.clone());
        let unscripted = || Act::answer(500, &[], r#"{"unscripted":"call"}"#);
        (self.seen.len() - 1, act.unwrap_or_else(unscripted))
    }
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state.lock());
        self.changed.send_replace(());
        value
    }
}

/// A scripted provider on a loopback port of its own.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Upstream {
    /// Answers its requests with these acts, one each; a request beyond them gets a 500 that says so.
    pub async fn script(acts: impl IntoIterator<Item = Act>) -> Upstream {
        Upstream::launch(acts.into_iter().collect(), None).await
    }

    /// Answers every request alike.
    pub async fn always(act: Act) -> Upstream {
        Upstream::launch(VecDeque::new(), Some(act)).await
    }

    /// Answers with these acts first and then always alike.
    pub async fn first(acts: impl IntoIterator<Item = Act>, always: Act) -> Upstream {
        Upstream::launch(acts.into_iter().collect(), Some(always)).await
    }

    /// A provider that is not supposed to be asked.
    pub async fn silent() -> Upstream {
        Upstream::script([]).await
    }

    async fn launch(script: VecDeque<Act>, always: Option<Act>) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                script,
                always,
                ..State::default()
            }),
            changed: watch::Sender::new(()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Upstream {
            address,
            shared,
            accepting,
        }
    }

    /// Where it listens: `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an act behind the script, and in front of what it always does.
    pub fn then(&self, act: Act) {
        self.shared.change(|state| state.script.push_back(act));
    }

    /// Requests so far.
    pub fn calls(&self) -> usize {
        self.shared.state.lock().seen.len()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().connections
    }

    /// A copy of a request, counted from 0.
    pub fn seen(&self, index: usize) -> Seen {
        match self.shared.state.lock().seen.get(index) {
            Some(seen) => seen.clone(),
            None => panic!("the upstream was not called {} times", index + 1),
        }
    }

    /// The only request there was.
    pub fn only(&self) -> Seen {
        assert_eq!(self.calls(), 1, "calls of this upstream");
        self.seen(0)
    }

    /// Waits until that many requests have come in.
    pub async fn called(&self, times: usize) {
        self.until("a call", |state| times <= state.seen.len())
            .await;
    }

    /// Waits until the other side has left a request unanswered.
    pub async fn abandoned(&self, index: usize) {
        self.until("a cancelled call", |state| {
            state.seen.get(index).is_some_and(|seen| seen.gone)
        })
        .await;
    }

    async fn until(&self, what: &str, check: impl Fn(&State) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        soon(what, async {
            while !check(&self.shared.state.lock()) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = shared.change(|state| {
            state.connections += 1;
            state.connections - 1
        });
        tokio::spawn(serve(stream, connection, Arc::clone(&shared)));
    }
}

/// Serves one connection until either side ends it.
async fn serve(mut stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Buffer::default();
    // Of HTTP/2: the stream of a request that was read already; what comes in between is no request.
    let mut next = None;
    for reused in 0.. {
        if next.is_none() && !has_more(&mut stream, &buffer).await {
            return;
        }
        let (index, act) = shared.change(|state| state.take(connection, reused));
        let framed = act.reading == Reading::Frames;
        let id = match (act.reading, next) {
            (Reading::Nothing, _) => Some(1),
            (Reading::Frames, None) => frames::next_request(&mut stream, &mut buffer, true).await,
            (Reading::Frames, read) => read,
            (Reading::Whole, _) => {
                let request = read_request(&mut stream, &mut buffer).await;
                request.map(|(head, body)| {
                    shared.change(|state| state.seen[index].fill(head, body));
                    1
                })
            }
        };
        let Some(id) = id else {
            shared.change(|state| state.seen[index].gone = true);
            return;
        };
        let end = perform(act, &mut stream, &mut buffer, id).await;
        shared.change(|state| match end {
            End::Next | End::Closed => state.seen[index].answered = true,
            End::Gone => state.seen[index].gone = true,
        });
        if end != End::Next {
            return;
        }
        if framed {
            next = frames::next_request(&mut stream, &mut buffer, false).await;
            if next.is_none() {
                return;
            }
        }
    }
}

/// Waits for the first byte of a request; the end of the connection is readable, too, and is none.
async fn has_more(stream: &mut TcpStream, buffer: &Buffer) -> bool {
    if !buffer.0.is_empty() {
        return true;
    }
    let mut first = [0];
    stream.readable().await.is_ok() && matches!(stream.peek(&mut first).await, Ok(1))
}

/// Reads a whole request; `None` when the connection ended first.
pub async fn read_request(stream: &mut TcpStream, buffer: &mut Buffer) -> Option<(Head, Vec<u8>)> {
    let head = buffer.head(stream).await.ok()??;
    let body = match head.framing() {
        Framing::None => Vec::new(),
        Framing::Length(length) => {
            let body = buffer.exactly(length, stream).await.ok()?;
            (body.len() == length).then_some(body)?
        }
        Framing::Chunked => {
            let mut body = Vec::new();
            loop {
                let data = buffer.chunk(stream).await.ok()??;
                if data.is_empty() {
                    break body;
                }
                body.extend_from_slice(&data);
            }
        }
    };
    Some((head, body))
}

/// A port that refuses connections and that nobody else can take meanwhile.
pub struct Refusing {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Refusing {
    /// Takes a port without listening on it.
    pub fn new() -> Refusing {
        let held = TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Refusing {
            address: held.local_addr().unwrap(),
            _held: held,
        }
    }

    /// Where nobody listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
