//! What must hold for any input.

mod answers;
mod anthropic_requests;
mod reshape;
