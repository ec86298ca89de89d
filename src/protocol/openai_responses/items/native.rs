//! Tools that OpenAI's models know by type alone, spelled out as functions for everybody else, and their calls turned
//! back into items.
//!
//! Types of the vendor's Python SDK 3.52 and the guides on local shell, shell and apply patch, seen November 2026.

use serde_json::{Map, Value, json};

use crate::protocol::canonical::{NativeTool, Tool};

/// `local_shell`: one command as a list of arguments.
pub(in crate::protocol::openai_responses) fn local_shell() -> Tool {
    tool(
        "local_shell",
        "Runs a command on the user's machine and returns what it printed.",
        json!({
            "type": "object",
            "properties": {
                "command": {
                    "type": "array", "items": {"type": "string"},
                    "description": "The program and its arguments, such as [\"bash\", \"-lc\", \"ls\"]."
                },
                "working_directory": {"type": "string", "description": "Where to run it."},
                "timeout_ms": {"type": "integer", "description": "Milliseconds after which it is stopped."},
                "env": {
                    "type": "object", "additionalProperties": {"type": "string"},
                    "description": "Environment variables to set."
                },
                "user": {"type": "string", "description": "The user to run it as."}
            },
            "required": ["command"]
        }),
    )
}

/// `shell`: several commands at once.
pub(in crate::protocol::openai_responses) fn shell() -> Tool {
    tool(
        "shell",
        "Runs shell commands, which do not wait for each other, and returns what each printed and how it ended.",
        json!({
            "type": "object",
            "properties": {
                "commands": {
                    "type": "array", "items": {"type": "string"},
                    "description": "The command lines."
                },
                "timeout_ms": {"type": "integer", "description": "Milliseconds after which they are stopped."},
                "max_output_length": {"type": "integer", "description": "Characters of output to return at most."}
            },
            "required": ["commands"]
        }),
    )
}

/// `apply_patch`: one change of one file.
pub(in crate::protocol::openai_responses) fn apply_patch() -> Tool {
    tool(
        "apply_patch",
        "Creates, updates or deletes one file.",
        json!({
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                "path": {"type": "string", "description": "The file, relative to the workspace."},
                "diff": {
                    "type": "string",
                    "description": "For create_file the content with a plus sign before every line. For update_file \
                        hunks: a line of @@, optionally followed by the line of code they stand below, then lines \
                        with a space before what stays, a minus sign before what goes and a plus sign before what \
                        comes. Without line numbers and names of files."
                }
            },
            "required": ["type", "path"]
        }),
    )
}

fn tool(name: &str, description: &str, input_schema: Value) -> Tool {
    Tool {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        input_schema,
        strict: None,
        freeform: None,
        typed: None,
    }
}

/// The parameters of a function that stands for a tool with free text. Where there is a grammar, it is told: nobody
/// else will hold the model to it.
pub(in crate::protocol::openai_responses) fn freeform_schema(format: Option<&Value>) -> Value {
    let word = |key| format.and_then(|it| it.get(key)).and_then(Value::as_str);
    let description = match (word("syntax"), word("definition")) {
        (Some(syntax), Some(definition)) => format!(
            "The whole input of the tool as plain text. It must match this {syntax} grammar:\n{definition}"
        ),
        _ => "The whole input of the tool as plain text.".to_owned(),
    };
    json!({
        "type": "object",
        "properties": {"input": {"type": "string", "description": description}},
        "required": ["input"]
    })
}

/// What makes the item of a call: its type, the beginning of its id, and the field that says what to do.
pub(super) struct NativeCall {
    pub kind: &'static str,
    pub prefix: &'static str,
    pub field: &'static str,
    pub value: Value,
}

/// The item for a call with these arguments; `None` when they do not say what the item has to: the call is then
/// shown as a function call, so that the client can tell the model what was wrong.
pub(super) fn call(tool: &NativeTool, arguments: &str) -> Option<NativeCall> {
    let mut arguments: Map<String, Value> = serde_json::from_str(arguments).ok()?;
    let (kind, prefix, field, value) = match tool {
        NativeTool::LocalShell => (
            "local_shell_call",
            "lsh",
            "action",
            local_shell_action(&mut arguments)?,
        ),
        NativeTool::Shell => ("shell_call", "sh", "action", shell_action(&mut arguments)?),
        NativeTool::ApplyPatch => (
            "apply_patch_call",
            "apc",
            "operation",
            operation(&mut arguments)?,
        ),
        NativeTool::ToolSearch => (
            "tool_search_call",
            "tsc",
            "arguments",
            Value::Object(arguments),
        ),
        NativeTool::Namespaced { .. } => return None,
    };
    Some(NativeCall {
        kind,
        prefix,
        field,
        value,
    })
}

fn local_shell_action(arguments: &mut Map<String, Value>) -> Option<Value> {
    let command = match arguments.remove("command")? {
        // A command line, as models are used to.
        Value::String(line) => json!(["bash", "-lc", line]),
        command => command,
    };
    texts(&command)?;
    let env = arguments.remove("env").filter(Value::is_object);
    let mut action = Map::new();
    action.insert("type".to_owned(), json!("exec"));
    action.insert("command".to_owned(), command);
    action.insert("env".to_owned(), env.unwrap_or_else(|| json!({})));
    for key in ["timeout_ms", "user", "working_directory"] {
        if let Some(value) = arguments.remove(key).filter(|it| !it.is_null()) {
            action.insert(key.to_owned(), value);
        }
    }
    Some(Value::Object(action))
}

fn shell_action(arguments: &mut Map<String, Value>) -> Option<Value> {
    let commands = match arguments.remove("commands")? {
        Value::String(line) => json!([line]),
        commands => commands,
    };
    texts(&commands)?;
    let number = |value: Option<Value>| value.filter(Value::is_u64).unwrap_or(Value::Null);
    Some(json!({
        "commands": commands,
        "max_output_length": number(arguments.remove("max_output_length")),
        "timeout_ms": number(arguments.remove("timeout_ms"))
    }))
}

fn operation(arguments: &mut Map<String, Value>) -> Option<Value> {
    let kind = arguments.get("type")?.as_str()?;
    let path = arguments.get("path")?.as_str()?;
    match kind {
        "delete_file" => Some(json!({"type": kind, "path": path})),
        "create_file" | "update_file" => {
            let diff = arguments.get("diff")?.as_str()?;
            Some(json!({"type": kind, "path": path, "diff": diff}))
        }
        _ => None,
    }
}

/// Whether a value is a list of strings.
fn texts(value: &Value) -> Option<()> {
    let all = value.as_array()?.iter().all(Value::is_string);
    all.then_some(())
}
