//! Puts the parts of an answer into blocks, one open at a time, and each signature where the way back finds it.
//!
//! Pieces of text join until a signature ends their part: parts with and without one are not to be merged. A signature
//! travels in an envelope: that of a thought as the block's own, that of a call in a block right before it, that of a
//! text in a block right after it, except for the text that ends the answer: programs read the answer from its last
//! block, and Gemini wants no more than the signatures of calls. Such a block in front of a call that has no signature of its own would be taken for
//! the call's; an envelope without content parts them.

use std::collections::HashSet;

use crate::protocol::canonical::{BlockStart, Event, ToolNames};
use crate::protocol::envelope::{ReasoningKind, seal_reasoning};
use crate::protocol::frame::limit::{MAX_SPAN_BYTES, MAX_TOOL_CALLS};
use crate::protocol::gemini::grounding::Grounding;
use crate::protocol::upstream_error::StreamError;

/// Longest id of Gemini's that is kept, in bytes.
const MAX_ID: usize = 128;

/// The block that may be added to, and the signature that ended its part.
#[derive(Debug)]
enum Open {
    Nothing,
    Text(Option<String>),
    Thinking(Option<String>),
}

/// The blocks of one answer.
#[derive(Debug)]
pub(super) struct Blocks {
    open: Open,
    names: ToolNames,
    seed: String,
    /// Ids that were shown.
    ids: HashSet<String>,
    calls: usize,
    opened: usize,
    closed: usize,
    /// The last block is a signature's.
    after_signature: bool,
    /// Sources for the text.
    pub grounding: Grounding,
    /// The open block's text, as far as sources may name it.
    shown: String,
    /// Bytes of text in earlier blocks.
    before: u64,
    ends_line: bool,
}

impl Blocks {
    pub fn new(names: ToolNames, seed: String) -> Self {
        Blocks {
            open: Open::Nothing,
            names,
            seed,
            ids: HashSet::new(),
            calls: 0,
            opened: 0,
            closed: 0,
            after_signature: false,
            grounding: Grounding::default(),
            shown: String::new(),
            before: 0,
            ends_line: true,
        }
    }

    /// Whether a block was shown.
    pub fn any(&self) -> bool {
        0 < self.opened
    }

    /// Whether anything but thoughts was shown.
    pub fn any_words(&self) -> bool {
        0 < self.before || self.any_call()
    }

    /// Whether a call was shown.
    pub fn any_call(&self) -> bool {
        0 < self.calls
    }

    /// Adds a part of text.
    pub fn text(&mut self, text: &str, signature: Option<&str>, out: &mut Vec<Event>) {
        if text.is_empty() {
            if let Some(signature) = signature {
                self.sign_text(signature, out);
            }
            return;
        }
        if !matches!(self.open, Open::Text(None)) {
            self.close(out);
            self.start(BlockStart::Text, out);
            self.ends_line = true;
        }
        if self.shown.len().saturating_add(text.len()) <= MAX_SPAN_BYTES {
            self.shown.push_str(text);
        }
        self.before = self.before.saturating_add(as_u64(text.len()));
        self.ends_line = text.ends_with('\n');
        out.push(Event::Text(text.to_owned()));
        self.open = Open::Text(signature.map(str::to_owned));
    }

    /// Adds text on lines of its own.
    pub fn paragraph(&mut self, text: &str, out: &mut Vec<Event>) {
        if matches!(self.open, Open::Text(None)) && !self.ends_line {
            self.text("\n", None, out);
        }
        self.text(text, None, out);
    }

    /// An empty part of text with a signature: it ends the text before, if that is open and unsigned.
    fn sign_text(&mut self, signature: &str, out: &mut Vec<Event>) {
        if let Open::Text(place @ None) = &mut self.open {
            *place = Some(signature.to_owned());
        } else {
            self.close(out);
            self.signature(signature, out);
        }
    }

