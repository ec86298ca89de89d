//! The request as it stands on the wire: names and nesting only. Every value stays raw text until it is read with its
//! path at hand.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A value not looked at yet; absent and `null` are the same to this API.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// <https://developers.openai.com/api/reference/responses>, types of the vendor's Python SDK 3.52, seen November 2026.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub model: Raw<'a>,
    #[serde(borrow)]
    pub instructions: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub tools: Raw<'a>,
    #[serde(borrow)]
    pub tool_choice: Raw<'a>,
    #[serde(borrow)]
    pub parallel_tool_calls: Raw<'a>,
    #[serde(borrow)]
    pub max_output_tokens: Raw<'a>,
    #[serde(borrow)]
    pub max_tool_calls: Raw<'a>,
    #[serde(borrow)]
    pub temperature: Raw<'a>,
    #[serde(borrow)]
    pub top_p: Raw<'a>,
    #[serde(borrow)]
    pub top_logprobs: Raw<'a>,
    #[serde(borrow)]
    pub include: Raw<'a>,
    #[serde(borrow)]
    pub reasoning: Raw<'a>,
    #[serde(borrow)]
    pub text: Raw<'a>,
    #[serde(borrow)]
    pub user: Raw<'a>,
    #[serde(borrow)]
    pub safety_identifier: Raw<'a>,
    #[serde(borrow)]
    pub prompt_cache_key: Raw<'a>,
    #[serde(borrow)]
    pub service_tier: Raw<'a>,
    #[serde(borrow)]
    pub metadata: Raw<'a>,
    #[serde(borrow)]
    pub store: Raw<'a>,
    #[serde(borrow)]
    pub truncation: Raw<'a>,
    #[serde(borrow)]
    pub stream: Raw<'a>,
    #[serde(borrow)]
    pub previous_response_id: Raw<'a>,
    #[serde(borrow)]
    pub conversation: Raw<'a>,
    #[serde(borrow)]
    pub background: Raw<'a>,
    #[serde(borrow)]
    pub prompt: Raw<'a>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One entry of `input`: the fields of all item types that are read here.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub id: Raw<'a>,
    #[serde(borrow)]
    pub role: Raw<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
    /// Of `reasoning`.
    #[serde(borrow)]
    pub summary: Raw<'a>,
    #[serde(borrow)]
    pub encrypted_content: Raw<'a>,
    /// Of calls and their outputs.
    #[serde(borrow)]
    pub call_id: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub namespace: Raw<'a>,
    #[serde(borrow)]
    pub arguments: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub output: Raw<'a>,
    #[serde(borrow)]
    pub status: Raw<'a>,
    /// Of `local_shell_call` and `shell_call`.
    #[serde(borrow)]
    pub action: Raw<'a>,
    /// Of `apply_patch_call`.
    #[serde(borrow)]
    pub operation: Raw<'a>,
    /// Of `code_interpreter_call`.
    #[serde(borrow)]
    pub code: Raw<'a>,
    #[serde(borrow)]
    pub outputs: Raw<'a>,
    /// Of `mcp_call`.
    #[serde(borrow)]
    pub error: Raw<'a>,
    /// Of `tool_search_output` and `additional_tools`.
    #[serde(borrow)]
    pub tools: Raw<'a>,
}

/// One entry of any `content`, `summary` or list of outputs.
#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub text: Raw<'a>,
    #[serde(borrow)]
    pub refusal: Raw<'a>,
    #[serde(borrow)]
    pub image_url: Raw<'a>,
    #[serde(borrow)]
    pub file_data: Raw<'a>,
    #[serde(borrow)]
    pub file_url: Raw<'a>,
    #[serde(borrow)]
    pub file_id: Raw<'a>,
    #[serde(borrow)]
    pub filename: Raw<'a>,
    /// Of the output of a `code_interpreter_call`.
    #[serde(borrow)]
    pub logs: Raw<'a>,
    /// Of the output of a `shell_call`.
    #[serde(borrow)]
    pub stdout: Raw<'a>,
    #[serde(borrow)]
    pub stderr: Raw<'a>,
    #[serde(borrow)]
    pub outcome: Raw<'a>,
}

/// `outcome` of one command.
#[derive(Deserialize)]
pub(super) struct Outcome<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub exit_code: Raw<'a>,
}

/// One entry of `tools`: the fields of all tool types that are read here.
#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub description: Raw<'a>,
    #[serde(borrow)]
    pub parameters: Raw<'a>,
    #[serde(borrow)]
    pub strict: Raw<'a>,
    /// Of `custom`.
    #[serde(borrow)]
    pub format: Raw<'a>,
    /// Of `namespace`.
    #[serde(borrow)]
    pub tools: Raw<'a>,
    /// Of `tool_search`.
    #[serde(borrow)]
    pub execution: Raw<'a>,
    /// Of `shell`.
    #[serde(borrow)]
    pub environment: Raw<'a>,
    /// Of `web_search`.
    #[serde(borrow)]
    pub filters: Raw<'a>,
    #[serde(borrow)]
    pub user_location: Raw<'a>,
    #[serde(borrow)]
    pub external_web_access: Raw<'a>,
}

/// An object of which only the type counts.
#[derive(Deserialize)]
pub(super) struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
}

/// `filters` of a web search.
#[derive(Deserialize)]
pub(super) struct Filters<'a> {
    #[serde(borrow)]
    pub allowed_domains: Raw<'a>,
    #[serde(borrow)]
    pub blocked_domains: Raw<'a>,
}

/// `tool_choice`, where it is an object, and an entry of its list.
#[derive(Deserialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub namespace: Raw<'a>,
    /// Of `allowed_tools`.
    #[serde(borrow)]
    pub mode: Raw<'a>,
    #[serde(borrow)]
    pub tools: Raw<'a>,
}

/// `reasoning`. How its summary should look shapes only what is shown, and is not read.
#[derive(Deserialize)]
pub(super) struct Reasoning<'a> {
    #[serde(borrow)]
    pub effort: Raw<'a>,
}

/// `text`.
#[derive(Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    pub format: Raw<'a>,
    #[serde(borrow)]
    pub verbosity: Raw<'a>,
}

/// `text.format`.
#[derive(Deserialize)]
pub(super) struct Format<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub description: Raw<'a>,
    #[serde(borrow)]
    pub schema: Raw<'a>,
    #[serde(borrow)]
    pub strict: Raw<'a>,
}
