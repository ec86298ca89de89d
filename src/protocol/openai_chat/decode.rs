//! Answers of OpenAI-type providers to canonical events: frame by frame, or a whole body at once.
//!
//! The state machine that reads streams. `blocks.rs` orders the pieces, `calls.rs` knows which call a piece belongs
//! to, `think.rs` finds inline thinking, `details.rs` and `usage.rs` gather what comes at the end. Nothing is finished
//! at `finish_reason`: usage and even content may follow (OpenAI, Cerebras, Moonshot); the end is `[DONE]`, or the end
//! of the stream after a `finish_reason`. A stream that ends otherwise was cut, and is never closed as if complete.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::canonical::{DecodeContext, Event, StopReason, Usage};
use crate::protocol::frame::Frame;
use crate::protocol::openai_chat::blocks::Blocks;
use crate::protocol::openai_chat::calls::PieceHead;
use crate::protocol::openai_chat::error::parse_error;
use crate::protocol::openai_chat::finish::{Ending, Finish, read_finish};
use crate::protocol::openai_chat::sources::{annotations, beside_choices};
use crate::protocol::openai_chat::surrogate::{self, Joiner};
use crate::protocol::openai_chat::template::{Channel, Template};
use crate::protocol::openai_chat::think::{Piece, ThinkTag};
use crate::protocol::openai_chat::usage::canonical_usage;
use crate::protocol::openai_chat::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No choice has come.
    Waiting,
    /// Between `Start` and `Finish`.
    Streaming,
    /// `Finish` was given; whatever follows is ignored.
    Done,
    /// An error was given; whatever follows is ignored.
    Failed,
}

/// The state of one answer.
#[derive(Debug)]
pub struct Decode {
    phase: Phase,
    blocks: Blocks,
    think: ThinkTag,
    template: Template,
    text_joiner: Joiner,
    thinking_joiner: Joiner,
    /// The chunk under way had to be repaired and may hold stand-ins.
    repaired: bool,
    /// The answer is a whole body.
    whole: bool,
    ending: Ending,
    stop_sequences: Vec<String>,
    usage: Option<Usage>,
    /// Sources that stand beside the choices: the last list counts.
    found: Option<Box<RawValue>>,
}

impl Decode {
    /// A decoder at the start of an answer.
    pub fn new(ctx: DecodeContext) -> Self {
        Decode {
            phase: Phase::Waiting,
            blocks: Blocks::new(ctx.names, &ctx.seed),
            think: ThinkTag::new(),
            template: Template::default(),
            text_joiner: Joiner::default(),
            thinking_joiner: Joiner::default(),
            repaired: false,
            whole: false,
            ending: Ending::default(),
            stop_sequences: ctx.stop_sequences,
            usage: None,
            found: None,
        }
    }

    /// Takes the next frame of a stream. After an error, and after the end, further frames are ignored.
    pub fn push(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if matches!(self.phase, Phase::Done | Phase::Failed) {
            return Ok(());
        }
        let given = self.frame(frame, out);
        if given.is_err() {
            self.phase = Phase::Failed;
        }
        given
    }

