//! Writes the usage ledger, and learns from it what other processes on the same file have counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::proxy::Shared;

/// How often rows are written: what is lost with the process is no older.
const WRITE: Duration = Duration::from_millis(400);
/// How often is looked what has been spent elsewhere.
const LEARN: Duration = Duration::from_secs(5);

/// Keeps the books of a process.
pub struct Books(pub Arc<Shared>);

#[async_trait]
impl BackgroundService for Books {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let (mut learned, mut known) = (Instant::now(), self.0.live.current());
        loop {
            let current = self.0.live.current();
            // Another configuration may have keys that have spent before.
            let is_news = !Arc::ptr_eq(&known, &current);
            let learns = is_news || LEARN <= learned.elapsed();
            if learns {
                (learned, known) = (Instant::now(), current);
            }
            if known.config.ledger.is_some() {
                let shared = Arc::clone(&self.0);
                let write = move || shared.keep_books(learns);
                if tokio::task::spawn_blocking(write).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(WRITE) => {}
                // Requests go on to their ends; the drain writes the last rows.
                _ = shutdown.changed() => tokio::time::sleep(WRITE).await,
            }
        }
    }
}
