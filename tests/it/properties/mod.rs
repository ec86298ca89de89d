//! What must hold for any input.

mod answers;
mod anthropic_requests;
mod chat_clients;
mod gemini;
mod matrix;
mod reshape;
mod responses;
mod responses_client;
