//! Active health checks, on Pingora's load-balancing crate: it knows the endpoints, runs the checks side by side and
//! tells when a verdict changes. The choosing is ours; only the health half of the crate is used.
//!
//! A backend there is an address and a weight, so each endpoint gets a made-up Unix address with its name. One tick
//! serves all: an endpoint whose interval has not passed keeps its verdict.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::net::SocketAddr as UnixAddress;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::lb::health_check::HealthCheck;
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, BackendView, HealthCheckService, HealthRegistry, LoadBalancer};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use pingora::{Error, ErrorType, Result};

use crate::config::ProbeAsk;
use crate::proxy::{Finding, Shared, probe};
use crate::snapshot::{Endpoint, Live};
use crate::types::EndpointId;

/// How often is looked which checks are due, and which endpoints there are.
const TICK: Duration = Duration::from_secs(1);
/// Failures in a row that make an idle endpoint unhealthy.
const FAILURES: u32 = 2;

/// What is asked of an endpoint, and how often.
struct Wanted {
    interval: Duration,
    ask: ProbeAsk,
    /// Whether the answer says how the endpoint fares. If not, it is only about refused keys.
    is_verdict: bool,
}

/// The probe that is configured; without one, a look now and then at keys that were refused. Vendors' sign-in has its
/// outages, too, and nobody should have to reload because of one.
fn wanted(endpoint: &Endpoint, key_recheck: Duration) -> Option<Wanted> {
    if let Some(probe) = &endpoint.provider.probe {
        return Some(Wanted {
            interval: probe.interval,
            ask: probe.ask.clone(),
            is_verdict: true,
        });
    }
    if key_recheck.is_zero() || !endpoint.keys.any_benched() {
        return None;
    }
    Some(Wanted {
        interval: key_recheck,
        ask: ProbeAsk::Path(endpoint.target.models.clone()?),
        is_verdict: false,
    })
}

/// The service that runs all probes.
pub fn health_checks(shared: &Arc<Shared>) -> HealthChecks {
    let registry = Arc::new(HealthRegistry::new());
    let probes = Probes {
        shared: Arc::clone(shared),
        last: Mutex::new(HashMap::new()),
    };
    registry.set_health_check(Box::new(probes));
    let mut service = HealthCheckService::new(Arc::clone(&registry));
    service.health_check_frequency = Some(TICK);
    service.parallel_health_check = true;
    let known = Box::new(Known(Arc::clone(&shared.live)));
    let endpoints =
        LoadBalancer::from_backends(BackendView::new_with_health_registry(known, registry));
    HealthChecks { service, endpoints }
}

/// Keeps the list of endpoints up to date and runs their probes.
pub struct HealthChecks {
    service: HealthCheckService,
    endpoints: LoadBalancer<RoundRobin>,
}

#[async_trait]
impl BackgroundService for HealthChecks {
    async fn start(&self, shutdown: ShutdownWatch) {
        let mut ended = shutdown.clone();
        let membership = async {
            loop {
                if self.endpoints.update().await.is_err() {
                    log::warn!("the list of endpoints to probe could not be brought up to date");
                }
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    _ = ended.changed() => return,
                }
            }
        };
        tokio::join!(membership, self.service.start(shutdown));
    }
}

/// The endpoints of the configuration in force that want probing.
struct Known(Arc<Live>);

#[async_trait]
impl ServiceDiscovery for Known {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let snapshot = self.0.current();
        let recheck = snapshot.config.settings.key_recheck;
        let probed = snapshot
            .active()
            .filter(|endpoint| wanted(endpoint, recheck).is_some());
        Ok((
            probed
                .filter_map(|endpoint| backend(endpoint.id()))
                .collect(),
            HashMap::new(),
        ))
    }
}

fn backend(id: &EndpointId) -> Option<Backend> {
    let address = UnixAddress::from_pathname(format!("/endpoint/{id}")).ok()?;
    let mut backend = Backend {
        addr: SocketAddr::Unix(address),
        weight: 1,
        ext: http::Extensions::new(),
    };
    backend.ext.insert(id.clone());
    Some(backend)
}

