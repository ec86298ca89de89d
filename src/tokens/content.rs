//! Walks a Messages body and adds up what a model would read: system, messages, tools.
//!
//! Every part is borrowed as raw JSON first and looked into second, so that nothing is copied, the depth of nested
//! JSON does not matter, and a block of an unknown shape still counts as the text it is.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde::de::IgnoredAny;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::tokens::CountError;
use crate::tokens::family::Family;
use crate::tokens::image;
use crate::tokens::vocabulary::BYTES_PER_TOKEN;
use crate::tokens::vocabulary::Meter;
use crate::tokens::vocabulary::Vocabularies;

/// How deep content may hold content (a tool result holding a document holding text is three); deeper is counted as
/// the JSON it is.
const MAX_DEPTH: u8 = 6;
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

/// Input tokens of a Messages body.
pub(super) fn count(
    vocabularies: &Vocabularies,
    family: Family,
    body: &[u8],
) -> Result<u64, CountError> {
    let body = simdutf8::basic::from_utf8(body)?;
    // Derived structs would read a JSON array as well.
    if !body.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(body)?;
        return Err(CountError::NotAnObject);
    }
    let body: Body = serde_json::from_str(body)?;
    let mut tally = Tally {
        meter: vocabularies.meter(family.encoding),
        fixed: family.per_request,
        family,
    };
    tally.each(body.messages, Part::Message)?;
    if let Some(system) = body.system {
        tally.content(system, 0);
    }
    if let Some(tools) = body.tools {
        let before = tally.fixed;
        tally.each(tools, Part::Tool)?;
        if tally.fixed != before {
            tally.fixed += family.tools_prompt;
        }
    }
    Ok(tally.total())
}

#[derive(Deserialize)]
struct Body<'b> {
    #[serde(borrow)]
    system: Option<&'b RawValue>,
    #[serde(borrow)]
    messages: &'b RawValue,
    #[serde(borrow)]
    tools: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Message<'b> {
    #[serde(borrow)]
    content: Option<&'b RawValue>,
}

/// Every field of every block we look into; which ones belong together is the vendor's business.
#[derive(Deserialize)]
struct Block<'b> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'b, str>,
    #[serde(borrow)]
    text: Option<&'b RawValue>,
    #[serde(borrow)]
    name: Option<&'b RawValue>,
    #[serde(borrow)]
    input: Option<&'b RawValue>,
    #[serde(borrow)]
    content: Option<&'b RawValue>,
    #[serde(borrow)]
    source: Option<&'b RawValue>,
    #[serde(borrow)]
    title: Option<&'b RawValue>,
    #[serde(borrow)]
    context: Option<&'b RawValue>,
    #[serde(borrow)]
    tool_name: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Media<'b> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'b, str>,
    #[serde(borrow)]
    data: Option<&'b RawValue>,
    #[serde(borrow)]
    content: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Tool<'b> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'b, str>>,
    #[serde(borrow)]
    name: Option<&'b RawValue>,
    #[serde(borrow)]
    description: Option<&'b RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'b RawValue>,
    #[serde(borrow)]
    input_examples: Option<&'b RawValue>,
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

struct Tally<'v> {
    family: Family,
    /// Text, in tokens of our vocabulary.
    meter: Meter<'v>,
    /// What is known in tokens of the family.
    fixed: u64,
}

