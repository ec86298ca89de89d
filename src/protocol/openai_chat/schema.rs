//! JSON Schemas as OpenAI wants them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Keywords that strict mode refuses: <https://platform.openai.com/docs/guides/structured-outputs>, seen November 2026.
const REFUSED: [&str; 8] = [
    "allOf",
    "not",
    "if",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "oneOf",
    "propertyNames",
];

/// Keywords whose value is a map of schemas.
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];

/// A function's parameters: an object schema that names its type and its properties.
pub(crate) fn parameters(schema: &Value) -> Cow<'_, Value> {
    let Some(fields) = schema.as_object() else {
        return Cow::Owned(json!({"type": "object", "properties": {}}));
    };
    if fields.contains_key("type") && fields.contains_key("properties") {
        return Cow::Borrowed(schema);
    }
    let mut fields = fields.clone();
    fields
        .entry("type")
        .or_insert_with(|| Value::from("object"));
    fields
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    Cow::Owned(Value::Object(fields))
}

/// Closes every object of a schema that does not say whether it is open.
pub(crate) fn close_objects(schema: &mut Value) {
    each_object(schema, &mut |fields| {
        if is_object_schema(fields) {
            fields
                .entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
        true
    });
}

/// Whether strict mode takes a schema: its root is an object, all objects are closed and all properties required, and
/// no keyword is refused.
pub(crate) fn is_strict(schema: &Value) -> bool {
    let root = schema.as_object();
    if !root.is_some_and(|root| is_object_schema(root) && !root.contains_key("anyOf")) {
        return false;
    }
    let mut copy = schema.clone();
    each_object(&mut copy, &mut |fields| {
        !REFUSED.iter().any(|key| fields.contains_key(*key))
            && (!is_object_schema(fields) || is_closed(fields))
    })
}

fn is_object_schema(fields: &Map<String, Value>) -> bool {
    match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.get("properties").is_some_and(Value::is_object),
    }
}

fn is_closed(fields: &Map<String, Value>) -> bool {
    let required: Vec<&str> = match fields.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let all = match fields.get("properties") {
        Some(Value::Object(properties)) => properties
            .keys()
            .all(|name| required.contains(&name.as_str())),
        _ => true,
    };
    all && fields.get("additionalProperties") == Some(&Value::Bool(false))
}

/// Visits a schema and the schemas inside it until `visit` says no; whether it never did. The nesting of a parsed
/// value is bounded by the parser.
fn each_object(schema: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>) -> bool) -> bool {
    match schema {
        Value::Array(entries) => entries.iter_mut().all(|entry| each_object(entry, visit)),
        Value::Object(fields) => {
            if !visit(fields) {
                return false;
            }
            fields.iter_mut().all(|(key, value)| {
                if MAPS.contains(&key.as_str()) {
                    match value.as_object_mut() {
                        Some(schemas) => schemas
                            .values_mut()
                            .all(|schema| each_object(schema, visit)),
                        None => true,
                    }
                } else if matches!(
                    key.as_str(),
                    "items" | "prefixItems" | "anyOf" | "oneOf" | "allOf" | "additionalProperties"
                ) {
                    each_object(value, visit)
                } else {
                    true
                }
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_name_type_and_properties() {
        assert_eq!(
            *parameters(&json!({})),
            json!({"type": "object", "properties": {}})
        );
        assert_eq!(
            *parameters(&json!(null)),
            json!({"type": "object", "properties": {}})
        );
        let whole = json!({"$schema": "x", "type": "object", "properties": {"a": {"const": 1}}});
        assert!(matches!(parameters(&whole), Cow::Borrowed(_)));
    }

    #[test]
    fn objects_are_closed_but_a_property_of_that_name_is_left_alone() {
        let mut schema = json!({"type": "object", "properties": {
            "type": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {}}},
            "open": {"type": "object", "additionalProperties": {"type": "string"}}
        }});
        close_objects(&mut schema);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(
            schema["properties"]["list"]["items"]["additionalProperties"],
            json!(false)
        );
        assert_eq!(schema["properties"]["type"], json!({"type": "string"}));
        assert_eq!(
            schema["properties"]["open"]["additionalProperties"],
            json!({"type": "string"})
        );
    }

    #[test]
    fn strict_schemas_are_told_from_the_others() {
        let strict = json!({"type": "object", "additionalProperties": false,
            "properties": {"a": {"type": "string"}, "b": {"anyOf": [{"type": "null"}, {"type": "object",
            "properties": {}, "additionalProperties": false}]}}, "required": ["a", "b"]});
        assert!(is_strict(&strict));
        let mut optional = strict.clone();
        optional["required"] = json!(["a"]);
        assert!(!is_strict(&optional));
        let mut open = strict.clone();
        open.as_object_mut().unwrap().remove("additionalProperties");
        assert!(!is_strict(&open));
        let mut refused = strict.clone();
        refused["properties"]["a"] = json!({"oneOf": []});
        assert!(!is_strict(&refused));
        assert!(!is_strict(&json!({"type": "array"})));
        assert!(!is_strict(&json!(true)));
    }
}
