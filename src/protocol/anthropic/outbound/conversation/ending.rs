//! How a conversation ends: in a loop of tool calls, or with an answer that the client began.

use std::borrow::Cow;

use crate::protocol::anthropic::outbound::wire;
use crate::protocol::anthropic::outbound::wire::Body;
use crate::protocol::canonical::{LossKind, Losses};

use super::Written;

/// What the user says behind an answer that cannot be continued in place.
const CONTINUE: &str = "Continue.";

impl Written<'_> {
    /// Whether a loop of tool calls is under way of which no turn began with thinking. With a budget to think the API
    /// refuses such a loop.
    pub fn loop_without_thought(&self) -> bool {
        let mut turns = self
            .messages
            .iter()
            .rev()
            .filter(|message| message.role != "system");
        let mut looping = false;
        while let (Some(user), Some(assistant)) = (turns.next(), turns.next()) {
            let mut results = user.content.iter().map(is_result);
            let goes_on = if looping {
                results.all(|it| it)
            } else {
                user.role == "user" && results.next() == Some(true)
            };
            if !goes_on {
                break;
            }
            looping = true;
            if assistant.content.first().is_some_and(is_thinking) {
                return false;
            }
        }
        looping
    }

    /// Ends a conversation whose last turn is the assistant's: the answer is continued in place where that is
    /// accepted, on the user's word where it is not.
    pub fn end(&mut self, prefill: bool, losses: &mut Losses) {
        let Some(last) = self.messages.last_mut() else {
            return;
        };
        if last.role != "assistant" {
            return;
        }
        if prefill {
            // The API refuses an answer that ends in white space.
            if let Some(wire::Block::Own(block)) = last.content.last_mut()
                && let Body::Text { text } = &mut block.body
            {
                let kept = text.trim_end().len();
                match text {
                    Cow::Borrowed(text) => *text = text.get(..kept).unwrap_or_default(),
                    Cow::Owned(text) => text.truncate(kept),
                }
            }
            return;
        }
        losses.add("messages", LossKind::MayNotContinue);
        self.messages.push(wire::Message {
            role: "user",
            content: vec![wire::Block::text(CONTINUE)],
        });
    }
}

pub(super) fn is_thinking(block: &wire::Block<'_>) -> bool {
    matches!(
        block.body(),
        Some(Body::Thinking { .. } | Body::RedactedThinking { .. })
    )
}

fn is_result(block: &wire::Block<'_>) -> bool {
    matches!(block.body(), Some(Body::ToolResult { .. }))
}
