//! Signals: SIGTERM and SIGQUIT drain, SIGINT ends at once.
//!
//! Pingora would hand its sockets to a successor on SIGQUIT and stop serving although there is none.

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};

/// Takes SIGHUP from now on, before anybody can know that the process is there: unhandled it ends the process.
pub fn take_hangup() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _entered = runtime.enter();
    // The handler stays when its listener and the runtime are gone; `background::Hangup` listens later.
    drop(signal(SignalKind::hangup())?);
    Ok(())
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
