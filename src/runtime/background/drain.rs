//! The end of the process: no new work, every stream to its end, then out.
//!
//! Pingora waits for its whole grace period, even with nothing to wait for, and cuts every stream at its end. This
//! ends the process as soon as the last request has. Requests that nobody waits for any more are not cut: they end with
//! an error in their client's own words.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

use crate::proxy::Shared;
use crate::supervise::{Post, SocketFile};
use crate::telemetry::Logs;

/// How often is looked whether the last request has ended.
const LOOK: Duration = Duration::from_millis(50);
/// Time without a request before the end, for the last bytes to leave.
const LAST_BYTES: Duration = Duration::from_millis(200);
/// Time for connections that were accepted already to bring their first request: it is on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// Longest wait for clients to take the error with which their requests end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Longest wait for a collector to take the last traces, and as long for the disk to take the last bodies.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Waits for the shutdown and then for the last request.
pub struct Drain {
    /// What is under way.
    pub shared: Arc<Shared>,
    /// Flushed before the end.
    pub logs: Logs,
    /// The supervisor, who sends another one in time.
    pub post: Option<Arc<Post>>,
    /// Of Unix sockets, which nobody listens on from then on.
    pub files: Mutex<Vec<SocketFile>>,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.wait_for(|begun| *begun).await.is_err() {
            return;
        }
        // Before anybody can read that it drains: a signal that answers the line below must not be lost.
        let insisted = second_signal();
        self.shared.closing.drain();
        self.files.lock().clear();
        if let Some(post) = &self.post {
            post.leave();
        }
        let limit = self.shared.live.current().config.settings.drain_timeout;
        let begun = Instant::now();
        log::info!(
            "stopping: {} requests are under way, given at most {} s",
            self.under_way(),
            limit.as_secs()
        );
        let cause = tokio::select! { biased;
            () = self.last_request() => None,
            () = insisted => Some("as asked by a second signal"),
            () = self.shared.closing.hurried() => Some("as asked"),
            () = tokio::time::sleep(limit) => Some("because the drain timeout has passed"),
        };
        if let Some(cause) = cause {
            self.hurry(cause).await;
        }
        self.shared.close_books();
        self.shared.told(LAST_REPORTS).await;
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
    fn under_way(&self) -> usize {
        // A refresh that is cut would lose the token that it has used up.
        let refreshes = self.shared.live.accounts().under_way();
        self.shared.in_flight.load(Ordering::Relaxed) + refreshes
    }

    /// Ends what is under way.
    async fn hurry(&self, cause: &str) {
        let under_way = self.under_way();
        log::warn!("stopping at once, {cause}: {under_way} requests end with an error");
        self.shared.closing.hurry();
        let _ = tokio::time::timeout(LAST_WORDS, self.last_request()).await;
    }

    async fn last_request(&self) {
        // A connection that was idle may bring one more request: the end comes when none has for a moment.
        let (begun, mut quiet) = (Instant::now(), Duration::ZERO);
        while quiet < LAST_BYTES {
            let expects = 0 < self.shared.closing.fresh() && begun.elapsed() < FIRST_REQUEST;
            if expects || 0 < self.under_way() {
                quiet = Duration::ZERO;
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
