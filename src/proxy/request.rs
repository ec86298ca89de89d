//! A request that has been read and understood as far as its way depends on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use pingora::proxy::Session;

use super::bill::Bill;
use super::choose::is_passthrough;
use super::closing::Closing;
use super::cors::Grant;
use super::entry;
use super::receive::{self, Body};
use super::send;
use super::service::Shared;
use super::traced;
use crate::access::{Access, Verdict, client_address};
use crate::error::{Fault, FaultKind};
use crate::protocol::anthropic::{HeadError, RequestHead};
use crate::protocol::turns;
use crate::snapshot::Snapshot;
use crate::telemetry::tracing::Trace;
use crate::types::{ClientCertificate, Dialect, RequestId};

/// Time before the client's own deadline at which we give up, so that it hears of it.
const BEFORE_CLIENTS_DEADLINE: Duration = Duration::from_secs(5);
/// Shortest deadline, whatever the client says.
const MIN_DEADLINE: Duration = Duration::from_secs(1);

/// Where clients name their session: Claude Code, and Codex in its older and newer spelling.
const SESSION_HEADERS: [&str; 4] = [
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "conversation_id",
];
/// Where Claude Code names the sub-agent that asks.
const AGENT_HEADER: &str = "x-claude-code-agent-id";
/// Where Codex, in whatever shape, says that it is Codex.
const ORIGINATOR: &str = "originator";
/// Longest piece of a content type that an error quotes, in characters.
const SHOWN_LABEL: usize = 60;
/// Pieces of a body that its fingerprint looks at.
const SAMPLES: usize = 64;
/// Bytes of each.
const SAMPLE_BYTES: usize = 32;

/// What is known of a request when it arrives.
pub struct Arrival {
    /// Its id.
    pub id: RequestId,
    /// When it came.
    pub started: Instant,
    /// Its path, without the query.
    pub path: String,
    /// The configuration it is served under.
    pub snapshot: Arc<Snapshot>,
    /// How far the end of the process has come.
    pub closing: Arc<Closing>,
    /// Where its client is; `None` for who has no address, as on a Unix socket.
    pub client: Option<IpAddr>,
    /// What the web page that sent it may do with the answer, if one did and may.
    pub grant: Option<Grant>,
    /// Its place in a trace.
    pub trace: Option<Trace>,
    /// The certificate that the client has shown.
    pub certificate: Option<ClientCertificate>,
}

impl Arrival {
    /// The request of `session`, which has just arrived.
    pub fn now(shared: &Shared, session: &Session) -> Self {
        let head = session.req_header();
        let path = head.uri.path().to_owned();
        let snapshot = shared.live.current();
        let settings = &snapshot.config.settings;
        let peer = session.client_addr().and_then(|it| it.as_inet());
        Arrival {
            id: RequestId::random(),
            started: Instant::now(),
            client: peer
                .map(|it| client_address(it.ip(), &head.headers, &settings.trusted_proxies)),
            grant: Grant::of(settings.cors.as_ref(), &head.headers)
                .filter(|_| !receive::is_admin_path(&path)),
            path,
            trace: traced::begin(settings.tracing.as_ref(), &head.headers),
            snapshot,
            closing: Arc::clone(&shared.closing),
            certificate: entry::certificate_of(session),
        }
    }
}

/// A request that may be sent on.
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The client's dialect.
    pub dialect: Dialect,
    /// What decides where it goes.
    pub head: RequestHead,
    /// Its body, whole.
    pub body: Body,
    /// Path and query upstream wants to see, `?beta=true` kept.
    pub query: Option<String>,
    /// The client's headers that go on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's own credentials, for `auth_type: passthrough`.
    pub credentials: Vec<(HeaderName, HeaderValue)>,
    /// Whether the client asked for traces.
    pub debug: bool,
    /// The client's session, where it tells.
    pub session: Option<String>,
    /// The same, unless the name may belong to many conversations: OpenAI's clients say where to cache a prompt.
    pub own_session: Option<String>,
    /// What its conversation is called: by the client, or by how it began. One tenant's names say nothing of another's.
    conversation: Option<String>,
    /// The sub-agent that asks, where the client tells.
    pub agent: Option<String>,
    /// The client is Codex: it repeats a stream that failed, and no plain refusal.
    pub repeats_streams: bool,
    /// Headers that rules look at, whether or not they go on.
    pub watched: Vec<(String, String)>,
    /// Who pays for it.
    pub bill: Bill,
    /// Where its client is.
    pub client: Option<IpAddr>,
    /// Time allowed until the commit, or until the whole answer if it is not streamed.
    pub deadline: Instant,
    /// When it came.
    pub started: Instant,
    /// Its fingerprint, taken before the body was let go of.
    pub shed: Option<Shed>,
    /// Its place in a trace.
    pub trace: Option<Trace>,
}

