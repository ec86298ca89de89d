//! OpenAI Responses, `POST /v1/responses`.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/responses>, seen November 2026.

// Requests of clients of this dialect, and their answers.
mod assemble;
mod encode;
mod failure_words;
mod inbound;
mod items;
// Requests to providers of this dialect, and their answers.
mod decode;
mod outbound;
mod profile;
mod reassemble;
mod wire_answer;
mod wire_request;

pub use assemble::Assemble;
pub use decode::{Decode, is_under_way};
pub use encode::{Encode, PING, error_event};
pub use failure_words::{opens_a_stream, plain_code, text_for, words_for};
pub use inbound::inbound;
pub use outbound::outbound;
pub use profile::{Profile, WebSearch};
pub use reassemble::Reassemble;
