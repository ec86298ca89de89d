//! What is known of a model at a provider, for the translation: the built-in tables, and over them what the operator
//! declared.

use crate::protocol::capabilities::Capabilities;
use crate::protocol::profile::{Overrides, Profile};
use crate::snapshot::{Endpoint, Spoken};
use crate::types::Hosted;

/// The profile of `model` at `endpoint`.
pub fn of(endpoint: &Endpoint, spoken: Spoken, model: &str) -> Profile {
    // Who hosts a model for others passes requests on to its maker.
    let makers = spoken.hosted.map(Hosted::host);
    let host = makers.unwrap_or(&endpoint.target.host);
    Profile::of(spoken.dialect, host, model, &declared(endpoint, model))
}

/// The context window of `model` in tokens: as declared, else as known.
pub fn window(endpoint: &Endpoint, model: &str) -> Option<u64> {
    let declared = endpoint.facts(model).and_then(|facts| facts.context);
    let listed = || endpoint.hosting.as_ref()?.model(model)?.context;
    declared
        .or_else(listed)
        .or_else(|| Capabilities::of(model).context)
}

/// What the operator declared of the model, and where nothing, of the provider.
fn declared(endpoint: &Endpoint, model: &str) -> Overrides {
    let (provider, facts) = (&endpoint.provider, endpoint.facts(model));
    let quirks = facts.map(|it| it.quirks).unwrap_or_default();
    let service = Overrides::of(provider.vendor, quirks.over(provider.quirks));
    let Some(facts) = facts else {
        return service;
    };
    Overrides {
        files: quirks.files.or(facts.documents).or(service.files),
        images: quirks.images.or(facts.images).or(service.images),
        thinking: facts.thinking,
        thinking_style: facts.thinking_style,
        max_output: facts.max_output,
        structured_output: facts.structured_output,
        prefill: facts.prefill,
        ..service
    }
}
