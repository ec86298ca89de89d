//! YAML text → value tree. Exactly what a human wrote, duplicate keys included, so that every fault can be told with
//! its path; `<<` merges are resolved.

use std::fmt;
use std::path::Path;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use zeroize::Zeroize;

use crate::config::fault::{ConfigFault, shown};

/// Largest configuration read, in bytes.
const MAX_FILE_BYTES: usize = 4 << 20;

/// A value as written. `Debug` shows its kind only: it may be a secret.
#[derive(Clone, PartialEq)]
pub(super) enum Node {
    /// Nothing, or `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text {
        /// With environment references expanded.
        text: String,
        /// As written, when it held references.
        written: Option<String>,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in file order; duplicates stay.
    Map(Vec<(String, Node)>),
    /// A value with a YAML tag, which nothing here takes.
    Tagged,
    /// A value whose references led nowhere; that has been told already.
    Broken,
}

impl Node {
    /// Text as written.
    pub fn text(text: impl Into<String>) -> Self {
        Node::Text {
            text: text.into(),
            written: None,
        }
    }

    /// What this is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Bool(_) => "true/false",
            Node::Int(_) | Node::Float(_) => "a number",
            Node::Text { .. } => "text",
            Node::List(_) => "a list",
            Node::Map(_) => "a section with keys",
            Node::Tagged => "a tagged value",
            Node::Broken => "a broken reference",
        }
    }

    /// What may be shown of a value that is no secret; references are shown as written.
    pub fn shown(&self) -> Option<String> {
        match self {
            Node::Bool(it) => Some(it.to_string()),
            Node::Int(it) => Some(it.to_string()),
            Node::Float(it) => Some(it.to_string()),
            Node::Text { text, written } => Some(shown(written.as_ref().unwrap_or(text))),
            Node::Null | Node::List(_) | Node::Map(_) | Node::Tagged | Node::Broken => None,
        }
    }

    /// Overwrites all texts: keys stand among them, and what was read of them lives elsewhere from here on.
    pub fn wipe(&mut self) {
        match self {
            Node::Text { text, written } => {
                text.zeroize();
                written.zeroize();
            }
            Node::List(items) => items.iter_mut().for_each(Node::wipe),
            Node::Map(entries) => entries.iter_mut().for_each(|it| it.1.wipe()),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Float(_)
            | Node::Tagged
            | Node::Broken => {}
        }
    }

    /// The first value of `key` in a section.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Node::Map(entries) = self else {
            return None;
        };
        entries.iter().find(|it| it.0 == key).map(|it| &it.1)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Parses `text`. The fault names line and column and never quotes the text.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, ConfigFault> {
    let whole = |remedy: &str| ConfigFault {
        file: file.to_owned(),
        path: String::new(),
        value: None,
        remedy: remedy.to_owned(),
    };
    if MAX_FILE_BYTES < text.len() {
        return Err(whole(
            "is larger than 4 MiB; this cannot be a configuration",
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // YAML reads nearly all JSON, but takes some characters inside its strings for line breaks.
    let json = is_json(file)
        .then(|| serde_json::from_str::<Node>(text).ok())
        .flatten();
    match json.map_or_else(|| serde_yaml::from_str(text), Ok) {
        Ok(Node::Null) => Err(whole(
            "is empty; write at least `providers:` (see conf/minimal.yaml)",
        )),
        Ok(mut node @ Node::Map(_)) => {
            merge(&mut node);
            Ok(node)
        }
        Ok(node) => Err(whole(&format!(
            "is {} at the top; it must be keys such as `providers:` and `settings:`",
            node.kind()
        ))),
        Err(error) => Err(syntax(file, text, &error)),
    }
}

fn is_json(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|it| it == "json")
}

/// A syntax error without any of the file's content: our own words by the kind of trouble.
fn syntax(file: &str, text: &str, error: &serde_yaml::Error) -> ConfigFault {
    let said = error.to_string();
    let line = error
        .location()
        .and_then(|it| text.lines().nth(it.line().saturating_sub(1)))
        .unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let remedy = if is_json(file) {
        "is not valid JSON here; check commas, quotes and brackets"
    } else if line.get(..indent).is_some_and(|it| it.contains('\t')) {
        "the line is indented with a tab; use spaces"
    } else if said.contains("alias") || said.contains("anchor") {
        "a bare `*` or `&` starts a YAML alias; put patterns in quotes: \"*sonnet*\""
    } else if said.contains("more than one document") {
        "holds several YAML documents; keep one and remove the `---` lines between them"
    } else if said.contains("cannot start any token") {
        "a value starts with a character that YAML reserves (such as `@` or a backtick); put it in quotes"
    } else if said.contains("mapping values are not allowed") {
        "a `:` where no key can be; check the indentation, or quote the value"
    } else if said.contains("unexpected end") || said.contains("end of stream") {
        "ends in the middle; a quote or bracket is not closed, or the file is only half written"
    } else if said.contains("recursion limit") || said.contains("repetition limit") {
        "is nested too deeply"
    } else {
        "is not valid YAML here; check indentation, quotes and brackets"
    };
    let place = error
        .location()
        .map(|it| format!(":{}:{}", it.line(), it.column()))
        .unwrap_or_default();
    ConfigFault {
        file: format!("{file}{place}"),
        path: String::new(),
        value: None,
        remedy: remedy.to_owned(),
    }
}

/// Resolves `<<`: merged keys come after the section's own, which win.
fn merge(node: &mut Node) {
    match node {
        Node::List(items) => items.iter_mut().for_each(merge),
        Node::Map(entries) => {
            for (_, value) in entries.iter_mut() {
                merge(value);
            }
            let (merged, mut own): (Vec<_>, Vec<_>) = std::mem::take(entries)
                .into_iter()
                .partition(|it| it.0 == "<<");
            for (key, value) in merged {
                let sources = match value {
                    Node::Map(_) => vec![value],
                    Node::List(items) => items,
                    other => {
                        own.push((key, other));
                        continue;
                    }
                };
                for (name, inherited) in sources.into_iter().flat_map(entries_of) {
                    if !own.iter().any(|it| it.0 == name) {
                        own.push((name, inherited));
                    }
                }
            }
            *entries = own;
        }
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::Text { .. }
        | Node::Tagged
        | Node::Broken => {}
    }
}

fn entries_of(node: Node) -> Vec<(String, Node)> {
    match node {
        Node::Map(entries) => entries,
        other => vec![("<<".to_owned(), other)],
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(i128::try_from(value).map_or(Node::Float(f64::INFINITY), Node::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::text(value))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Node, Node>()? {
            let key = match key {
                Node::Text { text, .. } => text,
                other => other.shown().unwrap_or_else(|| "null".to_owned()),
            };
            entries.push((key, value));
        }
        Ok(Node::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Node, A::Error> {
        let (_tag, value): (String, _) = access.variant()?;
        value.newtype_variant::<Node>()?;
        Ok(Node::Tagged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse("c.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn duplicates_stay_and_merges_are_resolved() {
        let tree = parse(
            "c.yaml",
            "a: &b {x: 1, y: 2}\nc: {<<: *b, x: 3}\na: 4\n1: true\n",
        )
        .unwrap();
        let Node::Map(entries) = &tree else {
            panic!("{tree:?}");
        };
        let keys: Vec<&str> = entries.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(keys, ["a", "c", "a", "1"]);
        let merged = tree.get("c").unwrap();
        assert!(merged.get("x") == Some(&Node::Int(3)) && merged.get("y") == Some(&Node::Int(2)));
    }

    #[test]
    fn broken_text_is_placed_and_never_quoted() {
        let table = [
            ("", "c.yaml: is empty"),
            ("# only a comment\n", "c.yaml: is empty"),
            ("- a\n- b\n", "c.yaml: is a list at the top"),
            ("hello", "c.yaml: is text at the top"),
            ("*sonnet*: 1", "c.yaml:1:"),
            (
                "a: 1\n\tb: sk-secret",
                "c.yaml:2:1: the line is indented with a tab",
            ),
            ("a: \"sk-secret", "c.yaml:1:"),
            ("a: [sk-secret, {", "c.yaml:"),
            ("a: b: sk-secret", "c.yaml:1:5: a `:` where"),
            ("a: @sk-secret", "c.yaml:1:4: a value starts with"),
            ("a: 1\n---\nb: 2\n", "holds several YAML documents"),
        ];
        for (text, expected) in table {
            let line = fault(text);
            assert!(line.contains(expected), "{text:?} gave {line}");
            assert!(!line.contains("sk-secret"), "{line}");
        }
        assert!(
            fault("*sonnet*: 1").contains("quotes"),
            "{}",
            fault("*sonnet*: 1")
        );
    }

    #[test]
    fn bombs_are_refused() {
        let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(
            fault(&deep).contains("nested too deeply"),
            "{}",
            fault(&deep)
        );
        let wide: String = (1..12)
            .map(|i| {
                format!(
                    "l{i}: &l{i} [{}]\n",
                    vec![format!("*l{}", i - 1); 9].join(",")
                )
            })
            .fold("l0: &l0 x\n".to_owned(), |out, line| out + &line);
        assert!(
            fault(&wide).contains("nested too deeply"),
            "{}",
            fault(&wide)
        );
        assert!(fault(&" ".repeat(MAX_FILE_BYTES + 1)).contains("larger than 4 MiB"));
    }

    #[test]
    fn tags_are_seen_and_debug_is_blind() {
        let tree = parse("c.yaml", "a: !secret {b: 1}\nkey: sk-secret").unwrap();
        assert!(tree.get("a") == Some(&Node::Tagged));
        assert_eq!(format!("{tree:?}"), "a section with keys");
    }
}
