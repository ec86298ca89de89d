//! JSON Schemas as Gemini takes them.
//!
//! There are two targets: JSON Schema in the keywords that newer models document, and the subset of OpenAPI 3.0 that
//! older ones know. A keyword that is not known is a 400 there and ignored or a 400 here, so nothing is sent but what
//! is known. What others say is brought into that form where it can be: references are put in place, `const` becomes
//! `enum`, `oneOf` becomes `anyOf`, the parts of `allOf` are merged, and `settle.rs` does the rest.
//!
//! Only places where a schema stands are rewritten: a property may be called `title`, `format` or `$ref`.
//!
//! Left out without a loss are words for people and tools (`$schema`, `$id`, `$comment`, `examples`, `deprecated`,
//! `readOnly`, `x-…`) and `additionalProperties: false`; a limit on values that goes is a loss.

mod merge;
mod settle;

use serde_json::{Map, Value};

use super::profile::Profile;
use merge::merge;
use settle::{is_plain_type, settle, typed};

/// Levels of schemas inside schemas that are sent. Deeper ones are told as `any`.
const MAX_DEPTH: usize = 32;
/// What references may add to one schema, in bytes: a few that name each other could grow without end.
const MAX_INLINED: usize = 256 << 10;
/// What one schema, keyword or value counts for besides its text, in bytes.
const NODE: usize = 16;

/// What a schema is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `parametersJsonSchema`, `responseJsonSchema`.
    JsonSchema,
    /// `parameters`, `responseSchema`.
    OpenApi,
}

impl Target {
    /// What a model takes.
    pub fn of(profile: &Profile) -> Self {
        if profile.json_schema {
            Target::JsonSchema
        } else {
            Target::OpenApi
        }
    }
}

/// A schema that can be sent.
#[derive(Debug)]
pub(super) struct Cleaned {
    pub schema: Value,
    /// A limit on values went.
    pub simplified: bool,
}

/// The schema of a function's parameters: always an object.
pub(super) fn parameters(schema: &Value, target: Target) -> Cleaned {
    let mut cleaned = answer(schema, target);
    let Value::Object(fields) = &mut cleaned.schema else {
        return cleaned;
    };
    // Alternatives stand alone in OpenAPI, and an object is asked for.
    if target == Target::OpenApi {
        cleaned.simplified |= fields.remove("anyOf").is_some();
    }
    if fields.get("type").and_then(Value::as_str) != Some("object") {
        fields.insert("type".to_owned(), Value::from("object"));
        cleaned.simplified |= fields.remove("enum").is_some();
        settle(fields, target, &mut cleaned.simplified);
    }
    if target == Target::JsonSchema {
        let properties = fields.entry("properties");
        properties.or_insert_with(|| Value::Object(Map::new()));
    }
    cleaned
}

/// The schema of an answer.
pub(super) fn answer(schema: &Value, target: Target) -> Cleaned {
    let mut cleaner = Cleaner {
        root: schema,
        target,
        expanding: Vec::new(),
        left: MAX_INLINED,
        simplified: false,
    };
    let schema = match schema {
        Value::Object(fields) => {
            let fields = cleaner.object(fields, 0);
            Value::Object(typed(fields, target, &mut cleaner.simplified))
        }
        _ => Value::Object(Map::new()),
    };
    Cleaned {
        schema,
        simplified: cleaner.simplified,
    }
}

struct Cleaner<'a> {
    root: &'a Value,
    target: Target,
    /// The references being put in place, outermost first.
    expanding: Vec<&'a str>,
    /// Bytes that references may still add.
    left: usize,
    simplified: bool,
}

impl<'a> Cleaner<'a> {
    /// A schema where anything may stand.
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Map<String, Value> {
        match schema {
            Value::Object(fields) => self.object(fields, depth),
            Value::Bool(true) => Map::new(),
            _ => {
                self.simplified = true;
                Map::new()
            }
        }
    }

    /// A schema of something that has a type: a property, an entry of a list.
    fn place(&mut self, schema: &'a Value, depth: usize) -> Value {
        let fields = self.schema(schema, depth);
        Value::Object(typed(fields, self.target, &mut self.simplified))
    }

    fn object(&mut self, fields: &'a Map<String, Value>, depth: usize) -> Map<String, Value> {
        if MAX_DEPTH < depth || !self.afford(fields) {
            self.simplified = true;
            return stub(fields);
        }
        let mut out = Map::new();
        for (key, value) in fields {
            self.keyword(key, value, depth, &mut out);
        }
        settle(&mut out, self.target, &mut self.simplified);
        let target = fields.get("$ref").and_then(Value::as_str);
        let target = target.map(|name| self.reference(name, depth));
        let of_all = fields.get("allOf").and_then(Value::as_array);
        let parts = of_all.into_iter().flatten();
        let parts: Vec<Map<String, Value>> = target
            .into_iter()
            .chain(parts.map(|part| self.schema(part, depth + 1)))
            .collect();
        if !parts.is_empty() {
            for part in parts {
                merge(&mut out, part, self.target, &mut self.simplified);
            }
            // Each part was settled alone: what it demands of a property that another part declares is gone from it.
            let beside = of_all.into_iter().flatten().filter_map(Value::as_object);
            demand(&mut out, beside.chain([fields]));
            settle(&mut out, self.target, &mut self.simplified);
        }
        out
    }

