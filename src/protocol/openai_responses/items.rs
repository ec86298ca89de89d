//! Canonical events to output items: the part that a stream and a whole answer share.
//!
//! A stream is what happens to the items while they grow, told to a [`Sink`]; a whole answer is what they are in the end.
//! Both come from this one machine, so that they cannot differ.
//!
//! Text blocks in a row are the parts of one message: a citation cuts a sentence into blocks, and a client would show
//! each as a message of its own. An item is finished by what follows it and not by the end of its block, because only
//! the end of the answer tells whether the last one is whole.

pub(super) mod answer;
mod call;
mod fields;
mod freeform;
mod message;
pub(super) mod native;
mod reasoning;
mod server;

use crate::protocol::anthropic::OutputEstimate;
use crate::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason, Usage};

pub(super) use answer::Ending;
pub(super) use fields::Fields;

use answer::Verdict;
use call::Call;
use message::Message;
use reasoning::Reasoning;
use server::ServerCall;

/// Who is told what happens to the items.
pub(super) trait Sink {
    /// Something happened; `fields` writes what is told besides its type.
    fn event(&mut self, kind: &'static str, fields: impl FnOnce(&mut Fields<'_>));
}

/// Tells nobody.
pub(super) struct Silent;

impl Sink for Silent {
    fn event(&mut self, _kind: &'static str, _fields: impl FnOnce(&mut Fields<'_>)) {}
}

/// The items of one answer.
#[derive(Debug)]
pub(super) struct Items {
    pub ctx: EncodeContext,
    /// The finished items as JSON, separated by commas.
    finished: Vec<u8>,
    /// How many items there are, the one that grows included.
    count: u64,
    growing: Option<Item>,
    /// The open block belongs to no item.
    skipping: bool,
    said: Said,
    estimate: OutputEstimate,
}

/// What was said so far, as far as it decides what a refusal looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Something,
}

/// The item that grows.
#[derive(Debug)]
enum Item {
    Message(Message),
    Reasoning(Reasoning),
    Call(Box<Call>),
    /// Calls that the provider made side by side; their results come in any order, after the last of them.
    Server(Vec<ServerCall>),
    /// Complete when it came.
    Whole(Vec<u8>),
}

/// Whether an item came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Completed,
    Incomplete,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Completed => "completed",
            Status::Incomplete => "incomplete",
        }
    }
}

/// Where an item stands, for its id and for the events about it.
#[derive(Clone, Debug)]
struct Place {
    id: String,
    output_index: u64,
}

impl Items {
    /// No items.
    pub fn new(ctx: EncodeContext) -> Self {
        Items {
            ctx,
            finished: Vec::new(),
            count: 0,
            growing: None,
            skipping: false,
            said: Said::Nothing,
            estimate: OutputEstimate::default(),
        }
    }

