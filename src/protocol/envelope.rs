//! Reasoning of other vendors inside Anthropic's thinking blocks, and Anthropic's inside reasoning items of OpenAI.
//!
//! A client of the Anthropic dialect keeps thinking blocks and sends them back with the next turn, signature included.
//! So what another provider wants to see again travels in the `signature` of a thinking block, or in the `data`
//! of a redacted one, sealed in an envelope with our prefix. The next turn opens it for a provider that wants it; for
//! any other target, Anthropic above all, the block is recognised by [`is_ours`] and cut out: a foreign signature is
//! a 400 there.
//!
//! Form: `pm1.<kind>.<payload>`, the payload as it is. Not encrypted, not authenticated: it holds nothing that the
//! client does not see anyway.

/// What every envelope starts with. No vendor's signature does: theirs are base64, which has no dot.
pub const PREFIX: &str = "pm1.";

/// Whose reasoning is inside, and so where it may go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningKind {
    /// Plain text: `reasoning_content`, `reasoning`, `<think>`. The text is the block's own; the payload is empty.
    Content,
    /// OpenRouter's `reasoning_details`. The payload is a JSON array of the detail objects in their order, untouched,
    /// except that in a thinking block one of them may lack its `text` (type `reasoning.text`) or its `summary`
    /// (type `reasoning.summary`): that is then the block's own text.
    Details,
    /// A reasoning item of OpenAI Responses. The payload is the item as JSON, without its summary where that is the
    /// block's own text.
    Responses,
    /// `thoughtSignature` of Gemini: the payload is its base64. In a thinking block it belongs to that thought; in a
    /// redacted one to the part that follows if that is a tool call, else to the part before.
    Gemini,
    /// Anthropic's own signature, inside a reasoning item for a client of an OpenAI dialect. Never seen in an
    /// Anthropic body.
    Anthropic,
    /// Anthropic's redacted thinking, likewise.
    AnthropicRedacted,
}

impl ReasoningKind {
    const ALL: [ReasoningKind; 6] = [
        ReasoningKind::Content,
        ReasoningKind::Details,
        ReasoningKind::Responses,
        ReasoningKind::Gemini,
        ReasoningKind::Anthropic,
        ReasoningKind::AnthropicRedacted,
    ];

    const fn letter(self) -> &'static str {
        match self {
            ReasoningKind::Content => "c",
            ReasoningKind::Details => "d",
            ReasoningKind::Responses => "r",
            ReasoningKind::Gemini => "g",
            ReasoningKind::Anthropic => "a",
            ReasoningKind::AnthropicRedacted => "x",
        }
    }
}

/// An opened envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Whose reasoning it is.
    pub kind: ReasoningKind,
    /// What was sealed; see [`ReasoningKind`].
    pub payload: &'a str,
}

/// Seals `payload` for the `signature` of a thinking block or the `data` of a redacted one.
pub fn seal_reasoning(kind: ReasoningKind, payload: &str) -> String {
    let mut sealed = String::with_capacity(PREFIX.len() + 2 + payload.len());
    sealed.push_str(PREFIX);
    sealed.push_str(kind.letter());
    sealed.push('.');
    sealed.push_str(payload);
    sealed
}

/// Opens an envelope; `None` when it is not ours or of a kind this version does not know.
pub fn open(signature: &str) -> Option<Envelope<'_>> {
    let (letter, payload) = signature.strip_prefix(PREFIX)?.split_once('.')?;
    let kind = ReasoningKind::ALL
        .into_iter()
        .find(|kind| kind.letter() == letter)?;
    Some(Envelope { kind, payload })
}

/// Whether a signature is one of our envelopes, of whatever kind: the block must not reach Anthropic.
pub fn is_ours(signature: &str) -> bool {
    signature.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_out() {
        for kind in ReasoningKind::ALL {
            for payload in ["", "[{\"type\":\"reasoning.text\"}]", "a.b.c", "…"] {
                let sealed = seal_reasoning(kind, payload);
                assert!(is_ours(&sealed));
                assert_eq!(open(&sealed), Some(Envelope { kind, payload }));
            }
        }
    }

    #[test]
    fn foreign_signatures_stay_closed() {
        for signature in ["", "EuYDCmMIBxgC", "pm1", "pm2.c.", "pm1c."] {
            assert!(!is_ours(signature), "{signature}");
            assert_eq!(open(signature), None);
        }
    }

    #[test]
    fn an_unknown_kind_is_ours_but_stays_closed() {
        assert!(is_ours("pm1.z.later"));
        assert_eq!(open("pm1.z.later"), None);
        assert_eq!(open("pm1.c"), None);
    }
}
