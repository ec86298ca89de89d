//! What a service's name or host brings along: addresses, places of keys, quirks; and what routes say about losses.

use super::{KEY, ONE, loaded, note, options};
use crate::config::*;
use crate::types::quirks::{EffortScale, ReasoningAsk, ThinkingStyle, UserField};
use crate::types::{Dialect, Quirks};

/// The only provider of a configuration, with these keys besides its name.
fn only(keys: &str) -> Provider {
    let config = loaded(&format!("providers: [{{name: a, {keys}}}]\n"), []);
    config.unwrap().providers.remove(0)
}

fn call(provider: &Provider) -> String {
    let target = provider.target.as_ref().unwrap();
    format!("{}{}", target.authority, target.inference.shown())
}

#[test]
fn a_vendor_brings_type_address_and_key_along() {
    for (keys, dialect, expected, auth) in [
        (
            "vendor: deepseek, auth_value: k",
            Dialect::OpenAiChat,
            "api.deepseek.com/v1/chat/completions",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: anthropic, auth_value: k",
            Dialect::Anthropic,
            "api.anthropic.com/v1/messages",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: gemini, auth_value: k",
            Dialect::Gemini,
            "generativelanguage.googleapis.com/v1beta/models/{model}:generateContent",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: gemini, type: openai, auth_value: k",
            Dialect::OpenAiChat,
            "generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: openai, type: openai-responses, auth_value: k",
            Dialect::OpenAiResponses,
            "api.openai.com/v1/responses",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: deepseek, base_url: 'https://mirror.example/x', auth_type: auth_token, auth_value: k",
            Dialect::OpenAiChat,
            "mirror.example/x/chat/completions",
            ProviderAuth::AuthToken,
        ),
        (
            "vendor: ollama",
            Dialect::OpenAiChat,
            "localhost:11434/v1/chat/completions",
            ProviderAuth::None,
        ),
        (
            "vendor: vllm, base_url: 'http://gpu.lan:9000', api_keys: [k]",
            Dialect::OpenAiChat,
            "gpu.lan:9000/v1/chat/completions",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: vllm, auth_value: k",
            Dialect::OpenAiChat,
            "localhost:8000/v1/chat/completions",
            ProviderAuth::ApiKey,
        ),
        (
            "vendor: perplexity, auth_value: k",
            Dialect::OpenAiChat,
            "api.perplexity.ai/chat/completions",
            ProviderAuth::ApiKey,
        ),
    ] {
        let found = only(keys);
        assert_eq!(found.dialect, Some(dialect), "{keys}");
        assert_eq!(call(&found), expected);
        assert_eq!(found.auth, auth, "{keys}");
        assert_eq!(found.keys.len(), usize::from(auth != ProviderAuth::None));
    }
}

#[test]
fn addresses_without_a_path_get_their_vendors() {
    for (kind, url, expected) in [
        (
            "openai",
            "https://openrouter.ai",
            "/api/v1/chat/completions",
        ),
        (
            "openai",
            "https://openrouter.ai/",
            "/api/v1/chat/completions",
        ),
        (
            "openai",
            "https://api.groq.com",
            "/openai/v1/chat/completions",
        ),
        ("openai", "https://api.x.ai", "/v1/chat/completions"),
        (
            "openai",
            "https://api.x.ai/other",
            "/other/chat/completions",
        ),
        (
            "openai",
            "https://r.openai.azure.com",
            "/openai/v1/chat/completions",
        ),
        (
            "openai",
            "https://r.openai.azure.com/openai",
            "/openai/v1/chat/completions",
        ),
        (
            "openai",
            "https://r.openai.azure.com/openai/v1",
            "/openai/v1/chat/completions",
        ),
        (
            "openai-responses",
            "https://r.openai.azure.com",
            "/openai/v1/responses",
        ),
        ("openai-responses", "https://a.b", "/v1/responses"),
        ("openai-responses", "https://a.b/x", "/x/responses"),
        (
            "gemini",
            "https://a.b",
            "/v1beta/models/{model}:generateContent",
        ),
        (
            "gemini",
            "https://a.b/v1/",
            "/v1/models/{model}:generateContent",
        ),
        (
            "anthropic",
            "https://r.services.ai.azure.com/anthropic",
            "/anthropic/v1/messages",
        ),
    ] {
        let found = only(&format!("type: {kind}, base_url: '{url}', auth_value: k"));
        let path = found.target.as_ref().unwrap().inference.shown();
        assert_eq!(path, expected, "{kind} {url}");
    }
    let found = only("type: gemini, base_url: 'https://a.b', auth_value: k");
    let target = found.target.unwrap();
    let models = target.models.as_deref();
    assert_eq!(models, Some("/v1beta/models"));
    let whole = target.inference.of("gemini-2.5-pro", false);
    assert_eq!(whole, "/v1beta/models/gemini-2.5-pro:generateContent");
    let stream = target.inference.of("tuned/x?y", true);
    assert_eq!(
        stream,
        "/v1beta/models/tuned%2Fx%3Fy:streamGenerateContent?alt=sse"
    );
}

#[test]
fn azures_keys_have_a_header_of_their_own() {
    for (keys, header) in [
        (
            "type: openai, base_url: 'https://r.openai.azure.com'",
            Some("api-key"),
        ),
        (
            "type: openai-responses, base_url: 'https://r.openai.azure.com'",
            Some("api-key"),
        ),
        (
            "vendor: azure, base_url: 'https://gateway.example/openai/v1'",
            Some("api-key"),
        ),
        (
            "type: openai, endpoint_url: 'https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1'",
            Some("api-key"),
        ),
        (
            "base_url: 'https://r.services.ai.azure.com/anthropic'",
            None,
        ),
        (
            "type: openai, vendor: openai, base_url: 'https://r.openai.azure.com'",
            None,
        ),
        ("vendor: deepseek", None),
    ] {
        let found = only(&format!("{keys}, auth_value: k"));
        assert_eq!(found.key_header, header, "{keys}");
    }
}

