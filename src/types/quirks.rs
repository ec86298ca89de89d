//! Where services that call themselves OpenAI-compatible differ: one column each, all of them optional.
//!
//! The same columns make up a row of the built-in table of vendors, and `quirks:` in the configuration, of a provider
//! and of a model. Every one is described once, below: from that come the key in the configuration, its schema and how
//! it is read; what a column does stands where requests are written, in `protocol/openai_chat/profile.rs`.

/// Declares an enum of which each value has a word in the configuration.
macro_rules! worded {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $value,)+ }

        impl $name {
            /// The words, as the configuration has them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// What a word means.
            pub fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($name::$value),)+
                    _ => None,
                }
            }

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$value => $word,)+
                }
            }
        }

        impl Column for $name {
            const SHAPE: Shape = Shape::Word($name::WORDS);

            fn of(said: &Said<'_>) -> Option<Self> {
                match said {
                    Said::Word(word) => $name::of_word(word),
                    Said::Switch(_) | Said::Words(_) => None,
                }
            }

            fn said(self) -> Said<'static> {
                Said::Word(self.word())
            }
        }
    };
}

/// Declares the columns: the struct, how one lies over another, and how a column is reached by its name.
macro_rules! columns {
    ($($name:ident: $kind:ty = $doc:literal,)+) => {
        /// What is said about a service; what is not said leaves everything as it is.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Quirks {
            $(#[doc = $doc] pub $name: Option<$kind>,)+
        }

        /// All columns: name, shape, meaning.
        pub const COLUMNS: &[(&str, Shape, &str)] =
            &[$((stringify!($name), <$kind as Column>::SHAPE, $doc)),+];

        impl Quirks {
            /// Nothing said.
            pub const NONE: Quirks = Quirks { $($name: None),+ };

            /// Column by column what is said here, and where nothing is, what `below` says.
            #[must_use]
            pub fn over(self, below: Quirks) -> Quirks {
                Quirks { $($name: self.$name.or(below.$name)),+ }
            }

            /// Reads each column with `said`, which knows what was said under a name.
            pub fn read<'a>(said: impl Fn(&str) -> Option<Said<'a>>) -> Quirks {
                Quirks { $($name: said(stringify!($name)).and_then(|it| Column::of(&it))),+ }
            }

            /// What is said, by name.
            pub fn said(&self) -> Vec<(&'static str, Said<'static>)> {
                let mut all = Vec::new();
                $(all.extend(self.$name.map(|it| (stringify!($name), Column::said(it))));)+
                all
            }
        }
    };
}

/// What the configuration holds for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// True or false.
    Switch(bool),
    /// One word.
    Word(&'a str),
    /// Some words.
    Words(Vec<&'a str>),
}

/// How the configuration holds a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// True or false.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any of these words.
    Words(&'static [&'static str]),
}

/// A type that columns have.
trait Column: Copy {
    const SHAPE: Shape;

    fn of(said: &Said<'_>) -> Option<Self>;

    fn said(self) -> Said<'static>;
}

impl Column for bool {
    const SHAPE: Shape = Shape::Switch;

    fn of(said: &Said<'_>) -> Option<Self> {
        match said {
            Said::Switch(on) => Some(*on),
            Said::Word(_) | Said::Words(_) => None,
        }
    }

    fn said(self) -> Said<'static> {
        Said::Switch(self)
    }
}

columns! {
    max_completion_tokens: bool = "wants `max_completion_tokens` instead of `max_tokens`",
    sampling: bool = "accepts temperature and top_p; where `stop` says nothing, stop as well",
    top_k: bool = "accepts `top_k`",
    stop: bool = "accepts `stop`",
    reasoning: ReasoningAsk = "how thinking is asked for",
    reasoning_effort: bool = "accepts `reasoning_effort`; true is short for `reasoning: effort`",
    efforts: EffortScale = "words of `reasoning_effort` it knows besides low, medium and high",
    replay: ReasoningReplay = "which reasoning of earlier turns it wants back",
    replay_reasoning: bool = "wants `reasoning_content` of earlier tool-calling turns back; short for `replay`",
    stream_usage: bool = "accepts `stream_options.include_usage`",
    images: bool = "accepts pictures",
    files: bool = "accepts file parts (PDF)",
    file_urls: bool = "accepts a web address in place of a file",
    cache_marks: CacheMarks = "how parts of the prompt are marked for its cache",
    tool_ids: IdStyle = "which ids of tool calls it accepts",
    prefill: Prefill = "how an answer begun by the client is sent",
    parallel_tool_calls: bool = "accepts `parallel_tool_calls`",
    forced_tool_choice: bool = "accepts a `tool_choice` other than auto and none",
    strict_tools: bool = "accepts `strict` on tools",
    user: UserField = "where the end user's id goes",
    prompt_cache_key: bool = "accepts `prompt_cache_key`",
    service_tier: bool = "accepts `service_tier`",
    json: JsonAnswers = "how answers in JSON are asked for",
    developer: bool = "takes the system prompt in the role developer",
    mid_system: MidSystem = "what becomes of system messages in the middle of a conversation",
    null_content: bool = "accepts null as the content beside tool calls",
    bridge_after_tools: bool = "refuses a user message right after tool messages",
    thought_signatures: bool = "refuses tool calls of earlier turns without Google's thought signatures",
}

worded! {
    /// How thinking is asked for.
    ReasoningAsk {
        /// Not at all.
        Nothing = "none",
        /// `reasoning_effort`.
        Effort = "effort",
        /// `reasoning: {effort | max_tokens | enabled}` of OpenRouter.
        OpenRouter = "openrouter",
        /// `thinking: {type}` of DeepSeek, Moonshot, Zhipu.
        Switch = "switch",
        /// `enable_thinking` and `thinking_budget` of Alibaba.
        EnableThinking = "enable_thinking",
    }
}

