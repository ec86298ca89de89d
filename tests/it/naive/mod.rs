//! Readers that share no code with the crate, to judge what it writes.

pub mod anthropic;
pub mod assembly;
pub mod clients;
pub mod gemini;
pub mod openai;
pub mod responses;
pub mod responses_client;
