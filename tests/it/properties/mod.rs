//! What must hold for any input.

mod answers;
mod anthropic_requests;
mod chat_clients;
mod choosing;
mod gemini;
mod matrix;
mod reshape;
mod responses;
mod responses_client;
