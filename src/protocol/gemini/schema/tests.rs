use proptest::prelude::*;
use serde_json::json;

use super::*;

const BOTH: [Target; 2] = [Target::JsonSchema, Target::OpenApi];

/// Everything that a target does not know must be gone: the keywords of schemas, at places of schemas only.
fn check(schema: &Value, target: Target, at: &str) {
    const KNOWN: [&str; 19] = [
        "type",
        "title",
        "description",
        "format",
        "pattern",
        "enum",
        "default",
        "items",
        "anyOf",
        "properties",
        "required",
        "propertyOrdering",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
    ];
    let fields = schema
        .as_object()
        .unwrap_or_else(|| panic!("{at}: {schema}"));
    let old = target == Target::OpenApi;
    for key in fields.keys() {
        let own = match target {
            Target::JsonSchema => ["additionalProperties", "prefixItems", "maxProperties"],
            Target::OpenApi => ["nullable", "maxProperties", "maxProperties"],
        };
        assert!(
            KNOWN.contains(&key.as_str()) || own.contains(&key.as_str()),
            "{at}: {key}"
        );
    }
    if let Some(properties) = fields.get("properties") {
        let properties = properties.as_object().unwrap();
        assert!(!old || !properties.is_empty(), "{at}: no properties");
        for (name, inner) in properties {
            let place = inner.get("type").is_some() || inner.get("anyOf").is_some();
            assert!(!old || place, "{at}.{name}: no type: {inner}");
            check(inner, target, &format!("{at}.{name}"));
        }
    }
    for name in fields
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        assert!(
            fields["properties"].get(name.as_str().unwrap()).is_some(),
            "{at}: {name}"
        );
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(key).filter(|it| !it.is_boolean()) {
            check(inner, target, &format!("{at}.{key}"));
        }
    }
    for key in ["anyOf", "prefixItems"] {
        for inner in fields
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            check(inner, target, &format!("{at}.{key}"));
        }
    }
    for value in fields
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        assert!(!value.is_null() && value != "", "{at}: {value}");
        assert!(
            !old || (value.is_string() && fields["type"] == "string"),
            "{at}: {value}"
        );
    }
    if old {
        assert!(
            !fields.get("type").is_some_and(Value::is_array),
            "{at}: types"
        );
        assert!(
            !fields.contains_key("anyOf") || fields.len() == 1,
            "{at}: beside anyOf: {schema}"
        );
        if fields.get("type") == Some(&json!("array")) {
            assert!(fields.contains_key("items"), "{at}: no items");
        }
    }
}

fn cleaned(schema: &Value, target: Target) -> (Value, bool) {
    let cleaned = parameters(schema, target);
    check(&cleaned.schema, target, "$");
    let again = parameters(&cleaned.schema, target);
    assert_eq!(again.schema, cleaned.schema, "not the same again");
    (cleaned.schema, cleaned.simplified)
}

