//! Keeps the tokens of all endpoints fresh, so that no request has to wait for one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::task::JoinSet;

use crate::config::ProviderAuth;
use crate::credential::TokenSource;
use crate::proxy::Shared;
use crate::snapshot::{Endpoint, Snapshot};
use crate::zed::Hosting;

/// How often is looked which tokens end soon, and which endpoints there are.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after the tokens of the configuration in force.
pub struct Tokens(pub Arc<Shared>);

impl Tokens {
    /// Other processes sign accounts in and out, too: an older worker, `pointsman login`.
    async fn look_at_accounts(&self) {
        let live = Arc::clone(&self.0.live);
        if live.current().config.oauth.profiles.is_empty() {
            return;
        }
        let looked = tokio::task::spawn_blocking(move || {
            live.accounts().look();
            live.follow_accounts();
        });
        let _ = looked.await;
    }
}

/// The tokens of an endpoint that are to be kept fresh: where the operator does not want it, or nobody
/// has signed in, there is nothing to do.
fn fresh(snapshot: &Snapshot, endpoint: &Arc<Endpoint>) -> Option<Arc<TokenSource>> {
    let tokens = endpoint.tokens.as_ref()?;
    let waits = endpoint.provider.auth == ProviderAuth::OAuth
        && (!snapshot.config.oauth.auto_refresh || tokens.dead().is_some());
    (!waits).then(|| Arc::clone(tokens))
}

/// Fetches the models that an endpoint hosts, signed in as its requests are.
async fn list_models(endpoint: Arc<Endpoint>, hosting: Arc<Hosting>) {
    let Ok(bearer) = endpoint.bearer().await else {
        // Why there is none is told where it is fetched.
        return hosting.give_up();
    };
    let key = endpoint.keys.for_probe();
    let token = endpoint.secret(key, bearer.as_ref()).cloned();
    hosting.fetch(token).await;
}

#[async_trait]
impl BackgroundService for Tokens {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        // One task each, so that a token endpoint that hangs keeps nobody else's waiting; a source that is being
        // fetched from already is left alone, so they do not pile up.
        let mut fetching = JoinSet::new();
        loop {
            self.look_at_accounts().await;
            let snapshot = self.0.live.current();
            for tokens in snapshot.active().filter_map(|it| fresh(&snapshot, it)) {
                fetching.spawn(async move { tokens.keep_fresh().await });
            }
            for endpoint in snapshot.active() {
                if let Some(hosting) = endpoint.hosting.as_ref().filter(|it| it.begin_fetch()) {
                    fetching.spawn(list_models(Arc::clone(endpoint), Arc::clone(hosting)));
                }
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
