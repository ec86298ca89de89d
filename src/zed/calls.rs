//! Calls of our own to the service. Who carries them is not known here.

use async_trait::async_trait;
use bytes::Bytes;

use crate::types::Secret;

/// One call.
pub struct Ask {
    /// Path, complete.
    pub path: String,
    /// Headers; values may be credentials.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body of a `POST`; `None` is a `GET`.
    pub body: Option<String>,
}

/// A whole answer; redirects are not followed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// Carries calls; the error is fit for logs.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Makes a call and gives its whole answer.
    async fn call(&self, ask: Ask) -> Result<Answer, String>;
}
