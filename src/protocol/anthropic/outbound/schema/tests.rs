use proptest::prelude::*;

use super::*;

fn root(schema: impl Into<Value>) -> (Value, bool) {
    let schema = schema.into();
    let (sent, lost) = input(&schema);
    (sent.into_owned(), lost)
}

#[test]
fn a_root_that_is_accepted_is_left_alone() {
    let schema = json!({"$schema": "x", "type": "object", "properties": {"a": {"anyOf": []}}});
    assert!(matches!(input(&schema), (Cow::Borrowed(_), false)));
    assert!(matches!(
        input(&json!({"type": "object"})),
        (Cow::Borrowed(_), false)
    ));
}

#[test]
fn functions_without_parameters_and_typeless_roots_become_objects() {
    let empty = json!({"type": "object", "properties": {}});
    assert_eq!(root(json!(null)), (empty.clone(), false));
    assert_eq!(root(json!({})), (empty.clone(), false));
    assert_eq!(root(json!({"type": null})), (empty.clone(), false));
    assert_eq!(root(json!(true)), (empty.clone(), true));
    assert_eq!(root(json!({"type": "string"})), (empty, true));
    let properties = json!({"a": {"type": "string"}});
    assert_eq!(
        root(json!({"properties": properties, "required": ["a"]})),
        (
            json!({"type": "object", "properties": properties, "required": ["a"]}),
            false
        )
    );
    assert_eq!(
        root(json!({"type": ["object", "null"], "properties": properties})).0["type"],
        "object"
    );
}

#[test]
fn compositions_at_the_root_are_merged() {
    let part = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let both = json!({"a": {"type": "string"}, "b": {"type": "string"}});
    let (all, lost) = root(json!({"allOf": [part("a"), part("b")]}));
    assert_eq!(
        (&all["properties"], &all["required"], lost),
        (&both, &json!(["a", "b"]), false)
    );
    let (any, lost) = root(json!({"type": "object", "anyOf": [part("a"), part("b")]}));
    assert_eq!(
        (&any["properties"], any.get("required"), lost),
        (&both, None, true)
    );
    let (one, _) = root(json!({"oneOf": [
        {"properties": {"a": {}, "k": {"const": 1}}, "required": ["k", "a"]},
        {"$ref": "#/$defs/B"}
    ], "$defs": {"B": {"properties": {"b": {}, "k": {"const": 2}}, "required": ["k"]}}, "required": ["x"]}));
    assert_eq!(one["required"], json!(["x", "k"]));
    assert_eq!(
        one["properties"],
        json!({"a": {}, "k": {"const": 1}, "b": {}})
    );
    assert!(one.get("oneOf").is_none() && one["$defs"]["B"].is_object());
}

#[test]
fn a_reference_at_the_root_is_put_in_its_place() {
    let (sent, lost) = root(
        json!({"$ref": "#/definitions/A", "definitions": {"A": {"type": "object", "properties": {"a": {"$ref": "#/definitions/A"}}}}}),
    );
    assert_eq!(sent["type"], "object");
    assert_eq!(sent["properties"]["a"]["$ref"], "#/definitions/A");
    assert!(sent.get("$ref").is_none() && !lost);
}

#[test]
fn what_a_grammar_cannot_say_is_described() {
    let schema = json!({"type": "object", "description": "d", "maxProperties": 2, "properties": {
        "n": {"type": "number", "exclusiveMaximum": 1.50},
        "s": {"type": "string", "format": "email"},
        "f": {"type": "string", "format": "regex", "description": "f"},
        "l": {"type": "array", "items": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/D"}]}, "minItems": 1, "maxItems": 2}
    }, "required": ["n", "s", "f", "l"], "$defs": {"D": {"type": "object", "properties": {}, "examples": [1]}}});
    let (closed, simplified) = Room::new().answer(&schema).unwrap();
    assert!(simplified);
    let expected = json!({"type": "object", "description": "d (maxProperties: 2)", "properties": {
        "n": {"type": "number", "description": "(exclusiveMaximum: 1.5)"},
        "s": {"type": "string", "format": "email"},
        "f": {"type": "string", "description": "f (format: \"regex\")"},
        "l": {"type": "array", "items": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/D"}]}, "minItems": 1, "description": "(maxItems: 2)"}
    }, "required": ["n", "s", "f", "l"], "$defs": {"D": {"type": "object", "properties": {}, "additionalProperties": false}},
        "additionalProperties": false});
    assert_eq!(closed, expected);
    // What is closed stays as it is.
    assert_eq!(Room::new().answer(&closed), Some((closed, false)));
}

#[test]
fn open_objects_recursion_and_too_much_cannot_be_forced() {
    let property = |schema: Value| json!({"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": false});
    for schema in [
        json!({"type": "object", "additionalProperties": true}),
        json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
        property(json!({"type": "object"})),
        property(json!({})),
        property(json!(true)),
        property(json!({"$ref": "#"})),
        property(json!({"$ref": "https://a.example/schema"})),
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}),
    ] {
        assert!(Room::new().answer(&schema).is_none(), "{schema}");
    }
    let names: Vec<String> = (0..25).map(|it| format!("p{it}")).collect();
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({"type": ["string", "null"]})))
        .collect();
    let optional = json!({"type": "object", "properties": properties});
    let unions = json!({"type": "object", "properties": properties, "required": names});
    assert!(Room::new().answer(&optional).is_none());
    assert!(Room::new().answer(&unions).is_none());
}

proptest! {
    #[test]
    fn any_root_becomes_a_plain_object(schema in any_schema()) {
        let (sent, _) = input(&schema);
        prop_assert_eq!(&sent["type"], "object");
        for key in COMPOSITIONS.iter().chain(&["$ref"]) {
            prop_assert!(sent.get(*key).is_none(), "{sent}");
        }
        let _ = Room::new().answer(&schema);
    }
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"$ref": "#/$defs/A"})),
        Just(json!({})),
        Just(json!(true)),
        Just(json!({"type": ["object", "null"]})),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        let map = prop::collection::hash_map("[abA]", inner.clone(), 0..3);
        (list, map, inner, 0..32u8).prop_map(|(list, map, one, what)| {
            let mut schema = json!({});
            let map = json!(map);
            for (bit, key) in ["anyOf", "allOf", "oneOf"].iter().enumerate() {
                if what & (1 << bit) != 0 {
                    schema[key] = json!(list);
                }
            }
            if what & 8 != 0 {
                schema["type"] = json!("object");
            }
            if what & 16 != 0 {
                schema["properties"] = map.clone();
                schema["items"] = one;
            }
            schema["$defs"] = map;
            schema
        })
    })
}
