//! The client's request: which call it is, and its body, read once and bounded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::HeaderMap;
use pingora::Error;
use pingora::proxy::Session;

use super::coding::{Coding, Inflate};
use super::page::PageCall;
use crate::config::Settings;
use crate::error::{Fault, FaultKind};
use crate::types::Dialect;

/// Slowest upload that is taken, bytes a second, beyond the time allowed for the first byte: an announced body counts
/// against the memory for all, so nobody may drip it.
const MIN_RATE: u64 = 1024;
/// Most bytes of a body that are read only to be thrown away.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;

/// Where the health page is known.
const HEALTH: &str = "/health";
/// A path with nothing there.
const NOWHERE: &str = "";

/// What a client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `POST /v1/responses/input_tokens`.
    CountInput,
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model,
    /// `GET /`, `HEAD /`.
    Root,
    /// `HEAD|GET /api/hello`.
    Hello,
    /// `POST /api/event_logging/*`.
    EventLogging,
    /// `GET /health`.
    Health,
    /// `GET /docs`.
    Docs,
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /livez`.
    Live,
    /// `GET /readyz`.
    Ready,
    /// `GET /providers`.
    Providers,
    /// `POST /providers/reload`.
    Reload,
    /// `POST /admin/config/reload`: the same in the words of the worker proxy.
    WorkerReload,
    /// `GET /admin/dev/info`.
    Development,
    /// `GET /metrics`.
    Metrics,
    /// `GET /admin/requests`.
    Requests,
    /// `GET /admin/usage`.
    Usage,
    /// `POST /admin/cache/purge`.
    PurgeCache,
    /// `POST /cleanup`: the same in the words of the balancer, whose stuck requests it also freed.
    CleanUp,
    /// `GET /zed/threads/status`.
    ZedThreads,
    /// `GET /zed/cost-analysis`.
    ZedCosts,
    /// Below `/oauth/`.
    OAuth(OAuthCall),
    /// The status page and its files.
    Page(PageCall),
}

/// What may be called of OAuth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthCall {
    /// `GET /oauth/authorize`: begins a login, and leads there.
    Authorize,
    /// `GET /oauth/callback`: ends it.
    Callback,
    /// `GET /oauth/generate-url`: begins a login, and tells where.
    GenerateUrl,
    /// `POST /oauth/exchange-code`: ends it by hand.
    Exchange,
    /// `GET /oauth/status`.
    Status,
    /// `POST /oauth/refresh/{email}`.
    Refresh,
    /// `DELETE /oauth/tokens`, `DELETE /oauth/tokens/{email}`.
    Remove,
}

impl Call {
    /// The call of a method and path. Paths are compared whole: nothing of a path is ever copied upstream.
    pub fn of(method: &Method, path: &str) -> Result<Call, Fault> {
        const GET: &str = "GET, HEAD";
        const POST: &str = "POST";
        // What changes something is not done for who only looks.
        const ONLY_GET: &str = "GET";
        let (call, allow) = match path {
            "/v1/messages" => (Call::Messages, POST),
            "/v1/chat/completions" => (Call::ChatCompletions, POST),
            "/v1/responses" => (Call::Responses, POST),
            "/v1/messages/count_tokens" => (Call::CountTokens, POST),
            "/v1/responses/input_tokens" => (Call::CountInput, POST),
            "/v1/models" => (Call::Models, GET),
            "/" => (Call::Root, GET),
            "/api/hello" => (Call::Hello, GET),
            "/health" => (Call::Health, GET),
            "/docs" => (Call::Docs, GET),
            "/openapi.json" => (Call::OpenApi, GET),
            "/livez" => (Call::Live, GET),
            "/readyz" => (Call::Ready, GET),
            "/providers" => (Call::Providers, GET),
            "/metrics" => (Call::Metrics, GET),
            "/admin/requests" => (Call::Requests, GET),
            "/admin/usage" => (Call::Usage, GET),
            "/providers/reload" => (Call::Reload, POST),
            "/admin/config/reload" => (Call::WorkerReload, POST),
            "/admin/dev/info" => (Call::Development, GET),
            "/zed/threads/status" => (Call::ZedThreads, GET),
            "/zed/cost-analysis" => (Call::ZedCosts, GET),
            "/admin/cache/purge" => (Call::PurgeCache, POST),
            "/cleanup" => (Call::CleanUp, POST),
            "/admin/status" => (Call::Page(PageCall::Whole), GET),
            "/admin/status/live" => (Call::Page(PageCall::Live), GET),
            "/admin/status/page.css" => (Call::Page(PageCall::Style), GET),
            "/admin/status/page.js" => (Call::Page(PageCall::Script), GET),
            "/admin/status/icon.svg" => (Call::Page(PageCall::Icon), GET),
            "/oauth/authorize" => (Call::OAuth(OAuthCall::Authorize), ONLY_GET),
            "/oauth/callback" => (Call::OAuth(OAuthCall::Callback), ONLY_GET),
            "/oauth/generate-url" => (Call::OAuth(OAuthCall::GenerateUrl), ONLY_GET),
            "/oauth/exchange-code" => (Call::OAuth(OAuthCall::Exchange), POST),
            "/oauth/status" => (Call::OAuth(OAuthCall::Status), GET),
            "/oauth/tokens" => (Call::OAuth(OAuthCall::Remove), "DELETE"),
            _ if is_one_below("/oauth/tokens/", path) => (Call::OAuth(OAuthCall::Remove), "DELETE"),
            _ if is_one_below("/oauth/refresh/", path) => (Call::OAuth(OAuthCall::Refresh), POST),
            _ if is_one_below("/v1/models/", path) => (Call::Model, GET),
            _ if is_one_below("/api/event_logging/", path) => (Call::EventLogging, POST),
            _ => {
                return Err(Fault::new(
                    FaultKind::UnknownPath,
                    "there is nothing at this path",
                ));
            }
        };
        if allow.split(", ").any(|allowed| method == allowed) {
            return Ok(call);
        }
        let text = format!("this path takes {allow}");
        Err(Fault::new(FaultKind::MethodNotAllowed(allow), text))
    }

    /// Whether it is part of the admin surface.
    pub fn is_admin(self) -> bool {
        if let Call::OAuth(call) = self {
            // A browser that is sent back has no key: the state it brings speaks for it.
            return call != OAuthCall::Callback;
        }
        matches!(
            self,
            Call::Providers
                | Call::Metrics
                | Call::Reload
                | Call::WorkerReload
                | Call::Development
                | Call::Requests
                | Call::Usage
                | Call::PurgeCache
                | Call::CleanUp
                | Call::ZedThreads
                | Call::ZedCosts
                | Call::Page(_)
        )
    }

    /// Whether it is asked so often, by machines, that a line in the log for each would drown the others.
    pub fn is_heartbeat(self) -> bool {
        matches!(
            self,
            Call::Root
                | Call::Hello
                | Call::EventLogging
                | Call::Health
                | Call::Live
                | Call::Ready
                | Call::Metrics
                | Call::Page(_)
        )
    }

    /// Whether it needs a gateway key.
    pub fn needs_key(self) -> bool {
        matches!(
            self,
            Call::Messages
                | Call::ChatCompletions
                | Call::Responses
                | Call::CountTokens
                | Call::CountInput
                | Call::Models
                | Call::Model
        )
    }
}

/// The path by which a call is known here: the operator may have moved the health page, or want none.
pub fn known_path<'p>(path: &'p str, settings: &Settings) -> &'p str {
    match settings.health_page.path() {
        Some(HEALTH) => path,
        Some(own) if path == own => HEALTH,
        Some(_) | None if path == HEALTH => NOWHERE,
        Some(_) | None => path,
    }
}

/// Whether a path is part of the admin surface, whatever is done with it.
pub fn is_admin_path(path: &str) -> bool {
    let calls = [Method::GET, Method::POST].map(|method| Call::of(&method, path));
    calls.into_iter().flatten().any(Call::is_admin)
}

/// `path` is `prefix` and one more plain segment (a model's name may hold a slash, escapes are not decoded).
fn is_one_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && !rest.split('/').any(|s| matches!(s, "" | "." | ".."))
    })
}

/// The dialect whose error shape a path's caller understands.
pub fn dialect_of(path: &str) -> Dialect {
    match path {
        "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" => Dialect::OpenAiChat,
        "/v1/responses" => Dialect::OpenAiResponses,
        _ if path.starts_with("/v1/responses/") => Dialect::OpenAiResponses,
        _ => Dialect::Anthropic,
    }
}

/// Bytes of request bodies in memory, over all requests.
#[derive(Debug, Default)]
pub struct BodyMemory {
    used: AtomicUsize,
}

/// A share of [`BodyMemory`]; dropping it gives it back.
#[derive(Debug)]
pub struct BodyShare {
    memory: Arc<BodyMemory>,
    bytes: usize,
}

impl BodyMemory {
    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl BodyShare {
    fn empty(memory: &Arc<BodyMemory>) -> Self {
        BodyShare {
            memory: Arc::clone(memory),
            bytes: 0,
        }
    }

    /// Grows to that many bytes, if it is smaller.
    fn cover(&mut self, bytes: usize, limit: usize) -> Result<(), Fault> {
        match bytes.saturating_sub(self.bytes) {
            0 => Ok(()),
            more => self.grow(more, limit),
        }
    }

    fn grow(&mut self, bytes: usize, limit: usize) -> Result<(), Fault> {
        let before = self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if limit < before.saturating_add(bytes) {
            return Err(Fault::new(
                FaultKind::Overloaded,
                "too many request bodies in memory; try again shortly",
            ));
        }
        Ok(())
    }
}

/// A whole request body.
pub struct Body {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its share of the memory, given back when the body goes.
    _share: Option<BodyShare>,
}

impl Body {
    /// Nothing, and no share.
    pub fn empty() -> Self {
        Body {
            bytes: Bytes::new(),
            _share: None,
        }
    }
}

/// Reads the client's body whole, whatever its framing. A connection whose body could not be read is not used again.
pub async fn read_body(
    session: &mut Session,
    settings: &Settings,
    memory: &Arc<BodyMemory>,
) -> Result<Body, Fault> {
    let read = read_whole(session, settings, memory).await;
    if read.is_err() {
        session.set_keepalive(None);
    }
    read
}

/// Reads a body that nobody wants, without taking memory for it: whoever sends it has shown no key. A connection whose
/// body is too long or too slow for that is not used again.
pub async fn discard_body(session: &mut Session, settings: &Settings) {
    let read = async {
        if session.req_header().headers.contains_key("expect") {
            expect_continue(session).await?;
        }
        let mut seen = 0;
        while let Some(piece) = next_piece(session, settings.client_read_timeout).await? {
            seen += piece.len();
            if MAX_DISCARDED < seen {
                return Err(too_large(MAX_DISCARDED, seen));
            }
        }
        Ok(())
    };
    let read = tokio::time::timeout(settings.client_read_timeout, read).await;
    if !matches!(read, Ok(Ok(()))) {
        session.set_keepalive(None);
    }
}

async fn read_whole(
    session: &mut Session,
    settings: &Settings,
    memory: &Arc<BodyMemory>,
) -> Result<Body, Fault> {
    let headers = &session.req_header().headers;
    let mut inflate = match Coding::of(headers)? {
        Some(coding) => Some(Inflate::new(coding, settings.max_body_bytes)?),
        None => None,
    };
    let declared = content_length(headers);
    let mut share = BodyShare::empty(memory);
    if let Some(declared) = declared {
        if settings.max_body_bytes < declared {
            return Err(too_large(settings.max_body_bytes, declared));
        }
        share.grow(declared, settings.max_buffered_bytes)?;
    }
    if headers.contains_key("expect") {
        expect_continue(session).await?;
    }
    let mut gathered = Gathered {
        declared,
        first: None,
        grown: BytesMut::new(),
    };
    let (begun, patience, mut seen) = (Instant::now(), settings.client_read_timeout, 0);
    loop {
        let allowed = patience + Duration::from_secs(seen as u64 / MIN_RATE);
        let left = allowed.saturating_sub(begun.elapsed()).min(patience);
        let Some(piece) = next_piece(session, left).await? else {
            break;
        };
        seen += piece.len();
        if settings.max_body_bytes < seen {
            return Err(too_large(settings.max_body_bytes, seen));
        }
        let taken = if let Some(inflate) = &mut inflate {
            inflate.push(&piece)? // what is in it counts, not how small it was made
        } else {
            gathered.push(piece);
            seen
        };
        share.cover(taken, settings.max_buffered_bytes)?;
    }
    if declared.is_some_and(|declared| seen != declared) {
        return Err(left());
    }
    let bytes = match inflate {
        Some(inflate) => inflate.finish()?,
        None => gathered.finish(),
    };
    share.cover(bytes.len(), settings.max_buffered_bytes)?;
    Ok(Body {
        bytes,
        _share: Some(share),
    })
}

/// The pieces of a body as they come. One that comes in one piece is not copied.
struct Gathered {
    declared: Option<usize>,
    first: Option<Bytes>,
    grown: BytesMut,
}

impl Gathered {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_none() && self.grown.is_empty() {
            self.first = Some(piece);
            return;
        }
        if let Some(first) = self.first.take() {
            let so_far = first.len() + piece.len();
            self.grown.reserve(self.declared.unwrap_or(so_far * 2));
            self.grown.extend_from_slice(&first);
        }
        self.grown.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        self.first.unwrap_or_else(|| self.grown.freeze())
    }
}

async fn next_piece(session: &mut Session, patience: Duration) -> Result<Option<Bytes>, Fault> {
    let piece =
        tokio::time::timeout(patience, session.downstream_session.read_request_body()).await;
    match piece {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(_) => Err(Fault::new(
            FaultKind::RequestTimeout,
            "the request body did not arrive in time",
        )),
    }
}

/// The client broke its own framing, or it broke off.
fn unreadable(error: &Error) -> Fault {
    let cause = error
        .cause
        .as_ref()
        .and_then(|it| it.downcast_ref::<io::Error>());
    if cause.is_some_and(|it| it.kind() == io::ErrorKind::InvalidData) {
        let text = "transfer-encoding: the chunks of the request body are malformed";
        return Fault::new(FaultKind::InvalidRequest, text);
    }
    left().with_source(error.etype().as_str())
}

async fn expect_continue(session: &mut Session) -> Result<(), Fault> {
    let expected = session.req_header().headers.get("expect");
    if !expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Fault::new(
            FaultKind::UnknownExpectation,
            "expect: only 100-continue is understood",
        ));
    }
    session
        .as_mut()
        .write_continue_response()
        .await
        .map_err(|_| left())
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers
        .get("content-length")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn too_large(limit: usize, size: usize) -> Fault {
    Fault::new(
        FaultKind::TooLarge,
        format!("the request body of {size} bytes or more passes the limit of {limit}"),
    )
}

fn left() -> Fault {
    Fault::new(
        FaultKind::Cancelled,
        "the client left before its request was whole",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str) -> Result<Call, FaultKind> {
        Call::of(&method.parse().unwrap(), path).map_err(|fault| fault.kind)
    }

    #[test]
    fn paths_are_an_exact_list() {
        assert_eq!(call("POST", "/v1/messages"), Ok(Call::Messages));
        assert_eq!(
            call("GET", "/v1/models/google/gemini-2.5-pro"),
            Ok(Call::Model)
        );
        assert_eq!(call("HEAD", "/"), Ok(Call::Root));
        for path in [
            "/v1/messages/",
            "/v1/../admin",
            "/v1/models/../messages",
            "/v1/models/",
            "//",
            "/V1/messages",
        ] {
            assert_eq!(call("GET", path), Err(FaultKind::UnknownPath), "{path}");
        }
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        assert_eq!(
            call("GET", "/v1/messages"),
            Err(FaultKind::MethodNotAllowed("POST"))
        );
        assert_eq!(
            call("DELETE", "/providers"),
            Err(FaultKind::MethodNotAllowed("GET, HEAD"))
        );
    }

    #[test]
    fn shares_of_memory_come_back() {
        let memory = Arc::new(BodyMemory::default());
        let mut share = BodyShare::empty(&memory);
        share.grow(60, 100).unwrap();
        assert!(BodyShare::empty(&memory).grow(50, 100).is_err());
        drop(share);
        assert_eq!(memory.used.load(Ordering::Relaxed), 0);
    }
}
