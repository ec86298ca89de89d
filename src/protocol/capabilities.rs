//! What models can do, wherever they run: the built-in table, by name.
//!
//! Models whose vendor documents them, as of November 2026; of open-weight models only what holds at every host. What
//! is not known is not said and limits nothing. The configuration lies over it (`models:` of a provider).

use crate::types::ModelIdentity;
use crate::types::quirks::ThinkingStyle;

/// What a model can do; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Takes `temperature`, `top_p` and their like.
    pub sampling: Option<bool>,
    /// How it thinks.
    pub thinking: Option<ThinkingStyle>,
    /// Takes pictures.
    pub images: Option<bool>,
    /// Takes documents (PDF).
    pub documents: Option<bool>,
    /// Context window in tokens.
    pub context: Option<u64>,
    /// Largest number of output tokens.
    pub max_output: Option<u64>,
    /// Keeps to a JSON Schema that the request gives.
    pub structured_output: Option<bool>,
    /// Continues an answer that the client has begun.
    pub prefill: Option<bool>,
}

impl Capabilities {
    /// What is known of `model`.
    pub fn of(model: &str) -> Self {
        let identity = ModelIdentity::of(model);
        let name = identity.name();
        let row = MODELS
            .iter()
            .find(|row| row.0.iter().any(|it| name.starts_with(it)));
        row.map(|it| it.1).unwrap_or_default()
    }
}

const UNKNOWN: Capabilities = Capabilities {
    sampling: None,
    thinking: None,
    images: None,
    documents: None,
    context: None,
    max_output: None,
    structured_output: None,
    prefill: None,
};

/// Text in, text out.
const TEXT_ONLY: Capabilities = Capabilities {
    images: Some(false),
    documents: Some(false),
    ..UNKNOWN
};

/// Claude up to 4.5.
const CLAUDE: Capabilities = Capabilities {
    sampling: Some(true),
    thinking: Some(ThinkingStyle::Budget),
    images: Some(true),
    documents: Some(true),
    context: Some(200_000),
    prefill: Some(true),
    ..UNKNOWN
};

/// Claude from 4.6 on.
const NEW_CLAUDE: Capabilities = Capabilities {
    sampling: Some(false),
    thinking: Some(ThinkingStyle::Adaptive),
    images: Some(true),
    documents: Some(true),
    structured_output: Some(true),
    prefill: Some(false),
    ..UNKNOWN
};

/// OpenAI's models that do not think.
const GPT: Capabilities = Capabilities {
    sampling: Some(true),
    thinking: Some(ThinkingStyle::Never),
    images: Some(true),
    documents: Some(true),
    structured_output: Some(true),
    prefill: Some(false),
    ..UNKNOWN
};

/// OpenAI's models that do.
const REASONER: Capabilities = Capabilities {
    sampling: Some(false),
    thinking: Some(ThinkingStyle::Effort),
    ..GPT
};

const GEMINI: Capabilities = Capabilities {
    sampling: Some(true),
    images: Some(true),
    documents: Some(true),
    context: Some(1_048_576),
    structured_output: Some(true),
    ..UNKNOWN
};

const fn limits(of: Capabilities, context: u64, max_output: u64) -> Capabilities {
    Capabilities {
        context: Some(context),
        max_output: Some(max_output),
        ..of
    }
}

const fn writes(of: Capabilities, max_output: u64) -> Capabilities {
    Capabilities {
        max_output: Some(max_output),
        ..of
    }
}

const fn blind(of: Capabilities) -> Capabilities {
    Capabilities {
        images: Some(false),
        documents: Some(false),
        ..of
    }
}

const fn thinks(of: Capabilities, thinking: ThinkingStyle) -> Capabilities {
    Capabilities {
        thinking: Some(thinking),
        ..of
    }
}

const fn structured(of: Capabilities) -> Capabilities {
    Capabilities {
        structured_output: Some(true),
        ..of
    }
}

