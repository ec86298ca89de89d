//! Gemini's answers to canonical events: chunk by chunk, or a whole body at once.
//!
//! Each chunk is a whole `GenerateContentResponse` with what is new. Nothing ends at `finishReason`: old streams name
//! one in every chunk, and errors may follow; the end is the end of the stream after a `finishReason`. A stream that
//! ends otherwise was cut, and is never closed as if complete. `blocks.rs` orders the parts.
//!
//! Not shown: further candidates, which nobody asks for; tools that Google calls for itself (`toolCall`,
//! `toolResponse`) and their signatures; the bytes of pictures, for which Anthropic's answers have no block.

use serde_json::value::RawValue;

use crate::protocol::canonical::{DecodeContext, Event, StopReason, Usage};
use crate::protocol::frame::Frame;
use crate::protocol::gemini::blocks::Blocks;
use crate::protocol::gemini::error::parse_error;
use crate::protocol::gemini::fence;
use crate::protocol::gemini::finish::Finish;
use crate::protocol::gemini::partial::PartialCall;
use crate::protocol::gemini::usage::Counts;
use crate::protocol::gemini::wire_answer as wire;
use crate::protocol::gemini::wire_answer::Part;
use crate::protocol::upstream_error::{ErrorKind, StreamError, UpstreamError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No candidate has come.
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
    /// A call whose arguments come in pieces.
    partial: Option<PartialCall>,
    finish: Option<Finish>,
    counts: Counts,
}

impl Decode {
    /// A decoder at the start of an answer.
    pub fn new(ctx: DecodeContext) -> Self {
        Decode {
            phase: Phase::Waiting,
            blocks: Blocks::new(ctx.names, ctx.seed),
            partial: None,
            finish: None,
            counts: Counts::default(),
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
        match (self.phase, self.finish.take()) {
            (Phase::Done | Phase::Failed, _) => Ok(()),
            (Phase::Streaming, Some(finish)) => self.complete(finish, out),
            (Phase::Waiting | Phase::Streaming, _) => {
                self.phase = Phase::Failed;
                Err(StreamError::Truncated)
            }
        }
    }

    /// Reads a whole body instead of a stream: one answer, or the chunks of one in an array.
    pub fn body(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let read = self.whole(body, out);
        if read.is_err() {
            self.phase = Phase::Failed;
        }
        read
    }

    /// The tokens counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.counts.usage()
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if frame.event == b"error" {
            return Err(Box::new(parse_error(None, data)).into());
        }
        if data.starts_with(b"[") {
            return self.chunks(data, out);
        }
        self.chunk(data, out)
    }

    fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let body = body.trim_ascii();
        let in_pieces = body.starts_with(b"[");
        if in_pieces {
            self.chunks(body, out)?;
        } else {
            self.chunk(body, out)?;
        }
        match self.finish.take() {
            _ if self.phase == Phase::Waiting => {
                Err(StreamError::Malformed("a body without candidates"))
            }
            Some(finish) => self.complete(finish, out),
            // Some servers leave the reason out of a whole answer; its last brace says that it is whole.
            None if self.blocks.any() && !in_pieces => self.complete(Finish::Done, out),
            None => Err(StreamError::Truncated),
        }
    }

    fn chunks(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        let text = utf8(data)?;
        let chunks: Vec<&RawValue> = serde_json::from_str(text).map_err(|it| malformed(&it))?;
        for chunk in chunks {
            self.chunk(chunk.get().as_bytes(), out)?;
        }
        Ok(())
    }

    fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), StreamError> {
        if !data.starts_with(b"{") {
            return Err(StreamError::Malformed("a chunk that is not a JSON object"));
        }
        let text = utf8(data)?;
        let chunk: wire::Chunk<'_> = serde_json::from_str(text).map_err(|it| malformed(&it))?;
        if chunk.error.is_some() {
            return Err(Box::new(parse_error(None, data)).into());
        }
        if let Some(usage) = chunk.usage_metadata {
            self.counts.take(usage.get());
        }
        let blocked = chunk.prompt_feedback.and_then(blocked);
        let candidates = chunk.candidates.unwrap_or_default();
        let mut candidates = candidates.into_iter().filter(|it| it.index.or_zero() == 0);
        let first = candidates.next();
        if self.phase == Phase::Waiting && (first.is_some() || blocked.is_some()) {
            self.phase = Phase::Streaming;
            let text = |it: &str| it.to_owned();
            out.push(Event::Start {
                id: chunk.response_id.get().map(text),
                model: chunk.model_version.get().map(text),
            });
        }
        for candidate in first.into_iter().chain(candidates) {
            self.candidate(candidate, out)?;
        }
        if blocked.is_some() {
            self.finish = blocked;
        }
        Ok(())
    }

    fn candidate(
        &mut self,
        candidate: wire::Candidate<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let message = candidate.finish_message.get();
        if let Some(reason) = candidate.finish_reason.get() {
            let finish = Finish::read(reason, message);
            if let Finish::Failed(why) = &finish
                && !self.blocks.any_words()
            {
                return Err(failed(reason, why));
            }
            // Old streams say STOP in every chunk; that does not unsay a more telling word.
            if self.finish.is_none() || finish != Finish::Done {
                self.finish = Some(finish);
            }
        }
        for part in candidate
            .content
            .and_then(|it| it.parts)
            .unwrap_or_default()
        {
            self.part(part, out)?;
        }
        let grounding = &mut self.blocks.grounding;
        if let Some(told) = candidate.grounding_metadata {
            grounding.take(told.get());
        }
        if let Some(told) = candidate.citation_metadata {
            grounding.take_citations(told.get());
        }
        if let Some(told) = candidate.logprobs_result {
            self.blocks.logprobs(told.get(), out);
        }
        Ok(())
    }

    fn part(&mut self, part: Part<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let signature = part.thought_signature.get();
        if let Some(call) = part.function_call {
            return self.call(&call, signature, out);
        }
        let text = part.text.get().unwrap_or_default();
        let media = part.inline_data.as_ref().or(part.file_data.as_ref());
        let running = part.executable_code.is_some() || part.code_execution_result.is_some();
        let says = !text.is_empty() || running || media.is_some();
        if says {
            self.end_partial(false, out)?;
        }
        if let Some(code) = &part.executable_code {
            self.blocks.paragraph(&fence::code(code), out);
        } else if let Some(result) = &part.code_execution_result {
            self.blocks.paragraph(&fence::result(result), out);
        } else if let Some(media) = media {
            self.blocks.paragraph(&placeholder(media), out);
        } else if part.tool_call.is_some() || part.tool_response.is_some() {
        } else if part.thought == Some(true) {
            self.blocks.thinking(text, signature, out);
        } else {
            if signature.is_some() {
                self.end_partial(false, out)?;
            }
            self.blocks.text(text, signature, out);
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: &wire::FunctionCall<'_>,
        signature: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let more = call.will_continue == Some(true);
        let pieces = call.partial_args.as_deref().unwrap_or_default();
        if let Some(name) = call.name.get() {
            self.end_partial(false, out)?;
            if !more && pieces.is_empty() {
                return self
                    .blocks
                    .call(call.id.get(), name, arguments(call), signature, out);
            }
            let own = |it: &str| it.to_owned();
            let id = call.id.get().map(own);
            self.partial = Some(PartialCall::new(id, own(name), signature.map(own)));
        }
        let Some(partial) = &mut self.partial else {
            // `functionCall: {}` ends a call in pieces that has ended already.
            return if call.args.is_none() && pieces.is_empty() {
                Ok(())
            } else {
                Err(StreamError::Malformed("a function call without a name"))
            };
        };
        for piece in pieces {
            partial.add(piece)?;
        }
        partial.continues = more;
        if more {
            Ok(())
        } else {
            self.end_partial(false, out)
        }
    }

    /// Shows the call whose arguments came in pieces. `cut` says that the answer was cut inside it: then its last
    /// brace stays away, as with a call that was cut anywhere else, so that nobody runs half of it.
    fn end_partial(&mut self, cut: bool, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let Some(partial) = self.partial.take() else {
            return Ok(());
        };
        let mut arguments = partial.arguments();
        if cut {
            arguments.pop();
        }
        let PartialCall {
            id,
            name,
            signature,
            ..
        } = partial;
        self.blocks
            .call(id.as_deref(), &name, arguments, signature.as_deref(), out)
    }

    fn complete(&mut self, finish: Finish, out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.phase = Phase::Failed;
        self.end_partial(finish != Finish::Done, out)?;
        if let Finish::Failed(why) = &finish
            && !self.blocks.any_call()
        {
            // The words before announced something that does not come.
            self.blocks
                .paragraph(&format!("(the model's next step failed: {why})"), out);
        }
        self.blocks.finish(out);
        let stop = finish.stop_reason(self.blocks.any_call());
        debug_assert!(stop != StopReason::Refusal || matches!(finish, Finish::Refused(_)));
        out.push(Event::Finish {
            stop,
            stop_sequence: None,
            explanation: finish.explanation(),
            usage: self.counts.usage(),
        });
        self.phase = Phase::Done;
        Ok(())
    }
}

fn utf8(data: &[u8]) -> Result<&str, StreamError> {
    simdutf8::basic::from_utf8(data)
        .map_err(|_| StreamError::Malformed("a chunk that is not UTF-8"))
}

/// JSON that ends too early was cut; any other that cannot be read is not Gemini's.
fn malformed(error: &serde_json::Error) -> StreamError {
    if error.is_eof() {
        StreamError::Truncated
    } else {
        StreamError::Malformed("a chunk that is not JSON of this dialect")
    }
}

/// Why the prompt was not answered, if it was blocked.
fn blocked(feedback: &RawValue) -> Option<Finish> {
    let feedback: wire::PromptFeedback<'_> = serde_json::from_str(feedback.get()).ok()?;
    let reason = feedback.block_reason.get()?;
    let why = feedback.block_reason_message.get().unwrap_or(reason);
    Some(Finish::Refused(why.to_owned()))
}

/// An answer that is none, or nothing but thoughts: as an error, so that another candidate is tried, or the client
/// tries again.
fn failed(reason: &str, why: &str) -> StreamError {
    StreamError::Upstream(Box::new(UpstreamError {
        status: Some(502),
        kind: ErrorKind::Server,
        message: format!("the model's answer could not be read: {why}"),
        error_type: None,
        code: Some(reason.to_owned()),
        param: None,
        after: None,
    }))
}

fn arguments(call: &wire::FunctionCall<'_>) -> String {
    match call.args.map(RawValue::get) {
        None | Some("null") => "{}".to_owned(),
        Some(args) => args.to_owned(),
    }
}

fn placeholder(media: &wire::Media<'_>) -> String {
    let kind = media.mime_type.get().unwrap_or("unknown type");
    match media.file_uri.get() {
        Some(uri) => format!("(a file, {kind}, at {uri})\n"),
        None => format!("(a file, {kind}, which cannot be shown here)\n"),
    }
}

#[cfg(test)]
mod tests;
