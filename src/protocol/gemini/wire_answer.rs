//! Answers as they stand on the wire: `GenerateContentResponse`, whole or one chunk of a stream.
//!
//! <https://ai.google.dev/api/generate-content>, seen November 2026. Everything borrows from the bytes where it can.
//! Safety ratings are not looked at, and words are read as text: malformed ratings and new words were recorded. What
//! comes once in an answer stays raw and is read where it is used.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::openai_chat::wire_answer::{Count, Text};

/// One chunk of a stream, or a whole body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow)]
    pub usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model_version: Text<'a>,
    #[serde(borrow)]
    pub response_id: Text<'a>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// One of the alternatives, of which we ask for one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    #[serde(borrow)]
    pub finish_message: Text<'a>,
    #[serde(borrow)]
    pub grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub citation_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub logprobs_result: Option<&'a RawValue>,
}

/// What a chunk adds. May be `{}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub parts: Option<Vec<Part<'a>>>,
}

/// One piece. May be `{}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub text: Text<'a>,
    pub thought: Option<bool>,
    #[serde(borrow)]
    pub thought_signature: Text<'a>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub executable_code: Option<Code<'a>>,
    #[serde(borrow)]
    pub code_execution_result: Option<CodeResult<'a>>,
    #[serde(borrow)]
    pub inline_data: Option<Media<'a>>,
    #[serde(borrow)]
    pub file_data: Option<Media<'a>>,
    /// A tool that Google runs was called, or has answered; what it is stays with Google.
    #[serde(borrow)]
    pub tool_call: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tool_response: Option<&'a RawValue>,
}

/// A call, whole or a piece of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub partial_args: Option<Vec<PartialArg<'a>>>,
    pub will_continue: Option<bool>,
}

/// One value of a call's arguments, or a piece of a text.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PartialArg<'a> {
    #[serde(borrow)]
    pub json_path: Text<'a>,
    #[serde(borrow)]
    pub string_value: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub number_value: Option<&'a RawValue>,
    pub bool_value: Option<bool>,
    pub will_continue: Option<bool>,
}

/// Code that Google ran.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Code<'a> {
    #[serde(borrow)]
    pub language: Text<'a>,
    #[serde(borrow)]
    pub code: Text<'a>,
}

/// What the code printed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CodeResult<'a> {
    #[serde(borrow)]
    pub outcome: Text<'a>,
    #[serde(borrow)]
    pub output: Text<'a>,
}

/// A picture, or a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Media<'a> {
    #[serde(borrow)]
    pub mime_type: Text<'a>,
    #[serde(borrow)]
    pub file_uri: Text<'a>,
}

/// Why a prompt was not answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub block_reason: Text<'a>,
    #[serde(borrow)]
    pub block_reason_message: Text<'a>,
}
