//! What must hold for any input.

mod answers;
mod chat_clients;
mod reshape;
mod responses;
mod responses_client;
