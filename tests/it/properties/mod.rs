//! What must hold for any input.

mod answers;
mod reshape;
mod responses;
mod responses_client;
