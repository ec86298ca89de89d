//! What one model at one provider takes, whatever the provider's dialect.
//!
//! From the ground up: what is true of most providers, what is known of the model (`capabilities`, and each dialect's own
//! guess), what is known of the vendor (`types/vendors.rs`), what the operator declared.

use crate::protocol::capabilities::Capabilities;
use crate::protocol::{anthropic, gemini, openai_chat, openai_responses};
use crate::types::quirks::{JsonAnswers, ThinkingStyle};
use crate::types::{Dialect, Quirks, Vendor};

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
    /// What is known of `model` at `host`, and over it what the operator declared. A declared vendor stands for its own
    /// host.
    pub fn of(dialect: Dialect, host: &str, model: &str, overrides: &Overrides) -> Self {
        let host = overrides.vendor.and_then(Vendor::host).unwrap_or(host);
        let vendor = || overrides.vendor.or_else(|| Vendor::of_host(host));
        // OpenAI's dialects look at the capabilities themselves: some vendors make up for what a model lacks.
        let filled = overrides.over(&Capabilities::of(model));
        match dialect {
            Dialect::Anthropic => {
                Profile::Anthropic(anthropic::Profile::guess(host, model).with(&filled))
            }
            Dialect::OpenAiChat => {
                Profile::OpenAiChat(openai_chat::Profile::at(vendor(), model).with(overrides))
            }
            Dialect::OpenAiResponses => Profile::OpenAiResponses(
                openai_responses::Profile::at(vendor(), model).with(overrides),
            ),
            Dialect::Gemini => Profile::Gemini(gemini::Profile::guess(host, model).with(&filled)),
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
    /// How it thinks, where its vendor's own dialect is spoken.
    pub thinking_style: Option<ThinkingStyle>,
    /// Largest number of output tokens.
    pub max_output: Option<u64>,
    /// Keeps to a JSON Schema that the request gives.
    pub structured_output: Option<bool>,
    /// Continues an answer that the client has begun.
    pub prefill: Option<bool>,
    /// Whose service it is, whatever its host.
    pub vendor: Option<&'static Vendor>,
    /// Everything else in which OpenAI-compatible services differ. What is said above as well is said there.
    pub quirks: Quirks,
}

impl Overrides {
    /// What the operator said about a service, and so far nothing about a model.
    pub fn of(vendor: Option<&'static Vendor>, quirks: Quirks) -> Self {
        Overrides {
            max_completion_tokens: quirks.max_completion_tokens,
            sampling: quirks.sampling,
            reasoning_effort: quirks.reasoning_effort,
            replay_reasoning: quirks.replay_reasoning,
            stream_usage: quirks.stream_usage,
            files: quirks.files,
            images: quirks.images,
            vendor,
            quirks,
            ..Overrides::default()
        }
    }

    /// All that is said in the columns of [`Quirks`].
    pub fn all_quirks(&self) -> Quirks {
        let json = self.structured_output.map(|it| {
            if it {
                JsonAnswers::Schema
            } else {
                JsonAnswers::Object
            }
        });
        let said = Quirks {
            max_completion_tokens: self.max_completion_tokens,
            sampling: self.sampling,
            reasoning_effort: self.reasoning_effort,
            replay_reasoning: self.replay_reasoning,
            stream_usage: self.stream_usage,
            files: self.files,
            images: self.images,
            json,
            ..Quirks::NONE
        };
        said.over(self.quirks)
    }

    /// What is declared, and where nothing is, what is known that the model cannot do. What it can is for its dialect to
    /// say, which knows more about its own models.
    fn over(&self, known: &Capabilities) -> Self {
        let cannot = |known: Option<bool>| known.filter(|can| !can);
        // Whoever says how a model thinks says whether it does.
        let style = self.thinking_style.or(known.thinking);
        let never = style == Some(ThinkingStyle::Never);
        Overrides {
            sampling: self.sampling.or(cannot(known.sampling)),
            files: self.files.or(cannot(known.documents)),
            images: self.images.or(cannot(known.images)),
            thinking: self.thinking.or(never.then_some(false)),
            max_output: self.max_output.or(known.max_output),
            structured_output: self.structured_output.or(cannot(known.structured_output)),
            prefill: self.prefill.or(cannot(known.prefill)),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_comes_before_what_is_known() {
        let known = Capabilities::of("o3-mini");
        let declared = Overrides {
            images: Some(true),
            max_output: Some(7),
            ..Overrides::default()
        };
        let both = declared.over(&known);
        assert_eq!((both.images, both.max_output), (Some(true), Some(7)));
        assert_eq!((both.files, both.sampling), (Some(false), Some(false)));
        assert_eq!(both.thinking, None);
        let gpt = Overrides::default().over(&Capabilities::of("gpt-4o"));
        assert_eq!((gpt.thinking, gpt.images), (Some(false), None));
        let thinking = Overrides {
            thinking: Some(true),
            ..Overrides::default()
        };
        let forced = thinking.over(&Capabilities::of("gpt-4o"));
        assert_eq!(forced.thinking, Some(true));
        let style = |style| Overrides {
            thinking_style: Some(style),
            ..Overrides::default()
        };
        let unknown = style(ThinkingStyle::Never).over(&Capabilities::of("my-own"));
        assert_eq!(unknown.thinking, Some(false));
        let thinks = style(ThinkingStyle::Budget).over(&Capabilities::of("gpt-4o"));
        assert_eq!(thinks.thinking, None);
    }

    #[test]
    fn a_declared_vendor_stands_for_its_host() {
        let chat = |host: &str, overrides: &Overrides| match Profile::of(
            Dialect::OpenAiChat,
            host,
            "m",
            overrides,
        ) {
            Profile::OpenAiChat(profile) => profile,
            _ => unreachable!(),
        };
        for vendor in crate::types::vendor::VENDORS {
            let declared = Overrides::of(Some(vendor), Quirks::NONE);
            let there = chat("mirror.example", &declared);
            assert_eq!(there, openai_chat::Profile::at(Some(vendor), "m"));
            if let Some(domain) = vendor.domains.first() {
                assert_eq!(there, chat(domain, &Overrides::default()), "{domain}");
            }
        }
        // What is declared holds at every host.
        let deepseek = Overrides::of(Vendor::named("deepseek"), Quirks::NONE);
        assert_eq!(
            chat("api.openai.com", &deepseek),
            chat("api.deepseek.com", &Overrides::default())
        );
    }
}
