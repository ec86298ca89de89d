//! What good input amounts to.

use std::time::Duration;

use super::{KEY, ONE, lines, loaded, note, options, provider};
use crate::config::*;
use crate::types::Secret;
use crate::types::vendor::VENDORS;

#[test]
fn all_faults_are_told_at_once() {
    let text = "providers: [{name: a, base_url: 'ftp://x', auth_value: '${NO}'}, {nam: b}]\n\
                model_routes: {'*': [{provider: c}]}\nsettings: {prot: 1, port: x, host: 0.0.0.0}\n";
    let faults = loaded(text, []).unwrap_err();
    let paths: Vec<&str> = faults
        .iter()
        .filter_map(|it| it.split(": ").nth(1))
        .map(|it| it.split(" = ").next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "providers[0].auth_value",
            "providers[1].nam",
            "providers[1].name",
            "settings.prot",
            "settings.port",
            "providers[0].base_url",
            "providers[1].auth_value",
            "providers[1].base_url",
            "model_routes.\"*\"[0].provider",
            "settings.host",
        ]
    );
}

#[test]
fn environment_variables_override_the_file() {
    let text = format!(
        "{ONE}settings: {{port: 1, host: 0.0.0.0, log_level: ERROR, request_timeout: 300}}\n"
    );
    let config = loaded(
        &text,
        [
            ("PORT", "3000"),
            ("PROXY_ACCESS_KEY", "gw-7f3a"),
            ("POINTSMAN_ADMIN_KEY", "admin-7f3a"),
            ("LOG_LEVEL", "debug"),
            ("REQUEST_TIMEOUT", "30000"),
            ("MAX_CONCURRENT_REQUESTS", "100"),
            ("LOAD_BALANCE_STRATEGY", "failover"),
            ("ENABLE_CORS", "true"),
            ("CORS_ORIGIN", "https://a.example, http://localhost:3000"),
            ("NODE_ENV", "development"),
            ("HEALTH_CHECK_PATH", "/status"),
        ],
    )
    .unwrap();
    assert_eq!(config.settings.mode, Mode::Development);
    assert_eq!(config.settings.health_page.path(), Some("/status"));
    assert_eq!(config.settings.port, 3000);
    assert_eq!(config.auth.keys, [Secret::new("gw-7f3a".into())]);
    assert_eq!(config.admin.key, Some(Secret::new("admin-7f3a".into())));
    assert_eq!(config.settings.log.level, LogLevel::Debug);
    assert_eq!(
        config.providers[0].timeouts.first_byte,
        Duration::from_secs(30)
    );
    assert_eq!(config.settings.max_in_flight, Some(100));
    assert_eq!(config.providers[0].key_strategy, KeyStrategy::Failover);
    assert_eq!(
        config.settings.cors.as_ref().unwrap().origins,
        ["https://a.example", "http://localhost:3000"]
    );
    assert!(
        note(&config, "settings.request_timeout")
            .unwrap()
            .contains("120")
    );
}

#[test]
fn the_health_page_and_the_mode_are_settings_that_the_environment_overrides() {
    let file = |settings: &str| format!("{ONE}settings: {{{settings}}}\n");
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, Mode);
    let table: &[Row<'_>] = &[
        ("", &[], Some("/health"), Mode::Production),
        ("mode: development", &[], Some("/health"), Mode::Development),
        (
            "mode: development",
            &[("NODE_ENV", "test")],
            Some("/health"),
            Mode::Production,
        ),
        (
            "health_check: {path: /up}",
            &[],
            Some("/up"),
            Mode::Production,
        ),
        (
            "health_check: {enabled: false}",
            &[],
            None,
            Mode::Production,
        ),
        (
            "health_check: {enabled: false, path: /up}",
            &[("HEALTH_CHECK_ENABLED", "true")],
            Some("/up"),
            Mode::Production,
        ),
        (
            "health_check: {enabled: false}",
            &[("HEALTH_CHECK_PATH", "/up")],
            None,
            Mode::Production,
        ),
        (
            "health_check: {path: /up}",
            &[("HEALTH_CHECK_ENABLED", "false")],
            None,
            Mode::Production,
        ),
    ];
    for (settings, env, path, mode) in table {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = loaded(&file(settings), env.collect::<crate::config::Env>()).unwrap();
        assert_eq!(config.settings.health_page.path(), *path, "{settings}");
        assert_eq!(config.settings.mode, *mode, "{settings}");
    }
    let faults = loaded(&file("health_check: {path: /providers}"), []).unwrap_err();
    assert!(faults[0].contains("settings.health_check.path = /providers: is where"));
}

