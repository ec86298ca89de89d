//! What a family of models makes of a text: which of our vocabularies comes nearest, by how much it is off, and what
//! is added around messages and tools.
//!
//! Only OpenAI publishes its vocabularies. All other ratios are **our estimate**, and what vendors put around messages and
//! tools was fitted to the recorded requests of the corpus, whose answers tell their input tokens (November 2026). Some
//! hosts serve a model with instructions of their own; what they add is learned ([`calibration`](super::calibration)).

use crate::tokens::vocabulary::Encoding;

/// How a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// The nearest vocabulary.
    pub(super) encoding: Encoding,
    /// Its tokens for 100 of that vocabulary.
    pub(super) percent: u64,
    /// Tokens around a whole request.
    pub(super) per_request: u64,
    /// Tokens around each message.
    pub(super) per_message: u64,
    /// Tokens around each tool call or tool result.
    pub(super) per_call: u64,
    /// Tokens around each tool's definition.
    pub(super) per_tool: u64,
    /// Instructions the vendor adds as soon as there is a tool.
    pub(super) tools_prompt: u64,
}

/// OpenAI's chat format: three tokens around a message, three to begin the answer
/// (<https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken_for_api_calls>). Tools are shown
/// to the model in a shorter form than JSON, which makes up for their frame.
const GPT: Family = Family {
    encoding: Encoding::O200k,
    percent: 100,
    per_request: 3,
    per_message: 4,
    per_call: 6,
    per_tool: 0,
    tools_prompt: 0,
};

const OLD_GPT: Family = Family {
    encoding: Encoding::Cl100k,
    ..GPT
};

/// The open models of OpenAI, whose chat format begins with instructions.
const GPT_OSS: Family = Family {
    per_request: 66,
    per_tool: 8,
    tools_prompt: 10,
    ..GPT
};

const DEEPSEEK: Family = Family {
    per_tool: 8,
    tools_prompt: 220,
    ..with_percent(105)
};

/// Thinks unless told otherwise, and is told how at the beginning.
const DEEPSEEK_4: Family = Family {
    per_request: 78,
    ..DEEPSEEK
};

const GROK: Family = Family {
    tools_prompt: 120,
    ..with_percent(105)
};

const GROK_4_3: Family = Family {
    per_request: 187,
    tools_prompt: 30,
    ..with_percent(105)
};

const QWEN: Family = Family {
    per_tool: 24,
    tools_prompt: 70,
    ..with_percent(105)
};

const GLM: Family = Family {
    per_tool: 8,
    tools_prompt: 100,
    ..with_percent(103)
};

const MISTRAL: Family = Family {
    per_tool: 24,
    tools_prompt: 10,
    ..with_percent(112)
};

const GEMINI: Family = Family {
    per_tool: 16,
    ..with_percent(102)
};

/// Claude 4.5 and 4.6. Recorded requests of plain text lie between 100 and 114 percent; what tools add differs by a
/// hundred tokens or two between versions.
const CLAUDE: Family = Family {
    encoding: Encoding::Cl100k,
    percent: 110,
    per_request: 3,
    per_message: 4,
    per_call: 30,
    per_tool: 10,
    tools_prompt: 500,
};

/// Claude 2 to 4.1.
const OLD_CLAUDE: Family = Family {
    tools_prompt: 340,
    ..CLAUDE
};

/// Claude from Opus 4.7 on, whose vocabulary is a new one that cuts finer.
const NEW_CLAUDE: Family = Family {
    percent: 140,
    per_tool: 40,
    tools_prompt: 340,
    ..CLAUDE
};

/// Families by a part of the model's name in lower case; the first that fits. Names may carry a vendor in front
/// (`anthropic/claude-…`) and a date behind.
const FAMILIES: &[(&str, Family)] = &[
    ("opus-4-7", NEW_CLAUDE),
    ("opus-4.7", NEW_CLAUDE),
    ("opus-4-8", NEW_CLAUDE),
    ("opus-4.8", NEW_CLAUDE),
    ("opus-5", NEW_CLAUDE),
    ("sonnet-5", NEW_CLAUDE),
    ("haiku-5", NEW_CLAUDE),
    ("fable", NEW_CLAUDE),
    ("claude-2", OLD_CLAUDE),
    ("claude-3", OLD_CLAUDE),
    ("sonnet-4-0", OLD_CLAUDE),
    ("sonnet-4-2025", OLD_CLAUDE),
    ("opus-4-0", OLD_CLAUDE),
    ("opus-4-1", OLD_CLAUDE),
    ("opus-4.1", OLD_CLAUDE),
    ("opus-4-2025", OLD_CLAUDE),
    ("claude", CLAUDE),
    ("gpt-4o", GPT),
    ("gpt-4.1", GPT),
    ("gpt-4.5", GPT),
    ("gpt-4", OLD_GPT),
    ("gpt-3", OLD_GPT),
    ("gpt-oss", GPT_OSS),
    ("gpt", GPT),
    ("gemini", GEMINI),
    ("gemma", GEMINI),
    // Models of other makers that learned from its answers.
    ("distill", with_percent(105)),
    ("deepseek-v4", DEEPSEEK_4),
    ("deepseek", DEEPSEEK),
    ("qwen", QWEN),
    ("kimi", with_percent(100)),
    ("glm", GLM),
    ("grok-4.3", GROK_4_3),
    ("grok", GROK),
    ("llama", with_percent(105)),
    ("mistral", MISTRAL),
    ("magistral", MISTRAL),
    ("ministral", MISTRAL),
    ("pixtral", MISTRAL),
    ("codestral", MISTRAL),
    ("devstral", MISTRAL),
];

/// Everything else. Names such as `o3` end here too and are OpenAI's own.
const OTHER: Family = with_percent(100);

const fn with_percent(percent: u64) -> Family {
    Family { percent, ..GPT }
}

impl Family {
    /// The family of a model, from its name.
    pub(super) fn of(model: &str) -> Family {
        let model = model.to_ascii_lowercase();
        FAMILIES
            .iter()
            .find(|(part, _)| model.contains(part))
            .map_or(OTHER, |(_, family)| *family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_family() {
        for (name, family) in [
            ("claude-sonnet-4-5-20250929", CLAUDE),
            ("anthropic/Claude-Opus-4.1", OLD_CLAUDE),
            ("claude-opus-4-20250514", OLD_CLAUDE),
            ("claude-opus-4-8", NEW_CLAUDE),
            ("gpt-4o-mini", GPT),
            ("gpt-4-turbo", OLD_GPT),
            ("gpt-5.1-codex", GPT),
            ("o3", OTHER),
            ("openai/gpt-oss-120b", GPT_OSS),
            ("mistral-large", MISTRAL),
            ("", OTHER),
        ] {
            assert_eq!(Family::of(name), family, "{name}");
        }
    }
}
