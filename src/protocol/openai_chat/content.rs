//! Blocks → content parts: text, pictures, documents, tool results.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, ToolResult, ToolResultPart,
};

use super::profile::Profile;
use super::vendor_blocks;
use super::wire_request::{Content, File, ImageUrl, Mark, Part};

/// The one type of document that everyone reads.
const PDF: &str = "application/pdf";

/// Where a block stands, for losses.
#[derive(Clone, Copy)]
pub(crate) struct At {
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

impl<'a> Part<'a> {
    /// Words.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Part::Text {
            text: text.into(),
            mark: Mark::default(),
        }
    }

    /// Puts a mark on a text part; other parts cannot carry one.
    pub fn marked(mut self, new: Mark<'a>) -> Self {
        if let Part::Text { mark, .. } = &mut self {
            *mark = new;
        }
        self
    }
}

impl Mark<'_> {
    fn is_empty(&self) -> bool {
        self.cache_control.is_none() && self.prompt_cache_breakpoint.is_none()
    }
}

/// Content in its plainest form: one string when there is nothing but unmarked text, since some servers and most chat
/// templates take nothing else.
pub(crate) fn plainest(parts: Vec<Part<'_>>) -> Content<'_> {
    let plain = |part: &Part<'_>| matches!(part, Part::Text { mark, .. } if mark.is_empty());
    if !parts.iter().all(plain) {
        return Content::Parts(parts);
    }
    let mut texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text),
        Part::ImageUrl { .. } | Part::File { .. } => None,
    });
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        let all = all.to_mut();
        all.push_str("\n\n");
        all.push_str(&text);
    }
    Content::Text(all)
}

/// Writes blocks of one request as parts.
pub(crate) struct Parts<'b> {
    /// What the upstream takes.
    pub profile: &'b Profile,
    /// Where losses go.
    pub losses: &'b mut Losses,
}