#[test]
fn bad_environment_variables_are_named_without_their_value() {
    let table = [
        ("PORT", "sk-secret", "environment: PORT: must be a port"),
        (
            "PROXY_ACCESS_KEY",
            "your-proxy-access-key",
            "environment: PROXY_ACCESS_KEY: is a placeholder",
        ),
        (
            "REQUEST_TIMEOUT",
            "0",
            "environment: REQUEST_TIMEOUT: must be milliseconds above 0",
        ),
        (
            "MAX_CONCURRENT_REQUESTS",
            "-1",
            "environment: MAX_CONCURRENT_REQUESTS: must be a whole number",
        ),
        (
            "LOG_LEVEL",
            "loud",
            "environment: LOG_LEVEL: must be one of",
        ),
        (
            "LOAD_BALANCE_STRATEGY",
            "best",
            "environment: LOAD_BALANCE_STRATEGY: must be one of",
        ),
        (
            "HEALTH_CHECK_PATH",
            "/v1/messages",
            "environment: HEALTH_CHECK_PATH: is where something else is",
        ),
        (
            "HEALTH_CHECK_ENABLED",
            "perhaps",
            "environment: HEALTH_CHECK_ENABLED: must be true or false",
        ),
    ];
    for (name, value, expected) in table {
        let faults = loaded(ONE, [(name, value)]).unwrap_err();
        assert!(
            faults.len() == 1 && faults[0].starts_with(expected),
            "{faults:?}"
        );
        assert!(!faults[0].contains("sk-secret"));
    }
}

#[test]
fn without_a_file_keys_in_the_environment_serve_their_own_vendors_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options([
        ("ANTHROPIC_API_KEY", KEY),
        ("KIMI_API_KEY", KEY),
        ("XAI_API_KEY", ""),
    ]);
    options.dir = dir.path().to_owned();
    let config = load(&options).unwrap();
    assert_eq!(config.source, Source::Environment);
    let routes: Vec<(&str, &str)> = config
        .routes
        .iter()
        .map(|it| {
            (
                it.pattern.as_str(),
                config.providers[it.candidates[0].provider].name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("claude*", "anthropic"),
            ("kimi-*", "moonshot"),
            ("moonshot-*", "moonshot")
        ]
    );
    assert_eq!(config.default_route, None);
    options.env = Env::default();
    let config = load(&options).unwrap();
    assert_eq!(config.source, Source::Demo);
    assert!(config.providers.is_empty() && config.routes.is_empty());
}

#[test]
fn every_vendor_has_a_good_address() {
    let keyed = || VENDORS.iter().filter(|it| !it.variables.is_empty());
    let env: Env = keyed()
        .map(|it| (it.variables[0].to_owned(), KEY.to_owned()))
        .collect();
    let ways = crate::config::egress::Ways::new(&env, std::path::Path::new(""));
    let found = crate::config::vendors::providers(&env, Timeouts::default(), &ways);
    assert_eq!(found.len(), keyed().count());
    assert!(found.iter().all(Provider::is_active));
    let gemini = found.iter().find(|it| it.name == "gemini").unwrap();
    let path = &gemini.target.as_ref().unwrap().inference;
    assert_eq!(path.shown(), "/v1beta/models/{model}:generateContent");
}

#[test]
fn files_are_looked_for_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, port: u16| {
        std::fs::write(
            dir.path().join(name),
            format!("{ONE}settings: {{port: {port}}}\n"),
        )
        .unwrap();
    };
    let mut options = options([]);
    options.dir = dir.path().to_owned();
    std::fs::create_dir(dir.path().join("conf")).unwrap();
    let order = [
        "conf/pointsman.yaml",
        "config.json",
        "providers.yaml",
        "config.yaml",
        "env.yaml",
    ];
    for (name, port) in order.iter().zip(1000..) {
        write(name, port);
        if *name == "env.yaml" {
            options.env = Env::from([("POINTSMAN_CONFIG", "env.yaml")]);
        }
        let config = load(&options).unwrap();
        assert_eq!(config.settings.port, port, "{name}");
    }
    options.config = Some("config.yaml".into());
    assert_eq!(load(&options).unwrap().settings.port, 1003);
    options.port = Some(7);
    options.host = Some("[::1]".into());
    let config = load(&options).unwrap();
    assert_eq!(
        (config.settings.port, config.settings.host.as_str()),
        (7, "::1")
    );
    options.host = Some("0.0.0.0".into());
    let faults = lines(&load(&options).unwrap_err());
    assert!(
        faults[0].contains("--host = 0.0.0.0: can be reached"),
        "{faults:?}"
    );
    options.config = Some("missing.yaml".into());
    let faults = lines(&load(&options).unwrap_err());
    assert!(
        faults[0].ends_with("missing.yaml: does not exist; look at --config or POINTSMAN_CONFIG"),
        "{faults:?}"
    );
}

