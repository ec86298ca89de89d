//! Canonical events to Anthropic's stream of server-sent events.
//!
//! Grammar (<https://platform.claude.com/docs/en/build-with-claude/streaming>, recorded 2026):
//! `message_start (content_block_start content_block_delta* content_block_stop)* message_delta message_stop`, every
//! event with its `event:` line, because the vendor's SDKs skip events without one. One block is open at a time,
//! indexes are dense.
//!
//! Deltas are most of an answer, so their frame is written by hand: all but the text is prepared when a block opens.

use serde_json::value::RawValue;

use crate::protocol::anthropic::foreign_citation;
use crate::protocol::anthropic::text::{push_json_string, push_number, push_single_line};
use crate::protocol::canonical::{BlockStart, Citation, EncodeContext, Event, StopReason, Usage};
use crate::protocol::frame::write_frame;

/// The state of one message.
#[derive(Debug)]
pub struct Encode {
    ctx: EncodeContext,
    state: State,
    next_index: u64,
    /// A delta event of the open block up to where its text begins.
    delta_head: Vec<u8>,
    output: OutputEstimate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `message_start` has not been written.
    Before,
    /// No block is open.
    Between,
    /// A block is open.
    Inside,
    /// `message_stop` has been written.
    After,
}

impl Encode {
    /// An encoder at the start of a message.
    pub fn new(ctx: EncodeContext) -> Self {
        Encode {
            ctx,
            state: State::Before,
            next_index: 0,
            delta_head: Vec::new(),
            output: OutputEstimate::default(),
        }
    }

    /// Appends what one event becomes.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.output.observe(event);
        match event {
            Event::Start { .. } => self.start(out),
            Event::BlockStart(block) => self.block_start(block, out),
            Event::Text(text) | Event::Thinking(text) | Event::ToolArguments(text) => {
                debug_assert_eq!(self.state, State::Inside);
                out.extend_from_slice(&self.delta_head);
                push_json_string(text, out);
                out.extend_from_slice(b"}}\n\n");
            }
            Event::Signature(signature) => {
                debug_assert_eq!(self.state, State::Inside);
                push_delta_head(
                    self.next_index.saturating_sub(1),
                    "signature_delta",
                    "signature",
                    out,
                );
                push_json_string(signature, out);
                out.extend_from_slice(b"}}\n\n");
            }
            Event::Citation(source) => self.citation(source, out),
            // The dialect has none.
            Event::Logprobs(_) => {}
            Event::BlockStop => self.block_stop(out),
            Event::Finish {
                stop,
                stop_sequence,
                explanation,
                usage,
            } => {
                if self.next_index == 0 {
                    // Some clients fail on a stream without any block.
                    self.block_start(&BlockStart::Text, out);
                    self.block_stop(out);
                }
                out.extend_from_slice(
                    b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{",
                );
                push_stop(*stop, stop_sequence.as_deref(), explanation.as_deref(), out);
                self.finish(*usage, out);
            }
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Before);
        self.state = State::Between;
        out.extend_from_slice(
            b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{",
        );
        push_message_head(&self.ctx, out);
        out.extend_from_slice(
            b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":",
        );
        let usage = Usage {
            input: self.ctx.input_estimate,
            ..Usage::default()
        };
        push_usage(&usage, out);
        out.extend_from_slice(b"}}\n\n");
    }

    fn block_start(&mut self, block: &BlockStart, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Between);
        self.state = State::Inside;
        let index = self.next_index;
        self.next_index = index.saturating_add(1);
        out.extend_from_slice(
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        push_number(index, out);
        out.extend_from_slice(b",\"content_block\":");
        push_block_start(block, out);
        out.extend_from_slice(b"}\n\n");
        if let BlockStart::ServerToolUse { input, .. } = block {
            push_delta_head(index, "input_json_delta", "partial_json", out);
            push_json_string(input.get(), out);
            out.extend_from_slice(b"}}\n\n");
        }
        self.delta_head.clear();
        let (kind, field) = match block {
            BlockStart::Text => ("text_delta", "text"),
            BlockStart::Thinking => ("thinking_delta", "thinking"),
            BlockStart::ToolUse { .. } => ("input_json_delta", "partial_json"),
            BlockStart::RedactedThinking { .. }
            | BlockStart::ServerToolUse { .. }
            | BlockStart::ServerToolResult { .. }
            | BlockStart::Unknown(_) => return,
        };
        push_delta_head(index, kind, field, &mut self.delta_head);
    }

    fn citation(&self, source: &Citation, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Inside);
        if source.url.is_some() {
            let index = self.next_index.saturating_sub(1);
            push_delta_head(index, "citations_delta", "citation", out);
            foreign_citation::push(source, out);
            out.extend_from_slice(b"}}\n\n");
        }
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Inside);
        self.state = State::Between;
        out.extend_from_slice(
            b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":",
        );
        push_number(self.next_index.saturating_sub(1), out);
        out.extend_from_slice(b"}\n\n");
    }

    /// Ends `message_delta` behind its stop reason, and the message.
    fn finish(&mut self, usage: Option<Usage>, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Between);
        self.state = State::After;
        let usage = usage.unwrap_or_else(|| self.output.usage(self.ctx.input_estimate));
        out.extend_from_slice(b"},\"usage\":");
        push_usage(&usage, out);
        out.extend_from_slice(b"}\n\n");
        write_frame("message_stop", br#"{"type":"message_stop"}"#, out);
    }
}

