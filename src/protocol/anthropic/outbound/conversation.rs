//! The turns of a conversation in the order that the API enforces.
//!
//! Turns alternate and the first is the user's. The results of an assistant's calls stand first in the one user
//! message behind it, all of them; so the conversation is cut into runs: what the assistant says until someone else
//! speaks is one message, what everyone else says until the assistant speaks again is another. A call without a result
//! gets a stand-in, a result without a call becomes text. Instructions amid the conversation stand behind what the
//! user says in the same run, or are reminders among it where the model takes no such messages: either way they
//! govern the same answer.
//!
//! Each message depends on nothing that comes later, so that the prompt cache keeps its prefix from turn to turn.

mod ending;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::protocol::anthropic::body::tool_input;
use crate::protocol::anthropic::profile::Profile;
use crate::protocol::canonical::{Block, LossKind, Losses, Message, Request, Role, ToolUse};

use super::cache::Marks;
use super::content::{At, Content, words};
use super::names::{Ids, Names};
use super::reasoning::recall;
use super::wire;
use super::wire::Body;
use ending::is_thinking;

/// What the user says where the API wants the user to speak and nobody did.
const OPENING: &str = "(begin)";

/// The conversation as it is sent.
pub(super) struct Written<'a> {
    /// The system prompt.
    pub system: Vec<wire::Block<'a>>,
    /// All messages; empty when nothing at all is said.
    pub messages: Vec<wire::Message<'a>>,
    /// A file of the vendor's store is among them.
    pub files: bool,
}

/// Writes system prompt and conversation; `instruction` is put at the end of the system prompt.
pub(super) fn write<'a>(
    request: &'a Request,
    profile: &Profile,
    instruction: Option<String>,
    marks: &Marks<'a>,
    names: &mut Names,
    losses: &mut Losses,
) -> Written<'a> {
    let mut writer = Writer {
        profile,
        marks,
        names,
        losses,
        ids: Ids::default(),
        files: false,
        out: Vec::with_capacity(request.messages.len()),
        open: Vec::new(),
        open_ids: HashSet::new(),
    };
    let leading = request
        .messages
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    let numbered: Vec<(usize, &'a Message)> = request.messages.iter().enumerate().collect();
    let (first, rest) = numbered.split_at_checked(leading).unwrap_or_default();
    let mut media = Vec::new();
    let mut system = writer.system(request, first, &mut media);
    system.extend(instruction.map(wire::Block::text));
    writer.push_user(media);
    for run in rest.chunk_by(|(_, a), (_, b)| is_assistant(a) == is_assistant(b)) {
        match run.first() {
            Some((_, message)) if is_assistant(message) => writer.assistant(run),
            Some(_) => writer.others(run),
            None => {}
        }
    }
    writer.others(&[]);
    if writer.out.is_empty() && !system.is_empty() {
        writer.push_user(vec![wire::Block::text(OPENING)]);
    }
    Written {
        system,
        messages: writer.out,
        files: writer.files,
    }
}

fn is_assistant(message: &Message) -> bool {
    message.role == Role::Assistant
}

/// A call that waits for its result.
struct OpenCall<'a> {
    id: &'a str,
    sent: Cow<'a, str>,
    message: usize,
}

struct Writer<'a, 'b> {
    profile: &'b Profile,
    marks: &'b Marks<'a>,
    names: &'b mut Names,
    losses: &'b mut Losses,
    ids: Ids,
    files: bool,
    out: Vec<wire::Message<'a>>,
    /// Calls of the last assistant message, in order.
    open: Vec<OpenCall<'a>>,
    /// Their ids: a hostile turn may have very many.
    open_ids: HashSet<&'a str>,
}

