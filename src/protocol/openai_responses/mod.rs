//! OpenAI Responses, `POST /v1/responses`.

mod assemble;
mod decode;
mod encode;
mod inbound;
mod outbound;
mod profile;
mod wire_answer;
mod wire_request;

pub use assemble::Assemble;
pub use decode::Decode;
pub use encode::Encode;
pub use inbound::inbound;
pub use outbound::outbound;
pub use profile::Profile;
