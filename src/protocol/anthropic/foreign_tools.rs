//! Tools as OpenAI's clients write them, inside a request in Anthropic's dialect. A system before this one took them so
//! (`{"type": "function", "function": {…}}` posted to `/v1/messages`), and its users have them in their scripts. No
//! provider of Anthropic's dialect takes them, so they are put into its words when the request comes in; a request
//! without any keeps every byte.
//!
//! Names, descriptions and schemas are moved as they were written, numbers and order of keys included. What is neither
//! shape, or lacks a name, stays for the provider to judge.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::scan;
use crate::protocol::splice::Splice;

/// What every tool in the other shape holds.
const MARK: &[u8] = b"\"function\"";
/// Most tools that are put into other words; no provider takes as many, and each new text needs memory of its own.
const MAX_TOOLS: usize = 4096;
/// The schema of a tool without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

#[derive(Deserialize)]
struct Tool<'a> {
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

/// In Chat Completions below `function`, in Responses in the tool itself.
#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    strict: Option<&'a RawValue>,
}

/// Finds tools and a choice among them in the other shape; `None` where there are none. The ranges are those of the
/// values of `tools` and `tool_choice`.
pub(super) fn translated(
    body: &Bytes,
    tools: Option<&Range<usize>>,
    choice: Option<&Range<usize>>,
) -> Option<Bytes> {
    let text = |range: &Range<usize>| body.get(range.clone()).unwrap_or_default();
    let mut splice = Splice::default();
    if let Some(tools) = tools.filter(|it| memmem::find(text(it), MARK).is_some()) {
        let (all, _) = scan::elements(body, tools.start).ok()?;
        for tool in all.into_iter().take(MAX_TOOLS) {
            if let Some(new) = tool_of(text(&tool)) {
                splice.replace(tool, new);
            }
        }
    }
    if let Some((choice, new)) = choice.and_then(|it| Some((it, choice_of(text(it))?))) {
        splice.replace(choice.clone(), new);
    }
    (!splice.is_empty()).then(|| splice.apply(body))
}

fn tool_of(tool: &[u8]) -> Option<String> {
    let Tool {
        r#type,
        function,
        input_schema,
        cache_control,
    } = serde_json::from_slice(tool).ok()?;
    if r#type.as_deref() != Some("function") || input_schema.is_some() {
        return None;
    }
    let Function {
        name,
        description,
        parameters,
        strict,
    } = match function {
        Some(function) => serde_json::from_str(function.get()).ok()?,
        None => serde_json::from_slice(tool).ok()?,
    };
    let is_something = |it: &&RawValue| it.get() != "null";
    let schema = parameters.filter(is_something).map(RawValue::get);
    let fields = [
        ("name", Some(name.get())),
        (
            "description",
            description.filter(is_something).map(RawValue::get),
        ),
        ("input_schema", Some(schema.unwrap_or(NO_ARGUMENTS))),
        ("strict", strict.filter(is_something).map(RawValue::get)),
        ("cache_control", cache_control.map(RawValue::get)),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(key, value)| Some(format!("\"{key}\":{}", value?)));
    Some(format!("{{{}}}", fields.collect::<Vec<String>>().join(",")))
}

