//! Walks a canonical request and adds up what a model would read: for clients of other dialects than Anthropic's, whose
//! bodies `content` does not know.

use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, Request, Tool, ToolResultPart,
};
use crate::tokens::Count;
use crate::tokens::family::Family;
use crate::tokens::tally::{Attachment, MAX_DEPTH, Tally};
use crate::tokens::vocabulary::Vocabularies;

/// Input tokens of a request.
pub(super) fn count(vocabularies: &Vocabularies, family: Family, request: &Request) -> Count {
    let mut tally = Tally::new(vocabularies, family);
    for part in &request.system {
        tally.text(part);
    }
    for message in &request.messages {
        tally.message();
        blocks(&mut tally, &message.blocks, 0);
    }
    for tool in &request.tools {
        definition(&mut tally, tool);
    }
    for tool in &request.server_tools {
        tally.vendor_tool(&tool.kind);
    }
    // Vendors show the model the shape they hold it to.
    if let Some(schema) = request.format.as_ref().and_then(|it| it.schema.as_ref()) {
        tally.text(&schema.to_string());
    }
    tally.count()
}

fn blocks(tally: &mut Tally<'_>, blocks: &[Block], depth: u8) {
    for block in blocks {
        match block {
            Block::Text(text) => tally.text(text),
            Block::Image(source) => image(tally, source),
            Block::Document {
                source,
                title,
                context,
            } => {
                for words in [title, context].into_iter().flatten() {
                    tally.text(words);
                }
                document(tally, source, depth);
            }
            Block::SearchResult {
                title,
                source,
                text,
            } => {
                for words in [title, source, text] {
                    tally.text(words);
                }
            }
            // Vendors strip the reasoning of earlier turns.
            Block::Thinking { .. } | Block::RedactedThinking { .. } => {}
            Block::ToolUse(call) => {
                tally.call();
                tally.text(&call.name);
                tally.text(call.input.get());
            }
            Block::ToolResult(result) => {
                tally.call();
                for part in &result.content {
                    result_part(tally, part, depth);
                }
            }
            Block::Unknown { raw, .. } => tally.text(raw.get()),
        }
    }
}

fn result_part(tally: &mut Tally<'_>, part: &ToolResultPart, depth: u8) {
    match part {
        ToolResultPart::Text(text) => tally.text(text),
        ToolResultPart::Image(source) => image(tally, source),
        ToolResultPart::Document { source, title } => {
            if let Some(title) = title {
                tally.text(title);
            }
            document(tally, source, depth);
        }
        ToolResultPart::Unknown { raw, .. } => tally.text(raw.get()),
    }
}

fn image(tally: &mut Tally<'_>, source: &ImageSource) {
    let base64 = match source {
        ImageSource::Base64 { data, .. } => Some(data.as_str()),
        ImageSource::Url(_) | ImageSource::File(_) => None,
    };
    tally.attachment(Attachment::Image, base64);
}

fn document(tally: &mut Tally<'_>, source: &DocumentSource, depth: u8) {
    let base64 = match source {
        DocumentSource::Text(text) => return tally.text(text),
        DocumentSource::Blocks(inner) if depth < MAX_DEPTH => {
            return blocks(tally, inner, depth + 1);
        }
        DocumentSource::Base64 { data, .. } => Some(data.as_str()),
        DocumentSource::Url(_) | DocumentSource::File(_) | DocumentSource::Blocks(_) => None,
    };
    tally.attachment(Attachment::Document, base64);
}

fn definition(tally: &mut Tally<'_>, tool: &Tool) {
    if let Some(kind) = &tool.typed {
        return tally.vendor_tool(kind);
    }
    tally.tool();
    tally.text(&tool.name);
    if let Some(description) = &tool.description {
        tally.text(description);
    }
    let grammar = tool.freeform.as_ref().map(|it| it.format.as_ref());
    match grammar {
        Some(Some(grammar)) => tally.text(&grammar.to_string()),
        Some(None) => {}
        None => tally.text(&tool.input_schema.to_string()),
    }
}
