//! Signals: SIGTERM and SIGQUIT drain, SIGINT ends at once.
//!
//! Pingora would hand its sockets to a successor on SIGQUIT and stop serving although there is none.

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
pub struct Signals;

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let watched = (
            signal(SignalKind::terminate()),
            signal(SignalKind::quit()),
            signal(SignalKind::interrupt()),
        );
        let (Ok(mut terminate), Ok(mut quit), Ok(mut interrupt)) = watched else {
            log::error!("signals cannot be watched: the process can only be killed");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => ShutdownSignal::GracefulTerminate,
            _ = quit.recv() => ShutdownSignal::GracefulTerminate,
            _ = interrupt.recv() => ShutdownSignal::FastShutdown,
        }
    }
}
