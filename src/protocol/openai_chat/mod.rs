//! OpenAI Chat Completions, `POST /v1/chat/completions`, and the many providers compatible with it.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>, seen November 2026.

// Requests.
mod content;
mod conversation;
mod guess;
mod names;
mod outbound;
mod profile;
mod reasoning;
#[cfg(test)]
mod sample;
mod schema;
mod tools;
mod vendor_blocks;
mod wire_request;
// Requests of clients of this dialect, and their answers.
mod assemble;
mod encode;
mod inbound;
// Answers.
mod blocks;
mod calls;
mod decode;
mod details;
mod error;
mod finish;
mod surrogate;
mod template;
mod think;
mod usage;
mod wire_answer;

pub use assemble::Assemble;
pub use decode::Decode;
pub use encode::Encode;
pub use error::{error_body, error_event, parse_error, status_and_type};
pub use inbound::inbound;
pub use outbound::outbound;
pub use profile::{Family, Profile, Reasoning, Replay};
