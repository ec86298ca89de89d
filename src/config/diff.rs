//! What differs between two configurations, in words for a log: keys and values, but nothing of a secret.

use serde_json::{Map, Value};

use crate::config::dump::masked_tree;
use crate::config::expand::quoted;
use crate::config::model::{Config, Provider};
use crate::config::zed_terms::ZedAccount;
use crate::types::Secret;

/// What changed from `old` to `new`, one text a key: `settings.failure_cooldown: 180s → 60s`. Lists of anything but
/// providers are told as a whole.
pub fn changes(old: &Config, new: &Config) -> Vec<String> {
    let mut told = Vec::new();
    compare("", &tree(old), &tree(new), &mut told);
    for path in changed_secrets(old, new) {
        let line = format!("{path}: ");
        if !told.iter().any(|it| it.starts_with(&line)) {
            told.push(format!("{line}changed"));
        }
    }
    told
}

/// Where secrets changed: behind a mask that may look the same.
fn changed_secrets(old: &Config, new: &Config) -> Vec<String> {
    let mut paths = Vec::new();
    for after in &new.providers {
        let Some(before) = old.providers.iter().find(|it| it.id == after.id) else {
            continue;
        };
        let parts = [
            ("api_keys", before.keys != after.keys),
            ("headers", before.headers != after.headers),
            ("proxy", before.way.via != after.way.via),
            (
                "service_account",
                before.service_account != after.service_account,
            ),
            ("auth_value", account(before) != account(after)),
        ];
        let name = quoted(after.id.as_str());
        let changed = parts.into_iter().filter(|it| it.1);
        paths.extend(changed.map(|(key, _)| format!("providers.{name}.{key}")));
    }
    let whole = [
        ("auth.api_keys", old.auth.keys != new.auth.keys),
        ("admin.key", old.admin.key != new.admin.key),
        (
            "settings.tracing.headers",
            trace_headers(old) != trace_headers(new),
        ),
        ("oauth.profiles", old.oauth.profiles != new.oauth.profiles),
        (
            "oauth.store.key",
            old.oauth.store.key != new.oauth.store.key,
        ),
    ];
    paths.extend(whole.iter().filter(|it| it.1).map(|it| it.0.to_owned()));
    paths
}

fn account(provider: &Provider) -> Option<&ZedAccount> {
    provider.zed.as_ref()?.account.as_ref()
}

fn trace_headers(config: &Config) -> Option<&[(String, Secret)]> {
    let tracing = config.settings.tracing.as_ref();
    tracing.map(|it| it.headers.as_slice())
}

/// The masked configuration, its providers by name.
fn tree(config: &Config) -> Value {
    let mut tree = masked_tree(config);
    if let Some(providers) = tree.get_mut("providers") {
        let listed = providers.as_array_mut().map(std::mem::take);
        let named = config.providers.iter().zip(listed.unwrap_or_default());
        *providers = Value::Object(named.map(by_name).collect());
    }
    tree
}

fn by_name((provider, value): (&Provider, Value)) -> (String, Value) {
    (provider.id.as_str().to_owned(), value)
}

fn compare(path: &str, old: &Value, new: &Value, told: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => compare_maps(path, before, after, told),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            told.push(format!("{path}: changed"));
        }
        _ => told.push(format!("{path}: {} → {}", shown(old), shown(new))),
    }
}

fn compare_maps(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    told: &mut Vec<String>,
) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{}", quoted(key))
        }
    };
    for (key, old) in before {
        match after.get(key) {
            Some(new) => compare(&below(key), old, new, told),
            None => told.push(format!("{}: removed", below(key))),
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        told.push(format!("{}: added", below(key)));
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => crate::config::fault::shown(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, LoadOptions, from_text};

    fn config(text: &str) -> Config {
        let options = LoadOptions::new(Env::default());
        from_text("c.yaml", text, std::path::Path::new("."), &options).unwrap()
    }

    const A: &str = "{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}";
    const B: &str = "{name: b, base_url: 'https://b.b', auth_value: sk-0123456789}";

    #[test]
    fn keys_and_values_are_named_and_secrets_are_not() {
        let old = config(&format!(
            "providers: [{A}, {B}]\nsettings: {{failure_cooldown: 180}}\n"
        ));
        assert_eq!(changes(&old, &old), Vec::<String>::new());
        let other_key = A.replace("0123456789", "9876543210");
        let third = B.replace("name: b", "name: c");
        let new = config(&format!(
            "providers: [{other_key}, {third}]\nsettings: {{failure_cooldown: 60, default_route: '*x*'}}\n\
             model_routes: {{'*x*': [{{provider: a}}]}}\n"
        ));
        assert_eq!(
            changes(&old, &new),
            [
                "providers.b: removed",
                "providers.c: added",
                // Without a route of its own, every provider of a file serves what its vendor serves.
                "model_routes.\"claude*\": removed",
                "model_routes.\"*x*\": added",
                "settings.failure_cooldown: 180s → 60s",
                "settings.default_route: nothing → *x*",
                "providers.a.api_keys: changed",
            ]
        );
    }

    #[test]
    fn the_order_of_providers_is_theirs_and_tells_nothing() {
        let routes = "model_routes: {'*': [{provider: a}, {provider: b}]}";
        let old = config(&format!("providers: [{A}, {B}]\n{routes}\n"));
        let new = config(&format!("providers: [{B}, {A}]\n{routes}\n"));
        assert_eq!(changes(&old, &new), Vec::<String>::new());
    }
}
