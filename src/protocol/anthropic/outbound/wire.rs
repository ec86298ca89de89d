//! The body of `POST /v1/messages` as it is sent.
//!
//! Reference: <https://docs.anthropic.com/en/api/messages>, seen November 2026.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// The whole body.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub model: &'a str,
    pub max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'a>>,
    pub messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    pub output_config: OutputConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

/// `cache_control` of Anthropic.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Mark<'a> {
    /// As the client wrote it.
    Own(&'a Value),
    /// Ours.
    Plain(Ephemeral),
}

/// `{"type":"ephemeral"}`
#[derive(Clone, Serialize)]
pub(super) struct Ephemeral {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// One entry of `messages`.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    pub content: Vec<Block<'a>>,
}

/// A block.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    /// One of ours.
    Own(Marked<'a>),
    /// As the client wrote it, in this dialect.
    Raw(&'a RawValue),
}

/// A block, and the mark that it carries.
#[derive(Serialize)]
pub(super) struct Marked<'a> {
    #[serde(flatten)]
    pub body: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Mark<'a>>,
}

/// The content of a block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Body<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
    },
    SearchResult {
        source: &'a str,
        title: &'a str,
        content: Vec<Block<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

/// Where a picture or a document is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 {
        media_type: &'a str,
        data: &'a str,
    },
    Url {
        url: &'a str,
    },
    File {
        file_id: &'a str,
    },
    Text {
        media_type: &'static str,
        data: Cow<'a, str>,
    },
    Content {
        content: Vec<Block<'a>>,
    },
}

/// One entry of `tools`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Tool<'a> {
    /// Run by the client.
    Client(Function<'a>),
    /// Run by the provider: as it stood.
    Server(&'a RawValue),
}

/// A tool that the client runs.
#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Mark<'a>>,
}

/// `tool_choice`.
#[derive(Serialize)]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_parallel_tool_use: bool,
}

/// `thinking`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Enabled {
        budget_tokens: u64,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
    BetweenTools,
}

/// `output_config`.
#[derive(Default, Serialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format<'a>>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// `output_config.format`.
#[derive(Serialize)]
pub(super) struct Format<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub schema: Cow<'a, Value>,
}

/// `metadata`.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub user_id: Cow<'a, str>,
}

impl<'a> Block<'a> {
    /// Words.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Block::of(Body::Text { text: text.into() })
    }

    /// Without a mark.
    pub fn of(body: Body<'a>) -> Self {
        Block::Own(Marked {
            body,
            cache_control: None,
        })
    }

    /// The content of one of ours.
    pub fn body(&self) -> Option<&Body<'a>> {
        match self {
            Block::Own(marked) => Some(&marked.body),
            Block::Raw(_) => None,
        }
    }

    /// Puts a mark on it, where it can carry one: thinking may not, and what stands as it stood is left alone.
    /// Whether it could.
    pub fn mark(&mut self, mark: Mark<'a>) -> bool {
        match self {
            Block::Own(Marked {
                body: Body::Thinking { .. } | Body::RedactedThinking { .. },
                ..
            })
            | Block::Raw(_) => false,
            Block::Own(marked) => {
                marked.cache_control = Some(mark);
                true
            }
        }
    }
}
