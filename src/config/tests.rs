//! The whole way from text to configuration, and every rule's line.

use super::*;
use std::path::Path;

fn loaded(text: &str, env: impl Into<Env>) -> Result<Config, Vec<String>> {
    let options = LoadOptions {
        no_env_file: true,
        ..LoadOptions::new(env.into())
    };
    from_text("c.yaml", text, Path::new("."), &options)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

const ONE: &str =
    "providers: [{name: a, base_url: 'https://a.b', auth_value: sk-0123456789abcdef}]\n";

#[test]
fn an_ordinary_file_loads() {
    let config = loaded(ONE, []).unwrap();
    assert_eq!(
        config.providers[0].target.as_ref().unwrap().inference,
        "/v1/messages"
    );
    assert_eq!(config.routes[0].pattern, "*");
    assert!(config.settings.max_attempts == 4);
}
