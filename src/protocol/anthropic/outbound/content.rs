//! Blocks as the API takes them: text, pictures, documents, results of tools.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::anthropic::own_blocks;
use crate::protocol::anthropic::profile::Profile;
use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, ToolResult, ToolResultPart,
};

use super::base64;
use super::wire;
use super::wire::{Body, Source};

/// What a result that must say something says when it does not.
const NO_OUTPUT: &str = "(no output)";
/// What ids of the vendor's file store begin with; those of OpenAI's have a hyphen.
const FILE: &str = "file_";
/// Blocks of the dialect that other dialects' requests may hold as they stand.
const KNOWN: [&str; 14] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "compaction",
    "fallback",
    "mcp_tool_listing",
];
/// And those that a tool's result may hold.
const KNOWN_RESULTS: [&str; 2] = ["search_result", "tool_reference"];

/// Where a block stands, for losses.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// Index of the message.
    pub message: usize,
    /// Index of the block.
    pub block: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages[{}].content[{}]", self.message, self.block)
    }
}

/// Writes blocks of one request.
pub(super) struct Content<'b> {
    /// What the model takes.
    pub profile: &'b Profile,
    /// Where losses go.
    pub losses: &'b mut Losses,
    /// A file of the vendor's store is among them.
    pub files: &'b mut bool,
}

impl Content<'_> {
    /// A block that anyone may say; in a turn of the model, what only people may say becomes text. Calls, results and
    /// thinking that stand where they do not belong become text or go.
    pub fn block<'a>(
        &mut self,
        block: &'a Block,
        at: At,
        said_by_model: bool,
    ) -> Vec<wire::Block<'a>> {
        match block {
            Block::Text(text) => words(text).into_iter().collect(),
            Block::Image(_) | Block::Document { .. } if said_by_model => {
                self.losses.add(at.to_string(), LossKind::SaidByTheModel);
                Vec::new()
            }
            Block::Image(source) => vec![self.image(source, at)],
            Block::Document {
                source,
                title,
                context,
            } => self.document(source, title.as_deref(), context.as_deref(), at),
            Block::SearchResult {
                title,
                source,
                text,
            } => {
                vec![search_result(title, source, text, said_by_model)]
            }
            Block::Thinking { .. } | Block::RedactedThinking { .. } => {
                self.losses.add(at.to_string(), LossKind::ForeignReasoning);
                Vec::new()
            }
            Block::ToolUse(call) => {
                self.losses.add(at.to_string(), LossKind::ForeignAsText);
                let text = format!("Tool call: {} {}", call.name, call.input.get());
                vec![wire::Block::text(text)]
            }
            Block::ToolResult(result) => self.orphan(result, at, said_by_model),
            Block::Unknown { kind, raw } => match own_blocks::text(kind, raw) {
                Some(text) => words_of(text).into_iter().collect(),
                None if KNOWN.contains(&kind.as_str()) => vec![wire::Block::Raw(raw)],
                None => {
                    self.losses.add(at.to_string(), LossKind::UnknownType);
                    Vec::new()
                }
            },
        }
    }

    /// A result without its call, as text.
    fn orphan<'a>(
        &mut self,
        result: &'a ToolResult,
        at: At,
        said_by_model: bool,
    ) -> Vec<wire::Block<'a>> {
        self.losses.add(at.to_string(), LossKind::OrphanAsText);
        let mut out = vec![wire::Block::text("Tool result:")];
        out.extend(self.parts(result, at));
        if said_by_model {
            out.retain(|block| matches!(block.body(), Some(Body::Text { .. })));
        }
        out
    }

    /// A tool's result under the id of its call. One that failed holds text only, and some.
    pub fn tool_result<'a>(
        &mut self,
        result: &'a ToolResult,
        id: Cow<'a, str>,
        at: At,
    ) -> wire::Block<'a> {
        let mut content = self.parts(result, at);
        let plain = content
            .iter()
            .all(|block| matches!(block.body(), Some(Body::Text { .. })));
        if result.is_error && !plain {
            content.insert(0, wire::Block::text("Error:"));
        }
        if result.is_error && content.is_empty() {
            content.push(wire::Block::text(NO_OUTPUT));
        }
        wire::Block::of(Body::ToolResult {
            tool_use_id: id,
            content,
            is_error: result.is_error && plain,
        })
    }

    /// What stands in for the result of a call that was never answered.
    pub fn missing<'a>(&mut self, id: Cow<'a, str>, message: usize) -> wire::Block<'a> {
        self.losses
            .add(format!("messages[{message}]"), LossKind::ResultFilledIn);
        wire::Block::of(Body::ToolResult {
            tool_use_id: id,
            content: vec![wire::Block::text("[no result]")],
            is_error: true,
        })
    }

    fn parts<'a>(&mut self, result: &'a ToolResult, at: At) -> Vec<wire::Block<'a>> {
        let mut out = Vec::with_capacity(result.content.len());
        for part in &result.content {
            match part {
                ToolResultPart::Text(text) => out.extend(words(text)),
                ToolResultPart::Image(source) => out.push(self.image(source, at)),
                ToolResultPart::Document { source, title } => {
                    out.extend(self.document(source, title.as_deref(), None, at));
                }
                ToolResultPart::Unknown { kind, raw } => {
                    if KNOWN_RESULTS.contains(&kind.as_str()) {
                        out.push(wire::Block::Raw(raw));
                    } else {
                        self.losses.add(at.to_string(), LossKind::UnknownType);
                    }
                }
            }
        }
        out
    }

    fn image<'a>(&mut self, source: &'a ImageSource, at: At) -> wire::Block<'a> {
        let source = match source {
            _ if !self.profile.images => {
                return self.note(
                    at,
                    LossKind::NoPictures,
                    "(a picture, which this model cannot see)",
                );
            }
            ImageSource::Base64 { media_type, data } => picture(media_type, data),
            ImageSource::Url(url) => match data_url(url) {
                Some((media_type, data)) => picture(media_type, data),
                None => web(url),
            },
            ImageSource::File(id) => self.file(id),
        };
        match source {
            Ok(source) => wire::Block::of(Body::Image { source }),
            Err(kind) => self.note(at, kind, "(a picture that cannot be opened here)"),
        }
    }

    fn document<'a>(
        &mut self,
        source: &'a DocumentSource,
        title: Option<&'a str>,
        context: Option<&'a str>,
        at: At,
    ) -> Vec<wire::Block<'a>> {
        let source = match source {
            DocumentSource::Text(text) if is_blank(text) => return Vec::new(),
            DocumentSource::Text(text) => Ok(plain(text.as_str().into())),
            DocumentSource::Blocks(blocks) => {
                let inside = blocks.iter().flat_map(|block| self.block(block, at, false));
                // No documents inside documents.
                let (told, rest): (Vec<_>, Vec<_>) = inside.partition(|block| {
                    matches!(block.body(), Some(Body::Text { .. } | Body::Image { .. }))
                });
                if !rest.is_empty() {
                    self.losses.add(at.to_string(), LossKind::Dropped);
                }
                if told.is_empty() {
                    return Vec::new();
                }
                Ok(Source::Content { content: told })
            }
            DocumentSource::Base64 { media_type, data } => self.paper(media_type, data),
            DocumentSource::Url(url) => match data_url(url) {
                Some((media_type, data)) => self.paper(media_type, data),
                None if self.profile.files => web(url),
                None => Err(LossKind::NoDocuments),
            },
            DocumentSource::File(id) => self.file(id),
        };
        let title = title.filter(|it| !it.is_empty());
        let context = context.filter(|it| !it.is_empty());
        vec![match source {
            Ok(source) => wire::Block::of(Body::Document {
                source,
                title,
                context,
            }),
            Err(kind) => self.note(at, kind, "(a document that cannot be opened here)"),
        }]
    }

    /// PDF, or text in disguise; the API reads nothing else.
    fn paper<'a>(&self, media_type: &'a str, data: &'a str) -> Result<Source<'a>, LossKind> {
        let kind = media_type.split(';').next().unwrap_or_default().trim();
        if kind == "application/pdf" && self.profile.files {
            return Ok(Source::Base64 {
                media_type: kind,
                data,
            });
        }
        let is_text = kind.starts_with("text/")
            || matches!(
                kind,
                "application/json" | "application/xml" | "application/x-yaml"
            );
        let text = base64::text(data).filter(|text| is_text && !is_blank(text));
        text.map_or(Err(LossKind::NoDocuments), |text| Ok(plain(text.into())))
    }

    fn file<'a>(&mut self, id: &'a str) -> Result<Source<'a>, LossKind> {
        if !id.starts_with(FILE) {
            return Err(LossKind::ForeignFile);
        }
        *self.files = true;
        Ok(Source::File { file_id: id })
    }

    fn note<'a>(&mut self, at: At, kind: LossKind, text: &'static str) -> wire::Block<'a> {
        self.losses.add(at.to_string(), kind);
        wire::Block::text(text)
    }
}

