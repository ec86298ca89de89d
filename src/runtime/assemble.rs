//! From a configuration to a process that serves it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;

use super::background::{Drain, Hangup, Simulated, Tokens, Warm, Watch, health_checks};
use super::listener::Bound;
use super::reload::Reloader;
use super::signals::{Signals, listen_for_hangup};
use crate::config::{Config, LoadOptions, Source};
use crate::demo;
use crate::proxy::{Cap, Edge, Shared, Surface};
use crate::snapshot::{Live, Snapshot};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Logs};

/// Beyond the drain timeout: Pingora's grace period must never be what ends the process.
const GRACE_SECONDS: u64 = 365 * 24 * 3600;

/// A process that is ready to serve.
pub struct Prepared {
    server: Server,
    logs: Logs,
    /// The configuration in force.
    pub snapshot: Arc<Snapshot>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it is administered, if elsewhere.
    pub admin: Option<SocketAddr>,
}

/// Binds addresses and builds everything; nothing is served yet.
pub fn prepare(config: Config, options: LoadOptions) -> anyhow::Result<Prepared> {
    let signal = listen_for_hangup().context("cannot watch SIGHUP")?;
    let logs = telemetry::init(&config.settings.log).context("cannot set up logging")?;
    let main = Bound::bind(&config.settings.host, config.settings.port)?;
    let admin = config.admin.listen.as_deref().map(bind_admin).transpose()?;
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
    let reloader = Reloader::new(Arc::clone(&live), options, addresses, !main.is_loopback());
    let reloader = Arc::new(reloader);
    let shared = Shared::new(
        Arc::clone(&live),
        Arc::clone(&reloader) as _,
        Metrics::new().context("cannot set up metrics")?,
    );
    let addresses = (main.address(), admin.as_ref().map(Bound::address));

    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let surface = if admin.is_some() {
        Surface::Traffic
    } else {
        Surface::All
    };
    let doors = [
        ("edge", Some(main), surface),
        ("admin", admin, Surface::Admin),
    ];
    for (name, bound, surface) in doors {
        let Some(bound) = bound else { continue };
        let proxy = Edge::proxy(&shared, surface, bound.is_loopback(), &server.configuration);
        server.add_service(bound.serve(name, Cap::new(&proxy, &shared)));
    }
    if let Some(simulated) = simulated {
        let simulated = Simulated::new(simulated);
        server.add_service(background_service("simulated", simulated));
    }
    server.add_service(background_service("probes", health_checks(&shared)));
    let tokens = Tokens(Arc::clone(&shared));
    server.add_service(background_service("tokens", tokens));
    let warm = Warm {
        shared: Arc::clone(&shared),
    };
    server.add_service(background_service("vocabularies", warm));
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
            shared,
            logs: logs.clone(),
        },
    ));
    let (address, admin) = addresses;
    Ok(Prepared {
        server,
        logs,
        snapshot: live.current(),
        address,
        admin,
    })
}

impl Prepared {
    /// Serves until a signal ends it.
    pub fn run(self) {
        self.server.run(RunArgs {
            shutdown_signal: Box::new(Signals),
        });
        self.logs.flush();
    }
}

fn bind_admin(listen: &str) -> anyhow::Result<Bound> {
    let (host, port) = listen
        .rsplit_once(':')
        .context("admin.listen: write host:port")?;
    let port = port
        .parse()
        .context("admin.listen: the port is not a number")?;
    Bound::bind(host, port)
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
