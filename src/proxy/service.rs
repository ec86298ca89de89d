//! Pingora's hooks. A client's session becomes an exchange in `request_filter`; a subrequest is one of its attempts,
//! and every later hook belongs to it.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, Subrequest};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::attempt::{self, Attempt};
use super::closing::Closing;
use super::count::Rests;
use super::ctx::Ctx;
use super::estimate::Samples;
use super::losses::LossCounts;
use super::page::CountedToday;
use super::receive::BodyMemory;
use super::serve::{self, Afterwards};
use crate::access::limits::{Addresses, Counters, Spent};
use crate::admin::RecentRequests;
use crate::cache::{Cache, Flights, Keys};
use crate::config::Surface;
use crate::error::Fault;
use crate::health::{Affinity, Budget, BudgetView, Extra, SessionNotes};
use crate::ledger::Ledger;
use crate::snapshot::{Live, Snapshot};
use crate::telemetry::AccessLine;
use crate::telemetry::capture::Captures;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::tracing::{Traces, request_span};
use crate::tokens::{Calibration, Counter};
use crate::types::{Clock, Day};
use crate::zed::Threads;

/// How long a session is kept from where its stream broke.
const STEERED_FOR: Duration = Duration::from_secs(60);
/// How long it is remembered that a session's thinking was refused: about as long as people keep one open.
const REFUSED_FOR: Duration = Duration::from_secs(4 * 3600);
/// How long a client's HTTP/2 connection may idle.
pub const H2_IDLE: Duration = Duration::from_secs(300);

/// Puts a configuration that was written anew in force; the text tells what came of it.
pub trait Reload: Send + Sync {
    /// Reads, checks and puts in force; on error the old one stays.
    fn reload(&self) -> std::result::Result<Arc<Snapshot>, String>;
    /// Why what was read last is not in force, if it is not.
    fn refused(&self) -> Option<String>;
}

/// What all listeners share.
pub struct Shared {
    /// When the process began.
    pub started: Instant,
    /// The configuration in force.
    pub live: Arc<Live>,
    /// How it is replaced.
    pub reload: Arc<dyn Reload>,
    /// Bytes of request bodies in memory.
    pub memory: Arc<BodyMemory>,
    /// Local token counts.
    pub counter: Arc<Counter>,
    /// Requests under way.
    pub in_flight: AtomicUsize,
    /// How far the end of the process has come.
    pub closing: Arc<Closing>,
    /// Where conversations are at home.
    pub affinity: Affinity,
    /// What translations have lost.
    pub losses: LossCounts,
    /// What answers have taught about our counts.
    pub calibration: Arc<Calibration>,
    /// Which requests are counted for what they teach.
    pub samples: Arc<Samples>,
    /// Which endpoints are not asked for token counts of their own for now.
    pub counts: Rests,
    /// Sessions that are kept from an endpoint.
    pub steering: SessionNotes<()>,
    /// Where a session's thinking was refused, and how many of its turns that was about.
    pub refused_thinking: SessionNotes<usize>,
    /// Answers that came from a hedge.
    pub hedges_won: AtomicU64,
    /// What became of the last requests.
    pub requests: RecentRequests,
    /// What is counted.
    pub metrics: Metrics,
    /// Spans on their way to a collector.
    pub traces: Traces,
    /// Bodies on their way to the disk.
    pub captures: Captures,
    /// What tells identical calls.
    pub keys: Keys,
    /// Answers under way that are shared.
    pub flights: Flights,
    /// Answers that are given again.
    pub cache: Cache,
    /// What keys have used.
    pub counters: Arc<dyn Counters>,
    /// What client addresses have done.
    pub addresses: Arc<Addresses>,
    /// Where usage is written down.
    pub ledger: Arc<Ledger>,
    /// Threads of conversations, where a service keeps such.
    pub threads: Threads,
    /// What the ledger has counted today, for the status page.
    pub today: CountedToday,
    /// What limits and budgets go by.
    pub clock: Clock,
    budget: Mutex<Budget>,
    /// The application that attempts run on; known once the first listener's proxy is made.
    app: OnceLock<Weak<HttpProxy<Edge>>>,
    template: tokio::sync::OnceCell<ServerSession>,
}