#[test]
fn an_env_file_beside_the_configuration_is_read_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let text = "providers: [{name: a, base_url: 'https://a.b', auth_value: '${THE_KEY}'}]\n";
    std::fs::write(dir.path().join("config.yaml"), text).unwrap();
    std::fs::write(
        dir.path().join(".env"),
        format!("THE_KEY={KEY}\nPORT=4000\n"),
    )
    .unwrap();
    let mut options = LoadOptions::new(Env::from([("PORT", "5000")]));
    options.dir = dir.path().to_owned();
    let config = load(&options).unwrap();
    assert_eq!(config.providers[0].keys, [Secret::new(KEY.into())]);
    assert_eq!(config.settings.port, 5000);
    options.no_env_file = true;
    assert!(lines(&load(&options).unwrap_err())[0].contains("THE_KEY is not set"));

    // Whoever asks for the demo gets it.
    options.demo = true;
    let config = load(&options).unwrap();
    assert_eq!(config.source, Source::Demo);
    assert_eq!(config.settings.port, 8080);
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let mut options = options([]);
    options.dir = dir.path().to_owned();
    assert!(lines(&load(&options).unwrap_err())[0].contains("is not UTF-8 text"));
}

#[test]
fn old_time_outs_reach_their_timers() {
    let seconds = |settings: &str| {
        let config = loaded(&format!("{ONE}settings: {{{settings}}}\n"), []).unwrap();
        let it = config.providers[0].timeouts;
        [
            it.connect,
            it.connect_total,
            it.first_byte,
            it.first_byte_whole,
            it.first_content,
            it.idle,
        ]
        .map(|it| it.as_secs())
    };
    let table = [
        ("", [2, 5, 60, 600, 180, 90]),
        ("request_timeout: 40", [2, 5, 40, 40, 180, 90]),
        ("timeout_seconds: 300", [2, 5, 300, 300, 180, 90]),
        (
            "request_timeout: 40, timeouts: {non_streaming: {read: 200}}",
            [2, 5, 40, 200, 180, 90],
        ),
        (
            "timeouts: {non_streaming: {connect_timeout: 30, read_timeout: 120}}",
            [30, 30, 60, 120, 180, 90],
        ),
        (
            "timeouts: {streaming: {connect: 3, read: 120, chunk_timeout: 7, first_chunk_timeout: 8}}",
            [3, 5, 120, 600, 8, 7],
        ),
        (
            "request_timeout: 40, timeouts: {streaming: {read: 50}, first_byte: 10}",
            [2, 5, 10, 40, 180, 50],
        ),
        (
            "timeouts: {connect_total: 9, idle: 1m}",
            [2, 9, 60, 600, 180, 60],
        ),
    ];
    for (settings, expected) in table {
        assert_eq!(seconds(settings), expected, "{settings}");
    }
    let config = loaded(&provider("timeouts: {idle: 500ms}"), []).unwrap();
    assert_eq!(
        config.providers[0].timeouts.idle,
        Duration::from_millis(500)
    );
}

