//! Hand-written fixtures against recorded snapshots; made-up requests against the rules.

mod answers;
mod anthropic_upstream;
mod chat_clients;
mod gemini;
pub mod random;
mod requests;
mod responses;
mod responses_client;
mod responses_requests;
