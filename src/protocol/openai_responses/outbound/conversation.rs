//! The turns of a conversation as input items.
//!
//! Items keep the order of the conversation, with three exceptions. Each call is answered before anything but another
//! call, or the reasoning that led to it, follows: DeepSeek refuses a message in between, and what others say between
//! a call and its result comes behind the result. A call without a result gets a stand-in, a result without a call
//! becomes text. Reasoning stays only right before the item it led to: alone it is a 400 (`provided without its
//! required following item`).
//!
//! The instructions and each item depend on nothing that comes later than the results of its own turn, so that the
//! provider's prompt cache keeps its prefix from turn to turn.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::canonical::{Block, LossKind, Losses, Message, Request, Role, ToolResult};
use crate::protocol::openai_chat::MidSystem;
use crate::protocol::openai_chat::content::{At, Parts, tool_text};
use crate::protocol::openai_chat::conversation::{Marks, marks, remind, without_billing};
use crate::protocol::openai_chat::names::{Names, tool_call_id};
use crate::protocol::openai_chat::wire_request::{Mark, Part as Said};
use crate::protocol::openai_responses::Profile;
use crate::protocol::openai_responses::wire_request::{Item, Output, Part};

/// Stands in for the result of a call that was never answered.
const NO_RESULT: &str = "[no result]";

/// The conversation as it is sent.
pub(super) struct Written<'a> {
    /// The system prompt.
    pub instructions: String,
    /// Everything else.
    pub input: Vec<Item<'a>>,
    /// Whether anything but instructions is among it.
    pub has_content: bool,
}

/// A call that waits for its result.
struct OpenCall<'a> {
    id: &'a str,
    message: usize,
    custom: bool,
}

/// Results of one run, by the id of their call.
pub(super) type Results<'a> = HashMap<&'a str, (&'a ToolResult, At)>;

/// Messages of one run, with their index in the request.
pub(super) type Run<'a, 'r> = &'r [(usize, &'a Message)];

/// Writes input items.
pub(super) struct Writer<'a, 'b> {
    pub(super) profile: &'b Profile,
    pub(super) names: &'b mut Names,
    pub(super) losses: &'b mut Losses,
    /// Names of tools whose argument is free text.
    pub(super) custom: HashSet<&'a str>,
    marks: Marks<'a>,
    pub(super) out: Vec<Item<'a>>,
    /// Reasoning that waits for the item it led to.
    pub(super) thought: Vec<Item<'a>>,
    /// Calls that wait for their results, in order.
    open: Vec<OpenCall<'a>>,
    /// Ids of all calls of the run under way: a hostile turn may have very many.
    pub(super) run_ids: HashSet<&'a str>,
    /// Results that were told already: index of message and block.
    told: HashSet<(usize, usize)>,
}

/// Writes system prompt and conversation; `instruction` is put at the end of the system prompt.
pub(super) fn write<'a>(
    request: &'a Request,
    profile: &Profile,
    instruction: Option<String>,
    names: &mut Names,
    losses: &mut Losses,
) -> Written<'a> {
    let custom = request
        .tools
        .iter()
        .filter(|tool| profile.custom_tools && tool.freeform.is_some())
        .map(|tool| tool.name.as_str())
        .collect();
    let mut writer = Writer {
        profile,
        names,
        losses,
        custom,
        marks: marks(request, &profile.base),
        out: Vec::with_capacity(request.messages.len()),
        thought: Vec::new(),
        open: Vec::new(),
        run_ids: HashSet::new(),
        told: HashSet::new(),
    };
    let numbered: Vec<(usize, &'a Message)> = request.messages.iter().enumerate().collect();
    let leading = numbered
        .iter()
        .take_while(|(_, message)| message.role == Role::System)
        .count();
    let (first, rest) = numbered.split_at_checked(leading).unwrap_or_default();
    let instructions = writer.instructions(request, first, instruction);
    let mut runs = rest
        .chunk_by(|(_, a), (_, b)| is_assistant(a) == is_assistant(b))
        .peekable();
    while let Some(run) = runs.next() {
        match run.first() {
            Some((_, message)) if is_assistant(message) => {
                let mut results = results(runs.peek().copied().unwrap_or_default());
                writer.assistant(run, &mut results);
            }
            Some(_) => writer.others(run),
            None => {}
        }
    }
    writer.finish(instructions)
}

fn is_assistant(message: &Message) -> bool {
    message.role == Role::Assistant
}

/// The results that a run holds; of two for one call, the first.
fn results<'a>(run: Run<'a, '_>) -> Results<'a> {
    let mut results = Results::new();
    for (message, said) in run {
        for (block, content) in said.blocks.iter().enumerate() {
            if let Block::ToolResult(result) = content {
                let at = At {
                    message: *message,
                    block,
                };
                results
                    .entry(result.tool_use_id.as_str())
                    .or_insert((result, at));
            }
        }
    }
    results
}