impl Shared {
    /// Nothing under way.
    pub fn new(
        live: Arc<Live>,
        reload: Arc<dyn Reload>,
        metrics: Metrics,
        counters: Arc<dyn Counters>,
    ) -> Arc<Self> {
        Arc::new(Shared {
            started: Instant::now(),
            live,
            reload,
            memory: Arc::new(BodyMemory::default()),
            counter: Arc::new(Counter::new()),
            in_flight: AtomicUsize::new(0),
            closing: Arc::default(),
            affinity: Affinity::new(),
            losses: LossCounts::default(),
            calibration: Arc::new(Calibration::new()),
            samples: Arc::default(),
            counts: Rests::default(),
            steering: SessionNotes::lasting(STEERED_FOR),
            refused_thinking: SessionNotes::lasting(REFUSED_FOR),
            hedges_won: AtomicU64::new(0),
            requests: RecentRequests::default(),
            metrics,
            traces: Traces::default(),
            captures: Captures::default(),
            keys: Keys::default(),
            flights: Flights::default(),
            cache: Cache::default(),
            counters,
            addresses: Arc::default(),
            ledger: Arc::default(),
            threads: Threads::new(new_id),
            today: CountedToday::default(),
            clock: Clock::system(),
            budget: Mutex::new(Budget::new(Instant::now())),
            app: OnceLock::new(),
            template: tokio::sync::OnceCell::new(),
        })
    }

    /// The application that attempts run on.
    pub fn app(&self) -> std::result::Result<Arc<dyn Subrequest + Send + Sync>, Fault> {
        match self.app.get().and_then(Weak::upgrade) {
            Some(app) => Ok(app),
            None => Err(Fault::internal("no listener is open")),
        }
    }

    /// The head that attempts are made from.
    pub async fn template(&self) -> std::result::Result<&ServerSession, Fault> {
        let template = self.template.get_or_try_init(attempt::template).await;
        template.map_err(|error| Fault::internal(error.etype().as_str()))
    }

    /// A request for a model has ended: it is counted and told.
    pub fn finished(&self, line: &AccessLine<'_>) {
        self.metrics.request(line);
        self.tell(line);
    }

    /// A request has ended: its line in the log, and its span where it is traced.
    pub fn tell(&self, line: &AccessLine<'_>) {
        line.emit(self.live.current().config.settings.access_log.sample);
        if let Some(trace) = line.trace.filter(|it| it.sampled) {
            self.traces.push([request_span(trace, line)]);
        }
    }

    /// Waits until what was told is with those it is for, so long for each.
    pub async fn told(&self, wait: Duration) {
        self.traces.flush(wait).await;
        self.captures.flush(wait);
    }

    /// Takes one call beyond the first from the budget.
    pub fn take(&self, kind: Extra, now: Instant) -> bool {
        self.budget.lock().take(kind, now)
    }

    /// How much of the budget is used.
    pub fn budget(&self, kind: Extra, now: Instant) -> BudgetView {
        self.budget.lock().view(kind, now)
    }

    /// Writes down what waits to be, and learns what the ledger has counted. Blocks on the disk.
    pub fn keep_books(&self, learns: bool) {
        let snapshot = self.live.current();
        let Some(ledger) = &snapshot.config.ledger else {
            return;
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        self.ledger.write(&ledger.path, now);
        self.ledger.prune(ledger.retention_days, wall, now);
        let has_caps = |it: &crate::config::KeyEntry| it.has_caps();
        if !learns || !snapshot.config.auth.named().iter().any(has_caps) {
            return;
        }
        let day = Day::of(wall);
        for spent in self.ledger.spending(&ledger.path, day, now) {
            let so_far = Spent {
                day,
                today: spent.today,
                this_month: spent.this_month,
            };
            self.counters.spent_at_least(&spent.key, so_far);
        }
    }

    /// Writes down all that waits, because the process is about to end.
    pub fn close_books(&self) {
        if let Some(ledger) = &self.live.current().config.ledger {
            self.ledger.finish(&ledger.path);
        }
    }

    /// A request came in; the budget grows with them.
    pub fn count_request(&self, now: Instant) {
        self.budget.lock().request(now);
    }
}

/// A new name for a thread or a prompt: a UUID of random bits (RFC 9562, version 4).
fn new_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|it| hex.get(it).unwrap_or_default()).join("-")
}

