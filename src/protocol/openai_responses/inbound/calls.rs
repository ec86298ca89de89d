//! Calls of tools and their outputs. Whatever kind of item a call is, in the conversation it is a call of the function
//! that [`tools`](super::tools) declares for it.
//!
//! What tools of the vendor did is told in words where its outcome stands in the item, and left out where the model's own
//! text tells of it: searches, pictures, lists of tools, approvals.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::anthropic::tool_input;
use crate::protocol::canonical::{
    Block, LossKind, Losses, Problem, Role, ToolResult, ToolResultPart, ToolUse, TranslateError,
};

use super::items::Conversation;
use super::tools::Tools;
use super::{parts, wire};

/// Ids of calls by the ids of their items: `local_shell_call_output` of the vendor's SDK names the latter.
pub(super) type ByItem = HashMap<String, String>;

/// Reads an item that is a call, an output or unknown.
pub(super) fn item(
    to: &mut Conversation,
    kind: &str,
    wire: &wire::Item<'_>,
    at: Path<'_>,
    (tools, losses): (&mut Tools, &mut Losses),
) -> Result<(), TranslateError> {
    match kind {
        "function_call" | "custom_tool_call" | "local_shell_call" | "shell_call"
        | "apply_patch_call" => {
            let call = call(to, kind, wire, at, (tools, losses))?;
            to.say(Role::Assistant, vec![Block::ToolUse(call)]);
        }
        // Without the id of a call the provider searched for itself.
        "tool_search_call" if wire.call_id.is_some() => {
            let call = call(to, kind, wire, at, (tools, losses))?;
            to.say(Role::Assistant, vec![Block::ToolUse(call)]);
        }
        "function_call_output"
        | "custom_tool_call_output"
        | "local_shell_call_output"
        | "shell_call_output"
        | "apply_patch_call_output" => {
            let result = output(to, kind, wire, at, losses)?;
            to.result(result);
        }
        "tool_search_output" => found_tools(to, wire, at, (tools, losses))?,
        "mcp_call" | "code_interpreter_call" => {
            losses.add(at.bracketed(), LossKind::AsText);
            let text = vendor_call(kind, wire, at)?;
            to.say(Role::Assistant, vec![Block::Text(text)]);
        }
        "tool_search_call"
        | "web_search_call"
        | "file_search_call"
        | "computer_call"
        | "computer_call_output"
        | "image_generation_call"
        | "mcp_list_tools"
        | "mcp_approval_request"
        | "mcp_approval_response"
        | "program"
        | "program_output"
        | "configuration_update" => losses.add(at.bracketed(), LossKind::Dropped),
        _ => losses.add(at.bracketed(), LossKind::UnknownType),
    }
    Ok(())
}

fn call(
    to: &mut Conversation,
    kind: &str,
    wire: &wire::Item<'_>,
    at: Path<'_>,
    (tools, losses): (&Tools, &mut Losses),
) -> Result<ToolUse, TranslateError> {
    let id = call_id(wire, at)?;
    if let Some(item) = field::optional_string(wire.id, at.key("id"))? {
        to.calls_by_item.insert(item, id.clone());
    }
    let (name, input) = match kind {
        "custom_tool_call" => {
            let text = field::string(wire.input, at.key("input"))?;
            (
                tools.name_of(wire.name, wire.namespace, at)?,
                freeform(&text),
            )
        }
        "local_shell_call" => (
            "local_shell".to_owned(),
            action(wire.action, at.key("action"))?,
        ),
        "shell_call" => ("shell".to_owned(), action(wire.action, at.key("action"))?),
        "apply_patch_call" => {
            let at = at.key("operation");
            let operation = field::required(wire.operation, at)?;
            field::object::<wire::Typed<'_>>(operation, at)?;
            ("apply_patch".to_owned(), operation.get().to_owned())
        }
        "tool_search_call" => {
            let name = "tool_search".to_owned();
            (name, arguments(wire, at, losses)?)
        }
        _ => {
            let name = tools.name_of(wire.name, wire.namespace, at)?;
            (name, arguments(wire, at, losses)?)
        }
    };
    Ok(ToolUse {
        id,
        name,
        input: raw(input, at)?,
    })
}

/// Some clients leave out the `call_id` of shell calls, and mean the item's own.
fn call_id(wire: &wire::Item<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let named = field::optional_string(wire.call_id, at.key("call_id"))?;
    match (named, wire.id) {
        (Some(id), _) => Ok(id),
        (None, Some(id)) => field::read(id, at.key("id"), field::STRING),
        (None, None) => Err(at.key("call_id").error(Problem::Missing)),
    }
}

