//! What one upstream takes: where OpenAI-compatible providers differ. The guess from host and model is in `guess`; the
//! configuration may override parts of it.

use crate::protocol::profile::Overrides;

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

/// Which words of `reasoning_effort` are known besides `low`, `medium` and `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of words, each known or not"
)]
pub struct EffortScale {
    /// `none`.
    pub none: bool,
    /// `minimal`.
    pub minimal: bool,
    /// `xhigh`.
    pub xhigh: bool,
    /// `max`.
    pub max: bool,
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

/// How parts of the prompt are marked for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMarks {
    /// Not at all.
    Nothing,
    /// `cache_control` on text parts, as Anthropic has it.
    CacheControl,
    /// `prompt_cache_breakpoint` on text parts.
    Breakpoint,
}

/// Which tool call ids are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStyle {
    /// Up to 40 of `[a-zA-Z0-9_-]`.
    UpTo40,
    /// Up to 64 of the same: `call_id` of OpenAI Responses.
    UpTo64,
    /// Exactly 9 of `[a-zA-Z0-9]`.
    Nine,
}

/// How an answer begun by the client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefill {
    /// As a last assistant message, which the model may or may not continue.
    Plain,
    /// With `prefix: true`.
    Prefix,
    /// With `partial: true`.
    Partial,
    /// With `continue_final_message: true` on the request.
    ContinueFinal,
}

/// Where the end user's id goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserField {
    /// Nowhere.
    Nowhere,
    /// `user`.
    User,
    /// `safety_identifier`, which replaces `user` at OpenAI.
    SafetyIdentifier,
}

/// How answers in JSON are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonAnswers {
    /// `response_format` of type `json_schema`.
    Schema,
    /// `response_format` of type `json_object`, the schema as an instruction.
    Object,
}

/// What becomes of system messages in the middle of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MidSystem {
    /// They stay where they are.
    InPlace,
    /// They become user text inside `<system-reminder>`: many chat templates know only a first system message.
    Reminder,
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
        let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
        set(
            &mut self.max_completion_tokens,
            overrides.max_completion_tokens,
        );
        set(&mut self.sampling, overrides.sampling);
        set(&mut self.stop, overrides.sampling);
        set(&mut self.stream_usage, overrides.stream_usage);
        set(&mut self.files, overrides.files);
        set(&mut self.images, overrides.images);
        self.reasoning = match (overrides.reasoning_effort, self.reasoning) {
            (Some(true), Reasoning::Effort(scale)) => Reasoning::Effort(scale),
            (Some(true), _) => Reasoning::Effort(EffortScale::default()),
            (Some(false), Reasoning::Effort(_)) => Reasoning::Unsupported,
            (Some(false) | None, other) => other,
        };
        if overrides.thinking == Some(false) {
            self.reasoning = Reasoning::Unsupported;
        }
        self.replay = match (overrides.replay_reasoning, self.replay) {
            (Some(true), Replay::Nothing) => Replay::Content { filler: Some("") },
            (Some(false), _) => Replay::Nothing,
            (Some(true) | None, other) => other,
        };
        self.max_output = overrides.max_output.or(self.max_output);
        self
    }
}
