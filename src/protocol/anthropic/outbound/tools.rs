//! Tools and the choice among them.

use std::collections::HashSet;

use serde_json::json;

use crate::protocol::anthropic::profile::Profile;
use crate::protocol::canonical::{
    Block, LossKind, Losses, Request, Role, ServerTool, Tool, ToolChoice,
};

use super::cache::Marks;
use super::names::{Names, shown};
use super::schema::{self, Room};
use super::wire;

/// What the provider runs itself, or its models know by type alone, by the beginning of its type, and the beta that it
/// needs.
const SERVER_TOOLS: [(&str, Option<&str>); 12] = [
    ("web_search_", None),
    ("web_fetch_", None),
    ("code_execution_", None),
    ("tool_search_tool_", None),
    ("memory_", None),
    ("bash_", None),
    ("text_editor_", None),
    ("computer_20241022", Some("computer-use-2024-10-22")),
    ("computer_20250124", Some("computer-use-2025-01-24")),
    ("computer_20251124", Some("computer-use-2025-11-24")),
    ("advisor_", Some("advisor-tool-2026-03-01")),
    ("mcp_toolset", Some("mcp-client-2025-11-20")),
];

/// The tools as they are sent.
#[derive(Default)]
pub(super) struct Written<'a> {
    /// All of them.
    pub tools: Vec<wire::Tool<'a>>,
    /// Betas that they need.
    pub betas: Vec<&'static str>,
    /// They only explain the calls of earlier turns, and none may be called.
    pub only_told: bool,
}

/// The client's tools, and those the provider runs.
pub(super) fn tools<'a>(
    request: &'a Request,
    profile: &Profile,
    marks: &Marks<'a>,
    room: &mut Room,
    names: &mut Names,
    losses: &mut Losses,
) -> Written<'a> {
    let mut written = Written::default();
    let mut seen = HashSet::new();
    for (index, tool) in request.tools.iter().enumerate() {
        if !seen.insert(tool.name.as_str()) {
            let path = format!("tools.{}", shown(&tool.name));
            losses.add(path, LossKind::SecondOfItsName);
            continue;
        }
        let mut function = function(tool, profile, room, names, losses);
        function.cache_control = marks.tool(index);
        written.tools.push(wire::Tool::Client(function));
    }
    for tool in &request.server_tools {
        let name = tool.name.as_deref().unwrap_or(&tool.kind);
        match server_tool(tool) {
            Some(_) if !seen.insert(name) => {
                losses.add(format!("tools.{}", shown(name)), LossKind::SecondOfItsName);
            }
            Some((_, beta)) => {
                written.tools.push(wire::Tool::Server(&tool.raw));
                written.betas.extend(beta);
            }
            None => losses.add(
                format!("tools.{}", shown(name)),
                LossKind::ServerToolElsewhere,
            ),
        }
    }
    if written.tools.is_empty() {
        written.tools = told(request, names);
        written.only_told = !written.tools.is_empty();
    }
    written
}

/// The row of the table; `None` is not run by this provider.
fn server_tool(tool: &ServerTool) -> Option<(&'static str, Option<&'static str>)> {
    SERVER_TOOLS
        .into_iter()
        .find(|(kind, _)| tool.kind.starts_with(kind))
}

fn function<'a>(
    tool: &'a Tool,
    profile: &Profile,
    room: &mut Room,
    names: &mut Names,
    losses: &mut Losses,
) -> wire::Function<'a> {
    let (mut input_schema, lost) = schema::input(&tool.input_schema);
    if lost {
        let path = format!("tools.{}.input_schema", shown(&tool.name));
        losses.add(path, LossKind::SchemaSimplified);
    }
    let mut strict = None;
    if tool.strict == Some(true) && tool.freeform.is_none() {
        match room.tool(&input_schema).filter(|_| profile.structured) {
            Some(closed) => {
                strict = Some(true);
                if closed != *input_schema {
                    input_schema = std::borrow::Cow::Owned(closed);
                }
            }
            None => losses.add(format!("tools.{}", shown(&tool.name)), LossKind::NotStrict),
        }
    }
    wire::Function {
        name: names.sent(&tool.name),
        description: tool.description.as_deref().filter(|text| !text.is_empty()),
        input_schema,
        strict,
        cache_control: None,
    }
}

/// The API refuses calls in the conversation when no tools are declared: those that were called, spelled out as far as
/// is known.
fn told<'a>(request: &'a Request, names: &mut Names) -> Vec<wire::Tool<'a>> {
    let turns = request.messages.iter();
    let blocks = turns
        .filter(|turn| turn.role == Role::Assistant)
        .flat_map(|turn| &turn.blocks);
    let mut seen = HashSet::new();
    blocks
        .filter_map(|block| match block {
            Block::ToolUse(call) if seen.insert(call.name.as_str()) => Some(&call.name),
            _ => None,
        })
        .map(|name| {
            wire::Tool::Client(wire::Function {
                name: names.sent(name),
                description: None,
                input_schema: std::borrow::Cow::Owned(json!({"type": "object", "properties": {}})),
                strict: None,
                cache_control: None,
            })
        })
        .collect()
}

/// How tools are chosen, and whether one is forced.
pub(super) fn choice<'a>(
    request: &'a Request,
    profile: &Profile,
    written: &Written<'_>,
    names: &mut Names,
    losses: &mut Losses,
) -> (Option<wire::ToolChoice<'a>>, bool) {
    let path = "tool_choice";
    let of = |kind, name| wire::ToolChoice {
        kind,
        name,
        disable_parallel_tool_use: request.parallel_tool_calls == Some(false) && kind != "none",
    };
    let declared = !written.tools.is_empty() && !written.only_told;
    let choice = match &request.tool_choice {
        Some(ToolChoice::Any | ToolChoice::Tool(_)) if !declared => {
            losses.add(path, LossKind::NoToolsLeft);
            None
        }
        Some(ToolChoice::Tool(name)) if !is_declared(request, name) => {
            losses.add(path, LossKind::NoSuchTool);
            None
        }
        Some(ToolChoice::Any | ToolChoice::Tool(_)) if !profile.forced_tools => {
            losses.add(path, LossKind::LoweredToAuto);
            Some(of("auto", None))
        }
        Some(ToolChoice::Any) => Some(of("any", None)),
        Some(ToolChoice::Tool(name)) => Some(of("tool", Some(names.sent(name)))),
        Some(ToolChoice::Auto) => Some(of("auto", None)),
        Some(ToolChoice::None) => Some(of("none", None)),
        None => None,
    };
    if written.only_told {
        return (Some(of("none", None)), false);
    }
    if !declared {
        return (None, false);
    }
    // What forbids parallel calls needs a choice to stand in.
    let parallel = request.parallel_tool_calls != Some(false);
    let choice = choice.or_else(|| (!parallel).then(|| of("auto", None)));
    let forced = choice
        .as_ref()
        .is_some_and(|it| matches!(it.kind, "any" | "tool"));
    (choice, forced)
}

fn is_declared(request: &Request, name: &str) -> bool {
    let client = request.tools.iter().map(|tool| tool.name.as_str());
    let server = request
        .server_tools
        .iter()
        .filter(|tool| server_tool(tool).is_some())
        .filter_map(|tool| tool.name.as_deref());
    client.chain(server).any(|it| it == name)
}
