//! How it is said: wire formats and the translation between them. Pure: bytes in, values out; no clock, no I/O, no log.

#![deny(clippy::indexing_slicing)]

pub mod anthropic;
pub mod canonical;
pub mod envelope;
pub mod frame;
pub mod openai_chat;
pub mod translate;
pub mod upstream_error;
