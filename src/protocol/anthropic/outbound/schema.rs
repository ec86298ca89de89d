//! JSON Schemas as the API wants them.
//!
//! A tool's schema is any object schema whose root says so plainly. Where answers or arguments are forced into a
//! schema, a small part of JSON Schema is understood, and only so many optional and many-typed parameters fit in one
//! request: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>, seen November 2026.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// Strict tools of one request.
const MAX_STRICT_TOOLS: usize = 20;
/// Optional parameters of all its strict schemas.
const MAX_OPTIONAL: usize = 24;
/// Parameters of several types, likewise.
const MAX_UNIONS: usize = 16;

/// Keywords that join schemas. At the root of a tool's schema they are refused.
const COMPOSITIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords that are understood as they stand.
const PLAIN: [&str; 8] = [
    "type",
    "enum",
    "const",
    "default",
    "title",
    "description",
    "required",
    "$ref",
];
/// Keywords that say nothing about the value.
const SILENT: [&str; 5] = ["$schema", "$id", "$comment", "examples", "deprecated"];
/// Formats of strings that are understood.
const FORMATS: [&str; 10] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// A tool's schema with a root that is accepted, and whether anything was lost on the way.
pub(super) fn input(schema: &Value) -> (Cow<'_, Value>, bool) {
    let empty = || Cow::Owned(json!({"type": "object", "properties": {}}));
    let Some(fields) = schema.as_object() else {
        return (empty(), !schema.is_null());
    };
    let composed = COMPOSITIONS.iter().any(|key| fields.contains_key(*key));
    let is_object = fields.get("type").is_some_and(|kind| kind == "object");
    if is_object && !composed && !fields.contains_key("$ref") {
        return (Cow::Borrowed(schema), false);
    }
    let mut root = fields.clone();
    resolve(&mut root);
    let lost = merge(&mut root);
    let holds_object = match root.get("type") {
        None | Some(Value::Null) => true,
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(_) => false,
    };
    if !holds_object {
        return (empty(), true);
    }
    root.insert("type".to_owned(), "object".into());
    root.entry("properties").or_insert_with(|| json!({}));
    (Cow::Owned(Value::Object(root)), lost)
}

/// Puts what the root refers to in its place.
fn resolve(root: &mut Map<String, Value>) {
    let Some(Value::String(path)) = root.get("$ref") else {
        return;
    };
    let found = path.strip_prefix("#/").and_then(|path| {
        let (place, name) = path.split_once('/')?;
        root.get(place)?.get(name)?.as_object().cloned()
    });
    root.remove("$ref");
    for (key, value) in found.unwrap_or_default() {
        root.entry(key).or_insert(value);
    }
}

/// Merges what a root is composed of into it: all properties, of which those are required that all alternatives
/// require. Whether that says less than before.
fn merge(root: &mut Map<String, Value>) -> bool {
    let mut lost = false;
    for key in COMPOSITIONS {
        let Some(Value::Array(parts)) = root.remove(key) else {
            continue;
        };
        lost |= key != "allOf";
        let mut common: Option<Vec<Value>> = None;
        for mut part in parts {
            let Some(part) = part.as_object_mut() else {
                continue;
            };
            if let Some(defs) = ["$defs", "definitions"]
                .into_iter()
                .find(|it| root.contains_key(*it))
                && let Some(all) = root.get(defs).cloned()
            {
                part.entry(defs).or_insert(all);
            }
            resolve(part);
            if let Some(Value::Object(properties)) = part.remove("properties") {
                let known = root.entry("properties").or_insert_with(|| json!({}));
                for (name, schema) in properties {
                    if let Some(known) = known.as_object_mut() {
                        known.entry(name).or_insert(schema);
                    }
                }
            }
            let required = match part.remove("required") {
                Some(Value::Array(names)) => names,
                _ => Vec::new(),
            };
            common = Some(match common {
                None => required,
                Some(before) if key == "allOf" => before.into_iter().chain(required).collect(),
                Some(before) => before
                    .into_iter()
                    .filter(|it| required.contains(it))
                    .collect(),
            });
        }
        require(root, common.unwrap_or_default());
    }
    lost
}

fn require(root: &mut Map<String, Value>, names: Vec<Value>) {
    if names.is_empty() {
        return;
    }
    let required = root.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        for name in names {
            if !required.contains(&name) {
                required.push(name);
            }
        }
    }
}

/// What strict schemas of one request may still hold.
pub(super) struct Room {
    tools: usize,
    optional: usize,
    unions: usize,
}

impl Room {
    /// As much as the API takes.
    pub fn new() -> Self {
        Room {
            tools: MAX_STRICT_TOOLS,
            optional: MAX_OPTIONAL,
            unions: MAX_UNIONS,
        }
    }

    /// The schema of an answer; what a grammar cannot say stands in its descriptions, which the flag tells. `None`
    /// cannot be forced at all: open objects, recursion, or too much of it.
    pub fn answer(&mut self, schema: &Value) -> Option<(Value, bool)> {
        let closed = Closed::of(schema)?;
        self.take(&closed)?;
        Some((closed.schema, closed.simplified))
    }

    /// The schema of a tool whose arguments are forced into it; `None` where the grammar would say less.
    pub fn tool(&mut self, schema: &Value) -> Option<Value> {
        let closed = Closed::of(schema).filter(|it| !it.simplified)?;
        self.tools = self.tools.checked_sub(1)?;
        self.take(&closed)?;
        Some(closed.schema)
    }