/// A sign of life that clients know.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Counts what is shown, for providers that count nothing: four bytes make a token, which does for English and code,
/// and for scripts of three bytes a character as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutputEstimate {
    bytes: u64,
}

impl OutputEstimate {
    /// Looks at one event.
    pub fn observe(&mut self, event: &Event) {
        let text = match event {
            Event::Text(text) | Event::Thinking(text) | Event::ToolArguments(text) => text,
            Event::BlockStart(BlockStart::ToolUse { name, .. }) => name,
            Event::Start { .. }
            | Event::BlockStart(_)
            | Event::Citation(_)
            | Event::Logprobs(_)
            | Event::Signature(_)
            | Event::BlockStop
            | Event::Finish { .. } => return,
        };
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The estimate of the answer.
    pub fn tokens(self) -> u64 {
        self.bytes.div_ceil(4)
    }

    /// The estimate of the whole call.
    pub fn usage(self, input_estimate: u64) -> Usage {
        Usage {
            input: input_estimate,
            output: self.tokens(),
            ..Usage::default()
        }
    }
}

fn push_delta_head(index: u64, kind: &str, field: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
    );
    push_number(index, out);
    out.extend_from_slice(b",\"delta\":{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_block_start(block: &BlockStart, out: &mut Vec<u8>) {
    match block {
        BlockStart::Text => out.extend_from_slice(br#"{"type":"text","text":""}"#),
        BlockStart::Thinking => {
            out.extend_from_slice(br#"{"type":"thinking","thinking":"","signature":""}"#);
        }
        BlockStart::RedactedThinking { data } => push_redacted(data, out),
        BlockStart::ToolUse { id, name } => push_tool_use(id, name, "{}", out),
        BlockStart::ServerToolUse { id, name, .. } => push_server_tool_use(id, name, "{}", out),
        BlockStart::ServerToolResult {
            tool_use_id,
            kind,
            content,
        } => push_server_tool_result(tool_use_id, kind, content, out),
        BlockStart::Unknown(raw) => push_single_line(raw.get(), out),
    }
}

/// `id`, `type`, `role` and `model` of a message, without braces.
pub(crate) fn push_message_head(ctx: &EncodeContext, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"id\":");
    push_json_string(&ctx.message_id, out);
    out.extend_from_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    push_json_string(&ctx.model, out);
}

/// A whole `tool_use` block; `input` is JSON.
pub(crate) fn push_tool_use(id: &str, name: &str, input: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
    push_call(id, name, input, out);
}

/// A whole `server_tool_use` block; `input` is JSON.
pub(crate) fn push_server_tool_use(id: &str, name: &str, input: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"server_tool_use\",\"id\":");
    push_call(id, name, input, out);
}

/// A whole result of a server tool.
pub(crate) fn push_server_tool_result(
    tool_use_id: &str,
    kind: &str,
    content: &RawValue,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"type\":");
    push_json_string(kind, out);
    out.extend_from_slice(b",\"tool_use_id\":");
    push_json_string(tool_use_id, out);
    out.extend_from_slice(b",\"content\":");
    push_single_line(content.get(), out);
    out.push(b'}');
}

fn push_call(id: &str, name: &str, input: &str, out: &mut Vec<u8>) {
    push_json_string(id, out);
    out.extend_from_slice(b",\"name\":");
    push_json_string(name, out);
    out.extend_from_slice(b",\"input\":");
    out.extend_from_slice(input.as_bytes());
    out.push(b'}');
}

/// A whole `redacted_thinking` block.
pub(crate) fn push_redacted(data: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
    push_json_string(data, out);
    out.push(b'}');
}

/// `stop_reason`, `stop_sequence` and `stop_details`, without braces.
pub(crate) fn push_stop(
    stop: StopReason,
    stop_sequence: Option<&str>,
    explanation: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"\"stop_reason\":");
    push_json_string(stop.as_anthropic(), out);
    out.extend_from_slice(b",\"stop_sequence\":");
    match stop_sequence {
        Some(text) => push_json_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
    if stop != StopReason::Refusal {
        out.extend_from_slice(b",\"stop_details\":null");
        return;
    }
    out.extend_from_slice(
        b",\"stop_details\":{\"type\":\"refusal\",\"category\":null,\"explanation\":",
    );
    match explanation {
        Some(text) => push_json_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// A `usage` object.
pub(crate) fn push_usage(usage: &Usage, out: &mut Vec<u8>) {
    let counts = [
        ("{\"input_tokens\":", usage.input),
        (",\"cache_creation_input_tokens\":", usage.cache_creation),
        (",\"cache_read_input_tokens\":", usage.cache_read),
        (",\"output_tokens\":", usage.output),
    ];
    for (name, count) in counts {
        out.extend_from_slice(name.as_bytes());
        push_number(count, out);
    }
    if let Some(thinking) = usage.thinking {
        out.extend_from_slice(b",\"output_tokens_details\":{\"thinking_tokens\":");
        push_number(thinking, out);
        out.push(b'}');
    }
    out.push(b'}');
}