/// Tells apart whose conversations these are: by the gateway key, and where credentials are forwarded by those.
fn tenant(arrival: &Arrival, access: &Access) -> u64 {
    let snapshot = &arrival.snapshot;
    let holder = match access.verdict {
        Verdict::Granted { key } => snapshot.gateway.id(key),
        Verdict::Open | Verdict::Missing | Verdict::Wrong => None,
    };
    let mut hasher = DefaultHasher::new();
    holder.hash(&mut hasher);
    if snapshot.active().any(|endpoint| is_passthrough(endpoint)) {
        for (_, value) in &access.rest {
            value.as_bytes().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What remains of a body that was let go of.
#[derive(Clone, Copy)]
pub struct Shed {
    fingerprint: Option<u64>,
}

impl Request {
    /// Reads a request whole and finds out what decides its way.
    pub async fn receive(
        shared: &Arc<Shared>,
        session: &mut Session,
        arrival: &Arrival,
        access: Access,
    ) -> Result<Self, Fault> {
        let bill = Bill::of(shared, arrival, &access);
        let settings = &arrival.snapshot.config.settings;
        let mut body = receive::read_body(session, settings, &shared.memory).await?;
        let headers = &session.req_header().headers;
        let dialect = receive::dialect_of(&arrival.path);
        let read = |body: &[u8]| {
            RequestHead::read(dialect, body).map_err(|error| unreadable(&error, headers))
        };
        let mut head = read(&body.bytes)?;
        if let Some(new) = head.with_own_tools(&body.bytes) {
            head = read(&new)?;
            body.bytes = new;
        }
        let named = SESSION_HEADERS
            .iter()
            .find_map(|name| text(headers, name))
            .map(str::to_owned);
        let own_session = named.clone().or_else(|| {
            let session = head.session.as_ref();
            session.filter(|_| dialect == Dialect::Anthropic).cloned()
        });
        let session_named = named.or_else(|| head.session.clone());
        let wanted = settings.affinity.enabled || arrival.snapshot.keeps_threads();
        let opening = (wanted && session_named.is_none())
            .then(|| turns::opening(dialect, &body.bytes))
            .flatten();
        let name = session_named.as_ref().or(opening.as_ref());
        let conversation = name.map(|name| format!("{:016x} {name}", tenant(arrival, &access)));
        let watched = arrival.snapshot.table.watched_headers();
        Ok(Request {
            conversation,
            bill,
            agent: text(headers, AGENT_HEADER).map(str::to_owned),
            repeats_streams: is_codex(headers),
            watched: watched
                .filter_map(|name| Some((name.to_owned(), text(headers, name)?.to_owned())))
                .collect(),
            client: arrival.client,
            dialect,
            id: arrival.id.clone(),
            query: session.req_header().uri.query().map(str::to_owned),
            headers: send::forwarded(headers),
            credentials: access.rest,
            debug: text(headers, "x-pointsman-debug") == Some("1"),
            own_session,
            session: session_named,
            deadline: arrival.started + Request::deadline(headers, settings.request_deadline),
            head,
            body,
            started: arrival.started,
            shed: None,
            trace: arrival.trace.clone(),
        })
    }

    /// The deadline of a request: ours, or a little before the client's own.
    pub fn deadline(headers: &HeaderMap, ours: Duration) -> Duration {
        // Some clients send a word in the first and the number in the second.
        let client = ["x-stainless-timeout", "x-stainless-read-timeout"]
            .iter()
            .find_map(|name| {
                let seconds: f64 = headers.get(*name)?.to_str().ok()?.trim().parse().ok()?;
                Duration::try_from_secs_f64(seconds).ok()
            });
        match client {
            Some(client) => ours
                .min(client.saturating_sub(BEFORE_CLIENTS_DEADLINE))
                .max(MIN_DEADLINE),
            None => ours,
        }
    }

    /// What the conversation is called: by the client, or by how it began. No other tenant has the same name for one.
    pub fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// The same, where the client told a session.
    pub fn told_conversation(&self) -> Option<&str> {
        self.conversation().filter(|_| self.session.is_some())
    }

    /// Tells repeats of this request apart from others; `None` for a client without a session.
    pub fn fingerprint(&self) -> Option<u64> {
        if let Some(shed) = self.shed {
            return shed.fingerprint;
        }
        let (session, body) = (self.session.as_ref()?, &self.body.bytes);
        let mut hasher = DefaultHasher::new();
        (session, body.len()).hash(&mut hasher);
        // Samples tell two requests of one session apart as well as all of a megabyte would.
        let stride = (body.len() / SAMPLES).max(SAMPLE_BYTES);
        for sample in body.chunks(stride) {
            hasher.write(sample.get(..SAMPLE_BYTES).unwrap_or(sample));
        }
        Some(hasher.finish())
    }

    /// Lets go of what only another attempt would need: once content has been shown there is none. A stream may live
    /// for hours, and its request is by far the largest thing it holds.
    pub fn shed(&mut self) {
        if self.shed.is_some() {
            return;
        }
        self.shed = Some(Shed {
            fingerprint: self.fingerprint(),
        });
        self.body = Body::empty();
        self.headers = Vec::new();
        self.credentials = Vec::new();
        self.query = None;
    }
}

/// Many a body that cannot be read was never meant to be JSON; what is JSON is served under any label.
fn unreadable(error: &HeadError, headers: &HeaderMap) -> Fault {
    let mut what = error.to_string();
    let labelled = text(headers, "content-type").filter(|it| !it.contains("json"));
    if let (true, Some(label)) = (error.is_about_the_form(), labelled) {
        let label: String = label.chars().take(SHOWN_LABEL).collect();
        what = format!("{what} (content-type is {label}; send application/json)");
    }
    Fault::new(FaultKind::InvalidRequest, what)
}

/// `codex_cli_rs`, `codex_exec`, `codex_vscode`, `Codex Desktop` (its `originator`, 2026).
fn is_codex(headers: &HeaderMap) -> bool {
    let name = text(headers, ORIGINATOR).and_then(|name| name.get(.."codex".len()));
    name.is_some_and(|name| name.eq_ignore_ascii_case("codex"))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(lines: &[(&'static str, &'static str)]) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Request::deadline(&headers, Duration::from_secs(600)).as_secs()
    }

    #[test]
    fn codex_is_known_by_its_own_word() {
        for (name, value, known) in [
            ("originator", "codex_cli_rs", true),
            ("originator", "Codex Desktop", true),
            ("originator", "opencode", false),
            ("originator", "code", false),
            ("user-agent", "codex_cli_rs/0.169.0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(is_codex(&headers), known, "{value}");
        }
    }

    #[test]
    fn the_clients_own_deadline_is_met_a_little_early() {
        assert_eq!(deadline(&[]), 600);
        assert_eq!(deadline(&[("x-stainless-timeout", "60")]), 55);
        assert_eq!(deadline(&[("x-stainless-timeout", "900")]), 600);
        assert_eq!(deadline(&[("x-stainless-timeout", "2")]), 1);
        for odd in ["NOT_GIVEN", "-1", "NaN", "inf", ""] {
            assert_eq!(deadline(&[("x-stainless-timeout", odd)]), 600, "{odd}");
        }
        let python = [
            ("x-stainless-timeout", "NOT_GIVEN"),
            ("x-stainless-read-timeout", "30"),
        ];
        assert_eq!(deadline(&python), 25);
    }
}