impl Tally<'_> {
    fn total(&self) -> u64 {
        let text = self.meter.tokens().saturating_mul(self.family.percent);
        text.div_ceil(100).saturating_add(self.fixed)
    }

    /// Looks at each element of an array.
    fn each(&mut self, array: &RawValue, part: Part) -> Result<(), serde_json::Error> {
        let elements = Elements { tally: self, part };
        elements.deserialize(&mut serde_json::Deserializer::from_str(array.get()))
    }

    fn message(&mut self, message: &RawValue) -> Result<(), serde_json::Error> {
        let message: Message = serde_json::from_str(message.get())?;
        self.fixed += self.family.per_message;
        if let Some(content) = message.content {
            self.content(content, 0);
        }
        Ok(())
    }

    /// A string, or an array of blocks, or one block.
    fn content(&mut self, content: &RawValue, depth: u8) {
        match content.get().as_bytes().first() {
            Some(b'"') => self.text(content),
            Some(b'[') if depth < MAX_DEPTH => {
                let blocks = Part::Block(depth + 1);
                if self.each(content, blocks).is_err() {
                    self.meter.add(content.get());
                }
            }
            Some(b'{') if depth < MAX_DEPTH => self.block(content, depth + 1),
            _ => self.meter.add(content.get()),
        }
    }

    fn block(&mut self, raw: &RawValue, depth: u8) {
        // An error costs far more than a look, and a hostile list may hold a million things that are no blocks.
        if !raw.get().starts_with('{') {
            return self.meter.add(raw.get());
        }
        let Ok(block) = serde_json::from_str::<Block>(raw.get()) else {
            return self.meter.add(raw.get());
        };
        match &*block.kind {
            "text" => self.maybe_text(block.text),
            "thinking" | "redacted_thinking" => {}
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                self.fixed += self.family.per_call;
                self.maybe_text(block.name);
                self.json(block.input);
            }
            "tool_result" | "mcp_tool_result" => {
                self.fixed += self.family.per_call;
                self.maybe_content(block.content, depth);
            }
            "image" => self.media(block.source, image::UNKNOWN_IMAGE, depth),
            "document" => {
                self.maybe_text(block.title);
                self.maybe_text(block.context);
                self.media(block.source, image::UNKNOWN_DOCUMENT, depth);
            }
            "search_result" => {
                self.maybe_text(block.title);
                self.maybe_content(block.source, depth);
                self.maybe_content(block.content, depth);
            }
            "tool_reference" => self.maybe_text(block.tool_name),
            // Mostly encrypted text, which the vocabularies would cut to shreds.
            "web_search_tool_result" | "web_fetch_tool_result" | "compaction" => {
                self.fixed += raw.get().len() as u64 / BYTES_PER_TOKEN;
            }
            _ => self.meter.add(raw.get()),
        }
    }

    /// The source of a picture or document; `unknown` tokens when we cannot see it.
    fn media(&mut self, source: Option<&RawValue>, unknown: u64, depth: u8) {
        let media = source.and_then(|source| serde_json::from_str::<Media>(source.get()).ok());
        let Some(media) = media else {
            self.fixed += unknown;
            return;
        };
        match (&*media.kind, media.data) {
            ("base64", Some(data)) if unknown == image::UNKNOWN_IMAGE => {
                self.fixed += image::image_tokens(data.get());
            }
            ("base64", Some(data)) => self.fixed += image::pdf_tokens(data.get()),
            ("text", Some(data)) => self.text(data),
            ("content", _) => self.maybe_content(media.content, depth),
            _ => self.fixed += unknown,
        }
    }

    fn tool(&mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        let tool: Tool = serde_json::from_str(raw.get())?;
        self.fixed += self.family.per_tool;
        match (&tool.kind, tool.input_schema) {
            (Some(kind), None) => {
                self.fixed += VENDOR_TOOLS
                    .iter()
                    .find(|(start, _)| kind.starts_with(start))
                    .map_or(VENDOR_TOOL, |(_, tokens)| *tokens);
            }
            (_, schema) => {
                self.maybe_text(tool.name);
                self.maybe_text(tool.description);
                self.json(schema);
                self.json(tool.input_examples);
            }
        }
        Ok(())
    }

    fn maybe_content(&mut self, content: Option<&RawValue>, depth: u8) {
        if let Some(content) = content {
            self.content(content, depth);
        }
    }

    fn maybe_text(&mut self, text: Option<&RawValue>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// A JSON string. One we cannot read (half a surrogate pair) counts with its escapes.
    fn text(&mut self, raw: &RawValue) {
        match serde_json::from_str::<Text>(raw.get()) {
            Ok(Text(text)) => self.meter.add(&text),
            Err(_) => self.meter.add(raw.get()),
        }
    }

    /// JSON that the model reads as JSON.
    fn json(&mut self, raw: Option<&RawValue>) {
        if let Some(raw) = raw {
            self.meter.add(raw.get());
        }
    }
}

/// What the elements of an array are.
#[derive(Clone, Copy)]
enum Part {
    Message,
    Tool,
    /// At this depth.
    Block(u8),
}

/// Visits an array element by element: a list of millions of them never exists in memory.
struct Elements<'t, 'v> {
    tally: &'t mut Tally<'v>,
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.part {
            Part::Message => "an array of messages",
            Part::Tool => "an array of tools",
            Part::Block(_) => "an array of content blocks",
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        use serde::de::Error;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            match self.part {
                Part::Message => self.tally.message(element).map_err(Error::custom)?,
                Part::Tool => self.tally.tool(element).map_err(Error::custom)?,
                Part::Block(depth) => self.tally.block(element, depth),
            }
        }
        Ok(())
    }
}
