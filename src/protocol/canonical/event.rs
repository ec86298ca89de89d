//! An answer as a sequence of events.
//!
//! Grammar, which every decoder guarantees and every encoder relies on:
//! `Start (BlockStart delta* BlockStop)* Finish`, with at most one block open at any time and exactly one `Finish`.
//! A stream that breaks ends without `Finish`; the break itself is the decoder's error, not an event.

use serde_json::value::RawValue;

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's own id of the answer, if it gave one.
        id: Option<String>,
        /// The model that the provider says it used.
        model: Option<String>,
    },
    /// A block opens. Blocks are numbered from 0 in the order they open.
    BlockStart(BlockStart),
    /// Text of the open text block. Never empty.
    Text(String),
    /// Text of the open thinking block. Never empty.
    Thinking(String),
    /// Signature of the open thinking block; at most one, last before its stop.
    Signature(String),
    /// A piece of the open tool call's arguments: raw JSON text, cut anywhere, numbers and key order untouched.
    ToolArguments(String),
    /// The open block closes.
    BlockStop,
    /// The answer is complete.
    Finish {
        /// Why it ended.
        stop: StopReason,
        /// The stop sequence that was met, where the provider tells.
        stop_sequence: Option<String>,
        /// Tokens as the provider counted them; `None` when it did not.
        usage: Option<Usage>,
    },
}

/// What kind of block opens.
#[derive(Clone, Debug)]
pub enum BlockStart {
    /// Words for the reader.
    Text,
    /// The model's reasoning.
    Thinking,
    /// Reasoning as an opaque value; complete at once, no deltas follow.
    RedactedThinking {
        /// The opaque value.
        data: String,
    },
    /// A call of a tool.
    ToolUse {
        /// Unique within the conversation, in Anthropic's charset `[a-zA-Z0-9_-]`.
        id: String,
        /// The tool's name as the client declared it.
        name: String,
    },
    /// A block this crate does not know; complete at once, passed along where the target allows it.
    Unknown(Box<RawValue>),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// The limit of output tokens.
    MaxTokens,
    /// A stop sequence.
    StopSequence,
    /// The model waits for tool results.
    ToolUse,
    /// A server tool paused the turn.
    PauseTurn,
    /// The model, or a filter, declined.
    Refusal,
    /// The context window is full.
    ContextWindowExceeded,
}

impl StopReason {
    /// Anthropic's word for it.
    pub fn as_anthropic(self) -> &'static str {
        match self {
            StopReason::EndTurn => "end_turn",
            StopReason::MaxTokens => "max_tokens",
            StopReason::StopSequence => "stop_sequence",
            StopReason::ToolUse => "tool_use",
            StopReason::PauseTurn => "pause_turn",
            StopReason::Refusal => "refusal",
            StopReason::ContextWindowExceeded => "model_context_window_exceeded",
        }
    }
}

/// Tokens of one answer. The whole prompt is `input + cache_read + cache_creation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_creation: u64,
    /// Output tokens, thinking included.
    pub output: u64,
    /// The part of `output` that was thinking, where the provider tells.
    pub thinking: Option<u64>,
}

impl Usage {
    /// All tokens of the prompt.
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_creation)
    }
}
