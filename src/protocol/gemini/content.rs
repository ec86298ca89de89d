//! Blocks → parts: text, pictures, documents, tool results.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, ToolResult, ToolResultPart,
};
use crate::protocol::openai_chat::vendor_blocks;

use super::profile::Profile;
use super::wire_request::{Blob, File, Part, PartData};

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

impl<'a> Part<'a> {
    /// A part without a signature.
    pub fn new(data: PartData<'a>) -> Self {
        Part {
            data,
            thought: None,
            thought_signature: None,
        }
    }

    /// Words.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Part::new(PartData::Text(text.into()))
    }
}

/// Writes blocks of one request as parts.
pub(super) struct Parts<'b> {
    /// What the model takes.
    pub profile: &'b Profile,
    /// Where losses go.
    pub losses: &'b mut Losses,
}

impl Parts<'_> {
    /// The parts of one block said by the user or the system. Blocks that belong elsewhere become text.
    pub fn block<'a>(&mut self, block: &'a Block, at: At, out: &mut Vec<Part<'a>>) {
        match block {
            Block::Text(text) => push_text(text.as_str(), out),
            Block::Image(source) => out.push(self.image(source, at)),
            Block::Document {
                source,
                title,
                context,
            } => {
                push_text(heading(title.as_deref(), context.as_deref()), out);
                self.document(source, at, out);
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
                let failed = if result.is_error { "Error: " } else { "" };
                out.push(Part::text(format!("Tool result: {failed}{text}")));
                out.append(&mut media);
            }
            Block::Unknown { kind, raw } => match vendor_blocks::text(kind, raw) {
                Some(text) => {
                    self.losses.add(at.to_string(), LossKind::AsText);
                    out.push(Part::text(text));
                }
                // A call whose result follows and tells everything.
                None if kind == "server_tool_use" => {}
                None => self.losses.add(at.to_string(), LossKind::Dropped),
            },
        }
    }

    /// The text of a tool's result; what is not text goes to `media`.
    pub fn tool_result<'a>(
        &mut self,
        result: &'a ToolResult,
        at: At,
        media: &mut Vec<Part<'a>>,
    ) -> Cow<'a, str> {
        let mut parts = Vec::new();
        for part in &result.content {
            match part {
                ToolResultPart::Text(text) => push_text(text.as_str(), &mut parts),
                ToolResultPart::Image(source) => parts.push(self.image(source, at)),
                ToolResultPart::Document { source, title } => {
                    push_text(heading(title.as_deref(), None), &mut parts);
                    self.document(source, at, &mut parts);
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
                    push_text(text.unwrap_or_default(), &mut parts);
                }
            }
        }
        let mut lines: Vec<Cow<'a, str>> = Vec::new();
        for part in parts {
            match part.data {
                PartData::Text(text) => lines.push(text),
                PartData::InlineData(_) | PartData::FileData(_) => media.push(part),
                PartData::FunctionCall(_) | PartData::FunctionResponse(_) => {}
            }
        }
        match <[Cow<'a, str>; 1]>::try_from(lines) {
            Ok([one]) => one,
            Err(lines) => Cow::Owned(lines.join("\n")),
        }
    }

    fn image<'a>(&mut self, source: &'a ImageSource, at: At) -> Part<'a> {
        match source {
            _ if !self.profile.images => {
                self.losses.add(at.to_string(), LossKind::NoPictures);
                Part::text("(a picture, which this model cannot see)")
            }
            ImageSource::Base64 { media_type, data } => {
                let Some(mime_type) = picture_type(media_type) else {
                    self.losses.add(at.to_string(), LossKind::NotAccepted);
                    return Part::text("(a picture of a type that this model cannot see)");
                };
                inline(mime_type, data)
            }
            ImageSource::Url(url) => self.address(url, at, || picture_type_of(url), "a picture"),
            ImageSource::File(_) => {
                self.losses.add(at.to_string(), LossKind::ForeignFile);
                Part::text("(a picture in a file that cannot be opened here)")
            }
        }
    }

    fn document<'a>(&mut self, source: &'a DocumentSource, at: At, out: &mut Vec<Part<'a>>) {
        match source {
            DocumentSource::Text(text) => push_text(text.as_str(), out),
            DocumentSource::Blocks(blocks) => {
                for block in blocks {
                    self.block(block, at, out);
                }
            }
            DocumentSource::Base64 { media_type, data } => {
                let readable = media_type == "application/pdf" || media_type.starts_with("text/");
                if self.profile.documents && readable {
                    out.push(inline(media_type, data));
                } else {
                    self.losses.add(at.to_string(), LossKind::NoDocuments);
                    out.push(Part::text("(a document, which this model cannot read)"));
                }
            }
            DocumentSource::Url(url) if self.profile.documents => {
                out.push(self.address(url, at, || "application/pdf", "a document"));
            }
            DocumentSource::Url(url) => {
                self.losses.add(at.to_string(), LossKind::AddressAsText);
                out.push(Part::text(format!("(a document at {url})")));
            }
            DocumentSource::File(_) => {
                self.losses.add(at.to_string(), LossKind::ForeignFile);
                out.push(Part::text("(a document that cannot be opened here)"));
            }
        }
    }

    /// What is at an address, where Google can fetch it; otherwise the address itself.
    fn address<'a>(
        &mut self,
        url: &'a str,
        at: At,
        mime_type: impl FnOnce() -> &'static str,
        what: &str,
    ) -> Part<'a> {
        if self.profile.web_files && is_public(url) {
            return Part::new(PartData::FileData(File {
                mime_type: mime_type(),
                file_uri: url,
            }));
        }
        self.losses.add(at.to_string(), LossKind::AddressAsText);
        Part::text(format!("({what} at {url})"))
    }
}

