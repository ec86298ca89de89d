//! The vendors whose keys are found in the environment, and the model names that are their own. Source code never
//! goes to a second company unless somebody wrote that route, so nobody here serves another's names.

use std::collections::BTreeMap;

use crate::config::env::Env;
use crate::config::model::{
    Http2, KeyStrategy, Platform, Provider, ProviderAuth, Route, RouteCandidate, Timeouts,
};
use crate::config::secrets;
use crate::config::url::Address;
use crate::types::{Dialect, EndpointId, Secret};

/// One vendor.
pub(super) struct Vendor {
    /// The provider's name.
    pub name: &'static str,
    /// Variables that may hold the key, in order of preference.
    pub variables: &'static [&'static str],
    /// The wire protocol.
    pub dialect: Dialect,
    /// The address.
    pub base_url: &'static str,
    /// Its own model names.
    pub patterns: &'static [&'static str],
}

const fn openai_like(
    name: &'static str,
    variables: &'static [&'static str],
    base_url: &'static str,
    patterns: &'static [&'static str],
) -> Vendor {
    Vendor {
        name,
        variables,
        dialect: Dialect::OpenAiChat,
        base_url,
        patterns,
    }
}

/// All of them.
pub(super) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "anthropic",
        variables: &["ANTHROPIC_API_KEY"],
        dialect: Dialect::Anthropic,
        base_url: "https://api.anthropic.com",
        patterns: &["claude*"],
    },
    openai_like(
        "openai",
        &["OPENAI_API_KEY"],
        "https://api.openai.com/v1",
        &["gpt-*", "chatgpt-*", "codex-*", "o1*", "o3*", "o4*"],
    ),
    openai_like(
        "gemini",
        &["GEMINI_API_KEY"],
        "https://generativelanguage.googleapis.com/v1beta/openai",
        &["gemini-*"],
    ),
    openai_like(
        "openrouter",
        &["OPENROUTER_API_KEY"],
        "https://openrouter.ai/api/v1",
        &["*/*"],
    ),
    openai_like(
        "deepseek",
        &["DEEPSEEK_API_KEY"],
        "https://api.deepseek.com",
        &["deepseek-*"],
    ),
    openai_like(
        "groq",
        &["GROQ_API_KEY"],
        "https://api.groq.com/openai/v1",
        &["llama-*", "groq/*"],
    ),
    openai_like(
        "mistral",
        &["MISTRAL_API_KEY"],
        "https://api.mistral.ai/v1",
        &[
            "mistral-*",
            "ministral-*",
            "magistral-*",
            "codestral-*",
            "devstral-*",
        ],
    ),
    openai_like("xai", &["XAI_API_KEY"], "https://api.x.ai/v1", &["grok-*"]),
    openai_like(
        "moonshot",
        &["MOONSHOT_API_KEY", "KIMI_API_KEY"],
        "https://api.moonshot.ai/v1",
        &["kimi-*", "moonshot-*"],
    ),
    openai_like(
        "zai",
        &["ZAI_API_KEY"],
        "https://api.z.ai/api/paas/v4",
        &["glm-*"],
    ),
    openai_like(
        "dashscope",
        &["DASHSCOPE_API_KEY"],
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        &["qwen*"],
    ),
];

/// The vendor whose address this host is.
pub(super) fn of_host(host: &str) -> Option<&'static Vendor> {
    VENDORS
        .iter()
        .find(|it| it.base_url.split('/').nth(2).is_some_and(|own| own == host))
}

/// Providers for the keys in the environment.
pub(super) fn providers(env: &Env, timeouts: Timeouts) -> Vec<Provider> {
    VENDORS
        .iter()
        .filter_map(|vendor| {
            let key = vendor
                .variables
                .iter()
                .find_map(|it| env.filled(it))
                .and_then(|it| secrets::secret(it.trim()).ok())?;
            provider(vendor, key, timeouts)
        })
        .collect()
}

fn provider(vendor: &Vendor, key: Secret, timeouts: Timeouts) -> Option<Provider> {
    let address = Address::parse_base(vendor.base_url).ok()?;
    Some(Provider {
        id: EndpointId::new(vendor.name, None),
        name: vendor.name.to_owned(),
        account_email: None,
        kind: vendor.dialect.to_string(),
        dialect: Some(vendor.dialect),
        platform: Platform::default(),
        base_url: vendor.base_url.to_owned(),
        target: Some(address.target(vendor.dialect)),
        auth: ProviderAuth::ApiKey,
        keys: vec![key],
        service_account: None,
        key_strategy: KeyStrategy::default(),
        enabled: true,
        inactive: None,
        headers: Vec::new(),
        proxy: None,
        timeouts,
        http2: Http2::default(),
        max_in_flight: None,
        probe: None,
        models: BTreeMap::new(),
        big_model: None,
        small_model: None,
        stream_only: false,
    })
}

/// Each provider's own names, passed through.
pub(super) fn routes(providers: &[Provider]) -> Vec<Route> {
    providers
        .iter()
        .enumerate()
        .filter_map(|(i, it)| Some((i, VENDORS.iter().find(|vendor| vendor.name == it.name)?)))
        .flat_map(|(i, vendor)| vendor.patterns.iter().map(move |it| alone(it, i)))
        .collect()
}

/// A route with one candidate that keeps the client's model name.
pub(super) fn alone(pattern: &str, provider: usize) -> Route {
    Route {
        pattern: pattern.to_owned(),
        candidates: vec![RouteCandidate {
            provider,
            model: None,
            priority: 1,
            weight: 1.0,
        }],
    }
}
