//! Tokens as Gemini counts them, brought to Anthropic's way of counting.
//!
//! `promptTokenCount` includes what came from the cache; what Google's own tools put into the prompt is counted beside
//! it, and thinking beside the answer. The four together are the total.

use serde::Deserialize;

use crate::protocol::canonical::Usage;
use crate::protocol::openai_chat::wire_answer::{Count, MAX_COUNT};

/// The counts so far: each chunk has some of them, and the last word on each holds.
#[expect(clippy::struct_field_names, reason = "names of the wire")]
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Counts {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    tool_use_prompt_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    total_token_count: Count,
}

impl Counts {
    /// Takes the counts of another chunk in; what cannot be read is left out.
    pub fn take(&mut self, raw: &str) {
        let Ok(new) = serde_json::from_str::<Counts>(raw) else {
            return;
        };
        for (known, new) in [
            (&mut self.prompt_token_count, new.prompt_token_count),
            (
                &mut self.cached_content_token_count,
                new.cached_content_token_count,
            ),
            (
                &mut self.tool_use_prompt_token_count,
                new.tool_use_prompt_token_count,
            ),
            (&mut self.candidates_token_count, new.candidates_token_count),
            (&mut self.thoughts_token_count, new.thoughts_token_count),
            (&mut self.total_token_count, new.total_token_count),
        ] {
            known.0 = new.0.or(known.0);
        }
    }

    /// The canonical counts; `None` when nothing was counted.
    pub fn usage(&self) -> Option<Usage> {
        let prompt = self.prompt_token_count.or_zero();
        let tools = self.tool_use_prompt_token_count.or_zero();
        let cached = self.cached_content_token_count.or_zero();
        let thinking = self.thoughts_token_count.0;
        let total = self.total_token_count.or_zero();
        let output = match self.candidates_token_count.0 {
            Some(answer) => answer.saturating_add(thinking.unwrap_or(0)),
            None => total
                .saturating_sub(prompt)
                .saturating_sub(tools)
                .max(thinking.unwrap_or(0)),
        };
        if prompt == 0 && output == 0 {
            return None;
        }
        Some(Usage {
            input: prompt
                .saturating_sub(cached)
                .saturating_add(tools)
                .min(MAX_COUNT),
            cache_read: cached,
            cache_creation: 0,
            output: output.min(MAX_COUNT),
            thinking,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(chunks: &[&str]) -> Option<(u64, u64, u64, Option<u64>)> {
        let mut counts = Counts::default();
        for chunk in chunks {
            counts.take(chunk);
        }
        let it = counts.usage()?;
        assert_eq!(it.cache_creation, 0);
        Some((it.input, it.cache_read, it.output, it.thinking))
    }

    #[test]
    fn the_four_counts_make_the_total() {
        let all = r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":7,
            "thoughtsTokenCount":20,"toolUsePromptTokenCount":5,"totalTokenCount":132}"#;
        assert_eq!(usage(&[all]), Some((45, 60, 27, Some(20))));
        let plain = r#"{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":10}"#;
        assert_eq!(usage(&[plain]), Some((8, 0, 2, None)));
    }

    #[test]
    fn the_last_word_on_each_count_holds() {
        let first = r#"{"promptTokenCount":8,"thoughtsTokenCount":30,"totalTokenCount":38}"#;
        let last = r#"{"candidatesTokenCount":4,"totalTokenCount":42,"trafficType":"ON_DEMAND"}"#;
        assert_eq!(usage(&[first]), Some((8, 0, 30, Some(30))));
        assert_eq!(usage(&[first, last, "{}"]), Some((8, 0, 34, Some(30))));
    }

    #[test]
    fn nothing_counted_is_nothing() {
        for nothing in [
            "{}",
            "[]",
            "7",
            r#"{"trafficType":"ON_DEMAND"}"#,
            r#"{"promptTokenCount":null}"#,
        ] {
            assert_eq!(usage(&[nothing]), None, "{nothing}");
        }
        let absurd =
            r#"{"promptTokenCount":-4,"candidatesTokenCount":1e300,"cachedContentTokenCount":9}"#;
        assert_eq!(usage(&[absurd]), Some((0, 9, MAX_COUNT, None)));
    }
}
