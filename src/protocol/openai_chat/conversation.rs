//! The turns of a conversation in OpenAI's order.
//!
//! Anthropic puts the results of tool calls inside the next user message, next to whatever else the user says.
//! OpenAI wants one `tool` message for each call, right behind the assistant message that made it, before anything
//! else. So the conversation is cut into runs: what the assistant says until someone else speaks is one assistant
//! message; what everyone else says until the assistant speaks again is first the results, in the order of the calls,
//! and then the rest, in its own order. A call without a result gets a stand-in, a result without a call becomes text.
//!
//! The system prompt and each message depend on nothing that comes later, so that the provider's prompt cache keeps
//! its prefix from turn to turn.

mod assistant;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::protocol::canonical::{
    Block, CacheAt, LossKind, Losses, Message, Request, Role, ToolResult,
};

use super::content::{At, Parts, plainest};
use super::names::{Names, tool_call_id};
use super::profile::{CacheMarks, MidSystem, Prefill, Profile};
use super::reasoning::Recall;
use super::wire_request as wire;
use super::wire_request::{Content, Mark, Part};

/// A line that Claude Code puts first in its system prompt for Anthropic to read; it differs from request to request
/// and would spoil any other provider's prompt cache.
const BILLING: &str = "x-anthropic-billing-header:";
/// Stands in for the result of a call that was never answered.
const NO_RESULT: &str = "[no result]";
/// Stands between tool messages and a user message where that is demanded.
const BRIDGE: &str = "(tool results received)";

/// The conversation as it is sent.
pub(super) struct Written<'a> {
    /// All messages, the system prompt first.
    pub messages: Vec<wire::Message<'a>>,
    /// Whether anything but instructions is among them.
    pub has_content: bool,
    /// Whether the last message is an answer for the model to continue.
    pub prefill: bool,
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
        marks: marks(request, profile),
        out: Vec::with_capacity(request.messages.len().saturating_add(1)),
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
    writer.system(request, first, instruction);
    for run in rest.chunk_by(|(_, a), (_, b)| is_assistant(a) == is_assistant(b)) {
        match run.first() {
            Some((_, message)) if is_assistant(message) => writer.assistant(run),
            Some(_) => writer.others(run),
            None => {}
        }
    }
    writer.answer_calls(&mut HashMap::new());
    writer.finish()
}

fn is_assistant(message: &Message) -> bool {
    message.role == Role::Assistant
}

/// Cache marks by message (`None`: the system prompt) and index.
pub(crate) type Marks<'a> = HashMap<(Option<usize>, usize), Mark<'a>>;

/// The cache marks of system texts (`None`, index) and of blocks (message, index). Marks on tools are left out: the
/// system prompt comes after the tools and is marked by every client that marks tools.
pub(crate) fn marks<'a>(request: &'a Request, profile: &Profile) -> Marks<'a> {
    let mark = |control: &'a Value| match profile.cache {
        CacheMarks::Nothing => None,
        CacheMarks::CacheControl => Some(Mark {
            cache_control: Some(control),
            prompt_cache_breakpoint: None,
        }),
        CacheMarks::Breakpoint => Some(Mark {
            cache_control: None,
            prompt_cache_breakpoint: Some(wire::Breakpoint { mode: "explicit" }),
        }),
    };
    request
        .cache_breakpoints
        .iter()
        .filter_map(|wish| {
            let at = match wish.at {
                CacheAt::Tool(_) => return None,
                CacheAt::System(index) => (None, index),
                CacheAt::Block { message, block } => (Some(message), block),
            };
            Some((at, mark(&wish.control)?))
        })
        .collect()
}

/// A call that waits for its result.
struct OpenCall<'a> {
    id: &'a str,
    message: usize,
}

struct Writer<'a, 'b> {
    profile: &'b Profile,
    names: &'b mut Names,
    losses: &'b mut Losses,
    marks: Marks<'a>,
    out: Vec<wire::Message<'a>>,
    /// Calls of the last assistant message, in order.
    open: Vec<OpenCall<'a>>,
    /// Their ids: a hostile turn may have very many.
    open_ids: HashSet<&'a str>,
}

