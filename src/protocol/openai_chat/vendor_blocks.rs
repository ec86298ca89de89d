//! Blocks that only Anthropic knows, as text: what a search found, what a program printed, what a compaction kept.
//!
//! These appear in the history of a conversation that moved here from an Anthropic model. Their exact shape does not
//! matter any more, what they say does; new kinds appear without notice, so known field names are collected wherever
//! they stand.

use serde_json::Value;
use serde_json::value::RawValue;

/// Levels of nesting that are looked at. The deepest known block, a fetched page, has four.
const MAX_DEPTH: usize = 8;

/// Fields whose text says something to a reader, in the order they are told.
const TEXTS: [&str; 6] = [
    "text",
    "stdout",
    "stderr",
    "error_code",
    "error_message",
    "tool_name",
];

/// Fields that hold more of the same.
const INNER: [&str; 4] = ["content", "source", "tool_references", "tool_reference"];

/// What a block says; `None` when that is nothing: a call whose result follows, a marker, a file of the vendor.
pub(crate) fn text(kind: &str, raw: &RawValue) -> Option<String> {
    if matches!(
        kind,
        "server_tool_use" | "mcp_tool_use" | "container_upload"
    ) {
        return None;
    }
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    let mut lines = Vec::new();
    collect(&value, &mut lines, 0);
    if lines.is_empty() {
        return None;
    }
    let said = lines.join("\n");
    Some(match kind {
        "compaction" | "search_result" | "tool_reference" => said,
        _ => format!("[{kind}]\n{said}"),
    })
}

fn collect(value: &Value, lines: &mut Vec<String>, depth: usize) {
    if MAX_DEPTH < depth {
        return;
    }
    match value {
        Value::String(text) => push(text, lines),
        Value::Array(entries) => {
            for entry in entries {
                collect(entry, lines, depth.saturating_add(1));
            }
        }
        Value::Object(fields) => {
            let text = |key| fields.get(key).and_then(Value::as_str);
            let address = text("url").or_else(|| text("source"));
            match (text("title"), address) {
                (Some(title), Some(address)) => push(&format!("{title}: {address}"), lines),
                (Some(one), None) | (None, Some(one)) => push(one, lines),
                (None, None) => {}
            }
            if text("type") == Some("text") {
                push(text("data").unwrap_or_default(), lines);
            }
            for key in TEXTS {
                push(text(key).unwrap_or_default(), lines);
            }
            for key in INNER {
                match fields.get(key) {
                    // Told above, as an address.
                    Some(Value::String(_)) if key == "source" => {}
                    Some(inner) => collect(inner, lines, depth.saturating_add(1)),
                    None => {}
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn push(text: &str, lines: &mut Vec<String>) {
    let text = text.trim_end_matches('\n');
    if !text.is_empty() {
        lines.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Option<String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let value: Value = serde_json::from_str(json).unwrap();
        text(value["type"].as_str().unwrap(), raw)
    }

    #[test]
    fn results_become_text() {
        let search = r#"{"type":"web_search_tool_result","tool_use_id":"s","content":[
            {"type":"web_search_result","title":"Rivers","url":"https://a.example","encrypted_content":"AAAA"},
            {"type":"web_search_result","title":"Lakes","url":"https://b.example","encrypted_content":"BBBB"}]}"#;
        assert_eq!(
            said(search).unwrap(),
            "[web_search_tool_result]\nRivers: https://a.example\nLakes: https://b.example"
        );
        let shell = r#"{"type":"bash_code_execution_tool_result","tool_use_id":"s","content":
            {"type":"bash_code_execution_result","stdout":"37170\n","stderr":"","return_code":0,"content":[]}}"#;
        assert_eq!(
            said(shell).unwrap(),
            "[bash_code_execution_tool_result]\n37170"
        );
        let page = r#"{"type":"web_fetch_tool_result","tool_use_id":"s","content":{"type":"web_fetch_result",
            "url":"https://a.example","content":{"type":"document","title":"A","source":
            {"type":"text","media_type":"text/plain","data":"the page"}}}}"#;
        assert_eq!(
            said(page).unwrap(),
            "[web_fetch_tool_result]\nhttps://a.example\nA\nthe page"
        );
        assert_eq!(
            said(r#"{"type":"compaction","content":"so far so good"}"#).unwrap(),
            "so far so good"
        );
        assert_eq!(
            said(r#"{"type":"tool_reference","tool_name":"lookup"}"#).unwrap(),
            "lookup"
        );
    }

    #[test]
    fn calls_and_markers_say_nothing() {
        assert_eq!(
            said(
                r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}}"#
            ),
            None
        );
        assert_eq!(said(r#"{"type":"fallback","from":"a","to":"b"}"#), None);
    }

    #[test]
    fn deep_nesting_ends_somewhere() {
        let deep = format!(
            r#"{{"type":"x","content":{}"end"{}}}"#,
            "[".repeat(100),
            "]".repeat(100)
        );
        assert_eq!(said(&deep), None);
        let deeper = format!(
            r#"{{"type":"x","content":{}{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let raw: &RawValue = serde_json::from_str(&deeper).unwrap();
        assert_eq!(text("x", raw), None);
    }
}
