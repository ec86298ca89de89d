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
    /// A source for the open text block.
    Citation(Box<Citation>),
    /// How likely each token of the open text block was, as far as shown: a JSON array in OpenAI's shape,
    /// `[{token, logprob, bytes, top_logprobs}]`.
    Logprobs(Box<RawValue>),
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
        /// Why the model, or a filter, declined, in the provider's words; with [`StopReason::Refusal`] only.
        explanation: Option<String>,
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
    /// A call of a tool that the provider runs itself; complete at once, no deltas follow.
    ServerToolUse {
        /// Unique within the conversation.
        id: String,
        /// Anthropic's name of the tool, such as `web_search`.
        name: String,
        /// Its arguments: a JSON object.
        input: Box<RawValue>,
    },
    /// What such a tool gave; complete at once.
    ServerToolResult {
        /// Names the call it belongs to.
        tool_use_id: String,
        /// Anthropic's type of the block, such as `web_search_tool_result`.
        kind: String,
        /// Its `content` in Anthropic's shape, such as `[{"type":"web_search_result","url":…,"title":…}]`.
        content: Box<RawValue>,
    },
    /// A block this crate does not know; complete at once, passed along where the target allows it.
    Unknown(Box<RawValue>),
}

/// A source that the model names for its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Citation {
    /// Its address on the web.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The passage that is cited.
    pub cited_text: Option<String>,
    /// The cited document among those of the request, from 0.
    pub document: Option<u64>,
    /// The part of the answer's text that rests on it, in characters of the open block, where the provider tells.
    pub span: Option<(u64, u64)>,
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
