//! Gemini, `generateContent`; upstream only.

mod decode;
mod outbound;
mod profile;

pub use decode::Decode;
pub use outbound::outbound;
pub use profile::Profile;
