//! Gemini, `generateContent` and `streamGenerateContent`; upstream only.
//!
//! Reference: <https://ai.google.dev/api/generate-content>, seen November 2026. The model and whether the answer is
//! streamed stand in the address of a call, which the proxy makes; the body is the same for both.

// Requests.
mod content;
mod conversation;
mod count;
mod generation;
mod guess;
mod names;
mod outbound;
mod profile;
#[cfg(test)]
mod sample;
mod schema;
mod thinking;
mod tools;
mod wire_request;
// Answers.
mod blocks;
mod decode;
mod error;
mod fence;
mod finish;
mod grounding;
mod logprobs;
mod partial;
mod usage;
mod wire_answer;

pub use count::{count_tokens_body, counted};
pub use decode::Decode;
pub use error::{is_error, parse_error};
pub use outbound::outbound;
pub use profile::{BuiltIns, Profile, Thinks};
