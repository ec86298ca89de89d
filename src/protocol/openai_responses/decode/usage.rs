//! Tokens as this dialect counts them, brought to Anthropic's way of counting: the input includes what came from the
//! cache and what went into it, the output includes reasoning, at xAI in the total only.

use crate::protocol::canonical::Usage;
use crate::protocol::openai_chat::usage::output_tokens;
use crate::protocol::openai_responses::wire_answer as wire;

/// Brings a provider's counts into canonical form; `None` when it counted nothing.
pub(super) fn canonical_usage(raw: &str) -> Option<Usage> {
    let usage: wire::Usage = serde_json::from_str(raw).ok()?;
    let details = usage.input_tokens_details.unwrap_or_default();
    let cache_read = details.cached_tokens.or_zero();
    let cache_creation = details.cache_write_tokens.or_zero();
    let prompt = usage.input_tokens.or_zero();
    let counted = usage.output_tokens.or_zero();
    if prompt == 0 && counted == 0 {
        return None;
    }
    let reasoning = usage
        .output_tokens_details
        .and_then(|it| it.reasoning_tokens.0);
    let output = output_tokens(
        prompt,
        counted,
        usage.total_tokens.0,
        reasoning.unwrap_or(0),
    );
    Some(Usage {
        input: prompt
            .saturating_sub(cache_read)
            .saturating_sub(cache_creation),
        cache_read,
        cache_creation,
        output,
        thinking: reasoning.map(|it| it.min(output)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_the_cache_is_counted_once() {
        let raw = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
            "output_tokens":20,"output_tokens_details":{"reasoning_tokens":12},"total_tokens":120}"#;
        assert_eq!(
            canonical_usage(raw),
            Some(Usage {
                input: 30,
                cache_read: 60,
                cache_creation: 10,
                output: 20,
                thinking: Some(12)
            })
        );
    }

    #[test]
    fn reasoning_outside_of_the_output_is_added() {
        let raw = r#"{"input_tokens":10,"output_tokens":2,"output_tokens_details":{"reasoning_tokens":30},"total_tokens":42}"#;
        let usage = canonical_usage(raw).unwrap();
        assert_eq!((usage.output, usage.thinking), (32, Some(30)));
    }

    #[test]
    fn nothing_counted_is_no_usage() {
        for raw in ["{}", "null", "3", r#"{"input_tokens":0,"output_tokens":0}"#] {
            assert_eq!(canonical_usage(raw), None, "{raw}");
        }
        let absurd = r#"{"input_tokens":"5","output_tokens":-1,"input_tokens_details":{"cached_tokens":50}}"#;
        let usage = canonical_usage(absurd).unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output), (0, 50, 0));
    }
}