fn inline<'a>(mime_type: &'a str, data: &'a str) -> Part<'a> {
    Part::new(PartData::InlineData(Blob {
        mime_type: mime_type.into(),
        data,
    }))
}

fn push_text<'a>(text: impl Into<Cow<'a, str>>, out: &mut Vec<Part<'a>>) {
    let text = text.into();
    if !text.is_empty() {
        out.push(Part::text(text));
    }
}

fn heading(title: Option<&str>, context: Option<&str>) -> String {
    match (title, context) {
        (None, None) => String::new(),
        (Some(title), None) => format!("Document: {title}"),
        (None, Some(context)) => format!("Document\nContext: {context}"),
        (Some(title), Some(context)) => format!("Document: {title}\nContext: {context}"),
    }
}

/// The types of pictures that Gemini sees, under the names it knows: GIF is refused, and so is `image/jpg`.
fn picture_type(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "image/png",
        "image/jpeg" | "image/jpg" => "image/jpeg",
        "image/webp" => "image/webp",
        "image/heic" => "image/heic",
        "image/heif" => "image/heif",
        _ => return None,
    })
}

/// The type that an address lets expect.
fn picture_type_of(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit_once('.').unwrap_or_default();
    let named = format!("image/{}", ending.to_ascii_lowercase());
    picture_type(&named).unwrap_or("image/jpeg")
}

/// Whether an address is plausibly open to everyone: https, a host with a domain and no number, no credentials.
fn is_public(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let Some((_, top)) = host.trim_end_matches('.').rsplit_once('.') else {
        return false;
    };
    let top = top.to_ascii_lowercase();
    let inner = [
        "local",
        "internal",
        "localhost",
        "lan",
        "home",
        "test",
        "invalid",
        "corp",
    ];
    !authority.contains('@')
        && !authority.starts_with('[')
        && top.chars().all(|c| c.is_ascii_alphabetic() || c == '-')
        && !inner.contains(&top.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_others() {
        for url in [
            "https://a.example/b.png",
            "https://a.example",
            "https://cdn.a.example:8443/b?x=1",
        ] {
            assert!(is_public(url), "{url}");
        }
        for url in [
            "http://a.example/b.png",
            "https://localhost/b.png",
            "https://printer.local/b.png",
            "https://10.0.0.1/b.png",
            "https://[::1]/b.png",
            "https://me:secret@a.example/b.png",
            "ftp://a.example",
            "https://",
            "",
        ] {
            assert!(!is_public(url), "{url}");
        }
    }

    #[test]
    fn an_address_tells_its_type() {
        assert_eq!(
            picture_type_of("https://a.example/b.PNG?x=.gif"),
            "image/png"
        );
        assert_eq!(picture_type_of("https://a.example/b.jpg#x"), "image/jpeg");
        assert_eq!(picture_type_of("https://a.example/b"), "image/jpeg");
    }
}
