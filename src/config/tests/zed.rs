//! Providers of `type: zed` and `routing`: the seeds' keys mean what the documentation says, and the account is never
//! shown.

use std::time::Duration;

use super::{loaded, note, provider};
use crate::config::{
    Billing, Classes, Config, Generation, Platform, ProviderAuth, Trigger, ZedMode, dump,
};
use crate::types::{Dialect, MicroUsd};

const ACCOUNT: &str = "4711 zat-canary-0123456789";

/// A provider with these keys besides its name, type and account.
fn zed(keys: &str) -> String {
    format!("providers: [{{name: z, type: zed, auth_value: '{ACCOUNT}', {keys}}}]\n")
}

fn config(keys: &str) -> Config {
    loaded(&zed(keys), []).unwrap()
}

#[test]
fn an_account_is_all_it_takes() {
    let config = config("");
    let found = &config.providers[0];
    assert!(found.is_active() && found.keys.is_empty() && found.stream_only);
    assert_eq!(found.platform, Platform::Zed);
    assert_eq!(found.auth, ProviderAuth::ZedAccount);
    assert_eq!(found.billing, Billing::Session);
    assert_eq!(found.base_url, "https://cloud.zed.dev");
    let target = found.target.as_ref().unwrap();
    assert_eq!(target.inference.of("m", true), "/completions");
    assert_eq!(target.models.as_deref(), Some("/models"));
    let terms = found.zed.as_ref().unwrap();
    assert_eq!(terms.account.as_ref().unwrap().user_id, 4711);
    assert_eq!(terms.generation, Generation::Of2026);
    assert_eq!(terms.openai, Dialect::OpenAiResponses);
    assert_eq!(terms.normal.max_tool_calls, Some(25));
    assert_eq!(terms.max.max_tool_calls, None);
    assert!(!terms.normal.has_costs());
    assert!(config.notes.iter().all(|it| !it.warning));
}

#[test]
fn the_account_is_never_shown() {
    let config = config("");
    for shown in [format!("{config:#?}"), dump(&config)] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    for bad in ["canary", "canary tok", "7 a b", "7  ", "-1 canary"] {
        let text = format!("providers: [{{name: z, type: zed, auth_value: '{bad}'}}]\n");
        let faults = loaded(&text, []).unwrap_err().join("\n");
        assert!(faults.contains("auth_value"), "{faults}");
        assert!(!faults.contains("canary"), "{faults}");
    }
}

#[test]
fn what_signs_in_otherwise_is_told_apart() {
    for (keys, auth) in [
        (
            "auth_type: auth_token, auth_value: llm-1",
            ProviderAuth::AuthToken,
        ),
        ("auth_type: none", ProviderAuth::None),
        ("auth_type: passthrough", ProviderAuth::Passthrough),
    ] {
        let text = format!("providers: [{{name: z, type: zed, {keys}}}]\n");
        let config = loaded(&text, []).unwrap();
        assert_eq!(config.providers[0].auth, auth, "{keys}");
        assert_eq!(config.providers[0].zed.as_ref().unwrap().account, None);
    }
    for (keys, expected) in [
        ("auth_type: oauth", "does not exist with zed"),
        (
            "auth_type: none, endpoint_url: 'https://a.b/c'",
            "several paths",
        ),
        ("api_keys: [a, b]", "one account each"),
        ("", "is missing: give the account"),
    ] {
        let text = format!("providers: [{{name: z, type: zed, {keys}}}]\n");
        let faults = loaded(&text, []).unwrap_err().join("\n");
        assert!(faults.contains(expected), "{faults}");
    }
}

#[test]
fn the_seeds_keys_are_understood() {
    let config = config(
        "zed_config: {default_mode: burn, generation: 2025, auto_burn_mode_triggers: [agent_panel_usage], \
         context_management: {max_context_tokens: 120000, rotation_threshold: 0.5, summarization_method: ai}, \
         thread_management: {ttl: 3600, auto_rotate: false, task_based_isolation: true, max_retries: 1, \
         summarization_max_length: 2000, error_classification: {thread_rotation_errors: [gone], \
         prompt_continuation_errors: []}}}, \
         session_config: {max_context_tokens: 7, max_tool_calls_per_session: 9, session_ttl: 5, modes: {normal: \
         {cost_per_prompt: 0.04}, burn: {cost_per_request: 0.05, max_tool_calls: -1}}}",
    );
    let terms = config.providers[0].zed.as_ref().unwrap();
    assert_eq!(terms.mode, ZedMode::Max);
    assert_eq!(terms.triggers, [Trigger::AgentPanelUsage]);
    let threads = &terms.threads;
    // What both sections say counts as `zed_config` says it.
    assert_eq!(threads.max_context, Some(120_000));
    assert_eq!(threads.ttl, Duration::from_secs(3600));
    assert!((threads.threshold - 0.5).abs() < 1e-9 && !threads.auto_rotate);
    assert_eq!((threads.max_retries, threads.thread_errors.len()), (1, 1));
    assert!(threads.prompt_errors.is_empty());
    assert_eq!(terms.normal.per_prompt, MicroUsd(40_000));
    assert_eq!(terms.max.per_request, MicroUsd(50_000));
    assert_eq!(
        (terms.normal.max_tool_calls, terms.max.max_tool_calls),
        (Some(9), None)
    );
    let told = note(
        &config,
        "providers[0].zed_config.thread_management.summarization_max_length",
    );
    assert!(told.unwrap().contains("never rewritten"));
}

