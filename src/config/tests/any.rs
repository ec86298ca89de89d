//! Arbitrary input.

use proptest::prelude::*;

use super::{loaded, sections};
use crate::config::dump;

/// Any YAML value, with the keys of the tables among its keys.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let mut keys: Vec<&'static str> = sections()
        .iter()
        .flat_map(|it| it.0.iter().map(|it| it.key))
        .collect();
    keys.push("nonsense");
    let words = [
        "",
        "${A}",
        "${A",
        "${B:-x}",
        "$${",
        "https://a.b",
        "10s",
        "on",
        "*",
        "passthrough",
        "anthropic",
        "ü\u{0}\n",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|it| json!(it)),
        ".{0,12}".prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let key = proptest::sample::select(keys.clone()).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_makes_it_panic(
        providers in any_value(), routes in any_value(), settings in any_value(), auth in any_value(),
    ) {
        let value = serde_json::json!({
            "providers": providers, "model_routes": routes, "settings": settings, "auth": auth,
        });
        let text = serde_yaml::to_string(&value).unwrap();
        if let Ok(config) = loaded(&text, [("A", "x")]) {
            dump(&config);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-z0-9:\\[\\]{}*&!|>'\"#%@`, \n\t${}.]{0,80}") {
        let _ = loaded(&text, []);
    }
}
