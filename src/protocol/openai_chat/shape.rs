//! The pieces of an answer to a client, which stand in a stream and in a whole body alike.

use serde_json::Value;

use crate::protocol::anthropic::text::{push_json_string, push_number};
use crate::protocol::canonical::{Citation, EncodeContext, StopReason, Usage};
use crate::protocol::envelope::{self, Envelope, ReasoningKind};
use crate::protocol::frame::limit::MAX_CITATION_BYTES;

/// The `format` of what Anthropic signs or seals, in OpenRouter's words.
pub(super) const ANTHROPIC: &str = "anthropic-claude-v1";
/// The `format` of our own envelopes.
const OURS: &str = "pointsman-v1";

/// What parts two texts that something else stood between. Texts side by side are one that citations cut.
pub(super) const PARAGRAPH: &str = "\n\n";

/// Opens the object of a chunk or a body and says what stands in front of its choices.
pub(super) fn push_head(ctx: &EncodeContext, object: &str, out: &mut Vec<u8>) {
    let id = &ctx.message_id;
    out.extend_from_slice(b"{\"id\":");
    let id = format!("chatcmpl-{}", id.strip_prefix("msg_").unwrap_or(id));
    push_json_string(&id, out);
    out.extend_from_slice(b",\"object\":\"");
    out.extend_from_slice(object.as_bytes());
    out.extend_from_slice(b"\",\"created\":");
    push_number(ctx.created, out);
    out.extend_from_slice(b",\"model\":");
    push_json_string(&ctx.model, out);
}

/// OpenAI's word for why an answer ended; `calls` says whether a call was shown, and `older` in which form. Calls of
/// tools that the provider runs are not: a client that hears of calls wants to see one.
pub(super) fn finish_reason(stop: StopReason, calls: bool, older: bool) -> &'static str {
    match stop {
        StopReason::ToolUse if calls && older => "function_call",
        StopReason::ToolUse if calls => "tool_calls",
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::PauseTurn
        | StopReason::ToolUse => "stop",
        StopReason::MaxTokens | StopReason::ContextWindowExceeded => "length",
        StopReason::Refusal => "content_filter",
    }
}

/// A `usage` object.
pub(super) fn push_usage(usage: &Usage, out: &mut Vec<u8>) {
    let counts = [
        ("{\"prompt_tokens\":", usage.prompt()),
        (",\"completion_tokens\":", usage.output),
        (
            ",\"total_tokens\":",
            usage.prompt().saturating_add(usage.output),
        ),
        (
            ",\"prompt_tokens_details\":{\"cached_tokens\":",
            usage.cache_read,
        ),
        (",\"cache_write_tokens\":", usage.cache_creation),
    ];
    for (name, count) in counts {
        out.extend_from_slice(name.as_bytes());
        push_number(count, out);
    }
    out.push(b'}');
    if let Some(thinking) = usage.thinking {
        out.extend_from_slice(b",\"completion_tokens_details\":{\"reasoning_tokens\":");
        push_number(thinking, out);
        out.push(b'}');
    }
    out.push(b'}');
}

/// A detail that holds text and nothing else.
pub(super) fn push_text_detail(text: &str, index: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"reasoning.text\",\"text\":");
    push_json_string(text, out);
    push_index(index, out);
}

fn push_index(index: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"index\":");
    push_number(index, out);
    out.push(b'}');
}

fn push_opaque(data: &str, format: &str, index: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"reasoning.encrypted\",\"data\":");
    push_json_string(data, out);
    out.extend_from_slice(b",\"format\":\"");
    out.extend_from_slice(format.as_bytes());
    out.push(b'"');
    push_index(index, out);
}

