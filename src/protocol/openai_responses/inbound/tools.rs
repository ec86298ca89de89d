//! Tools and the choice among them.
//!
//! Other providers know functions only, so whatever the client runs becomes one: free text a function with one string,
//! built-in tools a function with the vendor's own parameters, tools of a namespace functions with both names in one.
//! [`NativeTool`] remembers what calls have to look like. Tools whose loading is deferred are simply there.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Freeform, LossKind, Losses, NativeTool, ServerTool, Tool, ToolChoice, TranslateError,
};
use crate::protocol::openai_responses::items::native;

use super::server_tools::server_tool;
use super::wire;

/// The tools of one request, by who runs them.
#[derive(Default)]
pub(super) struct Tools {
    /// The client.
    pub client: Vec<Tool>,
    /// Calls of these are not plain function calls.
    pub native: HashMap<String, NativeTool>,
    /// The provider.
    pub server: Vec<ServerTool>,
    /// Names of the client's.
    names: HashSet<String>,
    /// Their names in the conversation, by namespace and name.
    namespaced: HashMap<(String, String), String>,
    /// While tools are read that an item brings along: their names.
    more: Option<Vec<String>>,
}

impl Tools {
    /// Reads `tools`.
    pub fn read(
        &mut self,
        raw: wire::Raw<'_>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let Some(raw) = raw else {
            return Ok(());
        };
        for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
            self.tool(raw, at.index(index), losses)?;
        }
        Ok(())
    }

    /// Reads tools that an item brings along, and tells their names. One that is there already, because it was found
    /// before, stays as it is.
    pub fn read_more(
        &mut self,
        raw: wire::Raw<'_>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<Vec<String>, TranslateError> {
        self.more = Some(Vec::new());
        let read = self.read(raw, at, losses);
        let more = self.more.take().unwrap_or_default();
        read.map(|()| more)
    }

    /// What the conversation calls the tool that an item names.
    pub fn name_of(
        &self,
        name: wire::Raw<'_>,
        namespace: wire::Raw<'_>,
        at: Path<'_>,
    ) -> Result<String, TranslateError> {
        let name = field::string(name, at.key("name"))?;
        let namespace = field::optional_string(namespace, at.key("namespace"))?;
        let Some(namespace) = namespace.filter(|it| !it.is_empty()) else {
            return Ok(name);
        };
        let key = (namespace, name);
        Ok(match self.namespaced.get(&key) {
            Some(known) => known.clone(),
            None => in_one(&key.0, &key.1),
        })
    }

    fn tool(
        &mut self,
        raw: &RawValue,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let wire: wire::Tool<'_> = field::object(raw, at)?;
        let kind = field::string(wire.kind, at.key("type"))?;
        match kind.as_str() {
            "function" | "custom" => {
                let tool = declared(&wire, &kind, at)?;
                self.add(tool, None);
            }
            "namespace" => self.namespace(&wire, at, losses)?,
            "local_shell" => self.add(native::local_shell(), Some(NativeTool::LocalShell)),
            "shell" if !runs_at_the_vendor(&wire, at)? => {
                self.add(native::shell(), Some(NativeTool::Shell));
            }
            "apply_patch" => self.add(native::apply_patch(), Some(NativeTool::ApplyPatch)),
            "tool_search" => {
                let execution = field::optional_string(wire.execution, at.key("execution"))?;
                if execution.as_deref() == Some("client") {
                    self.add(tool_search(&wire, at)?, Some(NativeTool::ToolSearch));
                } else {
                    losses.add(at.bracketed(), LossKind::ServerToolElsewhere);
                }
            }
            _ => self.server.push(server_tool(raw, &wire, kind, at, losses)?),
        }
        Ok(())
    }

    fn add(&mut self, tool: Tool, native: Option<NativeTool>) {
        let new = self.names.insert(tool.name.clone());
        if let Some(more) = &mut self.more {
            more.push(tool.name.clone());
            if !new {
                return;
            }
        }
        if let Some(native) = native {
            self.native.insert(tool.name.clone(), native);
        }
        self.client.push(tool);
    }

    fn namespace(
        &mut self,
        wire: &wire::Tool<'_>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let namespace = field::string(wire.name, at.key("name"))?;
        let description = at.key("description");
        if field::optional_string(wire.description, description)?.is_some_and(|it| !it.is_empty()) {
            losses.add(description.bracketed(), LossKind::Dropped);
        }
        let at = at.key("tools");
        for (index, raw) in field::list(field::required(wire.tools, at)?, at)?
            .into_iter()
            .enumerate()
        {
            let at = at.index(index);
            let wire: wire::Tool<'_> = field::object(raw, at)?;
            let kind = field::string(wire.kind, at.key("type"))?;
            if !matches!(kind.as_str(), "function" | "custom") {
                losses.add(at.bracketed(), LossKind::UnknownType);
                continue;
            }
            let mut tool = declared(&wire, &kind, at)?;
            let key = (namespace.clone(), tool.name.clone());
            let known = self.namespaced.get(&key).cloned();
            let named = known.unwrap_or_else(|| self.free_name(&key.0, &key.1));
            tool.name.clone_from(&named);
            let native = NativeTool::Namespaced {
                namespace: key.0.clone(),
                name: key.1.clone(),
            };
            self.namespaced.insert(key, named);
            self.add(tool, Some(native));
        }
        Ok(())
    }

    /// Both names in one that no other tool has.
    fn free_name(&self, namespace: &str, name: &str) -> String {
        let plain = in_one(namespace, name);
        let mut free = plain.clone();
        let mut number = 1u32;
        while self.names.contains(&free) {
            number = number.saturating_add(1);
            free = format!("{plain}_{number}");
        }
        free
    }

    /// Reads `tool_choice`. Tools that it does not allow are taken away.
    pub fn choice(
        &mut self,
        raw: wire::Raw<'_>,
        losses: &mut Losses,
    ) -> Result<Option<ToolChoice>, TranslateError> {
        let at = Path::root("tool_choice");
        let Some(raw) = raw else {
            return Ok(None);
        };
        if field::is_string(raw) {
            let word: String = field::read(raw, at, field::STRING)?;
            return match mode(&word) {
                Some(choice) => Ok(Some(choice)),
                None => Err(at.expected("'auto', 'none', 'required' or an object")),
            };
        }
        let wire: wire::ToolChoice<'_> = field::object(raw, at)?;
        let kind = field::string(wire.kind, at.key("type"))?;
        if kind == "allowed_tools" {
            return self.allow(&wire, at).map(Some);
        }
        let named = self.named(&kind, &wire, at)?;
        if named.is_none() {
            losses.add(at.bracketed(), LossKind::ServerToolElsewhere);
        }
        Ok(named.map(ToolChoice::Tool))
    }

    /// The name of the tool that a choice means; `None` for a tool that only the vendor knows by its type.
    fn named(
        &self,
        kind: &str,
        wire: &wire::ToolChoice<'_>,
        at: Path<'_>,
    ) -> Result<Option<String>, TranslateError> {
        Ok(match kind {
            "function" | "custom" => Some(self.name_of(wire.name, wire.namespace, at)?),
            "local_shell" | "shell" | "apply_patch" | "tool_search" => Some(kind.to_owned()),
            "code_interpreter" => Some("code_execution".to_owned()),
            _ if kind.starts_with("web_search") => Some("web_search".to_owned()),
            _ => None,
        })
    }

    fn allow(
        &mut self,
        wire: &wire::ToolChoice<'_>,
        at: Path<'_>,
    ) -> Result<ToolChoice, TranslateError> {
        let entries = at.key("tools");
        let mut allowed = HashSet::new();
        for (index, raw) in field::list(field::required(wire.tools, entries)?, entries)?
            .into_iter()
            .enumerate()
        {
            let at = entries.index(index);
            let entry: wire::ToolChoice<'_> = field::object(raw, at)?;
            let kind = field::string(entry.kind, at.key("type"))?;
            allowed.insert(self.named(&kind, &entry, at)?.unwrap_or(kind));
        }
        self.client.retain(|it| allowed.contains(&it.name));
        self.server
            .retain(|it| allowed.contains(it.name.as_ref().unwrap_or(&it.kind)));
        let at = at.key("mode");
        let word = field::string(wire.mode, at)?;
        mode(&word).ok_or_else(|| at.expected("'auto' or 'required'"))
    }
}

