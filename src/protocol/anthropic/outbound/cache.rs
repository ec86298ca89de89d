//! Where the provider is asked to cache the prompt up to.
//!
//! The client's own wishes stand. Clients of OpenAI's dialects have none and expect caching all the same: for them the
//! tools, the system prompt and the last two turns of the user are marked, which keeps what the last call wrote within
//! reach of the next one.

use std::collections::HashMap;

use serde_json::Value;

use crate::protocol::canonical::{CacheAt, Request};

use super::content::At;
use super::wire;
use super::wire::{Ephemeral, Mark};

/// Most marks that are accepted.
const MAX_MARKS: usize = 4;

/// The client's marks, by where they stand.
pub(super) struct Marks<'a> {
    tools: HashMap<usize, &'a Value>,
    system: HashMap<usize, &'a Value>,
    blocks: HashMap<(usize, usize), &'a Value>,
}

impl<'a> Marks<'a> {
    /// Of several for one place the first counts; of more than four, those that cover most.
    pub fn of(request: &'a Request) -> Self {
        let mut wishes: Vec<_> = request.cache_breakpoints.iter().collect();
        wishes.sort_by_key(|wish| match wish.at {
            CacheAt::Tool(index) => (0, index, 0),
            CacheAt::System(index) => (1, index, 0),
            CacheAt::Block { message, block } => (2, message, block),
        });
        wishes.dedup_by_key(|wish| wish.at);
        let surplus = wishes.len().saturating_sub(MAX_MARKS);
        let mut marks = Marks {
            tools: HashMap::new(),
            system: HashMap::new(),
            blocks: HashMap::new(),
        };
        for wish in wishes.into_iter().skip(surplus) {
            let control = &wish.control;
            match wish.at {
                CacheAt::Tool(index) => marks.tools.insert(index, control),
                CacheAt::System(index) => marks.system.insert(index, control),
                CacheAt::Block { message, block } => marks.blocks.insert((message, block), control),
            };
        }
        marks
    }

    /// Whether the client leaves it to us.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.system.is_empty() && self.blocks.is_empty()
    }

    /// The mark of a tool.
    pub fn tool(&self, index: usize) -> Option<Mark<'a>> {
        self.tools.get(&index).copied().map(Mark::Own)
    }

    /// Marks a text of the system prompt.
    pub fn system(&self, index: usize, block: &mut wire::Block<'a>) {
        if let Some(control) = self.system.get(&index) {
            block.mark(Mark::Own(control));
        }
    }

    /// Marks a block of a message.
    pub fn block(&self, at: At, block: &mut wire::Block<'a>) {
        if let Some(control) = self.blocks.get(&(at.message, at.block)) {
            block.mark(Mark::Own(control));
        }
    }
}

/// Marks a prompt of which the client says nothing.
pub(super) fn mark(
    tools: &mut [wire::Tool<'_>],
    system: &mut [wire::Block<'_>],
    messages: &mut [wire::Message<'_>],
) {
    let plain = || Mark::Plain(Ephemeral { kind: "ephemeral" });
    if let Some(wire::Tool::Client(tool)) = tools.last_mut() {
        tool.cache_control = Some(plain());
    }
    if let Some(block) = system.last_mut() {
        block.mark(plain());
    }
    let users = messages
        .iter_mut()
        .rev()
        .filter(|message| message.role == "user");
    for message in users.take(2) {
        if let Some(block) = message.content.last_mut() {
            block.mark(plain());
        }
    }
}
