//! `anyOf`, which stands alone in OpenAPI.

use serde_json::{Map, Value};

use super::{Settling, settle};
use crate::protocol::gemini::schema::merge::merge;

impl Settling<'_> {
    /// Keeps branches that say something; for the older target nothing beside them. Whether a single branch was
    /// merged, which may have brought anything.
    pub(super) fn alternatives(&mut self) -> bool {
        let Some(Value::Array(branches)) = self.schema.remove("anyOf") else {
            return false;
        };
        let mut kept = self.branches(branches);
        if kept.len() < 2 {
            let only = kept.pop();
            let merged = only.is_some();
            let only = only.unwrap_or_default();
            merge(self.schema, only, self.target, self.simplified);
            return merged;
        }
        let crowded = ["properties", "items", "prefixItems", "enum"];
        let crowded = self.old() && crowded.iter().any(|key| self.schema.contains_key(*key));
        if crowded || kept.iter().any(|it| self.is_vague(it)) {
            *self.simplified = true;
        } else if self.old() {
            self.alone(kept);
        } else {
            let branches: Vec<Value> = kept.into_iter().map(Value::Object).collect();
            self.put("anyOf", branches);
        }
        false
    }

    /// The branches without that of `null`, which becomes `nullable`.
    fn branches(&mut self, branches: Vec<Value>) -> Vec<Map<String, Value>> {
        let branches = if self.old() { flat(branches) } else { branches };
        let kind = self.schema.get("type").cloned();
        let mut kept = Vec::new();
        for branch in branches {
            let Value::Object(mut branch) = branch else {
                continue;
            };
            let bare = !branch.contains_key("type") && !branch.contains_key("anyOf");
            if let Some(kind) = kind.as_ref().filter(|_| bare && self.old()) {
                branch.insert("type".to_owned(), kind.clone());
                settle(&mut branch, self.target, self.simplified);
            }
            if branch.get("type").and_then(Value::as_str) == Some("null") {
                self.put("nullable", true);
                continue;
            }
            if branch.get("nullable") == Some(&Value::Bool(true)) && self.old() {
                branch.remove("nullable");
                self.put("nullable", true);
            }
            kept.push(branch);
        }
        kept
    }

    /// Whether a branch says next to nothing: alternatives to it are none.
    fn is_vague(&self, branch: &Map<String, Value>) -> bool {
        let has = |keys: &[&str]| keys.iter().any(|key| branch.contains_key(*key));
        !has(&["type", "anyOf"]) && (self.old() || !has(&["properties", "enum"]))
    }

    /// Moves what is said beside alternatives into them.
    fn alone(&mut self, mut branches: Vec<Map<String, Value>>) {
        let beside = std::mem::take(self.schema);
        for (key, value) in beside {
            match key.as_str() {
                "description" | "nullable" => {
                    for branch in &mut branches {
                        branch.entry(&key).or_insert_with(|| value.clone());
                    }
                }
                "type" | "title" | "default" | "additionalProperties" => {}
                _ => *self.simplified = true,
            }
        }
        let branches: Vec<Value> = branches.into_iter().map(Value::Object).collect();
        self.put("anyOf", branches);
    }
}

/// Alternatives among alternatives, side by side with them.
fn flat(branches: Vec<Value>) -> Vec<Value> {
    let mut out = Vec::with_capacity(branches.len());
    for mut branch in branches {
        match branch.get_mut("anyOf").map(Value::take) {
            Some(Value::Array(inner)) => out.extend(inner),
            Some(_) | None => out.push(branch),
        }
    }
    out
}
