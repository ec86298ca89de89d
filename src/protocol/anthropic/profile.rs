//! What one model of Anthropic's takes: a table by family and generation.
//!
//! The API refuses with a 400 what a model does not know, and nearly every generation changed something. Sources: the
//! vendor's pages on thinking, effort, structured outputs, mid-conversation system messages and its list of models,
//! and refusals that were recorded; November 2026. A model that is not known is taken for the newest and strictest;
//! one that is not Anthropic's, behind an endpoint that imitates the dialect, for the plainest.
//!
//! | generation | differs in |
//! | --- | --- |
//! | up to 3.5 | does not think; short answers |
//! | 3.7 to 4.5 | thinks up to a budget |
//! | 4.1 on | `temperature` and `top_p` exclude each other |
//! | 4.5 on | answers by schema; Opus also takes `effort` |
//! | 4.6 on | thinks adaptively; no prefill |
//! | Opus 4.7, Sonnet 5 on | no budgets, no sampling |
//! | Opus 4.8 on | instructions amid the conversation; not Sonnet 5 |
//! | 5 on | thinks unless told not to; Fable, Mythos and Opus 5.5 always |
//! | 5.1 on | no forced tools; not Haiku 5.5 |

use crate::protocol::profile::Overrides;
use crate::types::quirks::ThinkingStyle;

mod name;

pub(super) use self::name::sent as sent_model;
use self::name::{Family, Name};

/// What one model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a model takes or refuses; they do not exclude each other"
)]
pub struct Profile {
    /// How it can be asked to think.
    pub thinking: Thinks,
    /// Whether it thinks when nothing is said, and how to stop it.
    pub quiet: Quiet,
    /// The largest `output_config.effort`; `None` where there is no such thing.
    pub effort: Option<TopEffort>,
    /// Thinking that is switched off takes no effort above `high`.
    pub quiet_effort_is_high: bool,
    /// Thinking is shown as empty text unless a summary is asked for.
    pub thinking_is_hidden: bool,
    /// Which of `temperature`, `top_p` and `top_k` it takes.
    pub sampling: Sampling,
    /// Takes a `tool_choice` of `any` or `tool`.
    pub forced_tools: bool,
    /// Continues an answer that the client began.
    pub prefill: bool,
    /// Takes messages of the role `system`.
    pub mid_system: bool,
    /// Takes `output_config.format` and strict tools.
    pub structured: bool,
    /// Takes pictures.
    pub images: bool,
    /// Takes PDF.
    pub files: bool,
    /// The prompt is marked for the cache where the client does not say how: clients of OpenAI's dialects expect that
    /// caching needs no word.
    pub cache: bool,
    /// Longest name of a tool, bytes.
    pub tool_name: usize,
    /// Largest number of output tokens, where it is known.
    pub max_output: Option<u64>,
    /// Output tokens to ask for when the client does not say.
    pub default_output: u64,
}

/// How a model can be asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinks {
    /// Not at all.
    Never,
    /// Up to a budget of tokens.
    Budget,
    /// Up to a budget or as it sees fit.
    Either,
    /// As it sees fit.
    Adaptive,
}

/// What keeps a model from thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// Nothing has to be said.
    ByDefault,
    /// `{"type":"disabled"}`.
    Disabled,
    /// `{"type":"between_tools"}`.
    BetweenTools,
    /// Nothing does.
    Impossible,
}

/// The largest effort a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopEffort {
    /// `low`, `medium`, `high`.
    High,
    /// These and `max`.
    MaxWithoutXHigh,
    /// All.
    Max,
}

/// Which sampling settings a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// All of them.
    All,
    /// Not `temperature` and `top_p` together.
    OneOfTwo,
    /// None but the default values.
    Nothing,
}

/// A generation that has no successor yet, and so whatever comes next.
const NEWEST: Profile = Profile {
    thinking: Thinks::Adaptive,
    quiet: Quiet::Impossible,
    effort: Some(TopEffort::Max),
    quiet_effort_is_high: false,
    thinking_is_hidden: true,
    sampling: Sampling::Nothing,
    forced_tools: false,
    prefill: false,
    mid_system: true,
    structured: true,
    images: true,
    files: true,
    cache: true,
    tool_name: 128,
    max_output: Some(128_000),
    default_output: 64_000,
};

const FIVE: Profile = Profile {
    quiet: Quiet::Disabled,
    forced_tools: true,
    ..NEWEST
};

const FOUR_7: Profile = Profile {
    quiet: Quiet::ByDefault,
    mid_system: false,
    ..FIVE
};

const FOUR_6: Profile = Profile {
    thinking: Thinks::Either,
    effort: Some(TopEffort::MaxWithoutXHigh),
    thinking_is_hidden: false,
    sampling: Sampling::OneOfTwo,
    ..FOUR_7
};

const FOUR_5: Profile = Profile {
    thinking: Thinks::Budget,
    effort: None,
    prefill: true,
    max_output: Some(64_000),
    ..FOUR_6
};

/// Before 4.5 a prompt that leaves no room for `max_tokens` is refused, so not too much is asked for.
const FOUR_1: Profile = Profile {
    structured: false,
    tool_name: 64,
    max_output: Some(32_000),
    default_output: 8192,
    ..FOUR_5
};

const FOUR: Profile = Profile {
    sampling: Sampling::All,
    ..FOUR_1
};

const THREE_7: Profile = Profile {
    max_output: Some(64_000),
    ..FOUR
};

const THREE_5: Profile = Profile {
    thinking: Thinks::Never,
    max_output: Some(8192),
    ..FOUR
};

