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

use crate::tokens::Count;
use crate::tokens::CountError;
use crate::tokens::family::Family;
use crate::tokens::tally::Attachment;
use crate::tokens::tally::MAX_DEPTH;
use crate::tokens::tally::Tally;
use crate::tokens::vocabulary::Vocabularies;

/// Input tokens of a Messages body.
pub(super) fn count(
    vocabularies: &Vocabularies,
    family: Family,
    body: &[u8],
) -> Result<Count, CountError> {
    let body = simdutf8::basic::from_utf8(body)?;
    // Derived structs would read a JSON array as well.
    if !body.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(body)?;
        return Err(CountError::NotAnObject);
    }
    let body: Body = serde_json::from_str(body)?;
    let mut walk = Walk(Tally::new(vocabularies, family));
    walk.each(body.messages, Part::Message)?;
    if let Some(system) = body.system {
        walk.content(system, 0);
    }
    if let Some(tools) = body.tools {
        walk.each(tools, Part::Tool)?;
    }
    Ok(walk.0.count())
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

/// A tally with the ways of this dialect.
struct Walk<'v>(Tally<'v>);

impl Walk<'_> {
    /// Looks at each element of an array.
    fn each(&mut self, array: &RawValue, part: Part) -> Result<(), serde_json::Error> {
        let elements = Elements { walk: self, part };
        elements.deserialize(&mut serde_json::Deserializer::from_str(array.get()))
    }

    fn message(&mut self, message: &RawValue) -> Result<(), serde_json::Error> {
        let message: Message = serde_json::from_str(message.get())?;
        self.0.message();
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
                    self.0.text(content.get());
                }
            }
            Some(b'{') if depth < MAX_DEPTH => self.block(content, depth + 1),
            _ => self.0.text(content.get()),
        }
    }

    fn block(&mut self, raw: &RawValue, depth: u8) {
        // An error costs far more than a look, and a hostile list may hold a million things that are no blocks.
        if !raw.get().starts_with('{') {
            return self.0.text(raw.get());
        }
        let Ok(block) = serde_json::from_str::<Block>(raw.get()) else {
            return self.0.text(raw.get());
        };
        match &*block.kind {
            "text" => self.maybe_text(block.text),
            "thinking" | "redacted_thinking" => {}
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                self.0.call();
                self.maybe_text(block.name);
                self.json(block.input);
            }
            "tool_result" | "mcp_tool_result" => {
                self.0.call();
                self.maybe_content(block.content, depth);
            }
            "image" => self.media(block.source, Attachment::Image, depth),
            "document" => {
                self.maybe_text(block.title);
                self.maybe_text(block.context);
                self.media(block.source, Attachment::Document, depth);
            }
            "search_result" => {
                self.maybe_text(block.title);
                self.maybe_content(block.source, depth);
                self.maybe_content(block.content, depth);
            }
            "tool_reference" => self.maybe_text(block.tool_name),
            // Mostly encrypted text, which the vocabularies would cut to shreds.
            "web_search_tool_result" | "web_fetch_tool_result" | "compaction" => {
                self.0.sealed(raw.get());
            }
            _ => self.0.text(raw.get()),
        }
    }

    /// The source of a picture or document.
    fn media(&mut self, source: Option<&RawValue>, kind: Attachment, depth: u8) {
        let media = source.and_then(|source| serde_json::from_str::<Media>(source.get()).ok());
        let Some(media) = media else {
            return self.0.attachment(kind, None);
        };
        match (&*media.kind, media.data) {
            ("base64", Some(data)) => self.0.attachment(kind, Some(data.get())),
            ("text", Some(data)) => self.text(data),
            ("content", _) => self.maybe_content(media.content, depth),
            _ => self.0.attachment(kind, None),
        }
    }

    fn tool(&mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        let tool: Tool = serde_json::from_str(raw.get())?;
        match (&tool.kind, tool.input_schema) {
            (Some(kind), None) => self.0.vendor_tool(kind),
            (_, schema) => {
                self.0.tool();
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
            Ok(Text(text)) => self.0.text(&text),
            Err(_) => self.0.text(raw.get()),
        }
    }

    /// JSON that the model reads as JSON.
    fn json(&mut self, raw: Option<&RawValue>) {
        if let Some(raw) = raw {
            self.0.text(raw.get());
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
struct Elements<'w, 'v> {
    walk: &'w mut Walk<'v>,
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
                Part::Message => self.walk.message(element).map_err(Error::custom)?,
                Part::Tool => self.walk.tool(element).map_err(Error::custom)?,
                Part::Block(depth) => self.walk.block(element, depth),
            }
        }
        Ok(())
    }
}
