//! Why an answer ended: the words of many providers, sorted, and what they mean together with what was said.

use crate::protocol::canonical::StopReason;
use crate::protocol::openai_chat::error::parse_error;
use crate::protocol::upstream_error::StreamError;

/// What is known of the end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The provider's word, if it came.
    pub finish: Option<Finish>,
    /// Text came as a refusal.
    pub refused: bool,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
}

/// A provider's word for why the answer ended, sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Done, or a word that we do not know.
    Done,
    Length,
    Window,
    Filter,
}

impl Ending {
    /// The canonical reason; `any_call` says whether a tool was called.
    pub fn stop_reason(&self, any_call: bool) -> StopReason {
        match self.finish {
            Some(Finish::Length) => StopReason::MaxTokens,
            Some(Finish::Window) => StopReason::ContextWindowExceeded,
            Some(Finish::Filter) => StopReason::Refusal,
            // What was called counts, not the word: Ollama says `stop`, others `tool_calls` without any.
            Some(Finish::Done) | None if any_call => StopReason::ToolUse,
            Some(Finish::Done) | None if self.refused => StopReason::Refusal,
            Some(Finish::Done) | None if self.stop_sequence.is_some() => StopReason::StopSequence,
            Some(Finish::Done) | None => StopReason::EndTurn,
        }
    }
}

/// Sorts a `finish_reason`. Words that say the provider broke off are errors: the answer is not whole.
pub(crate) fn read_finish(reason: &str) -> Result<Finish, StreamError> {
    match reason {
        "length" | "max_tokens" => Ok(Finish::Length),
        "model_length" | "model_context_window_exceeded" => Ok(Finish::Window),
        "content_filter" | "sensitive" | "refusal" => Ok(Finish::Filter),
        "insufficient_system_resource" => Err(broken_off(reason, 529)),
        "error" | "network_error" | "abort" => Err(broken_off(reason, 502)),
        _ => Ok(Finish::Done),
    }
}

fn broken_off(reason: &str, status: u16) -> StreamError {
    let error = parse_error(
        Some(status),
        format!("the provider broke the answer off: {reason}").as_bytes(),
    );
    Box::new(error).into()
}
