//! The simulated providers of the demo: they answer as long as the process lives, through a drain as well.

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::demo::Providers;

/// Holds the sockets until the runtime is there.
pub struct Simulated(Mutex<Option<Providers>>);

impl Simulated {
    /// For sockets that are bound already.
    pub fn new(providers: Providers) -> Self {
        Simulated(Mutex::new(Some(providers)))
    }
}

#[async_trait]
impl BackgroundService for Simulated {
    async fn start(&self, _: ShutdownWatch) {
        let Some(providers) = self.0.lock().take() else {
            return;
        };
        if let Err(error) = providers.serve(std::future::pending()).await {
            log::error!("the simulated providers cannot answer: {error}");
        }
    }
}
