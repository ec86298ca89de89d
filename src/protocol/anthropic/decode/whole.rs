//! Blocks that are given whole: thinking that is sealed, server tools, and whatever else there is.

use serde_json::value::RawValue;

use crate::protocol::anthropic::raw_object::RawObject;
use crate::protocol::canonical::BlockStart;
use crate::protocol::upstream_error::StreamError;

/// What a block that was gathered is.
pub(super) fn whole(block: &RawObject) -> Result<BlockStart, StreamError> {
    let kind = block.string("type").unwrap_or_default();
    let raw = |key| {
        block
            .get(key)
            .and_then(|it| RawValue::from_string(it.to_owned()).ok())
    };
    if kind == "redacted_thinking"
        && let Some(data) = block.string("data")
    {
        return Ok(BlockStart::RedactedThinking { data });
    }
    if kind == "server_tool_use"
        && let (Some(id), Some(name), Some(input)) =
            (block.string("id"), block.string("name"), raw("input"))
    {
        return Ok(BlockStart::ServerToolUse { id, name, input });
    }
    // Results of remote servers tell whether they failed beside their content.
    if kind.ends_with("_tool_result")
        && kind != "mcp_tool_result"
        && let (Some(tool_use_id), Some(content)) = (block.string("tool_use_id"), raw("content"))
    {
        return Ok(BlockStart::ServerToolResult {
            tool_use_id,
            kind,
            content,
        });
    }
    let mut json = Vec::new();
    block.push_json(&mut json);
    String::from_utf8(json)
        .ok()
        .and_then(|json| RawValue::from_string(json).ok())
        .map(BlockStart::Unknown)
        .ok_or(StreamError::Malformed("a block that is not JSON"))
}