fn mode(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Any),
        _ => None,
    }
}

/// A namespace and a name in one: `mcp__calendar__` and `create` make `mcp__calendar__create`.
fn in_one(namespace: &str, name: &str) -> String {
    let between = if namespace.ends_with("__") { "" } else { "__" };
    format!("{namespace}{between}{name}")
}

/// A tool that the client declares: `function` or `custom`.
fn declared(wire: &wire::Tool<'_>, kind: &str, at: Path<'_>) -> Result<Tool, TranslateError> {
    let name = field::string(wire.name, at.key("name"))?;
    let description = field::optional_string(wire.description, at.key("description"))?;
    if kind == "custom" {
        let format = field::optional_object::<Map<String, Value>>(wire.format, at.key("format"))?;
        let format = format.map(Value::Object);
        return Ok(Tool {
            name,
            description,
            input_schema: native::freeform_schema(format.as_ref()),
            strict: None,
            freeform: Some(Freeform { format }),
            typed: None,
        });
    }
    Ok(Tool {
        name,
        description,
        input_schema: parameters(wire, at)?,
        strict: field::optional(wire.strict, at.key("strict"), field::BOOLEAN)?,
        freeform: None,
        typed: None,
    })
}

fn parameters(wire: &wire::Tool<'_>, at: Path<'_>) -> Result<Value, TranslateError> {
    let schema = field::optional_object(wire.parameters, at.key("parameters"))?;
    Ok(schema.map_or_else(
        || json!({"type": "object", "properties": {}}),
        Value::Object,
    ))
}

fn tool_search(wire: &wire::Tool<'_>, at: Path<'_>) -> Result<Tool, TranslateError> {
    let described = field::optional_string(wire.description, at.key("description"))?;
    Ok(Tool {
        name: "tool_search".to_owned(),
        description: described.or_else(|| Some("Searches for further tools.".to_owned())),
        input_schema: parameters(wire, at)?,
        strict: None,
        freeform: None,
        typed: None,
    })
}

/// A shell in one of the vendor's containers is not the client's.
fn runs_at_the_vendor(wire: &wire::Tool<'_>, at: Path<'_>) -> Result<bool, TranslateError> {
    let at = at.key("environment");
    let Some(environment) = field::optional_object::<wire::Typed<'_>>(wire.environment, at)? else {
        return Ok(false);
    };
    Ok(field::string(environment.kind, at.key("type"))? != "local")
}
