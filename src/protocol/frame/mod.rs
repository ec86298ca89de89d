//! How events are cut out of a stream of bytes, and how they are written into one.

pub mod limit;
mod sse;

pub use sse::{Frame, FrameTooLarge, SseDecoder, write_comment, write_frame};
