//! OpenAI Responses, `POST /v1/responses`.

mod assemble;
mod decode;
mod encode;
mod inbound;
mod items;
mod outbound;
mod profile;

pub use assemble::Assemble;
pub use decode::Decode;
pub use encode::{Encode, PING, error_event};
pub use inbound::inbound;
pub use outbound::outbound;
pub use profile::Profile;
