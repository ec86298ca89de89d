//! Blocks of server tools that we made up: another provider searched the web, and an Anthropic client was shown its
//! search in this dialect. Their ids tell them apart. Anthropic never ran those searches and would refuse them, and to
//! everyone else they are what was found: titles and addresses.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What the id of such a call begins with.
pub(super) const ID_PREFIX: &str = "srvtoolu_pm1_";

/// The fields that tell.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    tool_use_id: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    content: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

/// Whether a block of that `type`, with that `id` or `tool_use_id`, is one of ours.
pub(super) fn is_own(kind: &str, id: Option<&str>, tool_use_id: Option<&str>) -> bool {
    let id = match kind {
        "server_tool_use" => id,
        kind if kind.ends_with("_tool_result") => tool_use_id,
        _ => None,
    };
    id.is_some_and(|id| id.starts_with(ID_PREFIX))
}

/// What one of ours says: the results line by line, nothing for the call. `None` is not one of ours.
pub(super) fn text(kind: &str, raw: &RawValue) -> Option<String> {
    if kind != "server_tool_use" && !kind.ends_with("_tool_result") {
        return None;
    }
    let head: Head = serde_json::from_str(raw.get()).ok()?;
    if !is_own(kind, head.id.as_deref(), head.tool_use_id.as_deref()) {
        return None;
    }
    // A search that failed has an object there, and nothing was found.
    let found = serde_json::from_str::<Results>(raw.get()).map_or(Vec::new(), |it| it.content);
    let lines: Vec<String> = found
        .into_iter()
        .filter_map(|it| match (it.title, it.url) {
            (Some(title), Some(url)) => Some(format!("{title}: {url}")),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        })
        .collect();
    if lines.is_empty() {
        return Some(String::new());
    }
    // Texts of one turn are joined as they are: what was found must not run into what was said.
    Some(format!("\n\n{}\n\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        text(value["type"].as_str().unwrap(), raw)
    }

    #[test]
    fn our_results_are_titles_and_addresses() {
        let results = r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_pm1_a","content":[
            {"type":"web_search_result","title":"Rivers","url":"https://a.example","encrypted_content":"pm1.w."},
            {"type":"web_search_result","url":"https://b.example"}]}"#;
        assert_eq!(
            said(results).as_deref(),
            Some("\n\nRivers: https://a.example\nhttps://b.example\n\n")
        );
        let call = r#"{"type":"server_tool_use","id":"srvtoolu_pm1_a","name":"web_search","input":{"query":"x"}}"#;
        assert_eq!(said(call).as_deref(), Some(""));
        let failed = r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_pm1_a",
            "content":{"type":"web_search_tool_result_error","error_code":"unavailable"}}"#;
        assert_eq!(said(failed).as_deref(), Some(""));
    }

    #[test]
    fn the_vendors_own_are_left_alone() {
        for other in [
            r#"{"type":"server_tool_use","id":"srvtoolu_01","name":"web_search","input":{}}"#,
            r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_01","content":[]}"#,
            r#"{"type":"tool_use","id":"srvtoolu_pm1_a","name":"web_search","input":{}}"#,
            r#"{"type":"text","text":"srvtoolu_pm1_"}"#,
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
