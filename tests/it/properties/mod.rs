//! What must hold for any input.

mod answers;
mod chat_clients;
mod reshape;
