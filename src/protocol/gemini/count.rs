//! `:countTokens`: what asks for a count, and the count.

use crate::protocol::canonical::{Losses, Request, TranslateError};

use super::{Profile, outbound};

/// The body that asks how many tokens `request` has for `model`.
pub fn count_tokens_body(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Vec<u8>, TranslateError> {
    outbound(request, model, profile, losses).map(|outbound| outbound.body)
}

/// The count in an answer.
pub fn counted(body: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    answer.get("totalTokens")?.as_u64()
}
