use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn both(text: &str) -> Result<String, JsonError> {
    let text = set(text, "env", "URL", "http://a")?;
    set(&text, "env", "TOKEN", "t\"1")
}

#[test]
fn everything_else_stays_byte_for_byte() {
    for (before, after) in [
        (
            "",
            "{\n  \"env\": {\n    \"URL\": \"http://a\",\n    \"TOKEN\": \"t\\\"1\"\n  }\n}\n",
        ),
        (
            "{}",
            "{\n  \"env\": {\n    \"URL\": \"http://a\",\n    \"TOKEN\": \"t\\\"1\"\n  }\n}",
        ),
        (
            "{\n\t\"b\": [1,  2.50],\n\t\"a\": {\"x\" : null}\n}\n",
            "{\n\t\"b\": [1,  2.50],\n\t\"a\": {\"x\" : null},\n\t\"env\": {\n\t\t\"URL\": \"http://a\",\n\t\t\
             \"TOKEN\": \"t\\\"1\"\n\t}\n}\n",
        ),
        (
            "{\"env\":{\"X\":\"1\"},\"z\":1e5}",
            "{\"env\":{\"X\":\"1\", \"URL\": \"http://a\", \"TOKEN\": \"t\\\"1\"},\"z\":1e5}",
        ),
        (
            "{\r\n    \"env\": {\r\n        \"URL\":   \"old\"\r\n    }\r\n}\r\n",
            "{\r\n    \"env\": {\r\n        \"URL\":   \"http://a\",\r\n        \"TOKEN\": \"t\\\"1\"\r\n    }\r\n}\r\n",
        ),
        (
            "\u{feff}{\n  \"env\": {}\n}",
            "\u{feff}{\n  \"env\": {\n    \"URL\": \"http://a\",\n    \"TOKEN\": \"t\\\"1\"\n  }\n}",
        ),
    ] {
        assert_eq!(both(before).as_deref(), Ok(after), "{before}");
    }
}

#[test]
fn what_was_added_can_be_taken_out() {
    for before in [
        "{\n  \"model\": \"opus\"\n}\n",
        "{\"a\": {\"}\": \"{\\\"\"}, \"env\": {\"X\": \"1\"}}",
        "{\n  \"env\": {\n    \"A\": \"1\",\n    \"B\": \"2\"\n  },\n  \"z\": []\n}\n",
    ] {
        let out = remove(&both(before).unwrap(), "env", "TOKEN").unwrap();
        assert_eq!(remove(&out, "env", "URL").unwrap(), before);
    }
    let first = "{\"env\": {\"URL\": \"x\", \"B\": \"2\"}}";
    assert_eq!(
        remove(first, "env", "URL").unwrap(),
        "{\"env\": {\"B\": \"2\"}}"
    );
    assert_eq!(remove("{\"a\": 1}", "env", "URL").unwrap(), "{\"a\": 1}");
    assert_eq!(remove("", "env", "URL").unwrap(), "");
}

#[test]
fn what_is_no_settings_file_is_refused_with_its_place() {
    let broken = set("{\n  \"a\": 1,\n}", "env", "URL", "x").unwrap_err();
    assert!(broken.to_string().contains("line 3"), "{broken}");
    assert!(matches!(
        set("{\"a\":", "env", "U", "x"),
        Err(JsonError::Broken { .. })
    ));
    for text in ["[1]", "3", "null"] {
        assert!(
            matches!(set(text, "env", "U", "x"), Err(JsonError::NoObject(_))),
            "{text}"
        );
    }
    assert_eq!(
        set("{\"env\": 3}", "env", "U", "x").unwrap_err(),
        JsonError::NoObject("\"env\"".to_owned())
    );
    for text in [
        "{\"env\":{},\"env\":{}}",
        "{\"env\":{\"U\":\"1\",\"U\":\"2\"}}",
    ] {
        assert!(
            matches!(set(text, "env", "U", "x"), Err(JsonError::Twice(_))),
            "{text}"
        );
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\\[\\]\",:\\\\ é]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            objects(inner).prop_map(Value::from),
        ]
    })
}

fn objects(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-zU{}\", ]{0,5}", inner), 0..5)
        .prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #[test]
    fn any_file_gets_the_value_and_keeps_the_rest(
        mut top in objects(values()),
        env in prop::option::of(objects(values())),
        pretty in any::<bool>(),
        value in ".{0,10}",
    ) {
        top.remove("env");
        if let Some(env) = env {
            top.insert("env".to_owned(), Value::from(env));
        }
        let text = if pretty { format!("{:#}\n", json!(top)) } else { json!(top).to_string() };
        let new = set(&text, "env", "URL", &value).unwrap();
        let mut wanted = json!(top);
        wanted["env"]["URL"] = Value::from(value.clone());
        prop_assert_eq!(serde_json::from_str::<Value>(&new).unwrap(), wanted);
        prop_assert_eq!(get(&new, "env", "URL"), Some(value));
        let had = top.get("env").is_some_and(|it| it.get("URL").is_some());
        let empty = top.get("env").is_some_and(|it| it == &json!({})) || top.is_empty();
        if !had && !empty {
            prop_assert_eq!(remove(&new, "env", "URL").unwrap(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_without_a_panic(text in ".{0,40}") {
        let _ = set(&text, "env", "URL", "x");
        let _ = remove(&text, "env", "URL");
    }
}
