//! What is shown to operators: traces, request lines, captured bodies.

use std::path::Path;
use std::time::Duration;

use super::{KEY, ONE, loaded, note};
use crate::config::{Capture, Config, Env, LoadOptions, from_text};

fn config(settings: &str, env: impl Into<Env>) -> Result<Config, Vec<String>> {
    loaded(&format!("{ONE}settings: {{{settings}}}\n"), env)
}

fn goes_to(settings: &str, env: impl Into<Env>) -> Option<String> {
    let tracing = config(settings, env).unwrap().settings.tracing?;
    let path = tracing.target.inference.of("", false);
    Some(format!("{}{path}", tracing.target.authority))
}

#[test]
fn traces_go_to_the_collector_that_is_named_there_or_in_the_environment() {
    let base = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/")];
    let whole = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/in")];
    let usual = Some("c:4318/v1/traces".to_owned());
    for written in ["http://c:4318", "http://c:4318/v1/traces"] {
        assert_eq!(
            goes_to(&format!("tracing: {{endpoint: '{written}'}}"), []),
            usual
        );
    }
    let below = goes_to("tracing: {endpoint: 'https://c/otel'}", base);
    assert_eq!(below, Some("c/otel/v1/traces".to_owned()));
    assert_eq!(goes_to("tracing: {enabled: true}", base), usual);
    assert_eq!(
        goes_to("tracing: {sample: 0.5}", whole),
        Some("c/in".to_owned())
    );
    // The environment of a developer's machine may be about another program.
    assert_eq!(goes_to("", base), None);
    assert_eq!(goes_to("tracing: {enabled: false}", base), None);
}

#[test]
fn the_environment_fills_in_what_traces_do_not_say() {
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=a%20b, other=2"),
        ("OTEL_SERVICE_NAME", "gate"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    ];
    let tracing = |settings: &str| config(settings, env).unwrap().settings.tracing.unwrap();
    let filled = tracing("tracing: {enabled: true}");
    let headers = filled.headers.iter();
    let headers: Vec<_> = headers.map(|it| (it.0.as_str(), it.1.expose())).collect();
    assert_eq!(headers, [("x-key", "a b"), ("other", "2")]);
    assert_eq!(filled.service_name, "gate");
    assert_eq!(filled.resource[0].1, "test");
    let share = format!("{}", filled.sample);
    assert_eq!(
        (share.as_str(), filled.timeout),
        ("1", Duration::from_secs(10))
    );
    let own = tracing("tracing: {service_name: mine, headers: {x-key: c}}, app_name: app");
    assert_eq!((own.service_name.as_str(), own.headers.len()), ("mine", 1));
    let bare = config("tracing: {endpoint: 'http://c'}, app_name: app", []).unwrap();
    assert_eq!(bare.settings.tracing.unwrap().service_name, "app");
}

#[test]
fn what_cannot_be_is_told() {
    for (settings, line) in [
        (
            "tracing: {sample: 1}",
            "settings.tracing.endpoint: is missing: give the collector's address, for example http://127.0.0.1:4318",
        ),
        (
            "tracing: {endpoint: 'http://c', sample: 1.5}",
            "settings.tracing.sample = 1.5: must be a share from 0 to 1",
        ),
        (
            "access_log: {sample: 2}",
            "settings.access_log.sample = 2: must be a share from 0 to 1",
        ),
        (
            "tracing: {endpoint: 'http://u:p@c'}",
            "settings.tracing.endpoint = http://***@c: carries a name or password before `@`; use `headers`",
        ),
        (
            "capture: {requests: true}",
            "settings.capture.directory: is missing: where bodies go",
        ),
    ] {
        assert_eq!(
            config(settings, []).unwrap_err(),
            [format!("c.yaml: {line}")]
        );
    }
}

#[test]
fn bodies_are_captured_only_where_a_directory_is_named_and_never_silently() {
    let on = [("ENABLE_REQUEST_LOGS", "true")];
    let none = config("", on).unwrap();
    assert_eq!(none.settings.capture, None);
    let told = note(&none, "ENABLE_REQUEST_LOGS").unwrap();
    assert!(
        told.contains("bodies go to `settings.capture.directory`"),
        "{told}"
    );
    let quiet = [
        ("ENABLE_REQUEST_LOGS", "false"),
        ("ENABLE_RESPONSE_LOGS", "false"),
    ];
    let sample = |env: &[(&str, &str)]| {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        config("", env.collect::<Env>())
            .unwrap()
            .settings
            .access_log
            .sample
    };
    assert_eq!((sample(&quiet), sample(&quiet[..1])), (0.0, 1.0));

    let answers = "capture: {directory: c, responses: true}";
    let capture = |settings: &str, env: Env| -> Option<Capture> {
        config(settings, env).unwrap().settings.capture
    };
    assert_eq!(capture("capture: {directory: c}", Env::default()), None);
    let both = capture(answers, on.into()).unwrap();
    assert!(both.requests && both.responses);
    assert_eq!(
        capture(answers, [("ENABLE_RESPONSE_LOGS", "false")].into()),
        None
    );
    let some = "capture: {directory: c, requests: true, routes: ['*', nowhere]}";
    let some = config(some, []).unwrap();
    let warning = note(&some, "settings.capture").unwrap();
    assert!(
        warning.contains("bodies of requests of some routes"),
        "{warning}"
    );
    let unknown = note(&some, "settings.capture.routes").unwrap();
    assert!(unknown.starts_with("nowhere is no route"), "{unknown}");
}

#[test]
fn configurations_with_everything_to_look_at_them_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker");
    let keys = tempfile::tempdir().unwrap();
    for name in ["anthropic", "gateway", "admin", "admin_key"] {
        std::fs::write(keys.path().join(name), KEY).unwrap();
    }
    let env = Env::from([("ANTHROPIC_API_KEY", KEY), ("GATEWAY_KEY", "gw-7f3a")]);
    for file in [
        "observed/config/config.yaml",
        "kubernetes/observed/config.yaml",
    ] {
        let mut text = std::fs::read_to_string(root.join(file)).unwrap();
        for place in ["/etc/pointsman-keys", "/run/secrets"] {
            text = text.replace(place, &keys.path().display().to_string());
        }
        let options = LoadOptions::new(env.clone());
        let config = from_text(file, &text, Path::new("/"), &options).unwrap();
        assert!(config.settings.tracing.is_some());
        assert!(config.admin.key.is_some() && config.admin.listen.is_some());
        assert_eq!(config.auth.keys.len(), 1);
    }
}
