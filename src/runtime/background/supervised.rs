//! A supervised process: it says that everything is built, opens its doors when it may, and drains when its supervisor
//! is gone, because nobody would tell it to end otherwise.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::{Notify, watch};

use crate::proxy::Shared;
use crate::supervise::{Opening, Post};

/// Called when the doors are opened.
pub type Announce = Box<dyn FnOnce() + Send>;

/// Listens to the supervisor.
pub struct Supervised {
    /// The way to it.
    pub post: Arc<Post>,
    /// What is served.
    pub shared: Arc<Shared>,
    /// Opens the doors.
    pub open: watch::Sender<bool>,
    /// Rings when the supervisor is gone.
    pub lost: Arc<Notify>,
    /// Tells people.
    pub announce: Mutex<Option<Announce>>,
}

#[async_trait]
impl BackgroundService for Supervised {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let drain = self.shared.live.current().config.settings.drain_timeout;
        let mut news = match self.post.built(drain) {
            Ok(()) => self.post.next().await,
            Err(_) => Opening::Lost,
        };
        if news == Opening::Open {
            let announce = self.announce.lock().take();
            if let Some(announce) = announce {
                announce();
            }
            self.open.send_replace(true);
            news = self.post.next().await;
        }
        if news == Opening::Lost && !*shutdown.borrow_and_update() {
            log::error!(
                "the supervisor is gone: stopping in order, so that another one finds the addresses free"
            );
            self.lost.notify_one();
        }
    }
}