#[test]
fn ways_to_sign_in() {
    let table = [
        ("auth_value: passthrough", ProviderAuth::Passthrough, true),
        ("auth_type: passthrough", ProviderAuth::Passthrough, true),
        ("auth_type: none", ProviderAuth::None, true),
        (
            "auth_type: auth_token, auth_value: sk-1",
            ProviderAuth::AuthToken,
            true,
        ),
        (
            "auth_type: api_key, api_keys: [sk-1, sk-2, sk-1]",
            ProviderAuth::ApiKey,
            true,
        ),
        ("auth_value: oauth", ProviderAuth::OAuth, false),
        ("auth_type: oauth", ProviderAuth::OAuth, false),
    ];
    for (keys, auth, active) in table {
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', {keys}}}, {{name: b, base_url: 'https://a.b', auth_type: \
             none}}]\n"
        );
        let config = loaded(&text, []).unwrap();
        let found = &config.providers[0];
        assert_eq!((found.auth, found.is_active()), (auth, active), "{keys}");
        assert_eq!(found.inactive.is_some(), !active, "{keys}");
        if keys.contains("api_keys") {
            assert_eq!(found.keys.len(), 2);
        }
    }
}

#[test]
fn disabled_providers_are_shown_but_not_judged() {
    let text = ONE.replace(
        "}]",
        "}, {name: b, enabled: false, base_url: 'ftp://x', auth_value: '${NO}'}]",
    );
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.providers.len(), 2);
    assert!(!config.providers[1].is_active());
    assert_eq!(config.routes[0].candidates.len(), 1);
}

#[test]
fn accounts_that_share_a_name_are_candidates_each() {
    let text = format!(
        "providers:\n- &p {{name: a, account_email: X@y, base_url: 'https://a.b', auth_value: {KEY}}}\n\
         - {{<<: *p, account_email: z@y}}\nmodel_routes:\n  one: [{{provider: a, account_email: x@Y}}]\n  \
         both: [{{provider: a, priority: 3, weight: 0}}, {{provider: a, enabled: false}}]\n"
    );
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.providers[0].id.as_str(), "a#x@y");
    let indices = |i: usize| -> Vec<usize> {
        config.routes[i]
            .candidates
            .iter()
            .map(|it| it.provider)
            .collect()
    };
    assert_eq!((indices(0), indices(1)), (vec![0], vec![0, 1]));
    let last = &config.routes[1].candidates[1];
    assert!(last.priority == 3 && last.weight == 0.0);
}

#[test]
fn without_routes_no_vendors_names_go_to_another() {
    let text = "providers:\n- {name: a, base_url: 'https://relay.example', auth_type: none}\n\
                - {name: b, base_url: 'https://api.anthropic.com', auth_type: none}\n\
                - {name: c, type: openai, base_url: 'https://api.openai.com/v1', auth_type: none}\n";
    let config = loaded(text, []).unwrap();
    let routes: Vec<(&str, usize)> = config
        .routes
        .iter()
        .map(|it| (it.pattern.as_str(), it.candidates[0].provider))
        .collect();
    assert_eq!(routes[0], ("claude*", 0));
    assert!(routes[1..].iter().all(|it| it.1 == 2));
    assert!(
        note(&config, "providers[1]")
            .unwrap()
            .contains("no route names it")
    );
}

#[test]
fn big_and_small_models_become_routes() {
    let text = include_str!("../../../conf/seeds/balancer-quickstart.yaml");
    let config = loaded(text, []).unwrap();
    let patterns: Vec<&str> = config.routes.iter().map(|it| it.pattern.as_str()).collect();
    assert_eq!(patterns, ["*haiku*", "*-mini*", "*flash*", "*"]);
    let models = |i: usize| -> Vec<Option<&str>> {
        config.routes[i]
            .candidates
            .iter()
            .map(|it| it.model.as_deref())
            .collect()
    };
    let small = Some("claude-3-5-haiku-20241022");
    assert_eq!(
        models(0),
        [small, small, Some("anthropic/claude-3-5-haiku"), None]
    );
    let big = Some("claude-3-5-sonnet-20241022");
    assert_eq!(
        models(3),
        [big, big, Some("anthropic/claude-3-5-sonnet"), None]
    );
    let priorities: Vec<u32> = config.routes[3]
        .candidates
        .iter()
        .map(|it| it.priority)
        .collect();
    assert_eq!(priorities, [1, 2, 3, 4]);
    // Written routes win over what follows from the pair.
    let text = format!("{text}model_routes: {{'*': [{{provider: openrouter_backup}}]}}\n");
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.routes[0].candidates.len(), 1);
    assert_eq!(config.routes[1].candidates.len(), 3);
    assert_eq!(config.routes.len(), 4);
}

