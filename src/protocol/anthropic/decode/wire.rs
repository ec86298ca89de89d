//! The answer as it stands on the wire, as far as it is read.
//!
//! Reference: <https://platform.claude.com/docs/en/build-with-claude/streaming>, seen November 2026.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

pub(super) use crate::protocol::anthropic::tap::WireUsage as Usage;

/// The data of any event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub index: Option<u64>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    pub usage: Option<Usage>,
    pub error: Option<IgnoredAny>,
}

/// A message, or the body of an error.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub id: Option<String>,
    pub model: Option<String>,
    #[serde(borrow)]
    pub content: Option<Vec<&'a RawValue>>,
    pub stop_reason: Option<String>,
    pub stop_sequence: Option<String>,
    pub stop_details: Option<StopDetails>,
    pub usage: Option<Usage>,
    pub error: Option<IgnoredAny>,
}

/// How a message ended: told by a body, or by the delta of a `message_delta`.
pub(super) struct End {
    pub reason: Option<String>,
    pub sequence: Option<String>,
    pub details: Option<StopDetails>,
}

/// Why the model declined.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails {
    pub explanation: Option<String>,
}

/// A delta of a block or of the message.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub signature: Option<String>,
    pub partial_json: Option<String>,
    #[serde(borrow)]
    pub citation: Option<&'a RawValue>,
    pub stop_reason: Option<String>,
    pub stop_sequence: Option<String>,
    pub stop_details: Option<StopDetails>,
}

/// The fields of a block whose deltas are shown as they come.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: Option<String>,
    pub name: Option<String>,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub signature: Option<String>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub citations: Option<Vec<&'a RawValue>>,
    pub caller: Option<Caller>,
}

/// Who calls a tool: the model, or a program of its.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Caller {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Message<'_> {
    /// How it ended.
    pub fn end(&mut self) -> End {
        End {
            reason: self.stop_reason.take(),
            sequence: self.stop_sequence.take(),
            details: self.stop_details.take(),
        }
    }
}

impl Delta<'_> {
    /// How the message ended.
    pub fn end(self) -> End {
        End {
            reason: self.stop_reason,
            sequence: self.stop_sequence,
            details: self.stop_details,
        }
    }
}
