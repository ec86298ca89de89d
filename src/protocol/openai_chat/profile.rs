//! What one upstream takes, and how what is said about it becomes that. What the model tells is in `guess`, what the
//! vendor tells in `types/vendors.rs`; the configuration may override each column.

use crate::protocol::profile::Overrides;
use crate::types::Quirks;
use crate::types::quirks::{
    CacheMarks, EffortScale, IdStyle, JsonAnswers, MidSystem, Prefill, ReasoningAsk,
    ReasoningReplay, UserField,
};

/// What one model at one provider takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent yes-or-no facts about a provider"
)]
pub struct Profile {
    /// Wants `max_completion_tokens` instead of `max_tokens`.
    pub max_completion_tokens: bool,
    /// Largest number of output tokens; `None` is unknown, nothing is clamped.
    pub max_output: Option<u64>,
    /// Accepts `temperature` and `top_p`.
    pub sampling: bool,
    /// Accepts `top_k`.
    pub top_k: bool,
    /// Accepts `stop`.
    pub stop: bool,
    /// How thinking is asked for.
    pub reasoning: Reasoning,
    /// What it wants to see again of its earlier reasoning.
    pub replay: Replay,
    /// Accepts `stream_options.include_usage`.
    pub stream_usage: bool,
    /// Accepts `image_url` parts.
    pub images: bool,
    /// Accepts `file` parts (PDF).
    pub files: bool,
    /// Accepts a web address in `file.file_data`.
    pub file_urls: bool,
    /// How parts of the prompt are marked for its cache.
    pub cache: CacheMarks,
    /// Which tool call ids it accepts.
    pub ids: IdStyle,
    /// How an answer begun by the client is sent.
    pub prefill: Prefill,
    /// Accepts `parallel_tool_calls`.
    pub parallel_tool_calls: bool,
    /// Accepts a `tool_choice` other than `auto` and `none`.
    pub forced_tool_choice: bool,
    /// Accepts `function.strict`.
    pub strict_tools: bool,
    /// Where the end user's id goes.
    pub user: UserField,
    /// Accepts `prompt_cache_key`.
    pub prompt_cache_key: bool,
    /// Accepts `service_tier`.
    pub service_tier: bool,
    /// Accepts `verbosity`.
    pub verbosity: bool,
    /// Accepts `logprobs` and `top_logprobs`.
    pub logprobs: bool,
    /// How answers in JSON are asked for.
    pub json: JsonAnswers,
    /// Takes the system prompt in the role `developer`.
    pub developer: bool,
    /// What becomes of system messages in the middle of a conversation.
    pub mid_system: MidSystem,
    /// Accepts `content: null` beside tool calls; otherwise it gets an empty string.
    pub null_content: bool,
    /// Refuses a user message right after tool messages: a short assistant message is put between them.
    pub bridge_after_tools: bool,
    /// Refuses a history of calls without Google's thought signatures: the first call of each turn gets the value that
    /// Google accepts in their place.
    pub thought_signatures: bool,
    /// Whose model it is, where reasoning is sealed by vendor.
    pub family: Family,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all: the model does as it does.
    Unsupported,
    /// `reasoning_effort`.
    Effort(EffortScale),
    /// `reasoning: {effort | max_tokens | enabled}` of OpenRouter.
    OpenRouter,
    /// `thinking: {type}` of DeepSeek, Moonshot, Zhipu. Thinking excludes a forced `tool_choice` there.
    Switch,
    /// `enable_thinking` and `thinking_budget` of Alibaba.
    EnableThinking,
}

/// What a provider wants to see again of its earlier reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Nothing.
    Nothing,
    /// `reasoning_content` on assistant messages with tool calls.
    Content {
        /// Sent where there is none; `None` leaves the field out. DeepSeek wants the field even when it is empty,
        /// Moonshot takes an empty one for a missing one.
        filler: Option<&'static str>,
    },
    /// `reasoning_details` of OpenRouter.
    Details,
}

/// Whose model it is. OpenRouter's `reasoning_details` name the vendor that sealed them; another one refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Anthropic's.
    Claude,
    /// Google's.
    Gemini,
    /// OpenAI's.
    OpenAi,
    /// xAI's.
    Grok,
    /// Anyone else's.
    Other,
}

