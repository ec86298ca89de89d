//! OpenAI Chat Completions, `POST /v1/chat/completions`, and the many providers compatible with it.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>, seen November 2026.

// Requests.
pub(crate) mod content;
pub(crate) mod conversation;
pub(crate) mod guess;
pub(crate) mod names;
pub(crate) mod outbound;
mod profile;
pub(crate) mod reasoning;
#[cfg(test)]
mod sample;
pub(crate) mod schema;
pub(crate) mod tools;
pub(crate) mod vendor_blocks;
pub(crate) mod wire_request;
// Requests of clients of this dialect, and their answers.
mod assemble;
mod encode;
mod free_text;
mod inbound;
mod shape;
// Answers.
mod blocks;
pub(crate) mod calls;
pub(crate) mod decode;
mod details;
mod error;
mod finish;
mod sources;
pub(crate) mod surrogate;
mod template;
mod think;
pub(crate) mod usage;
pub(crate) mod wire_answer;

pub use assemble::Assemble;
pub use decode::Decode;
pub use encode::{Encode, PING};
pub(crate) use error::words_for;
pub use error::{error_body, error_event, parse_error, status_and_type, translate_error};
pub use inbound::inbound;
pub use outbound::outbound;
pub use profile::{Family, Profile, Reasoning, Replay};
