//! The configuration's files: when one of them was changed, the configuration is read again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::proxy::Reload;
use crate::runtime::reload::Reloader;
use crate::snapshot::Live;

/// How often it is asked whether watching has been turned on.
const OFF: Duration = Duration::from_secs(5);

/// Looks at the files every `watch_config`.
pub struct Watch {
    /// Says how often.
    pub live: Arc<Live>,
    /// Reads again.
    pub reloader: Arc<Reloader>,
}

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut last_look = None;
        loop {
            let every = self.live.current().config.settings.watch_config;
            let pause = if every.is_zero() { OFF } else { every };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = shutdown.changed() => return,
            }
            if every.is_zero() {
                continue;
            }
            // A file is read once it has looked the same twice: whoever writes it may not be done.
            let look = self.reloader.changed();
            if look.is_some() && look == last_look {
                // The outcome is logged where it happens.
                let _ = self.reloader.reload();
            }
            last_look = look;
        }
    }
}
