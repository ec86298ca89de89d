//! Questions about a conversation that are answered without parsing it: how it began, which names a conversation whose
//! client does not; whether a tool's result has just come in; how many have; and what a person said last.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::scan;
use crate::types::Dialect;

/// What marks a request whose prompt is to be kept in a cache.
const CACHE_MARK: &[u8] = b"cache_control";
/// How Claude Code begins what it says itself in a person's message.
const REMINDER: &str = "<system-reminder>";
/// Messages that are looked at for what a person said.
const MAX_LOOKED_BACK: usize = 200;

/// A name for the conversation, made of its system prompt and its first user message; `None` for requests that ask for
/// no prompt cache, and for those without any text there.
///
/// Only texts count: marks of the cache move from turn to turn, and pictures are large.
pub fn opening(dialect: Dialect, body: &[u8]) -> Option<String> {
    memchr::memmem::find(body, CACHE_MARK)?;
    let (members, _) = scan::members(body, scan::skip_space(body, 0)).ok()?;
    let value = |key: &[u8]| {
        let found = members
            .iter()
            .find(|it| body.get(it.key.clone()) == Some(key))?;
        body.get(found.value.clone())
    };
    let mut hasher = DefaultHasher::new();
    for key in [b"system".as_slice(), b"instructions"] {
        if let Some(system) = value(key) {
            hash_texts(system, &mut hasher);
        }
    }
    let turns = value(conversation_key(dialect))?;
    for turn in elements(turns) {
        let turn: Turn<'_> = serde_json::from_slice(turns.get(turn)?).ok()?;
        let texts = turn
            .content
            .map_or(0, |it| hash_texts(it.get().as_bytes(), &mut hasher));
        if turn.role.as_deref() == Some("user") {
            return (0 < texts).then(|| format!("opening-{:016x}", hasher.finish()));
        }
    }
    None
}

/// Whether the last message brings the result of a tool: the model is in the middle of something.
pub fn brings_tool_result(dialect: Dialect, body: &[u8]) -> bool {
    last_turn(dialect, body).is_some_and(|turn| match dialect {
        Dialect::Anthropic | Dialect::Gemini => {
            let content = turn.content.map(RawValue::get);
            let blocks: Option<Vec<Part<'_>>> =
                content.and_then(|it| serde_json::from_str(it).ok());
            let mut blocks = blocks.unwrap_or_default().into_iter();
            blocks.any(|it| it.kind.as_deref() == Some("tool_result"))
        }
        Dialect::OpenAiChat => matches!(turn.role.as_deref(), Some("tool" | "function")),
        Dialect::OpenAiResponses => turn.kind.is_some_and(|kind| kind.ends_with("_output")),
    })
}

/// How many results of tools a conversation holds.
pub fn tool_results(dialect: Dialect, body: &[u8]) -> u64 {
    // Keys as they are written: inside a text their quotes are escaped.
    let marks: &[&[u8]] = match dialect {
        Dialect::Anthropic | Dialect::Gemini => &[b"\"tool_use_id\""],
        Dialect::OpenAiChat => &[b"\"tool_call_id\""],
        Dialect::OpenAiResponses => &[b"\"function_call_output\"", b"\"custom_tool_call_output\""],
    };
    let count = |mark: &&[u8]| memchr::memmem::find_iter(body, *mark).count() as u64;
    marks.iter().map(count).sum()
}

/// How many tools a request offers.
pub fn tools(body: &[u8]) -> u64 {
    let Ok((members, _)) = scan::members(body, scan::skip_space(body, 0)) else {
        return 0;
    };
    let found = members
        .iter()
        .find(|it| body.get(it.key.clone()) == Some(b"tools"));
    let list = found.and_then(|it| body.get(it.value.clone()));
    list.map_or(0, |it| elements(it).len() as u64)
}

