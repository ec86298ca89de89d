//! Canonical events to a stream of `chat.completion.chunk`, for clients of this dialect.
//!
//! Shape: <https://platform.openai.com/docs/api-reference/chat-streaming>, seen November 2026, without
//! `system_fingerprint`. Reasoning stands in `reasoning_content`, as most compatible providers have it, and once more
//! in OpenRouter's `reasoning_details`: a client that sends those back gives the model's vendor its own reasoning
//! back, signature included (`inbound/reasoning.rs`).
//!
//! Deltas are most of an answer, so all of a chunk but its text is prepared once.

use serde_json::value::RawValue;

use crate::protocol::anthropic::OutputEstimate;
use crate::protocol::anthropic::text::{push_json_string, push_number, push_single_line};
use crate::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason, Usage};
use crate::protocol::openai_chat::free_text::FreeText;
use crate::protocol::openai_chat::shape::{
    PARAGRAPH, Prose, finish_reason, push_head, push_reasoning, push_redacted, push_text_detail,
    push_usage,
};

/// The state of one answer.
#[derive(Debug)]
pub struct Encode {
    ctx: EncodeContext,
    state: State,
    /// A chunk up to where its delta begins.
    head: Vec<u8>,
    /// A chunk from where its delta ends.
    tail: Vec<u8>,
    prose: Prose,
    /// Blocks of reasoning so far.
    thoughts: u64,
    /// Calls so far. Clients number calls, not blocks.
    calls: u64,
    output: OutputEstimate,
}

#[derive(Debug)]
enum State {
    /// Nothing has been written.
    Before,
    /// No block is open.
    Between,
    Text,
    Thinking {
        /// Whether it has said anything.
        said: bool,
    },
    Call {
        /// Whether it has said anything but spaces.
        said: bool,
    },
    FreeCall(FreeText),
    /// A block that takes no deltas.
    Whole,
    /// `[DONE]` has been written.
    After,
}

/// A sign of life: a comment, which clients of this dialect skip.
pub const PING: &[u8] = b": ping\n\n";

impl Encode {
    /// An encoder at the start of an answer.
    pub fn new(ctx: EncodeContext) -> Self {
        let mut head = b"data: ".to_vec();
        push_head(&ctx, "chat.completion.chunk", &mut head);
        head.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{");
        let mut tail = b"},\"finish_reason\":null}]".to_vec();
        tail.extend_from_slice(after_choices(&ctx));
        Encode {
            ctx,
            state: State::Before,
            head,
            tail,
            prose: Prose::default(),
            thoughts: 0,
            calls: 0,
            output: OutputEstimate::default(),
        }
    }

    /// Appends what one event becomes.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.output.observe(event);
        match event {
            Event::Start { .. } => {
                debug_assert!(matches!(self.state, State::Before));
                self.state = State::Between;
                self.chunk(out, |out| {
                    out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
                });
            }
            Event::BlockStart(block) => self.block_start(block, out),
            Event::Text(text) => self.text(text, out),
            Event::Thinking(text) => self.thinking(text, out),
            Event::Signature(signature) => self.signature(signature, out),
            Event::Citation(source) => self.prose.cite(source),
            Event::Logprobs(tokens) => self.logprobs(tokens, out),
            Event::ToolArguments(piece) => self.arguments(piece, out),
            Event::BlockStop => self.block_stop(out),
            Event::Finish {
                stop,
                stop_sequence: _,
                explanation,
                usage,
            } => self.finish(*stop, explanation.as_deref(), *usage, out),
        }
    }