    /// Adds a part of a thought.
    pub fn thinking(&mut self, text: &str, signature: Option<&str>, out: &mut Vec<Event>) {
        let joins = matches!(self.open, Open::Thinking(None));
        match (text.is_empty(), signature) {
            (true, None) => return,
            // A thinking block without text would be refused where it is replayed.
            (true, Some(signature)) if !joins => {
                self.close(out);
                self.signature(signature, out);
                return;
            }
            (true, Some(_)) | (false, _) => {}
        }
        if !joins {
            self.close(out);
            self.start(BlockStart::Thinking, out);
        }
        if !text.is_empty() {
            out.push(Event::Thinking(text.to_owned()));
        }
        self.open = Open::Thinking(signature.map(str::to_owned));
    }

    /// Adds a whole call; `arguments` are JSON.
    pub fn call(
        &mut self,
        id: Option<&str>,
        name: &str,
        arguments: String,
        signature: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        if MAX_TOOL_CALLS <= self.calls {
            return Err(StreamError::TooMuch("tool calls"));
        }
        self.close(out);
        if signature.is_some() || self.after_signature {
            self.signature(signature.unwrap_or_default(), out);
        }
        let id = self.unique_id(id);
        let name = self.names.restore(name).to_owned();
        self.start(BlockStart::ToolUse { id, name }, out);
        out.push(Event::ToolArguments(arguments));
        self.stop(out);
        self.calls += 1;
        Ok(())
    }

    /// Gemini's own id where it is one, else one that no other call has, in this answer or another.
    fn unique_id(&mut self, sent: Option<&str>) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if let Some(id) = sent
            && (1..=MAX_ID).contains(&id.len())
            && id.bytes().all(plain)
            && self.ids.insert(id.to_owned())
        {
            return id.to_owned();
        }
        let seed: String = self
            .seed
            .bytes()
            .filter(|b| plain(*b))
            .map(char::from)
            .collect();
        let mut number = self.calls;
        loop {
            let id = format!("toolu_{seed}_{number}");
            if self.ids.insert(id.clone()) {
                return id;
            }
            number = number.saturating_add(MAX_TOOL_CALLS);
        }
    }

    /// Ends the answer: closes what is open, and tells of a search.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        if let Open::Text(signature) = &mut self.open {
            *signature = None;
        }
        self.close(out);
        if let Some((input, content)) = self.grounding.search() {
            let id = format!("srvtoolu_pm1_{}", self.seed);
            let call = BlockStart::ServerToolUse {
                id: id.clone(),
                name: "web_search".to_owned(),
                input,
            };
            let result = BlockStart::ServerToolResult {
                tool_use_id: id,
                kind: "web_search_tool_result".to_owned(),
                content,
            };
            for block in [call, result] {
                self.start(block, out);
                self.stop(out);
            }
        }
        debug_assert_eq!(self.opened, self.closed);
    }

    /// Tells how likely the tokens of the open text were.
    pub fn logprobs(&self, raw: &str, out: &mut Vec<Event>) {
        if let Open::Text(_) = self.open {
            let read = super::logprobs::in_openai_shape(raw);
            out.extend(read.map(Event::Logprobs));
        }
    }

    fn start(&mut self, block: BlockStart, out: &mut Vec<Event>) {
        debug_assert_eq!(self.opened, self.closed);
        self.after_signature = false;
        self.opened += 1;
        out.push(Event::BlockStart(block));
    }

    fn stop(&mut self, out: &mut Vec<Event>) {
        self.closed += 1;
        out.push(Event::BlockStop);
    }

    fn signature(&mut self, signature: &str, out: &mut Vec<Event>) {
        let data = seal_reasoning(ReasoningKind::Gemini, signature);
        self.start(BlockStart::RedactedThinking { data }, out);
        self.stop(out);
        self.after_signature = true;
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text(signature) => {
                let shown = std::mem::take(&mut self.shown);
                let before = self.before.saturating_sub(as_u64(shown.len()));
                let citations = self.grounding.citations(&shown, before);
                out.extend(
                    citations
                        .into_iter()
                        .map(|it| Event::Citation(Box::new(it))),
                );
                self.stop(out);
                if let Some(signature) = signature {
                    self.signature(&signature, out);
                }
            }
            Open::Thinking(signature) => {
                let signature = signature.unwrap_or_default();
                let sealed = seal_reasoning(ReasoningKind::Gemini, &signature);
                out.push(Event::Signature(sealed));
                self.stop(out);
            }
        }
    }
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
