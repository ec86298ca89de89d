//! Model names, of which there are two kinds that must not mix.

use std::fmt;
use std::sync::Arc;

/// A model as the client asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName(Arc<str>);

/// A model as it is sent to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamModel(Arc<str>);

impl ModelName {
    /// Takes the client's word for it; limits are checked where the request is read.
    pub fn new(name: &str) -> Self {
        ModelName(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same name sent on unchanged (`model: passthrough` in a route).
    pub fn passed_through(&self) -> UpstreamModel {
        UpstreamModel(Arc::clone(&self.0))
    }
}

impl UpstreamModel {
    /// A name from a route.
    pub fn new(name: &str) -> Self {
        UpstreamModel(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UpstreamModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
