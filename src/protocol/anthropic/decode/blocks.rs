//! Which block is open, and what its deltas become.
//!
//! Text, thinking and calls of the client's tools are shown as they come; a block of text or thinking opens with its
//! first content, so that an empty one is never seen and an error right behind it comes before any content. All other
//! blocks are gathered and given whole. The dialect opens one block at a time; should a provider interleave them, or
//! leave one open, the later ones wait for it.

use std::collections::{HashSet, VecDeque};

use serde_json::value::RawValue;

use crate::protocol::anthropic::raw_object::RawObject;
use crate::protocol::anthropic::reassemble::Block as Gathered;
use crate::protocol::canonical::{BlockStart, Event, ToolNames};
use crate::protocol::frame::limit::{MAX_HELD_BYTES, MAX_TOOL_CALLS};
use crate::protocol::upstream_error::StreamError;

use super::whole::whole;
use super::{citation, wire};

/// Blocks that may wait behind an open one.
const MAX_OPEN: usize = 1024;

const WITHOUT_TEXT: StreamError = StreamError::Malformed("a delta without its text");
const NOT_OPEN: StreamError = StreamError::Malformed("a delta or stop of a block that is not open");

/// The blocks of one answer.
#[derive(Debug)]
pub(super) struct Blocks {
    names: ToolNames,
    /// Makes ids of our own unique: the answer's message id.
    seed: String,
    /// Ids of calls that were shown.
    ids: HashSet<String>,
    /// One of them is the model's own.
    direct: bool,
    /// The block that is shown, and those that wait behind it, in the order they opened.
    open: VecDeque<Open>,
    /// Bytes that wait.
    held: usize,
    /// Blocks that were begun and ended, for the grammar's sake.
    begun: usize,
    ended: usize,
}

#[derive(Debug)]
struct Open {
    index: Option<u64>,
    kind: Kind,
    /// Its start was given.
    begun: bool,
    /// It was closed while it waited.
    closed: bool,
    /// What it becomes, while it waits.
    waiting: Vec<Event>,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thinking {
        signature: String,
    },
    Tool {
        /// As it stood in the start; any piece of arguments replaces it.
        input: Option<String>,
    },
    Whole(Box<Gathered>),
}

impl Kind {
    /// `None` is no object.
    fn of(block: &wire::Block<'_>, raw: &RawValue) -> Option<Self> {
        Some(match block.kind.as_str() {
            "text" => Kind::Text,
            "thinking" => Kind::Thinking {
                signature: block.signature.clone().unwrap_or_default(),
            },
            "tool_use" => Kind::Tool {
                input: block.input.map(RawValue::get).and_then(filled),
            },
            _ => {
                let opened = RawObject::read(raw.get().as_bytes())?;
                Kind::Whole(Box::new(Gathered::opened(None, opened)))
            }
        })
    }
}

impl Blocks {
    /// No blocks.
    pub fn new(names: ToolNames, seed: &str) -> Self {
        let seed = seed.strip_prefix("msg_").unwrap_or(seed);
        Blocks {
            names,
            seed: seed.chars().filter(char::is_ascii_alphanumeric).collect(),
            ids: HashSet::new(),
            direct: false,
            open: VecDeque::new(),
            held: 0,
            begun: 0,
            ended: 0,
        }
    }

