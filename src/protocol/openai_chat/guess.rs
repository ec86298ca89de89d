//! What a model's name tells about what it takes, wherever it runs, and the order in which everything that is known is
//! laid one over the other.
//!
//! Models tell what they are, vendors what their API accepts: a reasoning model keeps its rules behind a gateway that
//! nobody knows, and loses those that OpenRouter takes care of. Only one thing no vendor can make up for: eyes.
//!
//! | model | differs in |
//! | --- | --- |
//! | o-series, GPT-5 and later | `max_completion_tokens`, no sampling, no `stop`, `reasoning_effort` |
//! | GPT-5.6 and later | cache breakpoints, where the vendor takes them |
//! | DeepSeek, Kimi, GLM, MiniMax, Qwen | want `reasoning_content` back |
//! | Mistral's | ids of 9 characters, no user message right after tool messages |
//! | those of `protocol/capabilities.rs` | no pictures, no documents, a largest output |

use crate::protocol::capabilities::Capabilities;
use crate::types::Vendor;
use crate::types::quirks::{CacheMarks, EffortScale, IdStyle};

use super::names::sent_model;
use super::profile::{Family, Profile, Reasoning, Replay};

/// Vendors that document `verbosity`, for GPT-5 and later.
const TALKATIVE: [&str; 3] = ["azure", "openai", "openrouter"];
/// Vendors that refuse `logprobs`, or leave it out of what they document.
const WITHOUT_LOGPROBS: [&str; 7] = [
    "anthropic",
    "groq",
    "minimax",
    "mistral",
    "moonshot",
    "perplexity",
    "zai",
];

impl Profile {
    /// The guess from the host name of the base URL and the model as it is sent. Ports and case do not matter.
    pub fn guess(host: &str, model: &str) -> Self {
        Profile::at(Vendor::of_host(host), model)
    }

    /// What a model takes at a vendor, if anything is known of either.
    pub fn at(vendor: Option<&Vendor>, model: &str) -> Self {
        let known = Capabilities::of(model);
        let model = Model::new(model);
        let mut profile = Profile::generic();
        profile.family = model.family();
        profile.max_output = known.max_output;
        by_model(&mut profile, &model);
        if let Some(vendor) = vendor {
            profile.lay(&vendor.quirks_of(&model.full));
            profile.logprobs = !WITHOUT_LOGPROBS.contains(&vendor.name);
            profile.verbosity = TALKATIVE.contains(&vendor.name)
                && model
                    .openai_reasoner()
                    .is_some_and(|version| (5, 0) <= version);
        }
        profile.images &= known.images != Some(false);
        profile.files &= known.documents != Some(false);
        if profile.cache == CacheMarks::Breakpoint && !model.knows_breakpoints() {
            profile.cache = CacheMarks::Nothing;
        }
        profile
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

    fn knows_breakpoints(&self) -> bool {
        self.openai_reasoner()
            .is_some_and(|version| (5, 6) <= version)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::quirks::UserField;

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
    fn ports_and_case_of_a_host_do_not_matter() {
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
    fn every_column_can_be_overridden() {
        use crate::protocol::profile::Overrides;
        use crate::types::Quirks;
        use crate::types::quirks::{COLUMNS, Said, Shape};
        let bases = [Profile::generic(), Profile::guess("openai.com", "gpt-5.6")];
        for (name, shape, _) in COLUMNS {
            let values: Vec<Said<'_>> = match shape {
                Shape::Switch => vec![Said::Switch(true), Said::Switch(false)],
                Shape::Word(words) => words.iter().map(|it| Said::Word(it)).collect(),
                Shape::Words(words) => vec![Said::Words(words.to_vec()), Said::Words(vec![])],
            };
            let changes = values.into_iter().any(|value| {
                let quirks = Quirks::read(|key| (key == *name).then(|| value.clone()));
                let overrides = Overrides::of(None, quirks);
                bases.iter().any(|it| it.clone().with(&overrides) != *it)
            });
            assert!(changes, "{name} says nothing to anybody");
        }
    }

    #[test]
    fn a_vendor_accepts_what_its_models_can_do_and_no_more() {
        let guess = |host, model| Profile::guess(host, model);
        assert!(guess("openrouter.ai", "openai/gpt-4o").images);
        assert!(!guess("openrouter.ai", "deepseek/deepseek-v3.2").images);
        assert!(guess("api.openai.com", "gpt-4o").files);
        assert!(!guess("api.openai.com", "o3-mini").files);
        assert!(!guess("gateway.example", "gpt-4o").files);
        assert_eq!(guess("gateway.example", "gpt-4o").max_output, Some(16_384));
        assert_eq!(guess("gateway.example", "my-own").max_output, None);
    }

    #[test]
    fn vendors_differ_where_they_say_so() {
        let minimax = Profile::guess("api.minimaxi.com", "MiniMax-M2.1");
        assert!(minimax.max_completion_tokens && !minimax.forced_tool_choice);
        assert_eq!(minimax.replay, Replay::Content { filler: None });
        let kimi = Profile::guess("api.moonshot.ai", "kimi-k2.5");
        assert!(!kimi.sampling && kimi.stop);
        let qwen = Profile::guess("dashscope-intl.aliyuncs.com", "qwen3-max");
        assert_eq!(qwen.reasoning, Reasoning::EnableThinking);
        let vertex = Profile::guess("aiplatform.googleapis.com", "google/gemini-2.5-pro");
        assert!(vertex.thought_signatures);
        let mini = Profile::guess("api.x.ai", "grok-3-mini");
        assert_eq!(mini.reasoning, Reasoning::Effort(EffortScale::default()));
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
