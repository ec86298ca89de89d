//! The turns of a conversation in Gemini's order.
//!
//! Only `user` and `model` speak, in turn, the user first; the user's turn behind a turn with calls begins with exactly
//! as many responses, in the order of the calls. So the conversation is cut into runs, as for OpenAI: what the model
//! says until someone else speaks is one turn; what everyone else says until the model speaks again is first the
//! results, then their pictures where a response cannot hold them, then the rest in its own order, instructions as
//! `<system-reminder>`. A call without a result gets a stand-in, a result without a call becomes text.
//!
//! Nothing written depends on what comes later, so that the provider's prompt cache keeps its prefix from turn to turn.
//! For the same reason unsigned calls get their stand-in signature in every turn, although Gemini 3 demands signatures
//! for the current one only.

mod model;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::canonical::{Block, LossKind, Losses, Message, Request, Role, ToolResult};

use super::content::{At, Parts};
use super::names::Names;
use super::profile::Profile;
use super::wire_request as wire;
use super::wire_request::{Content, Part, PartData};

/// A line that Claude Code puts first in its system prompt for Anthropic to read; it differs from request to request
/// and would spoil any other provider's prompt cache.
const BILLING: &str = "x-anthropic-billing-header:";
/// Stands in for the result of a call that was never answered.
const NO_RESULT: &str = "[no result]";
/// Stands in front of a conversation that the model began.
const BEGINNING: &str = "(the conversation begins)";

/// The conversation as it is sent.
pub(super) struct Written<'a> {
    pub system: Option<Content<'a>>,
    /// Begins with the user; empty when nothing was said.
    pub contents: Vec<Content<'a>>,
}

/// Writes system prompt and conversation; `instruction` is put at the end of the system prompt.
pub(super) fn write<'a>(
    request: &'a Request,
    profile: &Profile,
    instruction: Option<String>,
    names: &mut Names,
    losses: &mut Losses,
) -> Written<'a> {
    let mut writer = Writer {
        profile,
        names,
        losses,
        out: Vec::with_capacity(request.messages.len().saturating_add(1)),
        open: Vec::new(),
        open_ids: HashSet::new(),
    };
    let numbered: Vec<(usize, &'a Message)> = request.messages.iter().enumerate().collect();
    let leading = numbered
        .iter()
        .take_while(|(_, message)| message.role == Role::System)
        .count();
    let (first, rest) = numbered.split_at_checked(leading).unwrap_or_default();
    let system = writer.system(request, first, instruction);
    for run in rest.chunk_by(|(_, a), (_, b)| is_model(a) == is_model(b)) {
        match run.first() {
            Some((_, message)) if is_model(message) => writer.model(run),
            Some(_) => writer.others(run),
            None => {}
        }
    }
    let answers = writer.answer_calls(&mut HashMap::new());
    writer.push(wire::Role::User, answers);
    writer.finish(system)
}

fn is_model(message: &Message) -> bool {
    message.role == Role::Assistant
}

/// A call that waits for its response.
struct OpenCall<'a> {
    id: &'a str,
    name: Cow<'a, str>,
    message: usize,
}

