//! How it is said: wire formats and the translation between them. Pure: bytes in, values out; no clock, no I/O, no log.

#![deny(clippy::indexing_slicing)]

pub mod canonical;
pub mod capabilities;
pub mod envelope;
pub mod frame;
pub mod scan;
pub mod sealed;
pub mod splice;
pub mod tap;

pub mod anthropic;
pub mod gemini;
pub mod openai_chat;
pub mod openai_responses;
pub mod profile;
pub mod zed;

pub mod answer;
pub mod errors;
pub mod refused_reasoning;
pub mod translate;
pub mod turns;
pub mod upstream_error;