#[test]
fn googles_other_address_is_hinted_at() {
    let text = "providers: [{name: a, type: gemini, auth_value: k, base_url: 'https://a.b/v1beta/openai'}]\n";
    let config = loaded(text, []).unwrap();
    let told = note(&config, "providers[0].base_url").unwrap();
    assert!(told.contains("`type: openai`"), "{told}");
}

#[test]
fn googles_key_in_the_environment_serves_its_own_dialect() {
    for name in ["GEMINI_API_KEY", "GOOGLE_API_KEY"] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options([(name, KEY)]);
        options.dir = dir.path().to_owned();
        let config = load(&options).unwrap();
        let [gemini] = config.providers.as_slice() else {
            panic!("{name}");
        };
        assert_eq!(gemini.name, "gemini");
        assert_eq!(gemini.kind, "gemini");
        assert_eq!(gemini.dialect, Some(Dialect::Gemini));
        assert_eq!(
            call(gemini),
            "generativelanguage.googleapis.com/v1beta/models/{model}:generateContent"
        );
        assert_eq!(config.routes[0].pattern, "gemini-*");
    }
}

#[test]
fn quirks_are_read_for_a_provider_and_for_a_model() {
    let found = only(
        "vendor: ollama, quirks: {top_k: true, user: user, efforts: [none, max]}, \
         models: {'m*': {quirks: {reasoning: effort}, documents: true, thinking_style: level, \
         structured_output: false, prefill: true}}",
    );
    assert_eq!(found.vendor.map(|it| it.name), Some("ollama"));
    let efforts = EffortScale {
        none: true,
        max: true,
        ..EffortScale::default()
    };
    assert_eq!(
        found.quirks,
        Quirks {
            top_k: Some(true),
            user: Some(UserField::User),
            efforts: Some(efforts),
            ..Quirks::NONE
        }
    );
    let facts = &found.models["m*"];
    assert_eq!(facts.quirks.reasoning, Some(ReasoningAsk::Effort));
    assert_eq!(facts.quirks.top_k, None);
    assert_eq!(facts.documents, Some(true));
    assert_eq!(facts.thinking_style, Some(ThinkingStyle::Level));
    assert_eq!(
        (facts.structured_output, facts.prefill),
        (Some(false), Some(true))
    );
}

#[test]
fn quirks_are_shown_as_they_are_written() {
    let text = "providers: [{name: a, vendor: ollama, quirks: {top_k: true, user: user, efforts: [none, max]}}]\n";
    let shown: serde_json::Value = serde_yaml::from_str(&dump(&loaded(text, []).unwrap())).unwrap();
    assert_eq!(shown["providers"][0]["vendor"], "ollama");
    assert_eq!(
        shown["providers"][0]["quirks"],
        serde_json::json!({"top_k": true, "user": "user", "efforts": ["none", "max"]})
    );
    assert_eq!(shown["model_routes"]["*"]["on_loss"], "warn");
}

#[test]
fn a_route_says_itself_or_the_settings_say_what_becomes_of_losses_and_of_slow_attempts() {
    let with = |routes: &str, settings: &str| {
        let text = format!("{ONE}model_routes: {{{routes}}}\nsettings: {{{settings}}}\n");
        let config = loaded(&text, []).unwrap();
        let routes = config.routes.iter();
        routes
            .map(|it| (it.candidates.len(), it.terms.on_loss))
            .collect::<Vec<_>>()
    };
    let short = "'*': [{provider: a}]";
    let long = "'*': {candidates: [{provider: a}]}";
    let warns = "'*': {on_loss: warn, candidates: [{provider: a}, {provider: a}]}";
    let refuses = "'*': {on_loss: refuse, candidates: [{provider: a}]}";
    for (routes, settings, expected) in [
        (short, "", (1, OnLoss::Warn)),
        (long, "", (1, OnLoss::Warn)),
        (refuses, "", (1, OnLoss::Refuse)),
        (short, "on_loss: refuse", (1, OnLoss::Refuse)),
        (long, "on_loss: refuse", (1, OnLoss::Refuse)),
        (warns, "on_loss: refuse", (2, OnLoss::Warn)),
    ] {
        assert_eq!(with(routes, settings), [expected], "{routes} {settings}");
    }
    for (routes, settings, expected) in [
        (short, "", None),
        (short, "hedge_after: 5", Some(5)),
        (
            "'*': {hedge_after: 3s, candidates: [{provider: a}]}",
            "hedge_after: 5",
            Some(3),
        ),
        (
            "'*': {hedge_after: 0, candidates: [{provider: a}]}",
            "hedge_after: 5",
            None,
        ),
    ] {
        let text = format!("{ONE}model_routes: {{{routes}}}\nsettings: {{{settings}}}\n");
        let config = loaded(&text, []).unwrap();
        let expected = expected.map(std::time::Duration::from_secs);
        assert_eq!(
            config.routes[0].terms.hedge_after, expected,
            "{routes} {settings}"
        );
    }
    // Routes that nobody wrote, too.
    let text = format!("{ONE}settings: {{on_loss: refuse}}\n");
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.routes[0].terms.on_loss, OnLoss::Refuse);
}
