//! Tokens as OpenAI-type providers count them, brought to Anthropic's way of counting.

use crate::protocol::canonical::Usage;
use crate::protocol::openai_chat::wire_answer as wire;

/// Brings a provider's counts into canonical form; `None` when it counted nothing.
///
/// - The prompt of OpenAI includes what came from the cache and what went into it; ours does not.
/// - Output includes reasoning at OpenAI, DeepSeek, Groq, OpenRouter. xAI leaves it out, which shows in the total
///   (`prompt + completion + reasoning`, recorded 2026), and so does Google's compatible endpoint, which does not even
///   name it.
pub(crate) fn canonical_usage(raw: &str) -> Option<Usage> {
    let usage: wire::Usage = serde_json::from_str(raw).ok()?;
    let prompt_details = usage.prompt_tokens_details.unwrap_or_default();
    let cache_read = [
        prompt_details.cached_tokens,
        usage.prompt_cache_hit_tokens,
        usage.cached_tokens,
    ]
    .into_iter()
    .find_map(|it| it.0)
    .unwrap_or(0);
    let cache_creation = prompt_details.cache_write_tokens.or_zero();
    let missed = usage.prompt_cache_miss_tokens.or_zero();
    let prompt = usage
        .prompt_tokens
        .0
        .unwrap_or_else(|| cache_read.saturating_add(missed));
    let completion = usage.completion_tokens.or_zero();
    if prompt == 0 && completion == 0 {
        return None;
    }
    let reasoning = usage
        .completion_tokens_details
        .and_then(|it| it.reasoning_tokens.0)
        .or(usage.reasoning_tokens.0);
    let output = output_tokens(
        prompt,
        completion,
        usage.total_tokens.0,
        reasoning.unwrap_or(0),
    );
    Some(Usage {
        // More from the cache than the prompt holds: recorded with grok at Azure, which leaves the cache out.
        input: prompt
            .saturating_sub(cache_read)
            .saturating_sub(cache_creation),
        cache_read,
        cache_creation,
        output,
        thinking: reasoning.map(|it| it.min(output)),
    })
}

pub(crate) fn output_tokens(
    prompt: u64,
    completion: u64,
    total: Option<u64>,
    reasoning: u64,
) -> u64 {
    let counted = prompt.saturating_add(completion);
    match total {
        Some(total)
            if counted < total
                && (reasoning == 0 || total == counted.saturating_add(reasoning)) =>
        {
            completion.saturating_add(total - counted)
        }
        _ => completion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cache_read: u64, cache_creation: u64, output: u64) -> Usage {
        Usage {
            input,
            cache_read,
            cache_creation,
            output,
            thinking: None,
        }
    }

    #[test]
    fn every_vendor_counts_in_its_own_way() {
        let plain = r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}"#;
        let openai = r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,
            "prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":2},
            "completion_tokens_details":{"reasoning_tokens":3}}"#;
        let deepseek = r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,
            "prompt_cache_hit_tokens":15,"prompt_cache_miss_tokens":5}"#;
        let moonshot =
            r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"cached_tokens":4}"#;
        let xai = r#"{"prompt_tokens":12,"completion_tokens":2,"total_tokens":354,
            "completion_tokens_details":{"reasoning_tokens":340}}"#;
        let google = r#"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#;
        assert_eq!(canonical_usage(plain), Some(usage(20, 0, 0, 7)));
        let thinking = |thinking, usage| Usage {
            thinking: Some(thinking),
            ..usage
        };
        assert_eq!(
            canonical_usage(openai),
            Some(thinking(3, usage(10, 8, 2, 7)))
        );
        assert_eq!(canonical_usage(deepseek), Some(usage(5, 15, 0, 7)));
        assert_eq!(canonical_usage(moonshot), Some(usage(16, 4, 0, 7)));
        assert_eq!(
            canonical_usage(xai),
            Some(thinking(340, usage(12, 0, 0, 342)))
        );
        assert_eq!(canonical_usage(google), Some(usage(66, 0, 0, 34)));
    }

    #[test]
    fn absurd_counts_are_capped_and_never_negative() {
        let big = wire::MAX_COUNT;
        let absurd =
            r#"{"prompt_tokens":1e300,"completion_tokens":99999999999999999999,"total_tokens":-5}"#;
        assert_eq!(canonical_usage(absurd), Some(usage(big, 0, 0, big)));
        let negative = r#"{"prompt_tokens":-3,"completion_tokens":"12"}"#;
        assert_eq!(canonical_usage(negative), Some(usage(0, 0, 0, 12)));
        let more_cached_than_sent =
            r#"{"prompt_tokens":5,"completion_tokens":1,"cached_tokens":50}"#;
        assert_eq!(
            canonical_usage(more_cached_than_sent),
            Some(usage(0, 50, 0, 1))
        );
        for nothing in [
            "{}",
            "[]",
            "3",
            r#"{"prompt_tokens":0,"completion_tokens":0}"#,
        ] {
            assert_eq!(canonical_usage(nothing), None, "{nothing}");
        }
    }
}