/// One property called `p`, for either target.
fn property(schema: &Value) -> [(Value, bool); 2] {
    BOTH.map(|target| {
        let (root, simplified) = cleaned(
            &json!({"type": "object", "properties": {"p": schema}}),
            target,
        );
        (root["properties"]["p"].clone(), simplified)
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_keyword_of_the_list_is_brought_into_form() {
    let keep = |schema: Value| (schema, false);
    let lose = |schema: Value| (schema, true);
    let text = json!({"type": "string"});
    let number = json!({"type": "number"});
    let list = json!({"type": "array", "items": {"type": "string"}});
    for (schema, new, old) in [
        // Words for others.
        (
            json!({"$schema": "x", "$id": "y", "$comment": "z", "type": "string", "examples": ["a"], "deprecated": true,
            "readOnly": true, "x-own": 1}),
            keep(text.clone()),
            keep(text.clone()),
        ),
        // Types.
        (
            json!({"type": ["string", "null"]}),
            keep(json!({"type": ["string", "null"]})),
            keep(json!({"type": "string", "nullable": true})),
        ),
        (
            json!({"type": ["integer", "string"]}),
            keep(json!({"type": ["integer", "string"]})),
            lose(json!({"type": "integer"})),
        ),
        (
            json!({"type": "STRING"}),
            keep(text.clone()),
            keep(text.clone()),
        ),
        (json!({"type": "any"}), lose(json!({})), lose(text.clone())),
        (
            json!({"type": "string", "nullable": true}),
            keep(json!({"type": ["string", "null"]})),
            keep(json!({"type": "string", "nullable": true})),
        ),
        (json!(true), keep(json!({})), lose(text.clone())),
        (json!({}), keep(json!({})), lose(text.clone())),
        // Choices.
        (
            json!({"const": "a"}),
            keep(json!({"enum": ["a"]})),
            keep(json!({"type": "string", "enum": ["a"]})),
        ),
        (
            json!({"type": "string", "enum": ["a", "", null]}),
            lose(json!({"type": ["string", "null"], "enum": ["a"]})),
            lose(json!({"type": "string", "enum": ["a"], "nullable": true})),
        ),
        (
            json!({"type": "integer", "enum": [1, 2], "description": "d"}),
            keep(json!({"type": "integer", "description": "d", "enum": [1, 2]})),
            lose(json!({"type": "integer", "description": "d\nOne of: 1, 2"})),
        ),
        (
            json!({"enum": [1, null]}),
            keep(json!({"type": ["integer", "null"], "enum": [1]})),
            lose(json!({"nullable": true, "type": "integer", "description": "One of: 1"})),
        ),
        (
            json!({"const": true}),
            lose(json!({"type": "boolean", "description": "One of: true"})),
            lose(json!({"type": "boolean", "description": "One of: true"})),
        ),
        // Alternatives.
        (
            json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"}),
            keep(json!({"description": "d", "type": ["string", "null"]})),
            keep(json!({"description": "d", "nullable": true, "type": "string"})),
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "d"}),
            keep(json!({"description": "d", "anyOf": [{"type": "string"}, {"type": "integer"}]})),
            keep(
                json!({"anyOf": [{"type": "string", "description": "d"}, {"type": "integer", "description": "d"}]}),
            ),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
            keep(json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})),
            keep(
                json!({"anyOf": [{"type": "string", "nullable": true}, {"type": "integer", "nullable": true}]}),
            ),
        ),
        (
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]}),
            keep(
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["a", "b"]}),
            ),
            keep(
                json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["a", "b"]}),
            ),
        ),
        (
            json!({"type": "string", "not": {"const": "a"}, "if": {}, "then": {}, "else": {}}),
            lose(text.clone()),
            lose(text.clone()),
        ),
        // Limits.
        (
            json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}),
            keep(json!({"type": "integer", "minimum": 1, "maximum": 9})),
            keep(json!({"type": "integer", "minimum": 1, "maximum": 9})),
        ),
        (
            json!({"type": "number", "exclusiveMinimum": 0.5}),
            lose(json!({"type": "number", "minimum": 0.5})),
            lose(json!({"type": "number", "minimum": 0.5})),
        ),
        (
            json!({"type": "number", "multipleOf": 2}),
            lose(number.clone()),
            lose(number.clone()),
        ),
        (
            json!({"type": "string", "format": "uri"}),
            lose(text.clone()),
            lose(text.clone()),
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            keep(json!({"type": "string", "format": "date-time"})),
            keep(json!({"type": "string", "format": "date-time"})),
        ),
        (
            json!({"type": "string", "contentEncoding": "base64"}),
            lose(text.clone()),
            lose(text.clone()),
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            lose(list.clone()),
            lose(list.clone()),
        ),
        (
            json!({"type": "array"}),
            keep(json!({"type": "array"})),
            keep(list.clone()),
        ),
        (
            json!({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}),
            keep(
                json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}),
            ),
            lose(list.clone()),
        ),
        // Objects.
        (
            json!({"type": "object", "properties": {}}),
            keep(json!({"type": "object", "properties": {}})),
            keep(json!({"type": "object"})),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b", "a"],
            "additionalProperties": false}),
            keep(
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false,
                "required": ["a"]}),
            ),
            keep(
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            ),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            keep(json!({"type": "object", "additionalProperties": {"type": "string"}})),
            lose(json!({"type": "object"})),
        ),
        (
            json!({"type": "object", "patternProperties": {"^a": {}}, "propertyNames": {"pattern": "a"},
            "dependentRequired": {}, "unevaluatedProperties": false}),
            lose(json!({"type": "object"})),
            lose(json!({"type": "object"})),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {}]}),
            lose(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            lose(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        ),
    ] {
        let [newer, older] = property(&schema);
        assert_eq!(newer, new, "JSON Schema of {schema}");
        assert_eq!(older, old, "OpenAPI of {schema}");
    }
}

