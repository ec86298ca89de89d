//! Tools and the choice among them: wire → canonical.

use serde_json::{Value, json};

use crate::protocol::canonical::{
    CacheAt, CacheBreakpoint, LossKind, Losses, ServerTool, Tool, ToolChoice, TranslateError,
};

use super::field::{self, Path};
use super::typed_tools;
use super::wire_request as wire;

/// The tools of one request, by who runs them.
#[derive(Default)]
pub(super) struct Tools {
    /// The client.
    pub client: Vec<Tool>,
    /// The provider.
    pub server: Vec<ServerTool>,
}

/// Reads `tools`. An entry without a type, of type `custom`, of a known client type or with a schema of its own is run
/// by the client; whatever else there is, nameless toolsets included, only the provider knows how to run.
pub(super) fn tools(
    raw: wire::Raw<'_>,
    breakpoints: &mut Vec<CacheBreakpoint>,
    losses: &mut Losses,
) -> Result<Tools, TranslateError> {
    let at = Path::root("tools");
    let mut tools = Tools::default();
    let Some(raw) = raw else {
        return Ok(tools);
    };
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Tool<'_> = field::object(raw, at)?;
        let kind = field::optional_string(wire.kind, at.key("type"))?;
        let Some(tool) = client_tool(&wire, kind.as_deref(), at)? else {
            tools.server.push(ServerTool {
                kind: kind.unwrap_or_default(),
                name: field::optional_string(wire.name, at.key("name"))?,
                raw: raw.to_owned(),
            });
            continue;
        };
        if wire.input_examples.is_some() {
            losses.add(at.key("input_examples").bracketed(), LossKind::Dropped);
        }
        if let Some(control) = wire.cache_control {
            breakpoints.push(CacheBreakpoint {
                at: CacheAt::Tool(tools.client.len()),
                control: field::object(control, at.key("cache_control"))?,
            });
        }
        tools.client.push(tool);
    }
    Ok(tools)
}

/// `None` is a tool of the provider.
fn client_tool(
    wire: &wire::Tool<'_>,
    kind: Option<&str>,
    at: Path<'_>,
) -> Result<Option<Tool>, TranslateError> {
    let display = display(wire, at)?;
    if let Some(known) = kind.and_then(|kind| typed_tools::find(kind, display)) {
        return Ok(Some(Tool {
            name: field::optional_string(wire.name, at.key("name"))?
                .unwrap_or_else(|| known.name.to_owned()),
            description: Some(known.description),
            input_schema: known.schema,
            strict: None,
            freeform: None,
            typed: kind.map(str::to_owned),
        }));
    }
    let ordinary = matches!(kind, None | Some("custom"));
    if !ordinary && wire.input_schema.is_none() {
        return Ok(None);
    }
    let schema = field::optional_object(wire.input_schema, at.key("input_schema"))?.map_or_else(
        || json!({"type": "object", "properties": {}}),
        Value::Object,
    );
    Ok(Some(Tool {
        name: field::string(wire.name, at.key("name"))?,
        description: field::optional_string(wire.description, at.key("description"))?,
        input_schema: schema,
        strict: field::optional(wire.strict, at.key("strict"), field::BOOLEAN)?,
        freeform: None,
        typed: None,
    }))
}

fn display(wire: &wire::Tool<'_>, at: Path<'_>) -> Result<Option<(u64, u64)>, TranslateError> {
    let pixels = |raw, key| field::optional(raw, at.key(key), field::COUNT);
    let width = pixels(wire.display_width_px, "display_width_px")?;
    let height = pixels(wire.display_height_px, "display_height_px")?;
    Ok(width.zip(height))
}

/// Reads `tool_choice`: how tools are chosen, and whether more than one call a turn is welcome.
pub(super) fn choice(
    raw: wire::Raw<'_>,
) -> Result<(Option<ToolChoice>, Option<bool>), TranslateError> {
    let at = Path::root("tool_choice");
    let Some(wire) = field::optional_object::<wire::ToolChoice<'_>>(raw, at)? else {
        return Ok((None, None));
    };
    let choice = match field::string(wire.kind, at.key("type"))?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "tool" => ToolChoice::Tool(field::string(wire.name, at.key("name"))?),
        "none" => ToolChoice::None,
        _ => {
            return Err(at.key("type").expected("'auto', 'any', 'tool' or 'none'"));
        }
    };
    let disabled: Option<bool> = field::optional(
        wire.disable_parallel_tool_use,
        at.key("disable_parallel_tool_use"),
        field::BOOLEAN,
    )?;
    Ok((Some(choice), disabled.map(|disabled| !disabled)))
}