/// What a person said last: the texts of the last message that has any, reminders of their client's aside.
pub fn last_words(dialect: Dialect, body: &[u8]) -> Option<String> {
    let (members, _) = scan::members(body, scan::skip_space(body, 0)).ok()?;
    let key = conversation_key(dialect);
    let found = members
        .iter()
        .find(|it| body.get(it.key.clone()) == Some(key))?;
    let turns = body.get(found.value.clone())?;
    if let Ok(text) = serde_json::from_slice::<String>(turns) {
        return Some(text);
    }
    let of_user = |at: Range<usize>| -> Option<String> {
        let turn: Turn<'_> = serde_json::from_slice(turns.get(at)?).ok()?;
        let text = texts(
            turn.content
                .filter(|_| turn.role.as_deref() == Some("user"))?,
        );
        (!text.is_empty()).then_some(text)
    };
    let mut last = elements(turns).into_iter().rev().take(MAX_LOOKED_BACK);
    last.find_map(of_user)
}

/// The texts of a content, be it a text or a list of parts.
fn texts(content: &RawValue) -> String {
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        return text;
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
    let spoken = parts.iter().filter_map(|it| it.text.as_deref());
    let spoken: Vec<&str> = spoken.filter(|it| !it.starts_with(REMINDER)).collect();
    spoken.join("\n")
}

/// The last message, those of the system aside: clients put reminders behind everything else.
fn last_turn(dialect: Dialect, body: &[u8]) -> Option<Turn<'_>> {
    let (members, _) = scan::members(body, scan::skip_space(body, 0)).ok()?;
    let key = conversation_key(dialect);
    let found = members
        .iter()
        .find(|it| body.get(it.key.clone()) == Some(key))?;
    let turns = body.get(found.value.clone())?;
    let parsed = |at: Range<usize>| serde_json::from_slice(turns.get(at)?).ok();
    elements(turns)
        .into_iter()
        .rev()
        .filter_map(parsed)
        .find(|it: &Turn<'_>| !matches!(it.role.as_deref(), Some("system" | "developer")))
}

fn conversation_key(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::Gemini => b"messages",
        Dialect::OpenAiResponses => b"input",
    }
}

