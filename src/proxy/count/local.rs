//! Counting here.

use super::counts_itself;
use crate::error::{Fault, FaultKind};
use crate::protocol::translate;
use crate::proxy::choose::Candidate;
use crate::proxy::service::Shared;
use crate::tokens::{Count, Counter};
use crate::types::{Dialect, UpstreamModel};

/// Input tokens of the body of a client of that dialect. Takes milliseconds, for a hostile body half a second: not for
/// a thread that relays streams.
pub fn local(counter: &Counter, client: Dialect, body: &[u8], model: &str) -> Result<Count, Fault> {
    match client {
        // What translation refuses can be counted all the same.
        Dialect::Anthropic | Dialect::Gemini => counter
            .messages(body, model)
            .map_err(|error| Fault::new(FaultKind::InvalidRequest, error.to_string())),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            let request = translate::countable(client, body).map_err(|error| {
                Fault::new(FaultKind::InvalidRequest, error.to_string())
                    .with_code(error.error_code())
            })?;
            Ok(counter.request(&request, model))
        }
    }
}

/// Loads the vocabularies of all models in the configuration that are counted here, so that the first count need not.
/// Blocks for a tenth of a second for each.
pub fn warm(shared: &Shared) {
    let snapshot = shared.live.current();
    for route in &snapshot.config.routes {
        for listed in &route.candidates {
            let Some(endpoint) = snapshot.endpoint(listed.provider) else {
                continue;
            };
            // A model that is passed through looks like the pattern that it matches.
            let model = UpstreamModel::new(listed.model.as_deref().unwrap_or(&route.pattern));
            let candidate = Candidate::new(endpoint, model, listed);
            if !counts_itself(shared, &snapshot, &candidate, std::time::Instant::now()) {
                shared.counter.warm(candidate.model.as_str());
            }
        }
    }
}
