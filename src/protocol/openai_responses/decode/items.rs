//! Puts the items of an answer into line: clients take one open block at a time, providers may work on several items
//! at once.
//!
//! The first item in line is shown as it comes; what belongs to later ones waits with them. An item leaves the line
//! when it is whole. One that is not gives way to another that has something to show, unless that would tear it: a
//! call before its arguments are whole, reasoning before its seal has come. In practice only truly interleaved calls
//! wait. At the end everything is shown.

use std::collections::{HashSet, VecDeque};

use crate::protocol::canonical::{BlockStart, Event, ToolNames};
use crate::protocol::frame::limit::{MAX_HELD_BYTES, MAX_TOOL_CALLS};
use crate::protocol::openai_chat::calls::sanitise;
use crate::protocol::upstream_error::StreamError;

use super::call::Call;
use super::message::Message;
use super::reasoning::Reasoning;
use super::search::Searches;

/// Items of one answer.
const MAX_ITEMS: usize = 4096;
/// What one event costs in memory besides its text.
const EVENT_COST: usize = 64;

/// What kind of item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Function,
    Custom,
    /// A web search, a program.
    Hosted,
}

impl Kind {
    /// The kind of an item by its `type`; `None` is one that is not shown.
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "message" => Some(Kind::Message),
            "reasoning" => Some(Kind::Reasoning),
            "function_call" => Some(Kind::Function),
            "custom_tool_call" => Some(Kind::Custom),
            "web_search_call" | "code_interpreter_call" => Some(Kind::Hosted),
            _ => None,
        }
    }
}

/// One item of the answer.
#[derive(Debug)]
pub(super) enum Body {
    Message(Message),
    Reasoning(Box<Reasoning>),
    Call(Box<Call>),
    /// Shown when it is whole.
    Hosted,
}

impl Body {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Message => Body::Message(Message::default()),
            Kind::Reasoning => Body::Reasoning(Box::default()),
            Kind::Function => Body::Call(Box::new(Call::new(false))),
            Kind::Custom => Body::Call(Box::new(Call::new(true))),
            Kind::Hosted => Body::Hosted,
        }
    }

    fn gives_way(&self) -> bool {
        match self {
            Body::Message(_) | Body::Hosted => true,
            Body::Reasoning(it) => !it.promised,
            Body::Call(it) => it.gives_way(),
        }
    }

    /// Closes what is open, to go on later if need be.
    fn leave(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self {
            Body::Message(it) => it.close(out),
            Body::Reasoning(it) => it.close(out),
            Body::Call(it) if it.is_open() => it.close(out)?,
            Body::Call(_) | Body::Hosted => {}
        }
        Ok(())
    }
}

/// What names an item in an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub index: Option<u64>,
    pub id: Option<&'a str>,
}

/// What the items of one answer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub names: ToolNames,
    /// Makes ids of our own unique: the answer's message id.
    pub seed: String,
    /// Ids of the calls shown so far.
    pub ids: HashSet<String>,
    pub searches: Searches,
    /// Bytes of ids, names and early arguments, which are kept to the end.
    kept: usize,
}

impl Shared {
    /// So many bytes more are kept to the end.
    pub fn keep(&mut self, bytes: usize) -> Result<(), StreamError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept <= MAX_HELD_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("ids and names of items"))
        }
    }

    /// One more call.
    pub fn count_call(&self) -> Result<(), StreamError> {
        if self.ids.len() < MAX_TOOL_CALLS {
            Ok(())
        } else {
            Err(StreamError::TooMuch("tool calls"))
        }
    }
}

#[derive(Debug)]
struct Slot {
    kind: Kind,
    index: Option<u64>,
    id: String,
    body: Body,
    /// In line.
    queued: bool,
    /// Whole.
    done: bool,
    /// What waits to be shown.
    waiting: Vec<Event>,
}

/// The items of one answer.
#[derive(Debug)]
pub(super) struct Items {
    slots: Vec<Slot>,
    line: VecDeque<usize>,
    /// What waits, in bytes.
    held: usize,
    pub shared: Shared,
}

impl Items {
    pub fn new(names: ToolNames, seed: &str) -> Self {
        Items {
            slots: Vec::new(),
            line: VecDeque::new(),
            held: 0,
            shared: Shared {
                names,
                seed: sanitise(seed.strip_prefix("msg_").unwrap_or(seed)),
                ids: HashSet::new(),
                searches: Searches::new(seed),
                kept: 0,
            },
        }
    }

    /// Whether no item has come.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The provider's ids of the calls that were told.
    pub fn told_calls(&self) -> Vec<String> {
        let calls = self.slots.iter().filter_map(|slot| match &slot.body {
            Body::Call(call) => Some(call.sent_id().to_owned()),
            Body::Message(_) | Body::Reasoning(_) | Body::Hosted => None,
        });
        calls.collect()
    }

    /// Whether a tool of the client was called.
    pub fn any_call(&self) -> bool {
        !self.shared.ids.is_empty()
    }

