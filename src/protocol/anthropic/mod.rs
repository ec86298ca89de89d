//! Anthropic Messages (`POST /v1/messages`).

mod body;
mod encode;
mod error;
mod tap;
mod text;

pub use body::Assemble;
pub use encode::{Encode, EncodeContext, PING};
pub use error::{
    error_body, error_event, parse_error, status_and_type, translate_error, type_for_status,
};
pub use tap::{BodyTap, StreamTap};