    /// Ends a stream whose connection ended. `Truncated` when the answer had not.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        match self.phase {
            Phase::Done | Phase::Failed => Ok(()),
            Phase::Streaming if self.ending.finish.is_some() => self.complete(out),
            Phase::Waiting | Phase::Streaming => {
                self.phase = Phase::Failed;
                Err(StreamError::Truncated)
            }
        }
    }

    /// Reads a whole body instead of a stream.
    pub fn body(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.whole = true;
        let read = self.parse(body, out);
        if read.is_err() || self.phase == Phase::Waiting {
            self.phase = Phase::Failed;
            return read.and(Err(StreamError::Malformed("a body without choices")));
        }
        self.complete(out)
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            return self.done(out);
        }
        if frame.event == b"error" {
            return Err(Box::new(parse_error(None, data)).into());
        }
        self.parse(data, out)
    }

    /// `[DONE]`: the end, unless nothing at all was said.
    fn done(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let said = self.ending.finish.is_some() || self.blocks.any() || self.think.holds();
        if self.phase == Phase::Streaming && said {
            self.complete(out)
        } else {
            Err(StreamError::Truncated)
        }
    }

    fn parse(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        if let Some((channel, text)) = self.template.read(data) {
            return match channel {
                Channel::Text => self.content(&text, out),
                Channel::Thinking => self.thinking(&text, out),
                Channel::Arguments(index) => {
                    let piece = PieceHead {
                        index,
                        has_arguments: !text.is_empty(),
                        ..PieceHead::default()
                    };
                    self.arguments(piece, &text, out)
                }
            };
        }
        if !data.trim_ascii_start().starts_with(b"{") {
            return Err(StreamError::Malformed("a chunk that is not a JSON object"));
        }
        if let Ok(text) = simdutf8::basic::from_utf8(data)
            && let Ok(chunk) = serde_json::from_str::<wire::Chunk<'_>>(text)
        {
            self.template.learn(data, &chunk);
            return self.chunk(chunk, data, out);
        }
        let malformed = StreamError::Malformed("a chunk that is not JSON of this dialect");
        let repaired = surrogate::repair(data).ok_or(malformed.clone())?;
        let chunk = serde_json::from_slice::<wire::Chunk<'_>>(&repaired).map_err(|_| malformed)?;
        self.repaired = true;
        let given = self.chunk(chunk, &repaired, out);
        self.repaired = false;
        given
    }

    fn chunk(
        &mut self,
        mut chunk: wire::Chunk<'_>,
        data: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let bare = chunk.choices.is_none() && chunk.usage.is_none();
        if says_something(chunk.error)
            || chunk.object.get() == Some("error")
            || (bare && (chunk.message.is_some() || chunk.detail.is_some()))
        {
            return Err(Box::new(parse_error(None, data)).into());
        }
        self.take_usage(&chunk)?;
        if let Some(found) = chunk.search_results.or(chunk.citations) {
            self.found = Some(found.to_owned());
        }
        let choices = chunk.choices.take().unwrap_or_default();
        for choice in choices.into_iter().filter(|it| it.index.or_zero() == 0) {
            if self.phase == Phase::Waiting {
                self.phase = Phase::Streaming;
                out.push(Event::Start {
                    id: chunk.id.take().map(Cow::into_owned),
                    model: chunk.model.take().map(Cow::into_owned),
                });
            }
            self.choice(choice, out)?;
        }
        Ok(())
    }

    /// The last count wins: some providers count on in every chunk.
    fn take_usage(&mut self, chunk: &wire::Chunk<'_>) -> Result<(), StreamError> {
        let mut usage = chunk.usage;
        if let Some(extra) = chunk.x_groq {
            let extra: wire::GroqExtra<'_> = serde_json::from_str(extra.get()).unwrap_or_default();
            if let Some(error) = extra.error.filter(|it| says_something(Some(it))) {
                let body = format!("{{\"error\":{}}}", error.get());
                return Err(Box::new(parse_error(None, body.as_bytes())).into());
            }
            usage = usage.or(extra.usage);
        }
        let mut choices = chunk.choices.iter().flatten();
        let usage = usage.or_else(|| choices.find_map(|it| it.usage));
        if let Some(usage) = usage.and_then(|it| canonical_usage(it.get())) {
            self.usage = Some(usage);
        }
        Ok(())
    }

    fn choice(
        &mut self,
        choice: wire::Choice<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if let Some(error) = choice.error.filter(|it| says_something(Some(it))) {
            return Err(Box::new(parse_error(None, error.get().as_bytes())).into());
        }
        // Perplexity sends both: an empty `delta` in bodies, the message so far in streams.
        let said = if self.whole {
            choice.message.or(choice.delta)
        } else {
            choice.delta.or(choice.message)
        };
        if let Some(delta) = said {
            let logprobs = choice.logprobs.map(RawValue::get);
            let logprobs = logprobs.and_then(|it| serde_json::from_str(it).ok());
            let logprobs: wire::Logprobs<'_> = logprobs.unwrap_or_default();
            self.delta(&delta, &logprobs, out)?;
        }
        let Some(reason) = choice.finish_reason.get() else {
            return Ok(());
        };
        let finish = read_finish(reason)?;
        // Some providers repeat the reason; a plain end does not unsay a more telling one.
        if self.ending.finish.is_none() || finish != Finish::Done {
            self.ending.finish = Some(finish);
        }
        let met = [&choice.stop_reason, &choice.matched_stop]
            .into_iter()
            .find_map(wire::Text::get)
            .filter(|met| self.stop_sequences.iter().any(|it| it == met));
        if let Some(met) = met {
            self.ending.stop_sequence = Some(met.to_owned());
        }
        Ok(())
    }

    fn delta(
        &mut self,
        delta: &wire::Delta<'_>,
        logprobs: &wire::Logprobs<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let mut from_details = String::new();
        if let Some(details) = delta.reasoning_details {
            from_details = self.blocks.details.add(details.get())?;
        }
        // The same reasoning may come under several names at once: one source a chunk.
        let reasoning = delta
            .reasoning_content
            .get()
            .or(delta.reasoning.get())
            .or(delta.reasoning_text.get())
            .unwrap_or(&from_details);
        if !reasoning.is_empty() {
            self.thinking(reasoning, out)?;
        }
        match &delta.content {
            wire::Content::Absent => {}
            wire::Content::Text(text) => self.content(text, out)?,
            wire::Content::Parts(parts) => self.parts(parts, reasoning.is_empty(), out)?,
        }
        if let Some(refusal) = delta.refusal.get() {
            self.ending.refused = true;
            self.content(refusal, out)?;
        }
        if let Some(images) = delta.images {
            self.pictures(images, out)?;
        }
        for tokens in [logprobs.content, logprobs.refusal].into_iter().flatten() {
            self.blocks.logprobs(tokens, out)?;
        }
        for source in delta.annotations.map(annotations).unwrap_or_default() {
            self.blocks.source(source, out)?;
        }
        for call in delta.tool_calls.iter().flatten() {
            if let Some(function) = &call.function {
                self.tool(call.index.0, call.id.get(), function, out)?;
            }
            if let Some(custom) = &call.custom {
                self.free_tool(call.index.0, call.id.get(), custom, out)?;
            }
        }
        match &delta.function_call {
            Some(function) => self.tool(None, None, function, out),
            None => Ok(()),
        }
    }

    fn parts(
        &mut self,
        parts: &[wire::Part<'_>],
        with_thinking: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        for part in parts {
            match &part.thinking {
                wire::Content::Text(text) if with_thinking => self.thinking(text, out)?,
                wire::Content::Parts(inner) if with_thinking => {
                    for text in inner.iter().filter_map(|it| it.text.get()) {
                        self.thinking(text, out)?;
                    }
                }
                wire::Content::Absent | wire::Content::Text(_) | wire::Content::Parts(_) => {}
            }
            if let Some(text) = part.text.get() {
                self.content(text, out)?;
            }
            if let Some(refusal) = part.refusal.get() {
                self.ending.refused = true;
                self.content(refusal, out)?;
            }
        }
        Ok(())
    }

    /// No client's dialect has a place for a picture of the model: a word stands for each, as for those of Gemini.
    fn pictures(&mut self, images: &RawValue, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let images: Vec<wire::Image<'_>> = serde_json::from_str(images.get()).unwrap_or_default();
        for image in images {
            let url = image.image_url.as_ref().and_then(|it| it.url.get());
            let told = match url.map(|url| url.strip_prefix("data:").ok_or(url)) {
                None => continue,
                Some(Err(url)) => format!("(a file, at {url})\n"),
                Some(Ok(data)) => {
                    let kind = data.split([';', ',']).next().unwrap_or_default();
                    format!("(a file, {kind}, which cannot be shown here)\n")
                }
            };
            self.flush_think(out)?;
            let apart = if self.blocks.any() { "\n" } else { "" };
            self.blocks.text(&format!("{apart}{told}"), out)?;
        }
        Ok(())
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.flush_think(out)?;
        let text = self.thinking_joiner.join(text, self.repaired);
        self.blocks.thinking(&text, out)
    }

    fn content(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        let text = self.text_joiner.join(text, self.repaired);
        if self.think.is_plain() {
            return self.blocks.text(&text, out);
        }
        let blocks = &mut self.blocks;
        self.think.push(&text, &mut |piece| match piece {
            Piece::Text(text) => blocks.text(text, out),
            Piece::Thinking(text) => blocks.thinking(text, out),
        })
    }

    /// Gives out what may have been the beginning of a tag, because something else follows.
    fn flush_think(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if self.think.is_plain() {
            return Ok(());
        }
        let blocks = &mut self.blocks;
        self.think.flush(&mut |piece| match piece {
            Piece::Text(text) => blocks.text(text, out),
            Piece::Thinking(text) => blocks.thinking(text, out),
        })
    }

    fn tool(
        &mut self,
        index: Option<u64>,
        id: Option<&str>,
        function: &wire::Function<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let unescaped: wire::Text<'_>;
        let arguments = match function.arguments.map(RawValue::get) {
            None => "",
            Some(raw) if raw.starts_with('"') => {
                unescaped = serde_json::from_str(raw).unwrap_or_default();
                unescaped.get().unwrap_or_default()
            }
            // Old Ollama: the arguments themselves instead of a string that holds them.
            Some(raw) => raw,
        };
        let piece = PieceHead {
            index,
            id,
            name: function.name.get(),
            has_arguments: !arguments.is_empty(),
            whole: self.whole,
        };
        self.arguments(piece, arguments, out)
    }

    fn free_tool(
        &mut self,
        index: Option<u64>,
        id: Option<&str>,
        custom: &wire::Custom<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let text = custom.input.get().unwrap_or_default();
        let piece = PieceHead {
            index,
            id,
            name: custom.name.get(),
            has_arguments: !text.is_empty(),
            whole: self.whole,
        };
        self.flush_think(out)?;
        self.blocks.free_tool(piece, text, self.repaired, out)
    }

    fn arguments(
        &mut self,
        piece: PieceHead<'_>,
        arguments: &str,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        self.flush_think(out)?;
        self.blocks.tool(piece, arguments, self.repaired, out)
    }

    fn complete(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.phase = Phase::Failed;
        self.flush_think(out)?;
        for source in self
            .found
            .take()
            .as_deref()
            .map(beside_choices)
            .unwrap_or_default()
        {
            self.blocks.source(source, out)?;
        }
        self.blocks.finish(out)?;
        let stop = self.ending.stop_reason(self.blocks.any_call());
        out.push(Event::Finish {
            stop,
            stop_sequence: match stop {
                StopReason::StopSequence => self.ending.stop_sequence.take(),
                _ => None,
            },
            explanation: None,
            usage: self.usage,
        });
        self.phase = Phase::Done;
        Ok(())
    }
}

/// Whether an `error` field is more than a placeholder.
pub(crate) fn says_something(error: Option<&RawValue>) -> bool {
    error.is_some_and(|it| !matches!(it.get(), "" | "\"\"" | "{}" | "[]" | "false"))
}

#[cfg(test)]
mod tests;