impl Parts<'_> {
    /// The parts of one block said by the user or the system. Blocks that belong elsewhere become text.
    pub fn block<'a>(&mut self, block: &'a Block, at: At, out: &mut Vec<Part<'a>>) {
        match block {
            Block::Text(text) => {
                if !text.is_empty() {
                    out.push(Part::text(text.as_str()));
                }
            }
            Block::Image(source) => out.push(self.image(source, at)),
            Block::Document {
                source,
                title,
                context,
            } => {
                if let Some(heading) = heading(title.as_deref(), context.as_deref()) {
                    out.push(Part::text(heading));
                }
                self.document(source, title.as_deref(), at, out);
            }
            Block::SearchResult {
                title,
                source,
                text,
            } => out.push(Part::text(format!("{title}\n{source}\n\n{text}"))),
            Block::Thinking { .. } | Block::RedactedThinking { .. } => {
                self.losses.add(at.to_string(), LossKind::ForeignReasoning);
            }
            Block::ToolUse(call) => {
                self.losses.add(at.to_string(), LossKind::ForeignAsText);
                let text = format!("Tool call: {} {}", call.name, call.input.get());
                out.push(Part::text(text));
            }
            Block::ToolResult(result) => {
                self.losses.add(at.to_string(), LossKind::OrphanAsText);
                let mut media = Vec::new();
                let text = self.tool_result(result, at, &mut media);
                out.push(Part::text(format!("Tool result: {text}")));
                out.append(&mut media);
            }
            Block::Unknown { kind, raw } => match vendor_blocks::text(kind, raw) {
                Some(text) => {
                    self.losses.add(at.to_string(), LossKind::AsText);
                    out.push(Part::text(text));
                }
                None => self.losses.add(at.to_string(), LossKind::Dropped),
            },
        }
    }

    /// The text of a tool's result, never empty; what is not text goes to `media`.
    pub fn tool_result<'a>(
        &mut self,
        result: &'a ToolResult,
        at: At,
        media: &mut Vec<Part<'a>>,
    ) -> Cow<'a, str> {
        let mut lines: Vec<Cow<'a, str>> = Vec::new();
        for part in self.tool_parts(result, at) {
            match part {
                Part::Text { text, .. } => lines.push(text),
                Part::ImageUrl { .. } => {
                    lines.push("(picture in the next user message)".into());
                    media.push(part);
                }
                Part::File { .. } => {
                    lines.push("(document in the next user message)".into());
                    media.push(part);
                }
            }
        }
        tool_text(lines, result.is_error)
    }

    /// The parts of a tool's result, in order.
    pub fn tool_parts<'a>(&mut self, result: &'a ToolResult, at: At) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        for part in &result.content {
            match part {
                ToolResultPart::Text(text) => parts.push(Part::text(text.as_str())),
                ToolResultPart::Image(source) => parts.push(self.image(source, at)),
                ToolResultPart::Document { source, title } => {
                    parts.extend(heading(title.as_deref(), None).map(Part::text));
                    self.document(source, title.as_deref(), at, &mut parts);
                }
                ToolResultPart::Unknown { kind, raw } => {
                    let text = vendor_blocks::text(kind, raw);
                    if !matches!(kind.as_str(), "tool_reference" | "search_result") {
                        let what = if text.is_some() {
                            LossKind::AsText
                        } else {
                            LossKind::Dropped
                        };
                        self.losses.add(at.to_string(), what);
                    }
                    parts.extend(text.map(Part::text));
                }
            }
        }
        parts
    }

    fn image<'a>(&mut self, source: &'a ImageSource, at: At) -> Part<'a> {
        let url = match source {
            _ if !self.profile.images => {
                self.losses.add(at.to_string(), LossKind::NoPictures);
                return Part::text("(a picture, which this model cannot see)");
            }
            ImageSource::Base64 { media_type, data } => {
                format!("data:{media_type};base64,{data}").into()
            }
            ImageSource::Url(url) => Cow::Borrowed(url.as_str()),
            ImageSource::File(_) => {
                self.losses.add(at.to_string(), LossKind::ForeignFile);
                return Part::text("(a picture in a file that cannot be opened here)");
            }
        };
        Part::ImageUrl {
            image_url: ImageUrl { url },
        }
    }

    fn document<'a>(
        &mut self,
        source: &'a DocumentSource,
        title: Option<&'a str>,
        at: At,
        out: &mut Vec<Part<'a>>,
    ) {
        let file = |filename, file_data| Part::File {
            file: File {
                filename,
                file_data,
            },
        };
        match source {
            DocumentSource::Text(text) => {
                if !text.is_empty() {
                    out.push(Part::text(text.as_str()));
                }
            }
            DocumentSource::Blocks(blocks) => {
                for block in blocks {
                    self.block(block, at, out);
                }
            }
            DocumentSource::Base64 { media_type, data } => {
                // OpenAI takes PDF and nothing else; OpenRouter, which also takes addresses, reads many types.
                let readable = media_type == PDF || self.profile.file_urls;
                if self.profile.files && readable {
                    let data = format!("data:{media_type};base64,{data}");
                    out.push(file(filename(title, media_type), data.into()));
                } else {
                    self.losses.add(at.to_string(), LossKind::NoDocuments);
                    out.push(Part::text("(a document, which this model cannot read)"));
                }
            }
            DocumentSource::Url(url) => {
                if self.profile.files && self.profile.file_urls {
                    out.push(file(filename(title, PDF), url.as_str().into()));
                } else {
                    self.losses.add(at.to_string(), LossKind::AddressAsText);
                    out.push(Part::text(format!("(a document at {url})")));
                }
            }
            DocumentSource::File(_) => {
                self.losses.add(at.to_string(), LossKind::ForeignFile);
                out.push(Part::text("(a document that cannot be opened here)"));
            }
        }
    }
}

fn heading(title: Option<&str>, context: Option<&str>) -> Option<String> {
    match (title, context) {
        (None, None) => None,
        (Some(title), None) => Some(format!("Document: {title}")),
        (None, Some(context)) => Some(format!("Document\nContext: {context}")),
        (Some(title), Some(context)) => Some(format!("Document: {title}\nContext: {context}")),
    }
}

/// The text of a tool's result in one, never empty: the dialect has no field for a failure.
pub(crate) fn tool_text(mut lines: Vec<Cow<'_, str>>, is_error: bool) -> Cow<'_, str> {
    lines.retain(|line| !line.is_empty());
    let text = match <[Cow<'_, str>; 1]>::try_from(lines) {
        Ok([one]) => one,
        Err(lines) if lines.is_empty() => Cow::Borrowed("(no output)"),
        Err(lines) => Cow::Owned(lines.join("\n")),
    };
    if is_error {
        Cow::Owned(format!("Error: {text}"))
    } else {
        text
    }
}

/// OpenAI refuses a file without a name; the ending tells some servers the type.
fn filename<'a>(title: Option<&'a str>, media_type: &str) -> Cow<'a, str> {
    let pdf = media_type == PDF;
    match title {
        None | Some("") if pdf => Cow::Borrowed("document.pdf"),
        None | Some("") => Cow::Borrowed("document"),
        Some(title) if pdf && !title.to_ascii_lowercase().ends_with(".pdf") => {
            Cow::Owned(format!("{title}.pdf"))
        }
        Some(title) => Cow::Borrowed(title),
    }
}