    fn take(&mut self, closed: &Closed) -> Option<()> {
        let optional = self.optional.checked_sub(closed.optional)?;
        let unions = self.unions.checked_sub(closed.unions)?;
        (self.optional, self.unions) = (optional, unions);
        Some(())
    }
}

/// A schema that a grammar can be made of.
struct Closed {
    schema: Value,
    simplified: bool,
    optional: usize,
    unions: usize,
}

impl Closed {
    fn of(schema: &Value) -> Option<Self> {
        let mut closed = Closed {
            schema: Value::Null,
            simplified: false,
            optional: 0,
            unions: 0,
        };
        if is_recursive(schema) {
            return None;
        }
        closed.schema = closed.node(schema)?;
        Some(closed)
    }

    /// One schema and all inside it. The nesting of a parsed value is bounded by the parser.
    fn node(&mut self, schema: &Value) -> Option<Value> {
        let fields = schema.as_object()?;
        let says = |key: &str| fields.contains_key(key);
        if !["type", "enum", "const", "$ref"]
            .iter()
            .any(|key| says(key))
            && !COMPOSITIONS.iter().any(|key| says(key))
        {
            return None;
        }
        let mut out = Map::new();
        let mut unsaid = Vec::new();
        for (key, value) in fields {
            match key.as_str() {
                key if PLAIN.contains(&key) => drop(out.insert(key.to_owned(), value.clone())),
                key if SILENT.contains(&key) => {}
                "properties" | "$defs" | "definitions" => {
                    let inside = self.map(value)?;
                    out.insert(key.clone(), inside);
                }
                "anyOf" | "oneOf" => drop(out.insert("anyOf".to_owned(), self.list(value)?)),
                "allOf" => drop(out.insert(key.clone(), self.list(value)?)),
                "items" => drop(out.insert(key.clone(), self.node(value)?)),
                "additionalProperties" if *value == json!(false) => {}
                // A map of anything: closed, it would hold nothing.
                "additionalProperties" | "patternProperties" => return None,
                "format" if FORMATS.iter().any(|it| value == it) => {
                    out.insert(key.clone(), value.clone());
                }
                "minItems" if *value == json!(0) || *value == json!(1) => {
                    out.insert(key.clone(), value.clone());
                }
                _ => unsaid.push(format!("{key}: {value}")),
            }
        }
        if is_object(fields) {
            self.close(fields, &mut out)?;
        }
        if !unsaid.is_empty() {
            self.simplified = true;
            describe(&mut out, &unsaid.join(", "));
        }
        Some(Value::Object(out))
    }

    fn close(&mut self, fields: &Map<String, Value>, out: &mut Map<String, Value>) -> Option<()> {
        let closed = fields.get("additionalProperties") == Some(&json!(false));
        let Some(properties) = fields.get("properties").and_then(Value::as_object) else {
            out.insert("additionalProperties".to_owned(), json!(false));
            // Without a word about its members it is a map of anything.
            return closed.then_some(());
        };
        let required = fields.get("required").and_then(Value::as_array);
        for (name, schema) in properties {
            let needed = required.is_some_and(|names| names.iter().any(|it| it == name));
            self.optional = self.optional.saturating_add(usize::from(!needed));
            let many = schema.get("anyOf").is_some()
                || schema.get("oneOf").is_some()
                || schema.get("type").is_some_and(Value::is_array);
            self.unions = self.unions.saturating_add(usize::from(many));
        }
        out.insert("additionalProperties".to_owned(), json!(false));
        Some(())
    }

    fn map(&mut self, schemas: &Value) -> Option<Value> {
        let schemas = schemas.as_object()?.iter();
        schemas
            .map(|(name, schema)| Some((name.clone(), self.node(schema)?)))
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object)
    }

    fn list(&mut self, schemas: &Value) -> Option<Value> {
        let schemas = schemas.as_array()?.iter();
        schemas
            .map(|schema| self.node(schema))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array)
    }
}

fn is_object(fields: &Map<String, Value>) -> bool {
    match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.contains_key("properties"),
    }
}

fn describe(out: &mut Map<String, Value>, unsaid: &str) {
    let before = out.get("description").and_then(Value::as_str);
    let text = match before {
        Some(before) => format!("{before} ({unsaid})"),
        None => format!("({unsaid})"),
    };
    out.insert("description".to_owned(), Value::String(text));
}

/// Whether a schema refers to itself, or to somewhere else than its own definitions.
fn is_recursive(schema: &Value) -> bool {
    let mut done = HashSet::new();
    let mut path = Vec::new();
    refers_back(schema, schema, &mut path, &mut done)
}

fn refers_back<'a>(
    root: &'a Value,
    schema: &'a Value,
    path: &mut Vec<&'a str>,
    done: &mut HashSet<&'a str>,
) -> bool {
    match schema {
        Value::Array(all) => all.iter().any(|it| refers_back(root, it, path, done)),
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("$ref") {
                if path.contains(&name.as_str()) {
                    return true;
                }
                let target = name.strip_prefix('#').and_then(|it| root.pointer(it));
                let Some(target) = target.filter(|_| name != "#") else {
                    return true;
                };
                if !done.contains(name.as_str()) {
                    path.push(name);
                    if refers_back(root, target, path, done) {
                        return true;
                    }
                    path.pop();
                    done.insert(name);
                }
            }
            fields.values().any(|it| refers_back(root, it, path, done))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests;
