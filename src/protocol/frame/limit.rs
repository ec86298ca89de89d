//! Byte limits of what is held in memory of one stream. Strangers' bytes: everything that grows has a bound.

/// One event of a stream, from its first line to the blank line that ends it, in bytes. A longer one breaks the stream.
pub const MAX_EVENT_BYTES: usize = 4 << 20;

/// What one stream may hold back because Anthropic's clients take only one open block at a time: pieces of later
/// tool calls and of text between them, in bytes.
pub const MAX_HELD_BYTES: usize = 4 << 20;

/// Reasoning details that one stream may gather for their way back to the provider, in bytes.
pub const MAX_DETAIL_BYTES: usize = 4 << 20;

/// Addresses and titles of the sources of one text block, which are shown at its end, in bytes.
pub const MAX_CITATION_BYTES: usize = 1 << 20;

/// The name of one tool, which some providers send in pieces, in bytes.
pub const MAX_NAME_BYTES: usize = 64 << 10;

/// Tool calls of one answer.
pub const MAX_TOOL_CALLS: usize = 1024;

/// A whole answer put together from a stream, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Text of one block that is kept to find the passages that sources are named for, in bytes; passages beyond are named
/// without their place.
pub const MAX_SPAN_BYTES: usize = 1 << 20;