    /// Takes one event; the last gives how the answer ended.
    pub fn push(&mut self, event: &Event, sink: &mut impl Sink) -> Option<Ending> {
        self.estimate.observe(event);
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(block) => self.block_start(block, sink),
            Event::BlockStop => self.block_stop(sink),
            Event::Finish {
                stop,
                explanation,
                usage,
                ..
            } => return Some(self.finish(*stop, explanation.as_deref(), *usage, sink)),
            Event::Text(_)
            | Event::Thinking(_)
            | Event::Signature(_)
            | Event::Citation(_)
            | Event::Logprobs(_)
            | Event::ToolArguments(_) => self.delta(event, sink),
        }
        None
    }

    /// Bytes held, within a small factor.
    pub fn held(&self) -> usize {
        let growing = match &self.growing {
            None => 0,
            Some(Item::Message(it)) => it.held(),
            Some(Item::Reasoning(it)) => it.held(),
            Some(Item::Call(it)) => it.held(),
            Some(Item::Server(all)) => all.iter().map(ServerCall::held).sum(),
            Some(Item::Whole(it)) => it.len(),
        };
        self.finished.len().saturating_add(growing)
    }

    /// The finished items as JSON, separated by commas.
    pub fn finished(&self) -> &[u8] {
        &self.finished
    }

    fn delta(&mut self, event: &Event, sink: &mut impl Sink) {
        match (&mut self.growing, event) {
            (Some(Item::Message(it)), Event::Text(text)) => {
                self.said = Said::Something;
                it.text(text, sink);
            }
            (Some(Item::Message(it)), Event::Citation(citation)) => it.citation(citation),
            (Some(Item::Message(it)), Event::Logprobs(logprobs)) => it.logprobs(logprobs, sink),
            (Some(Item::Reasoning(it)), Event::Thinking(text)) => it.text(text, sink),
            (Some(Item::Reasoning(it)), Event::Signature(signature)) => it.signature(signature),
            (Some(Item::Call(it)), Event::ToolArguments(arguments)) => {
                it.arguments(arguments, sink);
            }
            _ => debug_assert!(false, "a delta outside its block: {event:?}"),
        }
    }

    fn block_start(&mut self, block: &BlockStart, sink: &mut impl Sink) {
        match block {
            BlockStart::Text => {
                if let Some(Item::Message(message)) = &mut self.growing {
                    message.part_start(sink);
                    return;
                }
                self.close(Status::Completed, sink);
                let mut message = Message::new(self.place("msg"), sink);
                message.part_start(sink);
                self.growing = Some(Item::Message(message));
            }
            BlockStart::Thinking => {
                self.close(Status::Completed, sink);
                let reasoning = Reasoning::new(self.place("rs"), sink);
                self.growing = Some(Item::Reasoning(reasoning));
            }
            BlockStart::RedactedThinking { data } => {
                self.close(Status::Completed, sink);
                let place = self.place("rs");
                let item = reasoning::redacted(&place, data);
                added(&place, &item, sink);
                self.growing = Some(Item::Whole(item));
            }
            BlockStart::ToolUse { id, name } => {
                self.said = Said::Something;
                self.close(Status::Completed, sink);
                let call = Call::new(id, name, &self.ctx, self.count, sink);
                self.count = self.count.saturating_add(1);
                self.growing = Some(Item::Call(Box::new(call)));
            }
            BlockStart::ServerToolUse { id, name, input } => {
                let Some(kind) = server::Kind::of(name) else {
                    // A tool of the provider that the dialect has no item for.
                    self.skip(sink);
                    return;
                };
                let awaits = |all: &Vec<ServerCall>| !all.iter().all(ServerCall::has_result);
                let aside = matches!(&self.growing, Some(Item::Server(all)) if awaits(all));
                if !aside {
                    self.close(Status::Completed, sink);
                }
                let place = self.place(kind.prefix());
                let call = ServerCall::new(place, kind, id, input, sink);
                match &mut self.growing {
                    Some(Item::Server(all)) => all.push(call),
                    _ => self.growing = Some(Item::Server(vec![call])),
                }
            }
            BlockStart::ServerToolResult {
                tool_use_id,
                content,
                ..
            } => {
                if let Some(Item::Server(all)) = &mut self.growing {
                    for call in all {
                        call.result(tool_use_id, content);
                    }
                }
                self.skip(sink);
            }
            BlockStart::Unknown(_) => self.skip(sink),
        }
    }

    /// Leaves a block out. What is said before and after it are two messages all the same: in one, the last word of the
    /// first would run into the next.
    fn skip(&mut self, sink: &mut impl Sink) {
        self.skipping = true;
        if let Some(Item::Message(_)) = self.growing {
            self.close(Status::Completed, sink);
        }
    }

    fn block_stop(&mut self, sink: &mut impl Sink) {
        if std::mem::take(&mut self.skipping) {
            return;
        }
        match &mut self.growing {
            Some(Item::Message(it)) => it.part_stop(sink),
            Some(Item::Reasoning(it)) => it.stop(sink),
            Some(Item::Call(it)) => it.stop(sink),
            Some(Item::Server(_) | Item::Whole(_)) => {}
            None => debug_assert!(false, "a block stops that never began"),
        }
    }

    fn finish(
        &mut self,
        stop: StopReason,
        explanation: Option<&str>,
        usage: Option<Usage>,
        sink: &mut impl Sink,
    ) -> Ending {
        let verdict = Verdict::of(stop, self.said == Said::Something, explanation);
        let last = match verdict {
            Verdict::CutShort => Status::Incomplete,
            Verdict::Done | Verdict::Filtered => Status::Completed,
        };
        self.close(last, sink);
        if let (StopReason::Refusal, Some(words)) = (stop, explanation) {
            let mut message = Message::new(self.place("msg"), sink);
            message.refusal(words, sink);
            self.growing = Some(Item::Message(message));
            self.close(Status::Completed, sink);
        }
        Ending {
            verdict,
            usage: usage.unwrap_or_else(|| self.estimate.usage(self.ctx.input_estimate)),
        }
    }

    /// Finishes the item that grows.
    fn close(&mut self, status: Status, sink: &mut impl Sink) {
        let Some(item) = self.growing.take() else {
            return;
        };
        let last = self.count.saturating_sub(1);
        let item = match item {
            Item::Message(it) => it.finished(status),
            Item::Reasoning(it) => it.finished(),
            Item::Call(it) => it.finished(status),
            Item::Server(all) => {
                for call in all {
                    let output_index = call.output_index();
                    let item = call.finished(sink);
                    self.done(output_index, &item, sink);
                }
                return;
            }
            Item::Whole(it) => it,
        };
        self.done(last, &item, sink);
    }

    fn done(&mut self, output_index: u64, item: &[u8], sink: &mut impl Sink) {
        sink.event("response.output_item.done", |out| {
            out.number("output_index", output_index);
            out.json("item", item);
        });
        if !self.finished.is_empty() {
            self.finished.push(b',');
        }
        self.finished.extend_from_slice(item);
    }

    /// The place of a new item.
    fn place(&mut self, prefix: &str) -> Place {
        let place = Place::new(prefix, &self.ctx, self.count);
        self.count = self.count.saturating_add(1);
        place
    }
}

impl Place {
    fn new(prefix: &str, ctx: &EncodeContext, output_index: u64) -> Self {
        let suffix = answer::id_suffix(ctx);
        Place {
            id: format!("{prefix}_{suffix}_{output_index}"),
            output_index,
        }
    }

    /// Tells which item an event is about.
    fn tell(&self, out: &mut Fields<'_>) {
        out.text("item_id", &self.id);
        out.number("output_index", self.output_index);
    }
}

/// Tells that an item begins, `item` being what is known of it.
fn added(place: &Place, item: &[u8], sink: &mut impl Sink) {
    sink.event("response.output_item.added", |out| {
        out.number("output_index", place.output_index);
        out.json("item", item);
    });
}
