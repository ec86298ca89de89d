//! One turn of the assistant: reasoning, text and calls, in their order.

use std::borrow::Cow;

use serde_json::Value;

use crate::protocol::canonical::{Block, LossKind, ToolUse};
use crate::protocol::openai_chat::content::{At, Parts};
use crate::protocol::openai_chat::names::tool_call_id;
use crate::protocol::openai_chat::wire_request::Part as Said;
use crate::protocol::openai_responses::wire_request::{Item, Part};

use super::conversation::{Results, Run, Writer};
use super::recall;

impl<'a> Writer<'a, '_> {
    /// Writes what the assistant says until someone else speaks, and the results of its calls.
    pub(super) fn assistant(&mut self, run: Run<'a, '_>, results: &mut Results<'a>) {
        self.begin_run();
        for (index, message) in run {
            // Text blocks side by side are one text that citations cut.
            let mut joins = false;
            for (block, content) in message.blocks.iter().enumerate() {
                let at = At {
                    message: *index,
                    block,
                };
                match content {
                    Block::Text(text) if text.is_empty() => {}
                    Block::Text(text) => {
                        self.say(text.as_str().into(), joins, results);
                        joins = true;
                    }
                    Block::Thinking { .. } | Block::RedactedThinking { .. } => {
                        self.thought.extend(recall::item(content, self.profile));
                        joins = false;
                    }
                    Block::ToolUse(call) => {
                        self.call(call, at);
                        joins = false;
                    }
                    Block::Image(_)
                    | Block::Document { .. }
                    | Block::SearchResult { .. }
                    | Block::ToolResult(_)
                    | Block::Unknown { .. } => {
                        self.foreign(content, at, results);
                        joins = false;
                    }
                }
            }
        }
        self.settle(results);
        self.thought.clear();
    }

    fn say(&mut self, text: Cow<'a, str>, joins: bool, results: &mut Results<'a>) {
        self.settle(results);
        if joins
            && let Some(Item::Message { content, .. }) = self.out.last_mut()
            && let Some(Part::OutputText { text: said }) = content.last_mut()
        {
            said.to_mut().push_str(&text);
            return;
        }
        self.out.append(&mut self.thought);
        self.out.push(Item::Message {
            role: "assistant",
            content: vec![Part::OutputText { text }],
        });
    }

    fn call(&mut self, call: &'a ToolUse, at: At) {
        if !self.run_ids.insert(&call.id) {
            self.losses.add(at.to_string(), LossKind::SecondOfItsName);
            self.thought.clear();
            return;
        }
        self.out.append(&mut self.thought);
        let call_id = tool_call_id(&call.id, self.profile.base.ids);
        let name = self.names.sent(&call.name);
        let custom = self.custom.contains(call.name.as_str());
        let item = if custom {
            Item::CustomToolCall {
                call_id,
                name,
                input: free_text(call),
            }
        } else {
            Item::FunctionCall {
                call_id,
                name,
                arguments: self.arguments(call, at),
            }
        };
        self.out.push(item);
        self.await_result(&call.id, at.message, custom);
    }

    fn arguments(&mut self, call: &'a ToolUse, at: At) -> Cow<'a, str> {
        let input = call.input.get();
        if input.starts_with('{') {
            return Cow::Borrowed(input);
        }
        // Left behind by an upstream that answered with broken arguments; refusing it would end the conversation.
        self.losses.add(format!("{at}.input"), LossKind::Wrapped);
        Cow::Owned(format!("{{\"input\":{input}}}"))
    }

    /// A block that only its vendor's models say: its words. The reasoning before it led to a step that is not there.
    fn foreign(&mut self, content: &'a Block, at: At, results: &mut Results<'a>) {
        let mut parts = Vec::new();
        Parts {
            profile: &self.profile.base,
            losses: self.losses,
        }
        .block(content, at, &mut parts);
        self.thought.clear();
        for part in parts {
            match part {
                Said::Text { text, .. } => self.say(text, false, results),
                Said::ImageUrl { .. } | Said::File { .. } => {
                    self.losses.add(at.to_string(), LossKind::SaidByTheModel);
                }
            }
        }
    }
}

/// The free text of a custom tool's call, which travels as an object with one string.
fn free_text(call: &ToolUse) -> Cow<'_, str> {
    let whole = call.input.get();
    match serde_json::from_str(whole) {
        Ok(Value::Object(mut fields)) if fields.len() == 1 => match fields.remove("input") {
            Some(Value::String(text)) => Cow::Owned(text),
            _ => Cow::Borrowed(whole),
        },
        Ok(Value::String(text)) => Cow::Owned(text),
        _ => Cow::Borrowed(whole),
    }
}
