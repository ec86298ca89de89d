//! Tools that the provider would run.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{LossKind, Losses, Problem, ServerTool, TranslateError};

use super::wire;

/// Searches and code in the shape of Anthropic's, which all targets read; the rest only OpenAI has.
pub(super) fn server_tool(
    raw: &RawValue,
    wire: &wire::Tool<'_>,
    kind: String,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<ServerTool, TranslateError> {
    let (kind, name, value) = match kind.as_str() {
        "code_interpreter" => {
            let (kind, name) = ("code_execution_20250522", "code_execution");
            (kind, name, json!({"type": kind, "name": name}))
        }
        _ if kind.starts_with("web_search") => {
            let (kind, name) = ("web_search_20250305", "web_search");
            (kind, name, web_search(wire, at, losses)?)
        }
        _ => {
            return Ok(ServerTool {
                kind,
                name: None,
                raw: raw.to_owned(),
            });
        }
    };
    Ok(ServerTool {
        kind: kind.to_owned(),
        name: Some(name.to_owned()),
        raw: to_raw_value(&value).map_err(|error| at.error(Problem::Json(error)))?,
    })
}

fn web_search(
    wire: &wire::Tool<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Value, TranslateError> {
    let mut tool = Map::new();
    tool.insert("type".to_owned(), json!("web_search_20250305"));
    tool.insert("name".to_owned(), json!("web_search"));
    let filters = at.key("filters");
    if let Some(wire) = field::optional_object::<wire::Filters<'_>>(wire.filters, filters)? {
        for (raw, key) in [
            (wire.allowed_domains, "allowed_domains"),
            (wire.blocked_domains, "blocked_domains"),
        ] {
            let domains: Option<Vec<String>> =
                field::optional(raw, filters.key(key), "a valid list of strings")?;
            if let Some(domains) = domains.filter(|it| !it.is_empty()) {
                tool.insert(key.to_owned(), json!(domains));
            }
        }
    }
    let location = at.key("user_location");
    let location: Option<Map<String, Value>> =
        field::optional_object(wire.user_location, location)?;
    if let Some(mut location) = location {
        location.retain(|_, value| !value.is_null());
        location
            .entry("type")
            .or_insert_with(|| json!("approximate"));
        tool.insert("user_location".to_owned(), Value::Object(location));
    }
    let live = at.key("external_web_access");
    if field::optional(wire.external_web_access, live, field::BOOLEAN)? == Some(false) {
        losses.add(live.bracketed(), LossKind::NoPlace);
    }
    Ok(Value::Object(tool))
}
