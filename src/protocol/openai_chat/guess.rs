//! The built-in table: what a host and a model name tell about what an upstream takes.
//!
//! Hosts decide what the API accepts, model names what the model is. Everything here is documented by the provider or
//! was seen in its errors, as of November 2026; whatever is wrong for someone can be overridden in the configuration.
//!
//! | host | differs in |
//! | --- | --- |
//! | `openai.com`, Azure | reasoning models: `max_completion_tokens`, no sampling, no `stop`, `reasoning_effort` |
//! | `deepseek.com` | no pictures, `json_object` only, `thinking` switch, `prefix` |
//! | `moonshot.*`, `kimi.com` | `thinking` switch, fixed sampling, `partial` |
//! | `z.ai`, `bigmodel.cn` | `thinking` switch, `json_object` only, no forced tools |
//! | `aliyuncs.com` | `enable_thinking`, `cache_control` |
//! | `openrouter.ai` | `reasoning`, `reasoning_details`, files by address, `cache_control` |
//! | `mistral.ai` | unknown fields are refused, `prefix` |
//! | `googleapis.com` | few extras, thought signatures |
//! | `x.ai`, `groq.com`, `cerebras.ai` | few extras |
//!
//! | model | differs in |
//! | --- | --- |
//! | o-series, GPT-5 and later | as above, wherever they are served, OpenRouter apart |
//! | DeepSeek, Kimi, GLM, MiniMax, Qwen | want `reasoning_content` back |
//! | Mistral's | ids of 9 characters, no user message right after tool messages |

use super::names::sent_model;
use super::profile::{
    CacheMarks, EffortScale, Family, IdStyle, JsonAnswers, MidSystem, Prefill, Profile, Reasoning,
    Replay, UserField,
};

impl Profile {
    /// The guess from the host name of the base URL and the model as it is sent. Ports and case do not matter.
    pub fn guess(host: &str, model: &str) -> Self {
        let host = Host::new(host);
        let model = Model::new(model);
        let mut profile = Profile::generic();
        profile.family = model.family();
        by_model(&mut profile, &model);
        by_host(&mut profile, &host, &model);
        profile
    }
}

/// A host name.
pub(crate) struct Host(String);

impl Host {
    /// From a base URL's host, in any case and with or without a port.
    pub fn new(host: &str) -> Self {
        let name = host.split(':').next().unwrap_or_default();
        Host(name.to_ascii_lowercase())
    }

