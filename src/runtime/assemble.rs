//! From a configuration to a process that serves it.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use parking_lot::Mutex;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use tokio::sync::{Notify, watch};

use super::background::{
    Announce, Books, Drain, Hangup, Simulated, Supervised, Tokens, TraceExporter, Warm, Watch,
    health_checks,
};
use super::listener::{Bound, Door, Listening};
use super::reload::Reloader;
use super::signals::{Signals, listen_for_hangup};
use crate::access::limits::LocalCounters;
use crate::config::{Config, LoadOptions, Source};
use crate::demo;
use crate::proxy::{Cap, Edge, Shared};
use crate::snapshot::{Live, Snapshot};
use crate::supervise::Post;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Logs};

/// Beyond the drain timeout: Pingora's grace period must never be what ends the process.
const GRACE_SECONDS: u64 = 365 * 24 * 3600;

/// A process that is ready to serve.
pub struct Prepared {
    server: Server,
    logs: Logs,
    shared: Arc<Shared>,
    post: Option<Arc<Post>>,
    open: watch::Sender<bool>,
    /// The configuration in force.
    pub snapshot: Arc<Snapshot>,
    /// Where it listens; what serves models comes first.
    pub listening: Vec<Listening>,
}

/// Binds addresses, or gets their sockets from the `supervisor`, and builds everything; nothing is served
/// yet.
pub fn prepare(
    config: Config,
    options: LoadOptions,
    supervisor: Option<&Arc<Post>>,
) -> anyhow::Result<Prepared> {
    let signal = listen_for_hangup().context("cannot watch SIGHUP")?;
    let settings = &config.settings;
    let logs =
        telemetry::init(&settings.log, settings.access_log).context("cannot set up logging")?;
    let post = supervisor.map(Arc::as_ref);
    let mut bound = Vec::new();
    for listener in &config.listeners {
        bound.push(Bound::bind(post, listener)?);
    }
    let simulated = match config.source {
        Source::Demo => Some(demo::Providers::bind().context("cannot bind the demo's providers")?),
        Source::File(_) | Source::Environment => None,
    };
    let addresses = simulated.as_ref().map(demo::Providers::addresses);
    let config = match addresses {
        Some(addresses) => demo::config(addresses, &config),
        None => config,
    };
    let conf = server_conf(&config);
    let live = Arc::new(Live::new(config)?);
    let is_exposed = |it: &Bound| it.listener.surface.has_traffic() && !it.is_local();
    let exposed = bound.iter().any(is_exposed);
    let reloader = Reloader::new(Arc::clone(&live), options, addresses, exposed);
    let reloader = Arc::new(reloader);
    let shared = Shared::new(
        Arc::clone(&live),
        Arc::clone(&reloader) as _,
        Metrics::new().context("cannot set up metrics")?,
        Arc::new(LocalCounters::default()),
    );
    // Before the first request: budgets go on where they were.
    shared.keep_books(true);
    let mut listening: Vec<Listening> = bound.iter().map(Bound::shown).collect();
    listening.sort_by_key(|it| !it.surface.has_traffic());
    let files = bound.iter_mut().filter_map(|it| it.file.take()).collect();

    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let open = watch::Sender::new(false);
    let mut supervisor_calls = supervisor;
    for bound in bound {
        let (surface, is_local) = (bound.listener.surface, bound.is_local());
        let proxy = Edge::proxy(&shared, surface, is_local, &server.configuration);
        let cap = Cap::new(&proxy, &shared, Some(&bound.listener));
        let mut door = bound.serve(cap, open.subscribe());
        // The supervisor asks the first one.
        if let Some(post) = supervisor_calls.take() {
            let (socket, path) = post.door().map_err(|why| anyhow!(why))?;
            door = door.with_private(socket, &path);
            server.add_service(check_door(post, &proxy, &shared)?);
        }
        server.add_service(door);
    }
    if let Some(simulated) = simulated {
        let simulated = Simulated::new(simulated);
        server.add_service(background_service("simulated", simulated));
    }
    server.add_service(background_service("probes", health_checks(&shared)));
    server.add_service(background_service("books", Books(Arc::clone(&shared))));
    let tokens = Tokens(Arc::clone(&shared));
    server.add_service(background_service("tokens", tokens));
    let warm = Warm {
        shared: Arc::clone(&shared),
    };
    server.add_service(background_service("vocabularies", warm));
    let traces = TraceExporter::new(Arc::clone(&shared));
    server.add_service(background_service("traces", traces));
    let hangup = Hangup::new(Arc::clone(&shared), logs.clone(), signal);
    server.add_service(background_service("hangup", hangup));
    let watch = Watch {
        live: Arc::clone(&live),
        reloader,
    };
    server.add_service(background_service("watch", watch));
    server.add_service(background_service(
        "drain",
        Drain {
            shared: Arc::clone(&shared),
            logs: logs.clone(),
            post: supervisor.cloned(),
            files: Mutex::new(files),
        },
    ));
    Ok(Prepared {
        server,
        logs,
        shared,
        post: supervisor.cloned(),
        open,
        snapshot: live.current(),
        listening,
    })
}

impl Prepared {
    /// Serves until a signal ends it, and calls `announce` when it begins to.
    pub fn run(mut self, announce: Announce) {
        let lost = Arc::new(Notify::new());
        let signals = Signals {
            closing: Arc::clone(&self.shared.closing),
            lost: Arc::clone(&lost),
        };
        if let Some(post) = self.post {
            let supervised = Supervised {
                post,
                shared: self.shared,
                open: self.open,
                lost,
                announce: Mutex::new(Some(announce)),
            };
            let supervised = background_service("supervised", supervised);
            self.server.add_service(supervised);
        } else {
            announce();
            self.open.send_replace(true);
        }
        self.server.run(RunArgs {
            shutdown_signal: Box::new(signals),
        });
        self.logs.flush();
    }
}

/// Answers the supervisor before the doors are open.
fn check_door(
    post: &Post,
    proxy: &Arc<HttpProxy<Edge>>,
    shared: &Arc<Shared>,
) -> anyhow::Result<Door> {
    let (socket, path) = post.check().map_err(|why| anyhow!(why))?;
    let at_once = watch::Sender::new(true).subscribe();
    let door = Door::shut("check", Cap::new(proxy, shared, None), at_once);
    Ok(door.with_private(socket, &path))
}

fn server_conf(config: &Config) -> ServerConf {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ServerConf {
        threads: config.settings.threads.unwrap_or(cores),
        grace_period_seconds: Some(GRACE_SECONDS),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}
