//! Loads the vocabularies that counting tokens takes before somebody waits for a count: a tenth of a second of work, and
//! 25 to 45 MB of memory, for each. Only for models that no provider counts, so that a gateway to Anthropic alone pays
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::proxy::{Shared, warm};

/// Time after the start in which the first requests have the processor to themselves.
const START: Duration = Duration::from_millis(250);
/// How often is looked whether there is another configuration.
const TICK: Duration = Duration::from_secs(2);

/// Warms up for the configuration in force, and for each that replaces it.
pub struct Warm {
    /// Whose counts are to be fast.
    pub shared: Arc<Shared>,
}

#[async_trait]
impl BackgroundService for Warm {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.keep_warm() => {}
            _ = shutdown.changed() => {}
        }
    }
}

impl Warm {
    async fn keep_warm(&self) {
        tokio::time::sleep(START).await;
        loop {
            let warmed = self.shared.live.current();
            let shared = Arc::clone(&self.shared);
            // Not on this thread: probes and the drain share it.
            let _ = tokio::task::spawn_blocking(move || warm(&shared)).await;
            while Arc::ptr_eq(&warmed, &self.shared.live.current()) {
                tokio::time::sleep(TICK).await;
            }
        }
    }
}
