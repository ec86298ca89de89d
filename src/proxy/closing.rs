//! The end of the process as its requests meet it: first no connection is kept, then nobody is waited for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::error::{Fault, FaultKind};

/// How far the end has come. It only ever comes closer.
#[derive(Debug)]
pub struct Closing {
    draining: AtomicBool,
    hurried: watch::Sender<bool>,
    /// Connections whose first request is still to come.
    fresh: AtomicUsize,
}

/// A connection whose first request is still to come.
pub struct Fresh<'c>(&'c AtomicUsize);

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Closing {
    fn default() -> Self {
        Closing {
            draining: AtomicBool::new(false),
            hurried: watch::Sender::new(false),
            fresh: AtomicUsize::new(0),
        }
    }
}

impl Closing {
    /// From now on every answer closes its connection, and `/readyz` says so.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on requests under way are ended, in words that their clients understand.
    pub fn hurry(&self) {
        self.drain();
        self.hurried.send_replace(true);
    }

    /// Counts a connection for as long as its first request is still to come.
    pub fn expect_request(&self) -> Fresh<'_> {
        self.fresh.fetch_add(1, Ordering::Relaxed);
        Fresh(&self.fresh)
    }

    /// How many connections have yet to bring their first request.
    pub fn fresh(&self) -> usize {
        self.fresh.load(Ordering::Relaxed)
    }

    /// Resolves when nobody is waited for any more.
    pub async fn hurried(&self) {
        let mut watched = self.hurried.subscribe();
        // The sender is here: it cannot be gone.
        let _ = watched.wait_for(|hurried| *hurried).await;
    }
}

/// What requests end with that are not waited for.
pub fn stopped() -> Fault {
    Fault::new(
        FaultKind::Stopping,
        "the gateway is stopping and could not wait for the end of this answer; try again",
    )
}