/// The elements of an array; none of anything else.
fn elements(text: &[u8]) -> Vec<Range<usize>> {
    scan::elements(text, 0).map_or_else(|_| Vec::new(), |(found, _)| found)
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

/// Hashes the texts of a content, be it a text or a list of parts, and counts them.
fn hash_texts(content: &[u8], hasher: &mut DefaultHasher) -> usize {
    if let Ok(text) = serde_json::from_slice::<Cow<'_, str>>(content) {
        text.hash(hasher);
        return 1;
    }
    let parts: Vec<Part<'_>> = serde_json::from_slice(content).unwrap_or_default();
    let texts = parts.iter().filter_map(|it| it.text.as_deref());
    texts.map(|text| text.hash(hasher)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str =
        r#""system":[{"type":"text","text":"be good","cache_control":{"type":"ephemeral"}}]"#;

    fn anthropic(system: &str, messages: &str) -> Option<String> {
        let body = format!(r#"{{"model":"m",{system},"messages":[{messages}]}}"#);
        opening(Dialect::Anthropic, body.as_bytes())
    }

    #[test]
    fn a_conversation_keeps_its_name_while_it_grows_and_its_cache_marks_move() {
        let first = r#"{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}"#;
        let later = r#"{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":"yes?"},{"role":"user","content":"go on"}"#;
        let plain = r#"{"role":"user","content":"hi"}"#;
        let name = anthropic(SYSTEM, first);
        assert!(name.is_some());
        assert_eq!(anthropic(SYSTEM, later), name);
        assert_eq!(anthropic(SYSTEM, plain), name);
        assert_ne!(anthropic(SYSTEM, r#"{"role":"user","content":"ho"}"#), name);
        assert_ne!(anthropic(&SYSTEM.replace("good", "bad"), plain), name);
    }

    #[test]
    fn without_a_cache_or_a_text_there_is_no_name() {
        let plain = r#"{"role":"user","content":"hi"}"#;
        assert_eq!(anthropic(r#""system":"be good""#, plain), None);
        let picture = r#"{"role":"user","content":[{"type":"image"}]}"#;
        assert_eq!(anthropic(SYSTEM, picture), None);
        assert_eq!(anthropic(SYSTEM, ""), None);
        for broken in ["", "{", r#"{"cache_control":1}"#, r#"["cache_control"]"#] {
            assert_eq!(opening(Dialect::Anthropic, broken.as_bytes()), None);
        }
    }

    #[test]
    fn chats_begin_with_their_system_messages() {
        let body = |system: &str| {
            format!(
                r#"{{"messages":[{{"role":"system","content":[{{"type":"text","text":"{system}","cache_control":{{}}}}]}},{{"role":"user","content":"hi"}}]}}"#
            )
        };
        let name = |system| opening(Dialect::OpenAiChat, body(system).as_bytes());
        assert!(name("a").is_some());
        assert_eq!(name("a"), name("a"));
        assert_ne!(name("a"), name("b"));
    }

    #[test]
    fn what_a_person_said_last_is_found_behind_results_and_reminders() {
        let said = r#"{"role":"user","content":[{"type":"text","text":"<system-reminder>x"},{"type":"text","text":"fix \"it\""}]}"#;
        let result = r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"\"tool_use_id\""}]}"#;
        let body = format!(
            r#"{{"tools":[{{}},{{}}],"messages":[{said},{{"role":"assistant","content":"ok"}},{result}]}}"#
        );
        let body = body.as_bytes();
        let words = last_words(Dialect::Anthropic, body);
        assert_eq!(words.as_deref(), Some("fix \"it\""));
        assert_eq!(
            (tools(body), tool_results(Dialect::Anthropic, body)),
            (2, 1)
        );
        let plain = br#"{"input":"hi"}"#;
        assert_eq!(
            last_words(Dialect::OpenAiResponses, plain).as_deref(),
            Some("hi")
        );
        assert_eq!(
            (tools(plain), tool_results(Dialect::OpenAiResponses, plain)),
            (0, 0)
        );
        assert_eq!(last_words(Dialect::Anthropic, br#"{"messages":[]}"#), None);
    }

    #[test]
    fn results_of_tools_are_seen_in_every_dialect() {
        let result = r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"},{"type":"text","text":"<reminder>"}]}"#;
        let text = r#"{"role":"user","content":[{"type":"text","text":"type: tool_result"}]}"#;
        let reminder = r#"{"role":"system","content":"keep going"}"#;
        let tool = r#"{"role":"tool","tool_call_id":"t","content":"ok"}"#;
        let user = r#"{"role":"user","content":"hi"}"#;
        let output = r#"{"type":"function_call_output","call_id":"t","output":"ok"}"#;
        let custom = r#"{"type":"custom_tool_call_output","call_id":"t","output":"ok"}"#;
        let message = r#"{"type":"message","role":"user","content":"hi"}"#;
        for (dialect, turns, is_result) in [
            (Dialect::Anthropic, vec![user, result], true),
            (Dialect::Anthropic, vec![user, result, reminder], true),
            (Dialect::Anthropic, vec![result, text], false),
            (Dialect::Anthropic, vec![user], false),
            (Dialect::Anthropic, vec![], false),
            (Dialect::OpenAiChat, vec![user, tool], true),
            (Dialect::OpenAiChat, vec![tool, user], false),
            (Dialect::OpenAiResponses, vec![message, output], true),
            (Dialect::OpenAiResponses, vec![custom], true),
            (Dialect::OpenAiResponses, vec![output, message], false),
        ] {
            let key = std::str::from_utf8(conversation_key(dialect)).unwrap();
            let body = format!(r#"{{"model":"m","{key}":[{}]}}"#, turns.join(","));
            let seen = brings_tool_result(dialect, body.as_bytes());
            assert_eq!(seen, is_result, "{body}");
        }
        assert!(!brings_tool_result(
            Dialect::OpenAiResponses,
            br#"{"input":"hi"}"#
        ));
        assert!(!brings_tool_result(Dialect::Anthropic, b"nothing"));
    }
}
