//! Tools and the choice among them.

use std::collections::HashSet;

use crate::protocol::canonical::{LossKind, Losses, Request, ToolChoice};

use super::names::{Names, shown};
use super::profile::Profile;
use super::schema;
use super::wire_request as wire;

/// The client's tools. Those the provider would run are lost: no other provider runs them.
pub(crate) fn tools<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> Vec<wire::Tool<'a>> {
    for tool in &request.server_tools {
        let name = shown(tool.name.as_deref().unwrap_or(&tool.kind));
        losses.add(format!("tools.{name}"), LossKind::ServerToolElsewhere);
    }
    let mut seen = HashSet::new();
    let mut tools = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        if !seen.insert(tool.name.as_str()) {
            losses.add(
                format!("tools.{}", shown(&tool.name)),
                LossKind::SecondOfItsName,
            );
            continue;
        }
        let strict = tool.strict == Some(true)
            && profile.strict_tools
            && schema::is_strict(&tool.input_schema);
        if tool.strict == Some(true) && !strict {
            losses.add(
                format!("tools.{}.strict", shown(&tool.name)),
                LossKind::Dropped,
            );
        }
        tools.push(wire::Tool {
            kind: "function",
            function: wire::Function {
                name: names.sent(&tool.name),
                description: tool.description.as_deref().filter(|text| !text.is_empty()),
                parameters: schema::parameters(&tool.input_schema),
                strict: strict.then_some(true),
            },
        });
    }
    tools
}

/// How tools are chosen, and whether one is forced. Without tools every choice is a 400.
pub(crate) fn choice<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> (Option<wire::ToolChoice<'a>>, bool) {
    let word = |word| (Some(wire::ToolChoice::Word(word)), false);
    let path = "tool_choice";
    match &request.tool_choice {
        None => (None, false),
        Some(ToolChoice::Auto | ToolChoice::None) if request.tools.is_empty() => (None, false),
        Some(_) if request.tools.is_empty() => {
            losses.add(path, LossKind::NoToolsLeft);
            (None, false)
        }
        Some(ToolChoice::Auto) => word("auto"),
        Some(ToolChoice::None) => word("none"),
        Some(ToolChoice::Tool(name)) if !request.tools.iter().any(|tool| tool.name == *name) => {
            losses.add(path, LossKind::NoSuchTool);
            (None, false)
        }
        Some(ToolChoice::Any | ToolChoice::Tool(_)) if !profile.forced_tool_choice => {
            losses.add(path, LossKind::LoweredToAuto);
            word("auto")
        }
        Some(ToolChoice::Any) => (Some(wire::ToolChoice::Word("required")), true),
        Some(ToolChoice::Tool(name)) => {
            let choice = wire::ToolChoice::Function {
                kind: "function",
                function: wire::Named {
                    name: names.sent(name),
                },
            };
            (Some(choice), true)
        }
    }
}

/// `parallel_tool_calls`, which is sent only to forbid them.
pub(crate) fn parallel(request: &Request, profile: &Profile, losses: &mut Losses) -> Option<bool> {
    if request.parallel_tool_calls != Some(false) || request.tools.is_empty() {
        return None;
    }
    if !profile.parallel_tool_calls {
        losses.add("tool_choice.disable_parallel_tool_use", LossKind::Dropped);
        return None;
    }
    Some(false)
}