fn choice_of(choice: &[u8]) -> Option<String> {
    let kind = match choice {
        b"\"auto\"" => "auto",
        b"\"required\"" => "any",
        b"\"none\"" => "none",
        other if memmem::find(other, MARK).is_some() => {
            let choice: Tool<'_> = serde_json::from_slice(other).ok()?;
            if choice.r#type.as_deref() != Some("function") {
                return None;
            }
            let named: Function<'_> = match choice.function {
                Some(function) => serde_json::from_str(function.get()).ok()?,
                None => serde_json::from_slice(other).ok()?,
            };
            return Some(format!(r#"{{"type":"tool","name":{}}}"#, named.name.get()));
        }
        _ => return None,
    };
    Some(format!(r#"{{"type":"{kind}"}}"#))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::anthropic::RequestHead;
    use crate::types::Dialect;

    fn with(tools: &str, choice: &str) -> String {
        format!(r#"{{"model":"m","tools":{tools},"x":1.50,"tool_choice":{choice},"messages":[]}}"#)
    }

    fn after(body: &str) -> Option<String> {
        let body = Bytes::from(body.to_owned());
        let head = RequestHead::read(Dialect::Anthropic, &body).unwrap();
        let new = head.with_own_tools(&body)?;
        Some(String::from_utf8(new.to_vec()).unwrap())
    }

    #[test]
    fn each_tool_is_put_into_our_words_and_the_rest_keeps_its_bytes() {
        let schema = r#"{"type":"object", "properties":{"b":{"maximum":1e400},"a":{}}}"#;
        let own = format!(r#"{{"name":"own","input_schema":{schema}}}"#);
        let function = r#""name":"get_weather","description":"caf\u00e9""#;
        for (before, expected) in [
            (
                format!(r#"{{"type":"function","function":{{{function},"parameters":{schema}}}}}"#),
                format!(r#"{{{function},"input_schema":{schema}}}"#),
            ),
            (
                format!(r#"{{ {function},"type":"function","parameters":{schema},"strict":true}}"#),
                format!(r#"{{{function},"input_schema":{schema},"strict":true}}"#),
            ),
            (
                r#"{"type":"function","function":{"name":"now","parameters":null},"cache_control":{"type":"ephemeral"}}"#.to_owned(),
                format!(r#"{{"name":"now","input_schema":{NO_ARGUMENTS},"cache_control":{{"type":"ephemeral"}}}}"#),
            ),
            (own.clone(), own.clone()),
            // For the provider to judge.
            (r#"{"type":"function","function":{}}"#.to_owned(), r#"{"type":"function","function":{}}"#.to_owned()),
            (
                format!(r#"{{"type":"function","name":"x","input_schema":{schema}}}"#),
                format!(r#"{{"type":"function","name":"x","input_schema":{schema}}}"#),
            ),
        ] {
            let body = with(&format!("[ {own} , {before}]"), "null");
            let expected = with(&format!("[ {own} , {expected}]"), "null");
            assert_eq!(after(&body).unwrap_or(body), expected);
        }
    }

    #[test]
    fn a_choice_among_them_is_put_into_our_words() {
        for (before, expected) in [
            (r#""auto""#, Some(json!({"type": "auto"}))),
            (r#""required""#, Some(json!({"type": "any"}))),
            (r#""none""#, Some(json!({"type": "none"}))),
            (
                r#"{"type":"function","function":{"name":"a"}}"#,
                Some(json!({"type": "tool", "name": "a"})),
            ),
            (
                r#"{"type":"function","name":"a"}"#,
                Some(json!({"type": "tool", "name": "a"})),
            ),
            (r#"{"type":"tool","name":"function"}"#, None),
            (r#"{"type":"auto"}"#, None),
            (r#""perhaps""#, None),
            ("null", None),
        ] {
            let new = after(&with("[]", before));
            let choice = new.map(|it| {
                let it: Value = serde_json::from_str(&it).unwrap();
                it["tool_choice"].clone()
            });
            assert_eq!(choice, expected, "{before}");
        }
    }

    #[test]
    fn what_merely_speaks_of_functions_stays() {
        let own = r#"[{"name":"a","description":"a \"function\"","input_schema":{"properties":{"function":{}}}}]"#;
        assert_eq!(after(&with(own, "null")), None);
        assert_eq!(after(&with("{}", "null")), None);
        assert_eq!(after(&with("[1,\"function\"]", "null")), None);
        let chat =
            r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a"}}]}"#;
        let body = Bytes::from_static(chat.as_bytes());
        let head = RequestHead::read(Dialect::OpenAiChat, &body).unwrap();
        assert_eq!(head.with_own_tools(&body), None, "another dialect");
    }

    proptest! {
        /// What comes out is what went in, in other words, and reads as tools of ours.
        #[test]
        fn names_and_schemas_survive(name in "\\PC{1,20}", about in "\\PC{0,20}", keys in proptest::collection::vec("\\PC{1,8}", 0..4)) {
            let properties: Value = keys.iter().map(|key| (key.clone(), json!({"type": "string"}))).collect::<serde_json::Map<_, _>>().into();
            let schema = json!({"type": "object", "properties": properties});
            let tool = json!({"type": "function", "function": {"name": name, "description": about, "parameters": schema}});
            let new = after(&with(&json!([tool, tool]).to_string(), "\"auto\"")).unwrap();
            let new: Value = serde_json::from_str(&new).unwrap();
            let expected = json!({"name": name, "description": about, "input_schema": schema});
            prop_assert_eq!(&new["tools"], &json!([expected, expected]));
            prop_assert_eq!(after(&new.to_string()), None);
        }
    }
}
