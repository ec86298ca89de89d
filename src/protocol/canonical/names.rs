//! Tool names that a provider would refuse, mapped to ones it accepts and back.

use std::collections::HashMap;

/// The names that were changed on the way out, so that answers can name the client's tools again.
#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    original: HashMap<String, String>,
}

impl ToolNames {
    /// Remembers that `sent` stands for the client's `original`.
    pub fn insert(&mut self, sent: String, original: String) {
        self.original.insert(sent, original);
    }

    /// The client's name of the tool that the provider calls `sent`.
    pub fn restore<'a>(&'a self, sent: &'a str) -> &'a str {
        self.original.get(sent).map_or(sent, String::as_str)
    }

    /// Whether `sent` already stands for something.
    pub fn contains(&self, sent: &str) -> bool {
        self.original.contains_key(sent)
    }
}