/// One listener's proxy.
pub struct Edge {
    /// What all listeners share.
    pub shared: Arc<Shared>,
    /// What it serves.
    pub surface: Surface,
    /// Whether only this machine can reach it.
    pub is_loopback: bool,
}

impl Edge {
    /// A Pingora application for one listener. The first one is what attempts run on.
    pub fn proxy(
        shared: &Arc<Shared>,
        surface: Surface,
        is_loopback: bool,
        conf: &Arc<ServerConf>,
    ) -> Arc<HttpProxy<Edge>> {
        let edge = Edge {
            shared: Arc::clone(shared),
            surface,
            is_loopback,
        };
        let proxy = pingora::proxy::http_proxy(conf, edge);
        let proxy = Arc::new(proxy);
        let _ = shared.app.set(Arc::downgrade(&proxy));
        proxy
    }
}

/// Counts a request for as long as it lives.
pub struct InFlight(Arc<Shared>);

impl InFlight {
    /// Enters, unless `max` are under way already.
    pub fn enter(shared: &Arc<Shared>, max: Option<usize>) -> Option<Self> {
        let before = shared.in_flight.fetch_add(1, Ordering::Relaxed);
        let entered = InFlight(Arc::clone(shared));
        max.is_none_or(|max| before < max).then_some(entered)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::Client
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    fn allow_spawning_subrequest(&self, _: &Session, _: &Ctx) -> bool {
        false // exchanges make their attempts themselves, from the template
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        if let Some(subrequest) = session.subrequest_ctx.as_ref() {
            let attempt = subrequest
                .user_ctx()
                .and_then(|user| user.downcast_ref::<Arc<Attempt>>());
            let Some(attempt) = attempt else {
                return Error::e_explain(
                    ErrorType::InternalError,
                    "a subrequest without an attempt",
                );
            };
            *ctx = Ctx::Attempt(Arc::clone(attempt));
            return Ok(false);
        }
        match Box::pin(serve::serve(self, session)).await {
            Afterwards::Usable => Ok(true),
            // In order, Pingora would end the body; it closes the connection instead.
            Afterwards::Broken => {
                Error::e_explain(ErrorType::ConnectionClosed, "the client was let go")
            }
        }
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        attempt_of(ctx)?.peer().await
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        peer: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        match attempt_of(ctx) {
            Ok(attempt) => attempt.connect_failed(peer, error),
            Err(_) => error,
        }
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let provider = attempt_of(ctx)?.endpoint.id();
        let metrics = &self.shared.metrics;
        metrics.connected(provider.as_str(), reused);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        attempt_of(ctx)?.write_head(head)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        attempt_of(ctx)?.write_body(body, end);
        Ok(())
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if head.status.is_informational() {
            return Ok(());
        }
        attempt_of(ctx)?.head(head)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        attempt_of(ctx)?.incoming().body(body, end)?;
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        _: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        client_reused: bool,
    ) -> Box<Error> {
        match attempt_of(ctx) {
            Ok(attempt) => attempt.broke(error, client_reused, || {
                self.shared.take(Extra::Repeat, Instant::now())
            }),
            Err(error) => error,
        }
    }

    async fn fail_to_proxy(&self, _: &mut Session, _: &Error, _: &mut Ctx) -> FailToProxy {
        // Nothing is written here: an attempt answers to its exchange, and an exchange has answered already.
        FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true // the exchange logs what matters, once
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Ctx,
        _: &Error,
        _: pingora::proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

fn attempt_of(ctx: &Ctx) -> Result<&Arc<Attempt>> {
    match ctx {
        Ctx::Attempt(attempt) => Ok(attempt),
        Ctx::Client => Error::e_explain(
            ErrorType::InternalError,
            "an exchange has no upstream of its own",
        ),
    }
}
