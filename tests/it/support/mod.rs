//! What journeys are made of: the program itself, scripted providers, clients that see every byte.

pub mod answers;
pub mod assembly;
pub mod authority;
pub mod client;
#[cfg(test)]
mod direct;
pub mod egress;
pub mod frames;
pub mod h2c;
pub mod keys;
pub mod otlp;
pub mod proxy;
pub mod script;
pub mod setup;
pub mod terminal;
pub mod tls;
pub mod upstream;
pub mod wire;
pub mod zed;

use std::future::Future;
use std::time::Duration;

/// Nothing in a journey takes this long unless something hangs; it is a net, not a measure.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for `future`, but not for ever: a hang becomes a failure that says what was awaited.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Asks again and again until `check` gives a value, for states that announce themselves to nobody.
pub async fn eventually<T, F>(what: &str, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    soon(what, async {
        loop {
            if let Some(value) = check().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    })
    .await
}
