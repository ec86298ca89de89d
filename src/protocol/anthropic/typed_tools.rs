//! The client tools that Anthropic's models know by type alone. Other vendors' models have to be told what they are,
//! so each is spelled out as a function with the parameters that the vendor documents.
//!
//! Reference: <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview> and the pages below it, seen
//! November 2026.

use serde_json::{Map, Value, json};

/// A typed tool spelled out.
pub(super) struct TypedTool {
    /// The name it has when the client gives none.
    pub name: &'static str,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// Spells out a type such as `bash_20250124`; `None` is not a client tool. `display` is the screen in pixels, width
/// first, that a `computer_*` entry declares.
pub(super) fn find(kind: &str, display: Option<(u64, u64)>) -> Option<TypedTool> {
    let (family, version) = kind.rsplit_once('_')?;
    let version: u32 = version.parse().ok()?;
    match family {
        "bash" => Some(bash()),
        "text_editor" => Some(text_editor(version)),
        "computer" => Some(computer(version, display)),
        "memory" => Some(memory()),
        _ => None,
    }
}

fn bash() -> TypedTool {
    TypedTool {
        name: "bash",
        description: "Runs a command in a bash session that persists between calls.".to_owned(),
        schema: json!({
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The command to run. Required unless restart is set."},
                "restart": {"type": "boolean", "description": "Set to true to restart the session."}
            }
        }),
    }
}

/// The first version without `undo_edit`, and with a parameter of its own for the text to insert.
const TEXT_EDITOR_WITHOUT_UNDO: u32 = 2025_0429;

fn text_editor(version: u32) -> TypedTool {
    let old = version < TEXT_EDITOR_WITHOUT_UNDO;
    let mut commands = vec!["view", "create", "str_replace", "insert"];
    let mut properties = vec![
        ("path", text("Absolute path of a file or directory.")),
        ("file_text", text("Content of the new file, for create.")),
        (
            "old_str",
            text("Text to replace, which must occur exactly once, for str_replace."),
        ),
        (
            "insert_line",
            json!({"type": "integer", "description": "Line after which to insert, 0 for the beginning, for insert."}),
        ),
        (
            "view_range",
            numbers("First and last line to show, from 1; -1 is the end of the file, for view."),
        ),
    ];
    if old {
        commands.push("undo_edit");
        properties.push((
            "new_str",
            text("Text to put in its place, for str_replace, or to insert, for insert."),
        ));
    } else {
        properties.push((
            "new_str",
            text("Text to put in its place, for str_replace."),
        ));
        properties.push(("insert_text", text("Text to insert, for insert.")));
    }
    properties.push(("command", json!({"type": "string", "enum": commands})));
    TypedTool {
        name: if old {
            "str_replace_editor"
        } else {
            "str_replace_based_edit_tool"
        },
        description: "Views, creates and edits text files.".to_owned(),
        schema: object(properties, &["command", "path"]),
    }
}

/// The version that brought scrolling, waiting and single button presses.
const COMPUTER_WITH_SCROLL: u32 = 2025_0124;
/// The version that brought zooming.
const COMPUTER_WITH_ZOOM: u32 = 2025_1124;

fn computer(version: u32, display: Option<(u64, u64)>) -> TypedTool {
    let mut actions = vec![
        "key",
        "type",
        "mouse_move",
        "left_click",
        "left_click_drag",
        "right_click",
        "middle_click",
        "double_click",
        "screenshot",
        "cursor_position",
    ];
    let mut properties = vec![
        (
            "coordinate",
            numbers("Target as [x, y] in pixels from the top left corner."),
        ),
        (
            "text",
            text("Text to type, or keys to press such as ctrl+s."),
        ),
    ];
    if COMPUTER_WITH_SCROLL <= version {
        actions.extend([
            "left_mouse_down",
            "left_mouse_up",
            "scroll",
            "hold_key",
            "wait",
            "triple_click",
        ]);
        properties.extend([
            (
                "start_coordinate",
                numbers("Where a drag begins, as [x, y]."),
            ),
            (
                "scroll_direction",
                json!({"type": "string", "enum": ["up", "down", "left", "right"]}),
            ),
            (
                "scroll_amount",
                json!({"type": "integer", "description": "Clicks of the wheel."}),
            ),
            (
                "duration",
                json!({"type": "number", "description": "Seconds, for hold_key and wait."}),
            ),
        ]);
    }
    if COMPUTER_WITH_ZOOM <= version {
        actions.push("zoom");
        properties.push((
            "region",
            numbers("Part of the screen to show in full, as [x0, y0, x1, y1], for zoom."),
        ));
    }
    properties.push(("action", json!({"type": "string", "enum": actions})));
    let description = "Controls a computer by keyboard and mouse, and takes screenshots of it.";
    TypedTool {
        name: "computer",
        description: match display {
            Some((width, height)) => {
                format!("{description} The screen is {width} by {height} pixels.")
            }
            None => description.to_owned(),
        },
        schema: object(properties, &["action"]),
    }
}

fn memory() -> TypedTool {
    TypedTool {
        name: "memory",
        description: "Keeps notes in files below /memories that outlast this conversation. \
                      View the directory before anything else."
            .to_owned(),
        schema: json!({
            "type": "object",
            "properties": {
                "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert", "delete", "rename"]},
                "path": {"type": "string", "description": "Path below /memories; all commands but rename."},
                "view_range": {
                    "type": "array", "items": {"type": "integer"},
                    "description": "First and last line to show, for view."
                },
                "file_text": {"type": "string", "description": "Content of the file, for create."},
                "old_str": {"type": "string", "description": "Text to replace, for str_replace."},
                "new_str": {"type": "string", "description": "Text to put in its place, for str_replace."},
                "insert_line": {"type": "integer", "description": "Line after which to insert, for insert."},
                "insert_text": {"type": "string", "description": "Text to insert, for insert."},
                "old_path": {"type": "string", "description": "Present path, for rename."},
                "new_path": {"type": "string", "description": "New path, for rename."}
            },
            "required": ["command"]
        }),
    }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn numbers(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "integer"}, "description": description})
}

fn object(properties: Vec<(&str, Value)>, required: &[&str]) -> Value {
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    json!({"type": "object", "properties": properties, "required": required})
}