/// Beginnings of names as [`ModelIdentity`] has them, and what is known. The first row that fits speaks.
const MODELS: &[(&[&str], Capabilities)] = &[
    (
        &["claude-opus-4-6", "claude-sonnet-4-6"],
        Capabilities {
            sampling: Some(true),
            ..NEW_CLAUDE
        },
    ),
    (
        &["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"],
        structured(writes(CLAUDE, 64_000)),
    ),
    (&["claude-opus-4-1"], structured(writes(CLAUDE, 32_000))),
    (
        &[
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-opus-5",
            "claude-sonnet-5",
            "claude-haiku-5",
            "claude-fable-5",
            "claude-mythos-5",
        ],
        NEW_CLAUDE,
    ),
    // A date follows the version, which the identity has taken off.
    (&["claude-opus-4"], writes(CLAUDE, 32_000)),
    (&["claude-sonnet-4"], writes(CLAUDE, 64_000)),
    (&["claude-3-7-"], CLAUDE),
    (
        &["claude-3-5-"],
        thinks(writes(CLAUDE, 8_192), ThinkingStyle::Never),
    ),
    (
        &["claude-3-"],
        thinks(writes(CLAUDE, 4_096), ThinkingStyle::Never),
    ),
    (&["gpt-5-chat"], limits(GPT, 128_000, 16_384)),
    (&["gpt-5"], limits(REASONER, 400_000, 128_000)),
    (&["gpt-4-1"], limits(GPT, 1_047_576, 32_768)),
    (&["gpt-4o"], limits(GPT, 128_000, 16_384)),
    (
        &["gpt-4-turbo"],
        Capabilities {
            documents: Some(false),
            structured_output: Some(false),
            ..limits(GPT, 128_000, 4_096)
        },
    ),
    (
        &["gpt-3-5"],
        Capabilities {
            structured_output: Some(false),
            ..limits(blind(GPT), 16_385, 4_096)
        },
    ),
    (&["gpt-oss"], thinks(TEXT_ONLY, ThinkingStyle::Effort)),
    (&["o1-mini"], limits(blind(REASONER), 128_000, 65_536)),
    (&["o3-mini"], limits(blind(REASONER), 200_000, 100_000)),
    (&["o1", "o3", "o4-mini"], limits(REASONER, 200_000, 100_000)),
    (
        &["gemini-3"],
        thinks(writes(GEMINI, 65_536), ThinkingStyle::Level),
    ),
    (
        &["gemini-2-5"],
        thinks(writes(GEMINI, 65_536), ThinkingStyle::Budget),
    ),
    (
        &["gemini-2-0", "gemini-1-5"],
        thinks(writes(GEMINI, 8_192), ThinkingStyle::Never),
    ),
    (
        &[
            "deepseek-chat",
            "deepseek-reasoner",
            "deepseek-v3",
            "deepseek-r1",
            "deepseek-coder",
        ],
        TEXT_ONLY,
    ),
    (&["kimi-k2-5", "kimi-k2-6"], UNKNOWN),
    (&["kimi-k2"], TEXT_ONLY),
    (&["glm-4-5v", "glm-4-6v"], UNKNOWN),
    (&["glm-4-5", "glm-4-6", "glm-4-7"], TEXT_ONLY),
    (&["minimax-m2"], TEXT_ONLY),
    (&["qwen3-coder", "qwq"], TEXT_ONLY),
    (&["codestral"], TEXT_ONLY),
    (&["grok-3", "grok-code"], TEXT_ONLY),
    (
        &["llama-3-1", "llama-3-3", "llama3-1", "llama3-3"],
        TEXT_ONLY,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_under_every_spelling() {
        for (name, context, max_output) in [
            ("claude-sonnet-4-5-20250929", Some(200_000), Some(64_000)),
            ("anthropic/claude-sonnet-4.5", Some(200_000), Some(64_000)),
            ("claude-sonnet-4-20250514", Some(200_000), Some(64_000)),
            ("claude-opus-4-1", Some(200_000), Some(32_000)),
            ("gpt-4o-mini-2024-07-18", Some(128_000), Some(16_384)),
            ("gpt-4.1-nano", Some(1_047_576), Some(32_768)),
            ("openai/gpt-5.1-codex", Some(400_000), Some(128_000)),
            ("gpt-5-chat-latest", Some(128_000), Some(16_384)),
            ("models/gemini-2.5-pro", Some(1_048_576), Some(65_536)),
            ("my-own-model", None, None),
        ] {
            let known = Capabilities::of(name);
            assert_eq!(
                (known.context, known.max_output),
                (context, max_output),
                "{name}"
            );
        }
    }

    #[test]
    fn models_without_eyes_are_told_from_their_siblings() {
        for (name, images) in [
            ("deepseek/deepseek-v3.2", Some(false)),
            ("o3-mini", Some(false)),
            ("o3", Some(true)),
            ("glm-4.6", Some(false)),
            ("z-ai/glm-4.6v", None),
            ("kimi-k2-0905-preview", Some(false)),
            ("kimi-k2.5", None),
            ("llama3.1:8b", Some(false)),
        ] {
            assert_eq!(Capabilities::of(name).images, images, "{name}");
        }
    }

    #[test]
    fn generations_of_claude_differ() {
        let style = |name| Capabilities::of(name).thinking;
        assert_eq!(
            style("claude-3-5-haiku-20241022"),
            Some(ThinkingStyle::Never)
        );
        assert_eq!(
            style("claude-opus-4-5-20251101"),
            Some(ThinkingStyle::Budget)
        );
        assert_eq!(style("claude-opus-4-6"), Some(ThinkingStyle::Adaptive));
        assert_eq!(Capabilities::of("claude-opus-4-6").sampling, Some(true));
        assert_eq!(Capabilities::of("claude-opus-4-7").sampling, Some(false));
        assert_eq!(Capabilities::of("claude-sonnet-4-6").prefill, Some(false));
    }

    #[test]
    fn no_row_hides_behind_an_earlier_one() {
        for (i, (names, _)) in MODELS.iter().enumerate() {
            for name in *names {
                let earlier = MODELS.iter().take(i).flat_map(|it| it.0);
                let hidden = earlier.clone().find(|it| name.starts_with(*it));
                assert_eq!(hidden, None, "{name}");
                assert_eq!(ModelIdentity::of(name).name(), *name);
            }
        }
    }
}
