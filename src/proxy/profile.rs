//! What is known of a model at a provider, for the translation: the built-in guess, and over it what the operator
//! declared.

use crate::protocol::profile::{Overrides, Profile};
use crate::snapshot::Endpoint;

/// The profile of `model` at `endpoint`.
pub fn of(endpoint: &Endpoint, model: &str) -> Profile {
    let declared = endpoint.facts(model).map(|facts| {
        let quirks = &facts.quirks;
        Overrides {
            max_completion_tokens: quirks.max_completion_tokens,
            sampling: quirks.sampling,
            reasoning_effort: quirks.reasoning_effort,
            replay_reasoning: quirks.replay_reasoning,
            stream_usage: quirks.stream_usage,
            files: quirks.files,
            images: facts.images,
            thinking: facts.thinking,
            max_output: facts.max_output,
        }
    });
    Profile::of(
        endpoint.dialect,
        &endpoint.target.host,
        model,
        &declared.unwrap_or_default(),
    )
}