    /// A new item.
    pub fn begin(&mut self, kind: Kind, place: Place<'_>) -> Result<usize, StreamError> {
        if MAX_ITEMS <= self.slots.len() {
            return Err(StreamError::TooMuch("items of an answer"));
        }
        self.shared.keep(place.id.map_or(0, str::len))?;
        self.slots.push(Slot {
            kind,
            index: place.index,
            id: place.id.unwrap_or_default().to_owned(),
            body: Body::new(kind),
            queued: true,
            done: false,
            waiting: Vec::new(),
        });
        let at = self.slots.len().saturating_sub(1);
        self.line.push_back(at);
        Ok(at)
    }

    /// The item that an event is about, begun if it has not been. The index counts, since some providers change ids
    /// from event to event; where there is none the id does, and without either it is the last of its kind.
    pub fn locate(&mut self, kind: Kind, place: Place<'_>) -> Result<usize, StreamError> {
        let known = match place {
            Place {
                index: Some(index), ..
            } => self.last(kind, |slot| slot.index == Some(index)),
            Place {
                index: None,
                id: Some(id),
            } => self.last(kind, |slot| slot.id == id),
            Place {
                index: None,
                id: None,
            } => self.last(kind, |_| true),
        };
        match known {
            Some(at) => Ok(at),
            None => self.begin(kind, place),
        }
    }

    fn last(&self, kind: Kind, fits: impl Fn(&Slot) -> bool) -> Option<usize> {
        self.slots
            .iter()
            .rposition(|slot| slot.kind == kind && fits(slot))
    }

    /// Lets an item do something; what it shows goes out, or waits with it.
    pub fn act(
        &mut self,
        at: usize,
        out: &mut Vec<Event>,
        act: impl FnOnce(&mut Body, &mut Shared, &mut Vec<Event>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let Some(slot) = self.slots.get_mut(at) else {
            return Ok(());
        };
        // What goes on after its end is not whole.
        slot.done = false;
        if !slot.queued {
            slot.queued = true;
            self.line.push_back(at);
        }
        if self.line.front() == Some(&at) {
            act(&mut slot.body, &mut self.shared, out)?;
        } else {
            let before = slot.waiting.len();
            let acted = act(&mut slot.body, &mut self.shared, &mut slot.waiting);
            let more: usize = slot.waiting.iter().skip(before).map(cost).sum();
            acted?;
            self.held = self.held.saturating_add(more);
            if MAX_HELD_BYTES < self.held {
                return Err(StreamError::TooMuch("interleaved output items"));
            }
        }
        self.advance(out)
    }

    /// The item is whole.
    pub fn done(&mut self, at: usize, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.done = true;
        }
        self.advance(out)
    }

    /// Lets those out of line that are whole or give way.
    fn advance(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        while let Some(slot) = self.line.front().and_then(|at| self.slots.get_mut(*at)) {
            if !slot.done {
                if self.held == 0 || !slot.body.gives_way() {
                    break;
                }
                slot.body.leave(out)?;
            }
            self.next(out);
        }
        Ok(())
    }

    /// The first in line leaves, and what the next one has waiting is shown.
    fn next(&mut self, out: &mut Vec<Event>) {
        if let Some(at) = self.line.pop_front()
            && let Some(slot) = self.slots.get_mut(at)
        {
            slot.queued = false;
        }
        if let Some(slot) = self.line.front().and_then(|at| self.slots.get_mut(*at)) {
            let freed: usize = slot.waiting.iter().map(cost).sum();
            self.held = self.held.saturating_sub(freed);
            out.append(&mut slot.waiting);
        }
    }

    /// Ends the answer: shows everything that waits and closes what is open.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        while let Some(slot) = self.line.front().and_then(|at| self.slots.get_mut(*at)) {
            match &mut slot.body {
                Body::Call(it) => it.close(out)?,
                body @ (Body::Message(_) | Body::Reasoning(_) | Body::Hosted) => body.leave(out)?,
            }
            self.next(out);
        }
        debug_assert_eq!(self.held, 0);
        self.shared.searches.finish(out)
    }
}

/// What an event holds in memory.
fn cost(event: &Event) -> usize {
    let text = match event {
        Event::Text(text)
        | Event::Thinking(text)
        | Event::Signature(text)
        | Event::ToolArguments(text) => text.len(),
        Event::Logprobs(raw) => raw.get().len(),
        Event::Citation(it) => [&it.url, &it.title, &it.cited_text]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum(),
        Event::BlockStart(start) => match start {
            BlockStart::Text | BlockStart::Thinking => 0,
            BlockStart::RedactedThinking { data } => data.len(),
            BlockStart::ToolUse { id, name } => id.len().saturating_add(name.len()),
            BlockStart::ServerToolUse { input, .. } => input.get().len(),
            BlockStart::ServerToolResult { content, .. } => content.get().len(),
            BlockStart::Unknown(raw) => raw.get().len(),
        },
        Event::Start { .. } | Event::BlockStop | Event::Finish { .. } => 0,
    };
    EVENT_COST.saturating_add(text)
}
