//! The table of vendors. Everything in it is documented by the vendor or was seen in its errors, as of November 2026;
//! whatever is wrong for someone is overridden by `quirks:` of a provider or of a model.
//!
//! A row says where a service differs from what is true of most of them (`openai_chat::Profile::generic`). What a model
//! is, wherever it runs, stands with the models: `protocol/capabilities.rs` and `protocol/openai_chat/guess.rs`.

use super::Dialect;
use super::quirks::{
    CacheMarks, EffortScale, JsonAnswers, MidSystem, Prefill, Quirks, ReasoningAsk,
    ReasoningReplay, UserField,
};
use super::vendor::{KeyPlace, Vendor};

/// What most rows share: a service in the cloud that speaks OpenAI's dialect and takes a bearer token.
const CLOUD: Vendor = Vendor {
    name: "",
    domains: &[],
    dialect: Dialect::OpenAiChat,
    base_url: "",
    root: "/v1",
    key: KeyPlace::Bearer,
    variables: &[],
    patterns: &[],
    quirks: Quirks::NONE,
    models: &[],
};

/// A server that people run themselves, usually without a key.
const SERVER: Vendor = Vendor {
    key: KeyPlace::Nowhere,
    ..CLOUD
};

/// All vendors, in the order in which the environment is searched for their keys.
pub const VENDORS: &[Vendor] = &[
    Vendor {
        name: "anthropic",
        domains: &["anthropic.com"],
        dialect: Dialect::Anthropic,
        base_url: "https://api.anthropic.com",
        variables: &["ANTHROPIC_API_KEY"],
        patterns: &["claude*"],
        ..CLOUD
    },
    Vendor {
        name: "openai",
        domains: &["openai.com"],
        base_url: "https://api.openai.com/v1",
        variables: &["OPENAI_API_KEY"],
        patterns: &["gpt-*", "chatgpt-*", "codex-*", "o1*", "o3*", "o4*"],
        quirks: Quirks {
            top_k: Some(false),
            files: Some(true),
            strict_tools: Some(true),
            user: Some(UserField::SafetyIdentifier),
            prompt_cache_key: Some(true),
            service_tier: Some(true),
            mid_system: Some(MidSystem::InPlace),
            // Of its models only the later ones; see the models.
            cache_marks: Some(CacheMarks::Breakpoint),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    // The dialect of its own; the quirks are those of its OpenAI-compatible path (`type: openai`, `/v1beta/openai`) and
    // of the same path at Vertex.
    Vendor {
        name: "gemini",
        domains: &["googleapis.com"],
        dialect: Dialect::Gemini,
        base_url: "https://generativelanguage.googleapis.com",
        root: "/v1beta/openai",
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        patterns: &["gemini-*"],
        quirks: Quirks {
            thought_signatures: Some(true),
            top_k: Some(false),
            user: Some(UserField::Nowhere),
            parallel_tool_calls: Some(false),
            reasoning: Some(ReasoningAsk::Effort),
            efforts: Some(EffortScale {
                none: true,
                minimal: true,
                xhigh: false,
                max: false,
            }),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    // It translates for the provider behind it: it takes everything and leaves out what does not apply.
    Vendor {
        name: "openrouter",
        domains: &["openrouter.ai"],
        base_url: "https://openrouter.ai/api/v1",
        root: "/api/v1",
        variables: &["OPENROUTER_API_KEY"],
        patterns: &["*/*"],
        quirks: Quirks {
            max_completion_tokens: Some(false),
            sampling: Some(true),
            top_k: Some(true),
            stop: Some(true),
            parallel_tool_calls: Some(true),
            reasoning: Some(ReasoningAsk::OpenRouter),
            replay: Some(ReasoningReplay::Details),
            files: Some(true),
            file_urls: Some(true),
            strict_tools: Some(true),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        models: &[
            ("claude", CACHE_CONTROL),
            ("anthropic/", CACHE_CONTROL),
            ("gemini", CACHE_CONTROL),
            ("google/", CACHE_CONTROL),
        ],
        ..CLOUD
    },
    Vendor {
        name: "deepseek",
        domains: &["deepseek.com"],
        base_url: "https://api.deepseek.com",
        variables: &["DEEPSEEK_API_KEY"],
        patterns: &["deepseek-*"],
        quirks: Quirks {
            top_k: Some(false),
            images: Some(false),
            reasoning: Some(ReasoningAsk::Switch),
            json: Some(JsonAnswers::Object),
            prefill: Some(Prefill::Prefix),
            parallel_tool_calls: Some(false),
            user: Some(UserField::Nowhere),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "groq",
        domains: &["groq.com"],
        base_url: "https://api.groq.com/openai/v1",
        root: "/openai/v1",
        variables: &["GROQ_API_KEY"],
        patterns: &["llama-*", "groq/*"],
        quirks: STRICT_MESSAGES,
        ..CLOUD
    },
    // Unknown fields are refused.
    Vendor {
        name: "mistral",
        domains: &["mistral.ai"],
        base_url: "https://api.mistral.ai/v1",
        variables: &["MISTRAL_API_KEY"],
        patterns: &[
            "mistral-*",
            "ministral-*",
            "magistral-*",
            "codestral-*",
            "devstral-*",
        ],
        quirks: Quirks {
            top_k: Some(false),
            stream_usage: Some(false),
            user: Some(UserField::Nowhere),
            prefill: Some(Prefill::Prefix),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "xai",
        domains: &["x.ai"],
        base_url: "https://api.x.ai/v1",
        variables: &["XAI_API_KEY"],
        patterns: &["grok-*"],
        quirks: Quirks {
            top_k: Some(false),
            stop: Some(false),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        models: &[(
            "grok-3-mini",
            Quirks {
                reasoning: Some(ReasoningAsk::Effort),
                ..Quirks::NONE
            },
        )],
        ..CLOUD
    },
    Vendor {
        name: "moonshot",
        domains: &["moonshot.ai", "moonshot.cn", "kimi.com"],
        base_url: "https://api.moonshot.ai/v1",
        variables: &["MOONSHOT_API_KEY", "KIMI_API_KEY"],
        patterns: &["kimi-*", "moonshot-*"],
        quirks: Quirks {
            top_k: Some(false),
            reasoning: Some(ReasoningAsk::Switch),
            prefill: Some(Prefill::Partial),
            sampling: Some(true),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        // Its sampling is fixed.
        models: &[(
            "kimi",
            Quirks {
                sampling: Some(false),
                stop: Some(true),
                ..Quirks::NONE
            },
        )],
        ..CLOUD
    },
    Vendor {
        name: "zai",
        domains: &["z.ai", "bigmodel.cn"],
        base_url: "https://api.z.ai/api/paas/v4",
        root: "/api/paas/v4",
        variables: &["ZAI_API_KEY"],
        patterns: &["glm-*"],
        quirks: Quirks {
            top_k: Some(false),
            reasoning: Some(ReasoningAsk::Switch),
            json: Some(JsonAnswers::Object),
            forced_tool_choice: Some(false),
            parallel_tool_calls: Some(false),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "dashscope",
        domains: &["aliyuncs.com"],
        base_url: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        root: "/compatible-mode/v1",
        variables: &["DASHSCOPE_API_KEY"],
        patterns: &["qwen*"],
        models: &[("qwen", QWEN), ("qwq", QWEN)],
        ..CLOUD
    },
    // Neither `tool_choice` nor `response_format` are documented: a schema travels as an instruction.
    Vendor {
        name: "minimax",
        domains: &["minimax.io", "minimaxi.com"],
        base_url: "https://api.minimax.io/v1",
        variables: &["MINIMAX_API_KEY"],
        patterns: &["minimax-*"],
        quirks: Quirks {
            max_completion_tokens: Some(true),
            top_k: Some(false),
            json: Some(JsonAnswers::Object),
            forced_tool_choice: Some(false),
            parallel_tool_calls: Some(false),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    // Searches and answers; it knows no tools, and counts tokens in every piece of a stream without being asked.
    Vendor {
        name: "perplexity",
        domains: &["perplexity.ai"],
        base_url: "https://api.perplexity.ai",
        root: "/",
        variables: &["PERPLEXITY_API_KEY"],
        patterns: &["sonar*"],
        quirks: Quirks {
            stop: Some(false),
            stream_usage: Some(false),
            forced_tool_choice: Some(false),
            parallel_tool_calls: Some(false),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "fireworks",
        domains: &["fireworks.ai"],
        base_url: "https://api.fireworks.ai/inference/v1",
        root: "/inference/v1",
        variables: &["FIREWORKS_API_KEY"],
        patterns: &["accounts/fireworks/*"],
        ..CLOUD
    },
    Vendor {
        name: "together",
        domains: &["together.xyz", "together.ai"],
        base_url: "https://api.together.xyz/v1",
        ..CLOUD
    },
    Vendor {
        name: "cerebras",
        domains: &["cerebras.ai"],
        base_url: "https://api.cerebras.ai/v1",
        quirks: STRICT_MESSAGES,
        ..CLOUD
    },
    Vendor {
        name: "nvidia",
        domains: &["nvidia.com"],
        base_url: "https://integrate.api.nvidia.com/v1",
        quirks: Quirks {
            top_k: Some(false),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "github",
        domains: &["models.github.ai"],
        base_url: "https://models.github.ai/inference",
        root: "/inference",
        quirks: Quirks {
            top_k: Some(false),
            user: Some(UserField::Nowhere),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Vendor {
        name: "copilot",
        domains: &["githubcopilot.com"],
        root: "/",
        quirks: Quirks {
            top_k: Some(false),
            user: Some(UserField::Nowhere),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    // Each customer has a host of its own.
    Vendor {
        name: "azure",
        domains: &[
            "openai.azure.com",
            "ai.azure.com",
            "cognitiveservices.azure.com",
        ],
        root: "/openai/v1",
        key: KeyPlace::Header("api-key"),
        quirks: Quirks {
            top_k: Some(false),
            strict_tools: Some(true),
            mid_system: Some(MidSystem::InPlace),
            ..Quirks::NONE
        },
        ..CLOUD
    },
    // Like OpenRouter it translates for the provider behind it, but refuses what that one does not take.
    Vendor {
        name: "litellm",
        key: KeyPlace::Bearer,
        quirks: Quirks {
            strict_tools: Some(true),
            ..Quirks::NONE
        },
        models: &[("claude", CACHE_CONTROL)],
        ..SERVER
    },
    Vendor {
        name: "vllm",
        base_url: "http://localhost:8000/v1",
        quirks: Quirks {
            prefill: Some(Prefill::ContinueFinal),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..SERVER
    },
    Vendor {
        name: "sglang",
        base_url: "http://localhost:30000/v1",
        quirks: Quirks {
            prefill: Some(Prefill::ContinueFinal),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..SERVER
    },
    // What it does not know it leaves out without a word: better told here.
    Vendor {
        name: "ollama",
        base_url: "http://localhost:11434/v1",
        quirks: Quirks {
            top_k: Some(false),
            parallel_tool_calls: Some(false),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..SERVER
    },
    // Its usual port is ours, too: the address must be written.
    Vendor {
        name: "llamacpp",
        quirks: Quirks {
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..SERVER
    },
    Vendor {
        name: "lmstudio",
        base_url: "http://localhost:1234/v1",
        quirks: Quirks {
            parallel_tool_calls: Some(false),
            user: Some(UserField::Nowhere),
            ..Quirks::NONE
        },
        ..SERVER
    },
];

const CACHE_CONTROL: Quirks = Quirks {
    cache_marks: Some(CacheMarks::CacheControl),
    ..Quirks::NONE
};

/// Unknown fields of a message are refused, `reasoning_content` among them.
const STRICT_MESSAGES: Quirks = Quirks {
    top_k: Some(false),
    replay: Some(ReasoningReplay::Nothing),
    ..Quirks::NONE
};

const QWEN: Quirks = Quirks {
    cache_marks: Some(CacheMarks::CacheControl),
    reasoning: Some(ReasoningAsk::EnableThinking),
    ..Quirks::NONE
};
