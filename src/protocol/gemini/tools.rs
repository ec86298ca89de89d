//! Tools and the choice among them.
//!
//! Google's own tools stand in for Anthropic's and OpenAI's server tools of the same purpose. How often they may be
//! used (`max_uses`), and where the user is, are hints and left out; a limit on addresses is a loss.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use crate::protocol::canonical::{LossKind, Losses, Request, ServerTool, Tool, ToolChoice};
use crate::protocol::openai_chat::names::shown;

use super::names::Names;
use super::profile::{BuiltIns, Profile};
use super::schema::{self, Target};
use super::wire_request as wire;
use super::wire_request::{Empty, FunctionCalling, ToolConfig};

/// The tools as they are sent.
pub(super) struct Tools<'a> {
    pub list: Vec<wire::Tool<'a>>,
    pub config: Option<ToolConfig<'a>>,
}

/// Writes the client's tools, those that Google runs in place of others, and the choice among them.
pub(super) fn tools<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> Tools<'a> {
    let functions = functions(request, profile, names, losses);
    let built_ins = built_ins(request, profile, !functions.is_empty(), losses);
    let announced =
        profile.built_ins == BuiltIns::Announced && !functions.is_empty() && !built_ins.is_empty();
    let choice = Choice {
        request,
        functions: functions.len(),
        built_ins: built_ins.len(),
        strict: profile.validated && request.tools.iter().any(|tool| tool.strict == Some(true)),
    };
    let mut calling = choice.write(names, losses);
    if announced && calling.as_ref().is_some_and(|it| it.mode == "AUTO") {
        calling = None;
    }
    parallel(request, !functions.is_empty(), losses);
    let config = ToolConfig {
        function_calling_config: calling,
        include_server_side_tool_invocations: announced.then_some(true),
    };
    let said = config.function_calling_config.is_some() || announced;
    let mut list = Vec::new();
    if !functions.is_empty() {
        list.push(wire::Tool::FunctionDeclarations(functions));
    }
    list.extend(built_ins);
    Tools {
        list,
        config: said.then_some(config),
    }
}

fn functions<'a>(
    request: &'a Request,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> Vec<wire::Function<'a>> {
    if !profile.functions {
        if !request.tools.is_empty() {
            losses.add("tools", LossKind::NotAccepted);
        }
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut functions = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        let path = format!("tools.{}", shown(&tool.name));
        if !seen.insert(tool.name.as_str()) {
            losses.add(path, LossKind::SecondOfItsName);
            continue;
        }
        functions.push(function(tool, &path, profile, names, losses));
    }
    functions
}

fn function<'a>(
    tool: &'a Tool,
    path: &str,
    profile: &Profile,
    names: &mut Names,
    losses: &mut Losses,
) -> wire::Function<'a> {
    if tool.strict == Some(true) && !profile.validated {
        losses.add(format!("{path}.strict"), LossKind::NotStrict);
    }
    let target = Target::of(profile);
    let cleaned = schema::parameters(&tool.input_schema, target);
    if cleaned.simplified {
        let path = format!("{path}.input_schema");
        losses.add(path, LossKind::SchemaSimplified);
    }
    let (old, new) = match target {
        Target::JsonSchema => (None, Some(cleaned.schema)),
        // An object without properties is refused there; a function without parameters has none.
        Target::OpenApi => (
            Some(cleaned.schema).filter(|it| it.get("properties").is_some()),
            None,
        ),
    };
    wire::Function {
        name: names.sent(&tool.name),
        description: description(tool, path, losses),
        parameters: old,
        parameters_json_schema: new,
    }
}

/// What a tool is for; a grammar that its input must follow is told in words.
fn description<'a>(tool: &'a Tool, path: &str, losses: &mut Losses) -> Option<Cow<'a, str>> {
    let description = tool.description.as_deref().filter(|text| !text.is_empty());
    let format = tool.freeform.as_ref().and_then(|it| it.format.as_ref());
    let grammar = format.and_then(|it| {
        let inner = it.get("grammar").unwrap_or(it);
        Some((inner.get("definition")?.as_str()?, inner.get("syntax")))
    });
    let Some((definition, syntax)) = grammar else {
        return description.map(Cow::Borrowed);
    };
    losses.add(format!("{path}.format"), LossKind::AsInstruction);
    let syntax = syntax.and_then(Value::as_str).unwrap_or("following");
    Some(Cow::Owned(format!(
        "{}\n\n`input` must match this {syntax} grammar:\n{definition}",
        description.unwrap_or_default()
    )))
}