/// The details of a block of reasoning, separated by commas. `text` is the block's own, unless details of the same index
/// have told it already. A signature that proves nothing adds nothing to it.
pub(super) fn push_reasoning(text: Option<&str>, signature: &str, index: u64, out: &mut Vec<u8>) {
    let opened = envelope::open(signature);
    if let Some(Envelope {
        kind: ReasoningKind::Details,
        payload,
    }) = opened
    {
        push_details(payload, text, Some(index), out);
    } else if signature.is_empty() || opened.is_some_and(|it| it.kind == ReasoningKind::Content) {
        if let Some(text) = text.filter(|it| !it.is_empty()) {
            push_text_detail(text, index, out);
        }
    } else if envelope::is_ours(signature) {
        // Its text stands in front of it, even where there is none: without, it would be an opaque block.
        if let Some(text) = text {
            push_text_detail(text, index, out);
            out.push(b',');
        }
        push_opaque(signature, OURS, index, out);
    } else {
        out.extend_from_slice(b"{\"type\":\"reasoning.text\",");
        if let Some(text) = text {
            out.extend_from_slice(b"\"text\":");
            push_json_string(text, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"signature\":");
        push_json_string(signature, out);
        out.extend_from_slice(b",\"format\":\"");
        out.extend_from_slice(ANTHROPIC.as_bytes());
        out.push(b'"');
        push_index(index, out);
    }
}

/// The details of a block that is opaque.
pub(super) fn push_redacted(data: &str, index: u64, out: &mut Vec<u8>) {
    match envelope::open(data) {
        Some(Envelope {
            kind: ReasoningKind::Details,
            payload,
        }) => push_details(payload, None, None, out),
        Some(_) => push_opaque(data, OURS, index, out),
        None if envelope::is_ours(data) => push_opaque(data, OURS, index, out),
        None => push_opaque(data, ANTHROPIC, index, out),
    }
}

/// Details as their vendor gave them. The one that lacks its text gets it back; where the text was told already, it gets
/// the index of that, so that both are read as one.
fn push_details(payload: &str, text: Option<&str>, told: Option<u64>, out: &mut Vec<u8>) {
    let mut details: Vec<Value> = serde_json::from_str(payload).unwrap_or_default();
    let twin = details
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .find_map(|it| {
            let key = match it.get("type").and_then(Value::as_str) {
                Some("reasoning.text") => "text",
                Some("reasoning.summary") => "summary",
                Some(_) | None => return None,
            };
            (!it.contains_key(key)).then_some((it, key))
        });
    match (twin, text, told) {
        (Some((twin, key)), Some(text), _) => {
            twin.insert(key.to_owned(), Value::from(text));
        }
        (Some((twin, _)), None, Some(index)) => {
            twin.insert("index".to_owned(), Value::from(index));
        }
        (Some(_), None, None) | (None, _, _) => {}
    }
    for (at, detail) in details.iter().enumerate() {
        if 0 < at {
            out.push(b',');
        }
        out.extend_from_slice(detail.to_string().as_bytes());
    }
}

/// How far the text of an answer is, and what it rests on.
#[derive(Debug, Default)]
pub(super) struct Prose {
    /// Characters so far.
    chars: u64,
    /// Where the open block begins.
    from: u64,
    /// Something else stood behind the last text.
    apart: bool,
    sources: Vec<Citation>,
    source_bytes: usize,
}

impl Prose {
    /// A block of text opens.
    pub fn open(&mut self) {
        self.from = self.chars;
    }

    /// A block of another kind opens.
    pub fn interrupt(&mut self) {
        self.apart = true;
    }

    /// Text comes; gives what has to stand in front of it.
    pub fn say(&mut self, text: &str) -> &'static str {
        let gap = if std::mem::take(&mut self.apart) && 0 < self.chars {
            PARAGRAPH
        } else {
            ""
        };
        if !gap.is_empty() {
            self.chars = self.chars.saturating_add(count(gap));
            self.from = self.chars;
        }
        self.chars = self.chars.saturating_add(count(text));
        gap
    }

    /// Whether there is any text.
    pub fn any(&self) -> bool {
        0 < self.chars
    }

    /// A source for the open block: shown at its end, because sources come before the text that rests on them.
    /// This dialect knows addresses only.
    pub fn cite(&mut self, source: &Citation) {
        let Some(url) = &source.url else { return };
        let title = source.title.as_deref().unwrap_or_default();
        let bytes = url.len().saturating_add(title.len()).saturating_add(1);
        self.source_bytes = self.source_bytes.saturating_add(bytes);
        if self.source_bytes <= MAX_CITATION_BYTES {
            self.sources.push(Citation {
                cited_text: None,
                ..source.clone()
            });
        }
    }

    /// The open block closes: its sources as annotations, separated by commas.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let whole = (0, self.chars.saturating_sub(self.from));
        let sources = std::mem::take(&mut self.sources);
        self.source_bytes = 0;
        for (at, source) in sources.iter().enumerate() {
            if 0 < at {
                out.push(b',');
            }
            let (start, end) = source.span.unwrap_or(whole);
            out.extend_from_slice(b"{\"type\":\"url_citation\",\"url_citation\":{\"url\":");
            push_json_string(source.url.as_deref().unwrap_or_default(), out);
            out.extend_from_slice(b",\"title\":");
            push_json_string(source.title.as_deref().unwrap_or_default(), out);
            out.extend_from_slice(b",\"start_index\":");
            push_number(self.from.saturating_add(start), out);
            out.extend_from_slice(b",\"end_index\":");
            push_number(self.from.saturating_add(end), out);
            out.extend_from_slice(b"}}");
        }
    }
}

fn count(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}
