//! SIGHUP: the configuration is read again, the log file is opened again.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};

use crate::proxy::Shared;
use crate::telemetry::Logs;

/// Waits for SIGHUP, which would otherwise end the process.
pub struct Hangup {
    /// Knows how to reload.
    pub shared: Arc<Shared>,
    /// Opened again, for log rotation.
    pub logs: Logs,
}

#[async_trait]
impl BackgroundService for Hangup {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            log::error!("SIGHUP cannot be watched: reload with POST /providers/reload");
            return;
        };
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = shutdown.changed() => return,
            }
            self.logs.reopen();
            // The outcome is logged where it happens.
            let _ = self.shared.reload.reload();
        }
    }
}
