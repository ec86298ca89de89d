//! Canonical events to one whole Anthropic message, for clients that do not stream.

use serde_json::value::RawValue;

use crate::protocol::anthropic::encode::{
    OutputEstimate, push_message_head, push_redacted, push_server_tool_result,
    push_server_tool_use, push_stop, push_tool_use, push_usage,
};
use crate::protocol::anthropic::foreign_citation;
use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason, Usage};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::upstream_error::StreamError;

/// Gathers events into one message.
#[derive(Debug)]
pub struct Assemble {
    ctx: EncodeContext,
    /// The blocks so far, as JSON, separated by commas.
    content: Vec<u8>,
    open: Option<Open>,
    text: String,
    signature: String,
    /// Those of the open text, as JSON, separated by commas.
    citations: Vec<u8>,
    end: Option<End>,
    output: OutputEstimate,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    Tool {
        id: String,
        name: String,
    },
    /// Written when it opened.
    Whole,
}

#[derive(Debug)]
struct End {
    stop: StopReason,
    stop_sequence: Option<String>,
    explanation: Option<String>,
    usage: Option<Usage>,
}

impl Assemble {
    /// An empty message.
    pub fn new(ctx: EncodeContext) -> Self {
        Assemble {
            ctx,
            content: Vec::new(),
            open: None,
            text: String::new(),
            signature: String::new(),
            citations: Vec::new(),
            end: None,
            output: OutputEstimate::default(),
        }
    }

    /// Takes one event. `TooMuch` when the message passes [`MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, event: &Event) -> Result<(), StreamError> {
        self.output.observe(event);
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(block) => self.block_start(block),
            Event::Text(text) | Event::Thinking(text) | Event::ToolArguments(text) => {
                self.text.push_str(text);
            }
            Event::Signature(signature) => signature.clone_into(&mut self.signature),
            Event::Citation(source) => {
                if source.url.is_some() {
                    if !self.citations.is_empty() {
                        self.citations.push(b',');
                    }
                    foreign_citation::push(source, &mut self.citations);
                }
            }
            // The dialect has none.
            Event::Logprobs(_) => {}
            Event::BlockStop => self.block_stop(),
            Event::Finish {
                stop,
                stop_sequence,
                explanation,
                usage,
            } => {
                self.end = Some(End {
                    stop: *stop,
                    stop_sequence: stop_sequence.clone(),
                    explanation: explanation.clone(),
                    usage: *usage,
                });
            }
        }
        let held = [&self.content, &self.citations].map(Vec::len);
        if held.into_iter().sum::<usize>() + self.text.len() <= MAX_MESSAGE_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("the whole message"))
        }
    }

    /// The message as JSON. `Truncated` when the events did not end.
    pub fn finish(self) -> Result<Vec<u8>, StreamError> {
        let end = self.end.ok_or(StreamError::Truncated)?;
        let mut out = Vec::with_capacity(self.content.len() + 512);
        out.push(b'{');
        push_message_head(&self.ctx, &mut out);
        out.extend_from_slice(b",\"content\":[");
        out.extend_from_slice(&self.content);
        out.extend_from_slice(b"],");
        push_stop(
            end.stop,
            end.stop_sequence.as_deref(),
            end.explanation.as_deref(),
            &mut out,
        );
        out.extend_from_slice(b",\"usage\":");
        let usage = end
            .usage
            .unwrap_or_else(|| self.output.usage(self.ctx.input_estimate));
        push_usage(&usage, &mut out);
        out.push(b'}');
        Ok(out)
    }

    fn block_start(&mut self, block: &BlockStart) {
        debug_assert!(self.open.is_none());
        self.text.clear();
        self.signature.clear();
        self.open = Some(match block {
            BlockStart::Text => Open::Text,
            BlockStart::Thinking => Open::Thinking,
            BlockStart::ToolUse { id, name } => Open::Tool {
                id: id.clone(),
                name: name.clone(),
            },
            BlockStart::RedactedThinking { data } => {
                self.separate();
                push_redacted(data, &mut self.content);
                Open::Whole
            }
            BlockStart::ServerToolUse { id, name, input } => {
                self.separate();
                push_server_tool_use(id, name, input.get(), &mut self.content);
                Open::Whole
            }
            BlockStart::ServerToolResult {
                tool_use_id,
                kind,
                content,
            } => {
                self.separate();
                push_server_tool_result(tool_use_id, kind, content, &mut self.content);
                Open::Whole
            }
            BlockStart::Unknown(raw) => {
                self.separate();
                self.content.extend_from_slice(raw.get().as_bytes());
                Open::Whole
            }
        });
    }

    fn block_stop(&mut self) {
        debug_assert!(self.open.is_some());
        let Some(open) = self.open.take() else {
            return;
        };
        if matches!(open, Open::Whole) {
            return;
        }
        self.separate();
        let out = &mut self.content;
        match open {
            Open::Text => {
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
                push_json_string(&self.text, out);
                if !self.citations.is_empty() {
                    out.extend_from_slice(b",\"citations\":[");
                    out.append(&mut self.citations);
                    out.push(b']');
                }
                out.push(b'}');
            }
            Open::Thinking => {
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
                push_json_string(&self.text, out);
                out.extend_from_slice(b",\"signature\":");
                push_json_string(&self.signature, out);
                out.push(b'}');
            }
            Open::Tool { id, name } => push_tool_use(&id, &name, &tool_input(&self.text), out),
            Open::Whole => {}
        }
    }

    fn separate(&mut self) {
        if !self.content.is_empty() {
            self.content.push(b',');
        }
    }
}

/// A tool's input from its arguments: an object as it stands, numbers and key order untouched; `{}` for none; for an
/// object inside a string that object; and for anything else `{"_raw": …}`, which fails the tool's schema and shows
/// the model what it wrote. A broken object is not repaired: half a command is not to be run.
pub(crate) fn tool_input(arguments: &str) -> String {
    let arguments = arguments.trim();
    if arguments.is_empty() || arguments == "null" {
        return "{}".to_owned();
    }
    if is_object(arguments) {
        return arguments.to_owned();
    }
    if let Ok(inner) = serde_json::from_str::<String>(arguments)
        && is_object(inner.trim())
    {
        return inner.trim().to_owned();
    }
    let mut raw = b"{\"_raw\":".to_vec();
    push_json_string(arguments, &mut raw);
    raw.push(b'}');
    String::from_utf8(raw).unwrap_or_else(|_| "{}".to_owned())
}

fn is_object(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<&RawValue>(json).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_input_is_always_an_object() {
        for (arguments, input) in [
            ("", "{}"),
            (" \n", "{}"),
            ("null", "{}"),
            (
                "{\"b\":1.50,\"a\":12345678901234567890}",
                "{\"b\":1.50,\"a\":12345678901234567890}",
            ),
            (" {} ", "{}"),
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            ("{\"cut\": \"", r#"{"_raw":"{\"cut\": \""}"#),
            ("[1]", r#"{"_raw":"[1]"}"#),
            ("{}{}", r#"{"_raw":"{}{}"}"#),
        ] {
            assert_eq!(tool_input(arguments), input);
        }
    }
}
