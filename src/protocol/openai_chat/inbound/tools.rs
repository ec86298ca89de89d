//! Tools and the choice among them: wire → canonical.

use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    CacheAt, CacheBreakpoint, Freeform, LossKind, Losses, Problem, ServerTool, Tool, ToolChoice,
    TranslateError,
};

use super::wire;

/// The tools of one request.
#[derive(Default)]
pub(super) struct Tools {
    /// Those that the client runs.
    pub client: Vec<Tool>,
    /// Those that the provider would run.
    pub server: Vec<ServerTool>,
    pub choice: Option<ToolChoice>,
    pub breakpoints: Vec<CacheBreakpoint>,
}

/// Anthropic's type of its web search.
const WEB_SEARCH: &str = "web_search_20250305";

/// Reads `tools`, `functions`, `web_search_options` and the choice among them.
pub(super) fn tools(
    wire: &wire::Request<'_>,
    losses: &mut Losses,
) -> Result<Tools, TranslateError> {
    let mut tools = Tools::default();
    if let Some(raw) = wire.tools {
        let at = Path::root("tools");
        for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
            tools.add(raw, at.index(index), losses)?;
        }
    }
    if let Some(raw) = wire.functions {
        let at = Path::root("functions");
        for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
            let tool = function(&field::object(raw, at.index(index))?, at.index(index))?;
            tools.client.push(tool);
        }
    }
    if let Some(raw) = wire.web_search_options {
        let location = location(raw, Path::root("web_search_options"))?;
        tools.search(location, Path::root("web_search_options"))?;
    }
    tools.choice = match (wire.tool_choice, wire.function_call) {
        (Some(raw), _) => Some(tools.choose(raw, Path::root("tool_choice"), losses)?),
        (None, Some(raw)) => Some(older_choice(raw, Path::root("function_call"))?),
        (None, None) => None,
    };
    Ok(tools)
}

impl Tools {
    fn add(
        &mut self,
        raw: &RawValue,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let wire: wire::Tool<'_> = field::object(raw, at)?;
        let kind = field::optional_string(wire.kind, at.key("type"))?;
        let mut control = wire.cache_control;
        let tool = match kind.as_deref() {
            None | Some("function") => {
                let (function_at, inner);
                let (wire, at) = match wire.function {
                    Some(raw) => {
                        function_at = at.key("function");
                        inner = field::object::<wire::Function<'_>>(raw, function_at)?;
                        control = control.or(inner.cache_control);
                        (inner, function_at)
                    }
                    None if wire.name.is_some() => (flat(&wire), at),
                    None => return Err(at.key("function").error(Problem::Missing)),
                };
                function(&wire, at)?
            }
            Some("custom") => custom(wire.custom, at.key("custom"))?,
            Some("web_search" | "web_search_preview") => return self.search(None, at),
            // Anthropic's own, which end with the day of their version.
            Some(kind) if is_dated(kind) => {
                self.server.push(ServerTool {
                    kind: kind.to_owned(),
                    name: field::optional_string(wire.name, at.key("name"))?,
                    raw: raw.to_owned(),
                });
                return Ok(());
            }
            Some(_) => {
                losses.add(at.bracketed(), LossKind::UnknownType);
                return Ok(());
            }
        };
        let control: Option<Map<String, Value>> =
            field::optional_object(control, at.key("cache_control"))?;
        if let Some(control) = control {
            self.breakpoints.push(CacheBreakpoint {
                at: CacheAt::Tool(self.client.len()),
                control: Value::Object(control),
            });
        }
        self.client.push(tool);
        Ok(())
    }

    /// The provider is to search the web.
    fn search(&mut self, location: Option<Value>, at: Path<'_>) -> Result<(), TranslateError> {
        let mut tool = json!({"type": WEB_SEARCH, "name": "web_search"});
        if let (Some(location), Some(tool)) = (location, tool.as_object_mut()) {
            tool.insert("user_location".to_owned(), location);
        }
        let raw = RawValue::from_string(tool.to_string());
        self.server.push(ServerTool {
            kind: WEB_SEARCH.to_owned(),
            name: Some("web_search".to_owned()),
            raw: raw.map_err(|error| at.error(Problem::Json(error)))?,
        });
        Ok(())
    }

