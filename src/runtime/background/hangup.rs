//! SIGHUP: the configuration is read again, the log file is opened again.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::Signal;

use crate::proxy::Shared;
use crate::telemetry::Logs;

/// Waits for SIGHUP.
pub struct Hangup {
    shared: Arc<Shared>,
    logs: Logs,
    signal: Mutex<Option<Signal>>,
}

impl Hangup {
    /// Reloads `shared` and opens `logs` again, for log rotation, whenever `signal` comes.
    pub fn new(shared: Arc<Shared>, logs: Logs, signal: Signal) -> Self {
        Hangup {
            shared,
            logs,
            signal: Mutex::new(Some(signal)),
        }
    }
}

#[async_trait]
impl BackgroundService for Hangup {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let taken = self.signal.lock().take();
        let Some(mut hangup) = taken else {
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