/// Text that says nothing is refused, so it is left out.
pub(super) fn words(text: &str) -> Option<wire::Block<'_>> {
    (!is_blank(text)).then(|| wire::Block::text(text))
}

fn words_of<'a>(text: String) -> Option<wire::Block<'a>> {
    (!is_blank(&text)).then(|| wire::Block::text(text))
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn plain(data: Cow<'_, str>) -> Source<'_> {
    Source::Text {
        media_type: "text/plain",
        data,
    }
}

fn picture<'a>(media_type: &'a str, data: &'a str) -> Result<Source<'a>, LossKind> {
    let media_type = match media_type {
        // Not its name, but widespread.
        "image/jpg" => "image/jpeg",
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" => media_type,
        _ => return Err(LossKind::NotAccepted),
    };
    Ok(Source::Base64 { media_type, data })
}

fn web(url: &str) -> Result<Source<'_>, LossKind> {
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(Source::Url { url })
    } else {
        Err(LossKind::NotAccepted)
    }
}

/// Type and base64 of `data:image/png;base64,…`.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    Some((head.strip_suffix(";base64")?, data))
}

fn search_result<'a>(
    title: &'a str,
    source: &'a str,
    text: &'a str,
    said_by_model: bool,
) -> wire::Block<'a> {
    match words(text) {
        Some(content) if !said_by_model => wire::Block::of(Body::SearchResult {
            source,
            title,
            content: vec![content],
        }),
        _ => wire::Block::text(format!("{title}\n{source}\n\n{text}")),
    }
}
