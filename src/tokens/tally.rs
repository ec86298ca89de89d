//! Adds up what a model would read, whatever dialect it was written in: text with a vocabulary, the frame around it by
//! what the family is known to add, and guesses for what cannot be counted here.

use crate::tokens::Count;
use crate::tokens::family::Family;
use crate::tokens::image;
use crate::tokens::vocabulary::{BYTES_PER_TOKEN, Meter, Vocabularies};

/// How deep content may hold content (a tool result holding a document holding text is three); what is deeper counts
/// as the JSON it is.
pub(super) const MAX_DEPTH: u8 = 6;
/// A tool whose definition the vendor keeps and says nothing about (our estimate).
const VENDOR_TOOL: u64 = 1_000;
/// What tools add whose definition the vendor keeps, by the beginning of their type. The first three as the vendor says
/// (<https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview>), the others from recorded answers.
const VENDOR_TOOLS: &[(&str, u64)] = &[
    ("bash_", 245),
    ("text_editor_", 700),
    ("computer_", 735),
    ("web_search_", 1_650),
    ("code_execution_", 1_800),
    ("memory_", 1_100),
];

/// The tokens of one request so far.
pub(super) struct Tally<'v> {
    family: Family,
    /// Text, in tokens of our vocabulary.
    meter: Meter<'v>,
    /// What is known in tokens of the family.
    fixed: u64,
    guessed: u64,
    has_tools: bool,
}

impl<'v> Tally<'v> {
    /// An empty request to a model of that family.
    pub(super) fn new(vocabularies: &'v Vocabularies, family: Family) -> Self {
        Tally {
            meter: vocabularies.meter(family.encoding),
            fixed: family.per_request,
            guessed: 0,
            has_tools: false,
            family,
        }
    }

    /// All of it.
    pub(super) fn count(&self) -> Count {
        let text = self.meter.tokens().saturating_mul(self.family.percent);
        let tools = if self.has_tools {
            self.family.tools_prompt
        } else {
            0
        };
        Count {
            counted: text.div_ceil(100).saturating_add(self.fixed + tools),
            guessed: self.guessed,
        }
    }

    /// Text that the model reads.
    pub(super) fn text(&mut self, text: &str) {
        self.meter.add(text);
    }

    /// A message begins.
    pub(super) fn message(&mut self) {
        self.fixed += self.family.per_message;
    }

    /// A tool call or a tool result begins.
    pub(super) fn call(&mut self) {
        self.fixed += self.family.per_call;
    }

    /// The definition of a tool begins.
    pub(super) fn tool(&mut self) {
        self.has_tools = true;
        self.fixed += self.family.per_tool;
    }

    /// A tool whose definition the vendor keeps.
    pub(super) fn vendor_tool(&mut self, kind: &str) {
        let known = VENDOR_TOOLS
            .iter()
            .find(|(start, _)| kind.starts_with(start));
        self.tool();
        self.guessed += known.map_or(VENDOR_TOOL, |(_, tokens)| *tokens);
    }

    /// Mostly encrypted text, which the vocabularies would cut to shreds.
    pub(super) fn sealed(&mut self, text: &str) {
        self.guessed += text.len() as u64 / BYTES_PER_TOKEN;
    }

    /// A picture or a document: what there is of it in base64, or `None` if it is elsewhere.
    pub(super) fn attachment(&mut self, kind: Attachment, base64: Option<&str>) {
        self.guessed += match kind {
            Attachment::Image => base64.map_or(image::UNKNOWN_IMAGE, image::image_tokens),
            Attachment::Document => base64.map_or(image::UNKNOWN_DOCUMENT, image::pdf_tokens),
        };
    }
}

/// What is not text.
#[derive(Clone, Copy)]
pub(super) enum Attachment {
    /// A picture.
    Image,
    /// A document.
    Document,
}
