//! The token that an attempt signs in with, where it is fetched rather than configured.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::answer::Refused;
use super::choose::Candidate;
use super::exchange::{Begun, Exchange, Outcome};
use crate::credential::{Bearer, MintError};
use crate::error::{Fault, FaultKind, Timer};
use crate::protocol::anthropic::Thinking;

impl Exchange<'_, '_> {
    /// One try. Where the provider refuses a token that was fetched for it, one more with a new token: it may have
    /// been withdrawn, or our clock may be wrong.
    pub(super) async fn attempt_signed_in(
        &mut self,
        candidate: &Candidate,
        begun: &mut Begun,
        thinking: Thinking,
    ) -> Outcome {
        let bearer = match begun.bearer.take() {
            Some(bearer) => Some(bearer),
            None => match self.bearer(candidate).await {
                Ok(bearer) => bearer,
                Err(outcome) => return outcome,
            },
        };
        let bearer = bearer.as_ref();
        let first = self.attempt(candidate, begun, bearer, thinking).await;
        let Outcome::Failed(_, refused) = &first else {
            return first;
        };
        if !needs_another(candidate, bearer, refused.as_ref()) {
            return first;
        }
        log::warn!(
            "provider {} refused its token: trying once more with a new one",
            candidate.endpoint.id()
        );
        match self.bearer(candidate).await {
            Ok(bearer) => {
                let bearer = bearer.as_ref();
                self.attempt(candidate, begun, bearer, thinking).await
            }
            Err(Outcome::Left) => Outcome::Left,
            // Why there is no new one is in the log; the refusal is what this attempt came to.
            Err(_) => first,
        }
    }

    /// The token to sign in with, or what the attempt comes to without one.
    async fn bearer(&mut self, candidate: &Candidate) -> Result<Option<Bearer>, Outcome> {
        if candidate.endpoint.tokens.is_none() {
            return Ok(None);
        }
        let left = self
            .request
            .deadline
            .saturating_duration_since(Instant::now());
        tokio::select! { biased;
            bearer = candidate.endpoint.bearer() => {
                bearer.map_err(|error| Outcome::Failed(fault_of(&error), None))
            }
            () = self.client.left() => Err(Outcome::Left),
            () = tokio::time::sleep(left.max(Duration::from_millis(1))) => {
                let kind = FaultKind::UpstreamTimeout(Timer::Deadline);
                Err(Outcome::Failed(Fault::new(kind, "the request took too long"), None))
            }
        }
    }
}

/// Whether a provider has refused a token that was fetched for it, and another one is worth a try.
pub(super) fn needs_another(
    candidate: &Candidate,
    bearer: Option<&Bearer>,
    refused: Option<&Refused>,
) -> bool {
    let (Some(bearer), Some(tokens)) = (bearer, &candidate.endpoint.tokens) else {
        return false;
    };
    refused.is_some_and(|it| it.status == StatusCode::UNAUTHORIZED) && tokens.refused(bearer)
}

fn fault_of(error: &MintError) -> Fault {
    let kind = match error {
        MintError::Refused { status, .. } => FaultKind::UpstreamAuth { status: *status },
        MintError::NeedsLogin { .. } => FaultKind::UpstreamAuth { status: 401 },
        MintError::Unreachable { .. }
        | MintError::Unavailable { .. }
        | MintError::Limited { .. }
        | MintError::NoStore(_)
        | MintError::Malformed(_) => FaultKind::UpstreamUnreachable,
        MintError::Internal(what) => return Fault::internal(what),
    };
    Fault::new(kind, "the provider cannot be signed in at").with_source(error)
}
