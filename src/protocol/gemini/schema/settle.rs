//! The last step of a schema on its way: everything inside it is in its final form, and now its own keywords are made
//! to agree with each other and with the target. Doing it again changes nothing.

mod alternatives;

use serde_json::{Map, Value};

use super::Target;

/// The types there are.
const TYPES: [&str; 7] = [
    "object", "array", "string", "integer", "number", "boolean", "null",
];

/// Whether a word is a type.
pub(super) fn is_plain_type(word: &str) -> bool {
    TYPES.contains(&word)
}

/// Brings a schema into its final form. `simplified` is set when a limit on values goes.
pub(super) fn settle(schema: &mut Map<String, Value>, target: Target, simplified: &mut bool) {
    Settling {
        schema,
        target,
        simplified,
    }
    .all();
}

/// Gives a schema that says no type one, where the target demands it.
pub(super) fn typed(
    mut schema: Map<String, Value>,
    target: Target,
    simplified: &mut bool,
) -> Map<String, Value> {
    let told = schema.contains_key("type") || schema.contains_key("anyOf");
    if target == Target::JsonSchema || told {
        return schema;
    }
    let kind = inferred(&schema).unwrap_or_else(|| {
        *simplified = true;
        "string"
    });
    schema.insert("type".to_owned(), Value::from(kind));
    settle(&mut schema, target, simplified);
    schema
}

fn inferred(schema: &Map<String, Value>) -> Option<&'static str> {
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if has(&["properties", "minProperties", "maxProperties", "required"]) {
        Some("object")
    } else if has(&["items", "prefixItems", "minItems", "maxItems"]) {
        Some("array")
    } else if has(&["enum", "pattern", "minLength", "maxLength", "format"]) {
        Some("string")
    } else if has(&["minimum", "maximum"]) {
        Some("number")
    } else {
        None
    }
}

struct Settling<'b> {
    schema: &'b mut Map<String, Value>,
    target: Target,
    simplified: &'b mut bool,
}