struct Probes {
    shared: Arc<Shared>,
    /// When each endpoint was last probed, and how many probes have failed in a row since.
    last: Mutex<HashMap<EndpointId, (Instant, u32)>>,
}

impl Probes {
    fn endpoint(&self, backend: &Backend) -> Option<(Arc<Endpoint>, Wanted)> {
        let id = backend.ext.get::<EndpointId>()?;
        let snapshot = self.shared.live.current();
        let endpoint = snapshot.active().find(|endpoint| endpoint.id() == id)?;
        let wanted = wanted(endpoint, snapshot.config.settings.key_recheck)?;
        Some((Arc::clone(endpoint), wanted))
    }

    /// Looks at the refused keys of an endpoint without a probe; first a whole interval after they were refused.
    async fn recheck(&self, endpoint: &Arc<Endpoint>, wanted: &Wanted) {
        let is_new = !self.last.lock().contains_key(endpoint.id());
        if is_new || self.fresh(endpoint.id(), wanted.interval).is_some() {
            if is_new {
                self.remember(endpoint.id(), true);
            }
            return;
        }
        if let Finding::SignedIn(Some(key)) = probe(&self.shared, endpoint, &wanted.ask).await {
            endpoint.keys.unbench(key);
            let masked = endpoint.keys.masked(key);
            log::info!("provider {} takes key {masked} again", endpoint.id());
        }
        self.remember(endpoint.id(), true);
    }

    /// Failed probes in a row, if the last one is still fresh.
    fn fresh(&self, id: &EndpointId, interval: Duration) -> Option<u32> {
        let last = self.last.lock();
        let (at, failures) = last.get(id)?;
        (at.elapsed() < interval).then_some(*failures)
    }

    /// Takes down how a probe went; the same as [`Probes::fresh`] afterwards.
    fn remember(&self, id: &EndpointId, alive: bool) -> u32 {
        let snapshot = self.shared.live.current();
        let recheck = snapshot.config.settings.key_recheck;
        let is_probed = |known: &EndpointId| {
            let mut active = snapshot.active();
            active.any(|it| it.id() == known && wanted(it, recheck).is_some())
        };
        let mut last = self.last.lock();
        last.retain(|known, _| is_probed(known));
        let (at, failures) = last.entry(id.clone()).or_insert((Instant::now(), 0));
        *at = Instant::now();
        *failures = if alive { 0 } else { failures.saturating_add(1) };
        *failures
    }
}

#[async_trait]
impl HealthCheck for Probes {
    async fn check(&self, target: &Backend) -> Result<()> {
        let Some((endpoint, wanted)) = self.endpoint(target) else {
            return Ok(());
        };
        if !wanted.is_verdict {
            self.recheck(&endpoint, &wanted).await;
            return Ok(());
        }
        let failures = if let Some(failures) = self.fresh(endpoint.id(), wanted.interval) {
            failures
        } else {
            let finding = probe(&self.shared, &endpoint, &wanted.ask).await;
            let alive = finding != Finding::Dead;
            if let Finding::SignedIn(Some(key)) = finding {
                endpoint.keys.unbench(key);
            }
            if alive {
                endpoint.health.probed(Instant::now(), true);
            }
            self.remember(endpoint.id(), alive)
        };
        if failures < FAILURES {
            Ok(())
        } else {
            Error::e_explain(ErrorType::ConnectError, "the probe failed")
        }
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let Some((endpoint, wanted)) = self.endpoint(target) else {
            return;
        };
        if !wanted.is_verdict {
            return;
        }
        if healthy {
            log::info!("provider {} answers its probe again", endpoint.id());
            return;
        }
        log::warn!("provider {} does not answer its probe", endpoint.id());
        if let Some(cooldown) = endpoint.health.probed(Instant::now(), false) {
            log::warn!(
                "provider {} marked unhealthy for {} s",
                endpoint.id(),
                cooldown.as_secs_f64()
            );
        }
    }

    /// Failures are counted by probe here, because the service asks every tick.
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}
