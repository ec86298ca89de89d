//! A request, whatever dialect it came in.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::NativeTool;

/// One call of a model.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The model as the client named it.
    pub model: String,
    /// Limit of output tokens.
    pub max_tokens: Option<u64>,
    /// System prompt, one entry a block, in order.
    pub system: Vec<String>,
    /// The conversation, in order.
    pub messages: Vec<Message>,
    /// Tools that the client runs.
    pub tools: Vec<Tool>,
    /// Those of `tools` that the client's dialect calls by an item of their own kind, by name.
    pub native: HashMap<String, NativeTool>,
    /// The client declared its tools in the older form of OpenAI Chat (`functions`) and knows calls in that form only.
    pub older_functions: bool,
    /// Tools that the provider would run.
    pub server_tools: Vec<ServerTool>,
    /// How tools are to be chosen; `None` is the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// `Some(false)`: at most one call a turn.
    pub parallel_tool_calls: Option<bool>,
    /// Texts that end the answer.
    pub stop_sequences: Vec<String>,
    /// Sampling, as the client wrote the number.
    pub temperature: Option<Number>,
    /// Sampling.
    pub top_p: Option<Number>,
    /// Sampling.
    pub top_k: Option<Number>,
    /// Sampling that can be repeated.
    pub seed: Option<Number>,
    /// Sampling.
    pub presence_penalty: Option<Number>,
    /// Sampling.
    pub frequency_penalty: Option<Number>,
    /// `Some(n)`: tell how likely each token was, and its `n` most likely alternatives.
    pub logprobs: Option<u64>,
    /// How wordy the answer should be: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// What ties requests with a common beginning together for the provider's cache (`prompt_cache_key`).
    pub cache_key: Option<String>,
    /// Whether and how much to think; `None` is the provider's default.
    pub thinking: Option<Thinking>,
    /// How hard to try.
    pub effort: Option<Effort>,
    /// The answer must be JSON of this shape.
    pub format: Option<JsonFormat>,
    /// `metadata.user_id` of Anthropic, `user` of OpenAI.
    pub user: Option<String>,
    /// Service tier, in the client's words.
    pub service_tier: Option<String>,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the client wants tokens counted at the end of its stream (`stream_options.include_usage` of OpenAI
    /// Chat; other dialects always do).
    pub stream_usage: bool,
    /// Where the client asked the provider to cache the prompt up to; at most four make sense.
    pub cache_breakpoints: Vec<CacheBreakpoint>,
    /// Fields that the client's dialect repeats in its answers, as they stood.
    pub echo: Map<String, Value>,
    /// Top-level fields without a place here, as they stood.
    pub rest: Map<String, Value>,
}

impl Request {
    /// Leaves out what was thought in the first so many messages, for a provider that does not take it back. A turn of
    /// nothing else goes as well, and wishes to cache up to what is gone with it.
    pub fn forget_thinking(&mut self, before: usize) {
        let is_thought = |block: &Block| {
            matches!(
                block,
                Block::Thinking { .. } | Block::RedactedThinking { .. }
            )
        };
        // Where each block will stand.
        let mut places = HashMap::new();
        let mut messages = Vec::with_capacity(self.messages.len());
        for (index, mut message) in std::mem::take(&mut self.messages).into_iter().enumerate() {
            let had = message.blocks.len();
            let goes = |block: &Block| index < before && is_thought(block);
            let blocks = message.blocks.iter().enumerate();
            let kept = blocks.filter(|(_, block)| !goes(block));
            for (now, (block, _)) in kept.enumerate() {
                places.insert((index, block), (messages.len(), now));
            }
            message.blocks.retain(|block| !goes(block));
            if had == 0 || !message.blocks.is_empty() {
                messages.push(message);
            }
        }
        self.messages = messages;
        self.cache_breakpoints.retain_mut(|wish| match wish.at {
            CacheAt::Tool(_) | CacheAt::System(_) => true,
            CacheAt::Block { message, block } => match places.get(&(message, block)) {
                Some((message, block)) => {
                    wish.at = CacheAt::Block {
                        message: *message,
                        block: *block,
                    };
                    true
                }
                None => false,
            },
        });
    }
}

/// A wish to cache the prompt up to and including one piece of it.
#[derive(Clone, Debug)]
pub struct CacheBreakpoint {
    /// The piece.
    pub at: CacheAt,
    /// `cache_control` of Anthropic, as it stood.
    pub control: Value,
}

/// A piece of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAt {
    /// A tool: index into [`Request::tools`].
    Tool(usize),
    /// A part of the system prompt: index into [`Request::system`].
    System(usize),
    /// A block: index into [`Request::messages`] and into its blocks.
    Block {
        /// Of the message.
        message: usize,
        /// Of the block.
        block: usize,
    },
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person, and tool results.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of a conversation.
    System,
}

/// One turn.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said, in order.
    pub blocks: Vec<Block>,
}

/// One piece of a turn.
#[derive(Clone, Debug)]
pub enum Block {
    /// Words.
    Text(String),
    /// A picture.
    Image(ImageSource),
    /// A document.
    Document {
        /// Where it is.
        source: DocumentSource,
        /// Its title.
        title: Option<String>,
        /// What the client says about it.
        context: Option<String>,
    },
    /// A found passage offered as context.
    SearchResult {
        /// Its title.
        title: String,
        /// Its address.
        source: String,
        /// Its text.
        text: String,
    },
    /// Reasoning of an earlier turn.
    Thinking {
        /// Its text.
        text: String,
        /// What proves its origin.
        signature: String,
    },
    /// Opaque reasoning of an earlier turn.
    RedactedThinking {
        /// The opaque value.
        data: String,
    },
    /// A call of a tool.
    ToolUse(ToolUse),
    /// What a tool gave.
    ToolResult(ToolResult),
    /// A block without a place here, as it stood; `kind` is its `type`.
    Unknown {
        /// Its `type`.
        kind: String,
        /// All of it.
        raw: Box<RawValue>,
    },
}