impl<'a> Writer<'a, '_> {
    fn content(&mut self) -> Content<'_> {
        Content {
            profile: self.profile,
            losses: self.losses,
            files: &mut self.files,
        }
    }

    /// The system prompt; what is no text in it, the user says.
    fn system(
        &mut self,
        request: &'a Request,
        leading: &[(usize, &'a Message)],
        media: &mut Vec<wire::Block<'a>>,
    ) -> Vec<wire::Block<'a>> {
        let mut system = Vec::new();
        for (index, text) in request.system.iter().enumerate() {
            if let Some(mut block) = words(text) {
                self.marks.system(index, &mut block);
                system.push(block);
            }
        }
        for (index, message) in leading {
            self.instructions(*index, message, &HashSet::new(), &mut system, media);
        }
        system
    }

    /// The blocks of a message that has the role of the system, those in `told` left out: text, and the rest.
    fn instructions(
        &mut self,
        index: usize,
        message: &'a Message,
        told: &HashSet<(usize, usize)>,
        texts: &mut Vec<wire::Block<'a>>,
        rest: &mut Vec<wire::Block<'a>>,
    ) {
        for (block, content) in message.blocks.iter().enumerate() {
            if told.contains(&(index, block)) {
                continue;
            }
            let at = At {
                message: index,
                block,
            };
            for block in self.said(content, at, false) {
                match block.body() {
                    Some(Body::Text { .. }) => texts.push(block),
                    _ => rest.push(block),
                }
            }
        }
    }

    /// What one block becomes, its mark on the last piece.
    fn said(&mut self, content: &'a Block, at: At, by_model: bool) -> Vec<wire::Block<'a>> {
        let mut blocks = self.content().block(content, at, by_model);
        if let Some(last) = blocks.last_mut() {
            self.marks.block(at, last);
        }
        blocks
    }

    /// Consecutive assistant messages become one.
    fn assistant(&mut self, run: &[(usize, &'a Message)]) {
        let mut blocks = Vec::new();
        for (index, message) in run {
            for (block, content) in message.blocks.iter().enumerate() {
                let at = At {
                    message: *index,
                    block,
                };
                match content {
                    Block::Thinking { .. } | Block::RedactedThinking { .. } => {
                        blocks.extend(recall(content, self.profile).map(wire::Block::of));
                    }
                    Block::ToolUse(call) => blocks.extend(self.call(call, at)),
                    _ => blocks.extend(self.said(content, at, true)),
                }
            }
        }
        // A turn may not end with thinking, and thinking alone is no turn.
        while blocks.last().is_some_and(is_thinking) {
            blocks.pop();
        }
        if blocks.is_empty() {
            return;
        }
        match self.out.last_mut() {
            Some(last) if last.role == "assistant" => last.content.append(&mut blocks),
            Some(_) => self.push("assistant", blocks),
            None => {
                self.push("user", vec![wire::Block::text(OPENING)]);
                self.push("assistant", blocks);
            }
        }
    }

    fn call(&mut self, call: &'a ToolUse, at: At) -> Option<wire::Block<'a>> {
        if !self.open_ids.insert(&call.id) {
            self.losses.add(at.to_string(), LossKind::SecondOfItsName);
            return None;
        }
        let id = self.ids.call(&call.id);
        self.open.push(OpenCall {
            id: &call.id,
            sent: id.clone(),
            message: at.message,
        });
        let mut block = wire::Block::of(Body::ToolUse {
            id,
            name: self.names.sent(&call.name),
            input: self.input(&call.input, at),
        });
        self.marks.block(at, &mut block);
        Some(block)
    }

    /// Arguments, which must be an object. What a model broke is kept as text.
    fn input(&mut self, input: &'a RawValue, at: At) -> Cow<'a, RawValue> {
        let json = input.get();
        if json.starts_with('{') {
            return Cow::Borrowed(input);
        }
        let text = serde_json::from_str::<String>(json);
        let text = text.as_deref().unwrap_or(json);
        if !matches!(text, "" | "null") {
            self.losses.add(format!("{at}.input"), LossKind::Wrapped);
        }
        RawValue::from_string(tool_input(text)).map_or(Cow::Borrowed(input), Cow::Owned)
    }

    /// What is said between two turns of the assistant: results first, then the rest, instructions last.
    fn others(&mut self, run: &[(usize, &'a Message)]) {
        let (mut user, told) = self.results(run);
        let mut system = Vec::new();
        for (index, message) in run {
            if message.role == Role::System {
                let mut texts = Vec::new();
                self.instructions(*index, message, &told, &mut texts, &mut user);
                if self.profile.mid_system {
                    system.append(&mut texts);
                } else {
                    user.extend(texts.into_iter().map(remind));
                }
                continue;
            }
            for (block, content) in message.blocks.iter().enumerate() {
                if !told.contains(&(*index, block)) {
                    let at = At {
                        message: *index,
                        block,
                    };
                    user.extend(self.said(content, at, false));
                }
            }
        }
        self.push_user(user);
        self.push_system(system);
    }

    /// The results of all open calls, in the order in which they came, and where they stood.
    fn results(
        &mut self,
        run: &[(usize, &'a Message)],
    ) -> (Vec<wire::Block<'a>>, HashSet<(usize, usize)>) {
        let mut out = Vec::new();
        let mut told = HashSet::new();
        self.open_ids.clear();
        let open = std::mem::take(&mut self.open);
        let mut waiting: HashMap<&'a str, &OpenCall<'a>> =
            open.iter().map(|call| (call.id, call)).collect();
        for (message, turn) in run {
            for (block, content) in turn.blocks.iter().enumerate() {
                let at = At {
                    message: *message,
                    block,
                };
                if let Block::ToolResult(result) = content
                    && let Some(call) = waiting.remove(result.tool_use_id.as_str())
                {
                    let id = call.sent.clone();
                    let mut result = self.content().tool_result(result, id, at);
                    self.marks.block(at, &mut result);
                    out.push(result);
                    told.insert((*message, block));
                }
            }
        }
        for call in open.iter().filter(|call| waiting.contains_key(call.id)) {
            let id = call.sent.clone();
            out.push(self.content().missing(id, call.message));
        }
        (out, told)
    }

    /// The user may have spoken last, when what the assistant said came to nothing.
    fn push_user(&mut self, mut blocks: Vec<wire::Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        let system = self.out.pop_if(|last| last.role == "system");
        match self.out.last_mut() {
            Some(last) if last.role == "user" => last.content.append(&mut blocks),
            Some(_) | None => self.push("user", blocks),
        }
        self.out.extend(system);
    }

    /// Instructions stand behind a user message; where there is none, they are a reminder in one of their own.
    fn push_system(&mut self, mut texts: Vec<wire::Block<'a>>) {
        if texts.is_empty() {
            return;
        }
        match self.out.last_mut() {
            Some(last) if last.role == "system" => last.content.append(&mut texts),
            Some(last) if last.role == "user" => self.push("system", texts),
            Some(_) | None => self.push_user(texts.into_iter().map(remind).collect()),
        }
    }

    fn push(&mut self, role: &'static str, content: Vec<wire::Block<'a>>) {
        self.out.push(wire::Message { role, content });
    }
}

/// An instruction as user text, in the form that Claude Code's own reminders have.
fn remind(block: wire::Block<'_>) -> wire::Block<'_> {
    match block {
        wire::Block::Own(mut own) => {
            if let Body::Text { text } = &mut own.body {
                *text = format!("<system-reminder>\n{text}\n</system-reminder>").into();
            }
            wire::Block::Own(own)
        }
        raw @ wire::Block::Raw(_) => raw,
    }
}

#[cfg(test)]
mod tests;