const THREE: Profile = Profile {
    files: false,
    max_output: Some(4096),
    default_output: 4096,
    ..THREE_5
};

/// A model of another vendor behind an endpoint that imitates the dialect.
const IMITATION: Profile = Profile {
    thinking: Thinks::Budget,
    max_output: None,
    cache: false,
    ..FOUR
};

type Row = (Family, (u32, u32), Profile);

/// From which version on a family takes what. Rows of a family stand in order.
const TABLE: [Row; 27] = [
    (Family::Opus, (0, 0), THREE),
    (Family::Opus, (4, 0), FOUR),
    (Family::Opus, (4, 1), FOUR_1),
    (
        Family::Opus,
        (4, 5),
        Profile {
            effort: Some(TopEffort::High),
            ..FOUR_5
        },
    ),
    (Family::Opus, (4, 6), FOUR_6),
    (Family::Opus, (4, 7), FOUR_7),
    (
        Family::Opus,
        (4, 8),
        Profile {
            mid_system: true,
            ..FOUR_7
        },
    ),
    (
        Family::Opus,
        (5, 0),
        Profile {
            quiet_effort_is_high: true,
            ..FIVE
        },
    ),
    (Family::Opus, (5, 1), NEWEST),
    (Family::Sonnet, (0, 0), THREE),
    (Family::Sonnet, (3, 5), THREE_5),
    (Family::Sonnet, (3, 7), THREE_7),
    (Family::Sonnet, (4, 0), THREE_7),
    (Family::Sonnet, (4, 5), FOUR_5),
    (Family::Sonnet, (4, 6), FOUR_6),
    (
        Family::Sonnet,
        (5, 0),
        Profile {
            mid_system: false,
            ..FIVE
        },
    ),
    (
        Family::Sonnet,
        (5, 1),
        Profile {
            quiet: Quiet::BetweenTools,
            quiet_effort_is_high: true,
            ..NEWEST
        },
    ),
    (Family::Haiku, (0, 0), THREE),
    (Family::Haiku, (3, 5), THREE_5),
    (Family::Haiku, (4, 0), FOUR_5),
    (
        Family::Haiku,
        (5, 0),
        Profile {
            quiet_effort_is_high: true,
            ..FIVE
        },
    ),
    (
        Family::Fable,
        (0, 0),
        Profile {
            quiet: Quiet::Impossible,
            ..FIVE
        },
    ),
    (Family::Fable, (5, 1), NEWEST),
    // The preview, which had no number.
    (
        Family::Mythos,
        (0, 0),
        Profile {
            quiet: Quiet::Impossible,
            structured: false,
            ..FOUR_6
        },
    ),
    (
        Family::Mythos,
        (5, 0),
        Profile {
            quiet: Quiet::Impossible,
            ..FIVE
        },
    ),
    (Family::Mythos, (5, 1), NEWEST),
    // `claude-2.1` and before.
    (Family::Early, (0, 0), THREE),
];

impl Profile {
    /// What is known of `model` at `host`. Spellings of the clouds are understood.
    pub fn guess(host: &str, model: &str) -> Self {
        let known = match Name::read(model) {
            Name::Claude(family, version) => TABLE
                .iter()
                .rfind(|(of, from, _)| *of == family && *from <= version)
                .map_or(NEWEST, |(_, _, profile)| profile.clone()),
            Name::NewClaude => NEWEST,
            // At the vendor's own, an unknown name is a new one.
            Name::Other if host.ends_with("anthropic.com") => NEWEST,
            Name::Other => IMITATION,
        };
        known.in_order()
    }

    /// Over it what the operator declared.
    pub fn with(mut self, overrides: &Overrides) -> Self {
        match overrides.thinking {
            Some(false) => {
                self.thinking = Thinks::Never;
                self.effort = None;
            }
            Some(true) if self.thinking == Thinks::Never => self.thinking = Thinks::Budget,
            Some(true) | None => {}
        }
        match overrides
            .thinking_style
            .filter(|_| overrides.thinking != Some(false))
        {
            Some(ThinkingStyle::Budget) => self.thinking = Thinks::Budget,
            Some(ThinkingStyle::Adaptive) => self.thinking = Thinks::Adaptive,
            Some(ThinkingStyle::Effort) => {
                self.thinking = Thinks::Adaptive;
                self.effort = self.effort.or(Some(TopEffort::High));
            }
            // The first is told by `thinking`; the dialect has nothing like the last.
            Some(ThinkingStyle::Never | ThinkingStyle::Level) | None => {}
        }
        match overrides.reasoning_effort {
            Some(false) => self.effort = None,
            Some(true) if self.effort.is_none() => self.effort = Some(TopEffort::High),
            Some(true) | None => {}
        }
        match overrides.sampling {
            Some(false) => self.sampling = Sampling::Nothing,
            Some(true) if self.sampling == Sampling::Nothing => self.sampling = Sampling::All,
            Some(true) | None => {}
        }
        self.structured = overrides.structured_output.unwrap_or(self.structured);
        self.prefill = overrides.prefill.unwrap_or(self.prefill);
        self.images = overrides.images.unwrap_or(self.images);
        self.files = overrides.files.unwrap_or(self.files);
        self.max_output = overrides.max_output.or(self.max_output);
        self.in_order()
    }

    /// No more is asked for by default than there is.
    fn in_order(mut self) -> Self {
        if let Some(most) = self.max_output {
            self.default_output = self.default_output.min(most);
        }
        self
    }
}

#[cfg(test)]
mod tests;