#[test]
fn properties_may_be_called_anything() {
    let names = [
        "title",
        "format",
        "default",
        "const",
        "enum",
        "type",
        "$ref",
        "$defs",
        "anyOf",
        "not",
        "properties",
    ];
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                json!({"type": "string", "description": name}),
            )
        })
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": names});
    for target in BOTH {
        assert_eq!(cleaned(&schema, target), (schema.clone(), false));
    }
}

#[test]
fn references_are_put_in_place() {
    let schema = json!({"type": "object", "properties": {
            "a": {"$ref": "#/$defs/Color", "description": "mine"}, "b": {"$ref": "#/definitions/a~1b"},
            "c": {"$ref": "https://elsewhere.example/x"}, "d": {"$ref": "#/properties/a"}},
        "$defs": {"Color": {"type": "string", "enum": ["red"], "description": "a color"}},
        "definitions": {"a/b": {"type": "integer"}}});
    for target in BOTH {
        let (sent, simplified) = cleaned(&schema, target);
        let color = json!({"description": "mine", "type": "string", "enum": ["red"]});
        assert_eq!(sent["properties"]["a"], color);
        assert_eq!(sent["properties"]["b"], json!({"type": "integer"}));
        assert_eq!(sent["properties"]["d"], color);
        assert!(simplified, "c leads nowhere");
        assert!(sent.get("$defs").is_none() && sent.get("definitions").is_none());
    }
}

#[test]
fn what_one_part_demands_of_another_ones_properties_is_demanded() {
    let base =
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    for schema in [
        json!({"allOf": [base, {"required": ["a", "gone"]}]}),
        json!({"allOf": [base], "required": ["a"]}),
        json!({"$ref": "#/$defs/base", "required": ["a"], "$defs": {"base": base}}),
        json!({"allOf": [{"$ref": "#/$defs/base"}, {"required": ["a"]}], "$defs": {"base": base}}),
    ] {
        for target in BOTH {
            let (sent, _) = cleaned(&schema, target);
            assert_eq!(sent["required"], json!(["a"]), "{schema} {target:?}");
        }
    }
}

#[test]
fn references_in_a_circle_end() {
    let schema = json!({"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object", "description": "a node",
        "properties": {"next": {"$ref": "#/$defs/Node"}, "all": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}}});
    for target in BOTH {
        let (sent, simplified) = cleaned(&schema, target);
        assert!(simplified);
        let stub = json!({"description": "a node", "type": "object"});
        assert_eq!(
            sent["properties"]["next"]["description"],
            stub["description"]
        );
        assert_eq!(sent["properties"]["all"]["items"]["type"], "object");
    }
    let itself = json!({"$ref": "#", "type": "object"});
    assert!(cleaned(&itself, Target::JsonSchema).1);
}

#[test]
fn references_cannot_grow_without_end() {
    let mut defs = Map::new();
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        defs.insert(
            format!("d{level}"),
            json!({"type": "object", "properties": {"a": next, "b": next, "c": next}}),
        );
    }
    defs.insert(
        "d30".to_owned(),
        json!({"type": "string", "description": "x".repeat(1000)}),
    );
    let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
    for target in BOTH {
        let (sent, simplified) = cleaned(&schema, target);
        assert!(simplified);
        assert!(
            sent.to_string().len() < 4 * MAX_INLINED,
            "{}",
            sent.to_string().len()
        );
    }
}

