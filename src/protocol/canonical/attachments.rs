//! What of a request is not text, and so has a size in bytes that says nothing about its size in tokens.

use super::{Block, DocumentSource, ImageSource, Request, ToolResultPart};

/// How deep documents made of blocks are looked into.
const MAX_DEPTH: u8 = 8;

/// The part of a request that is not text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// Pictures.
    pub images: u64,
    /// Documents other than plain text.
    pub documents: u64,
    /// What both take in base64, bytes.
    pub bytes: usize,
    /// Tools that the provider runs: what they find is read by the model, too.
    pub server_tools: usize,
}

impl Attachments {
    /// Those of a request.
    pub fn of(request: &Request) -> Self {
        let mut found = Attachments {
            server_tools: request.server_tools.len(),
            ..Attachments::default()
        };
        for message in &request.messages {
            found.blocks(&message.blocks, 0);
        }
        found
    }

    /// Whether all of the request is text.
    pub fn is_empty(&self) -> bool {
        *self == Attachments::default()
    }

    fn blocks(&mut self, blocks: &[Block], depth: u8) {
        for block in blocks {
            match block {
                Block::Image(source) => self.image(source),
                Block::Document { source, .. } => self.document(source, depth),
                Block::ToolResult(result) => {
                    for part in &result.content {
                        match part {
                            ToolResultPart::Image(source) => self.image(source),
                            ToolResultPart::Document { source, .. } => self.document(source, depth),
                            ToolResultPart::Text(_) | ToolResultPart::Unknown { .. } => {}
                        }
                    }
                }
                Block::Text(_)
                | Block::SearchResult { .. }
                | Block::Thinking { .. }
                | Block::RedactedThinking { .. }
                | Block::ToolUse(_)
                | Block::Unknown { .. } => {}
            }
        }
    }

    fn image(&mut self, source: &ImageSource) {
        self.images += 1;
        if let ImageSource::Base64 { data, .. } = source {
            self.bytes += data.len();
        }
    }

    fn document(&mut self, source: &DocumentSource, depth: u8) {
        match source {
            DocumentSource::Base64 { data, .. } => {
                self.documents += 1;
                self.bytes += data.len();
            }
            DocumentSource::Url(_) | DocumentSource::File(_) => self.documents += 1,
            DocumentSource::Text(_) => {}
            DocumentSource::Blocks(blocks) if depth < MAX_DEPTH => self.blocks(blocks, depth + 1),
            DocumentSource::Blocks(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::anthropic;
    use crate::protocol::canonical::Losses;

    use super::*;

    fn of(content: &str) -> Attachments {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        let request = anthropic::count_tokens(body.as_bytes(), &mut Losses::default()).unwrap();
        Attachments::of(&request)
    }

    #[test]
    fn text_has_none() {
        assert!(of(r#""hi""#).is_empty());
        assert!(of(r#"[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}]"#).is_empty());
    }

    #[test]
    fn pictures_and_documents_are_found_in_tool_results_too() {
        let picture =
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#;
        let document = r#"{"type":"document","source":{"type":"url","url":"https://a.b/c.pdf"}}"#;
        let found = of(&format!(
            r#"[{{"type":"tool_result","tool_use_id":"t","content":[{picture},{document}]}},{picture}]"#
        ));
        let expected = Attachments {
            images: 2,
            documents: 1,
            bytes: 8,
            server_tools: 0,
        };
        assert_eq!(found, expected);
    }
}