    /// Whether a schema that a reference leads to may still be added.
    fn afford(&mut self, fields: &Map<String, Value>) -> bool {
        if self.expanding.is_empty() {
            return true;
        }
        let weight = |value: &Value| match value {
            Value::String(text) => text.len(),
            Value::Array(entries) => {
                let texts = entries.iter().filter_map(Value::as_str);
                texts.map(str::len).sum::<usize>() + NODE * entries.len()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => NODE,
        };
        let weigh = |(key, value): (&String, &Value)| key.len() + weight(value);
        let cost = fields.iter().map(weigh).sum::<usize>() + NODE;
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn reference(&mut self, name: &'a str, depth: usize) -> Map<String, Value> {
        let target = name
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(&unescaped(pointer)));
        let Some(target) = target else {
            self.simplified = true;
            return Map::new();
        };
        if self.expanding.contains(&name) || (name == "#" && depth == 0) {
            self.simplified = true;
            return target.as_object().map(stub).unwrap_or_default();
        }
        self.expanding.push(name);
        let cleaned = self.schema(target, depth + 1);
        self.expanding.pop();
        cleaned
    }

    fn keyword(&mut self, key: &str, value: &'a Value, depth: usize, out: &mut Map<String, Value>) {
        let deeper = depth + 1;
        match (key, value) {
            ("properties", Value::Object(properties)) => {
                let cleaned = properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), self.place(schema, deeper)))
                    .collect();
                out.insert(key.to_owned(), Value::Object(cleaned));
            }
            ("items" | "prefixItems", Value::Array(entries)) => {
                let cleaned = entries.iter().map(|it| self.place(it, deeper)).collect();
                out.insert("prefixItems".to_owned(), Value::Array(cleaned));
            }
            ("items", Value::Object(_)) => {
                let cleaned = self.place(value, deeper);
                out.insert(key.to_owned(), cleaned);
            }
            ("anyOf" | "oneOf", Value::Array(branches)) => {
                let cleaned = branches
                    .iter()
                    .map(|it| Value::Object(self.schema(it, deeper)))
                    .collect();
                if out
                    .insert("anyOf".to_owned(), Value::Array(cleaned))
                    .is_some()
                {
                    self.simplified = true;
                }
            }
            ("additionalProperties", Value::Object(_)) => {
                let cleaned = self.place(value, deeper);
                out.insert(key.to_owned(), cleaned);
            }
            ("const", _) => {
                out.entry("enum")
                    .or_insert_with(|| Value::Array(vec![value.clone()]));
            }
            _ if is_known(key, value) => {
                out.insert(key.to_owned(), value.clone());
            }
            _ => self.simplified |= is_limit(key, value),
        }
    }
}

/// Adds the properties that schemas demand to those that `out` demands; which of them there are is settled later.
fn demand<'s>(out: &mut Map<String, Value>, schemas: impl Iterator<Item = &'s Map<String, Value>>) {
    let lists = schemas.filter_map(|it| it.get("required")?.as_array());
    let demanded: Vec<Value> = lists.flatten().cloned().collect();
    if demanded.is_empty() {
        return;
    }
    let known = out
        .entry("required")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Some(known) = known.as_array_mut() {
        known.extend(demanded);
    }
}

/// Whether a keyword without schemas in it may go on as it is.
fn is_known(key: &str, value: &Value) -> bool {
    match key {
        "default" => true,
        "enum" | "required" | "propertyOrdering" => value.is_array(),
        "title" | "description" | "format" | "pattern" => value.is_string(),
        "type" => value.is_string() || value.is_array(),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
            value.is_u64()
        }
        "additionalProperties" | "nullable" => value.is_boolean(),
        _ => false,
    }
}

/// Whether a keyword that goes was a limit on values.
fn is_limit(key: &str, value: &Value) -> bool {
    match key {
        "items"
        | "unevaluatedProperties"
        | "unevaluatedItems"
        | "uniqueItems"
        | "exclusiveMinimum"
        | "exclusiveMaximum" => *value == Value::Bool(true) || value.is_object(),
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
            value.is_number()
        }
        "not" | "if" | "then" | "else" | "multipleOf" | "patternProperties" | "propertyNames"
        | "dependentRequired" | "dependentSchemas" | "dependencies" | "contains"
        | "contentEncoding" | "$dynamicRef" | "$recursiveRef" => true,
        _ => false,
    }
}

/// What is told of a schema that is not told whole.
fn stub(fields: &Map<String, Value>) -> Map<String, Value> {
    let told = |(key, value): (&String, &Value)| {
        let keep = match key.as_str() {
            "description" => value.is_string(),
            "type" => value.as_str().is_some_and(is_plain_type),
            _ => false,
        };
        keep.then(|| (key.clone(), value.clone()))
    };
    fields.iter().filter_map(told).collect()
}

/// A JSON pointer out of the fragment of an address: `%7e` is `~`.
fn unescaped(pointer: &str) -> String {
    if !pointer.contains('%') {
        return pointer.to_owned();
    }
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match code.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