#[test]
fn the_default_route_is_the_one_with_sonnet_then_opus() {
    let with = |patterns: &[&str], settings: &str| {
        let routes: Vec<String> = patterns
            .iter()
            .map(|it| format!("'{it}': [{{provider: a}}]"))
            .collect();
        let text = format!(
            "{ONE}model_routes: {{{}}}\nsettings: {{{settings}}}\n",
            routes.join(", ")
        );
        loaded(&text, []).unwrap().default_route
    };
    assert_eq!(
        with(&["*opus*", "*Sonnet*"], "").as_deref(),
        Some("*Sonnet*")
    );
    assert_eq!(with(&["*haiku*", "*opus*"], "").as_deref(), Some("*opus*"));
    assert_eq!(with(&["*haiku*"], ""), None);
    assert_eq!(
        with(&["*haiku*", "*opus*"], "default_route: '*haiku*'").as_deref(),
        Some("*haiku*")
    );
}

#[test]
fn old_words_are_named() {
    let text = format!(
        "{ONE}settings: {{selection_strategy: sticky, billing_model: token, cooldown_seconds: 9}}\n"
    );
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.settings.strategy, Strategy::Priority);
    assert_eq!(config.settings.failure_cooldown, Duration::from_secs(9));
    assert!(
        config
            .notes
            .iter()
            .any(|it| it.path == "settings.selection_strategy" && it.text.contains("affinity"))
    );
    assert_eq!(note(&config, "settings.billing_model"), None);
    let text = note(&config, "settings.cooldown_seconds").unwrap();
    assert_eq!(text, "is an old name; the new one is `failure_cooldown`");
}

#[test]
fn sharing_is_read_in_all_its_spellings() {
    use Sharing::{All, Auto, Off};
    for (settings, mode, max_tokens_count) in [
        ("", Auto, true),
        ("enable_deduplication: true", All, true),
        ("enable_deduplication: false", Off, true),
        ("deduplication: auto", Auto, true),
        ("deduplication: on", All, true),
        ("deduplication: true", All, true),
        ("deduplication: off", Off, true),
        ("deduplication: {enabled: true}", All, true),
        ("deduplication: {enabled: false, mode: all}", Off, true),
        ("deduplication: {enabled: true, mode: auto}", Auto, true),
        (
            "deduplication: {mode: all, include_max_tokens_in_signature: false}",
            All,
            false,
        ),
        (
            "deduplication: auto, enable_deduplication: true",
            Auto,
            true,
        ),
    ] {
        let config = loaded(&format!("{ONE}settings: {{{settings}}}\n"), []).unwrap();
        let sharing = config.settings.deduplication;
        let read = (sharing.mode, sharing.max_tokens_count);
        assert_eq!(read, (mode, max_tokens_count), "{settings}");
    }
}

#[test]
fn any_key_of_the_cache_turns_it_on() {
    for (settings, expected) in [
        ("", None),
        ("cache_ttl: 0", None),
        ("max_cache_size: 0", None),
        ("cache: {mode: all}", Some((CacheMode::All, 3600, 1000))),
        (
            "cache: {ttl: 5m}",
            Some((CacheMode::Deterministic, 300, 1000)),
        ),
        ("cache_ttl: 60", Some((CacheMode::Deterministic, 60, 1000))),
        (
            "cache_ttl_seconds: 60, max_cache_size: 5",
            Some((CacheMode::Deterministic, 60, 5)),
        ),
        (
            "cache_size_limit: 7",
            Some((CacheMode::Deterministic, 3600, 7)),
        ),
    ] {
        let config = loaded(&format!("{ONE}settings: {{{settings}}}\n"), []).unwrap();
        let cache = config.settings.cache;
        let read = cache.map(|it| (it.mode, it.ttl.as_secs(), it.max_entries));
        assert_eq!(read, expected, "{settings}");
    }
}

#[test]
fn every_strategy_has_its_word() {
    for (word, strategy) in [
        ("priority", Strategy::Priority),
        ("round_robin", Strategy::RoundRobin),
        ("random", Strategy::Random),
        ("weighted", Strategy::Weighted),
        ("least_busy", Strategy::LeastBusy),
        ("fastest", Strategy::Fastest),
        ("cheapest", Strategy::Cheapest),
    ] {
        let text = format!("{ONE}settings: {{selection_strategy: {word}}}\n");
        let config = loaded(&text, []).unwrap();
        assert_eq!(config.settings.strategy, strategy);
        assert_eq!(strategy.word(), word);
    }
}

