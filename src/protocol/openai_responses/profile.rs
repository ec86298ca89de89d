//! What one model takes when it is asked in this dialect.
//!
//! What OpenAI's older dialect knows of hosts and models holds here too and is not repeated: a [`Profile`] is that one
//! with a few corrections, and what only this dialect has.
//!
//! | host or model | differs in |
//! | --- | --- |
//! | `openai.com`, Azure | hosted tools; custom tools and verbosity for GPT-5 and later |
//! | Azure | web search under its preview name, without filters |
//! | `x.ai` | web search; sealed reasoning of Grok |
//! | `openrouter.ai` | sealed reasoning, effort in OpenRouter's words |
//! | `deepseek.com` and other models that want their reasoning back | get it as `reasoning_text` (recorded 2026) |

use crate::protocol::openai_chat::guess::{Host, Model};
use crate::protocol::openai_chat::{
    self, EffortScale, Family, IdStyle, MidSystem, Prefill, Reasoning,
};
use crate::protocol::profile::Overrides;

/// Fewest output tokens that OpenAI takes: less is a 400.
const OPENAI_LEAST: u64 = 16;

/// What one model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "capabilities, each there or not"
)]
pub struct Profile {
    /// What holds in both of OpenAI's dialects.
    pub base: openai_chat::Profile,
    /// Smallest number of output tokens.
    pub least_output: u64,
    /// Gives `encrypted_content` of its reasoning, and takes it back.
    pub sealed_reasoning: bool,
    /// Accepts `reasoning.summary`.
    pub summaries: bool,
    /// Accepts tools of type `custom`.
    pub custom_tools: bool,
    /// How it searches the web.
    pub web_search: WebSearch,
    /// Runs programs: `code_interpreter`.
    pub code_interpreter: bool,
    /// Accepts `text.verbosity`.
    pub verbosity: bool,
    /// Accepts `include` of sources and outputs of hosted tools, and `max_tool_calls`.
    pub hosted_details: bool,
}

/// How a provider searches the web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSearch {
    /// Not at all.
    Nowhere,
    /// `web_search`, with domains to search in.
    Current,
    /// `web_search_preview`, which knows no domains.
    Preview,
}

impl Profile {
    /// What is known of `model` at `host`.
    pub fn guess(host: &str, model: &str) -> Self {
        let mut base = openai_chat::Profile::guess(host, model);
        let host = Host::new(host);
        let model = Model::new(model);
        base.ids = IdStyle::UpTo64;
        base.prefill = Prefill::Plain;
        base.bridge_after_tools = false;
        base.thought_signatures = false;
        base.stop = false;
        base.reasoning = effort_only(base.reasoning);
        let reasoner = model.openai_reasoner();
        let azure = host.is(&[
            "openai.azure.com",
            "ai.azure.com",
            "cognitiveservices.azure.com",
        ]);
        let openai = azure || host.is(&["openai.com"]);
        let xai = host.is(&["x.ai"]);
        if reasoner.is_some() {
            base.mid_system = MidSystem::InPlace;
        }
        if openai {
            // Documents by address, and more types than in the older dialect.
            base.files = true;
            base.file_urls = true;
        }
        let grok = xai && base.family == Family::Grok && !model.has(&["non-reasoning"]);
        let recent = openai && reasoner.is_some_and(|version| (5, 0) <= version);
        Profile {
            least_output: if openai || base.family == Family::OpenAi {
                OPENAI_LEAST
            } else {
                1
            },
            sealed_reasoning: reasoner.is_some() || grok || host.is(&["openrouter.ai"]),
            summaries: reasoner.is_some(),
            custom_tools: recent,
            web_search: match (azure, openai || xai) {
                (true, _) => WebSearch::Preview,
                (false, true) => WebSearch::Current,
                (false, false) => WebSearch::Nowhere,
            },
            code_interpreter: openai,
            verbosity: recent,
            hosted_details: openai,
            base,
        }
    }

    /// Over it what the operator declared.
    pub fn with(mut self, overrides: &Overrides) -> Self {
        self.base = self.base.with(overrides);
        self.base.stop = false;
        if overrides.thinking == Some(false) {
            self.sealed_reasoning = false;
        }
        self
    }
}

/// This dialect asks for thought in one way only.
fn effort_only(reasoning: Reasoning) -> Reasoning {
    match reasoning {
        Reasoning::Unsupported | Reasoning::Effort(_) => reasoning,
        Reasoning::OpenRouter => Reasoning::Effort(EffortScale {
            none: true,
            minimal: true,
            xhigh: true,
            max: false,
        }),
        Reasoning::Switch | Reasoning::EnableThinking => Reasoning::Effort(EffortScale::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_differ_in_what_they_run_themselves() {
        let openai = Profile::guess("api.openai.com", "gpt-5.1");
        assert_eq!(openai.web_search, WebSearch::Current);
        assert!(openai.code_interpreter && openai.custom_tools && openai.verbosity);
        assert!(openai.base.file_urls && openai.sealed_reasoning);
        let azure = Profile::guess("my.openai.azure.com:443", "gpt-5.1");
        assert_eq!(azure.web_search, WebSearch::Preview);
        let local = Profile::guess("localhost:1234", "qwen3-coder");
        assert_eq!(local.web_search, WebSearch::Nowhere);
        assert!(!local.code_interpreter && !local.custom_tools && !local.sealed_reasoning);
        assert_eq!((local.least_output, openai.least_output), (1, 16));
    }

    #[test]
    fn old_models_know_no_custom_tools_and_do_not_reason() {
        let old = Profile::guess("api.openai.com", "gpt-4.1");
        assert!(!old.custom_tools && !old.verbosity && !old.sealed_reasoning);
        assert!(old.base.sampling);
        assert!(!Profile::guess("api.openai.com", "o3").custom_tools);
    }

    #[test]
    fn every_way_of_asking_for_thought_becomes_an_effort() {
        for (host, model) in [
            ("openrouter.ai", "openai/gpt-5"),
            ("api.deepseek.com", "deepseek-v4"),
            ("api.openai.com", "gpt-5"),
        ] {
            let profile = Profile::guess(host, model);
            assert!(
                matches!(profile.base.reasoning, Reasoning::Effort(_)),
                "{host}"
            );
        }
        let off = Profile::guess("api.openai.com", "gpt-5").with(&Overrides {
            thinking: Some(false),
            sampling: Some(true),
            ..Overrides::default()
        });
        assert_eq!(off.base.reasoning, Reasoning::Unsupported);
        assert!(!off.sealed_reasoning && off.base.sampling && !off.base.stop);
    }
}