#[test]
fn what_a_provider_does_not_say_the_settings_and_the_top_say() {
    let text = zed("zed_config: {version: 1.0.0}")
        + "settings: {zed_config: {version: 2.0.0, organization_id: o}, session_config: {session_ttl: 9}}\n"
        + "zed_config: {organization_id: p, openai_dialect: openai}\n";
    let config = loaded(&text, []).unwrap();
    let terms = config.providers[0].zed.as_ref().unwrap();
    assert_eq!(terms.version.as_deref(), Some("1.0.0"));
    assert_eq!(terms.organization_id.as_deref(), Some("o"));
    assert_eq!(terms.openai, Dialect::OpenAiChat);
    assert_eq!(terms.threads.ttl, Duration::from_secs(9));
}

#[test]
fn faults_have_their_places() {
    for (keys, expected) in [
        ("zed_config: {generation: 2024}", "zed_config.generation"),
        (
            "zed_config: {default_mode: turbo}",
            "zed_config.default_mode",
        ),
        (
            "zed_config: {context_management: {rotation_threshold: 1.5}}",
            "rotation_threshold",
        ),
        ("zed_config: {version: 'a b'}", "does not fit into a header"),
        (
            "session_config: {max_tool_calls_per_session: 0}",
            "must be a whole number above 0, or -1",
        ),
        (
            "session_config: {modes: {max: {max_tool_calls: many}}}",
            "modes.max.max_tool_calls",
        ),
        ("session_config: {mods: {}}", "is not a known key"),
    ] {
        let faults = loaded(&zed(keys), []).unwrap_err().join("\n");
        assert!(faults.contains(expected), "{keys}: {faults}");
    }
    let config = loaded(&provider("zed_config: {generation: 2025}"), []).unwrap();
    assert!(
        note(&config, "providers[0].zed_config")
            .unwrap()
            .contains("type: zed")
    );
}

#[test]
fn modes_of_candidates_are_told_where_nobody_hears_them() {
    let route = "model_routes: {'*': [{provider: z, session_mode: burn, preferred_billing_model: token}]}\n";
    let config = loaded(&(zed("") + route), []).unwrap();
    let wish = config.routes[0].candidates[0].wish;
    assert_eq!(
        (wish.mode, wish.billing),
        (Some(ZedMode::Max), Some(Billing::Token))
    );
    assert!(
        note(&config, "model_routes.\"*\"")
            .unwrap()
            .contains("have no modes")
    );
    let config = loaded(&(zed("zed_config: {generation: 2025}") + route), []).unwrap();
    assert_eq!(note(&config, "model_routes.\"*\""), None);
}

#[test]
fn routing_is_off_unless_it_is_there_and_then_as_the_seeds_have_it() {
    assert_eq!(config("").settings.classes, None);
    let off = zed("") + "routing: {enabled: false}\n";
    assert_eq!(loaded(&off, []).unwrap().settings.classes, None);
    for text in [
        "routing: {enabled: true}\n",
        "settings: {routing: {enabled: true}}\n",
    ] {
        let config = loaded(&(zed("") + text), []).unwrap();
        assert_eq!(config.settings.classes, Some(Classes::default()));
        assert!(
            note(&config, "routing")
                .unwrap()
                .contains("nothing to choose")
        );
    }
    let text = zed("")
        + "routing: {force_session_based: [{tool_count_gte: 5}, {has_multiple_files: true, text_length_gte: 9}], \
           force_token_based: [{tool_count: 0}, {simple_question: true}], session_keywords: {Debug: 2.5}, \
           token_keywords: {}, default_without_tools: session}\n";
    let classes = loaded(&text, []).unwrap().settings.classes.unwrap();
    assert_eq!(classes.force_session.len(), 2);
    assert_eq!(classes.force_session[1].length_from, Some(9));
    assert_eq!(classes.force_token[0].tools_to, Some(0));
    assert_eq!(classes.session_words, [("debug".to_owned(), 2.5)]);
    assert!(classes.token_words.is_empty());
    assert_eq!(classes.without_tools, Billing::Session);
    for (text, expected) in [
        ("routing: {force_token_based: [{}]}\n", "asks for nothing"),
        (
            "routing: {session_keywords: {a: much}}\n",
            "session_keywords.a",
        ),
        ("routing: {default_with_tools: both}\n", "must be one of"),
    ] {
        let faults = loaded(&(zed("") + text), []).unwrap_err().join("\n");
        assert!(faults.contains(expected), "{faults}");
    }
}
