//! Canonical request to the body of a call.

use crate::protocol::canonical::{Losses, Outbound, Request, TranslateError};

use super::Profile;

/// Writes `request` for `model` at a provider that takes what `profile` says.
pub fn outbound(
    _request: &Request,
    _model: &str,
    _profile: &Profile,
    _losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    Err(TranslateError::NotAClient)
}
