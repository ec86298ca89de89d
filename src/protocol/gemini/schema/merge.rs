//! Two schemas that hold at once, as one: the parts of `allOf`, and what stands beside a reference.

use serde_json::{Map, Value};

use super::Target;
use super::settle::settle;

/// Pairs of values of two enumerations that are compared.
const MAX_COMPARED: usize = 1 << 20;

/// Merges what two schemas say of one thing; where they cannot be brought together, the first one holds.
pub(super) fn merge(
    into: &mut Map<String, Value>,
    from: Map<String, Value>,
    target: Target,
    simplified: &mut bool,
) {
    for (key, value) in from {
        let Some(known) = into.get_mut(&key) else {
            into.insert(key, value);
            continue;
        };
        if *known == value {
            continue;
        }
        match (key.as_str(), known, value) {
            ("properties", Value::Object(known), Value::Object(others)) => {
                properties(known, others, target, simplified);
            }
            ("required" | "propertyOrdering", Value::Array(known), Value::Array(others)) => {
                known.extend(others);
            }
            ("enum", Value::Array(known), Value::Array(others))
                if known.len().saturating_mul(others.len()) <= MAX_COMPARED =>
            {
                let both: Vec<Value> = known
                    .iter()
                    .filter(|it| others.contains(it))
                    .cloned()
                    .collect();
                if both.is_empty() {
                    *simplified = true;
                } else {
                    *known = both;
                }
            }
            ("title" | "description" | "default" | "nullable", _, _) => {}
            _ => *simplified = true,
        }
    }
}

fn properties(
    known: &mut Map<String, Value>,
    others: Map<String, Value>,
    target: Target,
    simplified: &mut bool,
) {
    for (name, other) in others {
        match (known.get_mut(&name), other) {
            (Some(Value::Object(known)), Value::Object(other)) => {
                merge(known, other, target, simplified);
                settle(known, target, simplified);
            }
            (Some(_), _) => *simplified = true,
            (None, other) => {
                known.insert(name, other);
            }
        }
    }
}