worded! {
    /// Which reasoning of earlier turns is wanted back.
    ReasoningReplay {
        /// None.
        Nothing = "none",
        /// `reasoning_content` on messages with tool calls, where there is some.
        Content = "content",
        /// The same, and an empty text where there is none.
        ContentOrEmpty = "content_or_empty",
        /// The same, and a space where there is none.
        ContentOrSpace = "content_or_space",
        /// `reasoning_details` of OpenRouter.
        Details = "details",
    }
}

worded! {
    /// How parts of the prompt are marked for the cache.
    CacheMarks {
        /// Not at all.
        Nothing = "none",
        /// `cache_control` on text parts, as Anthropic has it.
        CacheControl = "cache_control",
        /// `prompt_cache_breakpoint` on text parts.
        Breakpoint = "breakpoint",
    }
}

worded! {
    /// Which tool call ids are accepted.
    IdStyle {
        /// Up to 40 of `[a-zA-Z0-9_-]`.
        UpTo40 = "up_to_40",
        /// Up to 64 of the same: `call_id` of OpenAI Responses.
        UpTo64 = "up_to_64",
        /// Exactly 9 of `[a-zA-Z0-9]`.
        Nine = "nine",
    }
}

worded! {
    /// How an answer begun by the client is sent.
    Prefill {
        /// As a last assistant message, which the model may or may not continue.
        Plain = "plain",
        /// With `prefix: true`.
        Prefix = "prefix",
        /// With `partial: true`.
        Partial = "partial",
        /// With `continue_final_message: true` on the request.
        ContinueFinal = "continue_final",
    }
}

worded! {
    /// Where the end user's id goes.
    UserField {
        /// Nowhere.
        Nowhere = "none",
        /// `user`.
        User = "user",
        /// `safety_identifier`, which replaces `user` at OpenAI.
        SafetyIdentifier = "safety_identifier",
    }
}

worded! {
    /// How answers in JSON are asked for.
    JsonAnswers {
        /// `response_format` of type `json_schema`.
        Schema = "schema",
        /// `response_format` of type `json_object`, the schema as an instruction.
        Object = "object",
    }
}

worded! {
    /// What becomes of system messages in the middle of a conversation.
    MidSystem {
        /// They stay where they are.
        InPlace = "in_place",
        /// They become user text inside `<system-reminder>`: many chat templates know only a first system message.
        Reminder = "reminder",
    }
}

worded! {
    /// How a model thinks: what a vendor's own dialect asks for it with.
    ThinkingStyle {
        /// It does not.
        Never = "never",
        /// Within a budget of tokens.
        Budget = "budget",
        /// As much as it sees fit.
        Adaptive = "adaptive",
        /// With an effort in words.
        Effort = "effort",
        /// At a level in words, as Gemini has it since version 3.
        Level = "level",
    }
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

impl EffortScale {
    const WORDS: &'static [&'static str] = &["none", "minimal", "xhigh", "max"];
}

impl Column for EffortScale {
    const SHAPE: Shape = Shape::Words(EffortScale::WORDS);

    fn of(said: &Said<'_>) -> Option<Self> {
        let Said::Words(words) = said else {
            return None;
        };
        Some(EffortScale {
            none: words.contains(&"none"),
            minimal: words.contains(&"minimal"),
            xhigh: words.contains(&"xhigh"),
            max: words.contains(&"max"),
        })
    }

    fn said(self) -> Said<'static> {
        let known = [self.none, self.minimal, self.xhigh, self.max];
        let words = EffortScale::WORDS.iter().zip(known);
        Said::Words(words.filter(|it| it.1).map(|it| *it.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each column said in its own way; every second word, so that the first is not mistaken for a default.
    fn example(shape: Shape) -> Said<'static> {
        match shape {
            Shape::Switch => Said::Switch(true),
            Shape::Word(words) => Said::Word(words[words.len() - 1]),
            Shape::Words(words) => Said::Words(words.to_vec()),
        }
    }

    #[test]
    fn what_is_said_comes_back() {
        let written = |name: &str| {
            let column = COLUMNS.iter().find(|it| it.0 == name);
            column.map(|it| example(it.1))
        };
        let said = Quirks::read(written).said();
        assert_eq!(said.len(), COLUMNS.len());
        for ((name, said), (column, shape, doc)) in said.into_iter().zip(COLUMNS) {
            assert_eq!((name, said), (*column, example(*shape)));
            assert!(!doc.is_empty(), "{name}");
        }
        assert_eq!(Quirks::read(|_| None), Quirks::NONE);
    }

    #[test]
    fn what_does_not_fit_a_column_is_not_said() {
        let wrong = Quirks::read(|name| match COLUMNS.iter().find(|it| it.0 == name)?.1 {
            Shape::Switch => Some(Said::Word("true")),
            Shape::Word(_) => Some(Said::Word("magic")),
            Shape::Words(_) => Some(Said::Switch(true)),
        });
        assert_eq!(wrong, Quirks::NONE);
    }

    #[test]
    fn the_upper_layer_speaks_where_it_says_something() {
        let upper = Quirks {
            top_k: Some(false),
            ..Quirks::NONE
        };
        let lower = Quirks {
            top_k: Some(true),
            stop: Some(true),
            ..Quirks::NONE
        };
        let both = upper.over(lower);
        assert_eq!((both.top_k, both.stop), (Some(false), Some(true)));
        assert_eq!(Quirks::NONE.over(lower), lower);
        assert_eq!(lower.over(Quirks::NONE), lower);
    }
}