#[test]
fn a_long_chain_of_references_does_not_reach_the_end_of_the_stack() {
    let mut defs = Map::new();
    for level in 0..20_000 {
        let next = json!({"type": "array", "items": {"$ref": format!("#/$defs/{}", level + 1)}});
        defs.insert(level.to_string(), next);
    }
    let schema =
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/0"}}, "$defs": defs});
    for target in BOTH {
        assert!(cleaned(&schema, target).1);
    }
}

#[test]
fn parameters_are_always_an_object() {
    for schema in [
        json!(null),
        json!(true),
        json!([1]),
        json!({}),
        json!({"type": "string"}),
    ] {
        let (new, _) = cleaned(&schema, Target::JsonSchema);
        assert_eq!(new["type"], "object", "{schema}");
        assert!(new["properties"].is_object(), "{schema}");
        assert_eq!(
            cleaned(&schema, Target::OpenApi).0["type"],
            "object",
            "{schema}"
        );
    }
}

fn any_schema() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        Just(json!("string")),
        Just(json!("integer")),
        Just(json!("number")),
        Just(json!("array")),
        Just(json!("object")),
        Just(json!("null")),
        Just(json!("odd")),
        Just(json!(["string", "null"])),
        Just(json!(["integer", "string", 7])),
    ];
    let values = prop_oneof![
        Just(json!(["a", "b"])),
        Just(json!(["", null])),
        Just(json!([1, 2])),
        Just(json!([true, "a", 1.5])),
    ];
    let leaf = (kind, prop::option::of(values), any::<u16>()).prop_map(|(kind, values, bits)| {
        let mut schema = Map::new();
        let mut maybe = |bit: u16, key: &str, value: Value| {
            if bits & (1 << bit) != 0 {
                schema.insert(key.to_owned(), value);
            }
        };
        maybe(0, "type", kind);
        maybe(1, "format", json!("email"));
        maybe(2, "exclusiveMinimum", json!(3));
        maybe(3, "minimum", json!(2));
        maybe(4, "multipleOf", json!(2));
        maybe(5, "nullable", json!(true));
        maybe(6, "$ref", json!("#/$defs/x"));
        maybe(7, "description", json!("said"));
        maybe(8, "required", json!(["a", "title", 3]));
        maybe(9, "not", json!({}));
        maybe(10, "const", json!("c"));
        maybe(11, "default", json!(null));
        maybe(12, "additionalProperties", json!(false));
        if let Some(values) = values {
            schema.insert("enum".to_owned(), values);
        }
        Value::Object(schema)
    });
    leaf.prop_recursive(4, 40, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..4);
        let named = prop::collection::vec(("title|type|\\$ref|enum|a|b", inner.clone()), 0..4);
        prop_oneof![
            (inner.clone(), "anyOf|oneOf|allOf|prefixItems|items", some).prop_map(
                |(mut base, key, some)| {
                    base[key] = Value::Array(some);
                    base
                }
            ),
            (inner.clone(), named).prop_map(|(mut base, named)| {
                base["properties"] = Value::Object(named.into_iter().collect());
                base
            }),
            (inner.clone(), "items|additionalProperties|not|if", inner).prop_map(
                |(mut base, key, one)| {
                    base[key] = one;
                    base
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_schema_becomes_one_that_is_known(schema in any_schema(), x in any_schema()) {
        let mut schema = schema;
        schema["$defs"] = json!({"x": x});
        for target in BOTH {
            let (sent, _) = cleaned(&schema, target);
            // Names are kept, whatever they are.
            if schema.get("$ref").is_none() && schema.get("allOf").is_none() && schema.get("anyOf").is_none()
                && schema.get("oneOf").is_none()
            {
                let names = |it: &Value| it["properties"].as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
                prop_assert_eq!(names(&schema).unwrap_or_default(), names(&sent).unwrap_or_default());
            }
            let whole = answer(&schema, target);
            check(&whole.schema, target, "$");
            prop_assert_eq!(&answer(&whole.schema, target).schema, &whole.schema);
        }
    }
}
