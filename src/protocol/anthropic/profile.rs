//! What one model takes.

use crate::protocol::profile::Overrides;

/// What one model takes.
#[derive(Clone, Debug, Default)]
pub struct Profile {}

impl Profile {
    /// What is known of `model` at `host`.
    pub fn guess(_host: &str, _model: &str) -> Self {
        Profile {}
    }

    /// Over it what the operator declared.
    pub fn with(self, _overrides: &Overrides) -> Self {
        self
    }
}
