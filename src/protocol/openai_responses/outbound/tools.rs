//! Tools, those the provider runs included, and the choice among them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::protocol::canonical::{LossKind, Losses, Request, ServerTool, Tool, ToolChoice};
use crate::protocol::openai_chat::names::{Names, shown};
use crate::protocol::openai_chat::schema;
use crate::protocol::openai_responses::Profile;
use crate::protocol::openai_responses::profile::WebSearch;
use crate::protocol::openai_responses::wire_request as wire;

/// The tools of one request.
#[derive(Default)]
pub(super) struct Tools<'a> {
    /// As they are sent.
    pub list: Vec<wire::Tool<'a>>,
    /// The provider's own among them: Anthropic's name, and the type here.
    pub hosted: Vec<(String, &'static str)>,
    /// What has to be asked for to see what they did.
    pub include: Vec<&'static str>,
    /// How often the provider's tools may be called.
    pub max_calls: Option<u64>,
}

/// Writes the client's tools and those of the provider that have a counterpart.
pub(super) fn tools<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> Tools<'a> {
    let mut tools = Tools::default();
    for tool in &request.server_tools {
        hosted(tool, profile, &mut tools, losses);
    }
    let mut seen = HashSet::new();
    for tool in &request.tools {
        if !seen.insert(tool.name.as_str()) {
            losses.add(
                format!("tools.{}", shown(&tool.name)),
                LossKind::SecondOfItsName,
            );
            continue;
        }
        tools.list.push(own(tool, profile, names, losses));
    }
    tools
}

fn own<'a>(
    tool: &'a Tool,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> wire::Tool<'a> {
    let name = names.sent(&tool.name);
    let description = tool.description.as_deref().filter(|text| !text.is_empty());
    if let Some(freeform) = tool.freeform.as_ref().filter(|_| profile.custom_tools) {
        return wire::Tool::Custom {
            name,
            description,
            format: freeform.format.as_ref(),
        };
    }
    let wanted = tool.strict == Some(true);
    let strict = wanted && profile.base.strict_tools && schema::is_strict(&tool.input_schema);
    if wanted && !strict {
        let path = format!("tools.{}.strict", shown(&tool.name));
        losses.add(path, LossKind::Dropped);
    }
    wire::Tool::Function {
        name,
        description,
        parameters: schema::parameters(&tool.input_schema),
        strict,
    }
}

/// One of Anthropic's tools that the provider has too.
fn hosted(tool: &ServerTool, profile: &Profile, tools: &mut Tools<'_>, losses: &mut Losses) {
    let name = tool.name.as_deref().unwrap_or(&tool.kind);
    let path = format!("tools.{}", shown(name));
    let known = |kind: &str| tools.hosted.iter().any(|(_, it)| *it == kind);
    let kind = if tool.kind.starts_with("web_search") {
        match profile.web_search {
            WebSearch::Nowhere => None,
            WebSearch::Current => Some("web_search"),
            WebSearch::Preview => Some("web_search_preview"),
        }
    } else if tool.kind.starts_with("code_execution") && profile.code_interpreter {
        Some("code_interpreter")
    } else {
        None
    };
    let Some(kind) = kind else {
        losses.add(path, LossKind::ServerToolElsewhere);
        return;
    };
    if known(kind) {
        losses.add(path, LossKind::SecondOfItsName);
        return;
    }
    tools.hosted.push((name.to_owned(), kind));
    if kind == "code_interpreter" {
        tools.list.push(wire::Tool::CodeInterpreter {
            container: wire::Container { kind: "auto" },
        });
        if profile.hosted_details {
            tools.include.push("code_interpreter_call.outputs");
        }
        return;
    }
    let fields: Map<String, Value> = serde_json::from_str(tool.raw.get()).unwrap_or_default();
    if profile.hosted_details {
        tools.include.push("web_search_call.action.sources");
        // Sent only where it is the one hosted tool: the limit counts all of them together.
        tools.max_calls = fields.get("max_uses").and_then(Value::as_u64);
    }
    let search = search(&fields, profile, &path, losses);
    tools.list.push(match profile.web_search {
        WebSearch::Preview => wire::Tool::WebSearchPreview(search),
        WebSearch::Current | WebSearch::Nowhere => wire::Tool::WebSearch(search),
    });
}

fn search(
    fields: &Map<String, Value>,
    profile: &Profile,
    path: &str,
    losses: &mut Losses,
) -> wire::Search {
    let domains = |key| {
        let list = fields.get(key).and_then(Value::as_array)?;
        let list: Vec<String> = list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        (!list.is_empty()).then_some(list)
    };
    if domains("blocked_domains").is_some() {
        losses.add(format!("{path}.blocked_domains"), LossKind::NoPlace);
    }
    let allowed = domains("allowed_domains");
    let filters = match profile.web_search {
        WebSearch::Preview | WebSearch::Nowhere => {
            if allowed.is_some() {
                losses.add(format!("{path}.allowed_domains"), LossKind::NoPlace);
            }
            None
        }
        WebSearch::Current => allowed.map(|allowed_domains| wire::Filters { allowed_domains }),
    };
    wire::Search {
        filters,
        // The same fields in both dialects.
        user_location: fields
            .get("user_location")
            .filter(|it| it.is_object())
            .cloned(),
    }
}

/// How tools are chosen, and whether one is forced. Without tools every choice is a 400.
pub(super) fn choice<'a>(
    request: &'a Request,
    profile: &Profile,
    tools: &Tools<'a>,
    names: &mut Names,
    losses: &mut Losses,
) -> (Option<wire::ToolChoice<'a>>, bool) {
    let path = "tool_choice";
    let word = |word| (Some(wire::ToolChoice::Word(word)), false);
    match &request.tool_choice {
        None => (None, false),
        Some(ToolChoice::Auto | ToolChoice::None) if tools.list.is_empty() => (None, false),
        Some(_) if tools.list.is_empty() => {
            losses.add(path, LossKind::NoToolsLeft);
            (None, false)
        }
        Some(ToolChoice::Auto) => word("auto"),
        Some(ToolChoice::None) => word("none"),
        Some(ToolChoice::Any | ToolChoice::Tool(_)) if !profile.base.forced_tool_choice => {
            losses.add(path, LossKind::LoweredToAuto);
            word("auto")
        }
        Some(ToolChoice::Any) => (Some(wire::ToolChoice::Word("required")), true),
        Some(ToolChoice::Tool(name)) => {
            let choice = named(request, profile, tools, names, name);
            if choice.is_none() {
                losses.add(path, LossKind::NoSuchTool);
            }
            let forced = choice.is_some();
            (choice, forced)
        }
    }
}

fn named<'a>(
    request: &'a Request,
    profile: &Profile,
    tools: &Tools<'a>,
    names: &mut Names,
    name: &'a str,
) -> Option<wire::ToolChoice<'a>> {
    if let Some(tool) = request.tools.iter().find(|tool| tool.name == name) {
        let custom = tool.freeform.is_some() && profile.custom_tools;
        return Some(wire::ToolChoice::Named {
            kind: if custom { "custom" } else { "function" },
            name: names.sent(name),
        });
    }
    let (_, kind) = tools.hosted.iter().find(|(hosted, _)| hosted == name)?;
    if tools.list.len() == 1 {
        return Some(wire::ToolChoice::Word("required"));
    }
    Some(wire::ToolChoice::Allowed {
        kind: "allowed_tools",
        mode: "required",
        tools: [wire::Hosted { kind }],
    })
}
