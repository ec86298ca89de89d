//! What one model at one provider takes, whatever the provider's dialect.

use crate::protocol::{anthropic, gemini, openai_chat, openai_responses};
use crate::types::Dialect;

/// What one model at one provider takes.
#[derive(Clone, Debug)]
pub enum Profile {
    /// Of an Anthropic-type provider.
    Anthropic(anthropic::Profile),
    /// Of an OpenAI-type provider.
    OpenAiChat(openai_chat::Profile),
    /// Of a provider of OpenAI Responses.
    OpenAiResponses(openai_responses::Profile),
    /// Of Gemini.
    Gemini(gemini::Profile),
}

impl Profile {
    /// What is known of `model` at `host`, and over it what the operator declared.
    pub fn of(dialect: Dialect, host: &str, model: &str, overrides: &Overrides) -> Self {
        match dialect {
            Dialect::Anthropic => {
                Profile::Anthropic(anthropic::Profile::guess(host, model).with(overrides))
            }
            Dialect::OpenAiChat => {
                Profile::OpenAiChat(openai_chat::Profile::guess(host, model).with(overrides))
            }
            Dialect::OpenAiResponses => Profile::OpenAiResponses(
                openai_responses::Profile::guess(host, model).with(overrides),
            ),
            Dialect::Gemini => Profile::Gemini(gemini::Profile::guess(host, model).with(overrides)),
        }
    }

    /// The provider's dialect.
    pub fn dialect(&self) -> Dialect {
        match self {
            Profile::Anthropic(_) => Dialect::Anthropic,
            Profile::OpenAiChat(_) => Dialect::OpenAiChat,
            Profile::OpenAiResponses(_) => Dialect::OpenAiResponses,
            Profile::Gemini(_) => Dialect::Gemini,
        }
    }
}

/// What the configuration says about a model; `None` leaves the guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Send `max_completion_tokens` instead of `max_tokens`.
    pub max_completion_tokens: Option<bool>,
    /// Accepts `temperature`, `top_p`, `stop`.
    pub sampling: Option<bool>,
    /// Accepts `reasoning_effort`.
    pub reasoning_effort: Option<bool>,
    /// Wants `reasoning_content` of earlier tool-calling turns back.
    pub replay_reasoning: Option<bool>,
    /// Accepts `stream_options.include_usage`.
    pub stream_usage: Option<bool>,
    /// Accepts `file` parts (PDF).
    pub files: Option<bool>,
    /// Takes pictures.
    pub images: Option<bool>,
    /// Can think; `false` asks for it in no way at all.
    pub thinking: Option<bool>,
    /// Largest number of output tokens.
    pub max_output: Option<u64>,
}