/// A call of a tool in an earlier turn.
#[derive(Clone, Debug)]
pub struct ToolUse {
    /// Names the call.
    pub id: String,
    /// Names the tool.
    pub name: String,
    /// Its arguments as raw JSON text: numbers and key order untouched.
    pub input: Box<RawValue>,
}

/// The result of a call.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// Names the call it belongs to.
    pub tool_use_id: String,
    /// What the tool gave, in order; empty when it gave nothing.
    pub content: Vec<ToolResultPart>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// One piece of a tool's result.
#[derive(Clone, Debug)]
pub enum ToolResultPart {
    /// Words.
    Text(String),
    /// A picture.
    Image(ImageSource),
    /// A document.
    Document {
        /// Where it is.
        source: DocumentSource,
        /// Its title.
        title: Option<String>,
    },
    /// Anything else, as it stood; `kind` is its `type`.
    Unknown {
        /// Its `type`.
        kind: String,
        /// All of it.
        raw: Box<RawValue>,
    },
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// In the request.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// The bytes in base64.
        data: String,
    },
    /// On the web.
    Url(String),
    /// In the vendor's file store; no other vendor can read it.
    File(String),
}

/// Where a document is.
#[derive(Clone, Debug)]
pub enum DocumentSource {
    /// In the request, usually a PDF.
    Base64 {
        /// Such as `application/pdf`.
        media_type: String,
        /// The bytes in base64.
        data: String,
    },
    /// On the web.
    Url(String),
    /// Plain text.
    Text(String),
    /// Given as blocks.
    Blocks(Vec<Block>),
    /// In the vendor's file store.
    File(String),
}

/// A tool that the client runs.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
    /// Whether the model must keep to the schema.
    pub strict: Option<bool>,
    /// Its argument is free text, not JSON (`custom` of OpenAI). `input_schema` is then an object with one string,
    /// `input`, for providers that know functions only, and calls in the conversation carry it so.
    pub freeform: Option<Freeform>,
    /// The vendor's type for a built-in client tool (`bash_20250124`); `None` for an ordinary one.
    pub typed: Option<String>,
}

/// What the free text of a tool's argument must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeform {
    /// `format` of OpenAI's custom tools, as it stood: a grammar.
    pub format: Option<Value>,
}

/// A tool that the provider would run (`web_search_20250305`).
#[derive(Clone, Debug)]
pub struct ServerTool {
    /// Its `type`.
    pub kind: String,
    /// Its `name`, where it has one.
    pub name: Option<String>,
    /// All of it.
    pub raw: Box<RawValue>,
}

/// How tools are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// Some tool must be called.
    Any,
    /// This tool must be called.
    Tool(String),
    /// No tool may be called.
    None,
}

/// Whether and how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// No thinking.
    Disabled,
    /// Up to this many tokens.
    Budget(u64),
    /// As the model sees fit.
    Adaptive,
}

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Least.
    Minimal,
    /// Little.
    Low,
    /// Middling.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// Most.
    Max,
}

/// The answer must be JSON of this shape.
#[derive(Clone, Debug)]
pub struct JsonFormat {
    /// Its name, where the client gave one.
    pub name: Option<String>,
    /// JSON Schema; `None`: any JSON object.
    pub schema: Option<Value>,
    /// Whether the model must keep to the schema, where the client tells.
    pub strict: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_thinking_leaves_the_rest_and_its_marks() {
        let thought = || Block::Thinking {
            text: "hm".to_owned(),
            signature: "E".to_owned(),
        };
        let sealed = || Block::RedactedThinking {
            data: "E".to_owned(),
        };
        let said = |text: &str| Block::Text(text.to_owned());
        let turn = |role, blocks| Message { role, blocks };
        let mark = |message, block| CacheBreakpoint {
            at: CacheAt::Block { message, block },
            control: Value::Null,
        };
        let mut request = Request {
            messages: vec![
                turn(Role::Assistant, vec![thought(), sealed()]),
                turn(Role::User, vec![said("q")]),
                turn(
                    Role::Assistant,
                    vec![thought(), said("a"), sealed(), said("b")],
                ),
                turn(Role::User, Vec::new()),
            ],
            cache_breakpoints: vec![mark(0, 0), mark(1, 0), mark(2, 0), mark(2, 3)],
            ..Request::default()
        };
        request.messages.push(turn(Role::Assistant, vec![sealed()]));
        request.forget_thinking(4);
        let left: Vec<String> = request
            .messages
            .iter()
            .map(|it| format!("{:?}", it.blocks))
            .collect();
        let later = "[RedactedThinking { data: \"E\" }]";
        let said = ["[Text(\"q\")]", "[Text(\"a\"), Text(\"b\")]", "[]", later];
        assert_eq!(left, said);
        let marks: Vec<CacheAt> = request.cache_breakpoints.iter().map(|it| it.at).collect();
        let at = |message, block| CacheAt::Block { message, block };
        assert_eq!(marks, [at(0, 0), at(1, 1)]);
    }
}
