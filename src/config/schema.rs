//! The tables as JSON Schema (draft 2020-12), for editors.

use serde_json::{Map, Value, json};

use crate::config::keys::TOP;
use crate::config::table::{Field, Kind, State, Table, find};

/// The schema of a whole configuration.
pub fn schema() -> Value {
    let mut root = section(TOP);
    if let Value::Object(fields) = &mut root {
        fields.insert("patternProperties".to_owned(), json!({"^x-": true}));
        fields.insert("title".to_owned(), json!("Pointsman configuration"));
        fields.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        fields.insert(
            "$defs".to_owned(),
            json!({
                "reference": {
                    "type": "string",
                    "pattern": r"\$\{",
                    "description": "${NAME}, ${NAME:-default} or ${file:/path}",
                },
            }),
        );
    }
    root
}

fn section(rows: Table) -> Value {
    let properties: Map<String, Value> = rows
        .iter()
        .map(|it| (it.key.to_owned(), property(it)))
        .collect();
    let required: Vec<&str> = rows
        .iter()
        .filter(|it| it.required)
        .map(|it| it.key)
        .collect();
    let mut out = json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Value::Object(out), false) = (&mut out, required.is_empty()) {
        out.insert("required".to_owned(), json!(required));
    }
    out
}

fn property(field: &Field) -> Value {
    let mut out = Map::new();
    let (doc, deprecated) = match field.state {
        State::Active => (field.doc.to_owned(), false),
        State::Old(new) => (format!("old name of `{new}`"), true),
        State::Unused(why) => (format!("{} (has no effect: {why})", field.doc), true),
    };
    out.insert("description".to_owned(), json!(doc));
    if deprecated {
        out.insert("deprecated".to_owned(), json!(true));
    }
    if !field.default.is_empty() {
        let default = serde_yaml::from_str(field.default).unwrap_or_else(|_| json!(field.default));
        out.insert("default".to_owned(), default);
    }
    if let Value::Object(fields) = shape(field.kind) {
        out.extend(fields);
    }
    Value::Object(out)
}

fn shape(kind: Kind) -> Value {
    match kind {
        Kind::Bool => or_reference(&json!({"type": "boolean"})),
        Kind::Count(least, most) => {
            or_reference(&json!({"type": "integer", "minimum": least, "maximum": most}))
        }
        Kind::Number => or_reference(&json!({"type": "number", "minimum": 0})),
        Kind::Text | Kind::Secret => json!({"type": ["string", "null"]}),
        Kind::Duration => duration(&json!({"type": "number", "exclusiveMinimum": 0})),
        Kind::DurationOrZero => duration(&json!({"type": "number", "minimum": 0})),
        Kind::Size => json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[0-9.]+ *([KMGkmg]i?)?[Bb]?$"},
            {"$ref": "#/$defs/reference"},
            {"type": "null"},
        ]}),
        Kind::Tokens => json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[0-9.]+ *[kKmM]?$"},
            {"$ref": "#/$defs/reference"},
            {"type": "null"},
        ]}),
        Kind::Choice(choices) => words(choices),
        Kind::Texts | Kind::Secrets => json!({"anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": ["string", "null"]},
        ]}),
        Kind::Codes => json!({"anyOf": [
            {"type": "array", "items": {"type": "integer", "minimum": 100, "maximum": 599}},
            {"type": ["integer", "null"], "minimum": 100, "maximum": 599},
        ]}),
        Kind::Choices(choices) => json!({"type": ["array", "null"], "items": {"enum": choices}}),
        Kind::Headers => json!({
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }),
        Kind::Weights => json!({
            "type": ["object", "null"],
            "additionalProperties": {"type": "number", "minimum": 0},
        }),
        Kind::One(rows) => section(rows),
        Kind::ChoiceOr(choices, rows) => json!({"anyOf": [words(choices), section(rows)]}),
        Kind::Many(rows) => json!({"type": ["array", "null"], "items": section(rows)}),
        Kind::Named(rows) => {
            json!({"type": ["object", "null"], "additionalProperties": section(rows)})
        }
        Kind::NamedShort(key, rows) => {
            let listed = find(rows, key).map_or(&[][..], |it| it.kind.rows());
            let list = json!({"type": "array", "minItems": 1, "items": section(listed)});
            json!({
                "type": ["object", "null"],
                "additionalProperties": {"anyOf": [list, section(rows)]},
            })
        }
        Kind::Any => json!({}),
    }
}

fn or_reference(shape: &Value) -> Value {
    json!({"anyOf": [shape, {"$ref": "#/$defs/reference"}, {"type": "null"}]})
}

fn duration(number: &Value) -> Value {
    json!({"anyOf": [
        number,
        {"type": "string", "pattern": r"^[0-9.]+ *(ms|s|m|h|d)?$"},
        {"$ref": "#/$defs/reference"},
        {"type": "null"},
    ]})
}

fn words(choices: &[&str]) -> Value {
    let folded: Vec<String> = choices.iter().map(|it| it.to_ascii_lowercase()).collect();
    let mut all: Vec<String> = choices.iter().map(|it| (*it).to_owned()).collect();
    all.extend(
        folded
            .into_iter()
            .filter(|it| !choices.contains(&it.as_str())),
    );
    or_reference(&json!({"enum": all}))
}