impl<'a> Writer<'a, '_> {
    fn instructions(
        &mut self,
        request: &'a Request,
        leading: Run<'a, '_>,
        instruction: Option<String>,
    ) -> String {
        let mut texts: Vec<Cow<'a, str>> = request
            .system
            .iter()
            .map(|text| Cow::Borrowed(without_billing(text)))
            .collect();
        for (index, message) in leading {
            for part in self.parts(*index, message) {
                match part {
                    Said::Text { text, .. } => texts.push(text),
                    Said::ImageUrl { .. } | Said::File { .. } => {
                        self.losses
                            .add(format!("messages[{index}]"), LossKind::NoPlace);
                    }
                }
            }
        }
        texts.extend(instruction.map(Cow::Owned));
        texts.retain(|text| !text.is_empty());
        texts.join("\n\n")
    }

    /// The blocks of a message as parts, those that were told left out.
    fn parts(&mut self, index: usize, message: &'a Message) -> Vec<Said<'a>> {
        let mut out = Vec::new();
        for (block, content) in message.blocks.iter().enumerate() {
            if self.told.contains(&(index, block)) {
                continue;
            }
            let at = At {
                message: index,
                block,
            };
            let before = out.len();
            Parts {
                profile: &self.profile.base,
                losses: self.losses,
            }
            .block(content, at, &mut out);
            if before < out.len()
                && let Some(last) = out.pop()
            {
                out.push(match self.marks.get(&(Some(index), block)) {
                    Some(mark) => last.marked(*mark),
                    None => last,
                });
            }
        }
        out
    }

    /// What is said between two turns of the assistant, results apart.
    fn others(&mut self, run: Run<'a, '_>) {
        for (index, message) in run {
            let parts = self.parts(*index, message);
            let (role, parts) = match (message.role, self.profile.base.mid_system) {
                (Role::User | Role::Assistant, _) => ("user", parts),
                (Role::System, MidSystem::InPlace) => ("developer", parts),
                (Role::System, MidSystem::Reminder) => ("user", remind(parts)),
            };
            if !parts.is_empty() {
                self.out.push(Item::Message {
                    role,
                    content: parts.into_iter().map(input_part).collect(),
                });
            }
        }
    }

    /// A call that has just been written waits for its result.
    pub(super) fn await_result(&mut self, id: &'a str, message: usize, custom: bool) {
        self.open.push(OpenCall {
            id,
            message,
            custom,
        });
    }

    /// Answers all calls that wait.
    pub(super) fn settle(&mut self, results: &mut Results<'a>) {
        for call in std::mem::take(&mut self.open) {
            let output = if let Some((result, at)) = results.remove(call.id) {
                self.told.insert((at.message, at.block));
                self.output(result, at)
            } else {
                let path = format!("messages[{}]", call.message);
                self.losses.add(path, LossKind::ResultFilledIn);
                Output::Text(NO_RESULT.into())
            };
            let call_id = tool_call_id(call.id, self.profile.base.ids);
            self.out.push(if call.custom {
                Item::CustomToolCallOutput { call_id, output }
            } else {
                Item::FunctionCallOutput { call_id, output }
            });
        }
    }

    /// One text where there is nothing but text; a list where pictures or documents are among it.
    fn output(&mut self, result: &'a ToolResult, at: At) -> Output<'a> {
        let parts = Parts {
            profile: &self.profile.base,
            losses: self.losses,
        }
        .tool_parts(result, at);
        let mark = self
            .marks
            .get(&(Some(at.message), at.block))
            .copied()
            .filter(|mark| mark.prompt_cache_breakpoint.is_some());
        if parts.iter().all(|part| matches!(part, Said::Text { .. })) {
            let lines = parts.into_iter().filter_map(|part| match part {
                Said::Text { text, .. } => Some(text),
                Said::ImageUrl { .. } | Said::File { .. } => None,
            });
            let text = tool_text(lines.collect(), result.is_error);
            return match mark {
                None => Output::Text(text),
                Some(mark) => Output::Parts(vec![Part::InputText { text, mark }]),
            };
        }
        let failed = result.is_error.then(|| Said::text("Error:"));
        let parts = failed.into_iter().chain(parts);
        Output::Parts(parts.map(input_part).collect())
    }

    fn finish(self, instructions: String) -> Written<'a> {
        if let Some(Item::Message {
            role: "assistant", ..
        }) = self.out.last()
        {
            self.losses.add("messages", LossKind::MayNotContinue);
        }
        let instructs = |item: &Item<'_>| {
            matches!(
                item,
                Item::Message {
                    role: "developer",
                    ..
                }
            )
        };
        Written {
            instructions,
            has_content: !self.out.iter().all(instructs),
            input: self.out,
        }
    }

    /// Starts a turn of the assistant.
    pub(super) fn begin_run(&mut self) {
        self.run_ids.clear();
        self.thought.clear();
    }
}

/// A part as anyone but the model says it.
fn input_part(part: Said<'_>) -> Part<'_> {
    match part {
        Said::Text { text, mark } => Part::InputText {
            text,
            mark: Mark {
                cache_control: None,
                ..mark
            },
        },
        Said::ImageUrl { image_url } => Part::InputImage {
            image_url: image_url.url,
            detail: "auto",
        },
        Said::File { file } if file.file_data.starts_with("data:") => Part::InputFile {
            filename: Some(file.filename),
            file_data: Some(file.file_data),
            file_url: None,
        },
        // An address excludes a name.
        Said::File { file } => Part::InputFile {
            filename: None,
            file_data: None,
            file_url: Some(file.file_data),
        },
    }
}
