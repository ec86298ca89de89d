//! Signals: SIGTERM and SIGQUIT drain, SIGINT ends at once; SIGUSR2 is for a supervisor and explained.
//!
//! Pingora would hand its sockets to a successor on SIGQUIT and stop serving although there is none, and cut every
//! stream on SIGINT.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::proxy::Closing;

/// Listens for SIGHUP from now on, before anybody can know that the process is there: unhandled it ends the process,
/// and one that comes before the services run must not be lost.
pub fn listen_for_hangup() -> anyhow::Result<Signal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _entered = runtime.enter();
    // The listener outlives this runtime: signals reach it through whichever runtime is there.
    Ok(signal(SignalKind::hangup())?)
}

/// Watches for the end.
pub struct Signals {
    /// How far it has come.
    pub closing: Arc<Closing>,
    /// Rings when there is no supervisor any more.
    pub lost: Arc<Notify>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let watched = (
            signal(SignalKind::terminate()),
            signal(SignalKind::quit()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::user_defined2()),
        );
        let (Ok(mut terminate), Ok(mut quit), Ok(mut interrupt), Ok(mut upgrade)) = watched else {
            log::error!("signals cannot be watched: the process can only be killed");
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = quit.recv() => break,
                () = self.lost.notified() => break,
                _ = interrupt.recv() => {
                    self.closing.hurry();
                    break;
                }
                _ = upgrade.recv() => log::warn!(
                    "SIGUSR2 asks for an upgrade: that is for the supervisor, started with `pointsman run --supervise`"
                ),
            }
        }
        ShutdownSignal::GracefulTerminate
    }
}
