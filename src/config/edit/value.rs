//! What an edit puts into a file, and how it is spelt there: YAML line by line, YAML in brackets, or JSON.

use serde_json::json;

use crate::config::tree::Node;

/// A value to be written.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Fraction(f64),
    Flag(bool),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// The spelling of values in brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Yaml,
    Json,
}

/// Words that YAML takes for something else than text, here or in other readers of it.
const RESERVED: &[&str] = &[
    "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf",
];

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    pub fn texts<'t>(all: impl IntoIterator<Item = &'t String>) -> Self {
        Value::List(all.into_iter().map(Value::text).collect())
    }

    pub fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let entries = entries.into_iter();
        Value::Map(entries.map(|it| (it.0.to_owned(), it.1)).collect())
    }

    /// A value that was read; what is neither text, number, list nor map is none.
    pub fn of(node: &Node) -> Option<Self> {
        Some(match node {
            Node::Text { text, .. } => Value::text(text),
            Node::Int(it) => Value::Number(u64::try_from(*it).ok()?),
            Node::Float(it) => Value::Fraction(*it),
            Node::Bool(it) => Value::Flag(*it),
            Node::List(items) => Value::List(items.iter().map(Value::of).collect::<Option<_>>()?),
            Node::Map(entries) => {
                let entry = |(key, value): &(String, Node)| Some((key.clone(), Value::of(value)?));
                Value::Map(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            Node::Null | Node::Tagged | Node::Broken => return None,
        })
    }

    /// What a reader of the file must find.
    pub fn node(&self) -> Node {
        match self {
            Value::Text(text) => Node::text(text),
            Value::Number(it) => Node::Int(i128::from(*it)),
            Value::Fraction(it) => Node::Float(*it),
            Value::Flag(it) => Node::Bool(*it),
            Value::List(items) => Node::List(items.iter().map(Value::node).collect()),
            Value::Map(entries) => Node::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.node()))
                    .collect(),
            ),
        }
    }

    /// Whether it fits behind a key on the key's line.
    pub fn is_short(&self) -> bool {
        match self {
            Value::Text(_) | Value::Number(_) | Value::Fraction(_) | Value::Flag(_) => true,
            Value::List(items) => items
                .iter()
                .all(|it| !matches!(it, Value::List(_) | Value::Map(_))),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    /// In one line.
    pub fn in_line(&self, spelling: Spelling) -> String {
        match self {
            Value::Text(text) => scalar(text, spelling),
            Value::Number(it) => it.to_string(),
            Value::Fraction(it) => it.to_string(),
            Value::Flag(it) => it.to_string(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|it| it.in_line(spelling)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(entries) => {
                let entry = |(key, value): &(String, Value)| {
                    format!("{}: {}", scalar(key, spelling), value.in_line(spelling))
                };
                let entries: Vec<String> = entries.iter().map(entry).collect();
                match spelling {
                    Spelling::Yaml => format!("{{{}}}", entries.join(", ")),
                    Spelling::Json if entries.is_empty() => "{}".to_owned(),
                    Spelling::Json => format!("{{ {} }}", entries.join(", ")),
                }
            }
        }
    }

    /// As JSON on several lines: the first one stands where the value begins, the others get `indent` before them.
    pub fn in_json_lines(&self, indent: &str, unit: &str, eol: &str) -> String {
        let inner = format!("{indent}{unit}");
        let framed = |open: char, lines: Vec<String>, close: char| {
            let lines = lines.join(&format!(",{eol}{inner}"));
            format!("{open}{eol}{inner}{lines}{eol}{indent}{close}")
        };
        match self {
            Value::Map(entries) if !entries.is_empty() => {
                let entry = |(key, value): &(String, Value)| {
                    let value = value.in_json_lines(&inner, unit, eol);
                    format!("{}: {value}", scalar(key, Spelling::Json))
                };
                framed('{', entries.iter().map(entry).collect(), '}')
            }
            Value::List(items) if !self.is_short() => {
                let item = |it: &Value| it.in_json_lines(&inner, unit, eol);
                framed('[', items.iter().map(item).collect(), ']')
            }
            Value::Text(_)
            | Value::Number(_)
            | Value::Fraction(_)
            | Value::Flag(_)
            | Value::List(_)
            | Value::Map(_) => self.in_line(Spelling::Json),
        }
    }

    /// The lines of an entry `key: value`, without indentation.
    pub fn entry_lines(&self, key: &str) -> Vec<String> {
        let key = scalar(key, Spelling::Yaml);
        if self.is_short() {
            return vec![format!("{key}: {}", self.in_line(Spelling::Yaml))];
        }
        let mut lines = vec![format!("{key}:")];
        lines.extend(self.block_lines().iter().map(|it| format!("  {it}")));
        lines
    }

    /// The lines of a value on lines of its own.
    pub fn block_lines(&self) -> Vec<String> {
        match self {
            Value::List(items) if !items.is_empty() => {
                items.iter().flat_map(Value::item_lines).collect()
            }
            Value::Map(entries) if !entries.is_empty() => entries
                .iter()
                .flat_map(|(key, value)| value.entry_lines(key))
                .collect(),
            Value::Text(_)
            | Value::Number(_)
            | Value::Fraction(_)
            | Value::Flag(_)
            | Value::List(_)
            | Value::Map(_) => {
                vec![self.in_line(Spelling::Yaml)]
            }
        }
    }

    /// The lines of an item of a list.
    pub fn item_lines(&self) -> Vec<String> {
        let lead =
            |(i, line): (usize, &String)| format!("{}{line}", if i == 0 { "- " } else { "  " });
        self.block_lines().iter().enumerate().map(lead).collect()
    }
}

/// Text as it is written: as it is where nobody can take it for anything else, else as a JSON string, which YAML reads
/// as well.
pub(super) fn scalar(text: &str, spelling: Spelling) -> String {
    let fits =
        |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '/' | ':' | '@');
    let plain = spelling == Spelling::Yaml
        && text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.chars().all(fits)
        && !text.ends_with(':')
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        json!(text).to_string()
    }
}