    /// Whether the client's tools were called.
    pub fn any_call(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Whether the model itself did so, and not a program of its that may have its answer by now.
    pub fn any_direct_call(&self) -> bool {
        self.direct
    }

    /// A block opens, perhaps with content.
    pub fn start(
        &mut self,
        index: Option<u64>,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if index.is_some() && self.open.iter().any(|it| it.index == index && !it.closed) {
            return Err(StreamError::Malformed("a block that opens twice"));
        }
        if MAX_OPEN <= self.open.len() {
            return Err(StreamError::TooMuch("open blocks"));
        }
        if !self.open.is_empty() {
            self.hold(raw.get().len())?;
        }
        let malformed = || StreamError::Malformed("a block that is not of this dialect");
        let block: wire::Block<'_> = serde_json::from_str(raw.get()).map_err(|_| malformed())?;
        let kind = Kind::of(&block, raw).ok_or_else(malformed)?;
        let is_call = matches!(kind, Kind::Tool { .. });
        // Fields of other kinds may stand beside a block's own; what is given whole is shown when it closes.
        let carried = match kind {
            Kind::Text => block.text.map(Event::Text),
            Kind::Thinking { .. } => block.thinking.map(Event::Thinking),
            Kind::Tool { .. } | Kind::Whole(_) => None,
        };
        let is_text = matches!(kind, Kind::Text);
        self.open.push_back(Open {
            index,
            kind,
            begun: false,
            closed: false,
            waiting: Vec::new(),
        });
        let slot = self.open.len().saturating_sub(1);
        if is_call {
            let caller = block.caller.unwrap_or_default().kind;
            self.direct |= caller.is_none_or(|it| it == "direct");
            return self.call(slot, block.id, block.name, out);
        }
        if let Some(event) = carried {
            self.say(slot, event, out);
        }
        for raw in block.citations.filter(|_| is_text).unwrap_or_default() {
            self.cite(slot, raw, out);
        }
        Ok(())
    }

    fn call(
        &mut self,
        slot: usize,
        id: Option<String>,
        name: Option<String>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let name = name
            .filter(|it| !it.is_empty())
            .ok_or(StreamError::Malformed("a tool call without a name"))?;
        if MAX_TOOL_CALLS <= self.ids.len() {
            return Err(StreamError::TooMuch("tool calls"));
        }
        let good = id.filter(|id| is_plain(id) && !self.ids.contains(id));
        let id = good.unwrap_or_else(|| format!("toolu_{}_{}", self.seed, self.ids.len()));
        self.ids.insert(id.clone());
        let name = self.names.restore(&name).to_owned();
        self.begin(slot, BlockStart::ToolUse { id, name }, out);
        Ok(())
    }

    /// A block grows. `data` is the whole event, for kinds of blocks that are kept as they are.
    pub fn delta(
        &mut self,
        index: Option<u64>,
        delta: wire::Delta<'_>,
        data: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let slot = self.slot(index)?;
        if 0 < slot {
            self.hold(data.len())?;
        }
        let open = self.open.get_mut(slot).ok_or(NOT_OPEN)?;
        let piece = match (&mut open.kind, delta.kind.as_deref().unwrap_or_default()) {
            (Kind::Whole(gathered), _) => {
                let delta = RawObject::read(data).and_then(|it| it.object("delta"));
                gathered.apply(&delta.ok_or(NOT_OPEN)?)?;
                return self.hold(data.len());
            }
            (Kind::Thinking { signature }, "signature_delta") => {
                signature.push_str(&delta.signature.ok_or(WITHOUT_TEXT)?);
                return self.hold(data.len());
            }
            (Kind::Text, "citations_delta") => {
                self.cite(slot, delta.citation.ok_or(WITHOUT_TEXT)?, out);
                return Ok(());
            }
            (Kind::Text, "text_delta") => delta.text.map(Event::Text),
            (Kind::Thinking { .. }, "thinking_delta") => delta.thinking.map(Event::Thinking),
            (Kind::Tool { input }, "input_json_delta") => {
                let piece = delta.partial_json.ok_or(WITHOUT_TEXT)?;
                if !piece.is_empty() {
                    *input = None;
                }
                Some(Event::ToolArguments(piece))
            }
            (
                _,
                "text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta"
                | "citations_delta",
            ) => {
                return Err(StreamError::Malformed(
                    "a delta that does not fit its block",
                ));
            }
            // Kinds yet unknown.
            _ => return Ok(()),
        };
        self.say(slot, piece.ok_or(WITHOUT_TEXT)?, out);
        Ok(())
    }

    /// A block closes; those that waited for it are shown.
    pub fn stop(&mut self, index: Option<u64>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let slot = self.slot(index)?;
        self.close(slot, out)?;
        if slot == 0 {
            self.advance(out);
        }
        self.check();
        Ok(())
    }

    /// The message is over: what is still open closes. A call that the limit of tokens cut is never closed by the
    /// vendor itself.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        while !self.open.is_empty() {
            self.close(0, out)?;
            self.advance(out);
        }
        debug_assert_eq!(self.begun, self.ended);
        Ok(())
    }

    /// Where a block stands in `open`; without an index, the one that opened last is meant.
    fn slot(&self, index: Option<u64>) -> Result<usize, StreamError> {
        let found = match index {
            Some(_) => self
                .open
                .iter()
                .position(|it| it.index == index && !it.closed),
            None => self.open.iter().rposition(|it| !it.closed),
        };
        found.ok_or(NOT_OPEN)
    }

    fn close(&mut self, slot: usize, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let Some(open) = self.open.get_mut(slot) else {
            return Err(NOT_OPEN);
        };
        open.closed = true;
        let kind = std::mem::replace(&mut open.kind, Kind::Text);
        match kind {
            Kind::Text => {}
            Kind::Thinking { signature } if signature.is_empty() => {}
            Kind::Thinking { signature } => {
                self.begin_once(slot, BlockStart::Thinking, out);
                self.emit(slot, Event::Signature(signature), out);
            }
            Kind::Tool { input } => {
                if let Some(input) = input {
                    self.emit(slot, Event::ToolArguments(input), out);
                }
            }
            Kind::Whole(gathered) => {
                let start = whole(&gathered.into_block())?;
                self.begin(slot, start, out);
            }
        }
        if self.open.get(slot).is_some_and(|it| it.begun) {
            self.ended = self.ended.saturating_add(1);
            self.emit(slot, Event::BlockStop, out);
        }
        Ok(())
    }

    /// The first block is over: the next ones show what they have, up to one that is still open.
    fn advance(&mut self, out: &mut Vec<Event>) {
        self.open.pop_front();
        while let Some(next) = self.open.front_mut() {
            out.append(&mut next.waiting);
            if !next.closed {
                break;
            }
            self.open.pop_front();
        }
        if self.open.len() <= 1 {
            self.held = 0;
        }
    }

    /// A piece that may be empty. The first one of text or thinking that says anything opens the block.
    fn say(&mut self, slot: usize, event: Event, out: &mut Vec<Event>) {
        let start = match &event {
            Event::Text(text) if !text.is_empty() => BlockStart::Text,
            Event::Thinking(text) if !text.is_empty() => BlockStart::Thinking,
            Event::ToolArguments(piece) if !piece.is_empty() => {
                self.emit(slot, event, out);
                return;
            }
            _ => return,
        };
        self.begin_once(slot, start, out);
        self.emit(slot, event, out);
    }

    fn cite(&mut self, slot: usize, raw: &RawValue, out: &mut Vec<Event>) {
        if let Some(citation) = citation::read(raw) {
            self.begin_once(slot, BlockStart::Text, out);
            self.emit(slot, Event::Citation(Box::new(citation)), out);
        }
    }

    fn begin_once(&mut self, slot: usize, start: BlockStart, out: &mut Vec<Event>) {
        if self.open.get(slot).is_some_and(|it| !it.begun) {
            self.begin(slot, start, out);
        }
    }

    fn begin(&mut self, slot: usize, start: BlockStart, out: &mut Vec<Event>) {
        if let Some(open) = self.open.get_mut(slot) {
            open.begun = true;
            self.begun = self.begun.saturating_add(1);
            self.emit(slot, Event::BlockStart(start), out);
        }
    }

    fn emit(&mut self, slot: usize, event: Event, out: &mut Vec<Event>) {
        match self.open.get_mut(slot) {
            Some(open) if 0 < slot => open.waiting.push(event),
            _ => out.push(event),
        }
    }

    fn hold(&mut self, more: usize) -> Result<(), StreamError> {
        self.held = self.held.saturating_add(more);
        if self.held <= MAX_HELD_BYTES {
            Ok(())
        } else {
            Err(StreamError::TooMuch("blocks that wait for others"))
        }
    }

    fn check(&self) {
        let open = self.open.iter().filter(|it| it.begun && !it.closed).count();
        debug_assert_eq!(self.begun, self.ended.saturating_add(open));
    }
}

/// The input that a start carries, which is an empty object as a rule.
fn filled(input: &str) -> Option<String> {
    let inside = input.strip_prefix('{')?.strip_suffix('}')?;
    (!inside.trim().is_empty()).then(|| input.to_owned())
}

fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
