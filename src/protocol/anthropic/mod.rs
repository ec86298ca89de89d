//! Anthropic Messages, `POST /v1/messages`.
//!
//! Reference: <https://docs.anthropic.com/en/api/messages>, seen November 2026.

// What decides where a request goes, and edits in place for providers of the same dialect.
mod foreign_citation;
mod foreign_tools;
mod head;
mod own_blocks;
mod vertex;
// The same for Google Cloud.
mod vertex_spelling;
// Requests on their way to other dialects.
mod blocks;
// Other dialects of clients read their fields in the same way, and write JSON with `text`.
pub(crate) mod field;
mod inbound;
mod tools;
mod typed_tools;
mod wire_request;
// Requests of other dialects on their way to an Anthropic-type provider, and its answers.
mod decode;
mod outbound;
mod profile;
// Answers: watched on their way through, or written from those of other dialects.
mod body;
mod encode;
mod error;
mod tap;
pub(crate) mod text;
// Answers in the other form than asked for: a message as a stream, a stream as a message.
mod raw_object;
mod reassemble;
mod reshape;

pub use body::Assemble;
pub(crate) use body::tool_input;
pub use decode::Decode;
pub(crate) use encode::OutputEstimate;
pub use encode::{Encode, PING};
pub use error::{
    coded_error_body, error_body, error_event, parse_error, status_and_type, translate_error,
    type_for_status,
};
pub(crate) use head::cut_elements;
pub use head::{Answers, HeadError, RequestHead, Rewrite, Thinking};
pub use inbound::{count_tokens, messages};
pub use outbound::outbound;
pub use profile::Profile;
pub use reassemble::Reassemble;
pub use reshape::stream_of;
pub use tap::{BodyTap, StreamTap};
pub use vertex::for_vertex;
pub use vertex_spelling::{count_for_vertex, vertex_model, vertex_version};
