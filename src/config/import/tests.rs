use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{Env, KeyStrategy, LoadOptions, ProviderAuth, from_text};

/// What the documents show.
const DOCUMENTED: &str = include_str!("../../../tests/fixtures/config/worker-proxy.json");

fn loaded(text: &str) -> Result<Config, Vec<String>> {
    let options = LoadOptions {
        no_env_file: true,
        ..LoadOptions::new(Env::default())
    };
    from_text("config.json", text, Path::new("."), &options)
        .map_err(|it| it.iter().map(ToString::to_string).collect())
}

fn imported(text: &str) -> String {
    match to_yaml(text) {
        Ok(it) => it.yaml.to_string(),
        Err(faults) => panic!("{faults:?}"),
    }
}

fn one(more: &Value) -> String {
    let mut upstream = json!({
        "baseUrl": "https://a.example", "apiKeys": ["sk-0123456789"], "serviceType": "openai", "name": "a",
    });
    if let (Some(upstream), Some(more)) = (upstream.as_object_mut(), more.as_object()) {
        upstream.extend(more.clone());
    }
    json!({"upstream": [upstream]}).to_string()
}

#[test]
fn the_documents_file_becomes_what_it_means() {
    insta::assert_snapshot!(imported(DOCUMENTED));
    let config = loaded(DOCUMENTED).unwrap();
    assert_eq!(config.settings.port, 3000);
    let [openai, gemini] = config.providers.as_slice() else {
        panic!("{:?}", config.providers);
    };
    assert_eq!((openai.name.as_str(), openai.keys.len()), ("openai-api", 2));
    assert_eq!(openai.key_strategy, KeyStrategy::Failover);
    let path = openai.target.as_ref().unwrap().inference.of("m", false);
    assert_eq!(path, "/v1/chat/completions");
    assert!(openai.is_active() && !gemini.enabled);
    assert_eq!(config.routes.len(), 1);
    assert_eq!(config.routes[0].candidates.len(), 1);
    assert_eq!(config.routes[0].candidates[0].model, None);
}

#[test]
fn what_runs_is_what_import_writes_but_for_what_is_not_asked() {
    let direct = loaded(DOCUMENTED).unwrap();
    let written = loaded(&imported(DOCUMENTED)).unwrap();
    assert_eq!(
        format!("{:#?}", direct.routes),
        format!("{:#?}", written.routes)
    );
    assert!(written.providers[1].enabled);
    let tabbed = DOCUMENTED.replace("    ", "\t");
    assert_eq!(imported(&tabbed), imported(DOCUMENTED));
    assert_eq!(direct.notes.len(), 1, "{:?}", direct.notes);
    assert_eq!(direct.notes[0].path, "currentUpstream");
}

#[test]
fn kinds_addresses_and_strategies_are_translated() {
    for (kind, url, expected, path) in [
        (
            "openai",
            "https://a.example",
            "openai",
            "/v1/chat/completions",
        ),
        (
            "openaiold",
            "https://a.example/v1",
            "openai",
            "/v1/chat/completions",
        ),
        (
            "oainew",
            "https://a.example/x",
            "openai",
            "/x/chat/completions",
        ),
        (
            "custom",
            "https://a.example/",
            "openai",
            "/v1/chat/completions",
        ),
        (
            "Claude",
            "https://a.example/v1",
            "anthropic",
            "/v1/messages",
        ),
        (
            "gemini",
            "https://a.example",
            "gemini",
            "/v1beta/models/m:generateContent",
        ),
        (
            "gemini",
            "https://a.example/v1beta",
            "gemini",
            "/v1beta/models/m:generateContent",
        ),
    ] {
        let config = loaded(&one(&json!({"serviceType": kind, "baseUrl": url}))).unwrap();
        let provider = &config.providers[0];
        assert_eq!(provider.kind, expected, "{kind}");
        let target = provider.target.as_ref().unwrap();
        assert_eq!(target.inference.of("m", false), path, "{kind} {url}");
    }
    for (word, expected) in [
        (json!("round-robin"), KeyStrategy::RoundRobin),
        (json!("random"), KeyStrategy::Random),
        (json!("failover"), KeyStrategy::Failover),
        (Value::Null, KeyStrategy::Failover),
    ] {
        let mut file: Value = serde_json::from_str(&one(&json!({}))).unwrap();
        file["loadBalance"] = word.clone();
        let config = loaded(&file.to_string()).unwrap();
        assert_eq!(config.providers[0].key_strategy, expected, "{word}");
    }
}