/// Results of one run, by the id of their call.
type Results<'a> = HashMap<&'a str, (&'a ToolResult, At)>;

struct Writer<'a, 'b> {
    profile: &'b Profile,
    names: &'b mut Names,
    losses: &'b mut Losses,
    out: Vec<Content<'a>>,
    /// Calls of the last turn of the model, in order.
    open: Vec<OpenCall<'a>>,
    /// Their ids: a hostile turn may have very many.
    open_ids: HashSet<&'a str>,
}

impl<'a> Writer<'a, '_> {
    fn system(
        &mut self,
        request: &'a Request,
        leading: &[(usize, &'a Message)],
        instruction: Option<String>,
    ) -> Vec<Part<'a>> {
        let texts = request.system.iter().map(|text| without_billing(text));
        let mut parts: Vec<Part<'a>> = texts
            .filter(|text| !text.is_empty())
            .map(Part::text)
            .collect();
        for (index, message) in leading {
            self.parts(*index, message, &HashSet::new(), &mut parts);
        }
        parts.extend(instruction.map(Part::text));
        parts
    }

    /// The blocks of a message as parts, those in `told` left out.
    fn parts(
        &mut self,
        index: usize,
        message: &'a Message,
        told: &HashSet<(usize, usize)>,
        out: &mut Vec<Part<'a>>,
    ) {
        for (block, content) in message.blocks.iter().enumerate() {
            if !told.contains(&(index, block)) {
                let at = At {
                    message: index,
                    block,
                };
                self.content().block(content, at, out);
            }
        }
    }

    fn content(&mut self) -> Parts<'_> {
        Parts {
            profile: self.profile,
            losses: self.losses,
        }
    }

    /// What is said between two turns of the model: responses first, then the rest.
    fn others(&mut self, run: &[(usize, &'a Message)]) {
        let mut results = Results::new();
        let mut told = HashSet::new();
        for (index, message) in run {
            for (block, content) in message.blocks.iter().enumerate() {
                let Block::ToolResult(result) = content else {
                    continue;
                };
                let id = result.tool_use_id.as_str();
                if self.open_ids.contains(id) && !results.contains_key(id) {
                    let at = At {
                        message: *index,
                        block,
                    };
                    results.insert(id, (result, at));
                    told.insert((*index, block));
                }
            }
        }
        let mut all = self.answer_calls(&mut results);
        for (index, message) in run {
            let mut parts = Vec::new();
            self.parts(*index, message, &told, &mut parts);
            if message.role == Role::System {
                parts = remind(parts);
            }
            all.append(&mut parts);
        }
        self.push(wire::Role::User, all);
    }

    /// One response for each open call, and behind them what responses cannot hold.
    fn answer_calls(&mut self, results: &mut Results<'a>) -> Vec<Part<'a>> {
        let mut responses = Vec::new();
        let mut media = Vec::new();
        self.open_ids.clear();
        for call in std::mem::take(&mut self.open) {
            let mut own = Vec::new();
            let response = if let Some((result, at)) = results.remove(call.id) {
                let text = self.content().tool_result(result, at, &mut own);
                if result.is_error {
                    wire::Response::Error(text)
                } else {
                    wire::Response::Output(text)
                }
            } else {
                let path = format!("messages[{}]", call.message);
                self.losses.add(path, LossKind::ResultFilledIn);
                wire::Response::Error(NO_RESULT.into())
            };
            if !own.is_empty() && !self.profile.result_parts {
                media.push(Part::text(format!("From the function {}:", call.name)));
                media.append(&mut own);
            }
            responses.push(Part::new(PartData::FunctionResponse(
                wire::FunctionResponse {
                    id: self.sent_id(call.id),
                    name: call.name,
                    response,
                    parts: own,
                },
            )));
        }
        responses.append(&mut media);
        responses
    }

    /// The id of a call as it is sent; empty where the provider knows none.
    fn sent_id<'i>(&self, id: &'i str) -> &'i str {
        if self.profile.vertex { "" } else { id }
    }

    /// Appends a turn; one of the same role before it takes it in.
    fn push(&mut self, role: wire::Role, mut parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.out.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.append(&mut parts),
            Some(_) | None => self.out.push(Content {
                role: Some(role),
                parts,
            }),
        }
    }

    fn finish(mut self, mut system: Vec<Part<'a>>) -> Written<'a> {
        let ends_with_model = self
            .out
            .last()
            .is_some_and(|last| last.role == Some(wire::Role::Model));
        if ends_with_model {
            self.losses.add("messages", LossKind::MayNotContinue);
        }
        let as_user = !self.profile.system && !system.is_empty() && !self.out.is_empty();
        if self.starts_with_model() {
            let beginning = if as_user {
                None
            } else {
                Some(Part::text(BEGINNING))
            };
            let user = Content {
                role: Some(wire::Role::User),
                parts: beginning.into_iter().collect(),
            };
            self.out.insert(0, user);
        }
        if as_user && let Some(first) = self.out.first_mut() {
            system.append(&mut first.parts);
            first.parts = std::mem::take(&mut system);
        }
        Written {
            system: (self.profile.system && !system.is_empty()).then_some(Content {
                role: None,
                parts: system,
            }),
            contents: self.out,
        }
    }

    fn starts_with_model(&self) -> bool {
        self.out
            .first()
            .is_some_and(|first| first.role == Some(wire::Role::Model))
    }
}

/// A system text without the attribution line in front.
fn without_billing(text: &str) -> &str {
    if !text.starts_with(BILLING) {
        return text;
    }
    text.split_once('\n')
        .map_or("", |(_, rest)| rest.trim_start_matches('\n'))
}

/// Instructions as user text, in the form that Claude Code's own reminders have.
fn remind(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    parts
        .into_iter()
        .map(|part| match part.data {
            PartData::Text(text) => {
                Part::text(format!("<system-reminder>\n{text}\n</system-reminder>"))
            }
            _ => part,
        })
        .collect()
}

#[cfg(test)]
mod tests;
