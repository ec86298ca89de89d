//! The grammar of canonical events, checked in debug builds on all that a decoder gives out.

use crate::protocol::canonical::{BlockStart, Event};

/// How far an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Grammar {
    #[default]
    Before,
    Between,
    InText,
    InThinking,
    /// Signed: only its end may follow.
    Signed,
    InTool,
    /// Complete at once: only its end may follow.
    InWhole,
    After,
}

impl Grammar {
    /// Follows events; whether all of them are where they may be.
    pub fn follows(&mut self, events: &[Event]) -> bool {
        events.iter().all(|event| self.step(event))
    }

    fn step(&mut self, event: &Event) -> bool {
        use Grammar::*;
        let next = match (*self, event) {
            (Before, Event::Start { .. }) => Between,
            (Between, Event::BlockStart(start)) => match start {
                BlockStart::Text => InText,
                BlockStart::Thinking => InThinking,
                BlockStart::ToolUse { .. } => InTool,
                BlockStart::RedactedThinking { .. }
                | BlockStart::ServerToolUse { .. }
                | BlockStart::ServerToolResult { .. }
                | BlockStart::Unknown(_) => InWhole,
            },
            (InText, Event::Text(text)) if !text.is_empty() => InText,
            (InText, Event::Citation(_) | Event::Logprobs(_)) => InText,
            (InThinking, Event::Thinking(text)) if !text.is_empty() => InThinking,
            (InThinking, Event::Signature(_)) => Signed,
            (InTool, Event::ToolArguments(_)) => InTool,
            (InText | InThinking | Signed | InTool | InWhole, Event::BlockStop) => Between,
            (Between, Event::Finish { .. }) => After,
            _ => return false,
        };
        *self = next;
        true
    }
}