#[test]
fn services_of_claudes_kind_get_the_credential_they_want() {
    for (key, expected) in [
        ("sk-ant-0123456789", ProviderAuth::ApiKey),
        ("cr_0123456789", ProviderAuth::AuthToken),
    ] {
        let config = loaded(&one(&json!({"serviceType": "claude", "apiKeys": [key]}))).unwrap();
        assert_eq!(config.providers[0].auth, expected, "{key}");
    }
}

#[test]
fn tiers_become_routes() {
    let mapping = json!({"opus": "gpt-big", "haiku": "gpt-small", "claude-3-5-sonnet": "gpt-4o"});
    let config = loaded(&one(&json!({"modelMapping": mapping}))).unwrap();
    let routes: Vec<(&str, Option<&str>)> = config
        .routes
        .iter()
        .map(|it| (it.pattern.as_str(), it.candidates[0].model.as_deref()))
        .collect();
    assert_eq!(
        routes,
        [
            ("*opus*", Some("gpt-big")),
            ("*haiku*", Some("gpt-small")),
            ("*claude-3-5-sonnet*", Some("gpt-4o")),
            ("*", None),
        ]
    );
}

#[test]
fn the_current_one_is_a_place_or_a_name() {
    let file = |current: Value| {
        let upstream = |name: &str| json!({"name": name, "baseUrl": "https://a.example", "apiKeys": ["k-01234567"], "serviceType": "openai"});
        json!({"upstream": [upstream("a"), upstream("4o-main")], "currentUpstream": current})
            .to_string()
    };
    for (current, expected) in [
        (json!(0), "a"),
        (json!(1), "4o-main"),
        (json!("1"), "4o-main"),
        (json!("4o-main"), "4o-main"),
        (Value::Null, "a"),
    ] {
        let config = loaded(&file(current.clone())).unwrap();
        let asked = config.routes[0].candidates[0].provider;
        assert_eq!(config.providers[asked].name, expected, "{current}");
    }
    for wrong in [json!(2), json!(-1), json!("b"), json!([1]), json!(1.5)] {
        let faults = loaded(&file(wrong.clone())).unwrap_err();
        assert!(
            faults[0].contains("currentUpstream")
                && faults[0].contains("write one of 0 (a), 1 (4o-main)"),
            "{wrong}: {faults:?}"
        );
    }
}

#[test]
fn faults_speak_of_the_file_as_it_is() {
    for (file, expected) in [
        (json!({"upstream": []}), "config.json: upstream: is empty"),
        (
            json!({"loadBalance": "random"}),
            "config.json: upstream: is empty",
        ),
        (
            json!({"upstream": {}}),
            "config.json: upstream: is a section with keys; it must be a list",
        ),
        (
            json!({"upstream": ["x"]}),
            "config.json: upstream[0]: is text",
        ),
        (
            json!({"upstream": [{}]}),
            "upstream[0].serviceType: is missing: say what it speaks: openai",
        ),
        (
            json!({"upstream": [{"serviceType": "openai"}]}),
            "upstream[0].baseUrl: is missing",
        ),
        (
            json!({"upstream": [{"serviceType": "gemni", "baseUrl": "https://a.example"}]}),
            "upstream[0].serviceType = gemni: must be one of openai, gemini, claude, custom; did you mean",
        ),
        (
            json!({"upstream": [{"serviceType": "gemini", "baseUrl": "https://a.example"}]}),
            "config.json: upstream[0].apiKeys: is missing",
        ),
        (
            json!({"upstream": [{"serviceType": "gemini", "baseUrl": "ftp://a", "apiKeys": ["k 1"]}]}),
            "config.json: upstream[0].apiKeys[0]: holds a space",
        ),
        (
            json!({"upstream": [{"serviceType": "gemini", "baseUrl": "ftp://a", "apiKeys": ["k-0123"]}]}),
            "config.json: upstream[0].baseUrl = ftp://a: must start with https://",
        ),
        (
            json!({"upstream": [{"serviceType": "gemini", "baseUrl": "https://a.example", "apiKeys": [7]}]}),
            "upstream[0].apiKeys[0]: is a number; a key is text",
        ),
        (
            json!({"upstream": [{"serviceType": "openai", "baseUrl": "https://a.example", "apiKeys": ["k-0123"]}], "loadBalance": "sticky"}),
            "loadBalance = sticky: must be one of round-robin, random, failover",
        ),
        (
            json!({"upstream": [{"serviceType": "openai", "baseUrl": "https://a.example", "apiKeys": ["k-0123"]}], "providers": []}),
            "providers: is a key of config.yaml and stands beside keys of the worker proxy's",
        ),
        (
            json!({"upstream": [{"serviceType": "openai", "baseUrl": "https://a.example", "apiKeys": ["k-0123"], "modelMapping": {"opus": 1}}]}),
            "upstream[0].modelMapping.opus: must be the name of a model",
        ),
    ] {
        let faults = loaded(&file.to_string()).unwrap_err();
        assert!(
            faults.iter().any(|it| it.contains(expected)),
            "{file}: {faults:?}"
        );
    }
    let options = LoadOptions {
        no_env_file: true,
        ..LoadOptions::new(Env::from([("PORT", "x")]))
    };
    let both = from_text("config.json", "upstream: []", Path::new("."), &options).unwrap_err();
    assert_eq!(both.len(), 2, "{both:?}");
    let broken = loaded("{\"upstream\": [\n  {\"name\": \"a\" \"baseUrl\"}]}").unwrap_err();
    assert!(
        broken[0].contains("config.json:2:") && broken[0].contains("is not valid JSON"),
        "{broken:?}"
    );
}

