//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

mod answers;
mod anthropic_answers;
mod anthropic_requests;
mod chat_requests;
pub mod contents;
mod counts;
mod gemini;
pub mod items;
mod matrix;
pub mod matrix_requests;
pub mod order;
mod recordings;
mod requests;
mod reshape;
mod responses;
mod responses_client;
pub mod turns;
