//! One turn of the model: text, calls, and the thoughts and signatures that are its own, each on the part it came with.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::canonical::{Block, LossKind, Message, ToolUse};
use crate::protocol::envelope::{self, ReasoningKind};
use crate::protocol::gemini::content::At;
use crate::protocol::gemini::wire_request as wire;
use crate::protocol::gemini::wire_request::{Part, PartData};

use super::{OpenCall, Writer};

/// What Google accepts for a call that it did not sign:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>, seen November 2026.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// A turn being put together.
#[derive(Default)]
struct Draft<'a> {
    parts: Vec<Part<'a>>,
    /// The signature of the call that comes next.
    signature: Option<&'a str>,
    has_call: bool,
    /// Something but reasoning is in it.
    says_something: bool,
}

impl<'a> Writer<'a, '_> {
    /// Consecutive messages of the model become one turn.
    pub(super) fn model(&mut self, run: &[(usize, &'a Message)]) {
        let mut draft = Draft::default();
        for (index, message) in run {
            for (block, content) in message.blocks.iter().enumerate() {
                let at = At {
                    message: *index,
                    block,
                };
                let next = message.blocks.get(block.saturating_add(1));
                self.model_block(content, next, at, &mut draft);
            }
        }
        // Reasoning alone is no turn.
        if draft.says_something {
            self.push(wire::Role::Model, draft.parts);
        }
    }

    fn model_block(
        &mut self,
        content: &'a Block,
        next: Option<&Block>,
        at: At,
        draft: &mut Draft<'a>,
    ) {
        match content {
            Block::Text(text) => draft.say(text.as_str().into()),
            Block::Thinking { text, signature } => {
                if let Some(signature) = own(signature) {
                    draft.parts.push(Part {
                        data: PartData::Text(text.as_str().into()),
                        thought: Some(true),
                        thought_signature: Some(signature.into()),
                    });
                }
            }
            Block::RedactedThinking { data } => {
                let Some(signature) = own(data) else {
                    return;
                };
                if matches!(next, Some(Block::ToolUse(_))) {
                    draft.signature = Some(signature);
                } else {
                    draft.sign(signature);
                }
            }
            Block::ToolUse(call) if self.profile.functions => self.call(call, at, draft),
            Block::ToolUse(_)
            | Block::Image(_)
            | Block::Document { .. }
            | Block::SearchResult { .. }
            | Block::ToolResult(_)
            | Block::Unknown { .. } => {
                let mut parts = Vec::new();
                self.content().block(content, at, &mut parts);
                for part in parts {
                    match part.data {
                        PartData::Text(text) => draft.say(text),
                        _ => self.losses.add(at.to_string(), LossKind::SaidByTheModel),
                    }
                }
            }
        }
    }

    fn call(&mut self, call: &'a ToolUse, at: At, draft: &mut Draft<'a>) {
        let signature = draft.signature.take();
        if !self.open_ids.insert(&call.id) {
            self.losses.add(at.to_string(), LossKind::SecondOfItsName);
            return;
        }
        let name = self.names.sent(&call.name);
        self.open.push(OpenCall {
            id: &call.id,
            name: name.clone(),
            message: at.message,
        });
        let stand_in = (self.profile.thought_signatures && !draft.has_call).then_some(NO_SIGNATURE);
        let args = self.arguments(call, at);
        draft.has_call = true;
        draft.says_something = true;
        draft.parts.push(Part {
            data: PartData::FunctionCall(wire::FunctionCall {
                id: self.sent_id(&call.id),
                name,
                args,
            }),
            thought: None,
            thought_signature: signature.or(stand_in).map(Cow::Borrowed),
        });
    }

    fn arguments(&mut self, call: &'a ToolUse, at: At) -> Cow<'a, RawValue> {
        let input = call.input.get();
        if input.starts_with('{') {
            return Cow::Borrowed(&call.input);
        }
        // Left behind by an upstream that answered with broken arguments; refusing it would end the conversation.
        self.losses.add(format!("{at}.input"), LossKind::Wrapped);
        RawValue::from_string(format!("{{\"input\":{input}}}"))
            .map_or(Cow::Borrowed(&call.input), Cow::Owned)
    }
}

impl<'a> Draft<'a> {
    fn say(&mut self, text: Cow<'a, str>) {
        if !text.is_empty() {
            self.says_something = true;
            self.parts.push(Part::text(text));
        }
    }

    /// Signs the text before; where there is none, an empty one, as Gemini itself does.
    fn sign(&mut self, signature: &'a str) {
        match self.parts.last_mut() {
            Some(Part {
                data: PartData::Text(_),
                thought: None,
                thought_signature: place @ None,
            }) => *place = Some(signature.into()),
            Some(_) | None => self.parts.push(Part {
                data: PartData::Text("".into()),
                thought: None,
                thought_signature: Some(signature.into()),
            }),
        }
    }
}

/// Gemini's signature in one of our envelopes. What is not base64 is left out: it would be a 400 for the whole request.
fn own(sealed: &str) -> Option<&str> {
    let opened = envelope::open(sealed)?;
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    let good = !opened.payload.is_empty() && opened.payload.bytes().all(base64);
    (opened.kind == ReasoningKind::Gemini && good).then_some(opened.payload)
}
