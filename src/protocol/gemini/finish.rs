//! Why an answer ended: Gemini's words, sorted.

use crate::protocol::canonical::StopReason;

/// Gemini's word for why the answer ended, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// Done, or a word that is not known here.
    Done,
    /// The limit of tokens.
    Length,
    /// A filter; in Gemini's words.
    Refused(String),
    /// What the model wrote could not be read as an answer; another try may do better. In Gemini's words.
    Failed(String),
}

impl Finish {
    /// Sorts a `finishReason`; `message` is its `finishMessage`.
    pub fn read(reason: &str, message: Option<&str>) -> Self {
        match reason {
            "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
            "SAFETY"
            | "PROHIBITED_CONTENT"
            | "BLOCKLIST"
            | "SPII"
            | "RECITATION"
            | "LANGUAGE"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "IMAGE_OTHER" => Finish::Refused(message.unwrap_or(reason).to_owned()),
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "MALFORMED_RESPONSE"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE" => Finish::Failed(match message {
                Some(message) => format!("{reason}: {message}"),
                None => reason.to_owned(),
            }),
            _ => Finish::Done,
        }
    }

    /// The canonical reason; `any_call` says whether a function was called. Calls end with `STOP` like anything else.
    pub fn stop_reason(&self, any_call: bool) -> StopReason {
        match self {
            Finish::Length => StopReason::MaxTokens,
            Finish::Refused(_) => StopReason::Refusal,
            Finish::Done | Finish::Failed(_) if any_call => StopReason::ToolUse,
            Finish::Done | Finish::Failed(_) => StopReason::EndTurn,
        }
    }

    /// Why it was refused.
    pub fn explanation(self) -> Option<String> {
        match self {
            Finish::Refused(why) => Some(why),
            Finish::Done | Finish::Length | Finish::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_meaning() {
        use StopReason::*;
        for (word, plain, with_call) in [
            ("STOP", EndTurn, ToolUse),
            ("MAX_TOKENS", MaxTokens, MaxTokens),
            ("CONTINUATION", MaxTokens, MaxTokens),
            ("SAFETY", Refusal, Refusal),
            ("PROHIBITED_CONTENT", Refusal, Refusal),
            ("BLOCKLIST", Refusal, Refusal),
            ("SPII", Refusal, Refusal),
            ("RECITATION", Refusal, Refusal),
            ("LANGUAGE", Refusal, Refusal),
            ("MODEL_ARMOR", Refusal, Refusal),
            ("IMAGE_SAFETY", Refusal, Refusal),
            ("IMAGE_PROHIBITED_CONTENT", Refusal, Refusal),
            ("IMAGE_RECITATION", Refusal, Refusal),
            ("IMAGE_OTHER", Refusal, Refusal),
            ("NO_IMAGE", EndTurn, ToolUse),
            ("MALFORMED_FUNCTION_CALL", EndTurn, ToolUse),
            ("UNEXPECTED_TOOL_CALL", EndTurn, ToolUse),
            ("MALFORMED_RESPONSE", EndTurn, ToolUse),
            ("TOO_MANY_TOOL_CALLS", EndTurn, ToolUse),
            ("MISSING_THOUGHT_SIGNATURE", EndTurn, ToolUse),
            ("OTHER", EndTurn, ToolUse),
            ("FINISH_REASON_UNSPECIFIED", EndTurn, ToolUse),
            ("A_NEW_WORD", EndTurn, ToolUse),
        ] {
            let finish = Finish::read(word, None);
            assert_eq!(finish.stop_reason(false), plain, "{word}");
            assert_eq!(finish.stop_reason(true), with_call, "{word}");
            let explained = (plain == Refusal).then(|| word.to_owned());
            assert_eq!(finish.explanation(), explained, "{word}");
        }
        let told = Finish::read("SAFETY", Some("not here"));
        assert_eq!(told.explanation().as_deref(), Some("not here"));
    }
}
