//! Anthropic Messages, `POST /v1/messages`.
//!
//! Reference: <https://docs.anthropic.com/en/api/messages>, seen November 2026.

mod blocks;
mod field;
mod inbound;
mod tools;
mod typed_tools;
mod wire_request;

pub use inbound::{count_tokens, messages};
