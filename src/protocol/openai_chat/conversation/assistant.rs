//! One turn of the assistant: text, then calls, and the reasoning that its provider wants to see again.

use std::borrow::Cow;

use crate::protocol::canonical::{Block, LossKind, Message, ToolUse};

use super::{OpenCall, Writer};
use crate::protocol::openai_chat::content::{At, Parts};
use crate::protocol::openai_chat::names::tool_call_id;
use crate::protocol::openai_chat::reasoning::Recall;
use crate::protocol::openai_chat::wire_request as wire;
use crate::protocol::openai_chat::wire_request::{Content, Part};

/// What Google accepts for a call that it did not sign:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>, seen November 2026.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

impl<'a> Writer<'a, '_> {
    /// Consecutive assistant messages become one.
    pub(super) fn assistant(&mut self, run: &[(usize, &'a Message)]) {
        let mut draft = Draft::default();
        for (index, message) in run {
            draft.paragraph = true;
            for (block, content) in message.blocks.iter().enumerate() {
                let at = At {
                    message: *index,
                    block,
                };
                self.assistant_block(content, at, &mut draft);
            }
        }
        let Draft {
            text,
            calls,
            recall,
            paragraph: _,
        } = draft;
        // Reasoning alone is no message.
        if text.is_empty() && calls.is_empty() {
            return;
        }
        self.push_assistant(text, calls, recall);
    }

    fn assistant_block(&mut self, content: &'a Block, at: At, draft: &mut Draft<'a>) {
        match content {
            Block::Text(text) => draft.say(text),
            Block::Thinking { .. } | Block::RedactedThinking { .. } => {
                draft.paragraph = true;
                draft.recall.take(content, self.profile);
            }
            Block::ToolUse(call) => {
                draft.paragraph = true;
                if !self.open_ids.insert(&call.id) {
                    self.losses.add(at.to_string(), LossKind::SecondOfItsName);
                    return;
                }
                self.open.push(OpenCall {
                    id: &call.id,
                    message: at.message,
                });
                let mut call = self.call(call, at);
                if self.profile.thought_signatures && draft.calls.is_empty() {
                    call.extra_content = Some(wire::ExtraContent {
                        google: wire::Google {
                            thought_signature: NO_SIGNATURE,
                        },
                    });
                }
                draft.calls.push(call);
            }
            Block::Image(_)
            | Block::Document { .. }
            | Block::SearchResult { .. }
            | Block::ToolResult(_)
            | Block::Unknown { .. } => {
                let mut parts = Vec::new();
                Parts {
                    profile: self.profile,
                    losses: self.losses,
                }
                .block(content, at, &mut parts);
                for part in parts {
                    draft.paragraph = true;
                    match part {
                        Part::Text { text, .. } => draft.say(&text),
                        Part::ImageUrl { .. } | Part::File { .. } => {
                            self.losses.add(at.to_string(), LossKind::SaidByTheModel);
                        }
                    }
                }
                draft.paragraph = true;
            }
        }
    }

    fn call(&mut self, call: &'a ToolUse, at: At) -> wire::ToolCall<'a> {
        let input = call.input.get();
        let arguments = if input.starts_with('{') {
            Cow::Borrowed(input)
        } else {
            // Left behind by an upstream that answered with broken arguments; refusing it would end the conversation.
            self.losses.add(format!("{at}.input"), LossKind::Wrapped);
            Cow::Owned(format!("{{\"input\":{input}}}"))
        };
        wire::ToolCall {
            id: tool_call_id(&call.id, self.profile.ids),
            kind: "function",
            function: wire::Call {
                name: self.names.sent(&call.name),
                arguments,
            },
            extra_content: None,
        }
    }

    pub(super) fn push_assistant(
        &mut self,
        text: String,
        calls: Vec<wire::ToolCall<'a>>,
        recall: Recall<'a>,
    ) {
        // A run in between that said nothing left two assistant messages in a row.
        if let Some(wire::Message::Assistant(last)) = self.out.last_mut()
            && last.tool_calls.is_empty()
        {
            if let Some(Content::Text(said)) = &mut last.content
                && !text.is_empty()
            {
                let said = said.to_mut();
                said.push_str("\n\n");
                said.push_str(&text);
            }
            last.tool_calls = calls;
            if !recall.is_empty() || !last.tool_calls.is_empty() {
                recall.put(last, self.profile.replay);
            }
            return;
        }
        let content = if text.is_empty() && self.profile.null_content {
            None
        } else {
            Some(Content::Text(text.into()))
        };
        let mut message = wire::Assistant {
            content,
            tool_calls: calls,
            ..wire::Assistant::default()
        };
        recall.put(&mut message, self.profile.replay);
        self.out.push(wire::Message::Assistant(message));
    }
}

/// An assistant message being put together.
#[derive(Default)]
struct Draft<'a> {
    text: String,
    calls: Vec<wire::ToolCall<'a>>,
    recall: Recall<'a>,
    /// Something stood between the last text and the next. Text blocks side by side are one text that citations cut.
    paragraph: bool,
}

impl Draft<'_> {
    fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.paragraph && !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.paragraph = false;
        self.text.push_str(text);
    }
}
