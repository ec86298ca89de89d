//! A call of one of the client's tools: a function with JSON arguments, or a custom tool with free text, which becomes
//! an object with one string, `input`.

use crate::protocol::canonical::{BlockStart, Event};
use crate::protocol::openai_chat::calls::{JsonProgress, client_id};
use crate::protocol::openai_chat::surrogate::Joiner;
use crate::protocol::openai_responses::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

use super::items::Shared;
use super::shown::Shown;

/// What the object of a custom tool's call begins and ends with.
const CUSTOM_START: &str = "{\"input\":\"";
const CUSTOM_END: &str = "\"}";

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    custom: bool,
    state: State,
    id: String,
    name: String,
    /// Arguments that came with the first event; used when nothing else tells any.
    early: String,
    progress: JsonProgress,
    shown: Shown,
    joiner: Joiner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its name is not known.
    Unnamed,
    Open,
    Closed,
}

impl Call {
    pub fn new(custom: bool) -> Self {
        Call {
            custom,
            state: State::Unnamed,
            id: String::new(),
            name: String::new(),
            early: String::new(),
            progress: JsonProgress::default(),
            shown: Shown::default(),
            joiner: Joiner::default(),
        }
    }

    /// The first event of the call.
    pub fn added(
        &mut self,
        item: &wire::Item<'_>,
        shared: &mut Shared,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        self.early = arguments_of(item, self.custom);
        shared.keep(self.early.len())?;
        self.named(item, shared, out)
    }

    fn named(
        &mut self,
        item: &wire::Item<'_>,
        shared: &mut Shared,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if self.id.is_empty() {
            let id = item.call_id.get().or(item.id.get()).unwrap_or_default();
            shared.keep(id.len())?;
            id.clone_into(&mut self.id);
        }
        if self.state != State::Unnamed {
            return Ok(());
        }
        let Some(name) = item.name.get() else {
            return Ok(());
        };
        shared.count_call()?;
        shared.keep(name.len())?;
        shared.names.restore(name).clone_into(&mut self.name);
        let sent = Some(self.id.as_str()).filter(|id| !id.is_empty());
        let number = shared.ids.len();
        let id = client_id(sent, &shared.seed, number, |id| shared.ids.contains(id));
        shared.ids.insert(id.clone());
        self.state = State::Open;
        out.push(Event::BlockStart(BlockStart::ToolUse {
            id,
            name: self.name.clone(),
        }));
        if self.custom {
            out.push(Event::ToolArguments(CUSTOM_START.to_owned()));
        }
        Ok(())
    }

    /// Adds a piece of the arguments. Before the name is known nothing can be shown; the whole comes again.
    pub fn arguments(
        &mut self,
        text: &str,
        repaired: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        match self.state {
            State::Unnamed => return Ok(()),
            State::Closed if text.trim().is_empty() => return Ok(()),
            State::Closed => {
                return Err(StreamError::Malformed(
                    "arguments of a tool call after their end",
                ));
            }
            State::Open => {}
        }
        let text = self.joiner.join(text, repaired).into_owned();
        self.show(text, out);
        Ok(())
    }

    fn show(&mut self, text: String, out: &mut Vec<Event>) {
        let nothing = !self.custom && !self.progress.begun() && text.trim() == "null";
        if text.is_empty() || nothing {
            return;
        }
        self.shown.add(&text);
        if self.custom {
            out.push(Event::ToolArguments(escaped(&text)));
        } else {
            self.progress.push(&text);
            out.push(Event::ToolArguments(text));
        }
    }

    /// The arguments are whole: adds what was not shown.
    pub fn whole_arguments(&mut self, text: &str, repaired: bool, out: &mut Vec<Event>) {
        if self.state == State::Open {
            self.joiner = Joiner::default();
            let whole = Joiner::default().join(text, repaired).into_owned();
            let missing = self.shown.missing(&whole).to_owned();
            self.show(missing, out);
        }
    }

    /// The call is whole.
    pub fn whole(
        &mut self,
        item: &wire::Item<'_>,
        repaired: bool,
        shared: &mut Shared,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        self.named(item, shared, out)?;
        let arguments = arguments_of(item, self.custom);
        self.whole_arguments(&arguments, repaired, out);
        self.close(out)
    }

    /// Ends the call.
    pub fn close(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self.state {
            State::Unnamed => return Err(StreamError::Malformed("a tool call without a name")),
            State::Closed => return Ok(()),
            State::Open => {}
        }
        if self.shown.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.show(early, out);
        }
        if self.custom {
            out.push(Event::ToolArguments(CUSTOM_END.to_owned()));
        }
        self.state = State::Closed;
        out.push(Event::BlockStop);
        Ok(())
    }

    /// Whether another block may follow: nothing was shown, or all was.
    pub fn gives_way(&self) -> bool {
        match self.state {
            State::Unnamed | State::Closed => true,
            State::Open => self.progress.is_complete(),
        }
    }

    /// The provider's id of the call; empty while it is not known.
    pub fn sent_id(&self) -> &str {
        &self.id
    }

    /// Whether a block is open.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }
}

fn arguments_of(item: &wire::Item<'_>, custom: bool) -> String {
    if custom {
        item.input.get().unwrap_or_default().to_owned()
    } else {
        wire::json_text(item.arguments)
    }
}

/// Text as the inside of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}
