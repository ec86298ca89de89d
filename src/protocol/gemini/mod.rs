//! Gemini, `generateContent`; upstream only.

mod count;
mod decode;
mod outbound;
mod profile;

pub use count::{count_tokens_body, counted};
pub use decode::Decode;
pub use outbound::outbound;
pub use profile::Profile;