    /// Writes a chunk around a delta.
    fn chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        delta(out);
        out.extend_from_slice(&self.tail);
    }

    fn block_start(&mut self, block: &BlockStart, out: &mut Vec<u8>) {
        debug_assert!(matches!(self.state, State::Between));
        if matches!(block, BlockStart::Text) {
            self.prose.open();
        } else {
            self.prose.interrupt();
        }
        self.state = match block {
            BlockStart::Text => State::Text,
            BlockStart::Thinking => {
                self.thoughts = self.thoughts.saturating_add(1);
                State::Thinking { said: false }
            }
            BlockStart::RedactedThinking { data } => {
                self.thoughts = self.thoughts.saturating_add(1);
                self.details(out, |index, out| push_redacted(data, index, out));
                State::Whole
            }
            BlockStart::ToolUse { id, name } => self.call(id, name, out),
            // The client does not run it and cannot answer it; what was found shows in the text.
            BlockStart::ServerToolUse { .. }
            | BlockStart::ServerToolResult { .. }
            | BlockStart::Unknown(_) => State::Whole,
        };
    }

    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) -> State {
        let free = self.ctx.freeform.iter().any(|it| it == name);
        let (kind, argument) = if free {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        self.calls = self.calls.saturating_add(1);
        if self.is_older_call() {
            self.chunk(out, |out| {
                out.extend_from_slice(b"\"function_call\":{\"name\":");
                push_json_string(name, out);
                out.extend_from_slice(b",\"arguments\":\"\"}");
            });
            return State::Call { said: false };
        }
        self.chunk(out, |out| {
            self.push_call_head(out);
            out.extend_from_slice(b"\"id\":");
            push_json_string(id, out);
            out.extend_from_slice(format!(",\"type\":\"{kind}\",\"{kind}\":").as_bytes());
            out.extend_from_slice(b"{\"name\":");
            push_json_string(name, out);
            out.extend_from_slice(format!(",\"{argument}\":\"\"}}}}]").as_bytes());
        });
        if free {
            State::FreeCall(FreeText::default())
        } else {
            State::Call { said: false }
        }
    }

    /// Whether the open call is written in the older form, which has one. A model that was told to make one and made
    /// more is shown with the others beside it.
    fn is_older_call(&self) -> bool {
        self.ctx.older_functions && self.calls == 1
    }

    fn push_call_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        let before = 1 + u64::from(self.ctx.older_functions);
        push_number(self.calls.saturating_sub(before), out);
        out.push(b',');
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        debug_assert!(matches!(self.state, State::Text));
        let gap = self.prose.say(text);
        self.chunk(out, |out| {
            out.extend_from_slice(b"\"content\":");
            push_after(gap, text, out);
        });
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        let State::Thinking { said } = &mut self.state else {
            debug_assert!(false, "thinking outside of its block");
            return;
        };
        let first = !std::mem::replace(said, true);
        let index = self.thoughts.saturating_sub(1);
        let gap = if first && 0 < index { PARAGRAPH } else { "" };
        self.chunk(out, |out| {
            out.extend_from_slice(b"\"reasoning_content\":");
            push_after(gap, text, out);
            out.extend_from_slice(b",\"reasoning_details\":[");
            push_text_detail(text, index, out);
            out.push(b']');
        });
    }

    fn signature(&mut self, signature: &str, out: &mut Vec<u8>) {
        let State::Thinking { said } = self.state else {
            debug_assert!(false, "a signature outside of thinking");
            return;
        };
        let untold = (!said).then_some("");
        self.details(out, |index, out| {
            push_reasoning(untold, signature, index, out);
        });
    }

    /// Details of the last block of reasoning, in a chunk of their own; none is no chunk.
    fn details(&self, out: &mut Vec<u8>, write: impl FnOnce(u64, &mut Vec<u8>)) {
        let mut details = Vec::new();
        write(self.thoughts.saturating_sub(1), &mut details);
        if !details.is_empty() {
            self.chunk(out, |out| {
                out.extend_from_slice(b"\"reasoning_details\":[");
                out.extend_from_slice(&details);
                out.push(b']');
            });
        }
    }

    fn logprobs(&self, tokens: &RawValue, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"},\"logprobs\":{\"content\":");
        push_single_line(tokens.get(), out);
        out.extend_from_slice(b",\"refusal\":null");
        out.extend_from_slice(&self.tail);
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<u8>) {
        let unescaped;
        let (kind, argument, piece) = match &mut self.state {
            State::Call { said } => {
                *said |= !piece.trim_ascii().is_empty();
                ("function", "arguments", piece)
            }
            State::FreeCall(text) => {
                unescaped = text.push(piece);
                ("custom", "input", unescaped.as_str())
            }
            _ => {
                debug_assert!(false, "arguments outside of a call");
                return;
            }
        };
        if piece.is_empty() {
            return;
        }
        if self.is_older_call() {
            self.chunk(out, |out| {
                out.extend_from_slice(b"\"function_call\":{\"arguments\":");
                push_json_string(piece, out);
                out.push(b'}');
            });
            return;
        }
        self.chunk(out, |out| {
            self.push_call_head(out);
            out.push(b'"');
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\":{\"");
            out.extend_from_slice(argument.as_bytes());
            out.extend_from_slice(b"\":");
            push_json_string(piece, out);
            out.extend_from_slice(b"}}]");
        });
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        match self.state {
            // Clients parse what they have gathered, and nothing is no JSON.
            State::Call { said: false } => self.arguments("{}", out),
            State::Text => {
                let mut annotations = Vec::new();
                self.prose.close(&mut annotations);
                if !annotations.is_empty() {
                    self.chunk(out, |out| {
                        out.extend_from_slice(b"\"annotations\":[");
                        out.extend_from_slice(&annotations);
                        out.push(b']');
                    });
                }
            }
            State::Thinking { .. } | State::Call { .. } | State::FreeCall(_) | State::Whole => {}
            State::Before | State::Between | State::After => {
                debug_assert!(false, "the end of no block");
            }
        }
        self.state = State::Between;
    }

    fn finish(
        &mut self,
        stop: StopReason,
        explanation: Option<&str>,
        usage: Option<Usage>,
        out: &mut Vec<u8>,
    ) {
        debug_assert!(matches!(self.state, State::Between));
        self.state = State::After;
        if let (StopReason::Refusal, false, Some(why)) = (stop, self.prose.any(), explanation) {
            self.chunk(out, |out| {
                out.extend_from_slice(b"\"refusal\":");
                push_json_string(why, out);
            });
        }
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"},\"finish_reason\":\"");
        out.extend_from_slice(
            finish_reason(stop, 0 < self.calls, self.ctx.older_functions).as_bytes(),
        );
        out.extend_from_slice(b"\"}]");
        out.extend_from_slice(after_choices(&self.ctx));
        if self.ctx.stream_usage {
            let usage = usage.unwrap_or_else(|| self.output.usage(self.ctx.input_estimate));
            out.extend_from_slice(b"data: ");
            push_head(&self.ctx, "chat.completion.chunk", out);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            push_usage(&usage, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// How a chunk ends behind its choices. Where tokens are counted, OpenAI names the field in every chunk.
fn after_choices(ctx: &EncodeContext) -> &'static [u8] {
    if ctx.stream_usage {
        b",\"usage\":null}\n\n"
    } else {
        b"}\n\n"
    }
}

/// A JSON string of both, the first of which needs no copy where it is empty.
fn push_after(gap: &str, text: &str, out: &mut Vec<u8>) {
    if gap.is_empty() {
        push_json_string(text, out);
    } else {
        push_json_string(&format!("{gap}{text}"), out);
    }
}