/// `arguments`: JSON text of an object. An object as it is, which `tool_search_call` has, is taken as well.
fn arguments(
    wire: &wire::Item<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<String, TranslateError> {
    let at = at.key("arguments");
    let raw = field::required(wire.arguments, at)?;
    if !field::is_string(raw) {
        return Ok(tool_input(raw.get()));
    }
    let text: String = field::read(raw, at, field::STRING)?;
    let input = tool_input(&text);
    if input.starts_with("{\"_raw\":") && input != text.trim() {
        losses.add(at.bracketed(), LossKind::Wrapped);
    }
    Ok(input)
}

/// Free text in the one string that a function for it takes.
fn freeform(text: &str) -> String {
    let mut input = b"{\"input\":".to_vec();
    push_json_string(text, &mut input);
    input.push(b'}');
    String::from_utf8(input).unwrap_or_else(|_| "{}".to_owned())
}

/// What a shell is to do, without the type, which is always the same.
fn action(raw: wire::Raw<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let mut action: Map<String, Value> = field::object(field::required(raw, at)?, at)?;
    action.retain(|key, value| key != "type" && !value.is_null());
    Ok(Value::Object(action).to_string())
}

fn raw(json: String, at: Path<'_>) -> Result<Box<RawValue>, TranslateError> {
    RawValue::from_string(json).map_err(|error| at.error(Problem::Json(error)))
}

fn output(
    to: &Conversation,
    kind: &str,
    wire: &wire::Item<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<ToolResult, TranslateError> {
    let mut tool_use_id = call_id(wire, at)?;
    if wire.call_id.is_none()
        && let Some(call) = to.calls_by_item.get(&tool_use_id)
    {
        tool_use_id.clone_from(call);
    }
    let content = match kind {
        "shell_call_output" => commands(wire.output, at.key("output"))?,
        _ => parts::output(wire.output, at.key("output"), losses)?,
    };
    // A status elsewhere tells how far an item has come, not how it went.
    let failed = kind == "apply_patch_call_output"
        && field::optional_string(wire.status, at.key("status"))?.as_deref() == Some("failed");
    Ok(ToolResult {
        tool_use_id,
        content,
        is_error: failed,
    })
}

/// What the commands of a `shell_call` printed and how they ended, one text for each.
fn commands(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Vec<ToolResultPart>, TranslateError> {
    let raw = field::required(raw, at)?;
    let mut texts = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Part<'_> = field::object(raw, at)?;
        let stdout = field::optional_string(wire.stdout, at.key("stdout"))?;
        let stderr = field::optional_string(wire.stderr, at.key("stderr"))?;
        let printed = [stdout, stderr].into_iter().flatten();
        let mut lines: Vec<String> = printed.filter(|it| !it.is_empty()).collect();
        let at = at.key("outcome");
        if let Some(outcome) = field::optional_object::<wire::Outcome<'_>>(wire.outcome, at)? {
            lines.push(match outcome.exit_code {
                Some(code) => format!("exit code: {}", code.get()),
                None => field::string(outcome.kind, at.key("type"))?,
            });
        }
        texts.push(ToolResultPart::Text(lines.join("\n")));
    }
    Ok(texts)
}

/// Tools that a search found: they can be called from here on, so they join the others; the result names them.
fn found_tools(
    to: &mut Conversation,
    wire: &wire::Item<'_>,
    at: Path<'_>,
    (tools, losses): (&mut Tools, &mut Losses),
) -> Result<(), TranslateError> {
    let found = tools.read_more(wire.tools, at.key("tools"), losses)?;
    let Some(tool_use_id) = field::optional_string(wire.call_id, at.key("call_id"))? else {
        return Ok(());
    };
    let text = if found.is_empty() {
        "No further tools were found.".to_owned()
    } else {
        format!("Found, and now there to be called: {}", found.join(", "))
    };
    to.result(ToolResult {
        tool_use_id,
        content: vec![ToolResultPart::Text(text)],
        is_error: false,
    });
    Ok(())
}

/// What a tool of the vendor was asked and gave, in words.
fn vendor_call(kind: &str, wire: &wire::Item<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let text = |raw, key| field::optional_string(raw, at.key(key)).map(Option::unwrap_or_default);
    if kind == "code_interpreter_call" {
        let code = text(wire.code, "code")?;
        let printed = printed(wire.outputs, at.key("outputs"))?;
        let heading = if printed.is_empty() {
            ""
        } else {
            "\nIt printed:\n"
        };
        return Ok(format!("Code that was run:\n{code}{heading}{printed}"));
    }
    let name = text(wire.name, "name")?;
    let arguments = text(wire.arguments, "arguments")?;
    let (outcome, what) = match wire.error {
        Some(error) if field::is_string(error) => ("failed", text(Some(error), "error")?),
        Some(error) => ("failed", error.get().to_owned()),
        None => ("gave", text(wire.output, "output")?),
    };
    Ok(format!(
        "The tool {name} was called with {arguments} and {outcome}:\n{what}"
    ))
}

/// What code printed. Pictures among it are at an address of the vendor's that soon ends.
fn printed(raw: wire::Raw<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let Some(raw) = raw else {
        return Ok(String::new());
    };
    let mut logs = Vec::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Part<'_> = field::object(raw, at)?;
        logs.extend(field::optional_string(wire.logs, at.key("logs"))?);
    }
    Ok(logs.join("\n"))
}
