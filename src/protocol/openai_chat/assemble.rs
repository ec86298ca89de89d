//! Canonical events to one whole `chat.completion`, for clients that do not stream.
//!
//! Says what the stream says (`encode.rs`), with the pieces joined.

use crate::protocol::anthropic::OutputEstimate;
use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason, Usage};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::openai_chat::free_text::FreeText;
use crate::protocol::openai_chat::shape::{
    PARAGRAPH, Prose, finish_reason, push_head, push_reasoning, push_redacted, push_usage,
};
use crate::protocol::upstream_error::StreamError;

/// Gathers events into one answer.
#[derive(Debug)]
pub struct Assemble {
    ctx: EncodeContext,
    open: Open,
    /// Text of the open block, if that is reasoning or a call.
    block: String,
    signature: String,
    content: String,
    reasoning: String,
    /// Lists, without their brackets.
    details: Vec<u8>,
    calls: Vec<u8>,
    /// The first call, in the older form.
    older_call: Vec<u8>,
    annotations: Vec<u8>,
    logprobs: Vec<u8>,
    prose: Prose,
    thoughts: u64,
    end: Option<End>,
    output: OutputEstimate,
}

#[derive(Debug)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Call {
        id: String,
        name: String,
    },
    /// Written when it opened, or not at all.
    Whole,
}

#[derive(Debug)]
struct End {
    stop: StopReason,
    explanation: Option<String>,
    usage: Option<Usage>,
}

impl Assemble {
    /// An empty answer.
    pub fn new(ctx: EncodeContext) -> Self {
        Assemble {
            ctx,
            open: Open::Nothing,
            block: String::new(),
            signature: String::new(),
            content: String::new(),
            reasoning: String::new(),
            details: Vec::new(),
            calls: Vec::new(),
            older_call: Vec::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
            prose: Prose::default(),
            thoughts: 0,
            end: None,
            output: OutputEstimate::default(),
        }
    }

