//! Anthropic Messages.

mod head;

pub use head::{HeadError, RequestHead};