    /// Whether the host is one of these domains or below one.
    pub fn is(&self, domains: &[&str]) -> bool {
        domains.iter().any(|domain| {
            self.0
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// A model's name.
pub(crate) struct Model {
    /// Lower case, the way it is sent.
    full: String,
    /// Without the vendor in front: `openai/gpt-5` → `gpt-5`.
    base: String,
}

impl Model {
    /// From the name as it is configured.
    pub fn new(name: &str) -> Self {
        let full = sent_model(name).to_ascii_lowercase();
        let base = full.rsplit('/').next().unwrap_or_default().to_owned();
        Model { full, base }
    }

    /// Whether one of these words is part of the name.
    pub fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.full.contains(word))
    }

    fn family(&self) -> Family {
        if self.has(&["claude", "anthropic/"]) {
            Family::Claude
        } else if self.has(&["gemini", "google/"]) {
            Family::Gemini
        } else if self.has(&["openai/"]) || self.openai_reasoner().is_some() {
            Family::OpenAi
        } else if self.has(&["grok"]) {
            Family::Grok
        } else {
            Family::Other
        }
    }

    /// Major and minor of `gpt-5.1-codex`; the o-series counts as 0. `None` is no reasoning model of OpenAI.
    pub fn openai_reasoner(&self) -> Option<(u32, u32)> {
        if let Some(rest) = self.base.strip_prefix("gpt-") {
            if rest.contains("chat") {
                return None;
            }
            let number: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            let (major, minor) = number.split_once('.').unwrap_or((&number, "0"));
            let major: u32 = major.parse().ok()?;
            return (5 <= major).then(|| (major, minor.parse().unwrap_or(0)));
        }
        let o_series = ["o1", "o3", "o4"].iter().any(|name| {
            self.base
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        (o_series || self.base.starts_with("codex-")).then_some((0, 0))
    }

    fn mistral(&self) -> bool {
        self.has(&[
            "mistral",
            "ministral",
            "magistral",
            "codestral",
            "devstral",
            "pixtral",
        ])
    }
}

fn by_model(profile: &mut Profile, model: &Model) {
    if let Some(version) = model.openai_reasoner() {
        profile.max_completion_tokens = true;
        profile.sampling = false;
        profile.stop = false;
        profile.top_k = false;
        profile.parallel_tool_calls = version != (0, 0);
        profile.reasoning = Reasoning::Effort(EffortScale {
            none: (5, 1) <= version,
            minimal: version == (5, 0),
            xhigh: (5, 2) <= version || model.base.contains("codex-max"),
            max: (5, 6) <= version,
        });
    }
    if model.has(&["gpt-oss"]) {
        profile.reasoning = Reasoning::Effort(EffortScale::default());
    }
    // The first reasoner refused its own reasoning in the history.
    if model.has(&["deepseek"]) && !model.has(&["-r1", "r1-"]) {
        profile.replay = Replay::Content { filler: Some("") };
    }
    if model.has(&["kimi"]) {
        profile.replay = Replay::Content { filler: Some(" ") };
    }
    if model.has(&["glm", "minimax", "qwen", "qwq"]) {
        profile.replay = Replay::Content { filler: None };
    }
    if model.mistral() {
        profile.ids = IdStyle::Nine;
        profile.bridge_after_tools = true;
        profile.null_content = false;
    }
}

fn by_host(profile: &mut Profile, host: &Host, model: &Model) {
    if host.is(&["openai.com"]) {
        openai(profile, model);
    } else if host.is(&[
        "openai.azure.com",
        "ai.azure.com",
        "cognitiveservices.azure.com",
    ]) {
        profile.top_k = false;
        profile.strict_tools = true;
        profile.mid_system = MidSystem::InPlace;
    } else if host.is(&["openrouter.ai"]) {
        openrouter(profile);
    } else if host.is(&["deepseek.com"]) {
        profile.top_k = false;
        profile.images = false;
        profile.reasoning = Reasoning::Switch;
        profile.json = JsonAnswers::Object;
        profile.prefill = Prefill::Prefix;
        profile.parallel_tool_calls = false;
        profile.user = UserField::Nowhere;
        profile.mid_system = MidSystem::InPlace;
    } else if host.is(&["moonshot.ai", "moonshot.cn", "kimi.com"]) {
        profile.top_k = false;
        profile.reasoning = Reasoning::Switch;
        profile.prefill = Prefill::Partial;
        profile.sampling = !model.has(&["kimi"]);
        profile.mid_system = MidSystem::InPlace;
    } else if host.is(&["z.ai", "bigmodel.cn"]) {
        profile.top_k = false;
        profile.reasoning = Reasoning::Switch;
        profile.json = JsonAnswers::Object;
        profile.forced_tool_choice = false;
        profile.parallel_tool_calls = false;
    } else if host.is(&["aliyuncs.com"]) {
        if model.has(&["qwen", "qwq"]) {
            profile.cache = CacheMarks::CacheControl;
            profile.reasoning = Reasoning::EnableThinking;
        }
    } else if host.is(&["mistral.ai"]) {
        profile.top_k = false;
        profile.stream_usage = false;
        profile.user = UserField::Nowhere;
        profile.prefill = Prefill::Prefix;
    } else if host.is(&["googleapis.com"]) {
        profile.thought_signatures = true;
        profile.top_k = false;
        profile.user = UserField::Nowhere;
        profile.parallel_tool_calls = false;
        profile.reasoning = Reasoning::Effort(EffortScale {
            none: true,
            minimal: true,
            ..EffortScale::default()
        });
    } else if host.is(&["x.ai"]) {
        profile.top_k = false;
        profile.stop = false;
        profile.mid_system = MidSystem::InPlace;
        if model.has(&["grok-3-mini"]) {
            profile.reasoning = Reasoning::Effort(EffortScale::default());
        }
    } else if host.is(&["groq.com", "cerebras.ai"]) {
        profile.top_k = false;
        // Unknown fields of a message are refused, `reasoning_content` among them.
        profile.replay = Replay::Nothing;
    }
}

fn openai(profile: &mut Profile, model: &Model) {
    profile.top_k = false;
    profile.files = true;
    profile.strict_tools = true;
    profile.user = UserField::SafetyIdentifier;
    profile.prompt_cache_key = true;
    profile.service_tier = true;
    profile.mid_system = MidSystem::InPlace;
    if model
        .openai_reasoner()
        .is_some_and(|version| (5, 6) <= version)
    {
        profile.cache = CacheMarks::Breakpoint;
    }
}

/// OpenRouter translates for the provider behind it: it takes everything and leaves out what does not apply.
fn openrouter(profile: &mut Profile) {
    profile.max_completion_tokens = false;
    profile.sampling = true;
    profile.top_k = true;
    profile.stop = true;
    profile.parallel_tool_calls = true;
    profile.reasoning = Reasoning::OpenRouter;
    profile.replay = Replay::Details;
    profile.files = true;
    profile.file_urls = true;
    profile.strict_tools = true;
    profile.mid_system = MidSystem::InPlace;
    profile.cache = match profile.family {
        Family::Claude | Family::Gemini => CacheMarks::CacheControl,
        Family::OpenAi | Family::Grok | Family::Other => CacheMarks::Nothing,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_reasoning_models_are_told_from_the_others() {
        for (model, version) in [
            ("gpt-5", Some((5, 0))),
            ("gpt-5-mini-2025-08-07", Some((5, 0))),
            ("gpt-5.1-codex", Some((5, 1))),
            ("openai/gpt-5.6", Some((5, 6))),
            ("o1", Some((0, 0))),
            ("o3-mini", Some((0, 0))),
            ("o4-mini", Some((0, 0))),
            ("gpt-4o", None),
            ("gpt-4.1-mini", None),
            ("gpt-5-chat-latest", None),
            ("gpt-oss-120b", None),
            ("o10", None),
            ("qwen3-coder", None),
        ] {
            assert_eq!(Model::new(model).openai_reasoner(), version, "{model}");
        }
    }

    #[test]
    fn hosts_are_matched_by_domain_and_not_by_substring() {
        assert!(Host::new("api.openai.com").is(&["openai.com"]));
        assert!(Host::new("openai.com").is(&["openai.com"]));
        assert!(!Host::new("notopenai.com").is(&["openai.com"]));
        assert!(!Host::new("openai.com.example").is(&["openai.com"]));
        let with_port = Profile::guess("API.OpenAI.com:443", "gpt-5");
        assert_eq!(with_port, Profile::guess("api.openai.com", "gpt-5"));
        assert_eq!(with_port.user, UserField::SafetyIdentifier);
    }

    #[test]
    fn a_reasoning_model_keeps_its_rules_behind_a_compatible_gateway() {
        let profile = Profile::guess("gateway.example", "openai/gpt-5");
        assert!(profile.max_completion_tokens);
        assert!(!profile.sampling);
        let profile = Profile::guess("openrouter.ai", "openai/gpt-5");
        assert!(!profile.max_completion_tokens);
        assert_eq!(profile.reasoning, Reasoning::OpenRouter);
    }

    #[test]
    fn reasoning_goes_back_to_those_who_want_it() {
        let replay = |host, model| Profile::guess(host, model).replay;
        let content = |filler| Replay::Content { filler };
        assert_eq!(
            replay("api.deepseek.com", "deepseek-chat"),
            content(Some(""))
        );
        assert_eq!(replay("localhost", "deepseek-r1:14b"), Replay::Nothing);
        assert_eq!(replay("api.moonshot.ai", "kimi-k2.5"), content(Some(" ")));
        assert_eq!(replay("api.z.ai", "glm-4.7"), content(None));
        assert_eq!(
            replay("openrouter.ai", "deepseek/deepseek-v3.2"),
            Replay::Details
        );
        assert_eq!(replay("api.openai.com", "gpt-5"), Replay::Nothing);
    }

    #[test]
    fn mistral_models_need_short_ids_wherever_they_run() {
        for (host, model) in [
            ("api.mistral.ai", "codestral-latest"),
            ("localhost", "mistralai/Devstral-Small-2507"),
        ] {
            let profile = Profile::guess(host, model);
            assert_eq!(profile.ids, IdStyle::Nine);
            assert!(profile.bridge_after_tools);
        }
    }

    #[test]
    fn cache_marks_are_kept_for_models_that_know_them() {
        let cache = |host, model| Profile::guess(host, model).cache;
        assert_eq!(
            cache("openrouter.ai", "anthropic/claude-sonnet-5"),
            CacheMarks::CacheControl
        );
        assert_eq!(cache("openrouter.ai", "z-ai/glm-5"), CacheMarks::Nothing);
        assert_eq!(cache("api.openai.com", "gpt-5.6"), CacheMarks::Breakpoint);
        assert_eq!(cache("api.openai.com", "gpt-5.1"), CacheMarks::Nothing);
    }

    #[test]
    fn the_configuration_has_the_last_word() {
        use crate::protocol::profile::Overrides;
        let profile = Profile::guess("api.openai.com", "gpt-5").with(&Overrides {
            max_completion_tokens: Some(false),
            sampling: Some(true),
            reasoning_effort: Some(false),
            replay_reasoning: Some(true),
            max_output: Some(4096),
            ..Overrides::default()
        });
        assert!(!profile.max_completion_tokens);
        assert!(profile.sampling && profile.stop);
        assert_eq!(profile.reasoning, Reasoning::Unsupported);
        assert_eq!(profile.replay, Replay::Content { filler: Some("") });
        assert_eq!(profile.max_output, Some(4096));
        for (host, model) in [
            ("api.openai.com", "gpt-5"),
            ("api.deepseek.com", "deepseek-chat"),
        ] {
            let thoughtless = Profile::guess(host, model).with(&Overrides {
                thinking: Some(false),
                ..Overrides::default()
            });
            assert_eq!(thoughtless.reasoning, Reasoning::Unsupported, "{host}");
        }
        let guess = Profile::guess("api.openai.com", "gpt-5");
        assert_eq!(guess.clone().with(&Overrides::default()), guess);
    }
}