fn built_ins<'a>(
    request: &Request,
    profile: &Profile,
    beside_functions: bool,
    losses: &mut Losses,
) -> Vec<wire::Tool<'a>> {
    let mut kinds = HashSet::new();
    let mut tools = Vec::new();
    for tool in &request.server_tools {
        let name = shown(tool.name.as_deref().unwrap_or(&tool.kind));
        let path = format!("tools.{name}");
        let Some(kind) = BuiltIn::of(&tool.kind).filter(|_| profile.functions) else {
            losses.add(path, LossKind::ServerToolElsewhere);
            continue;
        };
        if beside_functions && profile.built_ins == BuiltIns::Alone {
            losses.add(path, LossKind::NotAccepted);
            continue;
        }
        limits(tool, &path, losses);
        if kinds.insert(kind) {
            tools.push(match kind {
                BuiltIn::Search => wire::Tool::GoogleSearch(Empty {}),
                BuiltIn::Code => wire::Tool::CodeExecution(Empty {}),
                BuiltIn::Fetch => wire::Tool::UrlContext(Empty {}),
            });
        }
    }
    tools
}

/// A tool that Google runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum BuiltIn {
    Search,
    Code,
    Fetch,
}

impl BuiltIn {
    /// What does the work of Anthropic's or OpenAI's tool of that type.
    fn of(kind: &str) -> Option<Self> {
        let is = |name: &str| {
            kind.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if is("web_search") {
            Some(BuiltIn::Search)
        } else if is("code_execution") || is("code_interpreter") {
            Some(BuiltIn::Code)
        } else if is("web_fetch") {
            Some(BuiltIn::Fetch)
        } else {
            None
        }
    }
}

fn limits(tool: &ServerTool, path: &str, losses: &mut Losses) {
    let Ok(fields) = serde_json::from_str::<Value>(tool.raw.get()) else {
        return;
    };
    for field in ["allowed_domains", "blocked_domains", "filters"] {
        if fields.get(field).is_some_and(|it| !it.is_null()) {
            losses.add(format!("{path}.{field}"), LossKind::NoPlace);
        }
    }
}

struct Choice<'a> {
    request: &'a Request,
    functions: usize,
    built_ins: usize,
    /// Calls are to keep to their schemas.
    strict: bool,
}

impl<'a> Choice<'a> {
    fn write(&self, names: &mut Names, losses: &mut Losses) -> Option<FunctionCalling<'a>> {
        let mode = |mode| {
            Some(FunctionCalling {
                mode,
                allowed_function_names: Vec::new(),
            })
        };
        let path = "tool_choice";
        let tools = &self.request.tools;
        let wish = self.request.tool_choice.as_ref();
        if self.functions == 0 {
            if matches!(wish, Some(ToolChoice::Any | ToolChoice::Tool(_))) {
                // Whether it searches is up to Gemini.
                losses.add(
                    path,
                    if self.built_ins == 0 {
                        LossKind::NoToolsLeft
                    } else {
                        LossKind::LoweredToAuto
                    },
                );
            }
            return None;
        }
        match wish {
            None | Some(ToolChoice::Auto) if self.strict => mode("VALIDATED"),
            None => None,
            Some(ToolChoice::Auto) => mode("AUTO"),
            Some(ToolChoice::None) => mode("NONE"),
            Some(ToolChoice::Any) => mode("ANY"),
            Some(ToolChoice::Tool(name)) if tools.iter().any(|tool| tool.name == *name) => {
                Some(FunctionCalling {
                    mode: "ANY",
                    allowed_function_names: vec![names.sent(name)],
                })
            }
            Some(ToolChoice::Tool(_)) => {
                losses.add(path, LossKind::NoSuchTool);
                None
            }
        }
    }
}

/// Gemini calls as many at once as it likes.
fn parallel(request: &Request, has_functions: bool, losses: &mut Losses) {
    if request.parallel_tool_calls == Some(false) && has_functions {
        losses.add("tool_choice.disable_parallel_tool_use", LossKind::Dropped);
    }
}
