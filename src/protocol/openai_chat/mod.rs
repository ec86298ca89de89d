//! OpenAI Chat Completions, `POST /v1/chat/completions`, and the many providers compatible with it.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/chat>, seen November 2026.

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

pub use outbound::{Outbound, outbound};
pub use profile::{
    CacheMarks, EffortScale, Family, IdStyle, JsonAnswers, MidSystem, Overrides, Prefill, Profile,
    Reasoning, Replay, UserField,
};