impl Settling<'_> {
    fn all(mut self) {
        loop {
            self.kind();
            self.choices();
            if !self.alternatives() {
                break;
            }
        }
        self.null();
        self.bounds();
        self.format();
        self.lists();
        self.members();
    }

    fn says(&self, kind: &str) -> bool {
        match self.schema.get("type") {
            Some(Value::String(said)) => said == kind,
            Some(Value::Array(said)) => said.iter().any(|it| it == kind),
            _ => false,
        }
    }

    fn old(&self) -> bool {
        self.target == Target::OpenApi
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.schema.insert(key.to_owned(), value.into());
    }

    fn drop_limit(&mut self, key: &str) {
        if self.schema.remove(key).is_some() {
            *self.simplified = true;
        }
    }

    /// `type`: known words, one of them for the older target.
    fn kind(&mut self) {
        let words: Vec<String> = match self.schema.get("type") {
            Some(Value::String(word)) => vec![word.to_ascii_lowercase()],
            Some(Value::Array(words)) => words
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_ascii_lowercase)
                .collect(),
            _ => return,
        };
        let said = words.len();
        let mut known: Vec<String> = Vec::new();
        for word in words {
            if is_plain_type(&word) && !known.contains(&word) {
                known.push(word);
            }
        }
        *self.simplified |= known.is_empty() && 0 < said;
        if self.old() && 1 < known.len() {
            let before = known.len();
            known.retain(|it| it != "null");
            if known.len() < before {
                self.put("nullable", true);
            }
            *self.simplified |= 1 < known.len();
            known.truncate(1);
        }
        match <[String; 1]>::try_from(known) {
            Ok([one]) => self.put("type", one),
            Err(none) if none.is_empty() => {
                self.schema.remove("type");
            }
            Err(several) => self.put("type", several),
        }
    }

    /// `enum`: texts, or numbers for the newer target. Others are told in words.
    fn choices(&mut self) {
        let Some(Value::Array(values)) = self.schema.remove("enum") else {
            return;
        };
        let all = values.len();
        let mut values = values;
        values.retain(|it| !it.is_null());
        if values.len() < all {
            self.put("nullable", true);
        }
        let with_empty = values.len();
        values.retain(|it| it.as_str() != Some(""));
        *self.simplified |= values.len() < with_empty;
        if values.is_empty() {
            return;
        }
        let texts = values.iter().all(Value::is_string);
        let numbers = values.iter().all(Value::is_number);
        if texts && (self.says("string") || !self.schema.contains_key("type")) {
            self.choose_among(values, "string");
        } else if numbers && !self.old() {
            let whole = values.iter().all(|it| it.is_i64() || it.is_u64());
            self.choose_among(values, if whole { "integer" } else { "number" });
        } else {
            self.told_in_words(&values, numbers);
        }
    }

    /// Puts the values; with their type, where that is demanded or must tell that there may be none.
    fn choose_among(&mut self, values: Vec<Value>, kind: &str) {
        let nullable = self.schema.get("nullable") == Some(&Value::Bool(true));
        if (self.old() || nullable) && !self.schema.contains_key("type") {
            self.put("type", kind);
        }
        self.put("enum", values);
    }

    fn told_in_words(&mut self, values: &[Value], numbers: bool) {
        *self.simplified = true;
        if !self.schema.contains_key("type") {
            let whole = values.iter().all(|it| it.is_i64() || it.is_u64());
            if numbers {
                self.put("type", if whole { "integer" } else { "number" });
            } else if values.iter().all(Value::is_boolean) {
                self.put("type", "boolean");
            }
        }
        let words: Vec<String> = values.iter().take(MAX_TOLD).map(Value::to_string).collect();
        let note = format!("One of: {}", words.join(", "));
        let description = match self.schema.get("description").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => format!("{text}\n{note}"),
            Some(_) | None => note,
        };
        self.put("description", description);
    }

    /// `nullable`: OpenAPI's word, and JSON Schema's type.
    fn null(&mut self) {
        if self.old() {
            if self.schema.get("nullable") == Some(&Value::Bool(false)) {
                self.schema.remove("nullable");
            }
            return;
        }
        if self.schema.remove("nullable") != Some(Value::Bool(true)) || self.says("null") {
            return;
        }
        if let Some(Value::Array(branches)) = self.schema.get_mut("anyOf") {
            branches.push(serde_json::json!({"type": "null"}));
            return;
        }
        match self.schema.get_mut("type") {
            Some(Value::Array(kinds)) => kinds.push(Value::from("null")),
            Some(kind) => *kind = Value::Array(vec![kind.take(), Value::from("null")]),
            None => {}
        }
    }

    /// `exclusiveMinimum` and its like: exact for whole numbers.
    fn bounds(&mut self) {
        for (exclusive, plain, step) in [
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ] {
            let Some(bound) = self.schema.remove(exclusive) else {
                continue;
            };
            if self.schema.contains_key(plain) {
                *self.simplified = true;
                continue;
            }
            let whole = self.says("integer").then(|| bound.as_i64()).flatten();
            if let Some(exact) = whole.and_then(|it| it.checked_add(step)) {
                self.put(plain, exact);
            } else {
                *self.simplified = true;
                self.put(plain, bound);
            }
        }
    }

    fn format(&mut self) {
        let known: &[&str] = match (self.says("string"), self.target) {
            (true, Target::OpenApi) => &["enum", "date-time"],
            (true, Target::JsonSchema) => &["date-time", "date", "time"],
            (false, _) if self.says("integer") || self.says("number") => {
                &["int32", "int64", "float", "double"]
            }
            (false, _) => &[],
        };
        let told = self.schema.get("format").and_then(Value::as_str);
        if told.is_some_and(|it| !known.contains(&it)) {
            self.drop_limit("format");
        }
    }

    /// Lists: the older target wants to know their entries and knows no tuples.
    fn lists(&mut self) {
        if !self.old() {
            return;
        }
        if let Some(Value::Array(entries)) = self.schema.remove("prefixItems") {
            *self.simplified = true;
            if let Some(first) = entries.into_iter().next() {
                self.schema.entry("items").or_insert(first);
            }
        }
        if self.says("array") && !self.schema.contains_key("items") {
            self.put("items", serde_json::json!({"type": "string"}));
        }
    }

    /// Objects: `required` names what is there; the older target knows no others and no empty list of properties.
    fn members(&mut self) {
        if self.old() {
            let others = self.schema.remove("additionalProperties");
            *self.simplified |= others
                .as_ref()
                .and_then(Value::as_object)
                .is_some_and(|it| !it.is_empty());
            let properties = self.schema.get("properties").and_then(Value::as_object);
            if properties.is_some_and(Map::is_empty) {
                self.schema.remove("properties");
            }
        }
        for key in ["required", "propertyOrdering"] {
            let Some(Value::Array(names)) = self.schema.remove(key) else {
                continue;
            };
            let properties = self.schema.get("properties").and_then(Value::as_object);
            let mut seen = std::collections::HashSet::new();
            let declared: Vec<Value> = names
                .into_iter()
                .filter(|name| {
                    let name = name.as_str().unwrap_or_default();
                    properties.is_some_and(|it| it.contains_key(name))
                        && seen.insert(name.to_owned())
                })
                .collect();
            if !declared.is_empty() {
                self.put(key, declared);
            }
        }
    }
}

/// Values of an enumeration that are told in words.
const MAX_TOLD: usize = 64;