    /// Takes one event. `TooMuch` when the answer passes [`MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, event: &Event) -> Result<(), StreamError> {
        self.output.observe(event);
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(block) => self.block_start(block),
            Event::Text(text) => {
                self.content.push_str(self.prose.say(text));
                self.content.push_str(text);
            }
            Event::Thinking(text) | Event::ToolArguments(text) => self.block.push_str(text),
            Event::Signature(signature) => signature.clone_into(&mut self.signature),
            Event::Citation(source) => self.prose.cite(source),
            Event::Logprobs(tokens) => {
                let tokens = tokens.get().trim();
                let list = tokens.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
                let list = list.unwrap_or_default().trim();
                append(&mut self.logprobs, list.as_bytes());
            }
            Event::BlockStop => self.block_stop(),
            Event::Finish {
                stop,
                stop_sequence: _,
                explanation,
                usage,
            } => {
                self.end = Some(End {
                    stop: *stop,
                    explanation: explanation.clone(),
                    usage: *usage,
                });
            }
        }
        if self.held() <= MAX_MESSAGE_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("the whole message"))
        }
    }

    fn held(&self) -> usize {
        [
            self.block.len(),
            self.content.len(),
            self.reasoning.len(),
            self.details.len(),
            self.calls.len(),
            self.older_call.len(),
            self.annotations.len(),
            self.logprobs.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    fn block_start(&mut self, block: &BlockStart) {
        debug_assert!(matches!(self.open, Open::Nothing));
        self.block.clear();
        self.signature.clear();
        if matches!(block, BlockStart::Text) {
            self.prose.open();
        } else {
            self.prose.interrupt();
        }
        self.open = match block {
            BlockStart::Text => Open::Text,
            BlockStart::Thinking => Open::Thinking,
            BlockStart::RedactedThinking { data } => {
                let index = self.next_thought();
                let mut details = Vec::new();
                push_redacted(data, index, &mut details);
                append(&mut self.details, &details);
                Open::Whole
            }
            BlockStart::ToolUse { id, name } => Open::Call {
                id: id.clone(),
                name: name.clone(),
            },
            BlockStart::ServerToolUse { .. }
            | BlockStart::ServerToolResult { .. }
            | BlockStart::Unknown(_) => Open::Whole,
        };
    }

    fn next_thought(&mut self) -> u64 {
        let index = self.thoughts;
        self.thoughts = index.saturating_add(1);
        index
    }

    fn block_stop(&mut self) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Text => {
                let mut annotations = Vec::new();
                self.prose.close(&mut annotations);
                append(&mut self.annotations, &annotations);
            }
            Open::Thinking => self.thought(),
            Open::Call { id, name } => self.call(&id, &name),
            Open::Whole => {}
            Open::Nothing => debug_assert!(false, "the end of no block"),
        }
    }

    fn thought(&mut self) {
        let index = self.next_thought();
        if !self.block.is_empty() {
            if 0 < index {
                self.reasoning.push_str(PARAGRAPH);
            }
            self.reasoning.push_str(&self.block);
        }
        let mut details = Vec::new();
        push_reasoning(Some(&self.block), &self.signature, index, &mut details);
        append(&mut self.details, &details);
    }

    fn call(&mut self, id: &str, name: &str) {
        if self.ctx.older_functions && self.older_call.is_empty() {
            let out = &mut self.older_call;
            out.extend_from_slice(b"{\"name\":");
            push_json_string(name, out);
            out.extend_from_slice(b",\"arguments\":");
            push_arguments(&self.block, out);
            out.push(b'}');
            return;
        }
        let free = self.ctx.freeform.iter().any(|it| it == name);
        separate(&mut self.calls);
        let out = &mut self.calls;
        out.extend_from_slice(b"{\"id\":");
        push_json_string(id, out);
        out.extend_from_slice(if free {
            b",\"type\":\"custom\",\"custom\":{\"name\":"
        } else {
            b",\"type\":\"function\",\"function\":{\"name\":"
        });
        push_json_string(name, out);
        if free {
            out.extend_from_slice(b",\"input\":");
            push_json_string(&FreeText::default().push(&self.block), out);
        } else {
            out.extend_from_slice(b",\"arguments\":");
            push_arguments(&self.block, out);
        }
        out.extend_from_slice(b"}}");
    }

    /// The answer as JSON. `Truncated` when the events did not end.
    pub fn finish(self) -> Result<Vec<u8>, StreamError> {
        let Some(end) = &self.end else {
            return Err(StreamError::Truncated);
        };
        let mut out = Vec::with_capacity(self.held().saturating_add(1024));
        push_head(&self.ctx, "chat.completion", &mut out);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"");
        self.push_message(end, &mut out);
        out.extend_from_slice(b"},\"logprobs\":");
        if self.logprobs.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            out.extend_from_slice(b"{\"content\":[");
            out.extend_from_slice(&self.logprobs);
            out.extend_from_slice(b"],\"refusal\":null}");
        }
        out.extend_from_slice(b",\"finish_reason\":\"");
        let called = !self.calls.is_empty() || !self.older_call.is_empty();
        let reason = finish_reason(end.stop, called, self.ctx.older_functions);
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\"}],\"usage\":");
        let usage = end.usage;
        let usage = usage.unwrap_or_else(|| self.output.usage(self.ctx.input_estimate));
        push_usage(&usage, &mut out);
        out.push(b'}');
        Ok(out)
    }

    fn push_message(&self, end: &End, out: &mut Vec<u8>) {
        let said = (!self.content.is_empty()).then_some(self.content.as_str());
        let refused = end.stop == StopReason::Refusal && said.is_none();
        let refusal = end.explanation.as_deref().filter(|_| refused);
        for (name, text) in [("content", said), ("refusal", refusal)] {
            push_name(name, out);
            match text {
                Some(text) => push_json_string(text, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        if !self.reasoning.is_empty() {
            push_name("reasoning_content", out);
            push_json_string(&self.reasoning, out);
        }
        if !self.older_call.is_empty() {
            push_name("function_call", out);
            out.extend_from_slice(&self.older_call);
        }
        for (name, list) in [
            ("reasoning_details", &self.details),
            ("annotations", &self.annotations),
            ("tool_calls", &self.calls),
        ] {
            if !list.is_empty() {
                push_name(name, out);
                out.push(b'[');
                out.extend_from_slice(list);
                out.push(b']');
            }
        }
    }
}

/// Clients parse arguments, and nothing is no JSON.
fn push_arguments(arguments: &str, out: &mut Vec<u8>) {
    let none = arguments.trim_ascii().is_empty();
    push_json_string(if none { "{}" } else { arguments }, out);
}

fn push_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn append(list: &mut Vec<u8>, entries: &[u8]) {
    if !entries.is_empty() {
        separate(list);
        list.extend_from_slice(entries);
    }
}

fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}