    fn choose(
        &mut self,
        raw: &RawValue,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<ToolChoice, TranslateError> {
        if field::is_string(raw) {
            let word = field::read::<String>(raw, at, field::STRING)?;
            return by_word(&word).ok_or_else(|| at.expected(WORDS));
        }
        let wire: wire::ToolChoice<'_> = field::object(raw, at)?;
        let kind_at = at.key("type");
        match field::string(wire.kind, kind_at)?.as_str() {
            "function" => named(wire.function, wire.name, at, "function").map(ToolChoice::Tool),
            "custom" => named(wire.custom, wire.name, at, "custom").map(ToolChoice::Tool),
            "allowed_tools" => {
                let at = at.key("allowed_tools");
                let raw = field::required(wire.allowed_tools, at)?;
                self.allow(&field::object(raw, at)?, at, losses)
            }
            // Some clients put the words into an object, as Anthropic has them.
            word => by_word(word).ok_or_else(|| kind_at.expected(TYPES)),
        }
    }

    /// Keeps the allowed tools only: no other dialect can tell some from all.
    fn allow(
        &mut self,
        wire: &wire::AllowedTools<'_>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<ToolChoice, TranslateError> {
        let mode = field::string(wire.mode, at.key("mode"))?;
        let choice = match mode.as_str() {
            "auto" => ToolChoice::Auto,
            "required" => ToolChoice::Any,
            _ => return Err(at.key("mode").expected("'auto' or 'required'")),
        };
        let at = at.key("tools");
        let mut allowed = HashSet::new();
        for (index, raw) in field::list(field::required(wire.tools, at)?, at)?
            .into_iter()
            .enumerate()
        {
            let at = at.index(index);
            let tool: wire::Tool<'_> = field::object(raw, at)?;
            let name = match (tool.function, tool.custom) {
                (None, Some(raw)) => named(Some(raw), None, at, "custom")?,
                (function, _) => named(function, tool.name, at, "function")?,
            };
            if !self.client.iter().any(|known| known.name == name) {
                losses.add(at.bracketed(), LossKind::NoSuchTool);
            }
            allowed.insert(name);
        }
        self.keep(&allowed);
        Ok(choice)
    }

    fn keep(&mut self, allowed: &HashSet<String>) {
        let mut places = Vec::with_capacity(self.client.len());
        let mut next: usize = 0;
        for tool in &self.client {
            let kept = allowed.contains(&tool.name);
            places.push(kept.then_some(next));
            next = next.saturating_add(usize::from(kept));
        }
        self.client.retain(|tool| allowed.contains(&tool.name));
        self.breakpoints.retain_mut(|wish| match &mut wish.at {
            CacheAt::Tool(index) => match places.get(*index).copied().flatten() {
                Some(place) => {
                    *index = place;
                    true
                }
                None => false,
            },
            CacheAt::System(_) | CacheAt::Block { .. } => true,
        });
    }
}

const WORDS: &str = "'none', 'auto', 'required' or an object";
const TYPES: &str = "'function', 'custom' or 'allowed_tools'";

fn by_word(word: &str) -> Option<ToolChoice> {
    match word {
        "none" => Some(ToolChoice::None),
        "auto" => Some(ToolChoice::Auto),
        // The second is Mistral's.
        "required" | "any" => Some(ToolChoice::Any),
        _ => None,
    }
}

fn older_choice(raw: &RawValue, at: Path<'_>) -> Result<ToolChoice, TranslateError> {
    if !field::is_string(raw) {
        let wire: wire::Named<'_> = field::object(raw, at)?;
        return field::string(wire.name, at.key("name")).map(ToolChoice::Tool);
    }
    match field::read::<String>(raw, at, field::STRING)?.as_str() {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        _ => Err(at.expected("'none', 'auto' or an object")),
    }
}

/// A tool's name inside `key`, or beside it, as Responses has it.
fn named(
    inside: wire::Raw<'_>,
    beside: wire::Raw<'_>,
    at: Path<'_>,
    key: &'static str,
) -> Result<String, TranslateError> {
    match (inside, beside) {
        (None, Some(_)) => field::string(beside, at.key("name")),
        (inside, _) => {
            let at = at.key(key);
            let wire: wire::Named<'_> = field::object(field::required(inside, at)?, at)?;
            field::string(wire.name, at.key("name"))
        }
    }
}

/// A function whose fields stand beside its type.
fn flat<'a>(wire: &wire::Tool<'a>) -> wire::Function<'a> {
    wire::Function {
        name: wire.name,
        description: wire.description,
        parameters: wire.parameters,
        strict: wire.strict,
        cache_control: None,
    }
}

