//! What every dialect is translated to and from: close to Anthropic Messages, the richest of them.
//!
//! A request is a value ([`Request`]); an answer is a sequence of [`Event`]s, streamed or not. Same-dialect traffic
//! never comes here: it is forwarded byte for byte.

mod attachments;
mod context;
mod error;
mod event;
mod loss;
mod names;
mod native;
mod outbound;
mod request;

pub use attachments::Attachments;
pub use context::{DecodeContext, EncodeContext};
pub use error::{Problem, TranslateError};
pub use event::{BlockStart, Citation, Event, StopReason, Usage};
pub use loss::{Loss, LossKind, Losses};
pub use names::ToolNames;
pub use native::NativeTool;
pub use outbound::Outbound;
pub use request::{
    Block, CacheAt, CacheBreakpoint, DocumentSource, Effort, Freeform, ImageSource, JsonFormat,
    Message, Request, Role, ServerTool, Thinking, Tool, ToolChoice, ToolResult, ToolResultPart,
    ToolUse,
};