#[test]
fn affinity_is_on_unless_somebody_says_otherwise() {
    let affinity = |text: &str| {
        let config = loaded(&format!("{ONE}settings: {{{text}}}\n"), []).unwrap();
        let it = config.settings.affinity;
        (it.enabled, it.ttl.as_secs(), it.return_after.as_secs())
    };
    assert_eq!(affinity(""), (true, 3600, 60));
    assert_eq!(affinity("sticky_provider_duration: 300"), (true, 300, 60));
    assert_eq!(affinity("idle_recovery_interval: 300"), (true, 300, 60));
    let both = "sticky_provider_duration: 300, affinity: {ttl: 5m, return_after: 0}";
    assert_eq!(affinity(both), (true, 300, 0));
    assert!(!affinity("affinity: {enabled: false}").0);
    assert!(!affinity("affinity: {ttl: 0}").0);
    assert!(!affinity("sticky_provider_duration: 0").0);
}

#[test]
fn rules_are_read_in_order_with_all_they_ask() {
    let text = format!(
        "{ONE}route_rules:\n- {{when: {{agent: yes}}, candidates: [{{provider: a, model: m}}]}}\n- {{models: ['*opus*', gpt-5], when: {{agent: true, tokens_over: 1k, tokens_under: 200k, images: false, thinking: true, header: {{X-Team: a, x-level: 3}}}}, candidates: [{{provider: a}}, {{provider: a, enabled: false}}]}}\n"
    );
    let config = loaded(&text.replace("yes", "false"), []).unwrap();
    let [first, second] = config.rules.as_slice() else {
        panic!("{:?}", config.rules);
    };
    assert_eq!(first.models, ["*"]);
    assert_eq!(first.when.agent, Some(false));
    assert_eq!(first.candidates[0].model.as_deref(), Some("m"));
    assert_eq!(second.label, "route_rules[1]");
    assert_eq!(second.models, ["*opus*", "gpt-5"]);
    assert_eq!(second.candidates.len(), 1);
    let when = When {
        agent: Some(true),
        tokens_over: Some(1000),
        tokens_under: Some(200_000),
        images: Some(false),
        thinking: Some(true),
        headers: [("x-team", "a"), ("x-level", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    assert_eq!(second.when, when);
}

#[test]
fn client_faults_never_count_and_texts_are_gathered() {
    let text = format!(
        "{ONE}settings: {{unhealthy_http_codes: [500, 400], failover_http_codes: [402, 500], unhealthy_error_types: [Insufficient Credits], failover_error_types: [x], unhealthy_exception_patterns: [X, ssl]}}\n"
    );
    let config = loaded(&text, []).unwrap();
    assert_eq!(config.settings.unhealthy_http_codes, [402, 500]);
    assert_eq!(
        config.settings.unhealthy_texts,
        ["insufficient credits", "x", "ssl"]
    );
    assert!(note(&config, "settings.unhealthy_http_codes").is_some());
}

#[test]
fn a_listener_beyond_loopback_needs_a_key_or_a_word() {
    let with = |text: &str| loaded(&format!("{ONE}{text}"), []);
    let config = with("settings: {host: 0.0.0.0}\nauth: {enabled: false, i_know: true}\n").unwrap();
    assert!(config.auth.open_on_purpose && config.auth.keys.is_empty());
    assert!(
        config
            .notes
            .iter()
            .any(|it| it.path == "settings.host" && it.warning)
    );
    assert!(with("settings: {host: 0.0.0.0}\nauth: {api_key: gw-7f3a}\n").is_ok());
    assert!(with("settings: {host: '0.0.0.0', auth: {api_key: gw-7f3a}}\n").is_ok());
    for host in ["127.0.0.2", "localhost", "'::1'", "'[::1]'"] {
        assert!(
            with(&format!("settings: {{host: {host}}}\n")).is_ok(),
            "{host}"
        );
    }
}

#[test]
fn log_file_without_a_value_has_a_default() {
    let with = |text: &str| {
        let text = format!("{ONE}settings:\n  {text}\n");
        loaded(&text, []).unwrap().settings.log.file
    };
    assert_eq!(
        with("log_file_path:").unwrap().to_str(),
        Some("logs/logs.jsonl")
    );
    assert_eq!(with("log_file_path: ''"), None);
    assert_eq!(with("port: 1"), None);
}

#[test]
fn nothing_prints_a_secret() {
    let text = format!(
        "providers: [{{name: a, base_url: 'https://a.b', auth_value: {KEY}, headers: {{x-key: {KEY}}}, \
         proxy: 'http://u:{KEY}@p:1'}}]\nauth: {{api_key: {KEY}}}\nadmin: {{key: {KEY}}}\n"
    );
    let config = loaded(&text, []).unwrap();
    let secrets = config.providers[0].way.secrets();
    assert_eq!(secrets[0].expose(), KEY);
    for shown in [format!("{config:?}"), dump(&config)] {
        assert!(!shown.contains("0123456789"), "{shown}");
    }
    let shown: serde_json::Value = serde_yaml::from_str(&dump(&config)).unwrap();
    assert_eq!(shown["providers"][0]["api_keys"][0], "sk-0…cdef");
    assert_eq!(shown["providers"][0]["proxy"], "http://***@p:1");
    assert_eq!(shown["settings"]["failure_cooldown"], "180s");
}

#[test]
fn a_reference_that_leads_nowhere_is_told_once() {
    let text = "providers:\n- {name: '${N}', base_url: '${U}', api_keys: ['${A}', '${B}']}\n\
                - {name: b, base_url: 'https://a.b', auth_value: '${C}', headers: {x: '${H}'}}\n\
                auth: {api_key: '${G}'}\nsettings: {host: 0.0.0.0, port: '${P}'}\n";
    let faults = loaded(text, []).unwrap_err();
    assert_eq!(faults.len(), 8, "{faults:#?}");
    assert!(faults.iter().all(|it| it.contains("is not set")));
}

#[test]
fn references_give_numbers_and_switches_too() {
    let text = format!(
        "{ONE}settings: {{port: '${{P}}', fail_open: '${{F}}', threads: '${{T:-}}', failure_cooldown: '${{C:-90}}'}}\n"
    );
    let config = loaded(&text, [("P", "9090"), ("F", "false")]).unwrap();
    let settings = &config.settings;
    assert_eq!(
        (settings.port, settings.fail_open, settings.threads),
        (9090, false, None)
    );
    assert_eq!(settings.failure_cooldown, Duration::from_secs(90));
}

#[test]
fn what_serves_nobody_is_told() {
    let text = format!(
        "{}model_routes: {{x: [{{provider: b}}]}}\nsettings: {{host: 0.0.0.0}}\nauth: {{api_key: gw-7f3a}}\n",
        ONE.replace(
            "}]",
            "}, {name: b, base_url: 'https://b.b', auth_type: oauth}]"
        )
    );
    let config = loaded(&text, []).unwrap();
    assert!(
        note(&config, "model_routes.x")
            .unwrap()
            .contains("no active provider")
    );
    assert!(
        note(&config, "providers[0]")
            .unwrap()
            .contains("no route names it")
    );
    assert!(note(&config, "admin.key").unwrap().contains("stay closed"));
    let text = provider("auth_type: none");
    assert!(
        note(&loaded(&text, []).unwrap(), "providers[0]")
            .unwrap()
            .contains("unused")
    );
}

#[test]
fn a_provider_may_not_be_ourselves() {
    let with = |settings: &str, url: &str| {
        let text = format!(
            "providers: [{{name: a, base_url: '{url}', auth_type: none}}]\nsettings: {{{settings}}}\nauth: {{api_key: gw-7f3a}}\n"
        );
        loaded(&text, []).is_ok()
    };
    let table = [
        ("port: 8080", "http://127.0.0.1:8080", false),
        ("port: 8080", "http://localhost:8080/v1", false),
        ("port: 8080", "http://[::ffff:127.0.0.1]:8080", false),
        ("port: 8080", "http://127.0.0.1:8081", true),
        ("port: 8080", "http://192.168.1.5:8080", true),
        ("port: 8080, host: 0.0.0.0", "http://127.0.0.1:8080", false),
        (
            "port: 8080, host: 192.168.1.5",
            "http://192.168.1.5:8080",
            false,
        ),
        (
            "port: 8080, host: 192.168.1.5",
            "http://127.0.0.1:8080",
            true,
        ),
        ("port: 80", "http://localhost", false),
        ("port: 0", "http://localhost", true),
    ];
    for (settings, url, fine) in table {
        assert_eq!(with(settings, url), fine, "{settings} {url}");
    }
}
