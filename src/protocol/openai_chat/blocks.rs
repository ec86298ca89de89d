//! Puts the pieces of an answer into blocks, of which only one may be open: Anthropic's clients run a tool without
//! its arguments when blocks interleave.
//!
//! The first block stays open; what belongs to another one waits in a queue. A tool call gives way as soon as its
//! arguments are a whole JSON value, text and thinking give way at once, so that in practice only truly interleaved
//! calls wait. At the end everything that waits is shown.

mod about;

use std::collections::VecDeque;

use serde_json::Value;

use crate::protocol::canonical::{BlockStart, Event, ToolNames};
use crate::protocol::envelope::{ReasoningKind, seal_reasoning};
use crate::protocol::frame::limit::MAX_HELD_BYTES;
use crate::protocol::openai_chat::calls::{Call, Calls, PieceHead};
use crate::protocol::openai_chat::details::Details;
use crate::protocol::upstream_error::StreamError;

/// What stands before and after a free text, to make an object of it.
const FREE_OPENS: &str = "{\"input\":\"";
const FREE_CLOSES: &str = "\"}";

/// The block that may be added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Tool(usize),
}

/// A block that waits for its turn.
#[derive(Debug)]
enum Waiting {
    Text(String),
    Thinking(String),
    /// A call; its arguments wait in [`Calls`].
    Tool(usize),
}

/// The blocks of one answer.
#[derive(Debug)]
pub(crate) struct Blocks {
    open: Open,
    queue: VecDeque<Waiting>,
    /// Bytes of text and arguments that wait.
    held: usize,
    pub calls: Calls,
    pub details: Details,
    /// Text of the open thinking block, kept while details are gathered, to not send it twice.
    shown_thinking: String,
    /// What was told of text that is not shown yet, and its size in bytes.
    untold: Vec<Event>,
    untold_bytes: usize,
    any_call: bool,
    /// Blocks of text so far.
    texts: usize,
    opened: usize,
    closed: usize,
}

impl Blocks {
    pub fn new(names: ToolNames, seed: &str) -> Self {
        Blocks {
            open: Open::Nothing,
            queue: VecDeque::new(),
            held: 0,
            calls: Calls::new(names, seed),
            details: Details::default(),
            shown_thinking: String::new(),
            untold: Vec::new(),
            untold_bytes: 0,
            any_call: false,
            texts: 0,
            opened: 0,
            closed: 0,
        }
    }

    /// Whether a block was shown or waits.
    pub fn any(&self) -> bool {
        0 < self.opened || !self.queue.is_empty() || !self.details.is_empty()
    }

    /// Whether a tool call was shown.
    pub fn any_call(&self) -> bool {
        self.any_call
    }

    /// Adds text.
    pub fn text(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open == Open::Text && self.queue.is_empty() {
            out.push(Event::Text(text.to_owned()));
            return Ok(());
        }
        self.hold(text.len())?;
        match self.queue.back_mut() {
            Some(Waiting::Text(last)) => last.push_str(text),
            _ => self.queue.push_back(Waiting::Text(text.to_owned())),
        }
        self.drain(out);
        Ok(())
    }

    /// Adds thinking.
    pub fn thinking(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open == Open::Thinking && self.queue.is_empty() {
            self.show_thinking(text.to_owned(), out);
            return Ok(());
        }
        self.hold(text.len())?;
        match self.queue.back_mut() {
            Some(Waiting::Thinking(last)) => last.push_str(text),
            _ => self.queue.push_back(Waiting::Thinking(text.to_owned())),
        }
        self.drain(out);
        Ok(())
    }

    /// Adds a piece of a tool call. `repaired` says whether `arguments` may hold stand-ins of cut characters.
    pub fn tool(
        &mut self,
        piece: PieceHead<'_>,
        arguments: &str,
        repaired: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let Some((slot, is_new)) = self.calls.locate(piece)? else {
            return Ok(());
        };
        if is_new {
            self.queue.push_back(Waiting::Tool(slot));
        }
        if let Some(call) = self.calls.get_mut(slot) {
            let arguments = call.joiner.join(arguments, repaired).into_owned();
            self.arguments(slot, arguments, out)?;
        }
        self.drain(out);
        Ok(())
    }

    /// Adds a piece of a call whose argument is free text. It becomes the one string of an object, [`FREE_OPENS`] to
    /// [`FREE_CLOSES`], as functions have it that stand for such tools.
    pub fn free_tool(
        &mut self,
        piece: PieceHead<'_>,
        text: &str,
        repaired: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let Some((slot, is_new)) = self.calls.locate(piece)? else {
            return Ok(());
        };
        if is_new {
            self.queue.push_back(Waiting::Tool(slot));
        }
        if let Some(call) = self.calls.get_mut(slot) {
            let mut json = String::new();
            if !std::mem::replace(&mut call.free, true) {
                json.push_str(FREE_OPENS);
            }
            let quoted = Value::from(call.joiner.join(text, repaired)).to_string();
            json.push_str(
                quoted
                    .get(1..quoted.len().saturating_sub(1))
                    .unwrap_or_default(),
            );
            self.arguments(slot, json, out)?;
        }
        self.drain(out);
        Ok(())
    }

