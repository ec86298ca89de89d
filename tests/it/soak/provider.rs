//! A provider that fails as the forecast says, and remembers which of its answers it has broken.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use pointsman::types::Dialect;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::dialects;
use super::weather::Sky;
use super::words::Speech;
use crate::support::upstream::read_request;
use crate::support::wire::Buffer;
use crate::support::wire::Head;
use crate::support::wire::LAST_CHUNK;
use crate::support::wire::chunk;

/// Of the requests under a bad sky, how many are served all the same.
const LUCKY: f64 = 0.25;
/// Words of an answer.
const WORDS: std::ops::Range<usize> = 6..90;
/// Milliseconds between two pieces of a stream.
const PAUSE_MS: std::ops::Range<u64> = 5..50;
/// Milliseconds before an answer.
const THOUGHT_MS: std::ops::Range<u64> = 20..400;
/// What a refusing provider asks for, in seconds.
const RETRY_AFTER: &str = "retry-after: 1\r\n";

/// What all providers have done.
#[derive(Default)]
pub struct Ledger {
    /// Calls so far.
    calls: AtomicU64,
    /// Calls whose answer was broken off after its first content.
    broken: Mutex<HashSet<u64>>,
}

impl Ledger {
    /// Whether the answer to that call was broken off by its provider.
    pub fn has_broken(&self, call: u64) -> bool {
        self.broken.lock().contains(&call)
    }

    /// The answer to that call is broken off.
    pub fn breaks(&self, call: u64) {
        self.broken.lock().insert(call);
    }

    fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

/// One provider.
pub struct Provider {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Its keys.
    pub keys: Vec<String>,
    address: SocketAddr,
    /// Keeps the port while nobody listens on it.
    _held: TcpSocket,
    sky: watch::Sender<Sky>,
    ledger: Arc<Ledger>,
    fates: Mutex<BTreeMap<&'static str, u64>>,
    open: AtomicUsize,
    connections: AtomicUsize,
}

/// How an answer is broken off.
#[derive(Clone, Copy)]
enum Break {
    Reset,
    Close,
    /// A chunked body ends in order, but not what is in it.
    End,
    Silence,
}

/// Where an answer is broken off.
#[derive(Clone, Copy)]
enum Place {
    BeforeHead,
    InHead,
    BeforeContent,
    InContent,
}

/// One call of a model.
struct Call {
    number: u64,
    stream: bool,
    speech: Speech,
    rng: Rng,
}

/// Whether a connection may carry another request.
type Usable = bool;

impl Provider {
    /// Takes a port. Nobody listens on it before [`Provider::run`].
    pub fn new(name: &str, dialect: Dialect, keys: usize, ledger: &Arc<Ledger>) -> Arc<Provider> {
        let held = socket("127.0.0.1:0".parse().unwrap());
        Arc::new(Provider {
            name: name.to_owned(),
            dialect,
            keys: (0..keys)
                .map(|at| format!("sk-soak-{name}-{at}-0123456789"))
                .collect(),
            address: held.local_addr().unwrap(),
            _held: held,
            sky: watch::Sender::new(Sky::Refuse),
            ledger: Arc::clone(ledger),
            fates: Mutex::default(),
            open: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How its calls went.
    pub fn fates(&self) -> BTreeMap<&'static str, u64> {
        self.fates.lock().clone()
    }

    /// Changes the weather.
    pub fn set_sky(&self, sky: Sky) {
        self.sky
            .send_if_modified(|now| std::mem::replace(now, sky) != sky);
    }

    /// Listens unless it refuses.
    pub async fn run(self: Arc<Provider>) {
        let mut sky = self.sky.subscribe();
        loop {
            if sky.wait_for(|sky| *sky != Sky::Refuse).await.is_err() {
                return;
            }
            let listener = socket(self.address).listen(1024).unwrap();
            tokio::select! {
                _ = sky.wait_for(|sky| *sky == Sky::Refuse) => {}
                () = Arc::clone(&self).accept(listener) => {}
            }
        }
    }

    async fn accept(self: Arc<Provider>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.connections.fetch_add(1, Ordering::Relaxed);
            self.open.fetch_add(1, Ordering::Relaxed);
            let provider = Arc::clone(&self);
            tokio::spawn(async move {
                provider.serve(stream).await;
                provider.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// Serves one connection until either side ends it, or the provider crashes.
    async fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut buffer = Buffer::default();
        let mut sky = self.sky.subscribe();
        loop {
            let request = tokio::select! {
                _ = sky.wait_for(|sky| *sky == Sky::Refuse) => None,
                request = read_request(&mut stream, &mut buffer) => request,
            };
            let Some((head, body)) = request else {
                return;
            };
            let number = self.ledger.next_call();
            let usable = tokio::select! {
                _ = sky.wait_for(|sky| *sky == Sky::Refuse) => {
                    self.ledger.breaks(number);
                    self.note("crashed");
                    // Fails when the other side was faster.
                    let _ = stream.set_zero_linger();
                    false
                }
                usable = self.answer(&mut stream, &mut buffer, number, &head, &body) => usable,
            };
            if !usable {
                return;
            }
        }
    }

    async fn answer(
        &self,
        stream: &mut TcpStream,
        buffer: &mut Buffer,
        number: u64,
        head: &Head,
        body: &[u8],
    ) -> Usable {
        let mut rng = Rng::with_seed(super::SEED ^ number);
        let mut sky = *self.sky.borrow();
        if head.line.starts_with("GET ") {
            return self.probed(stream, buffer, sky).await;
        }
        if sky == Sky::Mixed {
            sky = Sky::FAULTS[rng.usize(..Sky::FAULTS.len())];
        }
        let is_hit = match sky {
            // The first key only, half of the time; that is most of what there is at a provider with two.
            Sky::Limited => self.key_of(head) == 0 || number.is_multiple_of(2),
            _ => LUCKY <= rng.f64(),
        };
        if !is_hit {
            sky = Sky::Fair;
        }
        let call = Call {
            number,
            stream: wants_stream(head, body),
            speech: Speech {
                provider: self.name.clone(),
                call: number,
                nonce: nonce_of(body),
                words: rng.usize(WORDS),
            },
            rng,
        };
        self.meet(sky, call, stream, buffer).await
    }

    /// What a call meets under that sky.
    async fn meet(
        &self,
        sky: Sky,
        mut call: Call,
        stream: &mut TcpStream,
        buffer: &mut Buffer,
    ) -> Usable {
        let rng = &mut call.rng;
        let early = [Place::BeforeHead, Place::InHead, Place::BeforeContent][rng.usize(..3)];
        let broken = match sky {
            Sky::Reset if rng.bool() => Some((early, Break::Reset)),
            Sky::Reset => Some((early, Break::Close)),
            Sky::Stall if rng.bool() => Some((Place::InContent, Break::Silence)),
            Sky::Stall => Some((early, Break::Silence)),
            Sky::Cut => {
                let how = [Break::Reset, Break::Close, Break::End][rng.usize(..3)];
                Some((Place::InContent, how))
            }
            Sky::Limited => return self.refuse(stream, 429, "429").await,
            Sky::Overloaded if self.dialect == Dialect::Anthropic && rng.bool() && call.stream => {
                return self.overloaded_inside(stream).await;
            }
            Sky::Overloaded => return self.refuse(stream, 529, "529").await,
            Sky::Broken => return self.refuse(stream, 500, "500").await,
            Sky::Fair | Sky::Refuse | Sky::Mixed => None,
        };
        if call.stream {
            self.stream(call, broken, stream, buffer).await
        } else {
            self.speak(call, broken, stream, buffer).await
        }
    }

    /// An answer in one piece.
    async fn speak(
        &self,
        mut call: Call,
        broken: Option<(Place, Break)>,
        stream: &mut TcpStream,
        buffer: &mut Buffer,
    ) -> Usable {
        think(&mut call.rng).await;
        let body = dialects::body(self.dialect, &call.speech.text());
        let head = json_head(200, "", body.len());
        let bytes = [head.as_bytes(), body.as_bytes()].concat();
        let Some((place, how)) = broken else {
            return self.written("served", stream, &bytes).await;
        };
        let (until, what) = match place {
            Place::BeforeHead => (0, "broken before its head"),
            Place::InHead => (head.len() / 2, "broken inside its head"),
            Place::BeforeContent => (head.len(), "broken before content"),
            Place::InContent => (head.len() + body.len() / 2, "broken inside JSON"),
        };
        self.written(what, stream, &bytes[..until]).await;
        break_off(how, false, stream, buffer).await
    }

    /// An answer in pieces.
    async fn stream(
        &self,
        mut call: Call,
        broken: Option<(Place, Break)>,
        stream: &mut TcpStream,
        buffer: &mut Buffer,
    ) -> Usable {
        think(&mut call.rng).await;
        let pieces = call.speech.pieces();
        let opening = dialects::opening(self.dialect);
        let mut head = STREAM_HEAD.as_bytes().to_vec();
        if !opening.is_empty() {
            head.extend_from_slice(&chunk(opening.as_bytes()));
        }
        let (until, pieces_said, what) = match broken {
            None => (head.len(), pieces.len(), "served"),
            Some((Place::BeforeHead, _)) => (0, 0, "broken before its head"),
            Some((Place::InHead, _)) => (STREAM_HEAD.len() / 2, 0, "broken inside its head"),
            Some((Place::BeforeContent, _)) => (head.len(), 0, "broken before content"),
            Some((Place::InContent, _)) => (
                head.len(),
                call.rng.usize(1..pieces.len()),
                "broken inside content",
            ),
        };
        if broken.is_some() && 0 < pieces_said {
            self.ledger.breaks(call.number);
        }
        let mut alive = stream.write_all(&head[..until]).await.is_ok();
        for piece in &pieces[..pieces_said] {
            let piece = dialects::piece(self.dialect, piece);
            alive = alive && stream.write_all(&chunk(piece.as_bytes())).await.is_ok();
            if !alive {
                self.note("they left");
                return false;
            }
            pause(&mut call.rng, PAUSE_MS).await;
        }
        match broken {
            None => {
                let closing = dialects::closing(self.dialect, &call.speech.text());
                let end = [chunk(closing.as_bytes()), LAST_CHUNK.to_vec()].concat();
                self.written(what, stream, &end).await
            }
            Some((_, how)) => {
                self.note(what);
                break_off(how, until == head.len(), stream, buffer).await
            }
        }
    }

    async fn refuse(&self, stream: &mut TcpStream, status: u16, what: &'static str) -> Usable {
        let body = dialects::error(self.dialect, status);
        let hint = if status == 500 { "" } else { RETRY_AFTER };
        let answer = json_head(status, hint, body.len()) + &body;
        self.written(what, stream, answer.as_bytes()).await
    }

    /// The overload that comes with status 200.
    async fn overloaded_inside(&self, stream: &mut TcpStream) -> Usable {
        let data = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let events =
            dialects::opening(self.dialect) + &crate::support::answers::event("error", data);
        let answer = [
            STREAM_HEAD.as_bytes(),
            &chunk(events.as_bytes()),
            LAST_CHUNK,
        ]
        .concat();
        self.written("overloaded inside a stream", stream, &answer)
            .await
    }

    /// Answers a probe.
    async fn probed(&self, stream: &mut TcpStream, buffer: &mut Buffer, sky: Sky) -> Usable {
        match sky {
            Sky::Reset => return break_off(Break::Reset, false, stream, buffer).await,
            Sky::Stall => return break_off(Break::Silence, false, stream, buffer).await,
            Sky::Broken | Sky::Overloaded => return self.refuse(stream, 500, "probe: 500").await,
            Sky::Fair | Sky::Refuse | Sky::Limited | Sky::Cut | Sky::Mixed => {}
        }
        let body = r#"{"data":[],"models":[]}"#;
        let answer = json_head(200, "", body.len()) + body;
        self.written("probe: 200", stream, answer.as_bytes()).await
    }

    async fn written(&self, what: &'static str, stream: &mut TcpStream, bytes: &[u8]) -> Usable {
        let alive = stream.write_all(bytes).await.is_ok();
        self.note(if alive { what } else { "they left" });
        alive
    }

    fn note(&self, what: &'static str) {
        *self.fates.lock().entry(what).or_default() += 1;
    }

    /// Which of the keys a request shows.
    fn key_of(&self, head: &Head) -> usize {
        let mut values = head.headers.0.iter().map(|(_, value)| value);
        let shown = |key: &String| values.any(|value| value.contains(key.as_str()));
        self.keys.iter().position(shown).unwrap_or(0)
    }
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
    request-id: req_soak\r\ntransfer-encoding: chunked\r\n\r\n";

fn json_head(status: u16, more: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Soak\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n"
    )
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    // Two sockets share the port: one that keeps it, and one that listens now and then.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn think(rng: &mut Rng) {
    pause(rng, THOUGHT_MS).await;
}

async fn pause(rng: &mut Rng, range: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(rng.u64(range))).await;
}

async fn break_off(
    how: Break,
    in_chunks: bool,
    stream: &mut TcpStream,
    buffer: &mut Buffer,
) -> Usable {
    match how {
        Break::Reset => {
            let _ = stream.set_zero_linger();
        }
        Break::Close => {}
        Break::End if in_chunks => return stream.write_all(LAST_CHUNK).await.is_ok(),
        Break::End => {}
        Break::Silence => while let Ok(true) = buffer.fill(stream).await {},
    }
    false
}

fn wants_stream(head: &Head, body: &[u8]) -> bool {
    let said = memchr::memmem::find(body, br#""stream":true"#).is_some();
    said || head.line.contains(":streamGenerateContent")
}

/// What the request is marked with: `<<nonce>>`.
fn nonce_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let marked = text
        .split_once("<<")
        .and_then(|(_, rest)| rest.split_once(">>"));
    marked.map_or("none", |(nonce, _)| nonce).to_owned()
}