#[test]
fn what_is_left_out_is_told() {
    let file = one(&json!({"insecureSkipVerify": true, "weight": 3, "name": ""}));
    let told: Vec<String> = to_yaml(&file)
        .unwrap_or_else(|it| panic!("{it:?}"))
        .notes
        .into_iter()
        .map(|it| format!("{} {}", it.path, it.text))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("upstream[0].weight is not taken over"));
    assert!(told[1].contains("certificates are always verified"));
    assert!(imported(&file).contains("name: upstream-0"));
}

#[test]
fn a_file_of_ours_is_no_foreign_one() {
    for text in ["providers: []", "{}", "x: 1"] {
        let Err(faults) = to_yaml(text) else {
            panic!("{text}");
        };
        assert_eq!(faults[0].path, "upstream");
    }
}

#[test]
fn names_that_two_have_are_told_apart_and_a_missing_key_is_no_fault_of_those_that_rest() {
    let upstream =
        |name: &str| json!({"name": name, "baseUrl": "https://a.example", "serviceType": "openai"});
    let mut file = json!({"upstream": [upstream("a"), upstream("a"), upstream("a-1")]});
    file["upstream"][0]["apiKeys"] = json!(["k-01234567"]);
    let config = loaded(&imported(&file.to_string())).unwrap();
    let names: Vec<&str> = config.providers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "a-1", "a-1-2"]);
    assert!(!config.providers[1].enabled);
}

proptest! {
    /// Whatever is written comes out as it went in, and nothing of it becomes a key or ends a comment.
    #[test]
    fn texts_stay_what_they_are(
        name in ".{1,20}", key in "\\PC{1,20}", about in ".{0,40}", url in ".{0,20}", model in ".{1,20}", from in ".{1,8}",
    ) {
        let url = format!("https://a.example/{url}");
        let file = json!({"upstream": [{
            "name": name, "baseUrl": url, "serviceType": "openai", "apiKeys": [key], "description": about,
            "modelMapping": {from.clone(): model},
        }]});
        if let Ok(imported) = to_yaml(&file.to_string()) {
            let tree = tree::parse("c.yaml", &imported.yaml).unwrap();
            let Node::Map(sections) = &tree else { panic!() };
            let keys: Vec<&str> = sections.iter().map(|it| it.0.as_str()).collect();
            prop_assert_eq!(keys, ["providers", "model_routes", "settings"]);
            let Some(Node::List(providers)) = tree.get("providers") else { panic!() };
            prop_assert_eq!(providers.len(), 1);
            let text = |key: &str| providers[0].get(key).cloned();
            if !name.trim().is_empty() {
                prop_assert!(text("name") == Some(Node::text(name.trim())));
            }
            prop_assert!(text("base_url") == Some(Node::text(url)));
            prop_assert!(text("api_keys") == Some(Node::List(vec![Node::text(key)])));
            let Some(Node::Map(routes)) = tree.get("model_routes") else { panic!() };
            let Node::List(first) = &routes[0].1 else { panic!() };
            if routes.len() == 2 {
                prop_assert!(first[0].get("model") == Some(&Node::text(model)));
            }
        }
    }

    /// Nothing makes it panic.
    #[test]
    fn any_file_is_read_or_refused(text in "[-a-zA-Z0-9:\\[\\]{}\"', \n]{0,60}") {
        let _ = to_yaml(&format!("{{\"upstream\": {text}}}"));
        let _ = to_yaml(&format!("{{\"upstream\": [{{\"apiKeys\": {text}}}], \"currentUpstream\": {text}}}"));
    }
}
