//! What is known of a model at an OpenAI-type provider, for the translation: the built-in guess, and over it what the
//! operator declared.

use crate::protocol::openai_chat::{Overrides, Profile};
use crate::snapshot::Endpoint;

/// The profile of `model` at `endpoint`.
pub fn of(endpoint: &Endpoint, model: &str) -> Profile {
    let guess = Profile::guess(&endpoint.target.host, model);
    let Some(facts) = endpoint.facts(model) else {
        return guess;
    };
    let quirks = &facts.quirks;
    guess.with(&Overrides {
        max_completion_tokens: quirks.max_completion_tokens,
        sampling: quirks.sampling,
        reasoning_effort: quirks.reasoning_effort,
        replay_reasoning: quirks.replay_reasoning,
        stream_usage: quirks.stream_usage,
        files: quirks.files,
        images: facts.images,
        thinking: facts.thinking,
        max_output: facts.max_output,
    })
}
