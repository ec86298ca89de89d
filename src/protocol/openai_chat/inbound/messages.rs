//! The conversation: wire → canonical.
//!
//! Instructions before anything is said are the system prompt; later ones stay where they are. Results of tools are
//! messages of their own here and blocks of the next user message there: those side by side become one message, and
//! what the user says next is appended to it, so that the results of parallel calls stay together and first.

use serde_json::value::RawValue;

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Block, CacheAt, CacheBreakpoint, LossKind, Losses, Message, Problem, Role, ToolResult,
    ToolResultPart, TranslateError,
};

use super::parts::{self, Content};
use super::{assistant, wire};

/// What was said.
#[derive(Default)]
pub(super) struct Conversation {
    pub system: Vec<String>,
    pub messages: Vec<Message>,
    pub breakpoints: Vec<CacheBreakpoint>,
}

/// Reads `messages`.
pub(super) fn conversation(
    raw: wire::Raw<'_>,
    losses: &mut Losses,
) -> Result<Conversation, TranslateError> {
    let at = Path::root("messages");
    let entries = field::list(field::required(raw, at)?, at)?;
    if entries.is_empty() {
        return Err(at.error(Problem::Empty("message")));
    }
    let mut reader = Reader {
        said: Conversation {
            messages: Vec::with_capacity(entries.len()),
            ..Conversation::default()
        },
        losses,
        after_results: false,
        legacy_call: None,
    };
    for (index, raw) in entries.into_iter().enumerate() {
        reader.message(raw, index, at.index(index))?;
    }
    Ok(reader.finish())
}

struct Reader<'l> {
    said: Conversation,
    losses: &'l mut Losses,
    /// The last message holds results of tools and nothing else.
    after_results: bool,
    /// The id given to the last call of the older form, which has none.
    legacy_call: Option<String>,
}

impl Reader<'_> {
    fn message(
        &mut self,
        raw: &RawValue,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), TranslateError> {
        let wire: wire::Message<'_> = field::object(raw, at)?;
        let role = field::string(wire.role, at.key("role"))?;
        // Of tool messages it is known anyway, and of functions it is what ties them to their call.
        if wire.name.is_some() && !matches!(role.as_str(), "tool" | "function") {
            self.losses
                .add(at.key("name").bracketed(), LossKind::Dropped);
        }
        let content = || field::required(wire.content, at.key("content"));
        match role.as_str() {
            "system" | "developer" => {
                let mut content = parts::content(content()?, at.key("content"), self.losses)?;
                content.mark(wire.cache_control, at)?;
                self.instructions(content, at);
            }
            "user" => {
                let mut content = parts::content(content()?, at.key("content"), self.losses)?;
                content.mark(wire.cache_control, at)?;
                self.say(Role::User, content);
                self.after_results = false;
            }
            "assistant" => {
                let turn = assistant::turn(&wire, index, at, self.losses)?;
                self.legacy_call = turn.legacy_call;
                self.after_results = false;
                if !turn.content.blocks.is_empty() {
                    self.say(Role::Assistant, turn.content);
                }
            }
            "tool" => {
                let id = field::string(wire.tool_call_id, at.key("tool_call_id"))?;
                self.result(id, &wire, at)?;
            }
            "function" => {
                let name = field::string(wire.name, at.key("name"))?;
                let id = self.legacy_call.take();
                self.result(id.unwrap_or_else(|| assistant::legacy_id(&name)), &wire, at)?;
            }
            _ => {
                return Err(at
                    .key("role")
                    .expected("'system', 'developer', 'user', 'assistant', 'tool' or 'function'"));
            }
        }
        Ok(())
    }

    fn instructions(&mut self, mut content: Content, at: Path<'_>) {
        content.keep_text(at.key("content"), self.losses);
        if !self.said.messages.is_empty() {
            self.after_results = false;
            self.say(Role::System, content);
            return;
        }
        let before = self.said.system.len();
        for (block, control) in content.controls {
            self.said.breakpoints.push(CacheBreakpoint {
                at: CacheAt::System(before.saturating_add(block)),
                control,
            });
        }
        let texts = content.blocks.into_iter().filter_map(|block| match block {
            Block::Text(text) => Some(text),
            _ => None,
        });
        self.said.system.extend(texts);
    }

    /// The result of one call; its parts become parts of the result.
    fn result(
        &mut self,
        id: String,
        wire: &wire::Message<'_>,
        at: Path<'_>,
    ) -> Result<(), TranslateError> {
        let mut content = match wire.content {
            Some(raw) => parts::content(raw, at.key("content"), self.losses)?,
            None => Content::default(),
        };
        content.mark(wire.cache_control, at)?;
        let control = content.controls.pop().map(|(_, control)| (0, control));
        let parts = content.blocks.into_iter().filter_map(result_part);
        let result = Block::ToolResult(ToolResult {
            tool_use_id: id,
            content: parts.collect(),
            is_error: false,
        });
        let one = Content {
            blocks: vec![result],
            controls: control.into_iter().collect(),
        };
        self.say(Role::User, one);
        self.after_results = true;
        Ok(())
    }

    /// Adds a message, or adds to the last one where that holds results and the same person goes on.
    fn say(&mut self, role: Role, content: Content) {
        let open = self.after_results && role == Role::User;
        if !open || self.said.messages.is_empty() {
            self.said.messages.push(Message {
                role,
                blocks: Vec::new(),
            });
        }
        let message = self.said.messages.len().saturating_sub(1);
        let Some(last) = self.said.messages.last_mut() else {
            return;
        };
        let before = last.blocks.len();
        last.blocks.extend(content.blocks);
        for (block, control) in content.controls {
            self.said.breakpoints.push(CacheBreakpoint {
                at: CacheAt::Block {
                    message,
                    block: before.saturating_add(block),
                },
                control,
            });
        }
    }

    /// Instructions alone are answered by OpenAI and refused by others: the last of them is then what the user says.
    fn finish(mut self) -> Conversation {
        if self.said.messages.is_empty()
            && let Some(text) = self.said.system.pop()
        {
            let last = self.said.system.len();
            self.losses.add("messages", LossKind::AsText);
            for wish in &mut self.said.breakpoints {
                if wish.at == CacheAt::System(last) {
                    wish.at = CacheAt::Block {
                        message: 0,
                        block: 0,
                    };
                }
            }
            self.said.messages.push(Message {
                role: Role::User,
                blocks: vec![Block::Text(text)],
            });
        }
        self.said
    }
}

fn result_part(block: Block) -> Option<ToolResultPart> {
    match block {
        Block::Text(text) => Some(ToolResultPart::Text(text)),
        Block::Image(source) => Some(ToolResultPart::Image(source)),
        Block::Document { source, title, .. } => Some(ToolResultPart::Document { source, title }),
        // No part is read as one of these but thinking, which no tool has.
        Block::SearchResult { .. }
        | Block::Thinking { .. }
        | Block::RedactedThinking { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Unknown { .. } => None,
    }
}
