//! Providers of `type: vertex`: every fault has its line, and nothing of a key file is ever shown.

use serde_json::{Value, json};

use super::{lines, loaded, note, options, provider};
use crate::config::{Config, Env, Platform, ProviderAuth, dump, from_text};
use crate::types::Dialect;

const PEM: &str = include_str!("../../../tests/fixtures/credential/throw-away-test-key.pem");

fn file() -> Value {
    json!({
        "type": "service_account", "project_id": "signal-box", "private_key_id": "k1", "private_key": PEM,
        "client_email": "points@signal-box.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

/// A provider with these keys besides its name and type.
fn cloud(keys: &Value) -> String {
    let mut provider = json!({"name": "v", "type": "vertex"});
    if let (Some(provider), Some(keys)) = (provider.as_object_mut(), keys.as_object()) {
        provider.extend(keys.clone());
    }
    json!({ "providers": [provider] }).to_string()
}

fn config(keys: &Value) -> Config {
    loaded(&cloud(keys), []).unwrap()
}

#[test]
fn a_project_a_place_and_an_account_are_all_it_takes() {
    let config = config(&json!({"location": "us-east5", "service_account": file().to_string()}));
    let found = &config.providers[0];
    assert!(found.is_active() && found.keys.is_empty());
    assert_eq!(found.dialect, Some(Dialect::Anthropic));
    assert_eq!(found.platform, Platform::Vertex);
    assert_eq!(found.auth, ProviderAuth::ServiceAccount);
    assert_eq!(found.base_url, "https://us-east5-aiplatform.googleapis.com");
    let target = found.target.as_ref().unwrap();
    assert_eq!((target.tls, target.port), (true, 443));
    assert_eq!(
        target.inference.of("m", false),
        "/v1/projects/signal-box/locations/us-east5/publishers/anthropic/models/m:rawPredict"
    );
    let account = found.service_account.as_ref().unwrap();
    assert_eq!(account.email, "points@signal-box.iam.gserviceaccount.com");
    assert_eq!(account.token_target.authority, "oauth2.googleapis.com");
    assert!(config.notes.iter().all(|it| !it.warning));
}

#[test]
fn an_address_of_ones_own_takes_the_place_of_googles() {
    let account = file().to_string();
    for (base_url, authority, root) in [
        (
            "https://private.example",
            "private.example",
            "/v1/projects/",
        ),
        (
            "https://private.example/v1/",
            "private.example",
            "/v1/projects/",
        ),
        (
            "http://[::1]:81/cloud/v1",
            "[::1]:81",
            "/cloud/v1/projects/",
        ),
    ] {
        let config = config(&json!({
            "base_url": base_url, "project": "p", "location": "eu", "service_account": account,
        }));
        let target = config.providers[0].target.clone().unwrap();
        assert_eq!(target.authority, authority);
        let path = target.inference.of("m", true);
        assert!(
            path.starts_with(root) && path.ends_with("/m:streamRawPredict"),
            "{path}"
        );
    }
}

#[test]
fn a_file_may_be_named_or_read_by_reference() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key.json"), file().to_string()).unwrap();
    let env = Env::from([("GOOGLE_APPLICATION_CREDENTIALS", "key.json")]);
    for keys in [
        json!({"credentials_file": "key.json"}),
        json!({"credentials_file": "${GOOGLE_APPLICATION_CREDENTIALS}"}),
        json!({"service_account": "${file:key.json}"}),
    ] {
        let mut keys = keys;
        keys["location"] = "global".into();
        let config = from_text("c.yaml", &cloud(&keys), dir.path(), &options(env.clone())).unwrap();
        assert!(config.providers[0].service_account.is_some(), "{keys}");
        // The file can be read by others here.
        let told = config.notes.iter().filter(|it| it.warning);
        assert!(told.map(|it| &it.text).all(|it| it.contains("chmod 600")));
    }
}

#[test]
fn a_ready_token_is_a_bearer_whatever_it_is_called() {
    for keys in [
        json!({"auth_value": "ya29.0123456789abcdef"}),
        json!({"auth_type": "auth_token", "auth_value": "ya29.0123456789abcdef"}),
        json!({"auth_type": "auth_token", "api_keys": ["ya29.0123456789abcdef"]}),
    ] {
        let mut keys = keys;
        (keys["project"], keys["location"]) = ("p".into(), "global".into());
        let config = config(&keys);
        let found = &config.providers[0];
        assert_eq!((found.auth, found.keys.len()), (ProviderAuth::AuthToken, 1));
    }
}

#[test]
fn every_fault_has_its_line() {
    let with = |key: &str, value: Value| {
        let mut file = file();
        file[key] = value;
        file.to_string()
    };
    let account = file().to_string();
    let pkcs1 = PEM.replace("PRIVATE", "RSA PRIVATE");
    let table = [
        (
            json!({"service_account": account}),
            "location: is missing: give it, for example us-east5",
        ),
        (
            json!({"location": "global", "service_account": with("project_id", Value::Null)}),
            "project: is missing: give it, for example my-project-123",
        ),
        (
            json!({"location": "global", "project": "p"}),
            "service_account: is missing: give the key file",
        ),
        (
            json!({"location": "global", "project": "p", "auth_type": "service_account"}),
            "service_account: is missing: give the key file",
        ),
        (
            json!({"location": "a/b", "service_account": account}),
            "location = a/b: holds what no location has",
        ),
        (
            json!({"location": "..", "service_account": account}),
            "location = ..: holds what no location has",
        ),
        (
            json!({"location": "global", "project": "p?q", "service_account": account}),
            "project = p?q: holds what no project has",
        ),
        (
            json!({"location": "global", "service_account": account, "auth_value": "k"}),
            "auth_value: stands beside `service_account`; keep one of them",
        ),
        (
            json!({"location": "global", "service_account": account, "auth_type": "api_key"}),
            "auth_type = api_key: does not go with `service_account`",
        ),
        (
            json!({"location": "global", "project": "p", "auth_type": "api_key", "auth_value": "k"}),
            "auth_type = api_key: does not exist on Vertex",
        ),
        (
            json!({"location": "global", "project": "p", "auth_type": "auth_token"}),
            "auth_value: is missing",
        ),
        (
            json!({"location": "global", "service_account": account, "endpoint_url": "https://a.b/c"}),
            "endpoint_url: cannot be used on Vertex",
        ),
        (
            json!({"location": "global", "service_account": with("client_email", Value::Null)}),
            "service_account: has no `client_email`; create a JSON key",
        ),
        (
            json!({"location": "global", "service_account": with("private_key", "".into())}),
            "service_account: has no `private_key`",
        ),
        (
            json!({"location": "global", "service_account": with("token_uri", Value::Null)}),
            "service_account: has no `token_uri`",
        ),
        (
            json!({"location": "global", "service_account": with("private_key", pkcs1.into())}),
            "service_account: has a `private_key` in PKCS#1; convert it",
        ),
        (
            json!({"location": "global", "project": "p", "service_account": "/etc/key.json"}),
            "service_account: is not the JSON of a service account",
        ),
        (
            json!({"location": "global", "project": "p", "credentials_file": "/does/not/exist"}),
            "credentials_file: the file /does/not/exist cannot be read",
        ),
        (
            json!({"location": "global", "project": "p", "service_account": file()}),
            "service_account: must be text; put it in quotes",
        ),
    ];
    for (keys, expected) in table {
        let faults = loaded(&cloud(&keys), []).err().unwrap_or_default();
        let [only] = faults.as_slice() else {
            panic!("{expected}: {faults:#?}");
        };
        let expected = format!("c.yaml: providers[0].{expected}");
        assert!(only.starts_with(&expected), "{only}");
        is_clean(only);
    }
}

#[test]
fn two_ways_to_the_same_file_are_one_too_many() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key.json"), file().to_string()).unwrap();
    let keys = json!({
        "location": "global", "service_account": file().to_string(), "credentials_file": "key.json",
    });
    let faults = from_text("c.yaml", &cloud(&keys), dir.path(), &options([])).unwrap_err();
    assert_eq!(
        lines(&faults),
        [
            "c.yaml: providers[0].credentials_file: stands beside `service_account`; keep one of them"
        ]
    );
}

#[test]
fn keys_of_this_type_in_another_are_told_and_harmless() {
    let config = loaded(&provider("project: p, credentials_file: ''"), []).unwrap();
    let told = note(&config, "providers[0].project").unwrap();
    assert!(told.contains("only providers of `type: vertex`"), "{told}");
    assert_eq!(config.providers[0].platform, Platform::Own);
}

#[test]
fn nothing_that_is_shown_holds_the_key() {
    let config = config(&json!({"location": "us", "service_account": file().to_string()}));
    let dumped = dump(&config);
    assert!(
        dumped.contains("client_email: points@signal-box"),
        "{dumped}"
    );
    for shown in [dumped, format!("{config:#?}")] {
        is_clean(&shown);
    }
}

fn is_clean(text: &str) {
    for line in PEM.lines() {
        assert!(!text.contains(line), "{line} in {text}");
    }
}
