//! What is said of a provider of `type: zed`: who we are there, which of its interfaces is spoken to, how long threads
//! last, what modes cost; and what is paid for at any provider. Read in `zed.rs`.

use std::fmt;
use std::time::Duration;

use crate::types::{Dialect, MicroUsd, Secret};

/// What a thread holds where nobody says, tokens.
pub const DEFAULT_CONTEXT: u64 = 120_000;
/// Calls of tools of a thread in normal mode where nobody says.
const DEFAULT_TOOL_CALLS: u64 = 25;
/// Codes that say that a thread cannot go on. Those of the seeds; the service is free to have others.
const THREAD_ERRORS: [&str; 6] = [
    "context_length_exceeded",
    "thread_expired",
    "thread_not_found",
    "thread_limit_reached",
    "invalid_thread_state",
    "thread_corrupted",
];
/// Codes that say that a prompt cannot go on.
const PROMPT_ERRORS: [&str; 3] = [
    "tool_calls_limit_exceeded",
    "tool_use_limit_reached",
    "user_interaction_required",
];

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Billing {
    /// Tokens.
    Token,
    /// Prompts or requests, however large.
    Session,
}

impl Billing {
    /// The words of the configuration, and of a request's own wish.
    pub const WORDS: &[&str] = &["token_based", "session_based", "token", "session"];

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "token_based" | "token" => Some(Billing::Token),
            "session_based" | "session" => Some(Billing::Session),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Billing::Token => "token_based",
            Billing::Session => "session_based",
        }
    }
}

/// How much of a model is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ZedMode {
    /// The usual.
    #[default]
    Normal,
    /// More context and as many calls of tools as it takes.
    Max,
    /// Whichever fits the request.
    Auto,
}

impl ZedMode {
    /// The words of the configuration.
    pub(super) const WORDS: &[&str] = &["normal", "max", "burn", "auto"];

    /// What a word means.
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            "max" | "burn" => ZedMode::Max,
            "auto" => ZedMode::Auto,
            _ => ZedMode::Normal,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            ZedMode::Normal => "normal",
            ZedMode::Max => "max",
            ZedMode::Auto => "auto",
        }
    }
}

/// What makes a request large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A long text, or one about several files.
    ComplexCodingTask,
    /// Words that speak of work in several steps.
    MultiStepAnalysis,
    /// Tools.
    AgentPanelUsage,
}

impl Trigger {
    /// The words of the configuration.
    pub(super) const WORDS: &[&str] = &[
        "complex_coding_task",
        "multi_step_analysis",
        "agent_panel_usage",
    ];
    /// All of them, in the order of their words.
    const ALL: [Trigger; 3] = [
        Trigger::ComplexCodingTask,
        Trigger::MultiStepAnalysis,
        Trigger::AgentPanelUsage,
    ];

    /// What a word means.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let mut pairs = Trigger::WORDS.iter().zip(Trigger::ALL);
        pairs.find_map(|(it, trigger)| (*it == word).then_some(trigger))
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Trigger::ComplexCodingTask => "complex_coding_task",
            Trigger::MultiStepAnalysis => "multi_step_analysis",
            Trigger::AgentPanelUsage => "agent_panel_usage",
        }
    }
}

/// Which interface of the service is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Late 2025: it is told mode and intent, and an answer ends with its connection.
    Of2025,
    /// 2026: neither, and it says when a stream has ended.
    #[default]
    Of2026,
}

impl Generation {
    /// The year.
    pub fn year(self) -> u16 {
        match self {
            Generation::Of2025 => 2025,
            Generation::Of2026 => 2026,
        }
    }
}

/// Who we are at the service.
#[derive(Clone, PartialEq, Eq)]
pub struct ZedAccount {
    /// The account's number.
    pub user_id: u64,
    /// What it was granted when it signed in.
    pub access_token: Secret,
}

impl fmt::Debug for ZedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ZedAccount(***)")
    }
}

/// How the service is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub struct Zed {
    /// Who signs in there for tokens; `None` where somebody else takes care of them.
    pub account: Option<ZedAccount>,
    /// Which of its interfaces.
    pub generation: Generation,
    /// The version of the editor to speak as.
    pub version: Option<String>,
    /// Who pays; `None` is the account's default.
    pub organization_id: Option<String>,
    /// The machine that signs in.
    pub system_id: Option<String>,
    /// What is spoken with OpenAI's models there.
    pub openai: Dialect,
    /// The mode to ask in.
    pub mode: ZedMode,
    /// What looks large under `auto`.
    pub triggers: Vec<Trigger>,
    /// How long threads last.
    pub threads: ThreadTerms,
    /// What the normal mode costs and allows.
    pub normal: ModeTerms,
    /// What the larger one does.
    pub max: ModeTerms,
}

impl Default for Zed {
    fn default() -> Self {
        Zed {
            account: None,
            generation: Generation::default(),
            version: None,
            organization_id: None,
            system_id: None,
            openai: Dialect::OpenAiResponses,
            mode: ZedMode::default(),
            triggers: Trigger::ALL.to_vec(),
            threads: ThreadTerms::default(),
            normal: ModeTerms {
                max_tool_calls: Some(DEFAULT_TOOL_CALLS),
                ..ModeTerms::default()
            },
            max: ModeTerms::default(),
        }
    }
}

impl Zed {
    /// What a mode costs and allows.
    pub fn terms(&self, is_max: bool) -> &ModeTerms {
        if is_max { &self.max } else { &self.normal }
    }
}

/// How long threads last.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadTerms {
    /// What a thread holds, tokens; `None` is the model's window.
    pub max_context: Option<u64>,
    /// Part of it from which on a new one begins.
    pub threshold: f64,
    /// Rest after which a new one begins.
    pub ttl: Duration,
    /// Whether a new one begins before the service refuses the old one.
    pub auto_rotate: bool,
    /// New ones for one request.
    pub max_retries: u32,
    /// Codes upon which a new thread begins.
    pub thread_errors: Vec<String>,
    /// Codes upon which a new prompt begins.
    pub prompt_errors: Vec<String>,
}

impl Default for ThreadTerms {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        ThreadTerms {
            max_context: None,
            threshold: 0.8,
            ttl: Duration::from_secs(3600),
            auto_rotate: true,
            max_retries: 3,
            thread_errors: texts(&THREAD_ERRORS),
            prompt_errors: texts(&PROMPT_ERRORS),
        }
    }
}

/// What a mode costs and allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ModeTerms {
    /// A prompt, with all calls of tools that come of it.
    pub per_prompt: MicroUsd,
    /// Each request.
    pub per_request: MicroUsd,
    /// Calls of tools of a thread; `None` is no limit.
    pub max_tool_calls: Option<u64>,
}

impl ModeTerms {
    /// Whether anything is said about costs.
    pub fn has_costs(&self) -> bool {
        self.per_prompt != MicroUsd(0) || self.per_request != MicroUsd(0)
    }
}
