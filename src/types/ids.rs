//! Identities: of a request, and of an endpoint.

use std::fmt;
use std::sync::Arc;

/// Length of the random part of a [`RequestId`].
const REQUEST_ID_CHARS: usize = 24;

/// Identifies one client request in answers, logs and traces: `req_` and 24 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new random id.
    pub fn random() -> Self {
        let mut text = String::with_capacity(4 + REQUEST_ID_CHARS);
        text.push_str("req_");
        text.extend(std::iter::repeat_with(fastrand::alphanumeric).take(REQUEST_ID_CHARS));
        RequestId(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies an endpoint (one base URL with its credentials) for as long as its name stays in the configuration:
/// the provider's name, followed by `#account` where several accounts share it. State such as health hangs on it
/// across reloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// The endpoint of `provider`, or of one `account` of it.
    pub fn new(provider: &str, account: Option<&str>) -> Self {
        EndpointId(match account {
            Some(account) => format!("{provider}#{account}").into(),
            None => provider.into(),
        })
    }

    /// The id as text, as logs and `/providers` show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
