//! What must hold for any input.

mod answers;
mod chat_clients;
mod choosing;
mod reshape;
mod responses;
mod responses_client;
