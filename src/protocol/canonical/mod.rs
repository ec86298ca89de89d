//! What every dialect is translated to and from: close to Anthropic Messages, the richest of them.
//!
//! A request is a value ([`Request`]); an answer is a sequence of [`Event`]s, streamed or not. Same-dialect traffic
//! never comes here: it is forwarded byte for byte.

mod error;
mod event;
mod loss;
mod names;
mod request;

pub use error::{Problem, TranslateError};
pub use event::{BlockStart, Event, StopReason, Usage};
pub use loss::{Loss, Losses};
pub use names::ToolNames;
pub use request::{
    Block, CacheAt, CacheBreakpoint, DocumentSource, Effort, ImageSource, JsonFormat, Message,
    Request, Role, ServerTool, Thinking, Tool, ToolChoice, ToolResult, ToolResultPart, ToolUse,
};
