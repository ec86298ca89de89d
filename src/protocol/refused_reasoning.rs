//! Whether a provider refuses to take back what was thought in earlier turns: sealed by another vendor, for another
//! account, or changed on its way. Then the same request may do without it.
//!
//! Wordings observed (2026); underscores and back quotes come and go. A call without its signature is no such refusal:
//! leaving out more would not help.

use crate::protocol::errors;
use crate::types::Dialect;

/// Anthropic's, and that of its models elsewhere.
const SIGNATURES: [&str; 4] = [
    "invalid signature in thinking block",
    "thinking.signature: field required",
    "thinking or redacted thinking blocks in the latest assistant message cannot be modified",
    "expected thinking or redacted thinking, but found",
];
/// OpenAI's code, and xAI's words; it takes reasoning that it cannot read for a compacted conversation.
const SEALS: [&str; 2] = [
    "invalid encrypted content",
    "could not decode the compaction blob",
];
/// OpenAI's words, and xAI's, for what is [`SEALED`].
const UNREADABLE: [&str; 3] = [
    "could not be verified",
    "could not be decrypted",
    "could not decrypt",
];
const SEALED: &str = "encrypted content";
/// Google's.
const THOUGHTS: [&str; 3] = [
    "corrupted thought signature",
    "invalid thought signature",
    "thought signature is not valid",
];

/// Whether the body of a 400, or the text of an error inside a stream, says so.
pub fn is_refused_reasoning(provider: Dialect, body: &[u8]) -> bool {
    let error = errors::parse(provider, Some(400), body);
    let code = error.code.as_deref().unwrap_or_default();
    let said = plain(&format!("{} {code}", error.message));
    match provider {
        Dialect::Anthropic => has(&said, &SIGNATURES),
        Dialect::OpenAiResponses => is_about_a_seal(&said),
        Dialect::Gemini => has(&said, &THOUGHTS),
        Dialect::OpenAiChat => {
            // A router quotes the vendor behind it, as a text within a text.
            let whole = plain(&String::from_utf8_lossy(body));
            has(&whole, &SIGNATURES) || is_about_a_seal(&whole) || has(&whole, &THOUGHTS)
        }
    }
}

fn is_about_a_seal(said: &str) -> bool {
    has(said, &SEALS) || (said.contains(SEALED) && has(said, &UNREADABLE))
}

fn has(said: &str, wordings: &[&str]) -> bool {
    wordings.iter().any(|wording| said.contains(wording))
}

/// Without case, back quotes, underscores and line breaks.
fn plain(text: &str) -> String {
    let text = text.replace('`', "").replace('_', " ").to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(provider: Dialect, message: &str) -> bool {
        let body = match provider {
            Dialect::Anthropic => {
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
            }
            Dialect::Gemini => {
                json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})
            }
            Dialect::OpenAiChat => {
                let raw = json!({"error": {"code": 400, "message": message}}).to_string();
                json!({"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}})
            }
            Dialect::OpenAiResponses => {
                json!({"error": {"message": message, "type": "invalid_request_error", "code": null}})
            }
        };
        is_refused_reasoning(provider, body.to_string().as_bytes())
    }

    const ANTHROPICS: [&str; 6] = [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "messages.9.content.0: Invalid signature in thinking   block",
        "messages.1.content.0.thinking.signature: Field required",
        "messages.5.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`.",
        "messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is \
         enabled, a final `assistant` message must start with a thinking block",
    ];
    const OPENAIS: [&str; 4] = [
        "The encrypted content gAAA...ng== could not be verified.",
        "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
        "Could not decrypt the provided encrypted_content. Ensure the value is unmodified.",
        "Could not decode the compaction blob. Ensure it is unmodified from the compact response.",
    ];
    const GOOGLES: [&str; 4] = [
        "Corrupted thought signature.",
        "Corrupted thought_signature.",
        "Unable to submit request because Thought signature is not valid.. Learn more: https://example.com",
        "Invalid thought signature",
    ];

    #[test]
    fn every_vendor_refuses_in_its_own_words() {
        let all = [
            (Dialect::Anthropic, ANTHROPICS.as_slice()),
            (Dialect::OpenAiResponses, &OPENAIS),
            (Dialect::Gemini, &GOOGLES),
        ];
        for (provider, wordings) in all {
            for message in wordings {
                assert!(refused(provider, message), "{provider:?}: {message}");
                assert!(is_refused_reasoning(provider, message.as_bytes()));
                assert!(refused(Dialect::OpenAiChat, message), "{message}");
                for (other, _) in all.iter().filter(|(other, _)| *other != provider) {
                    assert!(!refused(*other, message), "{other:?}: {message}");
                }
            }
        }
    }

    #[test]
    fn the_code_alone_tells_of_a_seal() {
        let body =
            json!({"error": {"message": "no", "code": "invalid_encrypted_content"}}).to_string();
        for provider in [Dialect::OpenAiResponses, Dialect::OpenAiChat] {
            assert!(is_refused_reasoning(provider, body.as_bytes()));
        }
    }

    #[test]
    fn other_refusals_are_no_reason_to_leave_thinking_out() {
        for message in [
            "max_tokens must be greater than thinking.budget_tokens",
            "adaptive thinking is not supported on this model",
            "\"thinking.type.enabled\" is not supported for this model",
            "prompt is too long: 3333404 tokens > 200000 maximum",
            "messages.1: invalid signature",
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
             correctly, and missing thought_signature may lead to degraded model performance.",
            "Encrypted function output content could not be decrypted or decoded.",
            "The image could not be verified",
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        ] {
            for provider in [
                Dialect::Anthropic,
                Dialect::OpenAiChat,
                Dialect::OpenAiResponses,
                Dialect::Gemini,
            ] {
                assert!(!refused(provider, message), "{provider:?}: {message}");
            }
        }
    }
}
