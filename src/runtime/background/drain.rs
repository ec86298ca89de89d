//! The end of the process: no new work, every stream to its end, then out.
//!
//! Pingora waits for its whole grace period, even with nothing to wait for, and cuts every stream at its end. This
//! ends the process as soon as the last request has.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

use crate::proxy::Shared;
use crate::telemetry::Logs;

/// How often is looked whether the last request has ended.
const LOOK: Duration = Duration::from_millis(50);
/// Time without a request before the end, for the last bytes to leave.
const LAST_BYTES: Duration = Duration::from_millis(200);

/// Waits for the shutdown and then for the last request.
pub struct Drain {
    /// What is under way.
    pub shared: Arc<Shared>,
    /// Flushed before the end.
    pub logs: Logs,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        while !*shutdown.borrow() {
            if shutdown.changed().await.is_err() {
                break;
            }
        }
        // Before anybody can read that it drains: a signal that answers the line below must not be lost.
        let insisted = second_signal();
        self.shared.draining.store(true, Ordering::Relaxed);
        let limit = self.shared.live.current().config.settings.drain_timeout;
        let (begun, under_way) = (
            Instant::now(),
            self.shared.in_flight.load(Ordering::Relaxed),
        );
        log::info!(
            "stopping: {under_way} requests are under way, given at most {} s",
            limit.as_secs()
        );
        tokio::select! {
            () = self.last_request(begun, limit) => {}
            () = insisted => {
                log::warn!("stopping at once, as asked by a second signal");
                tokio::time::sleep(LAST_BYTES).await;
            }
        }
        log::info!("stopped after {:.1} s", begun.elapsed().as_secs_f64());
        self.logs.flush();
        #[expect(
            clippy::disallowed_methods,
            reason = "the drain decides when the process may end"
        )]
        std::process::exit(0)
    }
}

impl Drain {
    async fn last_request(&self, begun: Instant, limit: Duration) {
        // A connection that was idle may bring one more request: the end comes when none has for a moment.
        let mut quiet = Duration::ZERO;
        while quiet < LAST_BYTES {
            if 0 < self.shared.in_flight.load(Ordering::Relaxed) {
                quiet = Duration::ZERO;
                if limit <= begun.elapsed() {
                    log::warn!("requests are cut: the drain timeout has passed");
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
            quiet += LOOK;
        }
    }
}

/// Listens from the call on, not from the first poll.
fn second_signal() -> impl Future<Output = ()> {
    let watched = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = watched else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
