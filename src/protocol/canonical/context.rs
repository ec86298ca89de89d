//! What the two ends of an answer must know of the request, and of us, to read and to write it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{NativeTool, Request, ToolNames};

/// What the reader of a provider's answer must know of the request.
#[derive(Clone, Debug, Default)]
pub struct DecodeContext {
    /// Tool names to restore.
    pub names: ToolNames,
    /// Makes generated tool ids unique: the id of the answer's message.
    pub seed: String,
    /// The request's stop sequences, to tell one that was met from other words for an end.
    pub stop_sequences: Vec<String>,
}

/// What the writer of an answer in the client's dialect must know of the request and of us.
#[derive(Clone, Debug, Default)]
pub struct EncodeContext {
    /// The model as the client named it.
    pub model: String,
    /// The message's id, `msg_` and letters and digits; other dialects put their own prefix in its place.
    pub message_id: String,
    /// Our estimate of the prompt, in tokens: shown at the start, and at the end when the provider counted nothing.
    pub input_estimate: u64,
    /// When the answer was begun, in seconds since 1970, for the dialects that tell.
    pub created: u64,
    /// The client wants tokens counted at the end of its stream, in the dialect where that is a choice.
    pub stream_usage: bool,
    /// The client knows calls in the older form only (`function_call` of OpenAI Chat), one an answer.
    pub older_functions: bool,
    /// Names of the client's tools whose argument is free text.
    pub freeform: Vec<String>,
    /// The client's tools that its dialect calls by an item of their own kind, by name.
    pub native: HashMap<String, NativeTool>,
    /// Fields of the request that the client's dialect repeats in its answer, as they stood.
    pub echo: Map<String, Value>,
}

impl EncodeContext {
    /// Takes what it needs of the request.
    pub fn learn(&mut self, request: Request) {
        let freeform = request.tools.iter().filter(|tool| tool.freeform.is_some());
        self.freeform = freeform.map(|tool| tool.name.clone()).collect();
        self.model = request.model;
        self.stream_usage = request.stream_usage;
        self.older_functions = request.older_functions;
        self.native = request.native;
        self.echo = request.echo;
    }
}
