//! Keeps the tokens of all endpoints fresh, so that no request has to wait for one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::task::JoinSet;

use crate::proxy::Shared;

/// How often is looked which tokens end soon, and which endpoints there are.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after the tokens of the configuration in force.
pub struct Tokens(pub Arc<Shared>);

#[async_trait]
impl BackgroundService for Tokens {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        // One task each, so that a token endpoint that hangs keeps nobody else's waiting; a source that is being
        // fetched from already is left alone, so they do not pile up.
        let mut fetching = JoinSet::new();
        loop {
            let snapshot = self.0.live.current();
            for tokens in snapshot.active().filter_map(|it| it.tokens.clone()) {
                fetching.spawn(async move { tokens.keep_fresh().await });
            }
            drop(snapshot);
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = shutdown.changed() => return,
            }
            while fetching.try_join_next().is_some() {}
        }
    }
}
