//! OpenAI Chat Completions (`POST /v1/chat/completions`) and the many providers compatible with it.

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

pub use decode::{Decode, DecodeContext};
pub use error::{error_body, error_event, parse_error, status_and_type};