fn function(wire: &wire::Function<'_>, at: Path<'_>) -> Result<Tool, TranslateError> {
    let schema = field::optional_object(wire.parameters, at.key("parameters"))?.map_or_else(
        || json!({"type": "object", "properties": {}}),
        Value::Object,
    );
    Ok(Tool {
        name: field::string(wire.name, at.key("name"))?,
        description: field::optional_string(wire.description, at.key("description"))?,
        input_schema: schema,
        strict: field::optional(wire.strict, at.key("strict"), field::BOOLEAN)?,
        freeform: None,
        typed: None,
    })
}

fn custom(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Tool, TranslateError> {
    let wire: wire::Custom<'_> = field::object(field::required(raw, at)?, at)?;
    Ok(Tool {
        name: field::string(wire.name, at.key("name"))?,
        description: field::optional_string(wire.description, at.key("description"))?,
        input_schema: json!({
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": false
        }),
        strict: None,
        freeform: Some(Freeform {
            format: match wire.format {
                Some(raw) => Some(format(raw, at.key("format"))?),
                None => None,
            },
        }),
        typed: None,
    })
}

/// The format of free text. Here a grammar stands in an object of its own; canonical, and in Responses, its fields
/// stand beside the type.
fn format(raw: &RawValue, at: Path<'_>) -> Result<Value, TranslateError> {
    let wire: wire::CustomFormat<'_> = field::object(raw, at)?;
    let Some(grammar) = wire.grammar else {
        return field::object::<Map<String, Value>>(raw, at).map(Value::Object);
    };
    let mut format = Map::new();
    let kind = field::string(wire.kind, at.key("type"))?;
    format.insert("type".to_owned(), Value::String(kind));
    let grammar: Map<String, Value> = field::object(grammar, at.key("grammar"))?;
    format.extend(grammar);
    Ok(Value::Object(format))
}

/// Where the client is, in Anthropic's shape.
fn location(raw: &RawValue, at: Path<'_>) -> Result<Option<Value>, TranslateError> {
    let wire: wire::WebSearch<'_> = field::object(raw, at)?;
    let at = at.key("user_location");
    let Some(place) = field::optional_object::<wire::UserLocation<'_>>(wire.user_location, at)?
    else {
        return Ok(None);
    };
    let at = at.key("approximate");
    let mut told = Map::new();
    told.insert("type".to_owned(), Value::from("approximate"));
    let place: Option<Map<String, Value>> = field::optional_object(place.approximate, at)?;
    for (key, value) in place.unwrap_or_default() {
        if matches!(key.as_str(), "city" | "country" | "region" | "timezone") && value.is_string() {
            told.insert(key, value);
        }
    }
    Ok(Some(Value::Object(told)))
}

/// Whether a type ends with a day, as in `bash_20250124`.
fn is_dated(kind: &str) -> bool {
    kind.rsplit_once('_')
        .is_some_and(|(_, day)| day.len() == 8 && day.bytes().all(|it| it.is_ascii_digit()))
}