/// Results of one run, by the id of their call.
type Results<'a> = HashMap<&'a str, (&'a ToolResult, At)>;

impl<'a> Writer<'a, '_> {
    fn system(
        &mut self,
        request: &'a Request,
        leading: &[(usize, &'a Message)],
        instruction: Option<String>,
    ) {
        let mut parts = Vec::new();
        for (index, text) in request.system.iter().enumerate() {
            let text = without_billing(text);
            if !text.is_empty() {
                parts.push(Part::text(text).marked(self.mark(None, index)));
            }
        }
        for (index, message) in leading {
            self.parts(*index, message, &HashSet::new(), &mut parts);
        }
        parts.extend(instruction.map(Part::text));
        if parts.is_empty() {
            return;
        }
        let content = plainest(parts);
        self.out.push(if self.profile.developer {
            wire::Message::Developer { content }
        } else {
            wire::Message::System { content }
        });
    }

    fn mark(&self, message: Option<usize>, index: usize) -> Mark<'a> {
        self.marks
            .get(&(message, index))
            .copied()
            .unwrap_or_default()
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
            if told.contains(&(index, block)) {
                continue;
            }
            let at = At {
                message: index,
                block,
            };
            let before = out.len();
            Parts {
                profile: self.profile,
                losses: self.losses,
            }
            .block(content, at, out);
            if before < out.len()
                && let Some(last) = out.pop()
            {
                out.push(match self.marks.get(&(Some(index), block)) {
                    Some(mark) => last.marked(*mark),
                    None => last,
                });
            }
        }
    }

    /// What is said between two turns of the assistant: results first, then the rest.
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
        let media = self.answer_calls(&mut results);
        self.push_user(media);
        for (index, message) in run {
            let mut parts = Vec::new();
            self.parts(*index, message, &told, &mut parts);
            match (message.role, self.profile.mid_system) {
                (Role::User | Role::Assistant, _) => self.push_user(parts),
                (Role::System, MidSystem::InPlace) => self.push_system(parts),
                (Role::System, MidSystem::Reminder) => self.push_user(remind(parts)),
            }
        }
    }

    /// One tool message for each open call; gives back what tool messages cannot hold.
    fn answer_calls(&mut self, results: &mut Results<'a>) -> Vec<Part<'a>> {
        let mut media = Vec::new();
        self.open_ids.clear();
        for call in std::mem::take(&mut self.open) {
            let content = if let Some((result, at)) = results.remove(call.id) {
                let mut own = Vec::new();
                let text = Parts {
                    profile: self.profile,
                    losses: self.losses,
                }
                .tool_result(result, at, &mut own);
                if !own.is_empty() {
                    let name = tool_call_id(call.id, self.profile.ids);
                    media.push(Part::text(format!("From tool call {name}:")));
                    media.append(&mut own);
                }
                let mark = self.mark(Some(at.message), at.block);
                plainest(vec![Part::text(text).marked(mark)])
            } else {
                self.losses.add(
                    format!("messages[{}]", call.message),
                    LossKind::ResultFilledIn,
                );
                Content::Text(NO_RESULT.into())
            };
            self.out.push(wire::Message::Tool {
                tool_call_id: tool_call_id(call.id, self.profile.ids),
                content,
            });
        }
        media
    }

    fn push_user(&mut self, mut parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.out.last_mut() {
            Some(wire::Message::User {
                content: Content::Parts(last),
            }) => last.append(&mut parts),
            Some(wire::Message::Tool { .. }) if self.profile.bridge_after_tools => {
                self.push_assistant(BRIDGE.to_owned(), Vec::new(), Recall::default());
                self.push_user(parts);
            }
            Some(_) | None => self.out.push(wire::Message::User {
                content: Content::Parts(parts),
            }),
        }
    }

    fn push_system(&mut self, parts: Vec<Part<'a>>) {
        if !parts.is_empty() {
            self.out.push(wire::Message::System {
                content: plainest(parts),
            });
        }
    }

    fn finish(mut self) -> Written<'a> {
        for message in &mut self.out {
            if let wire::Message::User { content } = message
                && let Content::Parts(parts) = content
            {
                *content = plainest(std::mem::take(parts));
            }
        }
        let has_content = self.out.iter().any(|message| {
            !matches!(
                message,
                wire::Message::System { .. } | wire::Message::Developer { .. }
            )
        });
        let prefill = match self.out.last_mut() {
            Some(wire::Message::Assistant(last)) => {
                match self.profile.prefill {
                    Prefill::Plain => self.losses.add("messages", LossKind::MayNotContinue),
                    Prefill::Prefix => last.prefix = Some(true),
                    Prefill::Partial => last.partial = Some(true),
                    Prefill::ContinueFinal => {}
                }
                true
            }
            Some(_) | None => false,
        };
        Written {
            messages: self.out,
            has_content,
            prefill,
        }
    }
}

/// A system text without the attribution line in front.
pub(crate) fn without_billing(text: &str) -> &str {
    if !text.starts_with(BILLING) {
        return text;
    }
    text.split_once('\n')
        .map_or("", |(_, rest)| rest.trim_start_matches('\n'))
}

/// Instructions as user text, in the form that Claude Code's own reminders have.
pub(crate) fn remind(parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    parts
        .into_iter()
        .map(|part| match part {
            Part::Text { text, mark } => Part::Text {
                text: format!("<system-reminder>\n{text}\n</system-reminder>").into(),
                mark,
            },
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests;