    fn arguments(
        &mut self,
        slot: usize,
        arguments: String,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let Some(call) = self.calls.get_mut(slot) else {
            return Ok(());
        };
        if arguments.is_empty() || (!call.progress.begun() && arguments.trim() == "null") {
            return Ok(());
        }
        if call.closed {
            return if arguments.trim().is_empty() {
                Ok(())
            } else {
                Err(StreamError::Malformed(
                    "arguments of a tool call after their end",
                ))
            };
        }
        call.progress.push(&arguments);
        if self.open == Open::Tool(slot) {
            out.push(Event::ToolArguments(arguments));
            return Ok(());
        }
        call.held.push_str(&arguments);
        let more = arguments.len();
        self.hold(more)
    }

    /// Ends the answer: shows everything that waits and closes what is open.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        while let Some(next) = self.queue.pop_front() {
            if let Waiting::Tool(slot) = next
                && let Some(call) = self.calls.get(slot)
                && call.name.is_empty()
            {
                if call.is_ghost() {
                    continue;
                }
                return Err(StreamError::Malformed("a tool call without a name"));
            }
            self.show(next, out);
        }
        self.close(out);
        self.show_orphaned_details(out);
        debug_assert_eq!(self.opened, self.closed);
        Ok(())
    }

    fn hold(&mut self, more: usize) -> Result<(), StreamError> {
        self.held = self.held.saturating_add(more);
        if self.held <= MAX_HELD_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("interleaved tool calls"))
        }
    }

    /// Shows what waits, as far as the open block gives way.
    fn drain(&mut self, out: &mut Vec<Event>) {
        while self.gives_way() {
            match self.queue.front() {
                None => break,
                Some(Waiting::Tool(slot)) => {
                    let followed = 1 < self.queue.len();
                    let is_ready = |call: &Call| call.is_ready(followed);
                    if !self.calls.get(*slot).is_some_and(is_ready) {
                        break;
                    }
                }
                Some(Waiting::Text(_) | Waiting::Thinking(_)) => {}
            }
            if let Some(next) = self.queue.pop_front() {
                self.show(next, out);
            }
        }
        debug_assert!(self.opened == self.closed + usize::from(self.open != Open::Nothing));
    }

    /// Whether the open block may be closed for another.
    fn gives_way(&self) -> bool {
        match self.open {
            Open::Nothing | Open::Text | Open::Thinking => true,
            Open::Tool(slot) => self
                .calls
                .get(slot)
                .is_none_or(|it| it.progress.is_complete()),
        }
    }

    fn show(&mut self, next: Waiting, out: &mut Vec<Event>) {
        match next {
            Waiting::Text(text) => {
                self.held = self.held.saturating_sub(text.len());
                if self.open != Open::Text {
                    self.texts += 1;
                    self.switch(Open::Text, BlockStart::Text, out);
                }
                out.push(Event::Text(text));
                self.held = self
                    .held
                    .saturating_sub(std::mem::take(&mut self.untold_bytes));
                out.append(&mut self.untold);
            }
            Waiting::Thinking(text) => {
                self.held = self.held.saturating_sub(text.len());
                if self.open != Open::Thinking {
                    self.switch(Open::Thinking, BlockStart::Thinking, out);
                }
                self.show_thinking(text, out);
            }
            Waiting::Tool(slot) => {
                let id = self.calls.shown_id(slot);
                let Some(call) = self.calls.get_mut(slot) else {
                    return;
                };
                call.shown = true;
                let name = call.name.clone();
                let held = std::mem::take(&mut call.held);
                self.held = self.held.saturating_sub(held.len());
                self.any_call = true;
                self.switch(Open::Tool(slot), BlockStart::ToolUse { id, name }, out);
                if !held.is_empty() {
                    out.push(Event::ToolArguments(held));
                }
            }
        }
    }

    fn show_thinking(&mut self, text: String, out: &mut Vec<Event>) {
        if !self.details.is_empty() {
            self.shown_thinking.push_str(&text);
        }
        out.push(Event::Thinking(text));
    }

    fn switch(&mut self, open: Open, start: BlockStart, out: &mut Vec<Event>) {
        self.close(out);
        if open != Open::Thinking {
            self.show_orphaned_details(out);
        }
        self.open = open;
        self.opened += 1;
        out.push(Event::BlockStart(start));
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Text => {}
            Open::Thinking => {
                let shown = std::mem::take(&mut self.shown_thinking);
                out.push(Event::Signature(if self.details.is_empty() {
                    seal_reasoning(ReasoningKind::Content, "")
                } else {
                    self.details.seal(&shown)
                }));
            }
            Open::Tool(slot) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.closed = true;
                    if call.free {
                        out.push(Event::ToolArguments(FREE_CLOSES.to_owned()));
                    }
                }
            }
        }
        self.closed += 1;
        out.push(Event::BlockStop);
    }

    /// Details that came without readable text, or after it, travel in a block of their own.
    fn show_orphaned_details(&mut self, out: &mut Vec<Event>) {
        if !self.details.is_empty() {
            let data = self.details.seal("");
            self.opened += 1;
            self.closed += 1;
            out.push(Event::BlockStart(BlockStart::RedactedThinking { data }));
            out.push(Event::BlockStop);
        }
    }
}
