//! The request as it stands on the wire: names and nesting only.
//!
//! Every value stays raw text. `inbound` reads each with its path at hand, so that an error can name the field, and
//! so that tool inputs and unknown blocks keep their bytes. Scanning raw text does not recurse, whatever its nesting.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A value not looked at yet; absent and `null` are the same to this API.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// <https://docs.anthropic.com/en/api/messages>
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub model: Raw<'a>,
    #[serde(borrow)]
    pub max_tokens: Raw<'a>,
    #[serde(borrow)]
    pub messages: Raw<'a>,
    #[serde(borrow)]
    pub system: Raw<'a>,
    #[serde(borrow)]
    pub stream: Raw<'a>,
    #[serde(borrow)]
    pub temperature: Raw<'a>,
    #[serde(borrow)]
    pub top_p: Raw<'a>,
    #[serde(borrow)]
    pub top_k: Raw<'a>,
    #[serde(borrow)]
    pub stop_sequences: Raw<'a>,
    #[serde(borrow)]
    pub metadata: Raw<'a>,
    #[serde(borrow)]
    pub thinking: Raw<'a>,
    #[serde(borrow)]
    pub output_config: Raw<'a>,
    /// Older name of `output_config.format`.
    #[serde(borrow)]
    pub output_format: Raw<'a>,
    #[serde(borrow)]
    pub tools: Raw<'a>,
    #[serde(borrow)]
    pub tool_choice: Raw<'a>,
    #[serde(borrow)]
    pub service_tier: Raw<'a>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One entry of `messages`.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub role: Raw<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
    /// Beta, on `system` messages.
    #[serde(borrow)]
    pub clear_at: Raw<'a>,
    /// Beta, on `system` messages.
    #[serde(borrow)]
    pub output_config: Raw<'a>,
}

/// One entry of any `content`: the fields of all block types that have a place in the canonical model.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub text: Raw<'a>,
    #[serde(borrow)]
    pub source: Raw<'a>,
    #[serde(borrow)]
    pub title: Raw<'a>,
    #[serde(borrow)]
    pub context: Raw<'a>,
    #[serde(borrow)]
    pub citations: Raw<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
    #[serde(borrow)]
    pub thinking: Raw<'a>,
    #[serde(borrow)]
    pub signature: Raw<'a>,
    #[serde(borrow)]
    pub data: Raw<'a>,
    #[serde(borrow)]
    pub id: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub tool_use_id: Raw<'a>,
    #[serde(borrow)]
    pub is_error: Raw<'a>,
    #[serde(borrow)]
    pub cache_control: Raw<'a>,
}

/// `source` of an image or a document.
#[derive(Deserialize)]
pub(super) struct Source<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub media_type: Raw<'a>,
    #[serde(borrow)]
    pub data: Raw<'a>,
    #[serde(borrow)]
    pub url: Raw<'a>,
    #[serde(borrow)]
    pub file_id: Raw<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
}

/// One entry of `tools`.
#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub description: Raw<'a>,
    #[serde(borrow)]
    pub input_schema: Raw<'a>,
    #[serde(borrow)]
    pub strict: Raw<'a>,
    #[serde(borrow)]
    pub input_examples: Raw<'a>,
    #[serde(borrow)]
    pub cache_control: Raw<'a>,
    /// Of `computer_*`.
    #[serde(borrow)]
    pub display_width_px: Raw<'a>,
    /// Of `computer_*`.
    #[serde(borrow)]
    pub display_height_px: Raw<'a>,
}

/// `tool_choice`.
#[derive(Deserialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub disable_parallel_tool_use: Raw<'a>,
}

/// `thinking`. Its `display` shapes only what the answer shows, and is not read.
#[derive(Deserialize)]
pub(super) struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub budget_tokens: Raw<'a>,
}

/// `output_config`.
#[derive(Deserialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(borrow)]
    pub effort: Raw<'a>,
    #[serde(borrow)]
    pub format: Raw<'a>,
    #[serde(borrow)]
    pub task_budget: Raw<'a>,
}

/// `output_config.format`.
#[derive(Deserialize)]
pub(super) struct Format<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub schema: Raw<'a>,
}

/// `metadata`.
#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub user_id: Raw<'a>,
}