impl Profile {
    /// What a compatible provider takes that nothing is known about.
    pub fn generic() -> Self {
        Profile {
            max_completion_tokens: false,
            max_output: None,
            sampling: true,
            top_k: true,
            stop: true,
            reasoning: Reasoning::Unsupported,
            replay: Replay::Nothing,
            stream_usage: true,
            images: true,
            files: false,
            file_urls: false,
            cache: CacheMarks::Nothing,
            ids: IdStyle::UpTo40,
            prefill: Prefill::Plain,
            parallel_tool_calls: true,
            forced_tool_choice: true,
            strict_tools: false,
            user: UserField::User,
            prompt_cache_key: false,
            service_tier: false,
            verbosity: false,
            logprobs: true,
            json: JsonAnswers::Schema,
            developer: false,
            mid_system: MidSystem::Reminder,
            null_content: true,
            bridge_after_tools: false,
            thought_signatures: false,
            family: Family::Other,
        }
    }

    /// Applies what the configuration says over the guess.
    pub fn with(mut self, overrides: &Overrides) -> Self {
        self.lay(&overrides.all_quirks());
        if overrides.thinking == Some(false) {
            self.reasoning = Reasoning::Unsupported;
        }
        self.max_output = overrides.max_output.or(self.max_output);
        self
    }

    /// Lays what is said about a service over what has been known so far.
    pub(super) fn lay(&mut self, said: &Quirks) {
        put(&mut self.max_completion_tokens, said.max_completion_tokens);
        put(&mut self.sampling, said.sampling);
        put(&mut self.stop, said.stop.or(said.sampling));
        put(&mut self.top_k, said.top_k);
        put(&mut self.stream_usage, said.stream_usage);
        put(&mut self.images, said.images);
        put(&mut self.files, said.files);
        put(&mut self.file_urls, said.file_urls);
        put(&mut self.cache, said.cache_marks);
        put(&mut self.ids, said.tool_ids);
        put(&mut self.prefill, said.prefill);
        put(&mut self.parallel_tool_calls, said.parallel_tool_calls);
        put(&mut self.forced_tool_choice, said.forced_tool_choice);
        put(&mut self.strict_tools, said.strict_tools);
        put(&mut self.user, said.user);
        put(&mut self.prompt_cache_key, said.prompt_cache_key);
        put(&mut self.service_tier, said.service_tier);
        put(&mut self.json, said.json);
        put(&mut self.developer, said.developer);
        put(&mut self.mid_system, said.mid_system);
        put(&mut self.null_content, said.null_content);
        put(&mut self.bridge_after_tools, said.bridge_after_tools);
        put(&mut self.thought_signatures, said.thought_signatures);
        self.reasoning = self.reasoning.with(said);
        self.replay = self.replay.with(said);
    }
}

fn put<T: Copy>(field: &mut T, said: Option<T>) {
    if let Some(value) = said {
        *field = value;
    }
}

impl Reasoning {
    fn with(self, said: &Quirks) -> Self {
        let effort = match self {
            Reasoning::Effort(scale) => Reasoning::Effort(said.efforts.unwrap_or(scale)),
            _ => Reasoning::Effort(said.efforts.unwrap_or_default()),
        };
        let kept = match self {
            Reasoning::Effort(_) => effort,
            other => other,
        };
        match (said.reasoning, said.reasoning_effort, kept) {
            (Some(ReasoningAsk::Nothing), ..) => Reasoning::Unsupported,
            (Some(ReasoningAsk::Effort), ..) | (None, Some(true), _) => effort,
            (Some(ReasoningAsk::OpenRouter), ..) => Reasoning::OpenRouter,
            (Some(ReasoningAsk::Switch), ..) => Reasoning::Switch,
            (Some(ReasoningAsk::EnableThinking), ..) => Reasoning::EnableThinking,
            (None, Some(false), Reasoning::Effort(_)) => Reasoning::Unsupported,
            (None, Some(false) | None, other) => other,
        }
    }
}

impl Replay {
    fn with(self, said: &Quirks) -> Self {
        let content = |filler| Replay::Content { filler };
        match (said.replay, said.replay_reasoning, self) {
            (Some(ReasoningReplay::Nothing), ..) | (None, Some(false), _) => Replay::Nothing,
            (Some(ReasoningReplay::Content), ..) => content(None),
            (Some(ReasoningReplay::ContentOrEmpty), ..) | (None, Some(true), Replay::Nothing) => {
                content(Some(""))
            }
            (Some(ReasoningReplay::ContentOrSpace), ..) => content(Some(" ")),
            (Some(ReasoningReplay::Details), ..) => Replay::Details,
            (None, Some(true) | None, other) => other,
        }
    }
}
