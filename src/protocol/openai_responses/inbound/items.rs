//! `input`: a flat list of items to turns.
//!
//! Items of the model in a row are one assistant message, in their order. Results of tools go to one user message,
//! before whatever else the person says in it, which is how the calls of one turn have to be answered.

use serde_json::value::RawValue;

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Block, LossKind, Losses, Message, Problem, Role, ToolResult, TranslateError,
};

use super::tools::Tools;
use super::{calls, parts, reasoning, wire};

/// What `instructions` and `input` say.
#[derive(Default)]
pub(super) struct Conversation {
    /// Instructions at the beginning.
    pub system: Vec<String>,
    /// The turns.
    pub messages: Vec<Message>,
    /// What the person says besides the results of tools that the last turn holds.
    behind_results: Vec<Block>,
    /// Calls by the id of their item, for outputs that name that.
    pub calls_by_item: calls::ByItem,
}

/// Reads `instructions` and `input`. Tools that items bring along are added to `tools`.
pub(super) fn conversation(
    wire: &wire::Request<'_>,
    tools: &mut Tools,
    losses: &mut Losses,
) -> Result<Conversation, TranslateError> {
    let mut conversation = Conversation::default();
    if let Some(text) = field::optional_string(wire.instructions, Path::root("instructions"))? {
        conversation
            .system
            .extend((!text.is_empty()).then_some(text));
    }
    let from_items = conversation.system.len();
    let at = Path::root("input");
    let raw = field::required(wire.input, at)?;
    if field::is_string(raw) {
        let blocks = parts::blocks(Some(raw), at, losses)?;
        conversation.say(Role::User, blocks);
    } else {
        for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
            conversation.item(raw, at.index(index), tools, losses)?;
        }
    }
    conversation.end_turn();
    if conversation.messages.is_empty() {
        // Instructions alone: the last of them is what is to be answered.
        let last = conversation.system.len().checked_sub(1);
        match last.filter(|last| from_items <= *last) {
            Some(last) => {
                let text = conversation.system.remove(last);
                conversation.say(Role::User, vec![Block::Text(text)]);
            }
            None => return Err(at.error(Problem::Empty("item with content"))),
        }
    }
    Ok(conversation)
}

impl Conversation {
    fn item(
        &mut self,
        raw: &RawValue,
        at: Path<'_>,
        tools: &mut Tools,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let wire: wire::Item<'_> = field::object(raw, at)?;
        let kind = field::optional_string(wire.kind, at.key("type"))?;
        match kind.as_deref() {
            Some("message") => self.message(&wire, at, losses),
            None if wire.role.is_some() => self.message(&wire, at, losses),
            Some("reasoning") => {
                let block = reasoning::block(raw, &wire, at, losses)?;
                self.say(Role::Assistant, block.into_iter().collect());
                Ok(())
            }
            // Its type may be left out.
            Some("item_reference") => Err(TranslateError::KeptElsewhere("item_reference")),
            None if wire.id.is_some() => Err(TranslateError::KeptElsewhere("item_reference")),
            None => Err(at.key("type").error(Problem::Missing)),
            // Sealed by the vendor, and all that is left of the conversation before it.
            Some("compaction" | "compaction_summary" | "context_compaction") => {
                Err(TranslateError::KeptElsewhere("compaction"))
            }
            Some("compaction_trigger") => Err(TranslateError::Unsupported {
                path: at.dotted(),
                reason: "this model's provider does not compact conversations; send a summary instead",
            }),
            Some("additional_tools") => {
                tools.read_more(wire.tools, at.key("tools"), losses)?;
                Ok(())
            }
            Some(kind) => calls::item(self, kind, &wire, at, (tools, losses)),
        }
    }

    fn message(
        &mut self,
        wire: &wire::Item<'_>,
        at: Path<'_>,
        losses: &mut Losses,
    ) -> Result<(), TranslateError> {
        let content = at.key("content");
        match field::string(wire.role, at.key("role"))?.as_str() {
            "user" => {
                let blocks = parts::blocks(wire.content, content, losses)?;
                self.say(Role::User, blocks);
            }
            "assistant" => {
                let mut blocks = parts::blocks(wire.content, content, losses)?;
                let said = blocks.len();
                blocks.retain(|it| matches!(it, Block::Text(_)));
                if blocks.len() < said {
                    losses.add(content.bracketed(), LossKind::SaidByTheModel);
                }
                self.say(Role::Assistant, blocks);
            }
            "system" | "developer" => {
                let texts = parts::texts(wire.content, content, losses)?;
                if self.messages.is_empty() {
                    self.system.extend(texts);
                } else {
                    self.say(Role::System, texts.into_iter().map(Block::Text).collect());
                }
            }
            _ => {
                let words = "'user', 'assistant', 'system' or 'developer'";
                return Err(at.key("role").expected(words));
            }
        }
        Ok(())
    }

    /// Adds to the turn of `role`, or begins one. People's messages stay apart unless they follow results of tools.
    pub fn say(&mut self, role: Role, blocks: Vec<Block>) {
        if blocks.is_empty() {
            return;
        }
        match self.messages.last_mut().filter(|last| last.role == role) {
            Some(last) if role == Role::Assistant => last.blocks.extend(blocks),
            Some(last) if role == Role::User && holds_results(last) => {
                self.behind_results.extend(blocks);
            }
            _ => self.begin(role, blocks),
        }
    }

    /// Adds a result to the person's turn, before anything else that is said in it.
    pub fn result(&mut self, result: ToolResult) {
        let result = Block::ToolResult(result);
        match self.messages.last_mut().filter(|it| it.role == Role::User) {
            Some(last) if holds_results(last) => last.blocks.push(result),
            Some(last) => {
                self.behind_results = std::mem::replace(&mut last.blocks, vec![result]);
            }
            None => self.begin(Role::User, vec![result]),
        }
    }

    fn begin(&mut self, role: Role, blocks: Vec<Block>) {
        self.end_turn();
        self.messages.push(Message { role, blocks });
    }

    /// Nothing more is added to the last turn.
    fn end_turn(&mut self) {
        if let Some(last) = self.messages.last_mut() {
            last.blocks.append(&mut self.behind_results);
        }
    }
}

fn holds_results(message: &Message) -> bool {
    matches!(message.blocks.first(), Some(Block::ToolResult(_)))
}
